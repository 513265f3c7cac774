"""How a service is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """What `inherentd service status` prints of one service, and whether it runs."""

    running: bool
    lines: list[str]
