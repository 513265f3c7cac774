"""Events and health -> figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inherentd.daemon.metrics.figures import Figures
from inherentd.pipeline.events import Event, GateClosed, GateOpened, Intent


def count_events(figures: Figures, events: Iterable[Event]) -> None:
    """Add what the engine told."""
    for event in events:
        match event:
            case GateOpened():
                figures.gate_openings += 1
            case GateClosed():
                figures.closings[event.reason] += 1
            case Intent() if event.final:
                figures.intents[event.head] += 1
            case _:
                pass


def take_health(figures: Figures, fields: Mapping[str, Any]) -> None:
    """Take over what a health message told."""
    figures.tell(fields["state"], fields["reason"])
    figures.muted = fields["muted"]
    figures.frames = fields["frames"]
    figures.overflows = fields["overflows"]
    figures.gaps = fields["gaps"]
    figures.dropped_samples = fields["dropped"]
    figures.clock_drift_ppm = fields["drift_ppm"]
    figures.observe_jitter(fields["jitter_ms"])
