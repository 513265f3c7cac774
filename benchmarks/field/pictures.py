"""The pictures of the tables, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt


@dataclass(frozen=True)
class Point:
    """A named point; `low` and `high` are its interval on the y axis."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


def bars(path: Path, series: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Draw values by name, a bar for each series, on a logarithmic axis."""
    names = list(next(iter(series.values())))
    figure, axes = _figure(1.2 + 0.42 * len(names))
    thickness = 0.8 / len(series)
    for index, (title, values) in enumerate(series.items()):
        places = [row + index * thickness for row in range(len(names))]
        axes.barh(places, [max(values[name], 1e-3) for name in names], thickness, label=title)
    axes.set_yticks([row + 0.4 - thickness / 2 for row in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.legend()
    _save(figure, path)


def points(path: Path, found: Sequence[Point], x_label: str, y_label: str) -> None:
    """Draw points with their names and intervals, x logarithmic where nothing is free."""
    figure, axes = _figure(4.5)
    for index, point in enumerate(found):
        axes.errorbar(point.x, point.y, _interval(point), fmt="o", capsize=3, color=f"C{index}", label=point.name)
    if all(point.x > 0 for point in found):
        axes.set_xscale("log")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend(fontsize=8)
    _save(figure, path)


def steps(path: Path, series: Mapping[str, Sequence[float]], x_label: str, y_label: str) -> None:
    """Draw what share of each series is at or below x."""
    figure, axes = _figure(4.5)
    for title, values in series.items():
        if values:
            axes.ecdf(values, label=title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend(fontsize=8)
    _save(figure, path)


def _interval(point: Point) -> list[list[float]] | None:
    """Return how far the interval reaches down and up, as matplotlib takes it."""
    if point.low is None or point.high is None:
        return None
    return [[max(0.0, point.y - point.low)], [max(0.0, point.high - point.y)]]


def _figure(height: float) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
