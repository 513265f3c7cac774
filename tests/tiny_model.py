"""A tiny but real streaming ONNX artifact, built in milliseconds: scores follow the loudness of the speech band.

score[h] = sigmoid(gain[h] * (smoothed mean log-mel - offset)), smoothed over time by one named state tensor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inherentd.pipeline.frontend import FrontendSpec

HEADS = ("isInteresting", "hasPhotoQuery", "hasStartTimerIntent")
STEP_FRAMES = 2
OFFSET = -6.0
KEEP = 0.6
GAINS = (1.5, 1.2, 0.2)


def build(folder: Path, *, form: str = "streaming", frames: int | None = None, name: str = "tiny") -> Path:
    """Write the artifact and its metadata into `folder` and return the path of the ONNX file.

    form "streaming", or "windowed" with a dynamic (`frames` None) or fixed number of frames.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(_streaming() if form == "streaming" else _windowed(frames), path)
    write_metadata(path, form)
    return path


def write_metadata(path: Path, form: str, /, **changes: object) -> None:
    """Write the sidecar of a tiny model; `changes` replace top-level fields, None takes a field out."""
    graph = onnx.load(path).graph
    contract = {}
    for values in (graph.input, graph.output):
        for index, value in enumerate(values):
            shape = [dimension.dim_value or -1 for dimension in value.type.tensor_type.shape.dim]
            contract[value.name] = {"name": value.name, "index": index, "shape": shape, "dtype": "float32"}
    mel = np.round(np.random.default_rng(0).normal(-6, 2, (12, 128)), 2).astype(np.float32)
    document: dict[str, object] = {
        "version": "0.0.1",
        "training_hash": "tiny",
        "backend": "onnx",
        "form": form,
        "frontend": dataclasses.asdict(FrontendSpec()),
        "head_order": list(HEADS),
        "default_thresholds": {"is_interesting": 0.6, "has_photo_query": 0.7, "has_start_timer_intent": 0.9},
        "threshold_calibration": {},
        "runtime_tensor_contract": contract,
        "states": [{"name": "smooth", "shape": [1, 1], "initial_value": OFFSET - 6.0}] if form == "streaming" else [],
        "golden": {"mel": mel.tolist(), "scores": golden_scores(mel).tolist()} if form == "streaming" else None,
        "quantization": "float32",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **changes,
    }
    kept = {key: value for key, value in document.items() if value is not None}
    path.with_suffix(".metadata.json").write_text(json.dumps(kept))


def write_metadata_without_graph(path: Path) -> None:
    """Give a damaged ONNX file a sidecar with its own checksum, so that only the file itself is wrong."""
    sidecar = path.with_suffix(".metadata.json")
    document = json.loads(sidecar.read_text())
    document["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    sidecar.write_text(json.dumps(document))


def golden_scores(mel: np.ndarray) -> np.ndarray:
    """Return the highest score of each head, worked out in numpy beside the ONNX graph."""
    smooth, peaks = OFFSET - 6.0, np.zeros(len(HEADS))
    for start in range(0, len(mel), STEP_FRAMES):
        smooth = KEEP * smooth + (1 - KEEP) * float(mel[start : start + STEP_FRAMES].mean())
        peaks = np.maximum(peaks, 1 / (1 + np.exp(-np.array(GAINS) * (smooth - OFFSET))))
    return peaks


def _constant(name: str, values: object) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, np.float32), name)


def _streaming() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["mel_chunk"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Reshape", ["mean", "one_one"], ["level"]),
        helper.make_node("Mul", ["state.smooth", "keep"], ["kept"]),
        helper.make_node("Mul", ["level", "rest"], ["new"]),
        helper.make_node("Add", ["kept", "new"], ["next_state.smooth"]),
        helper.make_node("Sub", ["next_state.smooth", "offset"], ["over"]),
        helper.make_node("Mul", ["over", "gains"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["intent_output"]),
    ]
    constants = [
        _constant("keep", KEEP),
        _constant("rest", 1 - KEEP),
        _constant("offset", OFFSET),
        _constant("gains", [GAINS]),
        numpy_helper.from_array(np.array([1, 1], np.int64), "one_one"),
    ]
    return _model(
        nodes,
        [("mel_chunk", [1, STEP_FRAMES, 128]), ("state.smooth", [1, 1])],
        [("intent_output", [1, len(HEADS)]), ("next_state.smooth", [1, 1])],
        constants,
    )


def _windowed(frames: int | None) -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["mel_spectrogram"], ["levels"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["levels"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["level", "offset"], ["over"]),
        helper.make_node("Mul", ["over", "gains"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["intent_output"]),
    ]
    constants = [_constant("offset", OFFSET), _constant("gains", [GAINS])]
    shape: list[int | str] = [1, frames or "T", 128]
    return _model(nodes, [("mel_spectrogram", shape)], [("intent_output", [1, len(HEADS)])], constants)


def _model(nodes: list[onnx.NodeProto], inputs: list[tuple[str, list]], outputs: list[tuple[str, list]],
           constants: list[onnx.TensorProto]) -> onnx.ModelProto:  # fmt: skip
    def value(name: str, shape: list) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(nodes, "tiny", [value(*i) for i in inputs], [value(*o) for o in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model
