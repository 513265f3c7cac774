"""The gate as the daemon runs it, for many thresholds at the cost of one: the model runs once over the audio, in the
daemon's own engine, and its scores are kept; then only the gate's state machine runs, once for each threshold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from inherentd.pipeline import activity, gate
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.events import Scores
from inherentd.pipeline.gate import GateConfig, Transition
from inherentd.pipeline.runtimes import Runtime

CLOSE_SHARE = 0.6
"""the gate closes under this share of its opening threshold, as in the daemon's configuration"""


@dataclass(frozen=True)
class Recording:
    """What the model said of a stream. Steps that the engine slept through are missing."""

    at_sample: np.ndarray
    """how many samples had been consumed when a step was scored, int64 [steps]"""
    scores: np.ndarray
    """float32 [steps, heads]"""
    active: np.ndarray
    """whether there was sound over the room's floor, bool [steps]"""
    step_samples: int
    samples: int
    """length of the stream"""


def gate_config(runtime: Runtime, open_threshold: float | None = None) -> GateConfig:
    """Return the daemon's default gate for an artifact: its calibrated thresholds, the gate's replaced where given."""
    metadata = runtime.metadata
    calibrated, *intents = (metadata.threshold(head) for head in metadata.head_order)
    opens = calibrated if open_threshold is None else open_threshold
    return GateConfig(metadata.head_order, opens, opens * CLOSE_SHARE, tuple(intents))


def record(runtime: Runtime, blocks: Iterable[np.ndarray]) -> Recording:
    """Return the scores of every step over a stream of blocks, float32 or int16 [samples] at 16 kHz.

    The engine hears them as the daemon's does, also asleep in silence; state carries on over the whole stream. Its
    gate stays shut, so that no threshold has a part in what is recorded.
    """
    shut = dataclasses.replace(gate_config(runtime), open_threshold=1.0, close_threshold=1.0)
    engine = Engine(EngineConfig(gate=shut, scores_every_samples=1), runtime)
    at_sample: list[int] = []
    rows: list[list[float]] = []
    levels: list[float] = []
    for block in blocks:
        for event in engine.push(block):
            if isinstance(event, Scores):
                at_sample.append(event.at_sample)
                rows.append(list(event.scores.values()))
                levels.append(event.level_dbfs)
    scores = np.array(rows, np.float32).reshape(-1, len(engine.heads))
    step_samples = runtime.step_frames * engine.spec.hop_samples
    active = _active(levels, step_samples / engine.spec.sample_rate_hz)
    return Recording(np.array(at_sample, np.int64), scores, active, step_samples, engine.samples)


def _active(levels: list[float], seconds: float) -> np.ndarray:
    config = activity.ActivityConfig()
    state = activity.initial_state(config)
    found = []
    for level in levels:
        state, active = activity.step(config, state, level, seconds)
        found.append(active)
    return np.array(found, bool)


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
    config: GateConfig, state: gate.GateState, recording: Recording, step: int, found: list[tuple[int, Transition]]
) -> gate.GateState:
    """Return the state after the steps that are missing before `step`, until the gate shuts."""
    begin = int(recording.at_sample[step - 1]) + recording.step_samples
    for at_sample in range(begin, int(recording.at_sample[step]), recording.step_samples):
        state, transitions = gate.step(config, state, recording.scores[step - 1], active=False, at_sample=at_sample)
        found += [(at_sample, transition) for transition in transitions]
        if state.opened_at is None:
            break
    return state


def _smoothed(scores: np.ndarray, steps: int) -> np.ndarray:
    """Return the mean over the last `steps` steps, [n], a little over what the gate makes of it, never under."""
    sums = np.cumsum(np.pad(scores.astype(np.float64), (steps, 0)))
    return (sums[steps:] - sums[:-steps]) / steps + 1e-6
