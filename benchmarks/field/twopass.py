"""The two-pass way: cut out what is spoken, make words of it, judge the words by rules or by a text classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from benchmarks.field import Decision
from benchmarks.field.rules import rules

Judge = Callable[[str], Mapping[str, float]]
"""what is said -> the score of each head, the gate first"""
OPENS = 0.5


class Words(Protocol):
    """A recognizer that finds out by itself when somebody speaks."""

    model_files: Sequence[Path]

    def feed(self, samples: np.ndarray) -> Iterator[tuple[int, str]]:
        """Yield what was said, and how many samples had been heard by then."""
        ...

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield what was being said at the end."""
        ...

    def reset(self) -> None:
        """Begin another stream."""
        ...


class WhisperWords:
    """silero-vad and Whisper tiny.en, int8, greedy, one thread."""

    def __init__(self) -> None:
        from benchmarks.field.silero import Pieces, Silero
        from examples.speech_to_text import Whisper, bundled_model

        folder = Path(bundled_model())
        self._pieces, self._whisper = Pieces(Silero()), Whisper(str(folder))
        self._whisper.load()
        self.model_files: Sequence[Path] = (
            *self._pieces.vad.model_files,
            *(path for path in folder.iterdir() if path.is_file()),
        )

    def feed(self, samples: np.ndarray) -> Iterator[tuple[int, str]]:
        """See `Words.feed`."""
        for at_sample, piece in self._pieces.feed(samples):
            yield at_sample, self._whisper.text(piece)

    def finish(self) -> Iterator[tuple[int, str]]:
        """See `Words.finish`."""
        for at_sample, piece in self._pieces.finish():
            yield at_sample, self._whisper.text(piece)

    def reset(self) -> None:
        """See `Words.reset`."""
        self._pieces.reset()


class TwoPass:
    """Decides once a piece of speech is over. The gate opens where the judge gives it more than 0.5."""

    def __init__(self, words: Words, judge: Judge, judge_files: Sequence[Path] = ()) -> None:
        self._words, self._judge = words, judge
        self.model_files: Sequence[Path] = (*words.model_files, *judge_files)
        self._peaks: dict[str, float] = {}

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest score of each head; empty while nothing was said."""
        return self._peaks

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return what was decided of the pieces that are over, and heads above 0.5."""
        return [decision for heard in self._words.feed(samples) for decision in self._decided(*heard)]

    def finish(self) -> list[Decision]:
        """Return what is decided of the piece that was not over."""
        return [decision for heard in self._words.finish() for decision in self._decided(*heard)]

    def _decided(self, at_sample: int, text: str) -> list[Decision]:
        scores = self._judge(text)
        for head, score in scores.items():
            self._peaks[head] = max(score, self._peaks.get(head, 0.0))
        gate = next(iter(scores))
        fired = [head for head, score in scores.items() if score > OPENS]
        found = [Decision(at_sample, "utterance", scores[gate], scores, text)]
        if gate in fired:
            found += [Decision(at_sample, head, scores[head], scores, text, opening=False) for head in fired]
        return found

    def reset(self) -> None:
        """Begin another stream."""
        self._words.reset()
        self._peaks = {}


def open_engine(prepared: Path, words: str, judge: str) -> TwoPass:
    """Return the engine: words "whisper" or "sphinx", judge "rules" or "classifier" (which must be prepared)."""
    hearing: Any
    if words == "whisper":
        hearing = WhisperWords()
    else:
        from benchmarks.field.sphinx import SphinxWords

        hearing = SphinxWords()
    if judge == "rules":
        return TwoPass(hearing, rules)
    from benchmarks.field.classifier import FILE_NAME, load

    return TwoPass(hearing, load(prepared), (prepared / FILE_NAME,))
