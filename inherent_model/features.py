"""Log-mel features of all clips, computed once and kept in shards that are memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from inherentd.inherent_model.degrade import Condition, degrade, drawn_for
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import TAIL_FRAMES

SPEECH_BELOW_PEAK = 35 * np.log(10) / 10
"""a frame counts as speech when its loudest mel bin is within 35 dB of the clip's loudest"""
SHARD_CLIPS = 4096
"""at most so many clips of one folder are in a shard, 150 MB or so: what is computed at a time, and again when one of them is new"""

_Job = tuple[str, Condition | None]
_Clip = tuple[np.ndarray, tuple[int, int]]


@dataclass(frozen=True)
class Features:
    """The log-mel of clips, in the order of their paths: clip i is the frames [start, end) of `shards[shard]`, float16
    [frames, mel_bins], and speech is in its frames [first, last), with `places[i]` being (shard, start, end, first, last)."""

    shards: Sequence[np.ndarray]
    places: Sequence[tuple[int, int, int, int, int]]

    def frames(self, index: int) -> np.ndarray:
        """Return the log-mel of clip `index` as it lies on disk, float16 [frames, mel_bins]."""
        shard, start, end, *_ = self.places[index]
        return self.shards[shard][start:end]

    def clip(self, index: int) -> np.ndarray:
        """Return the log-mel of clip `index`, float32 [frames, mel_bins]."""
        return np.asarray(self.frames(index), np.float32)

    def speech(self, index: int) -> tuple[int, int]:
        """Return the first frame of speech in clip `index` and the one after the last, as the clip itself has it: a room's
        tail is no speech."""
        return self.places[index][3:]


def extract(paths: Sequence[str], spec: FrontendSpec, cache: Path, under: Sequence[Condition | None] = ()) -> Features:
    """Return the features of the clips at `paths`, in order, each as it is heard `under` its condition, or as it is.

    Shards that `cache` has, of the same clips, conditions and spec, are not computed again; each is written as soon as it
    is done, so that an interrupted run goes on. The conditions can have no noise that is made of recordings.
    """
    cache.mkdir(parents=True, exist_ok=True)
    jobs = list(zip(paths, under or [None] * len(paths), strict=True))
    shards = list(_shards(paths))
    files = [_files(cache, spec, [jobs[index] for index in shard]) for shard in shards]
    # The places are written last: where they are, the frames are whole.
    missing = [number for number, (_, places) in enumerate(files) if not places.is_file()]
    if missing:
        total = sum(len(shards[number]) for number in missing)
        with (
            ProcessPoolExecutor(os.cpu_count()) as pool,
            tqdm(total=total, desc="features", unit="clip", file=sys.stderr) as bar,
        ):
            for number in missing:
                clips: list[_Clip] = []
                shard = [jobs[index] for index in shards[number]]
                for clip in pool.map(partial(_clip, spec=spec), shard, chunksize=32):
                    clips.append(clip)
                    bar.update()
                _write(*files[number], clips)
    found: list[tuple[int, int, int, int, int]] = [(0, 0, 0, 0, 0)] * len(paths)
    for number, (shard, (_, places)) in enumerate(zip(shards, files, strict=True)):
        for index, place in zip(shard, np.load(places).tolist(), strict=True):
            found[index] = (number, *place)
    return Features([np.load(mel, mmap_mode="r") for mel, _ in files], found)


def _shards(paths: Sequence[str]) -> Iterator[list[int]]:
    """Yield which of the paths are in each shard: a corpus that joins leaves those of the others as they are."""
    folders: dict[Path, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        folders[Path(path).parent].append(index)
    for members in folders.values():
        for start in range(0, len(members), SHARD_CLIPS):
            yield members[start : start + SHARD_CLIPS]


def _files(cache: Path, spec: FrontendSpec, jobs: list[_Job]) -> tuple[Path, Path]:
    told: list[Any] = [
        asdict(spec),
        [(path, condition and msgspec.structs.asdict(condition)) for path, condition in jobs],
    ]
    if any(condition for _, condition in jobs):
        told.append(TAIL_FRAMES)
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return cache / f"mel-{key}.npy", cache / f"places-{key}.npy"


def _clip(job: _Job, spec: FrontendSpec) -> _Clip:
    path, condition = job
    samples = read_audio(path, spec.sample_rate_hz)
    if len(samples) < spec.window_samples:
        raise ModelError(
            f"{path}: got {len(samples)} samples, expected {spec.window_samples} or more; take it off the manifest"
        )
    mel = log_mel(spec, samples).astype(np.float16)
    speech = speech_bounds(mel.astype(np.float32))
    if condition:
        if condition.room:  # which dies away after the clip
            samples = np.pad(samples, (0, TAIL_FRAMES * spec.hop_samples))
        heard = degrade(samples, condition, drawn_for(condition, path))
        mel = log_mel(spec, heard).astype(np.float16)
    return mel, speech


def _write(mel: Path, places: Path, clips: list[_Clip]) -> None:
    ends = np.cumsum([len(frames) for frames, _ in clips])
    rows = [(end - len(frames), end, *speech) for (frames, speech), end in zip(clips, ends, strict=True)]
    for path, array in ((mel, np.concatenate([frames for frames, _ in clips])), (places, np.array(rows))):
        with whole(path) as unfinished, unfinished.open("wb") as file:
            np.save(file, array)


def read_audio(path: str | Path, rate_hz: int) -> np.ndarray:
    """Return a clip as float32 [samples] in [-1, 1] at `rate_hz`, its channels mixed. ModelError when it can't be read."""
    try:
        samples, file_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ModelError(f"{path}: cannot be read as audio ({error}); expected WAV, FLAC or OGG") from error
    mono = samples.mean(axis=1)
    return mono if file_rate_hz == rate_hz else soxr.resample(mono, file_rate_hz, rate_hz).astype(np.float32)


def speech_bounds(mel: np.ndarray) -> tuple[int, int]:
    """Return the first frame of speech and the one after the last, for a clean clip's log-mel [frames, mel_bins]."""
    level = mel.max(axis=1)
    loud = np.flatnonzero(level > level.max() - SPEECH_BELOW_PEAK)
    return int(loud[0]), int(loud[-1]) + 1
