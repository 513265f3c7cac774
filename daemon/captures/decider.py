"""What decided: the model and its thresholds, as they were at one moment. Both may be changed while the daemon runs."""

from __future__ import annotations

from dataclasses import dataclass

from inherentd.client.messages import ModelIdentity
from inherentd.daemon import engine_setup
from inherentd.pipeline.engine import Engine


@dataclass(frozen=True)
class Decider:
    """`thresholds` by head, in the model's order."""

    model: ModelIdentity
    thresholds: dict[str, float]


def decider_of(engine: Engine) -> Decider:
    """Return what decides now."""
    gate = engine.config.gate
    thresholds = (gate.open_threshold, *gate.intent_thresholds)
    return Decider(
        engine_setup.identity(engine.runtime.metadata), dict(zip(gate.heads, map(float, thresholds), strict=True))
    )
