"""The heads: which questions the model answers, in which order.

The 13 shipped heads are data, not law: a training recipe may name others. Only one rule is fixed: the first head is
the gate ("is this speech meant for the assistant?").
"""

from __future__ import annotations

from collections.abc import Sequence

from inherentd.pipeline.artifact import threshold_key

__all__ = ["GATE", "SHIPPED_HEADS", "targets", "threshold_key"]

GATE = "isInteresting"

SHIPPED_HEADS: tuple[str, ...] = (
    GATE,
    "hasAddToListIntent",
    "hasTermSearchQuery",
    "hasPhotoQuery",
    "hasCalendarEvent",
    "hasCreateDocIntent",
    "hasPersonContext",
    "hasEventContext",
    "hasDeepResearchIntent",
    "hasInsightIntent",
    "hasBrowsingAgentIntent",
    "hasCallingAgentIntent",
    "hasStartTimerIntent",
)


def targets(heads: Sequence[str], fired: Sequence[str], *, addressed: bool) -> list[float]:
    """Return the 0/1 target of each head for one utterance.

    The gate (`heads[0]`) is 1 when the utterance is addressed; every other head is 1 when it is in `fired`, and 0
    whenever the gate is 0. Heads in `fired` that the recipe does not train are ignored.
    """
    return [float(addressed), *(float(addressed and head in fired) for head in heads[1:])]
