"""What a stream of raw samples is made of, and how it becomes mono."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inherentd.bridges.errors import BridgeError

WIDTHS_BYTES = (1, 2, 3, 4)
MOST_CHANNELS = 32


@dataclass(frozen=True)
class PcmFormat:
    """Interleaved little-endian integers; 8-bit samples are unsigned, as everywhere."""

    rate_hz: int
    channels: int = 1
    width_bytes: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be decoded; what rates can be had, the resampler says."""
        if self.width_bytes not in WIDTHS_BYTES:
            raise BridgeError(f"sample width: got {self.width_bytes} bytes, expected 1, 2, 3 or 4")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise BridgeError(f"channels: got {self.channels}, expected 1 to {MOST_CHANNELS}")

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one moment: a sample of each channel."""
        return self.channels * self.width_bytes

    def mono(self, pcm: bytes) -> NDArray[Any]:
        """Return the mean of the channels, [frames]: mono 16-bit as int16 untouched, the rest as float32 in [-1, 1].

        Raises BridgeError for bytes that are no whole number of frames.
        """
        if len(pcm) % self.frame_bytes:
            raise BridgeError(f"audio: got {len(pcm)} bytes, expected whole frames of {self.frame_bytes} bytes")
        if self.width_bytes == 2 and self.channels == 1:
            return np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        return self._floats(pcm).reshape(-1, self.channels).mean(axis=1, dtype=np.float32)

    def _floats(self, pcm: bytes) -> NDArray[np.float32]:
        if self.width_bytes == 1:
            return (np.frombuffer(pcm, np.uint8).astype(np.float32) - 128) / np.float32(128)
        if self.width_bytes == 3:  # as the upper bytes of 32 bits
            wide = np.zeros((len(pcm) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
            return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
        integers = np.frombuffer(pcm, f"<i{self.width_bytes}")
        return integers.astype(np.float32) / np.float32(2 ** (8 * self.width_bytes - 1))
