"""Audio that is missing is found by time; audio that is late is not taken for missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.daemon.sources.continuity import ContinuityConfig, behind, initial_state, step

BLOCK = 0.08
CONFIG = ContinuityConfig()


def lost(arrivals: list[tuple[float, bool]]) -> tuple[float, float]:
    """Return the seconds that were called lost, and the drift at the end."""
    state, total = initial_state(arrivals[0][0] - BLOCK), 0.0
    for now, reported in arrivals:
        state, missing = step(CONFIG, state, now, BLOCK, reported=reported)
        total += missing
    return total, state.drift_ppm


def on_time(blocks: int, begin: float = BLOCK, ppm: float = 0.0) -> list[tuple[float, bool]]:
    return [(begin + index * BLOCK * (1 - ppm * 1e-6), False) for index in range(blocks)]


@settings(max_examples=60, deadline=None)
@given(
    late=st.lists(st.floats(0, 0.06), min_size=400, max_size=400),
    stalls=st.lists(st.tuples(st.integers(20, 380), st.floats(0.1, 3.0)), max_size=4),
)
def test_late_blocks_are_not_lost(late: list[float], stalls: list[tuple[int, float]]) -> None:
    """Single late blocks, and stalls after which everything comes at once."""
    times = [(index + 1) * BLOCK + delay for index, delay in enumerate(late)]
    for index, seconds in stalls:
        held = times[index] + seconds
        times = [max(time, held) if position >= index else time for position, time in enumerate(times)]
    times = [max(times[: index + 1]) for index in range(len(times))]
    assert lost([(time, False) for time in times])[0] == 0


@pytest.mark.parametrize("missing", [0.25, 0.5, 7.0])
def test_what_never_comes_is_counted_to_the_block(missing: float) -> None:
    arrivals = on_time(100) + on_time(100, 101 * BLOCK + missing)
    assert lost(arrivals)[0] == pytest.approx(missing, abs=0.01)


def test_small_losses_add_up_until_they_are_counted() -> None:
    arrivals, at = [], 0.0
    for index in range(1000):
        at += BLOCK + (0.05 if index % 50 == 49 else 0)
        arrivals.append((at, False))
    assert lost(arrivals)[0] == pytest.approx(20 * 0.05, abs=0.3)  # the last of it may still be too little


def test_a_small_loss_that_the_sound_system_reports_is_counted_at_once() -> None:
    after = on_time(60, 61 * BLOCK + 0.04)
    assert lost(on_time(60) + [(after[0][0], True), *after[1:]])[0] == pytest.approx(0.04, abs=0.01)
    assert lost(on_time(60) + after)[0] == 0


@pytest.mark.parametrize("ppm", [-200, -50, 80, 200])
def test_a_crystal_that_is_off_is_drift_and_not_loss(ppm: float) -> None:
    total, drift = lost(on_time(60_000, ppm=ppm))
    assert total == 0
    assert drift == pytest.approx(ppm, abs=20)


def test_what_was_late_when_the_device_went_is_known() -> None:
    """A process that stood still for 12 s, a sound system that kept 6 s of it, and then the device is unplugged."""
    state = initial_state(0)
    for now, reported in on_time(50):
        state, _ = step(CONFIG, state, now, BLOCK, reported=reported)
    assert behind(state) == pytest.approx(0, abs=1e-6)
    resumed = state.last + 12
    for _ in range(75):
        state, missing = step(CONFIG, state, resumed, BLOCK, reported=False)
        assert missing == 0
    assert behind(state) == pytest.approx(6, abs=0.01)
    for now, reported in on_time(400, resumed + BLOCK):
        state, missing = step(CONFIG, state, now, BLOCK, reported=reported)
        if missing:
            break
    assert missing == pytest.approx(6, abs=0.05)
    assert behind(state) == pytest.approx(0, abs=0.01)


def test_a_device_that_was_just_opened_is_not_behind() -> None:
    state, _ = step(CONFIG, initial_state(0), 0.3, BLOCK, reported=False)
    assert behind(state) == 0
