"""What is laid under speech and what a room adds, in mel power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from inherentd.inherent_model.augment import AugmentConfig, Augmenter, at_places, tempo_places
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.noises import noise
from inherentd.pipeline.frontend import FrontendSpec, log_mel

FRAMES = 400
PLAIN: dict[str, Any] = {
    "warp": (1.0, 1.0), "gain_db": (0.0, 0.0), "noise_probability": 0.0, "room_probability": 0.0, "tilt_db": 0.0,
    "band_limit_probability": 0.0, "frequency_masks": 0, "time_masks": 0,
}  # fmt: skip


def power_of(
    mel: np.ndarray, voices: Sequence[np.ndarray] = (), noises: Sequence[np.ndarray] = (), **changes: Any
) -> np.ndarray:
    """Return the mel power [frames, bins] of a clip, all of it speech, as augmented."""
    augmenter = Augmenter(AugmentConfig(**{**PLAIN, **changes}), FrontendSpec(), list(noises), voices)
    speech = torch.ones(1, len(mel), dtype=torch.bool)
    return np.exp(augmenter(torch.from_numpy(mel)[None], speech, np.random.default_rng(3))[0].numpy())


def test_what_nothing_is_done_to_stays_as_it_is() -> None:
    mel = np.random.default_rng(0).normal(-4, 1, (FRAMES, 128)).astype(np.float32)
    assert np.allclose(power_of(mel), np.exp(mel), rtol=1e-4)


def test_steady_noise_is_as_rough_as_a_microphone_hears_it() -> None:
    """Variance over squared mean of each bin; with no steady share, the recording that was given is heard."""
    clean = np.full((2000, 128), -6, np.float32)
    recording = np.zeros((10, 128), np.float32)
    asked = {"noise_probability": 1.0, "snr_db": (0.0, 0.0), "noises": [recording]}
    recorded, made = (power_of(clean, steady_share=share, **asked) - np.exp(clean) for share in (0.0, 1.0))
    assert np.allclose(recorded, np.exp(clean), rtol=1e-3)
    heard = np.exp(log_mel(FrontendSpec(), noise("pink", 2000 * 320, np.random.default_rng(1)) * np.float32(0.1)))
    of_made, of_heard = (power.var(0) / power.mean(0) ** 2 for power in (made, heard))
    assert of_heard[0] > 2 * of_heard[-1]
    for bins in np.split(np.arange(128), 4):
        assert of_made[bins].mean() == pytest.approx(of_heard[bins].mean(), rel=0.15)


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_babble_is_several_voices_at_the_level_asked_for(snr_db: float) -> None:
    """Each voice sounds in a band of its own, at a level of its own; in babble they are equally loud."""
    voices = []
    for index, level in enumerate((-2.0, -5.0, -9.0, -3.0)):
        voice = np.full((50 + 7 * index, 128), -30, np.float16)
        voice[:, 32 * index : 32 * index + 32] = level
        voices.append(voice)
    clean = np.full((FRAMES, 128), -6, np.float32)
    asked = {"noise_probability": 1.0, "babble_share": 1.0, "talkers": (2, 2), "snr_db": (snr_db, snr_db)}
    noise = power_of(clean, voices, **asked) - np.exp(clean)
    assert 10 * np.log10(np.exp(clean).mean() / noise.mean()) == pytest.approx(snr_db, abs=0.1)
    bands = noise.reshape(FRAMES, 4, 32).mean((0, 2))
    loud = bands[bands > 0.01 * bands.max()]
    assert len(loud) in (1, 2)  # the same voice may be drawn twice
    assert loud.min() == pytest.approx(loud.max(), rel=0.05)


def test_babble_of_nobody_is_refused() -> None:
    with pytest.raises(ModelError, match="babble_share: got 0.5 without clips of speech"):
        power_of(np.zeros((FRAMES, 128), np.float32), babble_share=0.5)


def test_a_live_room_is_louder_than_the_voice_in_it() -> None:
    click = np.full((FRAMES, 128), -20, np.float32)
    click[10] = 0.0
    rooms = {"room_probability": 1.0, "reverberation_s": (0.4, 0.4)}
    dry, live = (
        power_of(click, **rooms, reverberation_share=(share, share))[:, 0] - np.exp(-20.0) for share in (0.1, 1.5)
    )
    for heard, share in ((dry, 0.1), (live, 1.5)):
        late = heard[11:].sum() / heard[10]
        assert late == pytest.approx(share / (1 - 0.5 * share), rel=0.35)
        assert heard[40] < heard[20] < heard[10]
    assert heard[:10].max() < 1e-6


@pytest.mark.parametrize("tempo", [0.5, 0.8, 1.0, 1.25, 2.0])
def test_a_clip_at_another_tempo_keeps_its_bins_and_its_order(tempo: float) -> None:
    mel = np.full((FRAMES, 128), -9, np.float16)
    mel[:, 40] = 0.0
    mel[:, 7] = np.linspace(-8, -1, FRAMES)
    heard = at_places(mel, tempo_places(FRAMES, tempo, 0.0, np.random.default_rng(0)))
    assert heard.dtype == np.float32
    assert heard.shape == (round(FRAMES / tempo), 128)
    assert np.allclose(heard[:, 40], 0)
    assert np.allclose(heard[:, 41], -9)
    assert np.allclose(heard[:, 7], np.linspace(-8, -1, len(heard)), atol=0.01)


def test_the_shortest_clips_have_a_tempo_too() -> None:
    rng = np.random.default_rng(0)
    for frames, tempo in ((1, 2.0), (2, 4.0), (3, 1.0), (1, 0.25), (2, 0.25)):
        clip = np.repeat(np.arange(frames, dtype=np.float16)[:, None], 128, 1)
        heard = at_places(clip, tempo_places(frames, tempo, 0.2, rng))
        assert heard.shape == (max(1, round(frames / tempo)), 128)
        assert heard[0, 0] == 0
        assert len(heard) == 1 or heard[-1, 0] == frames - 1
        assert (np.diff(heard[:, 0]) >= 0).all()


def test_an_uneven_tempo_changes_within_the_clip_and_not_its_length() -> None:
    for seed in range(20):
        places = tempo_places(FRAMES, 0.8, 0.15, np.random.default_rng(seed))
        tempos = np.log(np.diff(places))
        assert (len(places), places[0], places[-1]) == (500, 0, FRAMES - 1)
        assert 0.05 < tempos.std() < 0.3
        assert np.abs(np.diff(tempos)).max() < 0.05  # nobody speaks twice as fast from one frame to the next


def test_an_even_tempo_draws_nothing() -> None:
    """Recipes of before there were uneven ones keep their batches."""
    rng = np.random.default_rng(0)
    assert np.array_equal(tempo_places(FRAMES, 1.1, 0.0, rng), np.linspace(0, FRAMES - 1, 364))
    assert rng.random() == np.random.default_rng(0).random()


def test_a_tempo_that_nobody_speaks_at_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tempo: got \[0, 1\], expected factors of 0.25 to 4"):
        AugmentConfig(tempo=(0, 1))


@pytest.mark.parametrize("uneven", [-0.1, 0.6, float("nan")])
def test_changes_of_tempo_that_nobody_makes_are_refused(uneven: float) -> None:
    with pytest.raises(ValueError, match=r"uneven_tempo: got .*, expected 0 to 0.5; 0.15 is usual"):
        AugmentConfig(uneven_tempo=uneven)


def heights() -> np.ndarray:
    """A clip whose bins are of different loudness."""
    return np.linspace(-3, -8, 128, dtype=np.float32)[None].repeat(FRAMES, 0)


def test_other_vocal_tracts_move_what_is_bright_to_other_frequencies() -> None:
    """A formant at 1 kHz is heard at 0.8 and at 1.25 kHz."""
    mels = np.linspace(*(2595 * np.log10(1 + hz / 700) for hz in (FrontendSpec().low_hz, FrontendSpec().high_hz)), 130)
    hz = 700 * (10 ** (mels[1:-1] / 2595) - 1)
    formant = (-0.5 * ((hz - 1000) / 120) ** 2).clip(-15).astype(np.float32)[None].repeat(FRAMES, 0)
    for factor in (0.8, 1.25):
        assert hz[power_of(formant, warp=(factor, factor))[0].argmax()] == pytest.approx(1000 * factor, rel=0.04)


@pytest.mark.parametrize("gain_db", [-20.0, 4.0])
def test_a_gain_is_one_of_power(gain_db: float) -> None:
    assert np.allclose(
        power_of(heights(), gain_db=(gain_db, gain_db)), np.exp(heights()) * 10 ** (gain_db / 10), rtol=1e-3
    )


def test_microphones_differ_by_a_smooth_curve() -> None:
    curve_db = 10 * np.log10(power_of(heights(), tilt_db=6.0) / np.exp(heights()))
    assert np.allclose(curve_db, curve_db[0], atol=1e-3)
    assert 3 < np.ptp(curve_db[0]) < 40
    assert np.abs(np.diff(curve_db[0])).max() < 2


def test_band_limits_leave_nothing_above_a_frequency_in_their_range() -> None:
    limited = power_of(heights(), band_limit_probability=1.0, band_limit_hz=(3400.0, 7500.0))
    cutoff = int(np.argmax(limited[0] < 1e-5))
    top = 2595 * np.log10(1 + FrontendSpec().high_hz / 700)
    assert 3300 < 700 * (10 ** (cutoff / 128 * top / 2595) - 1) < 7600
    assert np.allclose(limited[:, :cutoff], np.exp(heights())[:, :cutoff], rtol=1e-3)
    assert np.allclose(limited[:, cutoff:], FrontendSpec().log_floor, rtol=1e-3)


def test_masks_are_the_mean_of_the_clip_over_bands_and_moments() -> None:
    for changes, axis in (({"frequency_masks": 1}, 0), ({"time_masks": 1}, 1)):
        changed = ~np.isclose(np.log(power_of(heights(), **changes)), heights(), atol=1e-3)
        masked = np.flatnonzero(changed.mean(axis) > 0.9)
        assert 1 <= len(masked) <= (18, 12)[axis]
        assert np.array_equal(masked, np.arange(masked[0], masked[-1] + 1))
        value = np.log(power_of(heights(), **changes)).take(masked, 1 - axis)
        assert np.allclose(value, heights().mean(), atol=1e-3)
