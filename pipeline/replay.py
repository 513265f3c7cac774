"""The gate as the daemon runs it, for many thresholds at the cost of one: the model's scores are kept, and only the gate's
state machine runs over them, once for each threshold.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline import gate
from inherentd.pipeline.gate import GateConfig, GateState, Transition


@dataclass(frozen=True)
class Recording:
    """What the model said of a stream. Steps that the engine slept through are missing."""

    at_sample: NDArray[np.int64]
    """how many samples had been consumed when a step was scored, [steps]"""
    scores: NDArray[np.float32]
    """[steps, heads]"""
    active: NDArray[np.bool_]
    """whether there was sound over the room's floor, [steps]"""
    step_samples: int
    samples: int
    """length of the stream"""


def replay(config: GateConfig, recording: Recording) -> list[tuple[int, Transition]]:
    """Return what the gate does over a recording, in order, each with the sample at which it was decided.

    While the gate is shut only steps that can open it are looked at, with those before them that they need. Where the
    recording slept, an open gate hears on: the engine does not sleep then, and in silence scores stay what they are.
    """
    # Rounded up: a step that lies only in part in the lookback counts too.
    kept = max(config.smoothing_steps, -(-config.lookback_samples // recording.step_samples), 1)
    candidates = np.flatnonzero(_smoothed(recording.scores[:, 0], config.smoothing_steps) >= config.open_threshold)
    state = gate.initial_state(config)
    found: list[tuple[int, Transition]] = []
    following = 0  # the first step that the gate has not seen
    while True:
        place = np.searchsorted(candidates, following)
        if place == len(candidates):
            return found
        candidate = int(candidates[place])
        step = max(following, candidate - kept + 1)
        if step > following:
            # Those before it are skipped, so that what the gate remembers is no longer what came just before.
            state = dataclasses.replace(state, recent=())
        while step < len(recording.at_sample) and (step <= candidate or state.opened_at is not None):
            if state.opened_at is not None:
                state = _hear_on(config, state, recording, step, found)
            at_sample = int(recording.at_sample[step])
            state, transitions = gate.step(
                config, state, recording.scores[step], active=bool(recording.active[step]), at_sample=at_sample
            )
            found += [(at_sample, transition) for transition in transitions]
            step += 1
        following = step


def _hear_on(
    config: GateConfig, state: GateState, recording: Recording, step: int, found: list[tuple[int, Transition]]
) -> GateState:
    """Return the state after the steps that are missing before `step`, until the gate shuts."""
    begin = int(recording.at_sample[step - 1]) + recording.step_samples
    for at_sample in range(begin, int(recording.at_sample[step]), recording.step_samples):
        state, transitions = gate.step(config, state, recording.scores[step - 1], active=False, at_sample=at_sample)
        found += [(at_sample, transition) for transition in transitions]
        if state.opened_at is None:
            break
    return state


def _smoothed(scores: NDArray[np.float32], steps: int) -> NDArray[np.float64]:
    """Return the mean over the last `steps` steps, [n], a little over what the gate makes of it, never under."""
    sums = np.cumsum(np.pad(scores.astype(np.float64), (steps, 0)))
    return (sums[steps:] - sums[:-steps]) / steps + 1e-6
