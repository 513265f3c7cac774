"""The headers of the messages on the wire, version 1. `inherentd contracts` writes them as JSON Schemas.

A message is multipart: topic, this header as JSON, and for `audio` the samples as a third part.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

VERSION = 1
SAMPLE_RATE_HZ = 16_000

Probability = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
State = Literal["starting", "listening", "muted", "silent", "stalled", "stopping"]


class Header(Struct, frozen=True, kw_only=True):
    """What every message carries."""

    v: Annotated[int, Meta(description="version of this schema")] = VERSION
    stream: Annotated[str, Meta(description="id of this run of the daemon")]
    device: Annotated[str, Meta(description="name of the device that listens")]
    seq: Annotated[int, Meta(ge=0, description="counts the messages of this topic from 0; a gap means loss")]
    at_sample: Annotated[int, Meta(ge=0, description="index into the run's 16 kHz stream")]
    time_ns: Annotated[int, Meta(description="wall clock of that sample, nanoseconds since 1970")]


class ModelIdentity(Struct, frozen=True, kw_only=True):
    """Which model decided."""

    version: str
    hash: Annotated[str, Meta(description="training hash of the artifact")]


class GateOpenedHeader(Header, frozen=True, kw_only=True):
    """Topic `gate.opened`: speech meant for the assistant began."""

    utterance: Annotated[int, Meta(ge=0, description="counts the utterances of this run")]
    score: Annotated[Probability, Meta(description="of the gate")]
    scores: Annotated[dict[str, Probability], Meta(description="of every head at this moment")]
    model: ModelIdentity
    preroll_samples: Annotated[int, Meta(ge=0, description="audio sent from before at_sample")]


class IntentHeader(Header, frozen=True, kw_only=True):
    """Topic `intent`: the utterance asks for this kind of thing."""

    utterance: Count
    head: str
    score: Probability
    final: Annotated[bool, Meta(description="false as soon as it is sure enough, true once at the close")]


class GateClosedHeader(Header, frozen=True, kw_only=True):
    """Topic `gate.closed`: the utterance is over."""

    utterance: Count
    duration_ms: Annotated[float, Meta(ge=0, description="from the opening to the close, without the pre-roll")]
    reason: Annotated[str, Meta(description="silence, hold, max_length, muted, reload or end_of_stream")]
    intents: Annotated[list[str], Meta(description="the heads that fired")]
    peaks: Annotated[dict[str, Probability], Meta(description="highest score of every head in the utterance")]


class AudioHeader(Header, frozen=True, kw_only=True):
    """Topic `audio`: the samples of an utterance from its pre-roll on, none missing, none twice."""

    utterance: Count
    samples: Annotated[int, Meta(ge=0, description="in the payload; at_sample is the first of them")]
    rate: Annotated[int, Meta(description="samples per second")] = SAMPLE_RATE_HZ
    format: Annotated[Literal["s16le"], Meta(description="signed 16 bit, little endian, mono")] = "s16le"
    last: Annotated[bool, Meta(description="nothing follows in this utterance")]


class ScoresHeader(Header, frozen=True, kw_only=True):
    """Topic `scores`: what the model thinks now; off unless publish.scores_per_second is set."""

    scores: dict[str, Probability]
    level_dbfs: Annotated[float, Meta(description="of the last hop, 0 is full scale")]


class HealthHeader(Header, frozen=True, kw_only=True):
    """Topic `health`: every second, and at each change of state."""

    state: State
    reason: Annotated[str, Meta(description="why, in words; empty when all is well")]
    processor: Annotated[str, Meta(description="what the model runs on, and why it is not what was asked for")]
    muted: Annotated[bool, Meta(description="no sample leaves the capture")]
    microphone: Annotated[str, Meta(description="name of the device that is heard now; empty when the source is none")]
    frames: Annotated[int, Meta(ge=0, description="20 ms hops of audio that were heard and processed since the start")]
    overflows: Annotated[int, Meta(ge=0, description="times that the sound system reported lost audio")]
    gaps: Annotated[int, Meta(ge=0, description="times that audio was missing")]
    dropped: Annotated[int, Meta(ge=0, description="samples that were missing; silence stands in for them")]
    jitter_ms: Annotated[float, Meta(ge=0, description="the latest that a block came since the last message")]
    drift_ppm: Annotated[float, Meta(description="how much faster than the system's clock the microphone counts")]
    cpu: Annotated[float, Meta(ge=0, description="cores used in the last second; 0.01 is 1% of one core")]
    rss: Annotated[int, Meta(ge=0, description="resident memory in bytes (macOS: its peak)")]
    uptime: Annotated[float, Meta(ge=0, description="seconds since the daemon started")]


HEADERS: dict[str, type[Header]] = {
    "gate.opened": GateOpenedHeader,
    "intent": IntentHeader,
    "gate.closed": GateClosedHeader,
    "audio": AudioHeader,
    "scores": ScoresHeader,
    "health": HealthHeader,
}
