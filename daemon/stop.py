"""SIGINT, SIGTERM and SIGHUP as something that can be asked and waited for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def wait_for(readable: Iterable[int], seconds: float) -> set[int]:
    """Return which of these descriptors can be read, after at most so long. select() fails with numbers over 1023, which a
    daemon with many subscribers has."""
    poll = select.poll()
    for descriptor in readable:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}


class StopSignals:
    """While its `with` block runs, the first SIGINT or SIGTERM asks for a clean stop; a second one kills as usual. SIGHUP
    asks for a reload."""

    def __init__(self) -> None:
        """Open the pipe that becomes readable when a stop is asked for."""
        self.name = ""  # of the signal that came
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGHUP)}
        self._reload = False

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def fileno(self) -> int:
        """Return what select() can wait on: readable, and from then on always, once a stop was asked for."""
        return self._read_end

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until something is asked for. Return whether it was."""
        return bool(wait_for([self._read_end], seconds))

    def request(self, name: str) -> None:
        """Ask for a stop from inside; `name` says who."""
        self.name = name
        os.write(self._write_end, b"x")

    def take_reload(self) -> bool:
        """Return whether a reload was asked for since the last call."""
        if not self._reload:
            return False
        with contextlib.suppress(BlockingIOError):
            os.read(self._read_end, 64)
        self._reload = False  # a signal until now is part of this one
        if self.requested:  # it came just now, and must stay readable
            os.write(self._write_end, b"x")
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.name = signal.Signals(number).name
        for name in SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        os.write(self._write_end, b"x")

    def _on_reload(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._reload:
            self._reload = True
            os.write(self._write_end, b"x")

    def __enter__(self) -> Self:
        """Take over the signals."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_reload)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read_end)
        os.close(self._write_end)
