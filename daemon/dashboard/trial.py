"""Thresholds to try -> what the gate would have done with them to the last hour, beside what it did."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inherentd.daemon.config_layers import nearest
from inherentd.daemon.dashboard.history import Opening, Window
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline import gate
from inherentd.pipeline.artifact import threshold_key
from inherentd.pipeline.gate import GateConfig
from inherentd.pipeline.replay import Recording, replay
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


class Deciding(msgspec.Struct, frozen=True):
    """What `status` tells under `deciding`: all that the gate goes by, besides scores."""

    gate: GateConfig
    close_share: float | None
    step_samples: int
    scores_every_samples: int


def gate_config(deciding: Deciding, thresholds: Mapping[str, float], tried: Mapping[str, float]) -> GateConfig:
    """Return the daemon's gate with its thresholds, by key, replaced by the tried ones.

    Raises DaemonError for a key that no head has, PipelineError for thresholds that cannot work.
    """
    for key in tried:
        if key not in thresholds:
            raise DaemonError(f"thresholds: this model has no head with the key {key!r}{nearest(key, thresholds)}")
    opens, *intents = ({**thresholds, **tried}[threshold_key(head)] for head in deciding.gate.heads)
    closes = deciding.gate.close_threshold if deciding.close_share is None else opens * deciding.close_share
    return replace(deciding.gate, open_threshold=opens, close_threshold=closes, intent_thresholds=tuple(intents))


def attempt(window: Window, deciding: Deciding, config: GateConfig) -> dict[str, Any]:
    """Return what the gate of this configuration does over a window, what really happened in it, and how they differ."""
    recording = window.recording(deciding.step_samples)
    tried = replayed(config, recording)
    kept = _meeting(window.openings, tried, window.end)
    return {
        "span_seconds": _seconds(window.end - window.first),
        "steps": len(window.at_sample),
        "step_seconds": _seconds(deciding.step_samples),
        "replayed_step_seconds": _seconds(recording.step_samples),
        "open_threshold": config.open_threshold,
        "close_threshold": config.close_threshold,
        "really": _told(window.openings, window),
        "tried": _told(tried, window),
        "kept": kept,
        "gone": len(window.openings) - kept,
        "new": len(tried) - _meeting(tried, window.openings, window.end),
    }


def replayed(config: GateConfig, recording: Recording) -> list[Opening]:
    """Return how the gate would have been open."""
    found: list[Opening] = []
    for at_sample, transition in replay(config, recording):
        if isinstance(transition, gate.Opened):
            found.append(Opening(at_sample))
        elif isinstance(transition, gate.Closed):
            found[-1].closed_at = at_sample
            found[-1].intents = tuple(config.heads[head] for head in transition.intents)
    return found


def _told(openings: Sequence[Opening], window: Window) -> dict[str, Any]:
    open_samples = sum(_closed_at(opening, window.end) - opening.opened_at for opening in openings)
    return {
        "openings": len(openings),
        "seconds_open": _seconds(open_samples),
        "intents": Counter(intent for opening in openings for intent in opening.intents),
        "spans": [
            {
                "from_second": _seconds(opening.opened_at - window.first),
                "seconds": _seconds(_closed_at(opening, window.end) - opening.opened_at),
                "intents": opening.intents,
                "open": opening.closed_at is None,
            }
            for opening in openings
        ],
    }


def _meeting(openings: Sequence[Opening], others: Sequence[Opening], end: int) -> int:
    """Return how many of the openings were open while one of the others was. Both are in order and do not overlap."""
    closes = [_closed_at(other, end) for other in others]
    count = 0
    for opening in openings:
        place = bisect_left(closes, opening.opened_at)  # the first that had not closed before
        count += place < len(others) and others[place].opened_at <= _closed_at(opening, end)
    return count


def _closed_at(opening: Opening, end: int) -> int:
    return end if opening.closed_at is None else opening.closed_at


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)
