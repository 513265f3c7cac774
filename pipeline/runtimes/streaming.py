"""The streaming and the audio form of any runtime that runs a file by its tensors' names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes.processor import Processor
from inherentd.pipeline.runtimes.protocol import Array, State

Run = Callable[[dict[str, Array]], dict[str, Array]]
"""tensors by their names in the file, in and out"""


class Streaming:
    """One step at a time; the tensors are found by the names of the metadata's contract."""

    def __init__(self, model: Path, run: Run, metadata: ArtifactMetadata) -> None:
        self.metadata = metadata
        self.processor = Processor(metadata.backend, "cpu", "cpu")
        self._run = run
        contract = metadata.runtime_tensor_contract
        given = "samples_chunk" if metadata.form == "audio" else "mel_chunk"
        wanted = [given, "intent_output"]
        wanted += [f"{kind}.{state.name}" for state in metadata.states for kind in ("state", "next_state")]
        missing = [logical for logical in wanted if logical not in contract]
        if missing:
            raise PipelineError(
                f"model {model}: tensors {missing} are missing; export the model with its metadata again"
            )
        self.step_frames = metadata.step_frames
        self._input = contract[given].name
        self._output = contract["intent_output"].name
        self._inputs = [contract[f"state.{state.name}"].name for state in metadata.states]
        self._following = [contract[f"next_state.{state.name}"].name for state in metadata.states]

    def initial_state(self) -> State:
        """Return the state before the first frame, by the names in the file."""
        return {
            name: np.full(state.shape, state.initial_value, np.float32)
            for name, state in zip(self._inputs, self.metadata.states, strict=True)
        }

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] and the next state."""
        found = self._run({self._input: given, **state})
        following = {name: found[told] for name, told in zip(self._inputs, self._following, strict=True)}
        return found[self._output][0], following
