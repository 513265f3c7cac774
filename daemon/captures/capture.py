"""What is known of one capture: the sidecar beside its recording."""

from __future__ import annotations

import io
import re
import wave
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct, field
from numpy.typing import NDArray

from inherentd.client.messages import Count, ModelIdentity, Probability
from inherentd.daemon.config_layers import nearest
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

Kind = Literal["utterance", "near_miss"]
Pcm = NDArray[np.int16]

ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{0,8}-[un]\d+")
LONGEST_NOTE = 500


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says it was."""

    addressed: bool
    heads: list[str] = field(default_factory=list[str])  # the kinds of request; the gate goes without saying
    note: Annotated[str, Meta(max_length=LONGEST_NOTE)] = ""


class Capture(Struct, frozen=True, kw_only=True):
    """An utterance, or a near miss; `heads` is the model's order, the gate first."""

    v: Literal[1] = 1
    id: str
    kind: Kind
    time_ns: int  # wall clock of its first sample, nanoseconds since 1970
    stream: str
    utterance: Count | None  # null: a near miss
    device: str
    model: ModelIdentity
    seconds: Annotated[float, Meta(ge=0)]
    heads: Annotated[list[str], Meta(min_length=1)]
    peaks: dict[str, Probability]
    thresholds: dict[str, Probability]
    intents: list[str]
    reason: str  # why the gate closed; empty for a near miss
    label: Label | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, e.g. after it was edited by hand."""
        if not ID.fullmatch(self.id):
            raise ValueError(f"id {self.id!r}: expected one like 20260131-174501-3f2a9c1b-u7")
        if not set(self.heads) <= self.peaks.keys():
            raise ValueError(f"peaks: expected one for each of {', '.join(self.heads)}")
        refused = self.label is not None and refusal(self.heads, self.label)
        if refused:
            raise ValueError(refused)


def refusal(heads: list[str], label: Label) -> str:
    """Return why a label does not fit a model with these heads; empty where it does."""
    gate, *kinds = heads
    for head in label.heads:
        if head == gate:
            return f"{gate} is the gate, which `addressed` speaks of; expected heads out of {', '.join(kinds)}"
        if head not in kinds:
            return f"the model has no head {head!r}{nearest(head, kinds)}"
    if label.heads and not label.addressed:
        return f"not addressed, but {', '.join(label.heads)}; what is not addressed has no intent"
    if len(label.note) > LONGEST_NOTE:
        return f"the note has {len(label.note)} characters, expected {LONGEST_NOTE} or fewer"
    return ""


def capture_id(time_ns: int, stream: str, kind: Kind, number: int) -> str:
    """Return a name that sorts by time and is given once: time in UTC, beginning of the stream, kind, number."""
    clock = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{clock}-{stream_mark(stream)}-{kind[0]}{number}"


def stream_mark(stream: str) -> str:
    """Return what stands for a stream in an id."""
    return re.sub("[^a-z0-9]", "", stream.lower())[:8]


def id_time_ns(capture: str) -> int:
    """Return the time in an id, to the second. Raises ValueError where it is none."""
    moment = datetime.strptime(capture[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    return round(moment.timestamp()) * 1_000_000_000


def to_json(capture: Capture) -> bytes:
    """Return the text of a sidecar."""
    return msgspec.json.format(msgspec.json.encode(capture), indent=1) + b"\n"


def wav_bytes(pcm: Pcm) -> bytes:
    """Return int16 samples as a 16 kHz mono WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return buffer.getvalue()
