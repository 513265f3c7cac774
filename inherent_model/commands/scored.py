"""What `inherent eval` and `inherent thresholds` both begin with: a checkpoint's peak scores over one split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.checkpoint import Checkpoint
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import Padding, peak_scores
from inherentd.inherent_model.features import extract
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.recipe import TrainRecipe, load_recipe, measured_clips, utterances


@dataclass(frozen=True)
class Scored:
    """`scores` [clips, heads] belong to `rows`, the clips of the split; `training` are the clips that taught it."""

    checkpoint: Checkpoint
    rows: list[Utterance]
    scores: np.ndarray
    training: list[Utterance]
    recipe: TrainRecipe


def score_split(weights: Path, config: Path, split: str, padding: Padding = "dynamic") -> Scored:
    """Return the scores of a checkpoint over a split of a training recipe; ModelError when the split has no clip."""
    loaded = checkpoint.load(weights)
    recipe = load_recipe(config)
    every = utterances(recipe)
    rows = measured_clips(recipe, every, split)
    if not rows:
        raise ModelError(f"{config}: no {split} clips; give some lines of a manifest `split: {split}`")
    features = extract([row.path for row in rows], loaded.frontend, recipe.features_folder)
    scores = peak_scores(loaded.model, [features.clip(index) for index in range(len(rows))], padding=padding)
    return Scored(loaded, rows, scores, [row for row in every if row.split == "train"], recipe)
