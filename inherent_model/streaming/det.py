"""False accepts an hour against false rejects, from a sweep: the curve, its operating points and how sure they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from inherentd.inherent_model.bootstrap import DRAWS, cluster_weights, interval
from inherentd.inherent_model.streaming.sweep import Sweep

RECALLS = (0.8, 0.9)
RATES_PER_HOUR = (0.1, 0.5, 1.0)


def curve(sweep: Sweep, quiet: np.ndarray, spoken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false accepts an hour and recall by threshold, both [draws, thresholds], under weights of the speakers.

    quiet, spoken: [draws, speakers] of the unaddressed and of the addressed stream. Both only grow as the threshold
    falls: where a lower one opens less often because it stays open for longer, it counts as the higher one.
    """
    rates = quiet @ sweep.false_accepts.T / np.maximum(quiet @ sweep.hours, 1e-9)[:, None]
    recalls = spoken @ sweep.accepted.T / np.maximum(spoken @ sweep.phrases, 1e-9)[:, None]
    return np.maximum.accumulate(rates, axis=1), np.maximum.accumulate(recalls, axis=1)


def rate_at_recall(rates: np.ndarray, recalls: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Return false accepts an hour at the highest threshold with that recall, [draws], NaN where none has it, and which
    threshold that is."""
    place = np.sum(recalls < target - 1e-12, axis=1)
    reached = place < recalls.shape[1]
    place = np.minimum(place, recalls.shape[1] - 1)
    return np.where(reached, rates[np.arange(len(rates)), place], np.nan), np.where(reached, place, -1)


def recall_at_rate(rates: np.ndarray, recalls: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the recall at the lowest threshold with at most so many false accepts an hour, [draws], 0 where even the
    highest has more, and which threshold that is (-1: none)."""
    place = np.sum(rates <= limit + 1e-12, axis=1) - 1
    return np.where(place >= 0, recalls[np.arange(len(rates)), place], 0.0), place


def figures(sweep: Sweep, own_threshold: float) -> dict[str, Any]:
    """Return the curve and its operating points, JSON-ready, each with a 95% interval by drawing speakers anew."""
    quiet, spoken = (cluster_weights(len(each), DRAWS, seed) for seed, each in enumerate((sweep.hours, sweep.phrases)))
    rates, recalls = curve(sweep, np.ones((1, quiet.shape[1])), np.ones((1, spoken.shape[1])))
    drawn = curve(sweep, quiet, spoken)
    hours, fewest = float(sweep.hours.sum()), min(quiet.shape[1], spoken.shape[1])
    at_recall, at_rate = {}, {}
    for target in RECALLS:
        value, place = rate_at_recall(rates, recalls, target)
        at_recall[str(target)] = {
            "false_accepts_per_hour": _rounded(value[0]),
            "interval": interval(rate_at_recall(*drawn, target)[0], fewest),
            "threshold": _threshold(sweep, int(place[0])),
        }
    for limit in RATES_PER_HOUR:
        value, place = recall_at_rate(rates, recalls, limit)
        at_rate[str(limit)] = {
            "recall": _rounded(value[0]),
            "interval": interval(recall_at_rate(*drawn, limit)[0], fewest),
            "threshold": _threshold(sweep, int(place[0])),
            # One false accept in so few hours would already be more than the limit.
            "hours_suffice": hours >= 1 / limit,
        }
    det = [
        {"threshold": float(threshold), "false_accepts_per_hour": _rounded(rate), "false_rejects": _rounded(1 - recall)}
        for threshold, rate, recall in zip(sweep.thresholds, rates[0], recalls[0], strict=True)
    ]
    own = _at(sweep, int(np.argmin(np.abs(sweep.thresholds - own_threshold))), quiet, spoken)
    return {"at_own_threshold": own, "at_recall": at_recall, "at_false_accepts_per_hour": at_rate, "det": det}


def _at(sweep: Sweep, place: int, quiet: np.ndarray, spoken: np.ndarray) -> dict[str, Any]:
    """Return what happened at one threshold, as it was counted."""
    accepts, hours = sweep.false_accepts[place], float(sweep.hours.sum())
    taken = sweep.accepted[place]
    return {
        "threshold": _threshold(sweep, place),
        "false_accepts": int(accepts.sum()),
        "false_accepts_per_hour": _rounded(accepts.sum() / max(hours, 1e-9)),
        "interval": interval(quiet @ accepts / np.maximum(quiet @ sweep.hours, 1e-9), quiet.shape[1]),
        "poisson_interval": poisson_interval(int(accepts.sum()), hours),
        "recall": _rounded(taken.sum() / max(sweep.phrases.sum(), 1)),
        "recall_interval": interval(spoken @ taken / np.maximum(spoken @ sweep.phrases, 1e-9), spoken.shape[1]),
    }


def poisson_interval(events: int, hours: float) -> tuple[float, float]:
    """Return the exact 95% interval of a rate an hour (Garwood 1936): with no event in 3.7 hours up to 1 an hour."""
    low = float(stats.chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    high = float(stats.chi2.ppf(0.975, 2 * events + 2)) / 2
    return round(low / max(hours, 1e-9), 4), round(high / max(hours, 1e-9), 4)


def draw(report: dict[str, Any], path: Path, title: str) -> None:
    """Write the DET curve as PNG: false accepts an hour (logarithmic) against the share of requests that is missed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    lowest = 0.5 / max(report["unaddressed"]["hours"], 1e-3)  # zero has no place on a logarithmic axis
    points = [(max(point["false_accepts_per_hour"], lowest), 100 * point["false_rejects"]) for point in report["det"]]
    own = report["at_own_threshold"]
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    axes.step(*zip(*points, strict=True), where="post", color="tab:blue")
    axes.plot(max(own["false_accepts_per_hour"], lowest), 100 * (1 - own["recall"]), "o", color="tab:red",
              label=f"shipped threshold {own['threshold']:.3g}")  # fmt: skip
    axes.set(xscale="log", xlabel="false accepts per hour of unaddressed audio", ylabel="requests missed, %",
             ylim=(0, 100), title=title)  # fmt: skip
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _threshold(sweep: Sweep, place: int) -> float | None:
    return float(sweep.thresholds[place]) if place >= 0 else None
