"""Recordings of public corpora: manifest lines for LibriSpeech and SLURP, a folder of noise for MUSAN."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import soundfile

from inherentd.inherent_model.corpus.sentences import split_of
from inherentd.inherent_model.corpus.sources import fields, json_lines, lines, one_file, write_lines
from inherentd.inherent_model.errors import ModelError

_TRANSCRIPT = re.compile(r"((\d+)-\d+-\d+) (\S.*)")
"""LibriSpeech: "1272-128104-0000 MISTER QUILTER ...", named by speaker, chapter and utterance"""


def librispeech(folder: Path, base: Path) -> Iterator[dict[str, Any]]:
    """Yield a manifest line for each utterance: read aloud, so not addressed; a speaker is in one split only."""
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        raise ModelError(f"{folder}: no *.trans.txt there; `inherent corpus fetch librispeech --unpack` brings them")
    for path in transcripts:
        for where, line in lines(path):
            found = _TRANSCRIPT.fullmatch(line)
            if not found:
                raise ModelError(f"{where}: {line[:60]!r}, expected SPEAKER-CHAPTER-NUMBER and the words")
            audio = path.with_name(f"{found[1]}.flac")
            yield {
                **audio_fields(where, audio, base),
                "text": found[3].lower(),
                "heads": [],
                "addressed": 0,
                "source": "librispeech",
                "split": split_of(f"librispeech:{found[2]}"),
                "voice": {"engine": "librispeech", "name": found[2]},
                "licence": "CC-BY-4.0",
            }


def slurp(folder: Path, base: Path) -> Iterator[dict[str, Any]]:
    """Yield a manifest line for each recorded request whose speaker and sentence fall into the same split.

    Three people speak each sentence. So neither a voice nor a sentence of the test is in training, at the price of a
    third of the recordings.
    """
    audio = {path.name: path for path in folder.rglob("*.flac")}
    if not audio:
        raise ModelError(f"{folder}: no *.flac there; `inherent corpus fetch slurp --groups all --unpack` brings them")
    speakers = _slurp_speakers(one_file(folder, "metadata.json", "slurp --groups all"))
    for name in ("train", "devel", "test"):
        for where, row in json_lines(one_file(folder, f"{name}.jsonl", "slurp")):
            text, intent = fields(where, row, "sentence", "intent")
            text = " ".join(text.split())
            split = split_of(text)  # the same as of the sentence in the TSV
            for recording in row.get("recordings", ()):
                path = audio.get(recording.get("file", ""))
                speaker = speakers.get(recording.get("file", ""))
                if path is None or speaker is None or split != split_of(f"slurp:{speaker}"):
                    continue
                yield {
                    **audio_fields(where, path, base),
                    "text": text.lower(),
                    "intent": intent,
                    "addressed": 1,
                    "source": "slurp",
                    "split": split,
                    "voice": {"engine": "slurp", "name": speaker},
                    "licence": "CC-BY-NC-4.0",
                }


def _slurp_speakers(path: Path) -> dict[str, str]:
    """Return who speaks, by the recording's file name; recordings that the corpus itself calls wrong are left out."""
    try:
        return {
            file: recording["usrid"]
            for entry in json.loads(path.read_text()).values()
            for file, recording in entry["recordings"].items()
            if recording.get("status", "correct") == "correct"
        }
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: {error!r}; expected SLURP's metadata: recordings with usrid") from error


def noise(pattern: str) -> Callable[[Path, Path], int]:
    """Return a converter that fills a folder with links to the noises at `pattern`, and lists them in noise.tsv."""

    def write(folder: Path, out: Path) -> int:
        found = sorted(folder.rglob(pattern))
        if not found:
            raise ModelError(f"{folder}: no {pattern} there; fetch it with --unpack")
        out.mkdir(parents=True, exist_ok=True)
        rows = ["path\tseconds\tlicence"]
        for path in found:
            link = out / path.name
            if link.exists() and not link.is_symlink():
                raise ModelError(f"{link}: is there and no link of ours; choose an empty folder for --out")
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(path.resolve(), out.resolve()))
            licence = path.with_name("LICENSE")
            beside = str(_relative(licence, out)) if licence.is_file() else "as the corpus's"
            rows.append(f"{path.name}\t{audio_fields(str(path), path, out)['seconds']}\t{beside}")
        write_lines(out / "noise.tsv", rows)
        return len(found)

    return write


def audio_fields(where: str, path: Path, base: Path) -> dict[str, Any]:
    """Return `path`, relative to the manifest's folder `base`, and `seconds` of a recording; ModelError, beginning with
    `where`, when it cannot be read."""
    try:
        seconds = round(soundfile.info(path).duration, 3)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ModelError(f"{where}: {path}: {error}; unpack the archive again") from error
    return {"path": _relative(path, base), "seconds": seconds}


def _relative(path: Path, base: Path) -> str:
    return os.path.relpath(path.resolve(), base.resolve())
