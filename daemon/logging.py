"""Logs go to stderr: readable on a terminal, one JSON object a line otherwise."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from typing import Any

import structlog
from structlog.typing import Processor

from inherentd.daemon.config import LogSection


def configure(section: LogSection) -> None:
    """Set up structlog for the whole process."""
    console = sys.stderr.isatty() if section.format == "auto" else section.format == "console"
    ending: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, section.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=_own_stderr()),
        cache_logger_on_first_use=False,
    )


@functools.cache
def _own_stderr() -> Any:
    """Return a stderr that stays when the process's own is taken away for a moment (see portaudio.Hushed)."""
    try:
        return Unfailing(os.dup(sys.stderr.fileno()))
    except (OSError, ValueError):  # closed, or no file
        return sys.stderr


class Unfailing:
    """A file whose writing never raises: a full disk, or a reader who left, must not end a daemon that listens."""

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor."""
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""
