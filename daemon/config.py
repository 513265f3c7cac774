"""What can be set, with its unit, its range, its default and what it does.

`config_layers.load` fills these from a YAML file, the environment and `--set`. `inherentd contracts --references` writes
`configs/daemon.yaml` and `docs/configuration.md` from the texts here: they stand nowhere else.
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

    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="mic | mic:NAME (see inherentd devices) | a WAV, FLAC or OGG file | - for raw PCM on stdin",
        ),
    ] = "mic"
    speed: Annotated[Speed, Meta(description="of a file: as it would be heard, or as fast as it goes")] = "realtime"
    block_ms: Annotated[
        int, Meta(ge=10, le=1000, description="audio taken at a time; longer is cheaper, and later by half of it")
    ] = 80
    channel: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="of a microphone with several; null: all of them mixed"),
    ] = None
    fallback: Annotated[
        str | None,
        Meta(description="another microphone (mic or mic:NAME): listened to while the named one is away; null: none"),
    ] = None
    wait_for_device: Annotated[
        bool, Meta(description="at the start: wait for a microphone that is not there, as a service should")
    ] = False


class ModelSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model runs, and on what."""

    path: Annotated[str | None, Meta(description="file of the artifact; null: the model that comes with inherentd")] = (
        None
    )
    backend: Annotated[
        Backend, Meta(description="the runtime; auto: the fastest installed, or what fits the model file")
    ] = "auto"
    delegate: Annotated[Delegate, Meta(description="the accelerator that is asked for (see docs/exports.md)")] = "auto"
    strict_delegate: Annotated[
        bool, Meta(description="an accelerator that is refused is an error; false: the CPU stands in, and says so")
    ] = False
    allow_unsupported: Annotated[
        bool, Meta(description="run also what `inherent parity` found to score otherwise than it should")
    ] = False


class GateSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an utterance begins and ends."""

    thresholds: Annotated[
        dict[str, Probability], Meta(description="by key, e.g. {is_interesting: 0.7}; the others are as the model says")
    ] = field(default_factory=dict[str, float])
    close_threshold: Annotated[
        Probability | None,
        Meta(description="the score has fallen when it is below this; null: 0.6 of the gate's own threshold"),
    ] = None
    smoothing_steps: Annotated[
        int, Meta(ge=1, le=100, description="the gate's score is the mean over so many steps of the model")
    ] = 1
    min_open_ms: Annotated[Milliseconds, Meta(description="stays open at least this long")] = 500
    hangover_ms: Annotated[
        Milliseconds, Meta(description="closes this long after the score fell and the speech ended")
    ] = 700
    hold_ms: Annotated[
        Milliseconds, Meta(description="closes this long after the score fell, even if speech or noise goes on")
    ] = 3_000
    refractory_ms: Annotated[Milliseconds, Meta(description="stays closed at least this long")] = 300
    max_length_ms: Annotated[int, Meta(ge=100, le=600_000, description="closes an utterance that is this long")] = (
        15_000
    )
    preroll_ms: Annotated[
        int, Meta(ge=0, le=20_000, description="audio sent from before the opening, so that the first word is not lost")
    ] = 4_000


class SleepSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When nothing is computed because nobody can be heard."""

    below_dbfs: Annotated[
        Decibels | None, Meta(description="as quiet as this, of full scale; null: never sleep")
    ] = -65.0
    over_room_db: Annotated[
        Annotated[float, Meta(ge=1, le=30)] | None,
        Meta(
            description="also where a fan hums and nothing stands out from that by so much; null: in quiet rooms only",
            extra={"unit": "dB"},
        ),
    ] = 3.5
    after_ms: Annotated[int, Meta(ge=100, le=600_000, description="quiet for so long")] = 2_000
    wake_lookback_ms: Annotated[int, Meta(ge=0, le=10_000, description="what is heard again when it wakes")] = 2_000


class PublishSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes out over ZeroMQ, and where."""

    endpoint: Annotated[str, Meta(min_length=1, description="address of the events: tcp:// or ipc://")] = (
        "tcp://127.0.0.1:5710"
    )
    device: Annotated[str | None, Meta(description="name of this device in every message; null: the host's name")] = (
        None
    )
    queue_messages: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="kept for each slow subscriber; what comes after is dropped and leaves a gap in seq",
        ),
    ] = 1_000
    scores_per_second: Annotated[float, Meta(ge=0, le=50, description="topic scores, at most so often; 0: off")] = 0
    audio_chunk_ms: Annotated[int, Meta(ge=20, le=5_000, description="length of an audio message")] = 80


class ControlSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests are taken: mute, thresholds, reload, stop and so on."""

    endpoint: Annotated[
        str | None,
        Meta(
            description="auto: ipc://RUNTIME_FOLDER/control.sock | another ipc:// or tcp:// | null: no requests are taken"
        ),
    ] = "auto"
    speaking_raises: Annotated[
        Probability, Meta(description="added to the gate's threshold while the context says that the assistant speaks")
    ] = 0.2
    reply_lowers: Annotated[
        Probability,
        Meta(description="taken from the gate's threshold while the context says that a reply is expected"),
    ] = 0.2


class SecuritySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may connect over tcp; an ipc socket is open to its owner only."""

    curve: Annotated[bool, Meta(description="only clients with an authorised key (inherentd keys)")] = False
    keys: Annotated[
        str | None, Meta(description="folder of the keys; null: keys/ in the folder of the user's configuration")
    ] = None
    insecure: Annotated[bool, Meta(description="bind an address that other machines reach, without keys")] = False


class MetricsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """/metrics for Prometheus and /health, over HTTP."""

    endpoint: Annotated[str | None, Meta(description="HOST:PORT, e.g. 127.0.0.1:5712; null: off")] = None


class CapturesSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recent utterances and near misses on disk, to listen to and to label. The only audio that is ever written."""

    folder: Annotated[str | None, Meta(description="where they go; null: nothing is written")] = None
    hours: Annotated[float, Meta(gt=0, le=10_000, description="older ones without a label are removed")] = 24
    megabytes: Annotated[float, Meta(gt=0, le=1_000_000, description="beyond that the oldest are removed")] = 100
    near_misses: Annotated[
        Probability | None, Meta(description="kept from this share of the gate's threshold on; null: none")
    ] = 0.6


class LogSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes to stderr."""

    level: Annotated[LogLevel, Meta(description="the least that is told")] = "info"
    format: Annotated[LogFormat, Meta(description="auto: console on a terminal, JSON otherwise")] = "auto"


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
