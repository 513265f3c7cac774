"""What became of a request: did the gate open, is its sound there from the first word on, which words were heard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from benchmarks.rig.scene import RATE_HZ, Request

LATE_SAMPLES = round(1.5 * RATE_HZ)
"""a request counts as opened until so long after its last word, as in `inherent eval-events`"""


def overlapping(request: Request, utterances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the utterances whose sound has some of the request's speech."""
    return [
        u
        for u in utterances
        if u["at_sample"] < request.speech_stop and u["at_sample"] + u["seconds"] * RATE_HZ > request.speech_start
    ]


def compared(request: Request, utterances: Sequence[dict[str, Any]], alone: str) -> dict[str, Any]:
    """Return what became of a request: gate, sound, words."""
    mine = overlapping(request, utterances)
    opened = any(request.start <= (u["opened_at_sample"] or -1) < request.speech_stop + LATE_SAMPLES
                 or (u["opened_at_sample"] or 0) < request.start < u["at_sample"] + u["seconds"] * RATE_HZ for u in mine)  # fmt: skip
    gated = " ".join(u["text"] for u in mine)
    written, of_alone, of_gated = words(request.text), words(alone), words(gated)
    right_gated = common(written, of_gated)
    return {
        "path": request.path, "text": request.text, "alone": alone, "gated": gated, "opened": opened,
        "late_seconds": max(0, min((u["opened_at_sample"] or 0 for u in mine), default=0) - request.speech_start) / RATE_HZ,
        "from_first_word": any(u["at_sample"] <= request.speech_start for u in mine),
        "to_last_word": any(u["at_sample"] + u["seconds"] * RATE_HZ >= request.speech_stop for u in mine),
        "words": len(written), "right_alone": common(written, of_alone), "right_gated": right_gated,
        "first_alone": first_is_right(written, of_alone), "first_gated": first_is_right(written, of_gated),
        "others": len(of_gated) - right_gated,
    }  # fmt: skip


def words(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many words the longest common subsequence has."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = row
        row = [0]
        for index, other in enumerate(second):
            row.append(before[index] + 1 if word == other else max(before[index + 1], row[-1]))
    return row[-1]


def first_is_right(written: Sequence[str], found: Sequence[str]) -> bool:
    """Return whether the first word is among those that the best alignment finds."""
    return common(written, found) > common(written[1:], found)
