"""Long streams for evaluation: clips one after another with pauses between them, and where each of them lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from inherentd.inherent_model.degrade import RATE_HZ, gain_to

PAUSES_S = {"unaddressed": (0.5, 5.0), "addressed": (3.0, 5.0)}
"""between requests long enough for the gate to close"""
FLOOR_DBFS = (-85.0, -50.0)
"""the faint hiss of a room and a microphone, another for every clip and its pause: the engine sleeps in some of them"""


@dataclass(frozen=True)
class Clip:
    """A clip to be laid into a stream."""

    name: str
    samples: np.ndarray
    """float32 at 16 kHz, as it is heard"""
    speaker: str
    source: str
    heads: tuple[str, ...] = ()
    speech: tuple[int, int] = (0, 0)
    """its first sample of speech and the one after the last"""


@dataclass(frozen=True)
class Segment:
    """A clip in the stream with the pause after it: samples [start, stop). Segments tile their stream."""

    start: int
    stop: int
    speech_start: int
    speech_stop: int
    speaker: str
    source: str
    heads: tuple[str, ...]
    name: str


class Stream:
    """Iterated over: one block of samples a clip. `segments` grows along; nothing is kept of the samples."""

    def __init__(self, clips: Iterable[Clip], pause_s: tuple[float, float], seed: int = 0) -> None:
        self.segments: list[Segment] = []
        self._clips = clips
        self._pause_s = pause_s
        self._rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield float32 [samples] at 16 kHz, clip and pause over a faint noise floor."""
        position = 0
        for clip in self._clips:
            pause = round(self._rng.uniform(*self._pause_s) * RATE_HZ)
            floor = gain_to(self._rng.uniform(*FLOOR_DBFS))
            block = self._rng.standard_normal(len(clip.samples) + pause, np.float32) * floor
            block[: len(clip.samples)] += clip.samples
            first, last = clip.speech
            stop = position + len(block)
            self.segments.append(Segment(position, stop, position + first, position + last, clip.speaker, clip.source,
                                         clip.heads, clip.name))  # fmt: skip
            yield block
            position = stop
