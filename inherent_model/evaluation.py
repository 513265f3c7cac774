"""How well scores tell apart what they should: AUC and EER of each head, and the gate as it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.checkpoint import step_scores
from inherentd.inherent_model.heads import targets
from inherentd.inherent_model.manifest import Utterance
from inherentd.pipeline.frontend import FrontendSpec

TAIL_FRAMES = 24
"""silence after each clip, so that the last sound is scored too (the daemon's engine does the same at the end)"""


@dataclass(frozen=True)
class HeadFigures:
    """One head on one set; `auc` and `eer` are None where the set has no positive or no negative clip."""

    head: str
    positives: int
    negatives: int
    auc: float | None
    eer: float | None
    auc_addressed: float | None = None
    """of an intent among addressed clips only: which request is it, given that it is one"""


@torch.inference_mode()
def peak_scores(model: InherentModel, clips: Sequence[np.ndarray], batch: int = 64) -> np.ndarray:
    """Return each clip's highest score per head, float32 [clips, heads], in the order of `clips` ([frames, bins])."""
    silence = float(np.log(FrontendSpec().log_floor))
    order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
    peaks = np.zeros((len(clips), len(model.config.heads)), np.float32)
    for start in range(0, len(order), batch):
        members = order[start : start + batch]
        frames = max(len(clips[index]) for index in members) + TAIL_FRAMES
        frames += frames % model.config.step_frames
        mel = torch.full((len(members), frames, model.config.mel_bins), silence)
        for row, index in enumerate(members):
            mel[row, : len(clips[index])] = torch.from_numpy(clips[index])
        scores = step_scores(model, mel).numpy()
        for row, index in enumerate(members):
            steps = (len(clips[index]) + TAIL_FRAMES) // model.config.step_frames
            peaks[index] = scores[row, :steps].max(axis=0)
    return peaks


def head_figures(heads: Sequence[str], rows: Sequence[Utterance], scores: np.ndarray) -> list[HeadFigures]:
    """Return the figures of each head over clips with peak scores [clips, heads]."""
    labels = np.array([targets(heads, row.heads, addressed=row.addressed) for row in rows]).reshape(-1, len(heads))
    found = []
    for index, head in enumerate(heads):
        positives = int(labels[:, index].sum())
        negatives = len(rows) - positives
        if positives and negatives:
            auc = round(float(roc_auc_score(labels[:, index], scores[:, index])), 4)
            eer = round(equal_error_rate(labels[:, index], scores[:, index]), 4)
        else:
            auc = eer = None
        among = None
        requests = labels[:, 0] == 1
        if index and 0 < labels[requests, index].sum() < requests.sum():
            among = round(float(roc_auc_score(labels[requests, index], scores[requests, index])), 4)
        found.append(HeadFigures(head, positives, negatives, auc, eer, among))
    return found


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the rate at which false accepts and false rejects are equal, interpolated on the ROC curve."""
    accepts, recalls, _ = roc_curve(labels, scores)
    rejects = 1 - recalls
    crossing = int(np.argmax(accepts >= rejects))
    if crossing == 0:
        return float(accepts[0])
    gap_before = rejects[crossing - 1] - accepts[crossing - 1]
    gap_after = accepts[crossing] - rejects[crossing]
    share = gap_before / (gap_before + gap_after) if gap_before + gap_after > 0 else 0.0
    return float(accepts[crossing - 1] + share * (accepts[crossing] - accepts[crossing - 1]))
