"""16 kHz samples -> log-mel frames, the same frames however the samples arrive.

Every number that shapes a frame stands in `FrontendSpec`; its values travel in each artifact's metadata, and an
artifact with other values is refused. No statistic goes over more than one frame, so a frame depends on its own
`window_samples` samples only.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.errors import PipelineError

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]


@dataclass(frozen=True)
class FrontendSpec:
    """The mel frontend in numbers."""

    sample_rate_hz: int = 16_000
    window_samples: int = 512  # 32 ms, periodic Hann
    hop_samples: int = 320  # 20 ms
    fft_size: int = 1024  # zero-padded: with 512 points some of the lowest filters would hold no bin at all
    mel_bins: int = 128
    mel_scale: str = "htk"  # mel = 2595 log10(1 + f / 700) (Young et al., The HTK Book)
    low_hz: float = 20.0
    high_hz: float = 8_000.0
    log_floor: float = 1e-6  # of the power; about -85 dBFS of white noise, below any microphone's own noise

    def frame_count(self, samples: int) -> int:
        """Return how many whole frames `samples` samples hold."""
        return max(0, (samples - self.window_samples) // self.hop_samples + 1)

    def span_samples(self, frames: int) -> int:
        """Return how many samples `frames` frames in a row cover, 1 or more of them."""
        return (frames - 1) * self.hop_samples + self.window_samples


@dataclass(frozen=True)
class FrontendState:
    """The samples that later frames still need: at most `window_samples - 1`."""

    tail: Samples


def initial_state(spec: FrontendSpec) -> FrontendState:
    """Return the state before the first sample."""
    del spec
    return FrontendState(np.zeros(0, np.float32))


def step(spec: FrontendSpec, state: FrontendState, samples: Samples) -> tuple[FrontendState, Frames]:
    """Return the next state and the frames that `samples` complete, shape [frames, mel_bins].

    `samples`: float32 in [-1, 1], any length, also 0. Any split of a stream gives the same frames, bit for bit.
    """
    pending = np.concatenate([state.tail, samples])
    frames = log_mel(spec, pending)
    return FrontendState(pending[len(frames) * spec.hop_samples :]), frames


def log_mel(spec: FrontendSpec, samples: Samples) -> Frames:
    """Return the natural log of the mel power spectrum of every whole frame, float32 [frames, mel_bins].

    `samples`: float32 [samples] in [-1, 1]. Frame k covers samples [k * hop, k * hop + window). Each frame is worked
    out on its own: its values do not depend on how many others come along.
    """
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise PipelineError(f"samples: got {samples.dtype} {samples.shape}, expected float32 [samples] in [-1, 1]")
    count = spec.frame_count(len(samples))
    if count == 0:
        return np.zeros((0, spec.mel_bins), np.float32)
    samples = np.ascontiguousarray(samples)
    # A strided view made by hand: sliding_window_view costs more than the transform when a chunk is two frames.
    strides = (spec.hop_samples * samples.itemsize, samples.itemsize)
    framed = np.ndarray((count, spec.window_samples), np.float32, samples, strides=strides)
    spectrum = np.fft.rfft(framed * hann(spec.window_samples), spec.fft_size)
    power = spectrum.real**2 + spectrum.imag**2
    # One [1, bins] x [bins, mels] product per frame: a single large product would sum in another order.
    mel = np.matmul(power[:, None, :], mel_filters(spec))[:, 0, :]
    return np.log(np.maximum(mel, spec.log_floor), dtype=np.float32)


@functools.cache
def hann(window_samples: int) -> Samples:
    """Return the periodic Hann window, float32 [window_samples]."""
    phase = 2 * np.pi * np.arange(window_samples) / window_samples
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@functools.cache
def mel_filters(spec: FrontendSpec) -> Samples:
    """Return the triangular filters, float32 [fft_size // 2 + 1, mel_bins], each with a peak of 1 on its centre.

    Edges are equally spaced on the HTK mel scale from `low_hz` to `high_hz`. Raises PipelineError for an unknown
    scale or when a filter would be empty (the FFT is then too short for so many filters).
    """
    if spec.mel_scale != "htk":
        raise PipelineError(f"mel_scale {spec.mel_scale!r} is unknown; this version knows 'htk'")
    low_mel, high_mel = (2595 * math.log10(1 + hz / 700) for hz in (spec.low_hz, spec.high_hz))
    mels: NDArray[np.float64] = np.linspace(low_mel, high_mel, spec.mel_bins + 2, dtype=np.float64)
    edges_hz: NDArray[np.float64] = 700 * (np.power(10.0, mels / 2595) - 1)
    bins_hz = np.arange(spec.fft_size // 2 + 1)[:, None] * spec.sample_rate_hz / spec.fft_size
    rising = (bins_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    falling = (edges_hz[2:] - bins_hz) / np.diff(edges_hz)[1:]
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = np.flatnonzero(filters.max(axis=0) <= 0)
    if empty.size:
        raise PipelineError(f"mel filters {empty.tolist()} hold no FFT bin: use an fft_size over {spec.fft_size}")
    return filters.astype(np.float32)
