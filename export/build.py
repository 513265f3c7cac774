"""`inherent build`: a CSV of recordings -> calibrated artifacts, in one command.

Each stage is the command of the same name (labels, train, thresholds, eval, export), called with what the one before it
wrote: whatever stops half-way can be looked at, and gone on from, by hand.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import msgspec
import yaml

import inherentd
from inherentd.export import command as export_command
from inherentd.inherent_model import checkpoint, label_checks, label_splits, labels, start, thresholds
from inherentd.inherent_model.commands import evaluate
from inherentd.inherent_model.commands import labels as labels_command
from inherentd.inherent_model.commands import thresholds as thresholds_command
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.labels import Labels
from inherentd.inherent_model.manifest import SPLITS, Utterance
from inherentd.inherent_model.recipe import TrainRecipe, load_recipe, quick, utterances
from inherentd.inherent_model.training import train
from inherentd.pipeline.frontend import FrontendSpec

RECIPE = Path(inherentd.__file__).parent / "configs" / "train" / "labels.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent build`."""
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="FILE", help="CSV, see `inherent labels template`"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the artifacts; what led to them in its run/"
    )
    parser.add_argument(
        "--config", type=Path, default=RECIPE, help="training recipe (default: configs/train/labels.yaml)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="START", help="go on from these weights, e.g. the shipped ones"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps only, to see that everything works")
    parser.add_argument("--name", default="inherent", help="of the artifacts (%(default)s)")
    parser.add_argument("--version", default="0.1.0", help="semver of the model (%(default)s)")
    labels_command.add_split_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print where the artifacts are."""
    out, run_folder = arguments.out, arguments.out / "run"
    checked = label_checks.load(arguments.labels, audio=True)
    if not checked.rows:
        raise ModelError(f"{arguments.labels}: no recordings below the header; add a row for each")
    earlier = start.splits(checkpoint.load(arguments.checkpoint)) if arguments.checkpoint else {}
    checked = label_splits.as_before(checked, earlier)
    shares = {"validation": arguments.validation, "test": arguments.test}
    checked = label_splits.assign(checked, seed=arguments.seed, **shares)
    labels.write(out / "labels.csv", checked)
    print(labels_command.summary(checked), file=sys.stderr)
    never = [head for head in checked.heads if not any(head in row.fired for row in checked.rows)]
    if never:
        print(f"note: no clip has {', '.join(never)}: what is never 1 is learned as always 0; a column may be taken out",
              file=sys.stderr)  # fmt: skip
    labels.write_manifest(run_folder / "manifest.jsonl", checked)
    recipe = _recipe(arguments, checked, run_folder, {**earlier, **label_splits.remembered(checked)})
    config = run_folder / "recipe.yaml"
    config.write_text(yaml.safe_dump(msgspec.to_builtins(recipe), sort_keys=False))
    refuse_shortages(recipe.heads, utterances(recipe))
    # The features are kept by path: a recording that was replaced since the last build would be trained as it was.
    shutil.rmtree(run_folder / "cache", ignore_errors=True)
    best = train(load_recipe(config))
    weights = ["--checkpoint", str(best)]
    calibration = str(out / "thresholds.json")
    _call(thresholds_command, [*weights, "--config", str(config), "--out", calibration])
    _call(evaluate, [*weights, "--config", str(config), "--out", str(out / "report.json")])
    named = ["--name", arguments.name, "--version", arguments.version]
    _call(export_command, [*weights, "--thresholds", calibration, "--out", str(out), *named])
    for name in (f"{arguments.name}.onnx", f"{arguments.name}-windowed.onnx", "thresholds.json", "report.json"):
        print(out / name)
    return 0


def _recipe(arguments: argparse.Namespace, checked: Labels, run_folder: Path, splits: dict[str, str]) -> TrainRecipe:
    """Return the recipe file with what these labels, and the splits of this build and of those before, decide."""
    recipe = load_recipe(arguments.config)
    if arguments.quick:
        recipe = quick(recipe)
    if not any(row.transcript for row in checked.rows) and not recipe.manifests:
        recipe = msgspec.structs.replace(recipe, phoneme_steps=0)
    if arguments.checkpoint:
        fields = start.adapt(arguments.checkpoint, checked.heads, run_folder / "start.safetensors")
        recipe = msgspec.structs.replace(recipe, **fields)
    # A batch of fewer than five streams is not trained on: five must fit, also of the longest clip.
    spec = FrontendSpec()
    longest_s = max(row.duration_s or label_checks.LONGEST_S for row in checked.rows)
    longest_frames = round(longest_s * spec.sample_rate_hz / spec.hop_samples)
    return msgspec.structs.replace(
        recipe,
        heads=checked.heads,
        manifests=[str(run_folder / "manifest.jsonl"), *recipe.manifests],
        out=str(run_folder),
        cache=None,
        splits=splits,
        batch_frames=max(recipe.batch_frames, 5 * (longest_frames + 100)),
    )


def refuse_shortages(heads: Sequence[str], rows: list[Utterance]) -> None:
    """Raise ModelError, before anything is trained, naming every split and head with too few clips for a later stage."""
    short = []
    train_rows, held_out, test_rows = ([row for row in rows if row.split == split] for split in SPLITS)
    addressed = sum(row.addressed for row in train_rows)
    if not 0 < addressed < len(train_rows):
        short.append(f"train: {addressed} of {len(train_rows)} clips are addressed, expected some of both kinds")
    quiet = [row for row in held_out if not row.addressed]
    if len(quiet) < thresholds.MINIMUM_CLIPS:
        short.append(
            f"validation: {len(quiet)} clips that are not addressed, {thresholds.MINIMUM_CLIPS} calibrate the gate"
        )
    without = {
        head: sum(row.addressed and head not in row.heads for row in held_out) for head in heads if head != heads[0]
    }
    few = [f"{head} {count}" for head, count in without.items() if count < thresholds.MINIMUM_CLIPS]
    if few:
        short.append(
            f"validation: {thresholds.MINIMUM_CLIPS} addressed clips without a head calibrate it: {', '.join(few)}"
        )
    if not test_rows:
        short.append("test: no clips, 1 or more are evaluated")
    if short:
        raise ModelError(
            "too few clips; record more, or give a split more of them (--validation, --test):\n" + "\n".join(short)
        )


def _call(module: ModuleType, argv: list[str]) -> None:
    """Run another command as a user would, with its own defaults."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args(argv))
