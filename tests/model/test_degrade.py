"""Degradation for evaluation: what was asked for is what comes out, where it was in time, and the same from the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyroomacoustics.experimental import measure_rt60

from inherentd.inherent_model.conditions import Conditions, Rendering, heard, load_conditions, mels_under, rendering
from inherentd.inherent_model.degrade import Condition, active_level_dbfs, degrade, opus, telephone
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.noises import KINDS, noise, talk
from inherentd.inherent_model.rooms import impulse_response
from inherentd.pipeline.frontend import FrontendSpec, log_mel

SHIPPED = Path(__file__).parents[2] / "configs" / "eval" / "conditions.yaml"
RNG = np.random.default_rng(0)
SPEECH = np.concatenate([np.zeros(8000), 0.3 * talk(24_000, RNG), np.zeros(16_000)]).astype(np.float32)
SOUNDS = {kind: [talk(20_000, RNG), talk(30_000, RNG)] for kind in ("babble", "recorded")}


def seeded(condition: Condition, seed: int = 1, samples: np.ndarray = SPEECH) -> np.ndarray:
    return degrade(samples, condition, np.random.default_rng(seed), SOUNDS)


def decibels(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snr_db", [-3.0, 10.0])
def test_the_snr_is_what_was_asked(kind: str, snr_db: float) -> None:
    quiet = SPEECH * 0.1  # so that nothing reaches full scale
    added = seeded(Condition("", noise=(kind,), snr_db=(snr_db, snr_db)), samples=quiet) - quiet
    assert decibels(quiet[8000:32_000]) - decibels(added) == pytest.approx(snr_db, abs=1.0)
    assert active_level_dbfs(quiet) - decibels(added) == pytest.approx(snr_db, abs=0.01)


def test_the_active_level_does_not_count_pauses() -> None:
    alone = active_level_dbfs(SPEECH[8000:32_000])
    assert active_level_dbfs(np.pad(SPEECH, (0, 160_000))) == pytest.approx(alone, abs=0.5)
    assert active_level_dbfs(np.sin(np.arange(16_000)).astype(np.float32)) == pytest.approx(-3.01, abs=0.05)
    assert active_level_dbfs(np.zeros(1000, np.float32)) == -100


def test_the_level_is_what_was_asked_and_noise_goes_along() -> None:
    assert active_level_dbfs(seeded(Condition("", level_dbfs=(-35, -35)))) == pytest.approx(-35, abs=0.01)
    noisy = Condition("", snr_db=(20, 20), level_dbfs=(-35, -35))
    assert decibels(seeded(noisy)[:8000]) == pytest.approx(-55, abs=1)


@pytest.mark.parametrize(
    "condition",
    [
        Condition("", room="far", noise=KINDS, snr_db=(0, 20), level_dbfs=(-40, -20)),
        Condition("", room="near", clip_db=6, telephone=True),
        Condition("", noise=("white",), snr_db=(5, 5), opus_kbps=16),
    ],
)
def test_the_same_seed_gives_the_same_audio(condition: Condition) -> None:
    first = seeded(condition)
    assert first.dtype == np.float32
    assert len(first) == len(SPEECH)
    assert np.abs(first).max() <= 1
    assert np.array_equal(first, seeded(condition))
    assert not np.array_equal(first, seeded(condition, seed=2))
    assert np.abs(first - SPEECH).max() > 0.01


def test_rooms_decay_as_asked_and_far_ones_are_wetter() -> None:
    for wanted_s in (0.2, 0.8):
        measured = [
            measure_rt60(impulse_response((2.0, 4.0), (wanted_s, wanted_s), index), fs=16_000, decay_db=30)
            for index in range(3)
        ]
        assert np.median(measured) == pytest.approx(wanted_s, rel=0.3)

    def direct_share(distance_m: tuple[float, float], index: int) -> float:
        energy = np.square(impulse_response(distance_m, (0.5, 0.5), index))
        return float(energy[:80].sum() / energy.sum())

    near, far = (np.mean([direct_share(each, index) for index in range(3)]) for each in ((0.3, 1.0), (2.0, 4.0)))
    assert near > 2 * far


def test_speech_stays_where_it_was() -> None:
    click = np.zeros(16_000, np.float32)
    click[8000] = 0.5
    for condition in (Condition("", room="near"), Condition("", opus_kbps=64)):
        after = seeded(condition, samples=click)
        assert np.abs(after[:7900]).max() < 0.1 * np.abs(after).max()
        assert 7980 <= int(np.argmax(np.abs(after))) <= 8120


def test_a_telephone_passes_its_band_only() -> None:
    def passed_db(hz: float) -> float:
        tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
        spectrum = np.abs(np.fft.rfft(telephone(tone)[4000:12_000]))
        return 20 * np.log10(max(spectrum[round(hz / 2)], 1e-9) / np.abs(np.fft.rfft(tone[4000:12_000]))[round(hz / 2)])

    assert passed_db(1000) == pytest.approx(0, abs=1)
    assert passed_db(80) < -30
    assert passed_db(6000) < -60


def test_opus_costs_quality_by_bitrate() -> None:
    def error_db(kbps: float) -> float:
        return decibels(opus(SPEECH, kbps) - SPEECH) - decibels(SPEECH)

    assert error_db(128) < error_db(16) < 0
    with pytest.raises(ModelError, match="opus_kbps 3"):
        Condition("", opus_kbps=3)


def test_overload_cuts_peaks_and_an_offset_stays() -> None:
    cut = seeded(Condition("", clip_db=6))
    assert np.abs(cut).max() == pytest.approx(np.abs(SPEECH).max() / 10**0.3, rel=1e-3)
    assert np.mean(np.abs(cut) == np.abs(cut).max()) > 10 * np.mean(np.abs(SPEECH) == np.abs(SPEECH).max())
    assert seeded(Condition("", dc_offset=0.1))[:100].mean() == pytest.approx(0.1)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(ModelError, match="'cellar'.*near, far"):
        Condition("", room="cellar")
    with pytest.raises(ModelError, match="'rain'.*white"):
        noise("rain", 100, RNG)
    with pytest.raises(ModelError, match="babble.*no sounds"):
        noise("babble", 100, RNG)


def test_the_shipped_conditions_render_a_clip_whatever_clips_are_around_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SPEECH, 16_000)
    rows = [Utterance(str(tmp_path / "a.wav"), "", (), False, "talk", "flite:rms", "test")]
    known = load_conditions(SHIPPED)
    how = rendering(known, rows)
    for condition in known.conditions:
        samples = heard(how, condition, rows[0].path, 800)
        assert len(samples) == len(SPEECH) + 800
        assert np.isfinite(samples).all()
    clean = heard(how, known.named("clean"), rows[0].path)
    assert np.abs(clean - SPEECH).max() < 1e-4  # 16 bits
    mel = mels_under(how, known.named("clean"), rows, FrontendSpec())[0]
    plain = log_mel(FrontendSpec(), read_audio(rows[0].path, 16_000))
    assert np.array_equal(mel[: len(plain)], plain)
    noisy = Condition("n", snr_db=(5, 5))
    assert np.array_equal(heard(how, noisy, rows[0].path), heard(Rendering(known.seed, {}), noisy, rows[0].path))
    assert not np.array_equal(heard(how, noisy, rows[0].path), heard(how, noisy, rows[0].path, take=1))


def test_a_wrong_conditions_file_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "conditions.yaml"
    for text, message in (
        ("conditions: [{name: a, snr: [1, 2]}]", "`snr`"),
        ("conditions: [{name: a, snr_db: 5}]", "array"),
        ("conditions: [{name: a}, {name: a}]", "name of its own"),
        ("conditions: []", "one or more"),
        ("- a", "conditions"),
        ("conditions: [{name: a, room: hall}]", "'hall'"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            load_conditions(path)
    with pytest.raises(ModelError, match=r"none.yaml"):
        load_conditions(tmp_path / "none.yaml")
    asked = Conditions(0, str(tmp_path / "*.wav"), (Condition("r", noise=("recorded",), snr_db=(5, 5)),))
    with pytest.raises(ModelError, match="matches no file"):
        rendering(asked, [])
    with pytest.raises(ModelError, match="'x' is unknown; known: r"):
        asked.named("x")
