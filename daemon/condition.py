"""What is told at once when it changes: whether somebody listens, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from inherentd.client.messages import State


@dataclass(frozen=True)
class Condition:
    """`reason` is in words, empty when all is well."""

    state: State
    reason: str = ""


LISTENING = Condition("listening")
MUTED = Condition("muted", "muted by request")
