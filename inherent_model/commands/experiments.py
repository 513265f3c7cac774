"""`inherent experiments`: train variants of a recipe and print how they compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from inherentd.inherent_model import experiments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent experiments`."""
    parser.add_argument("--config", type=Path, required=True, help="the trials, e.g. configs/train/experiments.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Run the trials that have not been run yet and print the table of all as Markdown."""
    print(experiments.table(experiments.run(experiments.load(arguments.config))))
    return 0
