"""The near-miss stage: against rows of scores, and against a search through the whole recording at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inherentd.daemon.captures import near_miss
from inherentd.daemon.captures.near_miss import Config, NearMiss

STEP = 1_280
CONFIG = Config(share=0.5)
NEAR, FAR, OVER = 0.4, 0.1, 0.9
THRESHOLD = 0.6


def run(steps: list[tuple[float, bool]], *, ends: bool = True, config: Config = CONFIG) -> list[NearMiss]:
    state, found = near_miss.initial_state(config), []
    at_sample = 0
    for score, is_open in steps:
        at_sample += STEP
        scores = np.array([score, 1 - score], np.float32)
        state, miss = near_miss.step(config, state, at_sample, scores, open_threshold=THRESHOLD, is_open=is_open)
        found.append(miss)
    if ends:
        found.append(near_miss.finish(config, state, at_sample)[1])
    return [miss for miss in found if miss is not None]


def closed(score: float, count: int) -> list[tuple[float, bool]]:
    return [(score, False)] * count


def test_a_moment_that_was_near() -> None:
    (miss,) = run([*closed(FAR, 50), (0.35, False), (NEAR, False), (0.3, False), *closed(FAR, 20)], ends=False)
    assert (miss.start, miss.stop) == (51 * STEP - 32_000, 53 * STEP + 8_000)
    assert miss.peaks == pytest.approx([NEAR, 0.7])


def test_it_is_told_after_a_second_and_not_before() -> None:
    steps = [*closed(FAR, 50), (NEAR, False)]
    assert run([*steps, *closed(FAR, 12)], ends=False) == []  # 0.96 s
    assert len(run([*steps, *closed(FAR, 13)], ends=False)) == 1
    assert len(run([*steps, *closed(FAR, 11), (NEAR, False), *closed(FAR, 13)], ends=False)) == 1


def test_far_scores_are_nothing() -> None:
    assert run(closed(0.29, 200)) == []


def test_an_opening_makes_it_part_of_an_utterance() -> None:
    assert run([*closed(FAR, 30), *closed(NEAR, 5), (OVER, True), (NEAR, True), (FAR, False), *closed(FAR, 30)]) == []
    assert run([*closed(NEAR, 5), *closed(FAR, 11), (OVER, True), *closed(FAR, 30)]) == []


def test_the_audio_begins_after_the_utterance_before_it() -> None:
    (miss,) = run([*closed(FAR, 30), *[(OVER, True)] * 10, (FAR, False), *closed(FAR, 3), (NEAR, False)])
    assert (miss.start, miss.stop) == (41 * STEP, 45 * STEP)


def test_it_ends_with_the_stream() -> None:
    (miss,) = run([*closed(FAR, 30), (NEAR, False), (FAR, False)])
    assert (miss.start, miss.stop) == (31 * STEP - 32_000, 32 * STEP)


def test_a_stretch_without_end_is_told_once() -> None:
    (miss,) = run([*closed(FAR, 30), *closed(NEAR, 500)])
    assert miss.stop - miss.start == 240_000
    one, other = run([*closed(FAR, 30), *closed(NEAR, 500), *closed(FAR, 20), (NEAR, False)])
    assert one.stop < other.start


def test_a_threshold_that_is_changed_counts_from_there() -> None:
    state = near_miss.initial_state(CONFIG)
    scores = np.array([NEAR], np.float32)
    state, _ = near_miss.step(CONFIG, state, STEP, scores, open_threshold=0.9, is_open=False)
    assert state.stretch is None
    state, _ = near_miss.step(CONFIG, state, 2 * STEP, scores, open_threshold=0.8, is_open=False)
    assert state.stretch is not None


def searched(steps: list[tuple[float, bool]]) -> list[tuple[int, int]]:
    """Return (first, last) step of every near miss, found with the whole recording at hand."""
    spans, index = [], 0
    while index < len(steps):
        near = [i for i, (score, is_open) in enumerate(steps) if i >= index and not is_open and score >= 0.3]
        near = [i for i in near if i == 0 or not steps[i - 1][1]]  # the step that closed belongs to the utterance
        if not near:
            break
        last = near[0]
        for i in near:
            if (i - last) * STEP < 16_000:
                last = i
        opens = next((i for i, (_, is_open) in enumerate(steps) if is_open and i > near[0]), len(steps))
        last = max(i for i in near if i <= last and i < opens)
        if opens == len(steps) or (opens - last) * STEP > 16_000:
            spans.append((near[0] + 1, last + 1))
        index = max(last + 1, min(opens, last + 13))
    return spans


STEPS = st.lists(
    st.tuples(st.sampled_from([FAR, FAR, NEAR, OVER]), st.booleans(), st.integers(1, 20)), max_size=30
).map(lambda runs: [(score, is_open and score > NEAR) for score, is_open, count in runs for _ in range(count)][:180])


@given(STEPS)
def test_nothing_is_told_twice_or_too_long(steps: list[tuple[float, bool]]) -> None:
    found = run(steps)
    end = 0
    for miss in found:
        assert end <= miss.start < miss.stop <= len(steps) * STEP
        assert miss.stop - miss.start <= 240_000
        assert miss.peaks[0] >= 0.3
        heard = steps[miss.start // STEP : -(-miss.stop // STEP)]
        assert len(heard) > 0
        end = miss.stop


@given(STEPS)
def test_the_same_as_a_search_with_everything_at_hand(steps: list[tuple[float, bool]]) -> None:
    config = Config(share=0.5, before_samples=0, after_samples=0, longest_samples=10**9)
    found = [(miss.start // STEP, miss.stop // STEP) for miss in run(steps, config=config)]
    assert found == searched(steps)
