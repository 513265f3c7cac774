"""Any rate and sample type -> 16 kHz int16, as a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.ring import Pcm

SAMPLE_RATE_HZ = 16_000
"""of everything that the pipeline hears, and so of every index into the stream"""
SAMPLE_TYPES = ("int16", "float32", "float64")


def to_int16(samples: NDArray[np.floating[Any]]) -> tuple[Pcm, int]:
    """Return float samples in [-1, 1] as int16, and how many were not finite (they become 0). Beyond full scale clips."""
    finite = np.isfinite(samples)
    bad = int(samples.size - np.count_nonzero(finite))
    if bad:
        samples = np.where(finite, samples, 0)
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16), bad


class Resampler:
    """A mono stream at `rate_in_hz` -> int16 at 16 kHz; equal rates pass int16 through untouched."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int = SAMPLE_RATE_HZ) -> None:
        if not 1_000 <= rate_in_hz <= 768_000:
            raise PipelineError(f"sample rate: got {rate_in_hz} Hz, expected 1000 to 768000 Hz")
        self.bad_samples = 0
        self._stream = None
        if rate_in_hz != rate_out_hz:
            import soxr  # pyright: ignore[reportMissingTypeStubs] - it ships none

            # float32: the int16 stream of soxr differs from one-shot resampling by dither.
            self._stream = soxr.ResampleStream(rate_in_hz, rate_out_hz, 1, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[Any]) -> Pcm:
        """Return the 16 kHz samples that `samples` (float in [-1, 1] or int16, [n]) complete; any n, also 0."""
        return self._run(samples, last=False)

    def flush(self) -> Pcm:
        """Return what the filter still holds at the end of the stream."""
        return self._run(np.zeros(0, np.float32), last=True)

    def _run(self, samples: NDArray[Any], *, last: bool) -> Pcm:
        if samples.ndim != 1 or samples.dtype.name not in SAMPLE_TYPES:
            raise PipelineError(f"samples: got {samples.dtype} {samples.shape}, expected int16 or float [samples]")
        if self._stream is None and samples.dtype == np.int16:
            return samples
        floats = samples.astype(np.float32) / 32768.0 if samples.dtype == np.int16 else samples.astype(np.float32)
        finite = np.isfinite(floats)
        if not finite.all():
            # One NaN would poison the filter's memory: it is taken out before.
            self.bad_samples += int(floats.size - np.count_nonzero(finite))
            floats = np.where(finite, floats, np.float32(0))
        if self._stream is not None:
            floats = np.asarray(self._stream.resample_chunk(floats, last=last))
        return to_int16(floats)[0]
