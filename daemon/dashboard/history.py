"""The last hour of a daemon's run in bounded memory: what the model scored, and what the gate did about it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inherentd.client.messages import GateClosedHeader, GateOpenedHeader, ScoresHeader
from inherentd.pipeline.replay import Recording
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

HOUR_SAMPLES = 3600 * SAMPLE_RATE_HZ
MOST_STEPS = 180_000  # an hour at 50 a second, the most that a daemon publishes
MOST_BYTES = 64 * 2**20  # of scores; a model with very many heads is remembered for less than an hour
MOST_OPENINGS = 20_000


@dataclass
class Opening:
    """A time that the gate was open; `closed_at` is None while it is. Samples of the stream."""

    opened_at: int
    closed_at: int | None = None
    intents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """What is remembered. `openings` are those since the first step."""

    at_sample: NDArray[np.int64]
    active: NDArray[np.bool_]
    scores: NDArray[np.float32]
    """[steps, heads]"""
    openings: tuple[Opening, ...]
    first: int
    end: int

    def recording(self, step_samples: int) -> Recording:
        """Return it to be replayed; `step_samples` is how often the model decides."""
        # Published less often than decided: a step then stands for as many as they mostly come apart.
        apart = np.diff(self.at_sample)
        between = max(step_samples, int(np.median(apart)) if len(apart) else 0)
        return Recording(self.at_sample, self.scores, self.active, between, self.end)


class History:
    """One run of the daemon with one set of heads; `begin` another when either changes."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.begin(())

    def begin(self, heads: tuple[str, ...]) -> None:
        """Forget everything."""
        self.heads = heads
        self._capacity = min(MOST_STEPS, MOST_BYTES // (4 * max(1, len(heads))))
        # The system gives memory as it is written to: what is not used costs nothing.
        self._at_sample = np.empty(self._capacity, np.int64)
        self._active = np.empty(self._capacity, bool)
        self._scores = np.empty((self._capacity, len(heads)), np.float32)
        self._steps = 0
        self.newest = 0
        self._openings = deque[Opening](maxlen=MOST_OPENINGS)

    def scored(self, header: ScoresHeader) -> None:
        """Remember a step's scores."""
        if tuple(header.scores) != self.heads:
            self.begin(tuple(header.scores))
        place = self._steps % self._capacity
        self._at_sample[place] = self.newest = header.at_sample
        self._active[place] = header.active
        self._scores[place] = list(header.scores.values())
        self._steps += 1

    def opened(self, header: GateOpenedHeader) -> None:
        """Remember that the gate opened. Where the close of the one before was lost, it was over by now."""
        if self._openings and self._openings[-1].closed_at is None:
            self._openings[-1].closed_at = header.at_sample
        self._openings.append(Opening(header.at_sample))

    def closed(self, header: GateClosedHeader) -> None:
        """Remember that it closed; nothing when its opening was not heard."""
        if self._openings and self._openings[-1].closed_at is None:
            self._openings[-1].closed_at = header.at_sample
            self._openings[-1].intents = tuple(header.intents)

    def window(self) -> Window:
        """Return the last hour as it is now, to be looked at while this goes on."""
        places = np.arange(max(0, self._steps - self._capacity), self._steps) % self._capacity
        places = places[self._at_sample[places] > self.newest - HOUR_SAMPLES]
        at_sample = self._at_sample[places]
        first = int(at_sample[0]) if len(at_sample) else self.newest
        openings = tuple(replace(opening) for opening in self._openings if opening.opened_at >= first)
        return Window(at_sample, self._active[places], self._scores[places], openings, first, self.newest)
