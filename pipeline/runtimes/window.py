"""Windowed artifacts in a stream: the last second is scored again and again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes.processor import Processor
from inherentd.pipeline.runtimes.protocol import Array, State

WINDOW_FRAMES = 50  # 1 s
HOP_FRAMES = 10  # 200 ms


class SlidingWindow:
    """A function mel [1, T, bins] -> scores [heads], run every `step_frames` over the last `WINDOW_FRAMES`.

    A stream begins with a window of silence, so that every window is as long as the next, whatever lengths the artifact
    takes. Where its T is fixed and longer, the window is padded with zeros at its end, as the windowed contract has it.
    """

    def __init__(
        self, metadata: ArtifactMetadata, score: Callable[[Array], Array], *, static_frames: int | None
    ) -> None:
        self.metadata = metadata
        self.processor = Processor(metadata.backend, "cpu", "cpu")
        self.step_frames = HOP_FRAMES
        self.score = score
        self.static_frames = static_frames
        spec = metadata.frontend or FrontendSpec()
        frames = min(WINDOW_FRAMES, static_frames or WINDOW_FRAMES)
        self._silence = np.full((1, frames, spec.mel_bins), np.log(spec.log_floor), np.float32)

    def initial_state(self) -> State:
        """Return the state before the first frame: a window of silence."""
        return {"window": self._silence}

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] of the window that ends with `given` [1, step_frames, bins], and the next state."""
        window = np.concatenate([state["window"], given], axis=1)[:, -self._silence.shape[1] :]
        return self.score(self.padded(window)), {"window": window}

    def padded(self, mel: Array) -> Array:
        """Return mel [1, frames, bins] as the artifact takes it: with zeros up to its T, where that is fixed."""
        missing = (self.static_frames or 0) - mel.shape[1]
        return np.pad(mel, ((0, 0), (0, missing), (0, 0))) if missing > 0 else mel
