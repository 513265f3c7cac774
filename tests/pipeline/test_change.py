"""Another model or other settings in the middle of a stream: nothing is lost, and what stays the same decides the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config, ModelSection
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened
from inherentd.pipeline.runtimes import Runtime, open_runtime
from tests import tiny_model
from tests.pipeline.streams import CONFIG, GATE, bursts, comparable, run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model.build(tmp_path)


def run_changing(engine: Engine, samples: np.ndarray, runtimes: list[Runtime], every_samples: int) -> list[Event]:
    """Push it all, changing to the next of the runtimes again and again."""
    events: list[Event] = []
    for turn, start in enumerate(range(0, len(samples), every_samples)):
        events += engine.push(samples[start : start + every_samples])
        events += engine.change(engine.config, runtimes[turn % len(runtimes)])
    return events + engine.finish()


def check_audio(events: list[Event], samples: np.ndarray) -> int:
    """Each utterance has the samples from its pre-roll to its close. Return how many there are."""
    closed = {event.utterance: event.at_sample for event in events if isinstance(event, GateClosed)}
    opened = [event for event in events if isinstance(event, GateOpened)]
    for opening in opened:
        pieces = [event.pcm for event in events if isinstance(event, Audio) and event.utterance == opening.utterance]
        begin = opening.at_sample - opening.preroll_samples
        assert np.concatenate(pieces).tobytes() == samples[begin : closed[opening.utterance]].tobytes()
    return len(opened)


@pytest.mark.parametrize("every_samples", [1_111, 5_000, 40_000])
def test_the_same_model_again_decides_the_same(model: Path, every_samples: int) -> None:
    samples = bursts(30, 5)
    expected = run(Engine(CONFIG, open_runtime(model)), samples)
    twins = [open_runtime(model), open_runtime(model)]
    assert comparable(run_changing(Engine(CONFIG, twins[1]), samples, twins, every_samples)) == comparable(expected)


def test_the_shipped_model_again_and_again_decides_the_same() -> None:
    samples = concatenate(load_clips(BUNDLED)[:6])[0]
    twins = [engine_setup.open_model(ModelSection(backend="onnx")) for _ in range(2)]
    config = engine_setup.engine_config(Config(), twins[0].metadata)
    expected = run(Engine(config, twins[0]), samples)
    found = run_changing(Engine(config, twins[1]), samples, twins, 20_000)
    assert [(type(event), event.at_sample) for event in found] == [(type(event), event.at_sample) for event in expected]
    assert check_audio(found, samples) > 0


def test_models_of_other_steps_and_heads_lose_no_sample(model: Path, tmp_path: Path) -> None:
    windowed = tiny_model.build(tmp_path / "windowed", form="windowed", frames=50)
    samples = bursts(60, 6)
    runtimes = [open_runtime(model), open_runtime(windowed)]
    assert runtimes[0].step_frames != runtimes[1].step_frames
    events = run_changing(Engine(CONFIG, runtimes[0]), samples, runtimes, 30_000)
    assert check_audio(events, samples) > 5
    assert [event.utterance for event in events if isinstance(event, GateOpened)] == list(
        range(1, 1 + sum(isinstance(event, GateClosed) for event in events))
    )


def test_other_heads_close_what_is_open(model: Path) -> None:
    runtime = open_runtime(model)
    engine = Engine(CONFIG, runtime)
    engine.push(bursts(3, 1) // 8 + np.random.default_rng(0).normal(0, 8000, 48_000).astype(np.int16))
    assert engine.is_open
    renamed = open_runtime(model)
    heads = (*renamed.metadata.head_order[:-1], "hasAnotherIntent")
    renamed.metadata = dataclasses.replace(renamed.metadata, head_order=heads)
    config = dataclasses.replace(CONFIG, gate=dataclasses.replace(GATE, heads=heads))
    closed = [event for event in engine.change(config, renamed) if isinstance(event, GateClosed)]
    assert [event.reason for event in closed] == ["reload"]
    assert set(engine.peaks) == set(heads)


def test_settings_change_at_the_next_step_and_a_longer_pre_roll_finds_its_samples(model: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 8000, 160_000).astype(np.int16)
    never = dataclasses.replace(CONFIG, gate=dataclasses.replace(GATE, open_threshold=1.0))
    engine = Engine(never, open_runtime(model))
    assert engine.push(samples[:80_000]) == []
    longer = EngineConfig(dataclasses.replace(GATE, preroll_samples=64_000), ring_samples=960_000)
    events = engine.change(longer) + engine.push(samples[80_000:])
    opened = next(event for event in events if isinstance(event, GateOpened))
    assert 80_000 < opened.at_sample < 83_000
    assert opened.preroll_samples == 64_000
    assert check_audio(events + engine.finish(), samples) == 2  # max_length closed the first
