"""What may be asked of a running daemon, version 1. `inherentd contracts` writes these as JSON Schemas.

A request is one frame of JSON: {"request": "thresholds.set", "id": 7, "thresholds": {"is_interesting": 0.7}}. So is the reply,
with the same id; after the reply to `audio` comes a second frame with the samples. `inherentd.client.results` has the
type of each `result`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from inherentd.client.messages import SAMPLES, Probability

Position = Annotated[
    int, Meta(ge=0, description="index into the run's 16 kHz stream", extra=SAMPLES, examples=[160_000])
]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"):
    """What every request carries."""

    id: Annotated[int | str | None, Meta(description="comes back in the reply", examples=[7])] = None


class Status(Request, frozen=True, kw_only=True, tag="status"):
    """How the daemon is: state, counts, model, thresholds, context, what is open."""


class Mute(Request, frozen=True, kw_only=True, tag="mute"):
    """From now on no sample leaves the capture; an open utterance is closed."""


class Unmute(Request, frozen=True, kw_only=True, tag="unmute"):
    """Hear again."""


class ThresholdsGet(Request, frozen=True, kw_only=True, tag="thresholds.get"):
    """The thresholds by key, as they are now."""


class ThresholdsSet(Request, frozen=True, kw_only=True, tag="thresholds.set"):
    """Set thresholds; those that are not named stay."""

    thresholds: Annotated[
        dict[str, Probability | None],
        Meta(description="by key; null: again as the configuration says", examples=[{"is_interesting": 0.8}]),
    ]
    keep: Annotated[bool, Meta(description="also after a restart, for the model that runs now", examples=[True])] = (
        False
    )


class ContextSet(Request, frozen=True, kw_only=True, tag="context.set"):
    """What the assistant is doing, which makes speech to it more or less likely. What is not named stays."""

    assistant_speaking: Annotated[
        bool | None,
        Meta(description="its own voice must not open the gate: the threshold is raised", examples=[False]),
    ] = None
    expecting_reply_ms: Annotated[
        Annotated[int, Meta(ge=0, le=600_000)] | None,
        Meta(description="for so long an answer is expected: the threshold is lowered; 0: no more", examples=[8000]),
    ] = None


class AudioGet(Request, frozen=True, kw_only=True, tag="audio"):
    """Samples [start, stop) of the stream, as far back as the ring reaches (30 s)."""

    start: Position
    stop: Annotated[int, Meta(ge=0, description="the sample after the last one", extra=SAMPLES, examples=[208_000])]


class Reload(Request, frozen=True, kw_only=True, tag="reload"):
    """Read the configuration again and load the model again; answered when both are in use. Thresholds that were set hold on if
    it is the same model."""


class Mark(Request, frozen=True, kw_only=True, tag="mark"):
    """Say what an utterance really was; counted, and kept with its capture if there is one."""

    utterance: Annotated[int, Meta(ge=1, description="its number, as in the events", examples=[17])]
    addressed: Annotated[bool, Meta(description="whether it was meant for the assistant", examples=[False])]
    heads: Annotated[list[str], Meta(description="the intents that it really had", examples=[[]])] = field(
        default_factory=list[str]
    )
    note: Annotated[str, Meta(max_length=1000, description="yours, kept with the capture", examples=["the radio"])] = ""


class Stop(Request, frozen=True, kw_only=True, tag="stop"):
    """End the daemon as SIGTERM does."""


AnyRequest = Status | Mute | Unmute | ThresholdsGet | ThresholdsSet | ContextSet | AudioGet | Reload | Mark | Stop


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`result` when it was done, else `error` in words."""

    v: Annotated[int, Meta(description="version of this schema")] = 1
    id: Annotated[int | str | None, Meta(description="of the request")] = None
    ok: Annotated[bool, Meta(description="whether it was done")]
    result: Annotated[dict[str, Any] | None, Meta(description="what came of it")] = None
    error: Annotated[str | None, Meta(description="why it was not done, in words")] = None
