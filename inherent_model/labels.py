"""Users' own recordings: what a row of the labels CSV is, and the CSV and the training manifest that are written of it.

The fixed columns come first, then one column a head, the gate first. The head columns are whatever the file has: the
13 shipped heads or others. inherent_model/label_reading.py reads such a file.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import REAL

FIXED_COLUMNS = (
    "audio_path", "transcript", "speaker_id", "session_id", "device", "environment", "source", "duration_s", "split",
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """What is wrong in a line of the CSV (1 is the header)."""

    line: int
    text: str


@dataclass(frozen=True)
class Label:
    """One recording. `audio_path` is as written: relative to the CSV's folder, or absolute."""

    line: int
    audio_path: str
    transcript: str
    speaker_id: str
    """a person's id; a synthesizer's is "ENGINE:VOICE" """
    session_id: str
    device: str
    environment: str
    source: str
    duration_s: float | None
    split: str
    """empty: not decided yet"""
    fired: tuple[str, ...]
    """the heads that are 1, the gate among them"""

    @property
    def voice(self) -> tuple[str, str]:
        """Return engine and name: ("real", "anna"), ("espeak", "en-gb+f1"); empty where nobody is named."""
        engine, separator, name = self.speaker_id.partition(":")
        return (engine, name) if separator else (REAL if engine else "", engine)


@dataclass(frozen=True)
class Labels:
    """A CSV as read. `problems` are those of its form; inherent_model/label_checks.py finds the others."""

    folder: Path
    """what relative audio paths begin at"""
    heads: tuple[str, ...]
    rows: tuple[Label, ...]
    problems: tuple[Problem, ...] = ()

    def audio(self, row: Label) -> Path:
        """Return where a row's recording lies."""
        return self.folder / row.audio_path


EXAMPLE = Label(
    line=2,
    audio_path="recordings/anna-kitchen-0001.wav",
    transcript="set a timer for ten minutes",
    speaker_id="anna",
    session_id="anna-kitchen-1",
    device="phone",
    environment="kitchen",
    source="own",
    duration_s=2.4,
    split="",
    fired=("isInteresting", "hasStartTimerIntent"),
)


def to_csv(labels: Labels, folder: Path) -> str:
    """Return the text of the CSV; relative audio paths are turned so that they hold in a file in `folder`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*FIXED_COLUMNS, *labels.heads])
    for row in labels.rows:
        fixed = {name: getattr(row, name) for name in FIXED_COLUMNS}
        fixed["audio_path"] = _path_from(folder, labels, row)
        fixed["duration_s"] = "" if row.duration_s is None else f"{row.duration_s:g}"
        writer.writerow([*fixed.values(), *(int(head in row.fired) for head in labels.heads)])
    return file.getvalue()


def write(path: Path, labels: Labels) -> None:
    """Write the CSV."""
    _write(path, to_csv(labels, path.parent))


def template(heads: Sequence[str], *, example: bool = False) -> Labels:
    """Return a table without rows, or with one that shows what belongs where."""
    fired = tuple(head for index, head in enumerate(heads) if index == 0 or head in EXAMPLE.fired)
    rows = (dataclasses.replace(EXAMPLE, fired=fired),) if example else ()
    return Labels(Path(), tuple(heads), rows)


def write_manifest(path: Path, labels: Labels) -> None:
    """Write the JSON lines that inherent_model/manifest.py reads. Every row needs a split, and its recording."""
    lines = []
    for row in labels.rows:
        if not row.split:
            raise ModelError(f"line {row.line}: no split; run `inherent labels split` first")
        engine, name = row.voice
        seconds = row.duration_s or soundfile.info(labels.audio(row)).duration
        document = {
            "path": _path_from(path.parent, labels, row),
            "addressed": int(labels.heads[0] in row.fired),
            "heads": [head for head in row.fired if head != labels.heads[0]],
            "text": row.transcript,
            "split": row.split,
            "seconds": round(seconds, 3),
            "source": row.source or "recordings",
            "voice": {"engine": engine or REAL, "name": name or row.session_id},
        }
        lines.append(json.dumps(document) + "\n")
    _write(path, "".join(lines))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error}); give another file with --out") from error


def _path_from(folder: Path, labels: Labels, row: Label) -> str:
    """Return how a file in `folder` names the row's recording."""
    if Path(row.audio_path).is_absolute() or folder.resolve() == labels.folder.resolve():
        return row.audio_path
    return os.path.relpath(labels.audio(row).resolve(), folder.resolve())
