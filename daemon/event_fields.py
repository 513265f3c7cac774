"""From what the engine tells to what the header of a message adds."""

from __future__ import annotations

from typing import Any

from inherentd.client.messages import ModelIdentity
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened, Intent, Scores
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


def fields(event: Event, model: ModelIdentity) -> dict[str, Any]:
    """Return what the header of `event` adds to `Header`, with `at_sample`."""
    match event:
        case GateOpened():
            return {
                "at_sample": event.at_sample,
                "utterance": event.utterance,
                "score": event.score,
                "scores": event.scores,
                "model": model,
                "preroll_samples": event.preroll_samples,
            }
        case Intent():
            return {
                "at_sample": event.at_sample,
                "utterance": event.utterance,
                "head": event.head,
                "score": event.score,
                "final": event.final,
            }
        case GateClosed():
            return {
                "at_sample": event.at_sample,
                "utterance": event.utterance,
                "duration_ms": event.duration_samples * 1000 / SAMPLE_RATE_HZ,
                "reason": event.reason,
                "intents": event.intents,
                "peaks": event.peaks,
            }
        case Audio():
            return {
                "at_sample": event.at_sample,
                "utterance": event.utterance,
                "samples": len(event.pcm),
                "last": event.last,
            }
        case Scores():
            return {
                "at_sample": event.at_sample, "scores": event.scores, "level_dbfs": event.level_dbfs, "active": event.active
            }  # fmt: skip
