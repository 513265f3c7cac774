"""demo/frontend.js and demo/resampler.js against pipeline/frontend.py and soxr: numbers made by Python here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soxr

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.frontend import FrontendSpec, log_mel

RNG = np.random.default_rng(7)
SPEC = FrontendSpec()
LOG_MEL = """
import { frontend } from "./demo/frontend.js";
const mel = frontend(given.spec)(Float32Array.from(given.samples));
console.log(JSON.stringify(Array.from(mel)));
"""
RESAMPLE = """
import { Resampler } from "./demo/resampler.js";
const resampler = new Resampler(given.rate, 16000);
const pieces = [];
for (let start = 0, size = 1; start < given.samples.length; start += size, size = (size * 7) % 4001) {
  pieces.push(...resampler.push(Float32Array.from(given.samples.slice(start, start + size))));
}
console.log(JSON.stringify(pieces));
"""


def clip() -> np.ndarray:
    return read_whole(Path(load_clips(BUNDLED)[0].path)).astype(np.float32) / np.float32(32768)


@pytest.mark.parametrize(
    "samples",
    [
        clip(),
        RNG.uniform(-1, 1, 8_000).astype(np.float32),
        RNG.normal(0, 0.003, 8_000).astype(np.float32),
        np.sin(np.arange(8_000) * 0.3).astype(np.float32),
        np.zeros(700, np.float32),
        np.zeros(511, np.float32),
    ],
    ids=["clip", "loud noise", "soft noise", "tone", "silence", "less than a frame"],
)
def test_frames_are_the_pipelines(module, samples) -> None:
    found = module(LOG_MEL, {"spec": dataclasses.asdict(SPEC), "samples": samples.tolist()})
    expected = log_mel(SPEC, samples)
    assert len(found) == expected.size
    assert np.abs(np.array(found).reshape(expected.shape) - expected).max(initial=0) <= 1e-4


def test_another_specification_is_followed(module) -> None:
    spec = FrontendSpec(
        window_samples=400, hop_samples=160, fft_size=512, mel_bins=40, low_hz=60.0, high_hz=7_000.0, log_floor=1e-5
    )
    samples = RNG.uniform(-1, 1, 4_000).astype(np.float32)
    found = module(LOG_MEL, {"spec": dataclasses.asdict(spec), "samples": samples.tolist()})
    expected = log_mel(spec, samples)
    assert np.abs(np.array(found).reshape(expected.shape) - expected).max() <= 1e-4


@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050, 8_000])
def test_resampled_speech_is_soxrs(module, rate) -> None:
    """Firefox gives the microphone's own rate: the worker resamples it, in pieces of any size."""
    given = soxr.resample(clip(), 16_000, rate).astype(np.float32)
    found = np.array(module(RESAMPLE, {"rate": rate, "samples": given.tolist()}))
    expected = soxr.resample(given, rate, 16_000)[: len(found)]
    assert len(expected) == len(found) > 0.98 * len(clip())
    hertz = np.fft.rfftfreq(len(found), 1 / 16_000)
    passed = hertz < 0.85 * min(rate, 16_000) / 2  # nearer to half the rate the filters fall off differently
    difference, energy = (np.sum(np.abs(np.fft.rfft(signal)[passed]) ** 2) for signal in (found - expected, expected))
    assert difference <= 1e-6 * energy
