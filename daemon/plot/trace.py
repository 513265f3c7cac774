"""What an engine heard and scored of one file, kept for a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.ring import Pcm

MEL_SECONDS = 60  # computed at a time, so that an hour does not take its memory many times


@dataclass
class Trace:
    """Give `hear` what the engine gets, and `step` to it as its listener."""

    blocks: list[Pcm] = field(default_factory=list[Pcm])
    at_samples: list[int] = field(default_factory=list[int])
    scores: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])

    def hear(self, block: Pcm) -> None:
        """Keep a block of samples."""
        self.blocks.append(block)

    def step(self, at_sample: int, scores: NDArray[np.float32]) -> None:
        """Keep the scores of a step."""
        self.at_samples.append(at_sample)
        self.scores.append(scores)

    def curves(self, heads: int, longest_step: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return sample positions [n] and scores [n, heads], with a row of NaN where the model slept: a step is at most so
        long."""
        at = np.array(self.at_samples, np.float64)
        scores = np.array(self.scores, np.float32).reshape(len(at), heads)
        gaps = np.flatnonzero(np.diff(at) > longest_step) + 1
        return np.insert(at, gaps, at[gaps - 1]), np.insert(scores, gaps, np.nan, axis=0)

    def mel(self, spec: FrontendSpec, columns: int) -> NDArray[np.float32]:
        """Return the log-mel frames of all that was heard, [mel_bins, up to `columns`]: the highest of those in a column."""
        samples = np.concatenate([*self.blocks, np.zeros(spec.window_samples, np.int16)])
        frames = spec.frame_count(len(samples))
        pooled = -(-frames // columns)
        found = [frame.max(axis=0) for part in _parts(spec, samples, pooled) for frame in part]
        return np.array(found, np.float32).T


def _parts(spec: FrontendSpec, samples: Pcm, pooled: int) -> Iterator[list[NDArray[np.float32]]]:
    """Yield frames in groups of `pooled`, each [pooled or fewer, mel_bins]; a part begins with a group."""
    frames = spec.frame_count(len(samples))
    groups = max(1, MEL_SECONDS * spec.sample_rate_hz // spec.hop_samples // pooled)
    for first in range(0, frames, groups * pooled):
        count = min(groups * pooled, frames - first)
        start = first * spec.hop_samples
        floats = samples[start : start + spec.span_samples(count)].astype(np.float32) / np.float32(32768)
        mel = log_mel(spec, floats)
        yield [mel[begin : begin + pooled] for begin in range(0, count, pooled)]
