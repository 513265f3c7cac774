"""SIGINT and SIGTERM as something that can be asked and waited for."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While its `with` block runs, the first SIGINT or SIGTERM asks for a clean stop; a second one kills as usual."""

    def __init__(self) -> None:
        """Open the pipe that becomes readable when a stop is asked for."""
        self.name = ""  # of the signal that came
        self._read_end, self._write_end = os.pipe()
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def fileno(self) -> int:
        """Return what select() can wait on: readable, and from then on always, once a stop was asked for."""
        return self._read_end

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a stop is asked for. Return whether it was."""
        select.select([self._read_end], [], [], max(0.0, seconds))
        return self.requested

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.name = signal.Signals(number).name
        for name in SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        os.write(self._write_end, b"x")

    def __enter__(self) -> Self:
        """Take over the two signals."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read_end)
        os.close(self._write_end)
