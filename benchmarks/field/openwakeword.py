"""openWakeWord by `pyopen-wakeword`: its bundled "okay nabu"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.field import Decision
from benchmarks.field.blocks import Blocks
from benchmarks.field.wake_word import WakeWord
from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

BLOCK_SAMPLES = 1_280  # 80 ms: a step of its embedding
THRESHOLD = 0.5  # what its programs take


class Open(WakeWord):
    """Decides when its word is said."""

    def __init__(self) -> None:
        word: Any = OpenWakeWord.from_builtin(Model.OKAY_NABU)
        features: Any = OpenWakeWordFeatures.from_builtin()
        self.model_files: Sequence[Path] = (word.tflite_model, features.mel_path, features.emb_path)
        self._blocks = Blocks(BLOCK_SAMPLES)
        super().__init__(word.id, THRESHOLD, word, features)

    def _begin(self) -> None:
        super()._begin()
        self._blocks.reset()

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the moments at which the word was heard."""
        found = []
        for block in self._blocks.push(samples):
            for embeddings in self._features.process_streaming(block):
                found += self._decided(self._blocks.taken, self._word.process_streaming(embeddings))
        return found


def open_engine(prepared: Path) -> Open:
    """Return it with its bundled models."""
    return Open()
