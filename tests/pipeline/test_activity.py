"""Activity: louder than the room, whatever the room is."""

from __future__ import annotations

import numpy as np

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
