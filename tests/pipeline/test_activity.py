"""Activity: louder than the room, whatever the room is."""

from __future__ import annotations

import numpy as np
import pytest

from inherentd.pipeline import activity
from inherentd.pipeline.activity import ActivityConfig

CONFIG = ActivityConfig()


def active_steps(levels_dbfs: list[float]) -> list[bool]:
    state, found = activity.initial_state(CONFIG), []
    for level in levels_dbfs:
        state, active = activity.step(CONFIG, state, level, 0.04)
        found.append(active)
    return found


def test_speech_over_a_quiet_room() -> None:
    assert active_steps([-75, -30, -75]) == [False, True, False]


def test_a_steady_noise_becomes_the_room() -> None:
    found = active_steps([-45.0] * 400)
    assert found[0]
    assert not found[-1]
    assert active_steps([-45.0] * 400 + [-30])[-1]


def test_a_moment_of_digital_silence_makes_no_room_loud() -> None:
    assert active_steps([-100.0, -60.0]) == [False, False]


def test_levels_of_known_signals() -> None:
    square = np.tile(np.array([16384, -16384], np.int16), 320)
    assert np.allclose(activity.levels_dbfs(square, 320), -6.0206, atol=1e-3)
    assert np.allclose(activity.levels_dbfs(np.zeros(640, np.int16), 320), [-100, -100])
    assert len(activity.levels_dbfs(np.zeros(100, np.int16), 320)) == 0


def standing_out(sound: np.ndarray) -> np.ndarray:
    """Return which steps of 80 ms stand out from the room's own noise."""
    state, found = activity.initial_state(activity.ROOM), []
    for voice in activity.voices_dbfs(sound, 320).reshape(-1, 4).max(1):
        state, loud = activity.step(activity.ROOM, state, float(voice), 0.08)
        found.append(loud)
    return np.array(found)


@pytest.mark.parametrize("hum_share", [0.0, 0.9])
def test_a_loud_fan_is_not_heard_and_soft_speech_over_it_is(hum_share: float) -> None:
    rng, time = np.random.default_rng(4), np.arange(60 * 16_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 100 * k * time + k) / k for k in range(1, 6))
    noise = 400 * (hum_share * hum / hum.std() + (1 - hum_share) * rng.normal(0, 1, len(time)))
    speech = slice(625, 650)  # 2 s of a voice of 130 Hz, by syllables, 3 dB over the noise
    place = np.arange(speech.start * 1_280, speech.stop * 1_280)
    voice = sum(np.sin(2 * np.pi * 130 * k * place / 16_000) / k for k in range(1, 25))
    voice *= np.sin(2 * np.pi * 4 * place / 16_000).clip(0)
    noise[place] += voice / voice.std() * noise.std() * 2**0.5
    found = standing_out(noise.astype(np.int16))
    assert not found[speech.start - 125 : speech.start].any()
    assert found[speech].mean() > 0.3


def test_voices_of_known_signals() -> None:
    square = np.tile(np.repeat(np.array([16384, -16384], np.int16), 16), 10)
    assert np.allclose(activity.voices_dbfs(square, 320), 0.0, atol=1e-3)
    assert np.allclose(activity.voices_dbfs(np.full(320, 9_000, np.int16), 320), [-100])
    rumble, voice = (
        (10_000 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype(np.int16) for hz in (50, 500)
    )
    assert np.isclose(activity.voices_dbfs(voice, 320).mean() - activity.levels_dbfs(voice, 320).mean(), 6.02, atol=0.1)
    assert activity.voices_dbfs(rumble, 320).mean() < activity.levels_dbfs(rumble, 320).mean() - 8
