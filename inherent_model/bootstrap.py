"""How sure a figure is: 95% intervals by drawing speakers anew, since the clips of one speaker are not independent.

Cluster bootstrap (Field & Welsh 2007): each draw takes as many speakers as there are, with replacement, and all clips
of each. Everything is a matrix of weights [draws, clips], so that 500 draws of a thousand clips take milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 500
FEWEST_CLUSTERS = 5
"""with fewer speakers the spread between them is a guess, and no interval is given"""
PARTS = (2.5, 97.5)
RECALL = 0.95
FIGURES = ("auc", "eer", "fpr_at_95_recall")
BLOCK = 4_000_000
"""weights worked on at a time, so that memory stays bounded"""

Interval = tuple[float, float]


def cluster_weights(count: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return how often each of `count` clusters is in each draw, int64 [draws, clusters]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=draws)


def interval(drawn: np.ndarray, clusters: int) -> Interval | None:
    """Return the 95% interval of a figure drawn again and again, [draws], NaN where a draw had none; None where there
    are too few clusters, or where fewer than half of the draws had a figure."""
    if clusters < FEWEST_CLUSTERS or np.isnan(drawn).mean() > 0.5:
        return None
    low, high = np.nanpercentile(drawn, PARTS)
    return round(float(low), 4), round(float(high), 4)


def ranking_intervals(labels: np.ndarray, scores: np.ndarray, speakers: Sequence[str]) -> dict[str, Interval | None]:
    """Return the intervals of AUC, EER and of the false-positive rate at 95% recall, under those names (`FIGURES`).

    labels: 0 or 1 [clips]; scores: [clips]; speakers: who speaks each clip. Speakers are counted among the positive and
    among the negative clips: where either has too few, there is no interval.
    """
    names, members = np.unique(np.asarray(speakers), return_inverse=True)
    fewest = min(len(np.unique(members[labels == side])) for side in (0, 1))
    weights = cluster_weights(len(names))
    rows = max(1, BLOCK // max(len(labels), 1))
    drawn = np.concatenate(
        [ranking(labels, scores, weights[start : start + rows, members]) for start in range(0, len(weights), rows)]
    )
    return {name: interval(drawn[:, index], fewest) for index, name in enumerate(FIGURES)}


def ranking(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return AUC, EER and false-positive rate at 95% recall under each row of weights [draws, clips]: [draws, 3].

    NaN where a draw has no positive or no negative clip. With weights of one: the figures of the set itself.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # tied clips are accepted together
    weighted = weights[:, order]
    positive = np.cumsum(weighted * labels[order], axis=1)[:, ends].astype(np.float64)
    negative = np.cumsum(weighted * (1 - labels[order]), axis=1)[:, ends].astype(np.float64)
    with np.errstate(invalid="ignore"):
        recall = np.pad(positive / positive[:, -1:], ((0, 0), (1, 0)))
        accept = np.pad(negative / negative[:, -1:], ((0, 0), (1, 0)))
    draws = np.arange(len(weights))
    auc = np.sum(np.diff(accept) * (recall[:, 1:] + recall[:, :-1]) / 2, axis=1)
    # The equal error rate, interpolated between the two thresholds around it.
    gap = accept + recall - 1
    after = np.maximum(np.argmax(gap >= 0, axis=1), 1)
    before = after - 1
    span = gap[draws, after] - gap[draws, before]
    share = np.where(span > 0, -gap[draws, before] / np.where(span > 0, span, 1), 0)
    eer = accept[draws, before] + share * (accept[draws, after] - accept[draws, before])
    fpr95 = accept[draws, np.argmax(recall >= RECALL - 1e-12, axis=1)]
    figures = np.stack([auc, eer, fpr95], axis=1)
    figures[np.isnan(recall[:, -1]) | np.isnan(accept[:, -1])] = np.nan
    return figures
