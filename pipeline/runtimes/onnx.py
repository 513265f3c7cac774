"""ONNX Runtime: the streaming form step by step, and windowed artifacts through a sliding window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as _onnxruntime  # pyright: ignore[reportMissingTypeStubs] - it ships none

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import Array, Runtime, State
from inherentd.pipeline.runtimes.window import SlidingWindow

onnxruntime: Any = _onnxruntime


def open_model(model: Path, metadata: ArtifactMetadata) -> Runtime:
    """Return a runtime for an ONNX file. PipelineError when ONNX Runtime refuses it or its tensors do not fit."""
    try:
        session = onnxruntime.InferenceSession(str(model), _options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own types, one for each way in which a file can be wrong
        raise PipelineError(f"model {model}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from error
    if metadata.form == "streaming":
        return OnnxStreaming(model, session, metadata)
    if metadata.form == "windowed":
        return _windowed(model, session, metadata)
    raise PipelineError(f"model {model}: form {metadata.form!r} cannot be run here; expected streaming or windowed")


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Spinning would burn a core between the steps; the arena would keep memory for shapes that never change.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options


class OnnxStreaming:
    """One step at a time; the tensors are found by the names of the metadata's contract."""

    def __init__(self, model: Path, session: Any, metadata: ArtifactMetadata) -> None:
        self.metadata = metadata
        contract = metadata.runtime_tensor_contract
        wanted = ["mel_chunk", "intent_output"]
        wanted += [f"{kind}.{state.name}" for state in metadata.states for kind in ("state", "next_state")]
        missing = [logical for logical in wanted if logical not in contract]
        present = {value.name for value in (*session.get_inputs(), *session.get_outputs())}
        missing += [tensor.name for tensor in contract.values() if tensor.name not in present]
        if missing:
            raise PipelineError(
                f"model {model}: tensors {missing} are missing; export the model with its metadata again"
            )
        self.step_frames = contract["mel_chunk"].shape[1]
        self._run = session.run
        self._mel = contract["mel_chunk"].name
        self._inputs = [contract[f"state.{state.name}"].name for state in metadata.states]
        following = [contract[f"next_state.{state.name}"].name for state in metadata.states]
        self._outputs = [contract["intent_output"].name, *following]

    def initial_state(self) -> State:
        """Return the state before the first frame, by the model's own tensor names."""
        return {
            name: np.full(state.shape, state.initial_value, np.float32)
            for name, state in zip(self._inputs, self.metadata.states, strict=True)
        }

    def step(self, mel: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] and the next state."""
        scores, *following = self._run(self._outputs, {self._mel: mel, **state})
        return scores[0], dict(zip(self._inputs, following, strict=True))


def _windowed(model: Path, session: Any, metadata: ArtifactMetadata) -> SlidingWindow:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 3:
        found = [(value.name, value.shape) for value in inputs]
        raise PipelineError(f"model {model}: inputs {found}, expected one mel_spectrogram [1, T, 128]")
    mel_name = inputs[0].name
    named = metadata.runtime_tensor_contract.get("intent_output")
    score_name = named.name if named is not None else outputs[0].name
    frames = inputs[0].shape[1]

    def score(mel: Array) -> Array:
        return np.asarray(session.run([score_name], {mel_name: mel})[0], np.float32)[0]

    return SlidingWindow(metadata, score, static_frames=frames if isinstance(frames, int) else None)
