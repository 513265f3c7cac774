"""What is installed, which of the models that come along run, and what listening would run on."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import CheckError, Runtime, open_runtime, step_seconds

MODULES = (
    "numpy",
    "onnxruntime",
    "ai_edge_litert",
    "tflite_runtime",
    "mlx",
    "coremltools",
    "zmq",
    "soxr",
    "soundfile",
    "sounddevice",
)
"""asked for by the name that is imported: onnxruntime comes in several packages"""


def packages() -> Finding:
    """Which versions are installed?"""
    distributions = importlib.metadata.packages_distributions()
    versions = (f"{name} {_version(distributions.get(name, []))}" for name in ("inherentd", *MODULES))
    return Finding("packages", "ok", ", ".join(versions))


def shipped(models: Mapping[str, Path]) -> Iterator[Finding]:
    """Which of the models that come along run here, and how fast? models: by backend."""
    for backend, path in models.items():
        name = f"model {path.name}"
        try:
            runtime = open_runtime(path, backend, "cpu")
        except CheckError as error:
            yield Finding(name, "warning", str(error), "it is not used; report this with the packages line above")
        except PipelineError as error:
            yield Finding(name, "unknown", str(error))
        else:
            microseconds = step_seconds(runtime) * 1e6
            text = f"runs, {microseconds:.0f} µs a step of {runtime.step_frames * 20} ms; it scores its golden as it should"
            yield Finding(name, "ok", text)


def configured(open_model: Callable[[], Runtime]) -> Iterator[Finding]:
    """What would listening run, on what? open_model: as the daemon does it; raises what the daemon would."""
    try:
        runtime = open_model()
    except (DaemonError, PipelineError) as error:
        yield Finding("runtime", "failure", f"the daemon would not run: {error}")
        return
    yield _identity(runtime.metadata)
    processor = runtime.processor
    text = f"the daemon would run the model by {processor}"
    if processor.reason:
        advice = "set model.delegate to one that is here, or cpu; docs/exports.md says what each needs"
        yield Finding("runtime", "warning", text, advice if processor.asked not in ("auto", processor.running) else "")
    else:
        yield Finding("runtime", "ok", text)


def _identity(metadata: ArtifactMetadata) -> Finding:
    text = f"version {metadata.version}, training {metadata.training_hash[:12]}, {len(metadata.head_order)} heads"
    missing = [name for name in ("golden", "sha256") if getattr(metadata, name) is None]
    if missing:
        advice = "export it with inherent export, so that a damaged file or a wrong runtime is noticed"
        return Finding("model", "warning", f"{text}; its metadata has no {' and no '.join(missing)}", advice)
    return Finding("model", "ok", f"{text}; file and golden agree with its metadata")


def _version(distributions: Sequence[str]) -> str:
    return (
        " and ".join(f"{importlib.metadata.version(name)} ({name})" for name in sorted(set(distributions)))
        or "is not installed"
    )
