"""`inherent experiments`: train variants of a recipe and print how they compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from inherentd.inherent_model import experiments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent experiments`."""
    parser.add_argument("--config", type=Path, required=True, help="the trials, e.g. configs/train/experiments.yaml")
    parser.add_argument("--only", nargs="+", metavar="TRIAL", help="run only these, by name")


def run(arguments: argparse.Namespace) -> int:
    """Run the trials that have not been run yet and print the table of all as Markdown."""
    trials = experiments.load(arguments.config)
    if arguments.only:
        trials = experiments.only(trials, arguments.only)
    print(experiments.table(experiments.run(trials)))
    return 0
