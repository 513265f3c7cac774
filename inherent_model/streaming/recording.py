"""What the model says of a stream, heard by the daemon's own engine: for `pipeline.replay`, with any thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.events import Scores
from inherentd.pipeline.gate import GateConfig
from inherentd.pipeline.replay import Recording
from inherentd.pipeline.runtimes import Runtime

CLOSE_SHARE = 0.6
"""the gate closes under this share of its opening threshold, as in the daemon's configuration"""


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
    active: list[bool] = []
    for block in blocks:
        for event in engine.push(block):
            if isinstance(event, Scores):
                at_sample.append(event.at_sample)
                rows.append(list(event.scores.values()))
                active.append(event.active)
    scores = np.array(rows, np.float32).reshape(-1, len(engine.heads))
    step_samples = runtime.step_frames * engine.spec.hop_samples
    return Recording(np.array(at_sample, np.int64), scores, np.array(active, bool), step_samples, engine.samples)
