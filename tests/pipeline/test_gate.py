"""The gate as a state machine, one transition a test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inherentd.pipeline import gate
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.gate import Closed, GateConfig, Opened, Told

STEP = 640
CONFIG = GateConfig(
    heads=("isInteresting", "hasPhotoQuery", "hasStartTimerIntent"),
    open_threshold=0.6,
    close_threshold=0.3,
    intent_thresholds=(0.7, 0.7),
    min_open_samples=5 * STEP,
    hangover_samples=3 * STEP,
    hold_samples=8 * STEP,
    refractory_samples=4 * STEP,
    max_length_samples=30 * STEP,
    lookback_samples=3 * STEP,
)


def drive(scores: list, active: list[bool] | None = None, config: GateConfig = CONFIG) -> list[tuple[int, object]]:
    """Run the gate over scores (a number or a row of them per step) and return (step, transition) pairs."""
    state, found = gate.initial_state(config), []
    for index, value in enumerate(scores):
        row = np.array(value if isinstance(value, list) else [value, 0, 0], np.float32)
        is_active = active[index] if active else False
        state, transitions = gate.step(config, state, row, active=is_active, at_sample=index * STEP)
        found += [(index, transition) for transition in transitions]
    return found


def closings(found: list[tuple[int, object]]) -> list[tuple[int, str]]:
    return [(index, event.reason) for index, event in found if isinstance(event, Closed)]


def openings(found: list[tuple[int, object]]) -> list[int]:
    return [index for index, event in found if isinstance(event, Opened)]


def test_it_opens_at_the_threshold_and_not_below() -> None:
    assert openings(drive([0.0, 0.59, 0.59])) == []
    assert openings(drive([0.0, 0.61, 0.9])) == [1]


def test_it_stays_open_at_least_min_open() -> None:
    assert closings(drive([0.9] + [0.0] * 9)) == [(5, "silence")]


def test_silence_closes_after_the_hangover() -> None:
    assert closings(drive([0.9] * 8 + [0.0] * 9)) == [(10, "silence")]


def test_speech_holds_it_open_until_hold() -> None:
    assert closings(drive([0.9] + [0.0] * 20, active=[True] * 21)) == [(8, "hold")]


def test_the_close_threshold_has_hysteresis() -> None:
    assert closings(drive([0.9] + [0.35] * 25)) == []


def test_max_length() -> None:
    assert closings(drive([0.9] * 40)) == [(30, "max_length")]


def test_refractory_keeps_it_shut() -> None:
    found = drive([0.9] * 40)
    assert openings(found) == [0, 34]


def test_smoothing_wants_more_than_one_step() -> None:
    config = dataclasses.replace(CONFIG, smoothing_steps=3)
    assert openings(drive([0.0, 0.0, 0.9, 0.0, 0.0], config=config)) == []
    assert openings(drive([0.0, 0.0, 0.7, 0.7, 0.7], config=config)) == [4]
    assert openings(drive([0.9, 0.8, 0.8], config=config)) == [2]


def test_intents_come_early_once_and_final_at_the_close() -> None:
    found = drive([[0.9, 0, 0], [0.9, 0.8, 0], [0.9, 0.95, 0], *[[0, 0, 0]] * 6])
    told = [
        (index, event.head, round(event.score, 2), event.final) for index, event in found if isinstance(event, Told)
    ]
    assert told == [(1, 1, 0.8, False), (5, 1, 0.95, True)]
    closed = next(event for _, event in found if isinstance(event, Closed))
    assert closed.intents == (1,)
    assert closed.peaks == pytest.approx([0.9, 0.95, 0])


def test_an_intent_just_before_the_opening_counts() -> None:
    found = drive([[0, 0, 0.9], [0.1, 0, 0], [0.9, 0, 0]])
    assert [(index, event.head) for index, event in found if isinstance(event, Told)] == [(2, 2)]


def test_an_intent_long_before_the_opening_does_not_count() -> None:
    assert not [event for _, event in drive([[0, 0, 0.9], *[[0, 0, 0]] * 3, [0.9, 0, 0]]) if isinstance(event, Told)]


def test_closing_from_outside_and_when_nothing_is_open() -> None:
    state, _ = gate.step(
        CONFIG, gate.initial_state(CONFIG), np.array([0.9, 0, 0.8], np.float32), active=True, at_sample=0
    )
    closed, transitions = gate.close(CONFIG, state, "muted", 100)
    assert [type(transition).__name__ for transition in transitions] == ["Told", "Closed"]
    assert gate.close(CONFIG, closed, "muted", 100) == (closed, [])


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(PipelineError, match="finite"):
        drive([[np.nan, 0, 0]])


@pytest.mark.parametrize(
    "change", [{"close_threshold": 0.7}, {"intent_thresholds": (0.5,)}, {"smoothing_steps": 0}, {"open_threshold": 1.5}]
)
def test_impossible_configurations_are_refused(change: dict) -> None:
    with pytest.raises(PipelineError):
        dataclasses.replace(CONFIG, **change)
