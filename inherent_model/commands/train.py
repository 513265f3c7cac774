"""`inherent train`: train a model from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from inherentd.inherent_model.training import load_recipe, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent train`."""
    parser.add_argument("--config", type=Path, required=True, help="training recipe, e.g. configs/train/whole.yaml")
    parser.add_argument("--steps", type=int, help="train so many steps instead of the recipe's, for a trial")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/resume.pt, where a run was interrupted")


def run(arguments: argparse.Namespace) -> int:
    """Train and print where the best checkpoint lies."""
    print(train(load_recipe(arguments.config), steps=arguments.steps, resume=arguments.resume))
    return 0
