"""What engines are measured on: an hour of a home, and its parts by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.field import RATE_HZ

from inherentd.daemon.sources.decoding import read_whole
from inherentd.inherent_model.noises import noise

QUIET_DBFS = -72.0
"""a quiet room: below the -65 dBFS under which the daemon sleeps"""
HUM_DBFS = -52.0
"""a refrigerator or a fan nearby: above it"""
HUM_HZ = (50, 100, 150, 200)
TALK_SHARE = 0.15
"""of the hour, in conversations of CONVERSATION_SECONDS"""
CONVERSATION_SECONDS = 90
REQUESTS_AN_HOUR = 60


def quiet(seconds: float, rng: np.random.Generator, recording: np.ndarray | None = None) -> np.ndarray:
    """Return a quiet room, float32 [samples]: pink noise, or a recording going round, at `QUIET_DBFS`."""
    return _room(seconds, rng, recording) * _gain(QUIET_DBFS)


def humming(seconds: float, rng: np.random.Generator, recording: np.ndarray | None = None) -> np.ndarray:
    """Return a room with a motor in it: the mains' hum and its overtones over the room's noise, at `HUM_DBFS`."""
    count = round(seconds * RATE_HZ)
    at = np.arange(count) / RATE_HZ
    hum = np.zeros(count)
    for order, hertz in enumerate(HUM_HZ, 1):
        hum += np.sin(2 * np.pi * hertz * at + order) / order
    mixed = hum / np.sqrt(np.mean(np.square(hum))) + _room(seconds, rng, recording)
    return (mixed / np.sqrt(2) * _gain(HUM_DBFS)).astype(np.float32)


def recorded(seconds: float, paths: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    """Return recordings one after another in a random order, each at `HUM_DBFS`. ValueError where all are digital silence."""
    wanted = round(seconds * RATE_HZ)
    pieces: list[np.ndarray] = []
    have = 0
    while have < wanted:
        for index in rng.permutation(len(paths)):
            clip = clip_of(paths[index])
            if have < wanted and clip.any():
                pieces.append(noise("recorded", len(clip), rng, [clip]))
                have += len(clip)
        if not have:
            raise ValueError(f"--noise: got {len(paths)} recordings without any sound in them, expected noises")
    return np.concatenate(pieces)[:wanted] * _gain(HUM_DBFS)


def talking(seconds: float, clips: Sequence[Path], rng: np.random.Generator,
            recording: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """Return people talking to each other: clips in a random order, 0.3 to 1.5 s apart in a quiet room."""
    wanted = round(seconds * RATE_HZ)
    pieces: list[np.ndarray] = []
    have = 0
    while have < wanted:
        for index in rng.permutation(len(clips)):
            pieces += [clip_of(clips[index]), np.zeros(round(rng.uniform(0.3, 1.5) * RATE_HZ), np.float32)]
            have += len(pieces[-2]) + len(pieces[-1])
            if have >= wanted:
                break
    return np.concatenate(pieces)[:wanted] + quiet(seconds, rng, recording)[:wanted]


def hour(seconds: float, requests: Sequence[Path], talk: Sequence[Path], rng: np.random.Generator,
         recording: np.ndarray | None = None) -> tuple[np.ndarray, int, int]:  # fmt: skip
    """Return the stream, how many requests are in it, and how many of these in the middle of talk: a room, quiet in its first half and humming in its second, in it
    conversations and, one a minute and at least one, requests. Shorter than an hour it has as much less of each."""
    half = seconds / 2
    stream = np.concatenate([quiet(half, rng, recording), humming(half, rng, recording)])
    conversations = max(1, round(seconds * TALK_SHARE / CONVERSATION_SECONDS))
    each = min(CONVERSATION_SECONDS, seconds * TALK_SHARE / conversations)
    talks = [(index + 0.25) / conversations for index in range(conversations)]
    for place in talks:
        _lay(stream, talking(each, talk, rng, recording), place)
    count = max(1, round(seconds * REQUESTS_AN_HOUR / 3600))
    places = [(index + 0.6) / count for index in range(count)]
    for index, place in enumerate(places):
        _lay(stream, clip_of(requests[index % len(requests)]), place)
    in_talk = sum(any(start <= place < start + each / seconds for start in talks) for place in places)
    return np.clip(stream, -1, 1), count, in_talk


def pcm(samples: np.ndarray) -> np.ndarray:
    """Return float samples as int16; what is beyond [-1, 1] is clipped."""
    return np.rint(np.clip(samples, -1, 32767 / 32768) * 32768).astype(np.int16)


def clip_of(path: Path) -> np.ndarray:
    """Return a clip, float32 [samples] at 16 kHz."""
    return read_whole(path).astype(np.float32) / 32768


def recorded_room(paths: Sequence[Path]) -> np.ndarray | None:
    """Return recordings one after another, or None where none are given."""
    return np.concatenate([clip_of(path) for path in paths]) if paths else None


def _room(seconds: float, rng: np.random.Generator, recording: np.ndarray | None) -> np.ndarray:
    sounds = [] if recording is None else [recording]
    return noise("recorded" if sounds else "pink", round(seconds * RATE_HZ), rng, sounds)


def _gain(dbfs: float) -> np.float32:
    return np.float32(10 ** (dbfs / 20))


def _lay(stream: np.ndarray, clip: np.ndarray, place: float) -> None:
    start = round(place * len(stream))
    fitting = clip[: len(stream) - start]
    stream[start : start + len(fitting)] += fitting
