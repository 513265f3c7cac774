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
    for frames, tempo in ((1, 2.0), (2, 4.0), (3, 1.0)):
        places = tempo_places(frames, tempo, 0.2, rng)
        assert at_places(np.ones((frames, 128), np.float16), places).shape == (max(1, round(frames / tempo)), 128)


def test_an_uneven_tempo_changes_within_the_clip_and_not_its_length() -> None:
    places = tempo_places(FRAMES, 0.8, 0.15, np.random.default_rng(1))
    tempos = np.diff(places)
    assert (len(places), places[0], places[-1]) == (500, 0, FRAMES - 1)
    assert tempos.min() > 0
    assert 0.05 < np.log(tempos).std() < 0.3
    assert np.abs(np.diff(np.log(tempos))).max() < 0.05  # nobody speaks twice as fast from one frame to the next


def bump(bins: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-(((bins - centre) / width) ** 2))


def voice(pitch_hz: float, formant_bin: float, spec: FrontendSpec) -> np.ndarray:
    """Return the log-mel [bins] of one formant over the harmonics of a voice, as far as bins can tell them apart."""
    top, low = (2595 * np.log10(1 + hz / 700) for hz in (spec.high_hz, spec.low_hz))
    bins = np.arange(spec.mel_bins)
    hz = 700 * (10 ** ((low + (top - low) * (bins + 1) / (spec.mel_bins + 1)) / 2595) - 1)
    harmonics = np.cos(2 * np.pi * hz / pitch_hz) * (hz < 1500)
    return 4 * bump(bins, formant_bin, 20) + harmonics


@pytest.mark.parametrize(("warp", "pitch"), [(1.0, 1.0), (1.0, 1.3), (1.12, 1.0), (0.9, 0.8)])
def test_pitch_and_formants_change_apart(warp: float, pitch: float) -> None:
    """Scaled harmonics under scaled formants, against a voice made so: closer than a voice of which either is as before."""
    spec = FrontendSpec()
    mel = np.tile(voice(220, 60, spec), (FRAMES, 1)).astype(np.float32)
    heard = np.log(power_of(mel, warp=(warp, warp), pitch=(pitch, pitch)))[0]
    # 60 of 128 bins lie at about 1.9 kHz, where a factor of 1.12 is 6 bins
    top = 2595 * np.log10(1 + spec.high_hz / 700)
    hz = 700 * (10 ** (61 / 129 * top / 2595) - 1)
    moved = 2595 * np.log10(1 + hz * warp / 700) / top * 129 - 1
    low = slice(4, 60)

    def distance(made_pitch: float, made_formant: float) -> float:
        return float(np.abs(heard - voice(made_pitch, made_formant, spec))[low].mean())

    right = distance(220 * pitch, moved)
    assert right < 0.3
    if pitch != 1:
        assert right < 0.5 * distance(220, moved)
    if warp != 1:
        assert right < 0.8 * distance(220 * pitch, 60)


@pytest.mark.parametrize(
    "wrong", [{"warp": (0.0, 1.0)}, {"pitch": (-1.0, 1.0)}, {"uneven_tempo": -0.1}, {"uneven_tempo": 3.0}]
)
def test_voices_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*: got"):
        AugmentConfig(**wrong)


def test_a_tempo_that_nobody_speaks_at_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tempo: got \[0, 1\], expected factors of 0.25 to 4"):
        AugmentConfig(tempo=(0, 1))
