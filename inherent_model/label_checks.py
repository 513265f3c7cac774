"""What can be wrong with labels beyond their form: rows that contradict each other, recordings that cannot teach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from inherentd.inherent_model.corpus import voices
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.label_reading import read
from inherentd.inherent_model.labels import Label, Labels, Problem
from inherentd.inherent_model.manifest import REAL, SPLITS

DURATION_TOLERANCE_S = 0.1
SHORTEST_S = 0.1
LONGEST_S = 30.0
"""a clip is one utterance; a batch of training holds five streams of up to two clips"""


def check(labels: Labels, *, audio: bool = True) -> list[Problem]:
    """Return every problem in the order of the lines. `audio` False: without opening the recordings."""
    found = [*labels.problems, *_repeated(labels)]
    for row in labels.rows:
        found += (Problem(row.line, text) for text in _contradictions(labels, row))
    for name in ("speaker_id", "session_id"):
        found += _split_apart(labels, name)
    if audio:
        for row in labels.rows:
            found += (Problem(row.line, text) for text in _recording(labels, row))
    return sorted(found, key=lambda problem: problem.line)


def load(path: Path, *, audio: bool) -> Labels:
    """Return the rows of a CSV in which nothing is wrong, else ModelError naming every problem. `audio`: as in `check`."""
    labels = read(path)
    problems = check(labels, audio=audio)
    if problems:
        lines = "\n".join(f"{path}:{problem.line}: {problem.text}" for problem in problems)
        raise ModelError(f"{path}: {len(problems)} problems in the labels; mend these lines:\n{lines}")
    return labels


def evaluation_split(row: Label) -> str | None:
    """Return the split that a synthesizer's voice is held out for, or None: free to go anywhere."""
    engine, name = row.voice
    parts = set(voices.components(name)) if engine != REAL else set()
    small = voices.SMALL_ENGINES.get(engine, {})
    for split, kokoro in (("test", voices.KOKORO_TEST), ("validation", voices.KOKORO_VALIDATION)):
        if parts & set(kokoro if engine == "kokoro" else small.get(split, ())):
            return split
    return None


def _repeated(labels: Labels) -> Iterator[Problem]:
    first: dict[Path, int] = {}
    for row in labels.rows:
        line = first.setdefault(labels.audio(row).resolve(), row.line)
        if row.audio_path and line != row.line:
            yield Problem(row.line, f"audio_path {row.audio_path}: is in line {line} already; expected each file once")


def _contradictions(labels: Labels, row: Label) -> Iterator[str]:
    if not row.audio_path:
        yield "audio_path: empty, expected the recording's file"
    if labels.heads and labels.heads[0] not in row.fired:
        for head in row.fired:
            yield f"{head} is 1 where {labels.heads[0]} is 0; what is not addressed has no intent"
    if row.split and row.split not in SPLITS:
        yield f"split: got {row.split!r}, expected {', '.join(SPLITS)} or nothing"
    if not (row.speaker_id or row.session_id) and not labels.problems:
        yield "speaker_id and session_id: both empty; without one of them nothing keeps its speaker in one split"
    engine, name = row.voice
    # An unmarked id may be the voice that somebody synthesized with; a person of that name can say so.
    if voices.RESERVED & set(voices.components(name)) and not row.speaker_id.startswith(f"{REAL}:"):
        yield (
            f"speaker_id {row.speaker_id}: a voice reserved for the independent evaluation; leave its clips out"
            + (f", or write {REAL}:{name} for a person of that name" if engine == REAL else "")
        )
    held_out = evaluation_split(row)
    if held_out and row.split == "train":
        yield f"speaker_id {row.speaker_id}: a voice of the {held_out} split; it must not be in train"


def _split_apart(labels: Labels, column: str) -> Iterator[Problem]:
    """Yield a problem for each split that a speaker or session is in besides its first."""
    seen: dict[str, dict[str, int]] = {}
    for row in labels.rows:
        name = getattr(row, column)
        if name and row.split:
            splits = seen.setdefault(name, {})
            if splits and row.split not in splits:
                split, line = next(iter(splits.items()))
                yield Problem(row.line, f"{column} {name}: in {row.split}, and in {split} in line {line}; expected one")
            splits.setdefault(row.split, row.line)


def _recording(labels: Labels, row: Label) -> Iterator[str]:
    path = labels.audio(row)
    if not row.audio_path:
        return
    if not path.is_file():
        yield f"audio_path {row.audio_path}: no such file; paths begin at the folder of the CSV ({labels.folder})"
        return
    try:
        seconds, finite, silent = _listen(path)
    except (RuntimeError, OSError, TypeError, ValueError) as error:  # libsndfile's own, and those for odd formats
        yield f"audio_path {row.audio_path}: cannot be read as audio ({error}); expected WAV, FLAC or OGG"
        return
    wrong = []
    if seconds == 0:
        wrong.append("holds no sample; record it again")
    elif seconds < SHORTEST_S:
        wrong.append(f"{seconds:.3f} s long, expected {SHORTEST_S} s or more")
    elif seconds > LONGEST_S:
        wrong.append(f"{seconds:.1f} s long, expected {LONGEST_S:g} s or less: one utterance a file")
    if not finite:
        wrong.append("has samples that are NaN or infinite; export it again")
    elif silent and seconds and row.fired:
        wrong.append("all zeros, but labelled as addressed; check the microphone")
    yield from (f"audio_path {row.audio_path}: {text}" for text in wrong)
    if row.duration_s is not None and not abs(row.duration_s - seconds) <= DURATION_TOLERANCE_S:
        yield f"duration_s: got {row.duration_s:g}, the file has {seconds:.2f} s"


def _listen(path: Path) -> tuple[float, bool, bool]:
    """Return seconds, whether all samples are finite, and whether all are zero."""
    samples, rate_hz = soundfile.read(path, dtype="float32")
    return len(samples) / rate_hz, bool(np.isfinite(samples).all()), not np.any(samples)
