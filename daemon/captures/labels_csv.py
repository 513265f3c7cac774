"""Labelled captures -> a folder with the labels CSV that `inherent build --labels` takes, and its recordings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from inherentd.daemon import places
from inherentd.daemon.captures.capture import Capture
from inherentd.daemon.captures.store import Store
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private

COLUMNS = (
    "audio_path", "transcript", "speaker_id", "session_id", "device", "environment", "source", "duration_s", "split",
)  # fmt: skip
"""before the heads; docs/own-recordings.md explains them"""
SHORTEST_S = 0.1
LONGEST_S = 30.0


def choose(captures: Iterable[Capture]) -> tuple[list[Capture], list[str]]:
    """Return the labelled captures that one CSV can hold, and why the others cannot be in it.

    All have the heads of the newest one's model: nobody said whether the others ask for what only another model knows.
    """
    labelled = [capture for capture in captures if capture.label is not None]
    chosen: list[Capture] = []
    refused: list[str] = []
    for capture in labelled:
        if capture.heads != labelled[-1].heads:
            refused.append(f"{capture.id}: its model had other heads ({', '.join(capture.heads)})")
        elif not SHORTEST_S <= capture.seconds <= LONGEST_S:
            refused.append(f"{capture.id}: {capture.seconds:g} s long, expected {SHORTEST_S:g} to {LONGEST_S:g} s")
        else:
            chosen.append(capture)
    return chosen, refused


def write(store: Store, captures: Sequence[Capture], folder: Path) -> Path:
    """Write FOLDER/labels.csv, FOLDER/recordings/ID.wav and FOLDER/notes.tsv, where there are notes, for their owner only, and
    return the path of the CSV.

    Raises DaemonError when a CSV is there already, and when something cannot be read or written.
    """
    path = folder / "labels.csv"
    if path.exists():
        raise DaemonError(f"{path}: is there already, with labels that may be nowhere else; give another --out FOLDER")
    try:
        recordings = places.private(folder / "recordings")
        for capture in captures:
            write_private(recordings / f"{capture.id}.wav", store.recording(capture.id).read_bytes())
        notes = [f"{one.id}\t{' '.join(one.label.note.split())}\n" for one in captures if one.label and one.label.note]
        if notes:  # the CSV has no column for them
            write_private(folder / "notes.tsv", "".join(notes).encode())
        write_private(path, _text(captures).encode())
    except OSError as error:
        raise DaemonError(f"{error.filename or folder}: {error.strerror}; nothing was exported") from None
    return path


def _text(captures: Sequence[Capture]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *captures[0].heads])
    for capture in captures:
        fixed = {
            **dict.fromkeys(COLUMNS, ""),
            "audio_path": f"recordings/{capture.id}.wav",
            "session_id": capture.stream,
            "device": capture.device,
            "source": "captures",
            "duration_s": f"{capture.seconds:.3f}",
        }
        writer.writerow([*fixed.values(), *_cells(capture)])
    return file.getvalue()


def _cells(capture: Capture) -> list[int]:
    """Return 0 or 1 for each head, the gate's first."""
    assert capture.label is not None
    return [int(capture.label.addressed), *(int(head in capture.label.heads) for head in capture.heads[1:])]
