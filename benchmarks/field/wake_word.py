"""What engines for one wake word share: they tell when its score rises over a threshold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.field import Decision
from benchmarks.field.blocks import Crossing


class WakeWord:
    """Decides when its word is said."""

    def __init__(self, name: str, threshold: float, word: Any, features: Any) -> None:
        self._name, self._threshold = name, threshold
        self._word, self._features = word, features
        self._begin()

    def _begin(self) -> None:
        self._crossing = Crossing(self._threshold)
        self._peak = 0.0

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest probability."""
        return {self._name: self._peak}

    def _decided(self, at_sample: int, scores: Iterable[float]) -> list[Decision]:
        """Return the moments at which the word was heard, from the scores of what came up to a sample."""
        found = []
        for score in scores:
            self._peak = max(self._peak, score)
            if self._crossing.rises(score):
                found.append(Decision(at_sample, self._name, score))
        return found

    def finish(self) -> list[Decision]:
        """Return nothing: it decides as it hears."""
        return []

    def reset(self) -> None:
        """Begin another stream."""
        self._word.reset()
        self._features.reset()
        self._begin()
