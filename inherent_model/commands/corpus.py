"""`inherent corpus build`: make the clips and the manifest of a recipe."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from inherentd.inherent_model.corpus.build import build, load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent corpus`."""
    parser.add_argument("action", choices=["build"], help="build: make every clip that is not there yet")
    parser.add_argument("--config", type=Path, required=True, help="corpus recipe, e.g. configs/corpus/first.yaml")
    parser.add_argument(
        "--engines", nargs="+", help="make the clips of these engines only, e.g. --engines flite espeak"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")


def run(arguments: argparse.Namespace) -> int:
    """Build the corpus and print how many clips of each split and engine there are."""
    counts = build(load_recipe(arguments.config), workers=arguments.workers, engines=arguments.engines)
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} clips", file=sys.stderr)
    return 0
