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

MINIMUM_CLIPS = 20


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
    `gate_budget` of the unaddressed clips, `intent_budget` of the addressed clips without an intent.

    scores: peak scores [clips, heads]. Raises ModelError when a head has fewer than 20 clips to calibrate on.
    """
    if not (0 <= gate_budget < 1 and 0 <= intent_budget < 1):
        raise ModelError(f"budgets: got {gate_budget} and {intent_budget}, expected shares from 0 to below 1")
    labels = np.array([targets(heads, row.heads, addressed=row.addressed) for row in rows])
    thresholds: list[float] = []
    recalls: list[float | None] = []
    accepts: list[float] = []
    for index, head in enumerate(heads):
        # An intent is told only while the gate is open, so it has to stand out among requests, not among all speech.
        pool = labels[:, 0] == 1 if index else np.ones(len(rows), bool)
        negatives = np.sort(scores[pool & (labels[:, index] == 0), index])
        positives = scores[labels[:, index] == 1, index]
        if len(negatives) < MINIMUM_CLIPS:
            raise ModelError(
                f"{head}: {len(negatives)} validation clips without it, expected {MINIMUM_CLIPS} or more; widen the corpus"
            )
        allowed = int(len(negatives) * (intent_budget if index else gate_budget))
        threshold = round(float(np.clip(negatives[-1 - allowed] + 1e-4, 0.02, 0.99)), 4)
        thresholds.append(threshold)
        accepts.append(round(float((negatives >= threshold).mean()), 4))
        recalls.append(round(float((positives >= threshold).mean()), 4) if len(positives) else None)
    record: dict[str, object] = {
        "manifest": manifest,
        "rows": len(rows),
        "false_accept_budget": {"gate": gate_budget, "intent": intent_budget},
        "score_source": "peak of the streaming scores of each validation clip, torch float32",
        "false_accepts": dict(zip(heads, accepts, strict=True)),
        "recall": dict(zip(heads, recalls, strict=True)),
    }
    return Calibration(tuple(thresholds), record)


def save(path: Path, calibration: Calibration, heads: Sequence[str]) -> None:
    """Write the calibration as JSON."""
    thresholds = dict(zip(heads, calibration.thresholds, strict=True))
    path.write_text(json.dumps({"thresholds": thresholds, "record": calibration.record}, indent=1) + "\n")


def load(path: Path, heads: Sequence[str]) -> Calibration:
    """Return a saved calibration; ModelError when it was made for other heads."""
    try:
        document = json.loads(path.read_text())
        found = list(document["thresholds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a calibration ({error!r}); write one with `inherent thresholds`") from error
    if found != list(heads):
        raise ModelError(f"{path}: thresholds of {found}, expected {list(heads)}; calibrate again")
    return Calibration(tuple(document["thresholds"].values()), document["record"])
