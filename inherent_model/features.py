"""Log-mel features of all clips, computed once and kept as one memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from inherentd.inherent_model.errors import ModelError
from inherentd.pipeline.frontend import FrontendSpec, log_mel

SPEECH_BELOW_PEAK = 35 * np.log(10) / 10
"""a frame counts as speech when its loudest mel bin is within 35 dB of the clip's loudest"""


@dataclass(frozen=True)
class Features:
    """Frames of many clips in one array: clip i is `mel[offsets[i]:offsets[i + 1]]`, float16 [frames, mel_bins]."""

    mel: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clip(self, index: int) -> np.ndarray:
        """Return the log-mel of clip `index`, float32 [frames, mel_bins]."""
        return np.asarray(self.mel[self.offsets[index] : self.offsets[index + 1]], np.float32)


def extract(paths: Sequence[str], spec: FrontendSpec, cache: Path) -> Features:
    """Return the features of the clips at `paths`, in order, from `cache` when they are the same clips and spec."""
    key = hashlib.sha256(json.dumps([asdict(spec), list(paths)]).encode()).hexdigest()[:16]
    mel_path, offsets_path = cache / f"mel-{key}.npy", cache / f"offsets-{key}.npy"
    if not offsets_path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _write(paths, spec, mel_path, offsets_path)
    return Features(np.load(mel_path, mmap_mode="r"), np.load(offsets_path))


def _write(paths: Sequence[str], spec: FrontendSpec, mel_path: Path, offsets_path: Path) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(_mel_of_file, paths, [spec] * len(paths), chunksize=32)
        clips = list(tqdm(jobs, total=len(paths), desc="features", unit="clip", file=sys.stderr))
    offsets = np.cumsum([0, *(len(clip) for clip in clips)])
    mel = np.lib.format.open_memmap(mel_path, "w+", np.float16, (int(offsets[-1]), spec.mel_bins))
    for clip, start in zip(clips, offsets, strict=False):
        mel[start : start + len(clip)] = clip
    mel.flush()
    np.save(offsets_path, offsets)


def _mel_of_file(path: str, spec: FrontendSpec) -> np.ndarray:
    return log_mel(spec, read_audio(path, spec.sample_rate_hz)).astype(np.float16)


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
