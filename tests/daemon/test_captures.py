"""What a recorder keeps of a real engine's stream, and that nothing is kept unless asked for."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.client.messages import ModelIdentity
from inherentd.daemon.captures.recorder import Counts, Recorder, open_recorder
from inherentd.daemon.captures.store import Store
from inherentd.daemon.config import CapturesSection
from tests.daemon.captured import NOON_NS, SCENE, STREAM, Kept, clock, kept, near, new_engine
from tests.daemon.conftest import quiet
from tests.tiny_model import HEADS


def test_what_is_kept(model: Path) -> None:
    output = kept(model)
    (first, first_pcm), (second, second_pcm), (third, third_pcm) = output.captures
    assert output.closed
    assert [one.kind for one in (first, second, third)] == ["near_miss", "utterance", "near_miss"]
    assert (first.utterance, second.utterance, third.utterance) == (None, 1, None)
    for capture, pcm in output.captures:
        start = (capture.time_ns - NOON_NS) // 62_500
        assert (pcm == SCENE[start : start + len(pcm)]).all()
        assert capture.seconds == pytest.approx(len(pcm) / 16_000, abs=0.001)
        assert capture.heads == list(HEADS) == list(capture.peaks) == list(capture.thresholds)
        assert (capture.stream, capture.device) == (STREAM, "kitchen")
        assert capture.model == ModelIdentity(version="0.0.1", hash="tiny")
    for capture in (first, third):
        assert 0.36 <= capture.peaks[HEADS[0]] < 0.6
        assert (capture.intents, capture.reason) == ([], "")
    assert 2.6 < first.seconds < 3.2  # 2 s before, 0.5 s near, 0.5 s after
    assert second.intents == [HEADS[1]]
    assert second.reason in ("silence", "hold")
    assert second.peaks[HEADS[0]] > 0.9
    assert second.thresholds[HEADS[0]] == 0.6
    assert third.seconds < 2.9  # the stream ended


def test_no_near_misses_when_not_asked_for(model: Path) -> None:
    assert [capture.kind for capture, _ in kept(model, share=None).captures] == ["utterance"]


@settings(max_examples=15, deadline=None)
@given(blocks=st.lists(st.integers(0, 40_000), max_size=12))
def test_the_same_in_any_chunking(model: Path, blocks: list[int]) -> None:
    expected, got = kept(model).captures, kept(model, blocks=blocks).captures
    assert [one for one, _ in got] == [one for one, _ in expected]
    assert all((mine == theirs).all() for (_, mine), (_, theirs) in zip(got, expected, strict=True))


def test_a_near_miss_is_told_although_the_engine_sleeps(model: Path) -> None:
    output, engine = Kept(), new_engine(model)
    engine.config = dataclasses.replace(engine.config, sleep_after_samples=3_200)
    recorder = Recorder(output, engine, 0.6, STREAM, "kitchen")
    engine.listener = recorder.scored
    silence = np.zeros(80_000, np.int16)  # longer than it looks back on waking
    recorder.heard(engine.push(np.concatenate([quiet(2.5), near(0.5), silence])), clock)
    assert engine.asleep
    assert [capture.kind for capture, _ in output.captures] == ["near_miss"]


def test_audio_that_is_gone_is_counted(model: Path) -> None:
    engine = new_engine(model)
    output = Kept()
    recorder = Recorder(output, engine, 0.6, STREAM, "kitchen")
    recorder.scored(1_280_000, np.array([0.5, 0, 0], np.float32))  # the engine has heard nothing yet
    recorder.scored(1_300_000, np.array([0.1, 0, 0], np.float32))
    recorder.heard([], clock)
    assert (recorder.counts.lost, output.captures) == (1, [])


def test_a_model_with_other_heads_begins_anew(model: Path) -> None:
    engine = new_engine(model)
    output = Kept()
    recorder = Recorder(output, engine, 0.6, STREAM, "kitchen")
    engine.push(quiet(1))
    recorder.scored(1_280, np.array([0.5, 0, 0], np.float32))
    gate = dataclasses.replace(engine.config.gate, heads=("isInteresting", "other"), intent_thresholds=(0.5,))
    engine.config = dataclasses.replace(engine.config, gate=gate)
    recorder.scored(2_560, np.array([0.5, 0], np.float32))
    recorder.heard([], clock)
    recorder.close()
    ((capture, _),) = output.captures
    assert capture.peaks == {"isInteresting": 0.5, "other": 0.0}


def test_nothing_is_written_unless_asked(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    threads = threading.active_count()
    engine = new_engine(model)
    assert open_recorder(CapturesSection(), engine, STREAM, "kitchen") is None
    assert engine.listener is None
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_from_the_configuration_to_the_disk(model: Path, tmp_path: Path) -> None:
    engine = new_engine(model)
    section = CapturesSection(folder=str(tmp_path / "state" / "captures"), hours=9_999, near_misses=None)
    recorder = open_recorder(section, engine, STREAM, "kitchen")
    assert recorder is not None
    assert engine.listener is not None
    recorder.heard([*engine.push(SCENE), *engine.finish()], lambda _: time.time_ns())
    recorder.close()
    assert recorder.counts == Counts(written=1, dropped=0, failed=0, lost=0)
    ((capture,), problems) = Store(tmp_path / "state" / "captures").read()
    assert (capture.kind, capture.utterance, problems) == ("utterance", 1, [])
