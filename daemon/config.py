"""What can be set, with its unit, its range and its default. `configs/daemon.yaml` shows the same as a file.

`config_layers.load` fills these from a YAML file, the environment and `--set`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Backend = Literal["auto", "onnx", "litert", "mlx", "coreml"]
Delegate = Literal[
    "auto", "cpu", "gpu", "npu", "tpu", "qualcomm", "mediatek", "google_tensor", "intel", "openvino", "coreml"
]
Speed = Literal["realtime", "max"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "console", "json"]

Probability = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[int, Meta(ge=0, le=600_000)]
Decibels = Annotated[float, Meta(ge=-120, le=0)]


class InputSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the audio comes from."""

    source: Annotated[str, Meta(min_length=1)] = "mic"  # mic | mic:NAME | a WAV, FLAC or OGG file | - (stdin)
    speed: Speed = "realtime"  # of a file: as it would be heard, or as fast as it goes
    block_ms: Annotated[int, Meta(ge=10, le=1000)] = (
        80  # audio taken at a time; longer is cheaper, and later by half of it
    )
    channel: Annotated[int, Meta(ge=1, le=64)] | None = None  # of a microphone with several; null: all of them mixed
    fallback: str | None = None  # another microphone (mic or mic:NAME) to listen to while the named one is away
    wait_for_device: bool = False  # at the start: wait for a microphone that is not there; a service does


class ModelSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model runs, and on what."""

    path: str | None = None  # null: the model that comes with inherentd
    backend: Backend = "auto"
    delegate: Delegate = "auto"
    strict_delegate: bool = False  # true: an accelerator that is refused is an error, not a reason for the CPU
    allow_unsupported: bool = (
        False  # true: run an artifact that `inherent parity` found to score otherwise than it should
    )


class GateSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an utterance begins and ends."""

    thresholds: dict[str, Probability] = field(default_factory=dict[str, float])  # by key; others as the model says
    close_threshold: Probability | None = None  # null: 0.6 of the gate's own threshold
    smoothing_steps: Annotated[int, Meta(ge=1, le=100)] = 1  # the gate's score is the mean over so many steps
    min_open_ms: Milliseconds = 500
    hangover_ms: Milliseconds = 700  # closes this long after the score fell and the speech ended
    hold_ms: Milliseconds = 3_000  # closes this long after the score fell, even if speech or noise goes on
    refractory_ms: Milliseconds = 300  # stays closed at least this long
    max_length_ms: Annotated[int, Meta(ge=100, le=600_000)] = 15_000
    preroll_ms: Annotated[int, Meta(ge=0, le=20_000)] = 4_000  # audio sent from before the opening


class SleepSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When nothing is computed because nobody can be heard."""

    below_dbfs: Decibels | None = -65.0  # null: never sleep
    # A fan may hum: asleep also where nothing stands out from the room by so much. null: in quiet rooms only
    over_room_db: Annotated[float, Meta(ge=1, le=30)] | None = 3.5
    after_ms: Annotated[int, Meta(ge=100, le=600_000)] = 2_000
    wake_lookback_ms: Annotated[int, Meta(ge=0, le=10_000)] = 2_000  # heard again when it wakes


class PublishSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes out over ZeroMQ, and where."""

    endpoint: Annotated[str, Meta(min_length=1)] = "tcp://127.0.0.1:5710"
    device: str | None = None  # name of this device in every message; null: the host's name
    queue_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000  # kept for each slow subscriber, then dropped
    scores_per_second: Annotated[float, Meta(ge=0, le=50)] = 0  # topic `scores`; 0: off
    audio_chunk_ms: Annotated[int, Meta(ge=20, le=5_000)] = 80


class ControlSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests are taken: mute, thresholds, reload, stop and so on."""

    endpoint: str | None = "auto"  # auto: ipc://RUNTIME_FOLDER/control.sock; null: nowhere
    speaking_raises: Probability = 0.2  # the gate's threshold, while the context says that the assistant speaks
    reply_lowers: Probability = 0.2  # the gate's threshold, while the context says that a reply is expected


class SecuritySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may connect over tcp."""

    curve: bool = False  # true: only clients with an authorised key (see inherentd keys)
    keys: str | None = None  # folder of the keys; null: keys/ in the folder of the user's configuration
    insecure: bool = False  # true: bind an address that other machines reach, without keys


class MetricsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """/metrics for Prometheus and /health, over HTTP."""

    endpoint: str | None = None  # HOST:PORT, e.g. 127.0.0.1:5712; null: off


class CapturesSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recent utterances and near misses on disk, to listen to and to label. The only audio that is ever written."""

    folder: str | None = None  # null: nothing is written
    hours: Annotated[float, Meta(gt=0, le=10_000)] = 24
    megabytes: Annotated[float, Meta(gt=0, le=1_000_000)] = 100
    near_misses: Probability | None = 0.6  # from this share of the gate's threshold on; null: none


class LogSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes to stderr."""

    level: LogLevel = "info"
    format: LogFormat = "auto"  # auto: console on a terminal, JSON otherwise


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    input: InputSection = InputSection()
    model: ModelSection = ModelSection()
    gate: GateSection = GateSection()
    sleep: SleepSection = SleepSection()
    publish: PublishSection = PublishSection()
    control: ControlSection = ControlSection()
    security: SecuritySection = SecuritySection()
    metrics: MetricsSection = MetricsSection()
    captures: CapturesSection = CapturesSection()
    log: LogSection = LogSection()
