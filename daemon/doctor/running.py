"""Does a daemon run already, and how is it?"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from inherentd.client import ClientError, Control, Subscriber
from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.metrics.figures import HEALTHY

ANSWER_SECONDS = 0.5
HEALTH_SECONDS = 2.5  # health comes every second

Health = dict[str, Any]


def health_at(endpoint: str, seconds: float = HEALTH_SECONDS) -> Health | None:
    """Return the next health message of a daemon that publishes there; None where none comes."""
    with contextlib.suppress(ClientError), Control() as control:
        status, _ = control.ask("status", timeout_seconds=ANSWER_SECONDS)  # also of one that publishes to keys only
        if status["endpoint"] == endpoint:
            return status
    try:
        with Subscriber(endpoint, "health") as subscriber:
            return next((msgspec.to_builtins(message.header) for message in subscriber.messages(seconds)), None)
    except ClientError:  # an address that makes no sense, or somebody else's messages
        return None


def daemon(health: Health | None) -> Finding:
    """Say how the running daemon is."""
    name = "running daemon"
    if health is None:
        return Finding(name, "ok", "none answers")
    state, reason = health["state"], health["reason"]
    lost = f", {health['overflows']} overflows" if health["overflows"] else ""
    text = f"{health.get('device', 'it')!r} is {state}{f' ({reason})' if reason else ''}, "
    text += f"up {health['uptime']:.0f} s, cpu {health['cpu']:.1%}, {health['rss'] / 2**20:.0f} MiB{lost}"
    if state in HEALTHY or state == "starting":
        return Finding(name, "ok", text)
    return Finding(
        name, "warning", text, "its log says more; stop it and run inherentd doctor again to try the microphone"
    )
