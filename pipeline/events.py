"""What the engine tells: plain frozen records, times as sample indices of the run's 16 kHz stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GateOpened:
    """Speech is meant for the assistant. Its audio begins `preroll_samples` before `at_sample`."""

    TOPIC: ClassVar[str] = "gate.opened"
    utterance: int
    at_sample: int
    score: float
    scores: dict[str, float]
    preroll_samples: int


@dataclass(frozen=True)
class Intent:
    """A kind of request was recognised: early as soon as it is sure enough, and once more (`final`) at the close."""

    TOPIC: ClassVar[str] = "intent"
    utterance: int
    at_sample: int
    head: str
    score: float
    final: bool


@dataclass(frozen=True)
class GateClosed:
    """The utterance is over: "silence", "hold", "max_length", "muted", "reload" or "end_of_stream"."""

    TOPIC: ClassVar[str] = "gate.closed"
    utterance: int
    at_sample: int
    duration_samples: int
    reason: str
    intents: list[str]
    peaks: dict[str, float]


@dataclass(frozen=True)
class Audio:
    """A piece of the utterance's own samples, int16 at 16 kHz; `at_sample` is the index of the first."""

    TOPIC: ClassVar[str] = "audio"
    utterance: int
    at_sample: int
    pcm: NDArray[np.int16]
    last: bool


@dataclass(frozen=True)
class Scores:
    """Every head's score at a step, whether or not anything is open; only when asked for."""

    TOPIC: ClassVar[str] = "scores"
    at_sample: int
    scores: dict[str, float]
    level_dbfs: float
    active: bool


Event = GateOpened | Intent | GateClosed | Audio | Scores
