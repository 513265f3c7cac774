"""How the daemon is: told every second, and at each change of state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from inherentd.daemon import process_usage
from inherentd.daemon.messages import State

INTERVAL_SECONDS = 1.0
HOP_SAMPLES = 320


@dataclass(frozen=True)
class Condition:
    """What is worth telling at once when it changes."""

    state: State
    reason: str = ""


class Health:
    """Decides when a health message is due, and makes its fields."""

    def __init__(self) -> None:
        """Start the clocks."""
        self._started = self._due = self._measured_at = time.monotonic()
        self._cpu_seconds = process_usage.cpu_seconds()
        self._told: Condition | None = None

    def seconds_until_due(self) -> float:
        """Return how long until the next regular message, never below 0."""
        return max(0.0, self._due - time.monotonic())

    def due(self, condition: Condition) -> bool:
        """Return whether a message must go out now."""
        return condition != self._told or time.monotonic() >= self._due

    def changed(self, condition: Condition) -> bool:
        """Return whether this was not told yet."""
        return condition != self._told

    def fields(self, condition: Condition, at_sample: int, overflows: int, dropped: int) -> dict[str, Any]:
        """Return the fields of the message that goes out now, and count the next second from here."""
        now, cpu_seconds = time.monotonic(), process_usage.cpu_seconds()
        elapsed = now - self._measured_at
        cpu = (cpu_seconds - self._cpu_seconds) / elapsed if elapsed > 0 else 0.0
        self._told, self._due = condition, now + INTERVAL_SECONDS
        self._measured_at, self._cpu_seconds = now, cpu_seconds
        return {
            "at_sample": at_sample,
            "state": condition.state,
            "reason": condition.reason,
            "frames": at_sample // HOP_SAMPLES,
            "overflows": overflows,
            "dropped": dropped,
            "cpu": round(cpu, 4),
            "rss": process_usage.resident_bytes(),
            "uptime": round(now - self._started, 3),
        }
