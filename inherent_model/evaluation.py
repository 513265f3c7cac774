"""How well peak scores tell clips apart: AUC, EER and false-positive rate of each head. The gate as it runs: `streaming/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.bootstrap import RECALL, Interval, ranking_intervals
from inherentd.inherent_model.checkpoint import step_scores
from inherentd.inherent_model.heads import targets
from inherentd.inherent_model.manifest import Utterance
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import TAIL_FRAMES

STATIC_FRAMES = 3000
"""what the fixed windowed form takes (TFLite): a shorter clip is filled up with zeros, a longer one is cut"""

Padding = Literal["dynamic", "runtime-static"]


@dataclass(frozen=True)
class HeadFigures:
    """One head on one set; its figures are None where the set has no positive or no negative clip."""

    head: str
    positives: int
    negatives: int
    auc: float | None
    eer: float | None
    auc_addressed: float | None = None
    """of an intent among addressed clips only: which request is it, given that it is one"""
    fpr_at_95_recall: float | None = None
    """share of the negative clips that are taken at the highest threshold that takes 95% of the positive ones"""
    speakers: int = 0
    intervals: dict[str, Interval | None] | None = None
    """95% intervals by a bootstrap over speakers, where asked for; one is None where there are too few speakers"""


@torch.inference_mode()
def peak_scores(
    model: InherentModel, clips: Sequence[np.ndarray], batch: int = 64, padding: Padding = "dynamic"
) -> np.ndarray:
    """Return each clip's highest score per head, float32 [clips, heads], in the order of `clips` ([frames, bins]).

    padding: "dynamic", each clip and a moment of silence; or "runtime-static", as the fixed windowed form has it:
    zeros up to `STATIC_FRAMES`, and every step of them may hold the peak.
    """
    if padding == "runtime-static":
        return _static_peaks(model, clips, max(1, batch // 8))
    silence = float(np.log(FrontendSpec().log_floor))
    order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
    peaks = np.zeros((len(clips), len(model.config.heads)), np.float32)
    for start in range(0, len(order), batch):
        members = order[start : start + batch]
        frames = max(len(clips[index]) for index in members) + TAIL_FRAMES
        frames += -frames % model.config.step_frames
        mel = torch.full((len(members), frames, model.config.mel_bins), silence)
        for row, index in enumerate(members):
            mel[row, : len(clips[index])] = torch.from_numpy(clips[index])
        scores = step_scores(model, mel).numpy()
        for row, index in enumerate(members):
            steps = (len(clips[index]) + TAIL_FRAMES) // model.config.step_frames
            peaks[index] = scores[row, :steps].max(axis=0)
    return peaks


def _static_peaks(model: InherentModel, clips: Sequence[np.ndarray], batch: int) -> np.ndarray:
    config = model.config
    order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
    peaks = np.zeros((len(clips), len(config.heads)), np.float32)
    for start in range(0, len(clips), batch):
        members = order[start : start + batch]
        # Once all that a score depends on is zeros, it stays the same: the rest of them need not be computed.
        settled = len(clips[members[-1]]) + config.receptive_field_frames + 2 * config.step_frames
        mel = torch.zeros(len(members), min(settled, STATIC_FRAMES), config.mel_bins)
        for row, index in enumerate(members):
            clip = clips[index][:STATIC_FRAMES]
            mel[row, : len(clip)] = torch.from_numpy(clip)
        peaks[members] = step_scores(model, mel).amax(1).numpy()
    return peaks


def speaker_of(row: Utterance) -> str:
    """Return who is drawn together in the bootstrap: the voice; where nobody noted who speaks, the clip by itself, so
    that intervals over such clips are too narrow."""
    return row.speaker if row.speaker != "real" else f"clip:{row.path}"


def head_figures(
    heads: Sequence[str], rows: Sequence[Utterance], scores: np.ndarray, *, intervals: bool = False
) -> list[HeadFigures]:
    """Return the figures of each head over clips with peak scores [clips, heads], with 95% intervals where asked for."""
    speakers = [speaker_of(row) for row in rows]
    labels = np.array([targets(heads, row.heads, addressed=row.addressed) for row in rows]).reshape(-1, len(heads))
    found = []
    for index, head in enumerate(heads):
        positives = int(labels[:, index].sum())
        negatives = len(rows) - positives
        auc = eer = fpr = drawn = None
        if positives and negatives:
            auc = round(float(roc_auc_score(labels[:, index], scores[:, index])), 4)
            eer = round(equal_error_rate(labels[:, index], scores[:, index]), 4)
            fpr = round(accepts_at_recall(labels[:, index], scores[:, index]), 4)
            drawn = ranking_intervals(labels[:, index], scores[:, index], speakers) if intervals else None
        among = None
        requests = labels[:, 0] == 1
        if index and 0 < labels[requests, index].sum() < requests.sum():
            among = round(float(roc_auc_score(labels[requests, index], scores[requests, index])), 4)
        found.append(HeadFigures(head, positives, negatives, auc, eer, among, fpr, len(set(speakers)), drawn))
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


def accepts_at_recall(labels: np.ndarray, scores: np.ndarray, recall: float = RECALL) -> float:
    """Return the share of negatives at the highest threshold that accepts `recall` of the positives or more."""
    accepts, recalls, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(accepts[np.argmax(recalls >= recall - 1e-12)])
