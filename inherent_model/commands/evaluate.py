"""`inherent eval`: measure a checkpoint on the test split: voices and phrasings that training never met."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from inherentd.inherent_model import report
from inherentd.inherent_model.commands.scored import Scored, score_split
from inherentd.inherent_model.conditions import Conditions, load_conditions, mels_under, rendering
from inherentd.inherent_model.evaluation import Padding, peak_scores
from inherentd.inherent_model.report import far_from_training, figures
from inherentd.inherent_model.single_label import accuracy, cost_of

__all__ = ["add_arguments", "far_from_training", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent eval`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="what `inherent train` wrote")
    parser.add_argument("--config", type=Path, required=True, help="the training recipe: its test split is used")
    parser.add_argument("--out", type=Path, help="write the report as JSON here too")
    parser.add_argument(
        "--conditions", type=Path, help="rooms, noise, codecs to hear the clips under: configs/eval/conditions.yaml"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="so many clips a condition, drawn by its seed (all)")
    parser.add_argument(
        "--padding",
        choices=["dynamic", "runtime-static"],
        default="dynamic",
        help="dynamic: each clip as long as it is; runtime-static: zeros up to 3000 frames, as the fixed windowed form",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print gate and intent figures: overall, by engine and source, and by condition."""
    conditions = load_conditions(arguments.conditions) if arguments.conditions else None
    scored = score_split(arguments.checkpoint, arguments.config, "test", arguments.padding)
    rows, scores, heads = scored.rows, scored.scores, scored.checkpoint.model.config.heads
    far = far_from_training(rows, scored.training)
    document: dict[str, Any] = {
        "training_hash": scored.checkpoint.training_hash,
        "padding": arguments.padding,
        "clips": len(rows),
        "sentences": len({row.text for row in rows if row.text}),
        "voices": sorted({row.speaker for row in rows}),
        "heads": figures(heads, rows, scores),
        "far_from_training": {
            "clips": len(far),
            "sentences": len({rows[index].text for index in far}),
            "heads": figures(heads, [rows[index] for index in far], scores[far]),
        },
        "gate_by_group": report.gate_by_group(heads, rows, scores),
    }
    if kind := scored.recipe.single_label:
        cost = dataclasses.asdict(cost_of(scored.checkpoint.model))
        document["single_label"] = {"kind": kind, **accuracy(heads, rows, scores, kind), **cost}
    if conditions is not None:
        document["conditions"] = _by_condition(scored, conditions, arguments.limit, arguments.padding)
    print(report.table(document), file=sys.stderr)
    if arguments.out:
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _by_condition(scored: Scored, conditions: Conditions, limit: int | None, padding: Padding) -> dict[str, Any]:
    """Return the figures of each condition over the same clips, by its name."""
    chosen = np.sort(np.random.default_rng(conditions.seed).permutation(len(scored.rows))[:limit])
    rows = [scored.rows[index] for index in chosen]
    how = rendering(conditions, scored.rows)
    model, spec = scored.checkpoint.model, scored.checkpoint.frontend
    found = {}
    for condition in conditions.conditions:
        mels = mels_under(how, condition, rows, spec)
        scores = peak_scores(model, mels, padding=padding)
        found[condition.name] = {
            "condition": msgspec.structs.asdict(condition),
            "clips": len(rows),
            "heads": figures(model.config.heads, rows, scores),
        }
    return found
