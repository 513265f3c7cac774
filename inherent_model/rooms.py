"""Random rooms: impulse responses from a talker to a microphone, made by the image source method."""

from __future__ import annotations

import functools
import math

import numpy as np
import pyroomacoustics  # pyright: ignore[reportMissingTypeStubs] - it ships none

Range = tuple[float, float]

ROOMS = 32
"""different rooms of each kind: a response costs a fifth of a second, so that clips share them"""
SMALLEST_M = (2.6, 2.4, 2.3)
LARGEST_M = (8.0, 6.0, 3.2)
FROM_WALL_M = 0.4
MOST_REFLECTIONS = 40
"""image sources up to this order; what comes later is under -60 dB in all but the largest rooms at the longest RT60"""


@functools.lru_cache(maxsize=256)
def impulse_response(distance_m: Range, rt60_s: Range, index: int, rate_hz: int = 16_000) -> np.ndarray:
    """Return room `index` of a kind, float32 [taps], beginning 2.5 ms (half the interpolating filter) before the direct
    sound, whatever the distance.

    distance_m: from mouth to microphone; rt60_s: time in which the sound decays by 60 dB; both drawn in these ranges,
    with a random shoebox and random places. The same arguments give the same room.
    """
    rng = np.random.default_rng([index, *(round(1000 * bound) for bound in (*distance_m, *rt60_s))])
    size, source, microphone = _places(distance_m, rng)
    rt60 = rng.uniform(*rt60_s)
    absorption, reflections = pyroomacoustics.inverse_sabine(rt60, size)
    room = pyroomacoustics.ShoeBox(size, fs=rate_hz, materials=pyroomacoustics.Material(absorption),
                                   max_order=min(reflections, MOST_REFLECTIONS), air_absorption=True)  # fmt: skip
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    assert room.rir is not None
    start = round(float(np.linalg.norm(source - microphone)) / room.c * rate_hz)
    return np.asarray(room.rir[0][0][start : start + math.ceil(1.2 * rt60 * rate_hz)], np.float32)


def _places(distance_m: Range, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a room's size, the mouth and the microphone, all [3] in metres, not too near any wall."""
    while True:
        size = rng.uniform(SMALLEST_M, LARGEST_M)
        microphone = rng.uniform(FROM_WALL_M, size - FROM_WALL_M)
        direction = rng.normal(size=3) * (1, 1, 0.3)  # people and devices differ little in height
        source = microphone + rng.uniform(*distance_m) * direction / np.linalg.norm(direction)
        if (source > FROM_WALL_M).all() and (source < size - FROM_WALL_M).all():
            return size, source, microphone
