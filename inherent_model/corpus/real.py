"""`inherent corpus real`: recordings that come inside Debian packages -> 16 kHz FLAC and one manifest.

Deterministic (the order follows from the recipe and the packages), resumable (a clip that exists is not decoded again)
and parallel. A file that is broken, too short or too long is counted and left out.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

from inherentd.inherent_model.corpus.decode import SAMPLE_RATE_HZ, decode, write_flac
from inherentd.inherent_model.corpus.real_recipe import RealRecipe, Recording, plan
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import REAL
from inherentd.inherent_model.whole import whole


def build(recipe: RealRecipe, *, workers: int) -> Counter[tuple[str, str]]:
    """Decode what is not there yet, write `manifest.jsonl`, and return the seconds by split and source."""
    out = Path(recipe.out)
    recordings = plan(recipe)
    _refuse_shared_voices(recordings)
    for folder in {(out / recording.path).parent for recording in recordings}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = [recording for recording in recordings if not (out / recording.path).is_file()]
    problems: Counter[str] = Counter()
    # Threads, for ffmpeg, libsndfile and soxr do the work, outside of Python.
    with ThreadPoolExecutor(workers) as pool:
        jobs = pool.map(partial(_decode, out), missing)
        for problem in tqdm(jobs, total=len(missing), desc="decoding", unit="clip", file=sys.stderr):
            problems.update([problem] if problem else [])
    for problem, count in problems.most_common(20):
        print(f"left out {count} clips: {problem}", file=sys.stderr)
    return _write_manifest(out, recordings)


def _refuse_shared_voices(recordings: list[Recording]) -> None:
    """Raise ModelError for a voice in two splits, unless its source says so itself by `split_shares`."""
    splits: dict[str, str] = {}
    for recording in recordings:
        if recording.source.split and splits.setdefault(recording.voice, recording.split) != recording.split:
            raise ModelError(
                f"voice {recording.voice!r} is in {splits[recording.voice]} and {recording.split}: give it one split"
            )


def _decode(out: Path, recording: Recording) -> str | None:
    """Make one clip and return None, or the reason why it is left out."""
    source = recording.source
    try:
        samples = decode(recording.member.read(), source.ffmpeg)
    except (ModelError, OSError, ValueError) as error:
        return f"{source.name}: {error}"[:160]
    seconds = len(samples) / SAMPLE_RATE_HZ
    if seconds < source.min_seconds or seconds > source.max_seconds:
        which, limit = ("short", "min") if seconds < source.min_seconds else ("long", "max")
        return f"{source.name}: too {which} for {limit}_seconds"
    write_flac(out / recording.path, samples)
    return None


def _write_manifest(out: Path, recordings: list[Recording]) -> Counter[tuple[str, str]]:
    seconds: Counter[tuple[str, str]] = Counter()
    out.mkdir(parents=True, exist_ok=True)
    with whole(out / "manifest.jsonl") as unfinished, unfinished.open("w") as file:
        for row in _rows(out, recordings):
            seconds[row["split"], row["source"]] += row["seconds"]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return seconds


def _rows(out: Path, recordings: list[Recording]) -> Iterator[dict[str, Any]]:
    for recording in recordings:
        path = out / recording.path
        if path.is_file():
            yield {
                "path": recording.path,
                "text": "",
                "addressed": 0,
                "heads": [],
                "split": recording.split,
                "seconds": round(soundfile.info(path).duration, 3),
                "source": recording.source.name,
                "licence": recording.source.licence,
                "language": recording.language,
                "voice": {"engine": REAL, "name": recording.voice},
            }
