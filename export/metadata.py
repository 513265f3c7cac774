"""The sidecar `NAME.metadata.json`: everything a runtime must know about an artifact, and a golden to check itself by."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from inherentd.export.artifacts import Artifact, Job
from inherentd.export.forms import WindowedForm
from inherentd.inherent_model.checkpoint import Checkpoint, step_scores
from inherentd.inherent_model.heads import threshold_key
from inherentd.pipeline.artifact import digest, metadata_path
from inherentd.pipeline.frontend import log_mel

GOLDEN_STEPS = 10  # 40 frames: whole steps of the streaming form and of a sliding window alike


def golden_mel(checkpoint: Checkpoint) -> torch.Tensor:
    """Return a short mel to check runtimes with, float32 [1, frames, bins]: a seeded random walk within what speech
    takes, rounded so that its JSON stays small."""
    config = checkpoint.model.config
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(1, GOLDEN_STEPS * config.step_frames, config.mel_bins, generator=generator)
    mel = checkpoint.model.mel_mean + checkpoint.model.mel_std * torch.tanh(steps.cumsum(1) / 3)
    return mel.round(decimals=2)


def golden_samples(checkpoint: Checkpoint) -> np.ndarray:
    """Return what the audio form is tried with: a quarter of a second of a rising tone in a little noise, int16."""
    seconds = np.arange(0, 0.25, 1 / checkpoint.frontend.sample_rate_hz)
    tone = 0.3 * np.sin(2 * np.pi * (200 * seconds + 4000 * seconds**2))
    noise = np.random.default_rng(0).normal(0, 0.01, len(seconds))
    return np.round((tone + noise) * 32767).astype(np.int16)


def golden(checkpoint: Checkpoint, artifact: Artifact) -> dict[str, object]:
    """Return what an artifact is tried with, and torch's scores; of a windowed one those of the mel at once, padded as
    the artifact needs it."""
    if artifact.form == "audio":
        samples = golden_samples(checkpoint)
        mel = torch.from_numpy(log_mel(checkpoint.frontend, samples.astype(np.float32) / np.float32(32768)))[None]
        given: dict[str, object] = {"samples": samples.tolist()}
    else:
        mel = golden_mel(checkpoint)
        given = {"mel": [[round(value, 2) for value in frame] for frame in mel[0].tolist()]}
    if artifact.form == "windowed":
        form, frames = WindowedForm(checkpoint.model), artifact.tensors["mel_spectrogram"].shape[1]
        padded = functional.pad(mel, (0, 0, 0, max(0, frames - mel.shape[1])))
        scores = form(padded)[0].detach()
    else:
        scores = step_scores(checkpoint.model, mel)[0].amax(0)
    return given | {"scores": [round(float(score), 7) for score in scores]}


def write_metadata(artifact: Artifact, job: Job, golden_tolerance: float) -> Path:
    """Write the metadata beside an artifact and return its path (contracts/artifact.md has every field).

    golden_tolerance: how far a runtime may be from torch's scores of the golden.
    """
    checkpoint, calibration = job.loaded, job.calibration
    heads = checkpoint.model.config.heads
    states = [
        {
            "name": name,
            "shape": [max(1, size) for size in artifact.tensors[f"state.{name}"].shape],
            "initial_value": 0.0,
        }
        for name in checkpoint.model.initial_state()
        if f"state.{name}" in artifact.tensors
    ]
    document = {
        "version": job.version,
        "training_hash": checkpoint.training_hash,
        "backend": artifact.backend,
        "form": artifact.form,
        "frontend": dataclasses.asdict(checkpoint.frontend),
        "head_order": list(heads),
        "default_thresholds": {
            threshold_key(head): value for head, value in zip(heads, calibration.thresholds, strict=True)
        },
        "threshold_calibration": calibration.record,
        "runtime_tensor_contract": {name: dataclasses.asdict(tensor) for name, tensor in artifact.tensors.items()},
        "states": states,
        "golden": golden(checkpoint, artifact) | {"tolerance": golden_tolerance},
        "quantization": artifact.quantization,
        "unsupported": "",
        "sha256": digest(artifact.path),
    }
    path = metadata_path(artifact.path)
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
