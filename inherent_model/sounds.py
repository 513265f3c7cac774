"""All kinds of sound that is no speech, and some that only sounds like it: for hours of endurance, and to learn silence from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from inherentd.inherent_model.degrade import gain_to
from inherentd.inherent_model.noises import RATE_HZ, SLOPES, noise, talk

PIECE_SAMPLES = 10 * RATE_HZ
RINGING_SAMPLES = 2 * RATE_HZ  # of a plucked string, 52 dB weaker then
LEVELS_DBFS = (-70.0, 0.0)
KINDS = (*SLOPES, "tone", "chirp", "hum", "music", "talk", "clips", "silence", "clicks", "overload", "offset")


def pieces_of_sound(rng: np.random.Generator, clips: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield kind after kind of sound for ever, 10 s each at a random level, float32 in [-1, 1]."""
    while True:
        for kind in KINDS:
            made = _sound(kind, rng, clips) * gain_to(rng.uniform(*LEVELS_DBFS))
            if kind == "overload":
                made *= gain_to(40)
            if kind == "offset":
                made += rng.uniform(-0.5, 0.5)
            yield kind, np.clip(made, -1, 1).astype(np.float32)


def _sound(kind: str, rng: np.random.Generator, clips: Sequence[np.ndarray]) -> np.ndarray:
    """Return `PIECE_SAMPLES` of a kind of sound, its peak about 1."""
    seconds = np.arange(PIECE_SAMPLES) / RATE_HZ
    match kind:
        case "tone":
            return np.sin(2 * np.pi * rng.uniform(50, 7900) * seconds)
        case "chirp":
            low, high = np.sort(rng.uniform(30, 7900, 2))
            return np.sin(2 * np.pi * (low * seconds + (high - low) * seconds**2 / 20))
        case "hum":
            mains_hz = rng.choice([50, 60])
            loudness = rng.random(12) / np.arange(1, 13)
            return np.sin(2 * np.pi * mains_hz * np.outer(seconds, np.arange(1, 13))) @ loudness / loudness.sum()
        case "music":
            return _music(seconds, rng)
        case "silence":
            return np.zeros(PIECE_SAMPLES)
        case "clicks":
            return (rng.random(PIECE_SAMPLES) < 20 / RATE_HZ).astype(np.float64)
        case "clips" if clips:
            chosen = rng.permutation(len(clips))[:8]
            return np.resize(np.concatenate([clips[index] for index in chosen]), PIECE_SAMPLES)
        case "talk" | "clips" | "overload" | "offset":
            return talk(PIECE_SAMPLES, rng)
        case _:
            return noise(kind, PIECE_SAMPLES, rng) / 4


def _music(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return chords of plucked strings, two to five a second, on the notes of a scale."""
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    beat_s, root_hz = rng.uniform(0.2, 0.5), rng.uniform(80, 200)
    made = np.zeros(len(seconds))
    for start_s in np.arange(0, seconds[-1], beat_s):
        start = int(np.ceil(start_s * RATE_HZ))
        rings = slice(start, start + RINGING_SAMPLES)
        since = seconds[rings] - start_s
        ringing = np.exp(-3 * since)
        for note in rng.choice(scale, 3, replace=False) + 12 * rng.integers(0, 3):
            hz = root_hz * 2 ** (note / 12)
            made[rings] += sum(
                ringing * np.sin(2 * np.pi * hz * harmonic * since) / harmonic for harmonic in range(1, 5)
            )
    return made / max(float(np.abs(made).max()), 1e-9)
