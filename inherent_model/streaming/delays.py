"""When the gate opens and the intents are told, measured from the end of each request, with all heads as the daemon runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inherentd.inherent_model.degrade import RATE_HZ
from inherentd.inherent_model.streaming.streams import Segment
from inherentd.inherent_model.streaming.sweep import Heard, segments_of
from inherentd.pipeline.gate import Closed, GateConfig, Opened, Told
from inherentd.pipeline.replay import replay

LONG_SAMPLES = 24_000  # 1.5 s
SHARES = (10, 50, 90, 95)


def figures(config: GateConfig, heard: Heard) -> dict[str, Any]:
    """Return how late gate and intents are and how often the right intent is told, JSON-ready.

    Times in milliseconds from the end of the phrase, negative before it; a decision counts when the samples that it
    needs have been heard, so transport and computing come on top.
    """
    segments = heard.segments
    opened: dict[int, int] = {}
    first: dict[int, int] = {}
    right: dict[int, int] = {}
    told: dict[int, set[str]] = {}
    utterance_of = 0
    for at_sample, transition in replay(config, heard.recording):
        place = min(int(segments_of(np.array(at_sample), segments)), len(segments) - 1)
        if isinstance(transition, Opened):
            utterance_of = place
            opened.setdefault(place, at_sample)
        elif isinstance(transition, Closed):
            told.setdefault(utterance_of, set()).update(config.heads[head] for head in transition.intents)
        elif isinstance(transition, Told):
            first.setdefault(place, at_sample)
            if config.heads[transition.head] in segments[place].heads:
                right.setdefault(place, at_sample)
    kinds = [index for index, segment in enumerate(segments) if segment.heads]
    long = [index for index, segment in enumerate(segments) if _length(segment) > LONG_SAMPLES]
    before = [index for index in long if opened.get(index, segments[index].stop) <= segments[index].speech_stop]
    return {
        "phrases": len(segments),
        "phrases_with_an_intent": len(kinds),
        "end_of_phrase_to_gate_ms": _delays(opened, segments, range(len(segments))),
        "end_of_phrase_to_first_intent_ms": _delays(first, segments, kinds),
        "end_of_phrase_to_right_intent_ms": _delays(right, segments, kinds),
        "phrases_over_1500_ms": len(long),
        "opened_before_their_end": round(len(before) / len(long), 4) if long else None,
        "intents": {head: _intent(head, segments, told) for head in config.heads[1:]},
    }


def _length(segment: Segment) -> int:
    return segment.speech_stop - segment.speech_start


def _delays(at_samples: dict[int, int], segments: Sequence[Segment], among: Sequence[int]) -> dict[str, Any]:
    """Return how many of `among` had the event, and when."""
    late = [
        (at_samples[index] - segments[index].speech_stop) * 1000 / RATE_HZ for index in among if index in at_samples
    ]
    found: dict[str, Any] = {"share": round(len(late) / len(among), 4) if among else None}
    return found | {f"p{share}": round(float(np.percentile(late, share))) if late else None for share in SHARES}


def _intent(head: str, segments: Sequence[Segment], told: dict[int, set[str]]) -> dict[str, Any]:
    """Return of one head how many requests have it, and what share of them, and of the others, it was told of."""
    having = [index for index, segment in enumerate(segments) if head in segment.heads]
    others = [index for index, segment in enumerate(segments) if head not in segment.heads]
    shares = [
        round(sum(head in told.get(index, ()) for index in group) / len(group), 4) if group else None
        for group in (having, others)
    ]
    return {"requests": len(having), "told": shares[0], "told_of_others": shares[1]}
