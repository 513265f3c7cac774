"""What a running daemon answers: the type of `result` for each request, in `RESULTS`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inherentd.client import requests
from inherentd.client.messages import SAMPLE_RATE_HZ, SAMPLES, ModelIdentity, Probability

Sample = Annotated[int, Meta(ge=0, description="index into the run's 16 kHz stream", extra=SAMPLES)]
Thresholds = Annotated[
    dict[str, Probability],
    Meta(
        description="by key, without the context's part",
        examples=[{"is_interesting": 0.655, "has_start_timer_intent": 0.026}],
    ),
]


class OpensAndCloses(Struct, frozen=True, kw_only=True):
    """The scores at which the gate opens and closes now, with the context's part."""

    opens: Annotated[Probability, Meta(description="from this score on", examples=[0.655])]
    closes: Annotated[Probability, Meta(description="below this score, after a while", examples=[0.393])]


class Context(Struct, frozen=True, kw_only=True):
    """What the assistant is doing."""

    assistant_speaking: Annotated[bool, Meta(description="the gate's threshold is raised", examples=[False])]
    expecting_reply: Annotated[bool, Meta(description="the gate's threshold is lowered", examples=[False])]


class Held(Struct, frozen=True, kw_only=True):
    """The samples [start, stop) that the ring still has."""

    start: Annotated[Sample, Meta(examples=[0])]
    stop: Annotated[Sample, Meta(description="the sample after the last one", examples=[336_640])]


class StatusResult(Struct, frozen=True, kw_only=True):
    """How the daemon is: besides these fields all that only `health` has, such as `state` and `cpu`."""

    at_sample: Annotated[Sample, Meta(description="samples of the stream so far", examples=[336_640])]
    stream: Annotated[str, Meta(description="id of this run of the daemon", examples=["5e0c7b1f9a2d"])]
    endpoint: Annotated[str, Meta(description="where the events are published", examples=["tcp://127.0.0.1:5710"])]
    input: Annotated[str, Meta(description="`input.source` as it was at the start", examples=["mic"])]
    model: Annotated[ModelIdentity, Meta(description="which model decides: its `version` and training `hash`")]
    heads: Annotated[
        list[str],
        Meta(description="in the model's order, the gate first", examples=[["isInteresting", "hasStartTimerIntent"]]),
    ]
    thresholds: Thresholds
    gate: Annotated[
        OpensAndCloses, Meta(description="scores at which the gate `opens` and `closes` now, with the context's part")
    ]
    context: Annotated[Context, Meta(description="what the assistant is doing")]
    deciding: Annotated[
        dict[str, Any],
        Meta(
            description="the gate's whole configuration, for who decides again over published scores",
            examples=[{"step_samples": 1280}],
        ),
    ]
    open: Annotated[bool, Meta(description="an utterance is open", examples=[False])]
    asleep: Annotated[bool, Meta(description="nothing stands out from the room, and the model rests", examples=[False])]
    level_dbfs: Annotated[float, Meta(description="of the last hop, 0 is full scale", examples=[-58.6])]
    scores_per_second: Annotated[
        float, Meta(description="`publish.scores_per_second`", extra={"unit": "per second"}, examples=[0.0])
    ]
    held: Annotated[Held, Meta(description="the samples from `start` to before `stop` may be asked for with `audio`")]
    reloading: Annotated[bool, Meta(description="a reload is under way", examples=[False])]
    subscribers: Annotated[int, Meta(ge=0, description="of the events, connected now", examples=[1])]


class MuteResult(Struct, frozen=True, kw_only=True):
    """It is muted."""

    muted: Annotated[bool, Meta(description="true", examples=[True])]


class UnmuteResult(Struct, frozen=True, kw_only=True):
    """It hears."""

    muted: Annotated[bool, Meta(description="false", examples=[False])]


class ThresholdsGetResult(Struct, frozen=True, kw_only=True):
    """What is in use."""

    thresholds: Thresholds


class ThresholdsSetResult(Struct, frozen=True, kw_only=True):
    """What is in use now."""

    thresholds: Annotated[Thresholds, Meta(examples=[{"is_interesting": 0.8, "has_start_timer_intent": 0.026}])]
    kept: Annotated[bool, Meta(description="also after a restart, for the model that runs now", examples=[True])]


class ContextResult(Struct, frozen=True, kw_only=True):
    """The context as it is now."""

    assistant_speaking: Annotated[bool, Meta(description="the gate's threshold is raised", examples=[False])]
    expecting_reply_ms: Annotated[int, Meta(ge=0, description="as it was asked for; 0: it was not", examples=[8000])]


class AudioResult(Struct, frozen=True, kw_only=True):
    """What the second frame of the reply holds."""

    start: Annotated[Sample, Meta(examples=[160_000])]
    stop: Annotated[Sample, Meta(description="the sample after the last one", examples=[208_000])]
    rate: Annotated[int, Meta(description="samples per second", extra={"unit": "Hz"}, examples=[SAMPLE_RATE_HZ])]
    format: Annotated[Literal["s16le"], Meta(description="signed 16 bit, little endian, mono", examples=["s16le"])]


class ReloadResult(Struct, frozen=True, kw_only=True):
    """What is in use after a reload."""

    model: Annotated[str, Meta(description="version of the model", examples=["0.3.0"])]
    needs_restart: Annotated[
        list[str],
        Meta(description="changed settings that hold from the next start only", examples=[["metrics.endpoint"]]),
    ]


class MarkResult(Struct, frozen=True, kw_only=True):
    """What was done with a mark."""

    utterance: Annotated[int, Meta(ge=1, description="its number", examples=[17])]
    capture: Annotated[
        str, Meta(description="id of the capture that was labelled; empty where none is kept", examples=[""])
    ]
    reason: Annotated[
        str,
        Meta(
            description="why none was labelled; only where none was",
            examples=["counted only: no captures are kept (captures.folder)"],
        ),
    ] = ""


class StopResult(Struct, frozen=True, kw_only=True):
    """The daemon ends."""

    stopping: Annotated[bool, Meta(description="always true", examples=[True])]


RESULTS: dict[type[requests.Request], type[Struct]] = {
    requests.Status: StatusResult,
    requests.Mute: MuteResult,
    requests.Unmute: UnmuteResult,
    requests.ThresholdsGet: ThresholdsGetResult,
    requests.ThresholdsSet: ThresholdsSetResult,
    requests.ContextSet: ContextResult,
    requests.AudioGet: AudioResult,
    requests.Reload: ReloadResult,
    requests.Mark: MarkResult,
    requests.Stop: StopResult,
}
