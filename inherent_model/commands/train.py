"""`inherent train`: train a model from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from inherentd.inherent_model import start
from inherentd.inherent_model.recipe import load_recipe, quick
from inherentd.inherent_model.training import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent train`."""
    parser.add_argument("--config", type=Path, required=True, help="training recipe, e.g. configs/train/whole.yaml")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="train so many steps instead of the recipe's, for a trial")
    length.add_argument(
        "--quick", action="store_true", help="a few small steps only, into OUT/quick, to see that everything works"
    )
    parser.add_argument("--resume", action="store_true", help="go on from OUT/resume.pt, where a run was interrupted")
    parser.add_argument(
        "--start", type=Path, metavar="CHECKPOINT",
        help="begin with the weights and the shape of this model: heads that the recipe has too keep what they learned, the "
        "others begin anew, and there are no steps for phonemes alone",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Train and print where the best checkpoint lies."""
    recipe = load_recipe(arguments.config)
    if arguments.quick:
        out = f"{recipe.out}/quick"  # a run that counts may lie in OUT
        recipe = msgspec.structs.replace(quick(recipe), out=out, cache=str(recipe.features_folder))
    if arguments.start is not None:
        recipe = start.started(recipe, arguments.start)
    print(train(recipe, steps=arguments.steps, resume=arguments.resume))
    return 0
