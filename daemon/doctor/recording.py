"""A short recording through the daemon's own capture, with the times at which its pieces came."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm

FIRST_SECONDS = 5.0  # PulseAudio may take 2 s to the first block
START_SAMPLES = 1_600  # 100 ms: many devices begin with a click or with zeros


class Capture(Protocol):
    """The part of `sources.capture.Capture` that is used."""

    @property
    def rate_hz(self) -> int:
        """At which the device is open."""
        ...

    @property
    def overflows(self) -> int:
        """Times that audio was lost."""
        ...

    def fileno(self) -> int:
        """Return what select() waits on."""
        ...

    def take(self) -> tuple[Pcm, int]:
        """Return what came, at 16 kHz, and how many samples were lost."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True)
class Arrival:
    """A piece of the recording came."""

    samples: int
    """up to and with this piece"""
    monotonic: float
    wall: float


@dataclass(frozen=True)
class Recording:
    """What was heard."""

    pcm: Pcm
    """int16 [n] at 16 kHz, without the first 100 ms"""
    rate_hz: int
    overflows: int
    arrivals: list[Arrival]


def record(open_capture: Callable[[], Capture], seconds: float, first_seconds: float = FIRST_SECONDS) -> Recording:
    """Return so much of a microphone. Raises DaemonError when it cannot be opened or nothing comes."""
    capture = open_capture()
    try:
        pieces: list[Pcm] = []
        arrivals: list[Arrival] = []
        samples, give_up = 0, time.monotonic() + first_seconds
        while not arrivals or arrivals[-1].monotonic - arrivals[0].monotonic < seconds:
            select.select([capture], [], [], max(0.0, give_up - time.monotonic()))
            piece, _ = capture.take()
            now = time.monotonic()
            if len(piece):
                samples += len(piece)
                pieces.append(piece)
                arrivals.append(Arrival(samples, now, time.time()))
                give_up = now + first_seconds
            elif now > give_up:
                raise DaemonError(f"no audio came from the microphone for {first_seconds:.0f} s")
        return Recording(np.concatenate(pieces)[START_SAMPLES:], capture.rate_hz, capture.overflows, arrivals)
    finally:
        capture.close()
