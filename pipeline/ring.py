"""A preallocated ring of int16 samples for one producer and one consumer, with 64-bit positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.errors import PipelineError

Pcm = NDArray[np.int16]


class Ring:
    """The last `capacity_samples` of a stream. Positions count from the stream's first sample and never wrap.

    One thread writes, one reads, without a lock: `written` grows only after the samples are in place, and a reader
    looks at it again after copying, so that samples overwritten meanwhile are never taken for good.
    """

    def __init__(self, capacity_samples: int) -> None:
        if capacity_samples <= 0:
            raise PipelineError(f"ring capacity: got {capacity_samples} samples, expected more than 0")
        self.capacity_samples = capacity_samples
        self.written = 0
        self.overruns = 0
        self.lost_samples = 0
        self._samples = np.zeros(capacity_samples, np.int16)
        self._writing_to = 0
        self._begins_at = 0

    def write(self, samples: Pcm) -> None:
        """Append samples, overwriting the oldest. Only the last `capacity_samples` of a longer block are kept."""
        end = self.written + len(samples)
        # Claimed before the copy, so that a reader of what is being overwritten finds out.
        self._writing_to = end
        kept = samples[-self.capacity_samples :]
        start = (end - len(kept)) % self.capacity_samples
        head = min(len(kept), self.capacity_samples - start)
        self._samples[start : start + head] = kept[:head]
        self._samples[: len(kept) - head] = kept[head:]
        self.written = end

    def grown(self, capacity_samples: int) -> Ring:
        """Return a larger ring with the same samples at the same positions; this one is done with."""
        larger = Ring(capacity_samples)
        held = self.read(self.oldest, self.written)
        larger.written = larger._writing_to = self.oldest
        larger.write(held)
        larger.overruns, larger.lost_samples = self.overruns, self.lost_samples
        larger._begins_at = self.oldest
        return larger

    @property
    def oldest(self) -> int:
        """Return the position of the oldest sample that is still held."""
        return max(self._begins_at, self._writing_to - self.capacity_samples)

    def read(self, start: int, stop: int) -> Pcm:
        """Return a copy of samples [start, stop). PipelineError when any of them is gone or not there yet."""
        if not self.oldest <= start <= stop <= self.written:
            raise PipelineError(
                f"samples {start} to {stop} are not held; the ring holds {self.oldest} to {self.written}"
            )
        copy = self._copy(start, stop)
        if start < self.oldest:
            raise PipelineError(f"samples {start} to {stop} were overwritten while being read; use a larger ring")
        return copy

    def take(self, position: int) -> tuple[Pcm, int, int]:
        """Return what came since `position`: samples, the next position, and how many samples were lost before them.

        A consumer that fell behind more than the capacity loses the oldest samples; the loss is counted in `overruns`
        and `lost_samples`.
        """
        stop = self.written
        start = max(position, self.oldest)
        copy = self._copy(start, stop)
        overwritten = min(max(self.oldest - start, 0), stop - start)
        lost = start + overwritten - position
        if lost:
            self.overruns += 1
            self.lost_samples += lost
        return copy[overwritten:], stop, lost

    def _copy(self, start: int, stop: int) -> Pcm:
        first, count = start % self.capacity_samples, stop - start
        head = min(count, self.capacity_samples - first)
        if head == count:
            return self._samples[first : first + count].copy()
        return np.concatenate([self._samples[first:], self._samples[: count - head]])
