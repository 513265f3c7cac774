"""The frontend: the same frames in any chunking, no look into the future, filters that hold something."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inherentd.pipeline import frontend
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec, log_mel

SPEC = FrontendSpec()


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 0.1, samples)).astype(np.float32)


@given(st.lists(st.integers(0, 700), max_size=12), st.integers(0, 5000))
def test_any_split_gives_the_same_frames(cuts: list[int], total: int) -> None:
    samples = noise(total)
    state, frames, position = frontend.initial_state(SPEC), [], 0
    for size in [*cuts, total]:
        state, new = frontend.step(SPEC, state, samples[position : position + size])
        frames.append(new)
        position += size
    assert np.array_equal(np.concatenate(frames), log_mel(SPEC, samples))


def test_sample_by_sample_gives_the_same_frames() -> None:
    samples = noise(1500)
    state, frames = frontend.initial_state(SPEC), []
    for index in range(len(samples)):
        state, new = frontend.step(SPEC, state, samples[index : index + 1])
        assert len(state.tail) < SPEC.window_samples
        frames.append(new)
    assert np.array_equal(np.concatenate(frames), log_mel(SPEC, samples))


def test_a_frame_depends_on_its_own_samples_only() -> None:
    samples = noise(4000)
    changed = samples.copy()
    changed[2000:] = noise(2000, seed=9)
    untouched = SPEC.frame_count(2000)
    assert np.array_equal(log_mel(SPEC, samples)[:untouched], log_mel(SPEC, changed)[:untouched])
    assert not np.array_equal(log_mel(SPEC, samples), log_mel(SPEC, changed))


def test_a_tone_peaks_in_the_filter_around_it() -> None:
    for hz in (100, 440, 1000, 4000, 7500):
        tone = np.sin(2 * np.pi * hz * np.arange(2048) / 16000).astype(np.float32)
        bank = frontend.mel_filters(SPEC)
        expected = bank[round(hz / 16000 * SPEC.fft_size)].argmax()
        assert abs(int(log_mel(SPEC, tone)[0].argmax()) - int(expected)) <= 1


def test_silence_is_the_floor() -> None:
    assert np.allclose(log_mel(SPEC, np.zeros(1000, np.float32)), np.log(SPEC.log_floor))


def test_every_filter_holds_a_bin_and_a_short_fft_is_refused() -> None:
    assert (frontend.mel_filters(SPEC).max(axis=0) > 0).all()
    with pytest.raises(PipelineError, match="fft_size"):
        frontend.mel_filters(dataclasses.replace(SPEC, fft_size=512))


@pytest.mark.parametrize("samples", [np.zeros(10), np.zeros((2, 600), np.float32), np.zeros(600, np.int16)])
def test_other_types_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(PipelineError, match="expected float32"):
        log_mel(SPEC, samples)
