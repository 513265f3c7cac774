"""Trials of a training recipe, each with a few changes, trained and measured alike: what is worth its cost?"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from inherentd.inherent_model import checkpoint, training
from inherentd.inherent_model.commands.scored import score_split
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import head_figures
from inherentd.inherent_model.recipe import TrainRecipe, same_recipe
from inherentd.inherent_model.yaml_files import convert, read_yaml, with_files
from inherentd.inherent_model.yaml_files import load as load_yaml
from inherentd.pipeline.frontend import FrontendSpec

SPLITS = ("validation", "test")
FIGURES, WEIGHTS = "figures.json", "best.safetensors"
"""what lies in a trial's folder"""


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the table: what is changed in the recipe."""

    name: str
    set: dict[str, Any] = {}


class Experiments(msgspec.Struct, forbid_unknown_fields=True):
    """What `configs/train/experiments.yaml` may hold. Paths are relative to the working directory."""

    base: str
    """the training recipe that all trials begin with"""
    out: str
    """each trial has a folder in here; one that has its figures there already, of the same recipe, is not trained again"""
    trials: list[Trial]
    set: dict[str, Any] = {}
    """what is changed in all of them"""

    def __post_init__(self) -> None:
        """Refuse two trials that would share a folder."""
        names = [trial.name for trial in self.trials]
        if len(set(names)) < len(names):
            raise ValueError(f"trials: got {names}, expected each name once")


def load(path: Path) -> Experiments:
    """Return the experiments of a YAML file; a wrong key or type is a ModelError that names it. Files that `set` names for
    `heads` or `conditions` are seen from this one."""
    found = load_yaml(path, Experiments)
    for changed in (found, *found.trials):
        changed.set = with_files(changed.set, path.parent)
    return found


def only(experiments: Experiments, names: Sequence[str]) -> Experiments:
    """Return the experiments with only the trials of these names, in the file's order. ModelError for a name that no trial has."""
    known = [trial.name for trial in experiments.trials]
    if unknown := [name for name in names if name not in known]:
        raise ModelError(f"--only: got {unknown}, expected names of trials: {'; '.join(known)}")
    return msgspec.structs.replace(experiments, trials=[trial for trial in experiments.trials if trial.name in names])


def recipe_of(experiments: Experiments, trial: Trial) -> TrainRecipe:
    """Return the training recipe of one trial; ModelError when what it sets is no key of a recipe, or not its type."""
    base = read_yaml(Path(experiments.base))
    if not isinstance(base, dict):
        raise ModelError(f"{experiments.base}: no training recipe")
    shared = {"cache": f"{experiments.out}/cache"} | base | experiments.set
    changed = shared | trial.set | {"out": f"{experiments.out}/{trial.name}"}
    return convert(changed, TrainRecipe, f"trial {trial.name!r}")


def run(experiments: Experiments) -> list[dict[str, Any]]:
    """Train and measure each trial that has no figures of this recipe yet, and return the figures of all, in order."""
    recipes = {trial.name: recipe_of(experiments, trial) for trial in experiments.trials}
    missing = {name: recipe for name, recipe in recipes.items() if not _is_done(recipe)}
    _check_starts(missing)
    for name, recipe in missing.items():
        print(f"--- {name}", file=sys.stderr)
        out = Path(recipe.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / FIGURES).unlink(missing_ok=True)  # those of another recipe must not pass for this one's
        before = time.process_time()
        weights = training.train(recipe)
        minutes = (time.process_time() - before) / 60
        (out / "recipe.yaml").write_bytes(msgspec.yaml.encode(recipe))
        (out / FIGURES).write_text(
            json.dumps({"name": name, "cpu_minutes": round(minutes, 1), **_measure(weights, recipe)})
        )
    return [json.loads((Path(recipe.out) / FIGURES).read_text()) for recipe in recipes.values()]


def _is_done(recipe: TrainRecipe) -> bool:
    weights = Path(recipe.out) / WEIGHTS
    return (
        weights.with_name(FIGURES).is_file()
        and weights.is_file()
        and same_recipe(checkpoint.load(weights).notes.get("recipe"), recipe)
    )


def _check_starts(recipes: dict[str, TrainRecipe]) -> None:
    """Raise ModelError, before hours of training, where a trial begins with weights that nothing will have made by then."""
    made = set[Path]()
    for name, recipe in recipes.items():
        if recipe.warm_start and not ((start := Path(recipe.warm_start)) in made or start.is_file()):
            raise ModelError(
                f"trial {name!r} begins with {start}, which is not there: run what makes it first, or along with it"
            )
        made.add(Path(recipe.out) / WEIGHTS)


def _measure(weights: Path, recipe: TrainRecipe) -> dict[str, Any]:
    model, spec = checkpoint.load(weights).model, FrontendSpec()
    figures: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "receptive_field_s": model.config.receptive_field_frames * spec.hop_samples / spec.sample_rate_hz,
    }
    for split in SPLITS:
        scored = score_split(weights, Path(recipe.out) / "recipe.yaml", split)
        heads = head_figures(model.config.heads, scored.rows, scored.scores)
        figures[split] = [dataclasses.asdict(head) for head in heads]
    return figures


def table(found: list[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table: for each split gate AUC, gate EER and mean intent AUC."""
    lines = [
        "| trial | parameters | receptive field | CPU min | "
        + " | ".join(f"{split}: gate AUC | EER | intents" for split in SPLITS) + " |",
        "|---" * (4 + 3 * len(SPLITS)) + "|",
    ]  # fmt: skip
    for row in found:
        cells = [row["name"], f"{row['parameters'] / 1000:.0f}k", f"{row['receptive_field_s']:.1f} s",
                 f"{row['cpu_minutes']:.0f}"]  # fmt: skip
        for split in SPLITS:
            gate, *intents = row[split]
            aucs = [head["auc"] for head in intents if head["auc"] is not None]
            cells += [_cell(gate["auc"]), _cell(gate["eer"]), _cell(float(np.mean(aucs)) if aucs else None)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: float | None) -> str:
    """Return a figure for the table; where a split has clips of one kind only there is none."""
    return "-" if figure is None else f"{figure:.3f}"
