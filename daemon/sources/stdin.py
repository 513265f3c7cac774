"""Raw PCM on stdin: s16le, 16 kHz, mono; e.g. `arecord -t raw -f S16_LE -r 16000 -c 1 | inherentd --input -`."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self

import numpy as np

from inherentd.daemon.condition import LISTENING, MUTED, Condition
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm
from inherentd.daemon.sources.vitals import Vitals
from inherentd.daemon.stop import StopSignals, wait_for

EXPECTED = "expected raw samples (s16le, 16 kHz, mono)"
READ_BYTES = 32_768  # one second
CONTAINERS = {b"RIFF": "a WAV file", b"fLaC": "a FLAC file", b"OggS": "an OGG file"}


class StdinSource:
    """Standard input as a `Source`."""

    live = False  # it may come at any speed
    vitals = Vitals()
    muted = False

    def __init__(self, stop: StopSignals) -> None:
        """Take stdin. Raises DaemonError when it is a terminal."""
        if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison] (None when closed)
            raise DaemonError(f"stdin: is a terminal, {EXPECTED}, e.g. from arecord -t raw -f S16_LE -r 16000 -c 1")
        self._descriptor = sys.stdin.fileno()
        self._stop = stop
        self._half_sample = b""
        self._at_start = True

    @property
    def condition(self) -> Condition:
        """It cannot tell a pause from an end; the loop says after a while that nothing comes."""
        return MUTED if self.muted else LISTENING

    def forget_jitter(self) -> None:
        """There is none."""

    def mute(self, *, on: bool) -> None:
        """See `Source.mute`."""
        self.muted = on

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return what has come; see `Source.read`."""
        ready = wait_for([self._descriptor, self._stop.fileno()], timeout_seconds)
        if self._descriptor not in ready:
            return np.zeros(0, np.int16)
        data = os.read(self._descriptor, READ_BYTES)
        if self._at_start and data[:4] in CONTAINERS:
            raise DaemonError(f"stdin: got {CONTAINERS[data[:4]]}, {EXPECTED}; give the file's name: --input FILE")
        self._at_start = False
        if not data:
            if self._half_sample:
                raise DaemonError(f"stdin: ended in the middle of a sample (odd number of bytes), {EXPECTED}")
            return None
        data = self._half_sample + data
        even = len(data) & ~1
        self._half_sample = data[even:]
        samples = np.frombuffer(data[:even], "<i2").astype(np.int16, copy=False)
        return np.zeros_like(samples) if self.muted else samples

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave stdin as it is."""
