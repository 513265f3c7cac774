"""Configuration and the model's metadata -> the engine, all times turned into samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import inherentd
from inherentd.client.messages import ModelIdentity
from inherentd.daemon.config import Config, GateSection, ModelSection
from inherentd.daemon.config_layers import nearest
from inherentd.daemon.errors import ConfigurationError, DaemonError
from inherentd.daemon.metrics.figures import RunningModel
from inherentd.pipeline.activity import ROOM, ActivityConfig
from inherentd.pipeline.artifact import ArtifactMetadata, threshold_key
from inherentd.pipeline.engine import SLICE_SAMPLES, EngineConfig
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.gate import GateConfig
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.runtimes import BACKENDS, Runtime, open_fastest, open_runtime

MODELS = Path(inherentd.__file__).parent / "models"
SHIPPED_MODELS = {
    "onnx": MODELS / "inherent.onnx",
    "litert": MODELS / "inherent-litert.tflite",
    "mlx": MODELS / "inherent-mlx.safetensors",
}
CLOSE_SHARE = 0.6  # of the gate's threshold, where gate.close_threshold is not set
RING_SECONDS = 30


def open_model(section: ModelSection) -> Runtime:
    """Return the runtime with the configured model; of the models that come with inherentd, and no backend or accelerator
    asked for, the one that is fastest here. An accelerator that is refused is told by its `processor`. Raises
    DaemonError or PipelineError when it cannot run."""
    how = {"strict_delegate": section.strict_delegate, "allow_unsupported": section.allow_unsupported}
    if section.path is not None:
        path = Path(section.path).expanduser()
        if not path.exists():
            raise DaemonError(f"model {path}: there is no such file; give another with --model FILE")
        return open_runtime(path, section.backend, section.delegate, **how)
    if section.backend != "auto":
        if section.backend not in SHIPPED_MODELS:
            raise DaemonError(
                f"backend {section.backend!r}: no model for it comes with inherentd; export one, and give it with --model"
            )
        return open_runtime(SHIPPED_MODELS[section.backend], section.backend, section.delegate, **how)
    reasons: list[str] = []
    for backend, path in SHIPPED_MODELS.items():
        if section.delegate in BACKENDS[backend].delegates:
            try:
                return open_runtime(
                    path, backend, section.delegate, strict_delegate=True, allow_unsupported=section.allow_unsupported
                )
            except PipelineError as error:
                reasons.append(str(error))
    if reasons and section.strict_delegate:
        raise DaemonError("; ".join(reasons))
    runtime = open_fastest(SHIPPED_MODELS.values(), allow_unsupported=section.allow_unsupported)
    runtime.processor = replace(runtime.processor, asked=section.delegate).noting(*reasons)
    return runtime


def identity(metadata: ArtifactMetadata) -> ModelIdentity:
    """Return what messages tell about the model."""
    return ModelIdentity(version=metadata.version, hash=metadata.training_hash)


def running_model(runtime: Runtime) -> RunningModel:
    """Return what the metrics tell about the model."""
    metadata, processor = runtime.metadata, runtime.processor
    return RunningModel(metadata.version, metadata.training_hash, processor.backend, str(processor))


def engine_config(config: Config, metadata: ArtifactMetadata) -> EngineConfig:
    """Return the engine's configuration.

    Thresholds are the artifact's, each replaced by `gate.thresholds.KEY` where set. Raises DaemonError for a key that
    belongs to no head of this model, and when the gate would close above its own opening threshold.
    """
    gate = gate_config(config.gate, metadata)
    scores_per_second = config.publish.scores_per_second
    wake_lookback_samples = _samples(config.sleep.wake_lookback_ms)
    return EngineConfig(
        gate=gate,
        ring_samples=max(RING_SECONDS * SAMPLE_RATE_HZ, gate.preroll_samples + wake_lookback_samples + SLICE_SAMPLES),
        sleep_below_dbfs=config.sleep.below_dbfs,
        sleep_in=_room(config.sleep.over_room_db),
        sleep_after_samples=_samples(config.sleep.after_ms),
        wake_lookback_samples=wake_lookback_samples,
        audio_chunk_samples=_samples(config.publish.audio_chunk_ms),
        scores_every_samples=round(SAMPLE_RATE_HZ / scores_per_second) if scores_per_second else 0,
    )


def _room(over_db: float | None) -> ActivityConfig | None:
    if over_db is None:
        return None
    return replace(ROOM, margin_db=over_db, lowest_dbfs=ROOM.lowest_floor_dbfs + over_db)


def gate_config(section: GateSection, metadata: ArtifactMetadata) -> GateConfig:
    """Return the gate's configuration; see `engine_config`."""
    keys = [threshold_key(head) for head in metadata.head_order]
    for key in section.thresholds:
        if key not in keys:
            raise ConfigurationError(
                f"gate.thresholds: this model has no head with the key {key!r}{nearest(key, keys)}"
            )
    thresholds = [section.thresholds.get(key, metadata.default_thresholds[key]) for key in keys]
    opens = thresholds[0]
    closes = opens * CLOSE_SHARE if section.close_threshold is None else section.close_threshold
    if closes > opens:
        raise ConfigurationError(
            f"gate.close_threshold: got {closes}, expected at most the opening threshold {opens} ({keys[0]})"
        )
    return GateConfig(
        heads=tuple(metadata.head_order),
        open_threshold=opens,
        close_threshold=closes,
        intent_thresholds=tuple(thresholds[1:]),
        smoothing_steps=section.smoothing_steps,
        min_open_samples=_samples(section.min_open_ms),
        hangover_samples=_samples(section.hangover_ms),
        hold_samples=_samples(section.hold_ms),
        refractory_samples=_samples(section.refractory_ms),
        max_length_samples=_samples(section.max_length_ms),
        preroll_samples=_samples(section.preroll_ms),
    )


def _samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE_HZ // 1000
