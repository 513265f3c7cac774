"""Recordings for tests: tones and noise by invented speakers, and the labels CSV that describes them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from inherentd.inherent_model.labels import FIXED_COLUMNS

HEADS = ("isInteresting", "hasHighTone", "hasLowTone")
TONES_HZ = {"hasHighTone": 2500, "hasLowTone": 400}
SECONDS = 0.75


def write_clip(path: Path, kind: str | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.02, round(16_000 * SECONDS))
    if kind:
        samples[3000:9000] += 0.4 * np.sin(2 * np.pi * TONES_HZ[kind] * np.arange(6000) / 16_000)
    else:
        samples[3000:9000] *= 10
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.astype(np.float32), 16_000)


def row(audio_path: str, kind: str | None = None, /, **cells: object) -> dict[str, object]:
    """One row of the CSV; `cells` replace or add columns."""
    speaker = audio_path.split("/", maxsplit=1)[0]
    fixed = {"audio_path": audio_path, "speaker_id": speaker, "session_id": f"{speaker}-1", "device": "phone",
             "environment": "kitchen", "source": "own", "duration_s": SECONDS}  # fmt: skip
    fired = {head: int(kind is not None and head in ("isInteresting", kind)) for head in HEADS}
    return {**dict.fromkeys(FIXED_COLUMNS, ""), **fixed, **fired, **cells}


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def corpus(folder: Path, *, speakers: int, each: int) -> Path:
    """Write the clips of several speakers, kinds in turn, and return the CSV."""
    rows = []
    for speaker in range(speakers):
        for index in range(each):
            kind = [None, "hasHighTone", "hasLowTone"][index % 3]
            name = f"s{speaker}/{index}.wav"
            write_clip(folder / name, kind, 1000 * speaker + index)
            rows.append(row(name, kind))
    return write_csv(folder / "labels.csv", rows)
