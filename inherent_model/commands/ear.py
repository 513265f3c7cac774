"""`inherent ear`: give training an ear that has heard many voices, from Google's speech_embedding network."""

from __future__ import annotations

import argparse
from pathlib import Path

from inherentd.inherent_model.ear_training import fit, load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent ear`."""
    parser.add_argument("--config", type=Path, required=True, help="ear recipe, e.g. configs/train/ear.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Fit the ear and print where it lies."""
    print(fit(load_recipe(arguments.config)))
    return 0
