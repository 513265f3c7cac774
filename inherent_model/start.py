"""Begin training on somebody's heads from a checkpoint that was trained for others: what it hears stays, heads are new."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.training import TrainRecipe
from inherentd.pipeline.frontend import FrontendSpec


def adapt(start: Path, heads: Sequence[str], out: Path) -> dict[str, Any]:
    """Write `start` for `heads` as the checkpoint `out`, and return the fields of a recipe that goes on from it.

    Heads that both have keep their weights; the others begin at random. The shape of the network is the checkpoint's.
    """
    loaded = checkpoint.load(start)
    if loaded.frontend != FrontendSpec():
        raise ModelError(
            f"{start}: trained with {loaded.frontend}, this version has {FrontendSpec()}; take another start"
        )
    before = loaded.model.config.heads
    config = dataclasses.replace(loaded.model.config, heads=tuple(heads))
    model = InherentModel(config)
    known, weights = loaded.model.state_dict(), model.state_dict()
    with torch.no_grad():
        for name, tensor in weights.items():
            if tuple(heads) != before and _by_head(known[name], before) and _by_head(tensor, heads):
                for index, head in enumerate(heads):
                    if head in before:
                        tensor[index] = known[name][before.index(head)]
            else:
                tensor.copy_(known[name])
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, model, loaded.frontend, {**loaded.notes, "started_from": loaded.training_hash})
    fields = {field.name for field in msgspec.structs.fields(TrainRecipe)}
    shape = {name: value for name, value in dataclasses.asdict(config).items() if name in fields - {"dropout"}}
    return {**shape, "warm_start": str(out), "phoneme_steps": 0}


def _by_head(tensor: torch.Tensor, heads: Sequence[str]) -> bool:
    return tensor.ndim > 0 and tensor.shape[0] == len(heads)
