"""A checkpoint is one safetensors file: weights, and in its header the model's shape, the frontend and the history."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole
from inherentd.pipeline.frontend import FrontendSpec


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A model with what it was trained for. `notes`: recipe, counts and figures, JSON-ready."""

    model: InherentModel
    frontend: FrontendSpec
    notes: dict[str, object]
    training_hash: str
    """the first 16 hex digits of the file's SHA-256: which weights these are"""


def save(path: Path, model: InherentModel, frontend: FrontendSpec, notes: dict[str, object]) -> None:
    """Write the checkpoint, whole or not at all."""
    header = {
        "config": json.dumps(dataclasses.asdict(model.config)),
        "frontend": json.dumps(dataclasses.asdict(frontend)),
        "notes": json.dumps(notes),
    }
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    with whole(path) as unfinished:
        save_file(weights, unfinished, metadata=header)


@torch.no_grad()
def move_towards(model: InherentModel, other: InherentModel, share: float) -> None:
    """Move the weights of a model, statistics of the normalization included, by `share` (0 to 1) towards those of another of
    its shape; counts become the other's."""
    for kept, new in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, share)
        else:
            kept.copy_(new)


def load(path: Path) -> Checkpoint:
    """Return the checkpoint of a file, its model in evaluation mode. Raises ModelError when it is not one of ours."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: cannot be read as a checkpoint ({error}); expected a safetensors file") from error
    except Exception as error:  # safetensors' own error type is not importable by a stable name
        raise ModelError(f"{path}: not a safetensors file ({error})") from error
    missing = {"config", "frontend", "notes"} - set(header)
    if missing:
        raise ModelError(f"{path}: its header lacks {sorted(missing)}; expected a checkpoint of `inherent train`")
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(header["config"]).items()
    }
    try:
        model = InherentModel(ModelConfig(**fields))
        model.load_state_dict(weights)
    except (TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(
            f"{path}: is of another version's architecture ({reason}); train a model with this one"
        ) from error
    model.eval()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Checkpoint(model, FrontendSpec(**json.loads(header["frontend"])), json.loads(header["notes"]), digest)


@torch.inference_mode()
def step_scores(model: InherentModel, mel: torch.Tensor) -> torch.Tensor:
    """Return the scores per step, float32 [batch, steps, heads] in [0, 1], of mel [batch, frames, mel_bins] from a fresh
    state; a last frame that fills no step is left out."""
    whole = mel.shape[1] // model.config.step_frames * model.config.step_frames
    logits, _ = model(mel[:, :whole], model.initial_state(mel.shape[0]))
    return torch.sigmoid(logits)
