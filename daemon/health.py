"""When the daemon tells how it is: every second, and at each change of state; and what it costs."""

from __future__ import annotations

import time
from typing import Any

from inherentd.daemon import process_usage
from inherentd.daemon.condition import Condition

INTERVAL_SECONDS = 1.0


class Health:
    """Decides when a health message is due, and measures what the process used since the last."""

    def __init__(self) -> None:
        """Start the clocks."""
        self._started = self._due = self._measured_at = time.monotonic()
        self._cpu_seconds = process_usage.cpu_seconds()
        self._cpu = 0.0
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

    def told(self, condition: Condition) -> None:
        """Note that a message went out now; the next second counts from here."""
        self._told, self._due = condition, time.monotonic() + INTERVAL_SECONDS

    def usage(self) -> dict[str, Any]:
        """Return cpu (cores used, over the last half second or more), rss (bytes) and uptime (seconds)."""
        now = time.monotonic()
        elapsed = now - self._measured_at
        if elapsed >= INTERVAL_SECONDS / 2:  # of a shorter time the figure would be noise
            cpu_seconds = process_usage.cpu_seconds()
            self._cpu = (cpu_seconds - self._cpu_seconds) / elapsed
            self._measured_at, self._cpu_seconds = now, cpu_seconds
        return {
            "cpu": round(self._cpu, 4),
            "rss": process_usage.resident_bytes(),
            "uptime": round(now - self._started, 3),
        }
