"""Begin training from a checkpoint of other heads, or of a smaller network: what it hears stays."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.checkpoint import Checkpoint
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.recipe import TrainRecipe
from inherentd.pipeline.frontend import FrontendSpec


def adapt(start: Path, heads: Sequence[str], out: Path) -> dict[str, Any]:
    """Write `start` for `heads` as the checkpoint `out`, and return the fields of a recipe that goes on from it.

    Heads that both have keep their weights; the others begin at random. The shape of the network is the checkpoint's.
    """
    loaded = _loaded(start)
    model = for_heads(loaded.model, heads)
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, model, loaded.frontend, {**loaded.notes, "started_from": loaded.training_hash})
    return {**_shape(model.config), "heads": tuple(heads), "warm_start": str(out), "phoneme_steps": 0}


def started(recipe: TrainRecipe, start: Path) -> TrainRecipe:
    """Return the recipe as it goes on from the checkpoint `start`, in that one's shape: heads that both have will keep
    their weights. Nothing is written, so that each process of `torchrun` may ask."""
    loaded = _loaded(start)
    fields = {**_shape(loaded.model.config), "splits": {**splits(loaded), **recipe.splits}}
    try:
        return msgspec.structs.replace(recipe, **fields, warm_start=str(start), phoneme_steps=0)
    except ValueError as error:
        raise ModelError(f"{start}: the recipe does not suit its shape: {error}") from error


def splits(loaded: Checkpoint) -> dict[str, str]:
    """Return the splits of the speakers and sessions whose recordings these weights were made with (`TrainRecipe.splits`)."""
    recipe: Any = loaded.notes.get("recipe")
    return recipe.get("splits", {}) if isinstance(recipe, dict) else {}


def _loaded(start: Path) -> Checkpoint:
    """Return the checkpoint; ModelError where this version's frontend is another."""
    loaded = checkpoint.load(start)
    if loaded.frontend != FrontendSpec():
        raise ModelError(
            f"{start}: trained with {loaded.frontend}, this version has {FrontendSpec()}; take another start"
        )
    return loaded


def _shape(config: ModelConfig) -> dict[str, Any]:
    """Return what a recipe says of the network's shape, as this one's is."""
    fields = {field.name for field in msgspec.structs.fields(TrainRecipe)} - {"dropout", "heads"}
    return {name: value for name, value in dataclasses.asdict(config).items() if name in fields}


def for_heads(model: InherentModel, heads: Sequence[str], *, quiet: bool = False) -> InherentModel:
    """Return a model of the same weights for `heads`: those that it has keep theirs, the others begin at random, and a
    line on stderr says which (unless `quiet`). Where there is nothing to change, the model itself."""
    before = model.config.heads
    if tuple(heads) == before:
        return model  # and nothing is drawn: what is random afterwards stays as it was
    if not quiet:
        kept, new, left = (
            ", ".join(names) or "none"
            for names in (
                [head for head in heads if head in before],
                [head for head in heads if head not in before],
                [head for head in before if head not in heads],
            )
        )
        print(f"heads that keep their weights: {kept}; begin at random: {new}; left out: {left}", file=sys.stderr)
    adapted = InherentModel(dataclasses.replace(model.config, heads=tuple(heads)))
    known, weights = model.state_dict(), adapted.state_dict()
    with torch.no_grad():
        for name, tensor in weights.items():
            if not name.startswith("score."):
                tensor.copy_(known[name])
                continue
            for index, head in enumerate(heads):
                if head in before:
                    tensor[index] = known[name][before.index(head)]
    return adapted


def fits_into(earlier: ModelConfig, config: ModelConfig) -> bool:
    """Return whether a model of the shape `earlier` can be `grown` into `config`; heads and dropout may be any."""
    ear, phrase = len(earlier.ear_dilations), len(earlier.dilations)
    same = dataclasses.replace(
        config, heads=earlier.heads, dropout=earlier.dropout,
        ear_dilations=config.ear_dilations[:ear], dilations=config.dilations[:phrase],
        ear_channels=min(config.ear_channels, earlier.ear_channels), channels=min(config.channels, earlier.channels),
    )  # fmt: skip
    return earlier == same


def grown(earlier: InherentModel, config: ModelConfig, *, quiet: bool = False) -> InherentModel:
    """Return a model of the shape `config` that begins with the scores of `earlier`, which `fits_into` it, for the heads that
    both have; the other heads are as of `for_heads`.

    New blocks begin by changing nothing: the scale of their last normalization is 0. New channels hear the earlier ones
    at random, and nothing earlier hears them: the weights of their way back are 0. To begin a larger network as the
    function of a smaller one is Net2Net's idea (Chen et al. 2016).
    """
    model = InherentModel(config)
    known = for_heads(earlier, config.heads, quiet=quiet).state_dict()
    with torch.no_grad():
        for stack, before in ((model.ear, earlier.ear), (model.phrase, earlier.phrase)):
            for block in stack.blocks[len(before.blocks) :]:
                torch.nn.init.zeros_(block.norm.weight)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
        for name, tensor in model.state_dict().items():
            if name not in known:
                continue
            here = tuple(slice(size) for size in known[name].shape)
            if tensor.dim() > 1:
                tensor[: here[0].stop] = 0.0
            tensor[here] = known[name]
    return model
