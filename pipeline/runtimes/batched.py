"""The streaming form with a dynamic batch: one run of the file takes a step of many streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.runtimes.protocol import Array, State
from inherentd.pipeline.runtimes.streaming import Run, Streaming

Stack = dict[str, Array]
"""state tensors by their names in the file, [streams, ...]"""


class Row(Mapping[str, Array]):
    """One stream's state: a row of what a run gave. The tensors of a run stay until the last of its rows is let go."""

    def __init__(self, stack: Stack, index: int) -> None:
        self.stack = stack
        self.index = index

    def __getitem__(self, name: str) -> Array:
        """Return a tensor [1, ...]."""
        return self.stack[name][self.index : self.index + 1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stack)

    def __len__(self) -> int:
        return len(self.stack)


class BatchedStreaming(Streaming):
    """One step of any number of streams at a time."""

    def __init__(self, model: Path, run: Run, metadata: ArtifactMetadata) -> None:
        super().__init__(model, run, metadata)
        self._initial = super().initial_state()

    def initial_state(self) -> State:
        """Return the state before the first frame, shared by all that begin."""
        return self._initial

    def steps(self, given: Array, states: Sequence[State]) -> tuple[Array, list[State]]:
        """Return the scores [streams, heads] and the next states, from one step [streams, step_frames, bins] and the states of
        any streams."""
        found = self._run({self._input: given, **self._stacked(states)})
        stack = {name: found[told] for name, told in zip(self._inputs, self._following, strict=True)}
        return found[self._output], [Row(stack, index) for index in range(len(states))]

    def _stacked(self, states: Sequence[State]) -> Mapping[str, Array]:
        """Return the states' tensors [streams, ...]; without a copy where they are all that the last run gave, in its order."""
        first = states[0]
        if isinstance(first, Row) and len(first.stack[self._inputs[0]]) == len(states):
            stack = first.stack
            if all(isinstance(s, Row) and s.stack is stack and s.index == row for row, s in enumerate(states)):
                return stack
        return {name: np.concatenate([state[name] for state in states]) for name in self._inputs}
