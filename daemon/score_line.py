"""What `inherentd score --json` prints for a file."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from inherentd.client.messages import Probability


class ScoreLine(Struct, frozen=True, kw_only=True):
    """One line of `inherentd score --json`."""

    path: Annotated[str, Meta(description="as it was given")]
    seconds: Annotated[float, Meta(ge=0)]
    scores: Annotated[dict[str, Probability], Meta(description="highest score of every head in the file")]
    events: Annotated[
        list[dict[str, Any]], Meta(description="in order, each with its topic and what its header adds; no payload")
    ]
