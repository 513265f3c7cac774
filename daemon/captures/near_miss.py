"""Finds near misses: moments in which the gate's score came near to its threshold, and the gate stayed closed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Config:
    """The mark is `share` of the gate's threshold. All times in samples."""

    share: float
    before_samples: int = 2 * SAMPLE_RATE_HZ
    """audio from before the first score over the mark"""
    after_samples: int = SAMPLE_RATE_HZ // 2
    """audio from after the last one"""
    ends_after_samples: int = SAMPLE_RATE_HZ
    """over when the score stayed below the mark for so long"""
    longest_samples: int = 15 * SAMPLE_RATE_HZ
    """of a longer stretch only the beginning is told: a television must not fill the disk"""


@dataclass(frozen=True)
class Stretch:
    """Since when the score is over the mark, with pauses shorter than `ends_after_samples`."""

    start: int
    last_over: int
    peaks: NDArray[np.float32]
    told: bool = False


@dataclass(frozen=True)
class State:
    """`earliest`: audio from before it belongs to an utterance, or was told already."""

    earliest: int = 0
    is_open: bool = False
    stretch: Stretch | None = None


@dataclass(frozen=True)
class NearMiss:
    """Samples [start, stop) of the stream, and the highest score of each head in it."""

    start: int
    stop: int
    peaks: NDArray[np.float32]


def initial_state(config: Config) -> State:
    """Return the state before the first step."""
    del config
    return State()


def step(
    config: Config, state: State, at_sample: int, scores: NDArray[np.float32], *, open_threshold: float, is_open: bool
) -> tuple[State, NearMiss | None]:
    """Return the next state, and the near miss that is over with this step.

    scores: float32 [heads], the gate's first; is_open: whether an utterance is open after this step.
    """
    state, found = elapse(config, state, at_sample)
    if is_open:  # what was near until now is part of this utterance
        return State(earliest=at_sample, is_open=True), found
    if state.is_open:  # this step closed it; its audio goes up to here
        return State(earliest=at_sample), found
    if scores[0] < config.share * open_threshold:
        return state, found
    stretch = state.stretch
    if stretch is None:
        stretch = Stretch(max(state.earliest, at_sample - config.before_samples), at_sample, scores)
    else:
        peaks = np.maximum(stretch.peaks, scores)
        stretch = dataclasses.replace(stretch, last_over=at_sample, peaks=peaks)
    return dataclasses.replace(state, stretch=stretch), found


def elapse(config: Config, state: State, at_sample: int) -> tuple[State, NearMiss | None]:
    """Return the state when no score over the mark can come from before `at_sample`, and the near miss that is over."""
    stretch = state.stretch
    if stretch is None:
        return state, None
    if at_sample - stretch.last_over >= config.ends_after_samples:
        found = _told(config, stretch, at_sample)
        return State(earliest=found.stop if found else stretch.last_over), found
    if at_sample - stretch.start >= config.longest_samples and not stretch.told:
        return dataclasses.replace(state, stretch=dataclasses.replace(stretch, told=True)), _told(
            config, stretch, at_sample
        )
    return state, None


def finish(config: Config, state: State, at_sample: int) -> tuple[State, NearMiss | None]:
    """Return the state after the stream ended at `at_sample`, and the near miss that ended with it."""
    found = _told(config, state.stretch, at_sample) if state.stretch is not None else None
    return State(earliest=at_sample), found


def _told(config: Config, stretch: Stretch, at_sample: int) -> NearMiss | None:
    if stretch.told:
        return None
    longest = stretch.start + config.longest_samples
    stop = min(stretch.last_over + config.after_samples, longest, at_sample)
    return NearMiss(stretch.start, stop, stretch.peaks)
