"""microWakeWord by `pymicro-wakeword`: its bundled "okay nabu", as Home Assistant's satellites run it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.field import Decision
from benchmarks.field.wake_word import WakeWord
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model


class Micro(WakeWord):
    """Decides when its word is said."""

    def __init__(self) -> None:
        word: Any = MicroWakeWord.from_builtin(Model.OKAY_NABU)
        self.model_files: Sequence[Path] = (Path(word.tflite_model),)
        super().__init__(word.wake_word, word.probability_cutoff, word, MicroWakeWordFeatures())

    def _begin(self) -> None:
        super()._begin()
        self._heard = 0

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the moments at which the word was heard."""
        self._heard += len(samples)
        features = self._features.process_streaming(samples.tobytes())
        # Between two strides it tells 0.0, which is no score.
        return self._decided(self._heard, filter(None, map(self._word.process_streaming_prob, features)))


def open_engine(prepared: Path) -> Micro:
    """Return it with its bundled model."""
    return Micro()
