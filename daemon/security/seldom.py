"""Warnings about what strangers do: at most one a second, so that nobody fills the log by knocking."""

from __future__ import annotations

import time

import structlog


class SeldomWarning:
    """Logs one and counts the others."""

    def __init__(self) -> None:
        """Log the first one at once."""
        self._last = float("-inf")
        self._unlogged = 0
        self._log = structlog.get_logger()

    def __call__(self, event: str, **fields: object) -> None:
        """Log it, or count it when one was logged within the last second."""
        if time.monotonic() - self._last < 1:
            self._unlogged += 1
            return
        self._log.warning(event, **fields, others_since_the_last_warning=self._unlogged)
        self._last, self._unlogged = time.monotonic(), 0
