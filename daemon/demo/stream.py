"""Clips -> one continuous recording of a quiet room in which they are spoken one after the other."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.demo.clips import Clip
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

QUIET_SAMPLES = 51_200  # 3.2 s: over gate.hold_ms, so that no utterance reaches into the next clip
ROOM_LEVEL = 10.0  # rms of int16: about -70 dBFS


@dataclass(frozen=True)
class Span:
    """Where a clip lies in the recording, in samples."""

    clip: Clip
    start: int
    stop: int


def concatenate(clips: Sequence[Clip]) -> tuple[NDArray[np.int16], list[Span]]:
    """Return the recording, int16 at 16 kHz, and where each clip lies in it. The same for the same clips."""
    random = np.random.default_rng(1)
    pieces: list[NDArray[np.int16]] = [_room(random, QUIET_SAMPLES)]
    spans: list[Span] = []
    position = QUIET_SAMPLES
    for clip in clips:
        pcm = read_whole(Path(clip.path))
        spans.append(Span(clip, position, position + len(pcm)))
        pieces += [pcm, _room(random, QUIET_SAMPLES)]
        position += len(pcm) + QUIET_SAMPLES
    return np.concatenate(pieces), spans


def write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    """Write int16 samples as a 16 kHz mono WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())


def _room(random: np.random.Generator, samples: int) -> NDArray[np.int16]:
    return np.rint(random.normal(0, ROOM_LEVEL, samples)).astype(np.int16)
