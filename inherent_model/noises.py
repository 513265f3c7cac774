"""Noises to mix under speech: coloured noise, several people at once, recordings. And a stand-in for speech itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inherentd.inherent_model.errors import ModelError

SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""the amplitude falls with frequency to this power"""
KINDS = (*SLOPES, "babble", "recorded")
TALKERS = 5
LOWEST_HZ = 40.0
RATE_HZ = 16_000


def noise(kind: str, count: int, rng: np.random.Generator, sounds: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Return `count` samples of a noise at 16 kHz with a mean power of 1, float32 [count].

    kind: "white", "pink" or "brown"; "babble" of `TALKERS` of the clips `sounds` at once; "recorded": one of `sounds`.
    A shorter sound goes round from a random place. Raises ModelError for another kind, or when `sounds` are missing.
    """
    if kind in SLOPES:
        return _unit(_coloured(SLOPES[kind], count, rng))
    if kind not in KINDS:
        raise ModelError(f"noise {kind!r}: expected one of {', '.join(KINDS)}")
    sounds = [sound for sound in sounds if np.any(sound)]
    if not sounds:
        raise ModelError(f"noise {kind!r}: got no sounds to make it of, expected one or more; give some, or use 'pink'")
    if kind == "recorded":
        return _unit(_round(sounds[int(rng.integers(len(sounds)))], count, rng))
    talkers = rng.choice(len(sounds), TALKERS, replace=len(sounds) < TALKERS)
    mixed = np.zeros(count, np.float32)
    for talker in talkers:
        mixed += _unit(_round(sounds[int(talker)], count, rng))
    return _unit(mixed)


def talk(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return something shaped like speech: a gliding voice whose harmonics come and go four times a second."""
    seconds = np.arange(count) / RATE_HZ
    knots = np.arange(count // RATE_HZ + 2)
    glide_hz = 120 * 2 ** np.interp(seconds, knots, rng.uniform(-0.5, 1, len(knots)))
    phase = 2 * np.pi * np.cumsum(glide_hz) / RATE_HZ
    voice = np.zeros(count)
    for harmonic in range(1, 21):
        swing = np.sin(2 * np.pi * rng.uniform(2, 6) * seconds + rng.uniform(0, 2 * np.pi))
        voice += np.maximum(swing, 0) * np.sin(harmonic * phase) / harmonic
    return (voice / max(float(np.abs(voice).max()), 1e-9)).astype(np.float32)


def _coloured(slope: float, count: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.normal(size=max(count, 2)))
    hz = np.fft.rfftfreq(max(count, 2), 1 / RATE_HZ)
    return np.fft.irfft(spectrum / np.maximum(hz, LOWEST_HZ) ** slope, max(count, 2))[:count]


def _round(sound: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.resize(np.roll(sound, -int(rng.integers(len(sound)))), count)


def _unit(samples: np.ndarray) -> np.ndarray:
    return (samples / max(float(np.sqrt(np.mean(np.square(samples)))), 1e-9)).astype(np.float32)
