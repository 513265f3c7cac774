"""`inherent thresholds`: calibrate a threshold per head on the validation split."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inherentd.inherent_model import thresholds
from inherentd.inherent_model.commands.scored import score_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent thresholds`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="what `inherent train` wrote")
    parser.add_argument("--config", type=Path, required=True, help="the training recipe: its validation split is used")
    parser.add_argument(
        "--gate-budget",
        type=float,
        default=0.2,
        help="share of unaddressed clips that may open it (default %(default)s)",
    )
    parser.add_argument(
        "--intent-budget",
        type=float,
        default=0.05,
        help="share of other requests that may fire it (%(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, write and print the thresholds."""
    scored = score_split(arguments.checkpoint, arguments.config, "validation")
    heads = scored.checkpoint.model.config.heads
    found = thresholds.calibrate(heads, scored.rows, scored.scores, gate_budget=arguments.gate_budget,
                                 intent_budget=arguments.intent_budget, manifest=str(arguments.config))  # fmt: skip
    thresholds.save(arguments.out, found, heads)
    for head, threshold in zip(heads, found.thresholds, strict=True):
        recall = found.record["recall"][head]  # type: ignore[index]
        print(f"{head}: threshold {threshold}, recall {recall}", file=sys.stderr)
    return 0
