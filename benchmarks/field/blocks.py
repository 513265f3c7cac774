"""Samples of any number -> blocks of the one length that an engine takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Blocks:
    """Holds back what does not fill a block. `taken` counts the samples of the blocks that were given out."""

    def __init__(self, block_samples: int) -> None:
        self._block_samples = block_samples
        self.reset()

    def reset(self) -> None:
        """Forget what was held back."""
        self._rest = np.zeros(0, np.int16)
        self.taken = 0

    def push(self, samples: np.ndarray) -> Iterator[bytes]:
        """Yield s16le blocks of int16 samples."""
        self._rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(self._rest) // self._block_samples * self._block_samples
        ready, self._rest = self._rest[:whole], self._rest[whole:]
        for start in range(0, whole, self._block_samples):
            self.taken += self._block_samples
            yield ready[start : start + self._block_samples].tobytes()


class Crossing:
    """Tells when a score rises over a threshold, once until it has fallen below."""

    def __init__(self, threshold: float) -> None:
        self._threshold, self._above = threshold, False

    def rises(self, score: float) -> bool:
        """Return whether this score is the first one above."""
        before, self._above = self._above, score > self._threshold
        return self._above and not before
