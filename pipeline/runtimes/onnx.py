"""ONNX Runtime: the streaming and audio forms step by step, and windowed artifacts through a sliding window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as _onnxruntime  # pyright: ignore[reportMissingTypeStubs] - it ships none

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError, first_line
from inherentd.pipeline.runtimes.batched import BatchedStreaming
from inherentd.pipeline.runtimes.processor import DelegateError
from inherentd.pipeline.runtimes.protocol import Array, Runtime
from inherentd.pipeline.runtimes.streaming import Streaming
from inherentd.pipeline.runtimes.window import SlidingWindow

onnxruntime: Any = _onnxruntime

PROVIDERS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "gpu": (("CUDAExecutionProvider", {}), ("CoreMLExecutionProvider", {"MLComputeUnits": "CPUAndGPU"}), ("DmlExecutionProvider", {})),
    "npu": (("QNNExecutionProvider", {"backend_type": "htp"}), ("CoreMLExecutionProvider", {"MLComputeUnits": "CPUAndNeuralEngine"}),
            ("OpenVINOExecutionProvider", {"device_type": "NPU"})),
    "qualcomm": (("QNNExecutionProvider", {"backend_type": "htp"}),),
    "intel": (("OpenVINOExecutionProvider", {"device_type": "NPU"}),),
    "openvino": (("OpenVINOExecutionProvider", {"device_type": "CPU"}),),
    "coreml": (("CoreMLExecutionProvider", {}),),
}  # fmt: skip
"""delegate -> the execution providers that mean it, the first one that this build has is taken"""
DELEGATES = tuple(PROVIDERS)


def open_model(model: Path, metadata: ArtifactMetadata, delegate: str = "cpu") -> Runtime:
    """Return a runtime for an ONNX file. PipelineError when ONNX Runtime refuses it or its tensors do not fit,
    DelegateError when the delegate is not there."""
    try:
        session = onnxruntime.InferenceSession(str(model), _options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own types, one for each way in which a file can be wrong
        raise PipelineError(f"model {model}: ONNX Runtime cannot load it ({first_line(error)})") from error
    if delegate not in ("auto", "cpu"):
        session = _accelerated(model, delegate)
    present = {value.name for value in (*session.get_inputs(), *session.get_outputs())}
    missing = [tensor.name for tensor in metadata.runtime_tensor_contract.values() if tensor.name not in present]
    if missing:
        raise PipelineError(f"model {model}: tensors {missing} are missing; export the model with its metadata again")
    if metadata.form == "windowed":
        return _windowed(model, session, metadata)
    outputs = [value.name for value in session.get_outputs()]

    def run(given: dict[str, Array]) -> dict[str, Array]:
        return dict(zip(outputs, session.run(outputs, given), strict=True))

    return (BatchedStreaming if metadata.batched else Streaming)(model, run, metadata)


def _accelerated(model: Path, delegate: str) -> Any:
    """Return a session of which every operation is on the delegate's provider. By itself ONNX Runtime gives what a
    provider does not take to the CPU, and the whole model when it fails, and goes on naming the provider."""
    wanted = PROVIDERS.get(delegate, ())
    if not wanted:
        raise DelegateError(f"ONNX Runtime has no delegate {delegate!r}; it knows {', '.join(DELEGATES)}")
    here = onnxruntime.get_available_providers()
    chosen = [(name, options) for name, options in wanted if name in here]
    if not chosen:
        raise DelegateError(
            f"this onnxruntime has no {' or '.join(name for name, _ in wanted)}, it has {', '.join(here)}"
        )
    name, options = chosen[0]
    alone = _options()
    alone.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(str(model), alone, providers=[(name, options)], enable_fallback=0)
    except Exception as error:  # as above
        raise DelegateError(f"{name}: {first_line(error)}") from error
    if name not in session.get_providers():
        raise DelegateError(f"{name} was dropped by ONNX Runtime, which then has {session.get_providers()}")
    return session


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
