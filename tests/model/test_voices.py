"""Speakers that are made: blends of Kokoro's voices, pitch and formants by WORLD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyworld

from inherentd.inherent_model.corpus.engines import blended_style, revoiced
from inherentd.inherent_model.corpus.voices import Voice
from inherentd.inherent_model.errors import ModelError

RATE_HZ = 16_000


def test_a_blend_is_the_weighted_sum_of_its_voices_at_the_length_of_the_sentence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    styles = {name: rng.normal(size=(9, 256)).astype(np.float32) for name in ("af_sky", "bm_fable")}
    for name, style in styles.items():
        style.tofile(tmp_path / f"{name}.bin")
    blend = Voice("kokoro", "af_sky*1.30+bm_fable*-0.30", parts={"af_sky": 1.3, "bm_fable": -0.3})
    found = blended_style(blend, tmp_path, 4)
    assert np.allclose(found, 1.3 * styles["af_sky"][3] - 0.3 * styles["bm_fable"][3], atol=1e-6)
    assert np.array_equal(blended_style(Voice("kokoro", "af_sky"), tmp_path, 9), styles["af_sky"][8])
    with pytest.raises(ModelError, match=r"am_adam.bin: no such Kokoro voice; unpack"):
        blended_style(Voice("kokoro", "am_adam"), tmp_path, 1)


def vowel(pitch_hz: float, formant_hz: float) -> np.ndarray:
    """A second of a voice with one formant."""
    seconds = np.arange(RATE_HZ) / RATE_HZ
    harmonics = pitch_hz * np.arange(1, int(7000 / pitch_hz))
    loudness = np.exp(-0.5 * ((harmonics - formant_hz) / 300) ** 2) + 0.01
    return (np.sin(2 * np.pi * np.outer(seconds, harmonics)) @ loudness / loudness.sum()).astype(np.float32)


def peak_hz(spectrum: np.ndarray, hz: np.ndarray) -> float:
    return float((spectrum * hz).sum() / spectrum.sum())


@pytest.mark.parametrize(("pitch", "formant"), [(1.25, 1.0), (0.8, 1.0), (1.0, 1.2), (1.0, 0.85)])
def test_pitch_and_formants_change_apart(pitch: float, formant: float) -> None:
    before = vowel(130, 1500)
    after = revoiced(before, RATE_HZ, pitch, formant)
    assert abs(len(after) - len(before)) < 100

    def heard(samples: np.ndarray) -> tuple[float, float]:
        """Pitch, and where the formant is."""
        signal = samples[4000:12_000].astype(np.float64)
        f0, times = pyworld.harvest(signal, RATE_HZ)
        envelope = pyworld.cheaptrick(signal, f0, times, RATE_HZ).mean(0)
        hz = np.linspace(0, RATE_HZ / 2, len(envelope))
        loud = (hz > 700) & (hz < 2500)
        return float(np.median(f0[f0 > 0])), peak_hz(envelope[loud], hz[loud])

    (pitch_hz, formant_hz), (was_pitch_hz, was_formant_hz) = heard(after), heard(before)
    assert pitch_hz / was_pitch_hz == pytest.approx(pitch, rel=0.02)
    assert formant_hz / was_formant_hz == pytest.approx(formant, rel=0.05)
