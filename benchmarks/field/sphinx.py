"""PocketSphinx with the English model and the voice activity detector that it brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx
from benchmarks.field.blocks import Blocks


class SphinxWords:
    """Decodes while somebody speaks, as its own live example does. What it learned of the channel stays over a `reset`: it is
    better the longer it hears, and nothing at its very first clip."""

    def __init__(self) -> None:
        self._decoder: Any = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
        folder = Path(pocketsphinx.get_model_path()) / "en-us"
        names = ("en-us/*", "en-us.lm.bin", "cmudict-en-us.dict")
        self.model_files: Sequence[Path] = tuple(path for name in names for path in folder.glob(name))
        self.reset()

    def reset(self) -> None:
        """Begin another stream."""
        self._endpointer: Any = pocketsphinx.Endpointer(sample_rate=16_000)
        self._blocks = Blocks(self._endpointer.frame_bytes // 2)
        self._open = False

    def feed(self, samples: np.ndarray) -> Iterator[tuple[int, str]]:
        """Yield what was said, and how many samples had been heard by then."""
        for block in self._blocks.push(samples):
            speech = self._endpointer.process(block)
            if speech is None:
                continue
            if not self._open:
                self._decoder.start_utt()
                self._open = True
            self._decoder.process_raw(speech, no_search=False, full_utt=False)
            if not self._endpointer.in_speech:
                yield self._blocks.taken, self._text()

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield what was being said at the end."""
        if self._open:
            yield self._blocks.taken, self._text()

    def _text(self) -> str:
        self._decoder.end_utt()
        self._open = False
        found = self._decoder.hyp()
        return "" if found is None else found.hypstr
