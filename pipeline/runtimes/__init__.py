"""Runtimes: one file each, one Protocol. A backend is imported only when it is opened."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from inherentd.pipeline.artifact import load_metadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes.check import (
    TAIL_FRAMES,
    CheckError,
    checked,
    golden_difference,
    peak_scores,
    step_seconds,
)
from inherentd.pipeline.runtimes.processor import DelegateError, Processor
from inherentd.pipeline.runtimes.protocol import Array, Runtime, State

__all__ = [
    "BACKENDS",
    "TAIL_FRAMES",
    "Array",
    "CheckError",
    "Processor",
    "Runtime",
    "State",
    "backend_of",
    "golden_difference",
    "open_fastest",
    "open_runtime",
    "peak_scores",
    "step_seconds",
]


@dataclass(frozen=True)
class Backend:
    """How to get at a runtime."""

    module: str
    """with `open_model(path, metadata, delegate) -> Runtime`"""
    suffix: str
    """of its model files"""
    install: str
    delegates: tuple[str, ...]
    """accelerators that it knows by name, whether or not they are here"""


BACKENDS = {
    "onnx": Backend("inherentd.pipeline.runtimes.onnx", ".onnx", "pip install onnxruntime",
                    ("gpu", "npu", "qualcomm", "intel", "openvino", "coreml")),
    "litert": Backend("inherentd.pipeline.runtimes.litert", ".tflite", "pip install 'inherentd[litert]'",
                      ("gpu", "npu", "tpu", "qualcomm", "mediatek", "google_tensor", "intel", "openvino")),
    "mlx": Backend("inherentd.pipeline.runtimes.mlx", ".safetensors", "pip install 'inherentd[mlx]'",
                   ("gpu",) if sys.platform == "darwin" else ()),
    "coreml": Backend("inherentd.pipeline.runtimes.coreml", ".mlpackage", "pip install 'inherentd[coreml]' (macOS)",
                      ("gpu", "npu", "coreml")),
}  # fmt: skip


def open_runtime(model: Path, backend: str = "auto", delegate: str = "auto", *, strict_delegate: bool = False,
                 allow_unsupported: bool = False) -> Runtime:  # fmt: skip
    """Return a runtime for a model file, checked against the golden of its metadata.

    backend: "auto" is what the file's suffix says. delegate: one accelerator, "auto" and "cpu" are the CPU. Where it is
    refused, or scores the golden otherwise, the model runs on the CPU and `processor` says why; with
    `strict_delegate` that is a PipelineError. So are a backend that is not there (with what to install), an artifact
    that does not fit, and one that `inherent parity` found unsupported or that scores its golden otherwise (unless these
    are allowed, which `processor` tells; an accelerator must score the golden in any case).
    """
    chosen = backend_of(model) if backend == "auto" else backend
    if chosen not in BACKENDS:
        raise PipelineError(f"backend {chosen!r} is unknown; known: auto, {', '.join(BACKENDS)}")
    metadata = load_metadata(model, FrontendSpec())
    if metadata.form == "frontend":
        raise PipelineError(f"model {model}: is a frontend, which has no scores; give a model of another form")
    if metadata.backend != chosen:
        raise PipelineError(
            f"model {model}: is for backend {metadata.backend!r}, got {chosen!r}; give a {BACKENDS[chosen].suffix} file, or "
            f"--backend {metadata.backend}"
        )
    if metadata.unsupported and not allow_unsupported:
        raise PipelineError(
            f"model {model}: does not score as it was trained ({metadata.unsupported}); use another artifact, or "
            "--allow-unsupported to run it all the same"
        )
    try:
        module = importlib.import_module(BACKENDS[chosen].module)
    except ImportError as error:
        raise PipelineError(f"backend {chosen!r} cannot be loaded ({error}): {BACKENDS[chosen].install}") from error
    processor = Processor(chosen, delegate, delegate, metadata.unsupported)
    if delegate not in ("auto", "cpu"):
        try:
            return checked(model, module.open_model(model, metadata, delegate), processor)
        except (DelegateError, CheckError) as error:
            if strict_delegate:
                raise PipelineError(f"delegate {delegate!r} of backend {chosen!r}: {error}") from error
            processor = processor.noting(str(error))
    cpu = module.open_model(model, metadata, "cpu")
    return checked(model, cpu, replace(processor, running="cpu"), allow=allow_unsupported)


def open_fastest(models: Iterable[Path], *, allow_unsupported: bool = False,
                 seconds: Callable[[Runtime], float] = step_seconds) -> Runtime:  # fmt: skip
    """Return the runtime, of those whose backend is installed, that takes the least time for some steps. An installed one that
    does not compute what was trained is left out, and the `processor` of the other says so. PipelineError when none
    can be opened."""
    opened: list[tuple[float, Runtime]] = []
    wrong: list[str] = []
    errors: list[str] = []
    for model in models:
        try:
            candidate = open_runtime(model, allow_unsupported=allow_unsupported)
        except PipelineError as error:
            (wrong if isinstance(error, CheckError) else errors).append(str(error))
            continue
        opened.append((seconds(candidate), candidate))
    if not opened:
        raise PipelineError("; ".join([*wrong, *errors]) or "no model was given")
    _, fastest = min(opened, key=lambda pair: pair[0])
    fastest.processor = fastest.processor.noting(*wrong)
    return fastest


def backend_of(model: Path) -> str:
    """Return the backend that a model file is for, by its suffix."""
    known = {backend.suffix: name for name, backend in BACKENDS.items()}
    if model.suffix not in known:
        raise PipelineError(f"model {model}: suffix {model.suffix!r}, expected one of {', '.join(known)}")
    return known[model.suffix]
