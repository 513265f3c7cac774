"""Resampling: streams equal one-shot, int16 at 16 kHz passes untouched, nonsense samples are counted."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.resampling import Resampler, to_int16


@settings(deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=10), st.sampled_from([8000, 22050, 44100, 48000]))
def test_a_stream_equals_one_shot(cuts: list[int], rate_hz: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.2, 9000).astype(np.float32)
    resampler, pieces, position = Resampler(rate_hz), [], 0
    for size in [*cuts, len(samples)]:
        pieces.append(resampler.push(samples[position : position + size]))
        position += size
    pieces.append(resampler.flush())
    expected = to_int16(soxr.resample(samples, rate_hz, 16000, "HQ"))[0]
    assert np.array_equal(np.concatenate(pieces), expected)


def test_16_khz_int16_passes_untouched() -> None:
    samples = np.random.default_rng(2).integers(-32768, 32767, 1000).astype(np.int16)
    resampler = Resampler(16000)
    assert np.array_equal(resampler.push(samples), samples)
    assert len(resampler.flush()) == 0


def test_bad_and_clipped_samples() -> None:
    pcm, bad = to_int16(np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 0.5], np.float32))
    assert pcm.tolist() == [0, 0, 0, 32767, -32768, 16384]
    assert bad == 3
    resampler = Resampler(48000)
    poisoned = np.zeros(4800, np.float32)
    poisoned[100] = np.nan
    assert not resampler.push(poisoned).any()
    assert resampler.bad_samples == 1


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(PipelineError, match="sample rate: got 0 Hz"):
        Resampler(0)
