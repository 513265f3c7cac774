"""microWakeWord by `pymicro-wakeword`: its bundled "okay nabu", as Home Assistant's satellites run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.field import Decision
from benchmarks.field.blocks import Crossing
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model


class Micro:
    """Decides when its word is said."""

    def __init__(self) -> None:
        self._word: Any = MicroWakeWord.from_builtin(Model.OKAY_NABU)
        self._features: Any = MicroWakeWordFeatures()
        self.model_files: Sequence[Path] = (Path(self._word.tflite_model),)
        self._begin()

    def _begin(self) -> None:
        self._heard = 0
        self._crossing = Crossing(self._word.probability_cutoff)
        self._peak = 0.0

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest probability."""
        return {self._word.wake_word: self._peak}

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the moments at which the word was heard."""
        found = []
        self._heard += len(samples)
        for features in self._features.process_streaming(samples.tobytes()):
            score = self._word.process_streaming_prob(features)
            if not score:  # between two strides it tells 0.0, which is no score
                continue
            self._peak = max(self._peak, score)
            if self._crossing.rises(score):
                found.append(Decision(self._heard, self._word.wake_word, score))
        return found

    def finish(self) -> list[Decision]:
        """Return nothing: it decides as it hears."""
        return []

    def reset(self) -> None:
        """Begin another stream."""
        self._word.reset()
        self._features.reset()
        self._begin()


def open_engine(prepared: Path) -> Micro:
    """Return it with its bundled model."""
    return Micro()
