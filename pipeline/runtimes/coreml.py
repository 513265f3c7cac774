"""Core ML: packages that `export/coreml.py` wrote, predicted by macOS. Elsewhere opening one says so.

The streaming package keeps its memory in a Core ML state, which is part of the state that the caller keeps.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError, first_line
from inherentd.pipeline.runtimes.processor import DelegateError, Processor
from inherentd.pipeline.runtimes.protocol import Array, Runtime, State
from inherentd.pipeline.runtimes.window import SlidingWindow

COMPUTE_UNITS = {"cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "npu": "CPU_AND_NE", "coreml": "ALL"}
"""delegate -> what Core ML may use; which of these it uses for what, it decides by itself and does not tell"""


def open_model(model: Path, metadata: ArtifactMetadata, delegate: str = "cpu") -> Runtime:
    """Return a runtime for a package. PipelineError where this is not macOS, or Core ML refuses it."""
    if sys.platform != "darwin":
        raise PipelineError(
            f"model {model}: Core ML predicts on macOS only, this is {sys.platform}; give a .onnx or .tflite file"
        )
    try:  # only now: it is slow to import, and brings torch along where that is installed
        coremltools: Any = importlib.import_module("coremltools")
    except ImportError as error:
        raise PipelineError(f"backend 'coreml' cannot be loaded ({error}): pip install 'inherentd[coreml]'") from error
    if delegate not in COMPUTE_UNITS:
        raise DelegateError(f"Core ML has no delegate {delegate!r}; it knows {', '.join(COMPUTE_UNITS)}")
    try:
        package = coremltools.models.MLModel(str(model), compute_units=coremltools.ComputeUnit[COMPUTE_UNITS[delegate]])
    except Exception as error:  # Core ML's errors have no common type
        kind = PipelineError if COMPUTE_UNITS[delegate] == "CPU_ONLY" else DelegateError
        raise kind(f"model {model}: Core ML cannot load it ({first_line(error)})") from error
    if metadata.form == "windowed":
        frames = metadata.runtime_tensor_contract["mel_spectrogram"].shape[1]

        def score(mel: Array) -> Array:
            return np.asarray(package.predict({"mel_spectrogram": mel})["intent_output"], np.float32)[0]

        return SlidingWindow(metadata, score, static_frames=frames if frames > 0 else None)
    return CoremlStreaming(package, metadata)


class CoremlStreaming:
    """One step at a time. Core ML writes the next state into the state object that it is given."""

    def __init__(self, package: Any, metadata: ArtifactMetadata) -> None:
        self.metadata = metadata
        self.processor = Processor("coreml", "cpu", "cpu")
        self.step_frames = metadata.step_frames
        self._package = package

    def initial_state(self) -> State:
        """Return a new state of Core ML's, all zeros."""
        return {"coreml": self._package.make_state()}

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] and the same state, which has moved on."""
        found = self._package.predict({"mel_chunk": given}, state=state["coreml"])
        return np.asarray(found["intent_output"], np.float32)[0], state
