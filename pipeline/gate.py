"""The gate as a state machine: scores and speech activity in, openings, intents and closings out.

    closed --score >= open threshold--> open --quiet, or no score, long enough--> refractory --time--> closed

While open, each intent is told once as soon as it is sure enough, and all of them again at the close. All times are
sample indices of the stream; the caller converts from milliseconds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.errors import PipelineError

Reason = Literal["silence", "hold", "max_length", "muted", "reload", "end_of_stream"]


@dataclass(frozen=True)
class GateConfig:
    """Thresholds in [0, 1]; times in samples. `heads[0]` is the gate, `intent_thresholds` belong to `heads[1:]`."""

    heads: tuple[str, ...]
    open_threshold: float
    close_threshold: float
    intent_thresholds: tuple[float, ...]
    smoothing_steps: int = 1
    """the gate looks at the mean of so many steps"""
    min_open_samples: int = 8_000
    hangover_samples: int = 11_200
    """closes when, for that long, the score stayed under `close_threshold` and nobody spoke"""
    hold_samples: int = 48_000
    """closes when the score stayed under `close_threshold` for that long although sound goes on"""
    refractory_samples: int = 4_800
    max_length_samples: int = 240_000
    preroll_samples: int = 16_000
    lookback_samples: int = 7_680
    """scores of so long before the opening count for the intents: the word may come before the certainty"""

    def __post_init__(self) -> None:
        """Refuse thresholds and times that cannot work."""
        if len(self.intent_thresholds) != len(self.heads) - 1:
            raise PipelineError(
                f"intent_thresholds: got {len(self.intent_thresholds)}, expected one for each of {len(self.heads) - 1}"
            )
        if not 0 <= self.close_threshold <= self.open_threshold <= 1:
            raise PipelineError(
                f"thresholds: close {self.close_threshold} and open {self.open_threshold}, expected 0 <= close <= open <= 1"
            )
        if self.smoothing_steps < 1:
            raise PipelineError(f"smoothing_steps: got {self.smoothing_steps}, expected 1 or more")


@dataclass(frozen=True)
class GateState:
    """`recent` holds (at_sample, scores) of the last steps, newest last; `peaks` and `told` belong to the open utterance."""

    recent: tuple[tuple[int, NDArray[np.float32]], ...] = ()
    opened_at: int | None = None
    refractory_until: int = 0
    last_confident: int = 0
    last_active: int = 0
    peaks: NDArray[np.float32] | None = None
    told: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Opened:
    """The gate opened at this step."""

    score: float
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """A head (index) reached its threshold, or is confirmed at the close (`final`, its peak score)."""

    head: int
    score: float
    final: bool


@dataclass(frozen=True)
class Closed:
    """The gate closed at this step."""

    reason: Reason
    opened_at: int
    intents: tuple[int, ...]
    peaks: NDArray[np.float32]


Transition = Opened | Told | Closed


def initial_state(config: GateConfig) -> GateState:
    """Return the closed gate before the first step."""
    del config
    return GateState()


def step(
    config: GateConfig, state: GateState, scores: NDArray[np.float32], *, active: bool, at_sample: int
) -> tuple[GateState, list[Transition]]:
    """Return the next state and what happened at this step, in order.

    scores: float32 [heads] in [0, 1]; active: whether there is sound over the room's floor; at_sample: the stream
    position that the scores speak of. Raises PipelineError when a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise PipelineError(f"scores at sample {at_sample}: got {scores}, expected finite numbers: the model is broken")
    recent = (*state.recent, (at_sample, scores))
    # Over the whole number of steps, also when there were fewer yet: one step alone must not open a smoothed gate.
    smoothed = float(sum(past[0] for _, past in recent[-config.smoothing_steps :])) / config.smoothing_steps
    lookback = tuple(past for past in recent if past[0] > at_sample - config.lookback_samples) or recent[-1:]
    kept = max(len(lookback), config.smoothing_steps)
    state = dataclasses.replace(state, recent=recent[-kept:])
    if state.opened_at is not None:
        return _step_open(config, state, scores, smoothed, active=active, at_sample=at_sample)
    if at_sample < state.refractory_until or smoothed < config.open_threshold:
        return state, []
    peaks = np.max([past for _, past in lookback], axis=0)
    state = dataclasses.replace(
        state, opened_at=at_sample, last_confident=at_sample, last_active=at_sample, peaks=peaks, told=frozenset()
    )
    told, transitions = _early(config, state, peaks)
    return dataclasses.replace(state, told=told), [Opened(smoothed, scores), *transitions]


def close(config: GateConfig, state: GateState, reason: Reason, at_sample: int) -> tuple[GateState, list[Transition]]:
    """Return the closed gate and the final transitions, or nothing when no utterance is open."""
    if state.opened_at is None or state.peaks is None:
        return state, []
    peaks = state.peaks
    fired = tuple(head for head in range(1, len(config.heads)) if peaks[head] >= config.intent_thresholds[head - 1])
    transitions: list[Transition] = [Told(head, float(peaks[head]), final=True) for head in fired]
    transitions.append(Closed(reason, state.opened_at, fired, peaks))
    # What was scored during this utterance must not count for the next one.
    return GateState(refractory_until=at_sample + config.refractory_samples), transitions


def _step_open(
    config: GateConfig, state: GateState, scores: NDArray[np.float32], smoothed: float, *, active: bool, at_sample: int
) -> tuple[GateState, list[Transition]]:
    assert state.opened_at is not None
    assert state.peaks is not None
    confident = smoothed >= config.close_threshold
    state = dataclasses.replace(
        state,
        peaks=np.maximum(state.peaks, scores),
        last_confident=at_sample if confident else state.last_confident,
        last_active=at_sample if active else state.last_active,
    )
    told, transitions = _early(config, state, scores)
    state = dataclasses.replace(state, told=told)
    reason = _reason_to_close(config, state, at_sample)
    if reason is None:
        return state, transitions
    state, closing = close(config, state, reason, at_sample)
    return state, [*transitions, *closing]


def _early(
    config: GateConfig, state: GateState, scores: NDArray[np.float32]
) -> tuple[frozenset[int], list[Transition]]:
    fresh = [
        head
        for head in range(1, len(config.heads))
        if head not in state.told and scores[head] >= config.intent_thresholds[head - 1]
    ]
    return state.told | set(fresh), [Told(head, float(scores[head]), final=False) for head in fresh]


def _reason_to_close(config: GateConfig, state: GateState, at_sample: int) -> Reason | None:
    assert state.opened_at is not None
    open_for = at_sample - state.opened_at
    if open_for >= config.max_length_samples:
        return "max_length"
    if open_for < config.min_open_samples:
        return None
    if at_sample - max(state.last_confident, state.last_active) >= config.hangover_samples:
        return "silence"
    if at_sample - state.last_confident >= config.hold_samples:
        return "hold"
    return None
