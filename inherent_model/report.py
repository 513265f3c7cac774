"""The report of `inherent eval`: figures over all test clips, by group and by condition, JSON-ready and as a table."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from inherentd.inherent_model.evaluation import head_figures
from inherentd.inherent_model.manifest import Utterance

NEAR_OVERLAP = 0.6

Figures = dict[str, Any]


def figures(heads: Sequence[str], rows: Sequence[Utterance], scores: np.ndarray) -> list[Figures]:
    """Return the figures of each head with their intervals, JSON-ready."""
    return [dataclasses.asdict(each) for each in head_figures(heads, rows, scores, intervals=True)]


def far_from_training(rows: list[Utterance], training: list[Utterance]) -> list[int]:
    """Return the indices of the clips with a transcript whose words overlap with no training sentence's by
    `NEAR_OVERLAP` or more (shared words over all words of the two): nobody's phrasing with another filler."""
    known = [frozenset(text.split()) for text in {row.text for row in training if row.text}]
    overlap: dict[str, float] = {}
    for text in {row.text for row in rows if row.text}:
        words = frozenset(text.split())
        overlap[text] = max((len(words & other) / len(words | other) for other in known), default=0.0)
    return [index for index, row in enumerate(rows) if row.text and overlap[row.text] < NEAR_OVERLAP]


def gate_by_group(heads: Sequence[str], rows: Sequence[Utterance], scores: np.ndarray) -> dict[str, Figures]:
    """Return gate figures by engine; for each source of unaddressed speech against all addressed clips; and for each
    source of requests against all unaddressed clips."""
    groups: dict[str, list[int]] = defaultdict(list)
    others = {side: [index for index, row in enumerate(rows) if row.addressed == side] for side in (True, False)}
    for index, row in enumerate(rows):
        groups[f"engine {row.speaker.split(':')[0]}"].append(index)
        groups[f"{'unaddressed' if row.addressed else 'addressed'} against {row.source}"].append(index)
    found = {}
    for name, members in sorted(groups.items()):
        chosen = members if name.startswith("engine") else members + others[name.startswith("addressed")]
        found[name] = figures(heads[:1], [rows[index] for index in chosen], scores[chosen][:, :1])[0]
    return found


def table(report: dict[str, Any]) -> str:
    """Return the report for reading."""
    far = report["far_from_training"]
    sizes = f"{report['clips']} clips, {report['sentences']} sentences, {len(report['voices'])} voices"
    lines = [
        f"{sizes}, padding {report['padding']}",
        f"{'head':44} {'with':>5} {'without':>7} {'AUC (95%)':>20} {'EER (95%)':>20} {'FPR at 95% (95%)':>20} {'among requests':>15}",
        *map(_line, report["heads"]),
    ]
    lines += [_line({**group, "head": name}) for name, group in report["gate_by_group"].items()]
    lines += [f"of these {far['clips']} clips, {far['sentences']} sentences, far from any training sentence:"]
    lines += [*map(_line, far["heads"])]
    for name, condition in report.get("conditions", {}).items():
        gate, *intents = condition["heads"]
        known = [intent["auc"] for intent in intents if intent["auc"] is not None]
        mean = f"; intents' mean AUC {np.mean(known):.3f}" if known else ""
        lines.append(_line({**gate, "head": f"gate, {name}"}) + mean)
    if single := report.get("single_label"):
        spread = " ({:.4f}-{:.4f})".format(*single["interval"]) if single["interval"] else ""
        lines.append(
            f"one class a clip, {single['kind']}: {single['accuracy']:.4f}{spread} of {single['clips']} clips of "
            f"{len(single['recall'])} classes told rightly, {single['speakers']} speakers; {single['parameters']} "
            f"parameters, {single['multiply_adds_per_second'] / 1e6:.1f} million multiply-adds a second"
        )
    return "\n".join(lines)


def _line(row: Figures) -> str:
    cells = []
    for key in ("auc", "eer", "fpr_at_95_recall"):
        found = (row["intervals"] or {}).get(key)
        spread = f" ({found[0]:.3f}-{found[1]:.3f})" if found else ""
        cells.append((f"{row[key]:.3f}" if row[key] is not None else "-") + spread)
    among = f"{row['auc_addressed']:.3f}" if row["auc_addressed"] is not None else "-"
    columns = " ".join(f"{cell:>20}" for cell in cells)
    return f"{row['head']:44} {row['positives']:>5} {row['negatives']:>7} {columns} {among:>15}"
