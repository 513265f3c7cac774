"""What a runtime is to the rest of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.runtimes.processor import Processor

Array = NDArray[np.float32]
State = Mapping[str, Any]
"""arrays by name, in whatever type the runtime computes with"""


class Runtime(Protocol):
    """A model that scores steps of frames; all memory is in the state that the caller keeps."""

    metadata: ArtifactMetadata
    """its form says what a step is given: samples for "audio", frames for all others"""
    step_frames: int
    """frames that one step consumes"""
    processor: Processor
    """what it runs on; `open_runtime` sets it"""

    def initial_state(self) -> State:
        """Return the state before the first frame."""
        ...

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] in [0, 1] and the next state.

        given: float32 log-mel [1, step_frames, mel_bins]; or, for the audio form, the samples [1, span] in [-1, 1] that
        these frames cover.
        """
        ...
