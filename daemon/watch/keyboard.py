"""Single keys from a terminal, which is given back as it was."""

from __future__ import annotations

import os
import sys
import termios
import tty
from types import TracebackType
from typing import Self

from inherentd.daemon.stop import wait_for


class Keyboard:
    """While its `with` block runs, keys come one by one and are not shown; Ctrl-C stays a signal."""

    def __init__(self) -> None:
        """Take stdin; without a terminal there are no keys."""
        self.there = sys.stdin.isatty()
        self._descriptor = sys.stdin.fileno() if self.there else -1

    def pressed(self) -> str:
        """Return the keys since the last call. Raises EOFError when the terminal is gone."""
        if not self.there or not wait_for([self._descriptor], 0):
            return ""
        try:
            keys = os.read(self._descriptor, 64)
        except OSError:
            keys = b""
        if not keys:
            raise EOFError
        return keys.decode(errors="replace")

    def __enter__(self) -> Self:
        """Switch to single keys."""
        if self.there:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self.there:
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            except termios.error:  # it is gone
                self.there = False
