"""What the streams were made of, and the report of `inherent eval-events` for reading."""

from __future__ import annotations

from typing import Any

import numpy as np

from inherentd.inherent_model.streaming.sweep import HOUR_SAMPLES, Heard, gate_only, segments_of, spans
from inherentd.pipeline.gate import GateConfig


def unaddressed(config: GateConfig, heard: Heard) -> dict[str, Any]:
    """Return what the unaddressed stream is made of, and false accepts at the gate's own threshold by source."""
    openings = spans(gate_only(config, config.open_threshold), heard.recording)
    of = segments_of(openings[:, 0], heard.segments)
    by_source: dict[str, dict[str, float]] = {}
    for source in sorted({segment.source for segment in heard.segments}):
        hours = sum(each.stop - each.start for each in heard.segments if each.source == source) / HOUR_SAMPLES
        accepts = sum(heard.segments[index].source == source for index in of)
        by_source[source] = {"hours": round(hours, 3), "false_accepts": accepts, "per_hour": round(accepts / hours, 3)}
    return {
        **addressed(heard),
        "different_clips": len({segment.name for segment in heard.segments}),
        "open_share": round(float(np.sum(openings[:, 1] - openings[:, 0])) / max(heard.recording.samples, 1), 4),
        "by_source": by_source,
    }


def addressed(heard: Heard) -> dict[str, Any]:
    """Return how much there is of a stream."""
    return {
        "hours": round(heard.recording.samples / HOUR_SAMPLES, 3),
        "clips": len(heard.segments),
        "speakers": len({segment.speaker for segment in heard.segments}),
    }


def text(report: dict[str, Any]) -> str:
    """Return the report for reading."""
    own, quiet, delay = report["at_own_threshold"], report["unaddressed"], report["delay"]
    spread = own["interval"] or own["poisson_interval"]
    intent = delay["end_of_phrase_to_first_intent_ms"]
    lines = [
        f"{quiet['hours']:.2f} h unaddressed ({quiet['speakers']} speakers), {report['addressed']['clips']} requests",
        f"at the model's threshold {own['threshold']:.4g}:",
        f"  {own['false_accepts_per_hour']} false accepts/h {spread}, recall {own['recall']} {own['recall_interval']}",
    ]
    lines += [
        f"at recall {recall}: {found['false_accepts_per_hour']} false accepts/h {found['interval']}"
        for recall, found in report["at_recall"].items()
    ]
    for rate, found in report["at_false_accepts_per_hour"].items():
        doubt = "" if found["hours_suffice"] else " (too few hours to say)"
        lines.append(f"at {rate} false accepts/h: recall {found['recall']} {found['interval']}{doubt}")
    lines += [
        f"first intent after the end of the phrase: median {intent['p50']} ms, 90% within {intent['p90']} ms",
        f"  told for {intent['share']} of {delay['phrases_with_an_intent']} phrases",
        f"gate open before the end of {delay['opened_before_their_end']} of {delay['phrases_over_1500_ms']} phrases over 1.5 s",
    ]
    if quiet["clips_of_the_training_split"]:
        lines.append(f"{quiet['clips_of_the_training_split']} unaddressed clips were trained with: they flatter")
    return "\n".join([*lines, f"{report['seconds_taken']} s taken"])
