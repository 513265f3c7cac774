"""Windowed artifacts in a stream: the last second is scored again and again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.runtimes import Array, State

WINDOW_FRAMES = 50  # 1 s
HOP_FRAMES = 10  # 200 ms


class SlidingWindow:
    """A function mel [1, T, bins] -> scores [heads], run every `step_frames` over the last `WINDOW_FRAMES`.

    The window grows from the start of the stream until it is full. Where the artifact's T is fixed, a shorter window is
    padded with zeros at its end, as the windowed contract has it.
    """

    def __init__(
        self, metadata: ArtifactMetadata, score: Callable[[Array], Array], *, static_frames: int | None
    ) -> None:
        self.metadata = metadata
        self.step_frames = HOP_FRAMES
        self._score = score
        self._static_frames = static_frames
        self._window_frames = min(WINDOW_FRAMES, static_frames or WINDOW_FRAMES)

    def initial_state(self) -> State:
        """Return the state before the first frame: an empty window."""
        return {"window": np.zeros((1, 0, 0), np.float32)}

    def step(self, mel: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] of the window that ends with `mel` [1, step_frames, bins], and the next state."""
        held = state["window"]
        window = mel if held.size == 0 else np.concatenate([held, mel], axis=1)
        window = window[:, -self._window_frames :]
        given = window
        if self._static_frames is not None and window.shape[1] < self._static_frames:
            given = np.zeros((1, self._static_frames, mel.shape[2]), np.float32)
            given[:, : window.shape[1]] = window
        return self._score(given), {"window": window}
