"""`inherent eval`: measure a checkpoint on the test split: voices and phrasings that training never met."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.inherent_model.commands.scored import score_split
from inherentd.inherent_model.evaluation import HeadFigures, head_figures
from inherentd.inherent_model.manifest import Utterance

NEAR_OVERLAP = 0.6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent eval`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="what `inherent train` wrote")
    parser.add_argument("--config", type=Path, required=True, help="the training recipe: its test split is used")
    parser.add_argument("--out", type=Path, help="write the report as JSON here too")


def run(arguments: argparse.Namespace) -> int:
    """Print gate and intent figures, overall and by engine."""
    scored = score_split(arguments.checkpoint, arguments.config, "test")
    rows, scores, heads = scored.rows, scored.scores, scored.checkpoint.model.config.heads
    far = far_from_training(rows, scored.training)
    report = {
        "training_hash": scored.checkpoint.training_hash,
        "clips": len(rows),
        "sentences": len({row.text for row in rows if row.text}),
        "voices": sorted({row.speaker for row in rows}),
        "heads": [dataclasses.asdict(figure) for figure in head_figures(heads, rows, scores)],
        "far_from_training": {
            "clips": len(far),
            "sentences": len({rows[index].text for index in far}),
            "heads": [
                dataclasses.asdict(figure) for figure in head_figures(heads, [rows[i] for i in far], scores[far])
            ],
        },
        "gate_by_group": _gate_by_group(heads, rows, scores),
    }
    print(_table(report), file=sys.stderr)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def far_from_training(rows: list[Utterance], training: list[Utterance]) -> list[int]:
    """Return the indices of the clips with a transcript whose words overlap with no training sentence's by
    `NEAR_OVERLAP` or more (shared words over all words of the two): nobody's phrasing with another filler."""
    known = [frozenset(text.split()) for text in {row.text for row in training if row.text}]
    overlap: dict[str, float] = {}
    for text in {row.text for row in rows if row.text}:
        words = frozenset(text.split())
        overlap[text] = max((len(words & other) / len(words | other) for other in known), default=0.0)
    return [index for index, row in enumerate(rows) if row.text and overlap[row.text] < NEAR_OVERLAP]


def _gate_by_group(heads: tuple[str, ...], rows: list[Utterance], scores: np.ndarray) -> dict[str, dict[str, object]]:
    """Return gate figures by engine, and for each source of unaddressed speech against all addressed clips."""
    groups: dict[str, list[int]] = defaultdict(list)
    addressed = [index for index, row in enumerate(rows) if row.addressed]
    for index, row in enumerate(rows):
        groups[f"engine {row.speaker.split(':')[0]}"].append(index)
        if not row.addressed:
            groups[f"addressed against {row.source}"].append(index)
    found = {}
    for name, members in sorted(groups.items()):
        chosen = members + (addressed if name.startswith("addressed") else [])
        figures: HeadFigures = head_figures(heads[:1], [rows[index] for index in chosen], scores[chosen][:, :1])[0]
        found[name] = dataclasses.asdict(figures)
    return found


def _table(report: dict[str, Any]) -> str:
    far = report["far_from_training"]
    lines = [f"{report['clips']} clips, {report['sentences']} sentences, {len(report['voices'])} voices"]
    lines += [
        f"{'head':40} {'with':>5} {'without':>7} {'AUC':>6} {'EER':>6} {'among requests':>15}",
        *map(_line, report["heads"]),
    ]
    lines += [_line({**figures, "head": name}) for name, figures in report["gate_by_group"].items()]
    lines += [f"of these {far['clips']} clips, {far['sentences']} sentences, far from any training sentence:"]
    return "\n".join([*lines, *map(_line, far["heads"])])


def _line(row: dict[str, Any]) -> str:
    keys = ("auc", "eer", "auc_addressed")
    auc, eer, among = (f"{row[key]:.3f}" if row[key] is not None else "-" for key in keys)
    return f"{row['head']:40} {row['positives']:>5} {row['negatives']:>7} {auc:>6} {eer:>6} {among:>15}"
