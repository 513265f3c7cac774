"""Runtimes: one file each, one Protocol. A backend is imported only when it is opened."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.artifact import ArtifactMetadata, load_metadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec

Array = NDArray[np.float32]
State = dict[str, Array]

BACKENDS = {
    "onnx": "inherentd.pipeline.runtimes.onnx",
}
COMING = {
    "litert": "pip install 'inherentd[litert]'",
    "mlx": "pip install 'inherentd[mlx]'",
    "coreml": "macOS only",
}
GOLDEN_TOLERANCE = 1e-3
TAIL_FRAMES = 24
"""of silence after a clip that is scored by itself, so that its last sound counts too (the engine does the same at the end)"""


class Runtime(Protocol):
    """A model that scores steps of frames; all memory is in the state that the caller keeps."""

    metadata: ArtifactMetadata
    step_frames: int
    """frames that one step consumes"""

    def initial_state(self) -> State:
        """Return the state before the first frame."""
        ...

    def step(self, mel: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] in [0, 1] and the next state, for mel float32 [1, step_frames, mel_bins]."""
        ...


def open_runtime(model: Path, backend: str = "auto", delegate: str = "auto") -> Runtime:
    """Return a runtime for a model file, checked against the golden of its metadata.

    Raises PipelineError when the backend or delegate is not there (with what to install), when the artifact does not
    fit, or when the golden mel scores differently from what the metadata says by more than `GOLDEN_TOLERANCE`.
    """
    chosen = "onnx" if backend == "auto" else backend  # the only one of this version
    if chosen in COMING:
        raise PipelineError(
            f"backend {chosen!r} is not part of this version yet (it will need: {COMING[chosen]}); use --backend onnx"
        )
    if chosen not in BACKENDS:
        raise PipelineError(f"backend {chosen!r} is unknown; known: auto, {', '.join([*BACKENDS, *COMING])}")
    if delegate not in ("auto", "cpu"):
        raise PipelineError(
            f"delegate {delegate!r} is not part of this version yet: backend {chosen!r} runs on the CPU; "
            "use --delegate cpu or auto"
        )
    metadata = load_metadata(model, FrontendSpec())
    try:
        module = importlib.import_module(BACKENDS[chosen])
    except ImportError as error:
        raise PipelineError(f"backend {chosen!r} cannot be loaded ({error}): pip install onnxruntime") from error
    runtime: Runtime = module.open_model(model, metadata)
    _check_outputs(model, runtime)
    _check_golden(model, runtime)
    return runtime


def peak_scores(runtime: Runtime, mel: Array) -> Array:
    """Return each head's highest score over mel [frames, mel_bins] from the initial state, whole steps only."""
    state = runtime.initial_state()
    peaks = np.zeros(len(runtime.metadata.head_order), np.float32)
    for start in range(0, len(mel) - runtime.step_frames + 1, runtime.step_frames):
        scores, state = runtime.step(mel[None, start : start + runtime.step_frames], state)
        peaks = np.maximum(peaks, scores)
    return peaks


def _check_outputs(model: Path, runtime: Runtime) -> None:
    """Run one step, so that a model that does not fit is refused here and not in the middle of a stream."""
    bins = (runtime.metadata.frontend or FrontendSpec()).mel_bins
    heads = len(runtime.metadata.head_order)
    try:
        scores, _ = runtime.step(np.zeros((1, runtime.step_frames, bins), np.float32), runtime.initial_state())
    except Exception as error:  # each runtime has exceptions of its own for a tensor that does not fit
        reason = str(error).splitlines()[0]
        raise PipelineError(f"model {model}: cannot score [1, {runtime.step_frames}, {bins}] ({reason})") from error
    if scores.shape != (heads,) or not ((scores >= 0) & (scores <= 1)).all():
        raise PipelineError(f"model {model}: scored {scores.tolist()}, expected {heads} numbers in [0, 1]")


def _check_golden(model: Path, runtime: Runtime) -> None:
    golden = runtime.metadata.golden
    if golden is None:
        return
    difference = float(np.abs(peak_scores(runtime, golden.mel) - golden.scores).max())
    if not difference <= GOLDEN_TOLERANCE:
        raise PipelineError(
            f"model {model}: scores its golden mel {difference:.2g} off, expected at most {GOLDEN_TOLERANCE}; "
            "this runtime does not compute what was trained: use another version of it, or export the model again"
        )
