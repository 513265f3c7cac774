"""Watches an engine's scores for near misses, and takes their audio from it while it is still held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.captures import near_miss
from inherentd.daemon.captures.capture import Pcm
from inherentd.daemon.captures.decider import Decider, decider_of
from inherentd.daemon.captures.near_miss import NearMiss
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError


@dataclass(frozen=True)
class Missed:
    """A near miss with its audio and what decided."""

    start: int
    pcm: Pcm
    peaks: dict[str, float]
    decider: Decider


class Watch:
    """`scored` is for every step, `take` after every push. `lost` counts near misses whose audio was no longer held."""

    def __init__(self, engine: Engine, share: float) -> None:
        """share: of the gate's threshold, from which on a score is near."""
        self.lost = 0
        self._engine = engine
        self._config = near_miss.Config(share)
        self._state = near_miss.initial_state(self._config)
        self._heads = engine.config.gate.heads
        self._found: list[Missed] = []

    def scored(self, at_sample: int, scores: NDArray[np.float32]) -> None:
        """Take the scores of a step."""
        self._follow_heads()
        self._state, found = near_miss.step(
            self._config,
            self._state,
            at_sample,
            scores,
            open_threshold=self._engine.config.gate.open_threshold,
            is_open=self._engine.is_open,
        )
        self._read(found)

    def take(self) -> list[Missed]:
        """Return the near misses that were found since the last time."""
        if self._engine.asleep:  # no step is scored: only time goes by
            self._follow_heads()
            # Waking up, the engine looks back so far, and may find that it was no miss.
            at_sample = self._engine.samples - self._engine.config.wake_lookback_samples
            self._state, found = near_miss.elapse(self._config, self._state, at_sample)
            self._read(found)
        taken, self._found = self._found, []
        return taken

    def finish(self) -> list[Missed]:
        """Return what is left at the end of the stream."""
        self._follow_heads()
        self._state, found = near_miss.finish(self._config, self._state, self._engine.samples)
        self._read(found)
        taken, self._found = self._found, []
        return taken

    def _follow_heads(self) -> None:
        """Begin anew where the model is another now, with other heads."""
        heads = self._engine.config.gate.heads
        if self._heads != heads:
            self._heads = heads
            self._state = near_miss.State(earliest=self._state.earliest)

    def _read(self, found: NearMiss | None) -> None:
        if found is None:
            return
        try:
            pcm = self._engine.audio(found.start, found.stop)
        except PipelineError:
            self.lost += 1
            return
        peaks = dict(zip(self._heads, map(float, found.peaks), strict=True))
        self._found.append(Missed(found.start, pcm, peaks, decider_of(self._engine)))
