"""A recording as a microphone gives it: each block when its last sample has sounded."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

RATE_HZ = 16_000


def play(stream: np.ndarray, send: Callable[[bytes], object], block_ms: int) -> float:
    """Give int16 samples to `send` in real time, s16le; return the monotonic time at which sample 0 sounded.

    Sample k has sounded at that time + k / RATE_HZ. Who sends too slowly is given the next block at once.
    """
    block = block_ms * RATE_HZ // 1000
    started = time.monotonic()
    for place in range(0, len(stream), block):
        piece = stream[place : place + block]
        wait = started + (place + len(piece)) / RATE_HZ - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        send(piece.astype("<i2").tobytes())
    return started
