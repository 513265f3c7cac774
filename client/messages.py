"""The headers of the messages on the wire, version 1. `inherentd contracts` writes them as JSON Schemas.

A message is multipart: topic, this header as JSON, and for `audio` the samples as a third part. `docs/wire.md` is written from
the texts and examples here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

VERSION = 1
SAMPLE_RATE_HZ = 16_000
SAMPLES = {"unit": "samples"}

Probability = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
State = Literal["starting", "listening", "muted", "silent", "stalled", "stopping"]

Utterance = Annotated[int, Meta(ge=0, description="its number; counts the utterances of this run", examples=[17])]
Head = Annotated[
    str, Meta(description="its name, e.g. one of `heads` in the answer to `status`", examples=["hasStartTimerIntent"])
]


class Header(Struct, frozen=True, kw_only=True):
    """What every message carries."""

    v: Annotated[int, Meta(description="version of this schema")] = VERSION
    stream: Annotated[str, Meta(description="id of this run of the daemon", examples=["5e0c7b1f9a2d"])]
    device: Annotated[str, Meta(description="name of the device that listens", examples=["kitchen"])]
    seq: Annotated[
        int, Meta(ge=0, description="counts the messages of this topic from 0; a gap means loss", examples=[4])
    ]
    at_sample: Annotated[
        int, Meta(ge=0, description="index into the run's 16 kHz stream", extra=SAMPLES, examples=[336_640])
    ]
    time_ns: Annotated[
        int,
        Meta(
            description="wall clock of that sample, since 1970",
            extra={"unit": "nanoseconds"},
            examples=[1_795_318_281_050_000_000],
        ),
    ]


class ModelIdentity(Struct, frozen=True, kw_only=True):
    """Which model decided."""

    version: Annotated[
        str,
        Meta(
            description="semantic: major = other heads, minor = trained again, patch = thresholds only",
            examples=["0.3.0"],
        ),
    ]
    hash: Annotated[str, Meta(description="training hash of the artifact", examples=["c70002b662d2d2cf"])]


class GateOpenedHeader(Header, frozen=True, kw_only=True):
    """Topic `gate.opened`: speech meant for the assistant began."""

    utterance: Utterance
    score: Annotated[Probability, Meta(description="of the gate", examples=[0.78])]
    scores: Annotated[
        dict[str, Probability],
        Meta(
            description="of every head at this moment, by its name",
            examples=[{"isInteresting": 0.78, "hasStartTimerIntent": 0.54}],
        ),
    ]
    model: Annotated[ModelIdentity, Meta(description="which model decided: its `version` and training `hash`")]
    preroll_samples: Annotated[int, Meta(ge=0, description="audio sent from before at_sample", examples=[64_000])]


class IntentHeader(Header, frozen=True, kw_only=True):
    """Topic `intent`: the utterance asks for this kind of thing."""

    utterance: Utterance
    head: Head
    score: Annotated[
        Probability, Meta(description="of the head: now, or with `final` its highest in the utterance", examples=[0.95])
    ]
    final: Annotated[
        bool, Meta(description="false as soon as it is sure enough, true once at the close", examples=[False])
    ]


class GateClosedHeader(Header, frozen=True, kw_only=True):
    """Topic `gate.closed`: the utterance is over."""

    utterance: Utterance
    duration_ms: Annotated[
        float, Meta(ge=0, description="from the opening to the close, without the pre-roll", examples=[2240.0])
    ]
    reason: Annotated[
        str,
        Meta(description="silence, hold, max_length, muted, reload or end_of_stream", examples=["silence"]),
    ]
    intents: Annotated[list[str], Meta(description="the heads that fired", examples=[["hasStartTimerIntent"]])]
    peaks: Annotated[
        dict[str, Probability],
        Meta(
            description="highest score of every head in the utterance",
            examples=[{"isInteresting": 0.99, "hasStartTimerIntent": 0.95}],
        ),
    ]


class AudioHeader(Header, frozen=True, kw_only=True):
    """Topic `audio`: the samples of an utterance from its pre-roll on, none missing, none twice. The third part has them."""

    utterance: Utterance
    samples: Annotated[
        int,
        Meta(ge=0, description="in the payload; at_sample is the first of them", extra=SAMPLES, examples=[1280]),
    ]
    rate: Annotated[int, Meta(description="samples per second", extra={"unit": "Hz"})] = SAMPLE_RATE_HZ
    format: Annotated[Literal["s16le"], Meta(description="signed 16 bit, little endian, mono")] = "s16le"
    last: Annotated[bool, Meta(description="nothing follows in this utterance", examples=[False])]


class ScoresHeader(Header, frozen=True, kw_only=True):
    """Topic `scores`: what the model thinks now; off unless publish.scores_per_second is set."""

    scores: Annotated[
        dict[str, Probability],
        Meta(description="of every head, by its name", examples=[{"isInteresting": 0.03, "hasStartTimerIntent": 0.0}]),
    ]
    level_dbfs: Annotated[float, Meta(description="of the step's loudest hop, 0 is full scale", examples=[-58.6])]
    active: Annotated[
        bool,
        Meta(
            description="whether that stands out from the room as speech does: an open gate waits for it to end",
            examples=[False],
        ),
    ] = False


class HealthHeader(Header, frozen=True, kw_only=True):
    """Topic `health`: every second, and at each change of state."""

    state: Annotated[
        State, Meta(description="`listening` is said only while audio is processed", examples=["listening"])
    ]
    reason: Annotated[str, Meta(description="why, in words; empty when all is well", examples=[""])]
    processor: Annotated[
        str,
        Meta(description="what the model runs on, and why it is not what was asked for", examples=["litert on cpu"]),
    ]
    muted: Annotated[bool, Meta(description="no sample leaves the capture", examples=[False])]
    microphone: Annotated[
        str,
        Meta(description="name of the device that is heard now; empty when the source is none", examples=["USB Audio"]),
    ]
    frames: Annotated[
        int,
        Meta(
            ge=0,
            description="20 ms hops of audio that were heard and processed since the start",
            extra={"unit": "hops"},
            examples=[1052],
        ),
    ]
    overflows: Annotated[int, Meta(ge=0, description="times that the sound system reported lost audio", examples=[0])]
    gaps: Annotated[int, Meta(ge=0, description="times that audio was missing", examples=[0])]
    dropped: Annotated[
        int,
        Meta(ge=0, description="samples that were missing; silence stands in for them", extra=SAMPLES, examples=[0]),
    ]
    jitter_ms: Annotated[
        float, Meta(ge=0, description="the latest that a block came since the last message", examples=[1.9])
    ]
    drift_ppm: Annotated[
        float, Meta(description="how much faster than the system's clock the microphone counts", examples=[12.0])
    ]
    cpu: Annotated[
        float,
        Meta(
            ge=0,
            description="used in the last second; 0.01 is 1% of one core",
            extra={"unit": "cores"},
            examples=[0.027],
        ),
    ]
    rss: Annotated[
        int,
        Meta(ge=0, description="resident memory (macOS: its peak)", extra={"unit": "bytes"}, examples=[113_500_000]),
    ]
    uptime: Annotated[
        float, Meta(ge=0, description="since the daemon started", extra={"unit": "seconds"}, examples=[21.1])
    ]


HEADERS: dict[str, type[Header]] = {
    "gate.opened": GateOpenedHeader,
    "intent": IntentHeader,
    "gate.closed": GateClosedHeader,
    "audio": AudioHeader,
    "scores": ScoresHeader,
    "health": HealthHeader,
}
