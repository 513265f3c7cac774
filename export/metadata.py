"""The sidecar `NAME.metadata.json`: everything a runtime must know about an artifact, and a golden to check itself by."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import onnx
import torch

from inherentd.inherent_model.checkpoint import Checkpoint, step_scores
from inherentd.inherent_model.heads import threshold_key
from inherentd.inherent_model.thresholds import Calibration

GOLDEN_STEPS = 10  # 20 frames: whole steps of the streaming form and of a sliding window alike


def golden_mel(checkpoint: Checkpoint) -> torch.Tensor:
    """Return a short mel to check runtimes with, float32 [1, frames, bins]: a seeded random walk within what speech
    takes, rounded so that its JSON stays small."""
    config = checkpoint.model.config
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(1, GOLDEN_STEPS * config.step_frames, config.mel_bins, generator=generator)
    mel = checkpoint.model.mel_mean + checkpoint.model.mel_std * torch.tanh(steps.cumsum(1) / 3)
    return mel.round(decimals=2)


def write_metadata(
    artifact: Path, checkpoint: Checkpoint, calibration: Calibration, *, form: str, version: str
) -> Path:
    """Write the metadata beside an ONNX artifact and return its path (DESIGN: contracts/artifact.md has every field)."""
    config = checkpoint.model.config
    mel = golden_mel(checkpoint)
    scores = step_scores(checkpoint.model, mel)[0].amax(0)
    initial = checkpoint.model.initial_state() if form == "streaming" else {}
    document = {
        "version": version,
        "training_hash": checkpoint.training_hash,
        "backend": "onnx",
        "form": form,
        "frontend": dataclasses.asdict(checkpoint.frontend),
        "head_order": list(config.heads),
        "default_thresholds": {
            threshold_key(head): value for head, value in zip(config.heads, calibration.thresholds, strict=True)
        },
        "threshold_calibration": calibration.record,
        "runtime_tensor_contract": _tensor_contract(artifact),
        "states": [
            {"name": name, "shape": list(tensor.shape), "initial_value": 0.0} for name, tensor in initial.items()
        ],
        "golden": {"mel": mel[0].tolist(), "scores": [round(float(score), 7) for score in scores]},
        "quantization": "float32",
        "sha256": hashlib.sha256(artifact.read_bytes()).hexdigest(),
    }
    document["golden"]["mel"] = [[round(value, 2) for value in frame] for frame in document["golden"]["mel"]]
    path = artifact.with_suffix(".metadata.json")
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _tensor_contract(artifact: Path) -> dict[str, dict[str, object]]:
    """Return logical name -> actual name, index, shape (-1 where dynamic) and dtype, as the file itself has them."""
    graph = onnx.load(str(artifact)).graph
    contract: dict[str, dict[str, object]] = {}
    for values in (graph.input, graph.output):
        for index, value in enumerate(values):
            tensor = value.type.tensor_type
            shape = [dimension.dim_value or -1 for dimension in tensor.shape.dim]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
            contract[value.name] = {"name": value.name, "index": index, "shape": shape, "dtype": dtype}
    return contract
