"""`inherent corpus transcribe`: write down what recordings without words say, for the phoneme loss of training.

What a recognizer heard is good enough for that, never for figures: it goes into a file of its own
(`inherent_model/transcripts.py`), not into the manifest.
"""

from __future__ import annotations

import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from inherentd.inherent_model.corpus.decode import SAMPLE_RATE_HZ
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.transcripts import FILE_NAME, read_transcripts

LOWEST_AVG_LOGPROB = -0.8
HIGHEST_NO_SPEECH_PROB = 0.5


@dataclass(frozen=True)
class Heard:
    """What a recognizer makes of a clip."""

    text: str
    avg_logprob: float
    """mean of the tokens' log probabilities"""
    no_speech_prob: float

    @property
    def credible(self) -> bool:
        """Whether the text is worth learning from."""
        sure = self.avg_logprob >= LOWEST_AVG_LOGPROB and self.no_speech_prob <= HIGHEST_NO_SPEECH_PROB
        return sure and any(symbol.isalpha() for symbol in self.text)


class Transcriber(Protocol):
    """A recognizer. It is called from several threads at once."""

    def __call__(self, samples: np.ndarray) -> Heard:
        """Return what is said in `samples`, 16 kHz mono float32."""
        ...


class Whisper:
    """Whisper by faster-whisper, int8 on the CPU, one thread a clip."""

    def __init__(self, model: str, language: str, workers: int) -> None:
        try:
            module = importlib.import_module("faster_whisper")
        except ImportError as error:
            raise ModelError(f"{error}: pip install 'inherentd[transcribe]'") from error
        self.language = language
        try:
            self.model = module.WhisperModel(
                model, device="cpu", compute_type="int8", cpu_threads=1, num_workers=workers
            )
        except Exception as error:  # the download, the file and the runtime each raise their own
            raise ModelError(
                f"{model}: {str(error).splitlines()[0]}; expected a folder in faster-whisper's form, or a name such as tiny.en"
            ) from error

    def __call__(self, samples: np.ndarray) -> Heard:
        """Return what is said; one greedy pass, so that it is the same every time."""
        segments, _ = self.model.transcribe(
            samples, language=self.language, beam_size=1, temperature=0.0, without_timestamps=True,
            condition_on_previous_text=False, no_speech_threshold=None,
        )  # fmt: skip
        found = list(segments)
        return Heard(
            " ".join(segment.text.strip() for segment in found),
            min((segment.avg_logprob for segment in found), default=0.0),
            max((segment.no_speech_prob for segment in found), default=1.0),
        )


def transcribe(
    manifest: Path, transcriber: Transcriber, *, language: str, split: str, workers: int, min_seconds: float = 0.0
) -> tuple[int, int]:
    """Append what is not in `transcripts.jsonl` yet; return how many new clips there are, and how many have a text."""
    known = read_transcripts(manifest)
    missing = [path for path in wanted(manifest, language, split, min_seconds) if path not in known]
    out = manifest.parent / FILE_NAME
    _end_with_a_line(out)
    kept = 0
    with ThreadPoolExecutor(workers) as pool, out.open("a") as file:
        jobs = pool.map(lambda path: transcriber(read_audio(manifest.parent / path, SAMPLE_RATE_HZ)), missing)
        progress = tqdm(jobs, total=len(missing), desc="transcribing", unit="clip", file=sys.stderr)
        for path, heard in zip(missing, progress, strict=True):
            kept += heard.credible
            row = {
                "path": path, "text": heard.text if heard.credible else "",
                "avg_logprob": round(heard.avg_logprob, 3), "no_speech_prob": round(heard.no_speech_prob, 3),
            }  # fmt: skip
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
    return len(missing), kept


def wanted(manifest: Path, language: str, split: str, min_seconds: float) -> list[str]:
    """Return the paths of the clips of a language and split, of at least `min_seconds`, that have no text."""
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in manifest.read_text().splitlines()]
        if not any("language" in row for row in rows):
            raise ModelError(f"{manifest}: no line has a language; write it anew with `inherent corpus real`")
        return [
            row["path"]
            for row in rows
            if not row.get("text")
            and row.get("language") == language
            and row.get("split") == split
            and row.get("seconds", min_seconds) >= min_seconds
        ]
    except FileNotFoundError as error:
        raise ModelError(f"{manifest}: no such manifest; make it with `inherent corpus real`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest}: {error!r}; expected JSON lines with path, language and split") from error


def _end_with_a_line(path: Path) -> None:
    """Cut off what an interrupted run did not write to its end."""
    if path.is_file():
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(whole.rfind(b"\n") + 1)
