"""No engine: what Python, numpy and the measurement cost by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from benchmarks.field import Decision


class Nothing:
    """Looks at the level, and decides nothing."""

    peaks: Mapping[str, float] = {}
    model_files: Sequence[Path] = ()

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return nothing."""
        float(np.abs(samples).max())
        return []

    def finish(self) -> list[Decision]:
        """Return nothing."""
        return []

    def reset(self) -> None:
        """Do nothing."""


def open_engine(prepared: Path) -> Nothing:
    """Return it."""
    return Nothing()
