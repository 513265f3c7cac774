"""openWakeWord by `pyopen-wakeword`: its bundled "okay nabu"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.field import Decision
from benchmarks.field.blocks import Blocks, Crossing
from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

BLOCK_SAMPLES = 1_280  # 80 ms: a step of its embedding
THRESHOLD = 0.5  # what its programs take


class Open:
    """Decides when its word is said."""

    def __init__(self) -> None:
        self._word: Any = OpenWakeWord.from_builtin(Model.OKAY_NABU)
        self._features: Any = OpenWakeWordFeatures.from_builtin()
        self.model_files: Sequence[Path] = (self._word.tflite_model, self._features.mel_path, self._features.emb_path)
        self._blocks = Blocks(BLOCK_SAMPLES)
        self._begin()

    def _begin(self) -> None:
        self._blocks.reset()
        self._crossing = Crossing(THRESHOLD)
        self._peak = 0.0

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest probability."""
        return {self._word.id: self._peak}

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the moments at which the word was heard."""
        found = []
        for block in self._blocks.push(samples):
            for embeddings in self._features.process_streaming(block):
                for score in self._word.process_streaming(embeddings):
                    self._peak = max(self._peak, score)
                    if self._crossing.rises(score):
                        found.append(Decision(self._blocks.taken, self._word.id, score))
        return found

    def finish(self) -> list[Decision]:
        """Return nothing: it decides as it hears."""
        return []

    def reset(self) -> None:
        """Begin another stream."""
        self._word.reset()
        self._features.reset()
        self._begin()


def open_engine(prepared: Path) -> Open:
    """Return it with its bundled models."""
    return Open()
