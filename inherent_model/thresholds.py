"""Thresholds from a false-accept budget, on the validation split: voices and sentences of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.heads import targets
from inherentd.inherent_model.manifest import Utterance


@dataclass(frozen=True)
class Calibration:
    """One threshold a head, in head order, and how they were found."""

    thresholds: tuple[float, ...]
    record: dict[str, object]


def calibrate(
    heads: Sequence[str],
    rows: Sequence[Utterance],
    scores: np.ndarray,
    *,
    gate_budget: float,
    intent_budget: float,
    manifest: str,
) -> Calibration:
    """Return the lowest threshold of each head that at most a share of the clips without it reach:
    `gate_budget` of the unaddressed clips, `intent_budget` of the clips without an intent (there are many intents).

    scores: peak scores [clips, heads]. Raises ModelError when a head has fewer than 20 clips to calibrate on.
    """
    labels = np.array([targets(heads, row.heads, addressed=row.addressed) for row in rows])
    thresholds, recalls = [], []
    for index, head in enumerate(heads):
        negatives = np.sort(scores[labels[:, index] == 0, index])
        positives = scores[labels[:, index] == 1, index]
        if len(negatives) < 20:
            raise ModelError(
                f"{head}: {len(negatives)} validation clips without it, expected 20 or more; widen the corpus"
            )
        allowed = int(len(negatives) * (intent_budget if index else gate_budget))
        threshold = float(np.clip(negatives[-1 - allowed] + 1e-4, 0.05, 0.98))
        thresholds.append(round(threshold, 4))
        recalls.append(round(float((positives >= threshold).mean()), 4) if len(positives) else None)
    record: dict[str, object] = {
        "manifest": manifest,
        "rows": len(rows),
        "false_accept_budget": {"gate": gate_budget, "intent": intent_budget},
        "score_source": "peak of the streaming scores of each validation clip, torch float32",
        "recall": dict(zip(heads, recalls, strict=True)),
    }
    return Calibration(tuple(thresholds), record)


def save(path: Path, calibration: Calibration, heads: Sequence[str]) -> None:
    """Write the calibration as JSON."""
    thresholds = dict(zip(heads, calibration.thresholds, strict=True))
    path.write_text(json.dumps({"thresholds": thresholds, "record": calibration.record}, indent=1) + "\n")


def load(path: Path, heads: Sequence[str]) -> Calibration:
    """Return a saved calibration; ModelError when it was made for other heads."""
    document = json.loads(path.read_text())
    if list(document["thresholds"]) != list(heads):
        raise ModelError(
            f"{path}: thresholds of {list(document['thresholds'])}, expected {list(heads)}; calibrate again"
        )
    return Calibration(tuple(document["thresholds"].values()), document["record"])
