"""The engine: invariant to chunking, causal, and not one sample of an utterance lost or doubled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Audio, GateClosed, GateOpened, Intent, Scores
from inherentd.pipeline.runtimes import Runtime, open_runtime
from tests import tiny_model
from tests.pipeline.streams import CONFIG, GATE, ScriptedRuntime, bursts, comparable, run


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return open_runtime(tiny_model.build(tmp_path_factory.mktemp("model")))


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), max_size=20), last=st.integers(1, 5000), seed=st.integers(0, 1000))
def test_any_split_gives_the_same_events_and_scores(runtime: Runtime, sizes: list[int], last: int, seed: int) -> None:
    samples = bursts(6, seed)
    traces: list[list[tuple[int, bytes]]] = []
    results = []
    for split in (None, [*sizes, last]):
        trace: list[tuple[int, bytes]] = []
        engine = Engine(
            dataclasses.replace(CONFIG, scores_every_samples=3200), runtime,
            listener=lambda at, scores, trace=trace: trace.append((at, scores.tobytes())),
        )  # fmt: skip
        results.append(comparable(run(engine, samples, split)))
        traces.append(trace)
    assert results[0] == results[1]
    assert traces[0] == traces[1]


def test_sample_by_sample(runtime: Runtime) -> None:
    samples = bursts(1.5, 3)
    engine = Engine(CONFIG, runtime)
    whole = comparable(run(engine, samples))
    assert whole
    assert comparable(run(engine, samples, [1])) == whole


def test_the_future_never_changes_the_past(runtime: Runtime) -> None:
    samples, cut = bursts(8, 5), 64_000
    changed = samples.copy()
    changed[cut:] = bursts(4, 6)
    engine = Engine(CONFIG, runtime)
    past = [comparable(_until(engine, stream, cut)) for stream in (samples, changed)]
    assert past[0]
    assert past[0] == past[1]
    assert comparable(run(engine, samples)) != comparable(run(engine, changed))


def _until(engine: Engine, samples: np.ndarray, cut: int) -> list:
    engine.reset()
    return [event for event in engine.push(samples) if event.at_sample <= cut and not isinstance(event, Audio)]


def test_a_thousand_utterances_keep_every_sample() -> None:
    """Concatenated payloads equal the input from the pre-roll to the close, in any chunking, one after another."""
    rng = np.random.default_rng(7)
    utterances = 0
    while utterances < 1000:
        seconds = float(rng.uniform(2, 30))
        samples = rng.integers(-32768, 32767, int(seconds * 16000)).astype(np.int16)
        script = np.repeat(rng.choice([0, 0, 0.9], (200, 1)), 5, axis=0).repeat(3, axis=1).astype(np.float32)
        config = EngineConfig(
            dataclasses.replace(
                GATE,
                preroll_samples=int(rng.integers(0, 32_000)),
                hangover_samples=int(rng.integers(640, 8_000)),
                hold_samples=int(rng.integers(640, 16_000)),
                min_open_samples=int(rng.integers(0, 4_000)),
                refractory_samples=int(rng.integers(0, 4_000)),
            ),
            audio_chunk_samples=int(rng.integers(1, 4_000)),
            sleep_below_dbfs=None if rng.random() < 0.5 else -30.0,
            sleep_after_samples=int(rng.integers(640, 20_000)),
            wake_lookback_samples=int(rng.integers(0, 20_000)),
        )
        # Loud and quiet stretches, so that it falls asleep and wakes between the utterances.
        loud = np.repeat(rng.random(len(samples) // 8000 + 1) < 0.6, 8000)[: len(samples)]
        samples = np.where(loud, samples, samples // 4096).astype(np.int16)
        events = run(Engine(config, ScriptedRuntime(script)), samples, rng.integers(1, 4_000, 40).tolist())
        opened = [event for event in events if isinstance(event, GateOpened)]
        closed = {event.utterance: event for event in events if isinstance(event, GateClosed)}
        previous_close = 0
        for opening in opened:
            pieces = [event for event in events if isinstance(event, Audio) and event.utterance == opening.utterance]
            begin = opening.at_sample - opening.preroll_samples
            end = closed[opening.utterance].at_sample
            assert begin == max(previous_close, opening.at_sample - config.gate.preroll_samples, 0)
            assert b"".join(piece.pcm.tobytes() for piece in pieces) == samples[begin:end].tobytes()
            assert [piece.at_sample for piece in pieces] == (
                begin + np.cumsum([0, *(len(piece.pcm) for piece in pieces[:-1])])
            ).tolist()
            assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
            previous_close = end
        utterances += len(opened)


def test_the_order_of_events(runtime: Runtime) -> None:
    samples = np.concatenate([np.zeros(16_000, np.int16), bursts_of(0.3, 16_000), np.zeros(16_000, np.int16)])
    events = run(Engine(CONFIG, runtime), samples)
    topics = [event.TOPIC for event in events]
    assert topics[:2] == ["gate.opened", "audio"]
    assert topics[-1] == "gate.closed"
    assert topics[-2] == "audio"
    assert events[-2].last
    assert {(e.head, e.final) for e in events if isinstance(e, Intent)} == {
        ("hasPhotoQuery", False),
        ("hasPhotoQuery", True),
    }
    assert events[-1].reason == "silence"
    assert events[-1].intents == ["hasPhotoQuery"]


def bursts_of(loudness: float, samples: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(0, loudness / 3, samples) * 32767).clip(-32768, 32767).astype(np.int16)


def test_the_end_of_the_stream_closes_and_stays_within_it(runtime: Runtime) -> None:
    samples = bursts_of(0.3, 20_000)
    engine = Engine(CONFIG, runtime)
    events = run(engine, samples)
    assert events[-1].reason == "end_of_stream"
    assert max(event.at_sample for event in events) == len(samples) == engine.samples
    assert engine.finish() == []
    with pytest.raises(PipelineError, match="over"):
        engine.push(samples)


def test_digital_silence_costs_no_steps_and_the_state_is_fresh_after_it(runtime: Runtime) -> None:
    engine = Engine(CONFIG, runtime)
    engine.push(np.zeros(16_000 * 60, np.int16))
    assert engine.asleep
    assert engine.steps <= CONFIG.sleep_after_samples // 640 + 1
    before = engine.steps
    engine.push(bursts_of(0.3, 16_000))
    assert not engine.asleep
    assert engine.steps - before >= (16_000 + CONFIG.wake_lookback_samples) // 640 - 2


def test_the_first_word_after_silence_is_scored_from_before_its_onset(runtime: Runtime) -> None:
    trace: list[int] = []
    engine = Engine(CONFIG, runtime, listener=lambda at, _: trace.append(at))
    engine.push(np.zeros(160_000, np.int16))
    trace.clear()
    engine.push(bursts_of(0.3, 3_200))
    assert trace[0] <= 160_000 - CONFIG.wake_lookback_samples + 2 * 640
    assert np.diff(trace).tolist() == [640] * (len(trace) - 1)


@pytest.mark.parametrize("pause_samples", range(28_000, 44_000, 1_300))
def test_no_step_is_scored_twice_around_a_pause(runtime: Runtime, pause_samples: int) -> None:
    trace: list[int] = []
    engine = Engine(CONFIG, runtime, listener=lambda at, _: trace.append(at))
    engine.push(np.concatenate([bursts_of(0.3, 9_000), np.zeros(pause_samples, np.int16), bursts_of(0.3, 9_000)]))
    assert (np.diff(trace) > 0).all()


def test_a_model_that_breaks_is_told_and_what_is_open_is_closed() -> None:
    script = np.full((60, 3), 0.9, np.float32)
    script[40:] = np.nan
    engine = Engine(CONFIG, ScriptedRuntime(script))
    events = engine.push(np.full(16_000, 1000, np.int16))
    with pytest.raises(PipelineError, match="the model is broken"):
        engine.push(np.full(16_000, 1000, np.int16))
    assert any(isinstance(event, GateOpened) for event in events)
    assert isinstance(engine.finish()[-1], GateClosed)


def test_an_utterance_open_in_silence_is_not_slept_through() -> None:
    script = np.ones((500, 3), np.float32)
    engine = Engine(CONFIG, ScriptedRuntime(script))
    events = engine.push(np.zeros(160_000, np.int16))
    assert [event.reason for event in events if isinstance(event, GateClosed)][0] == "max_length"


def test_floats_and_nonsense_samples(runtime: Runtime) -> None:
    engine = Engine(CONFIG, runtime)
    samples = bursts(3, 1)
    whole = comparable(run(engine, samples))
    assert comparable(run(engine, samples.astype(np.float32) / 32768)) == whole
    engine.reset()
    engine.push(np.full(4000, np.nan, np.float32))
    assert engine.bad_samples == 4000
    assert np.isfinite(list(engine.peaks.values())).all()
    for wrong in (np.zeros((10, 2), np.int16), np.zeros(10, np.int32)):
        with pytest.raises(PipelineError, match="samples: got"):
            engine.push(wrong)


def test_scores_events_are_as_rare_as_asked(runtime: Runtime) -> None:
    config = dataclasses.replace(CONFIG, scores_every_samples=16_000, sleep_below_dbfs=None)
    found = [event for event in run(Engine(config, runtime), bursts(10, 2)) if isinstance(event, Scores)]
    assert 9 <= len(found) <= 11


def test_closing_from_outside(runtime: Runtime) -> None:
    engine = Engine(CONFIG, runtime)
    engine.push(bursts_of(0.3, 20_000))
    assert engine.is_open
    events = engine.close_utterance("muted")
    assert [event.TOPIC for event in events][-2:] == ["audio", "gate.closed"]
    assert events[-1].reason == "muted"
    assert engine.close_utterance("muted") == []


def test_a_ring_too_small_for_the_pre_roll_is_refused(runtime: Runtime) -> None:
    with pytest.raises(PipelineError, match="ring_samples"):
        Engine(dataclasses.replace(CONFIG, ring_samples=1000), runtime)


def test_hours_of_audio_end_like_a_fresh_start(tmp_path: Path) -> None:
    """Twenty minutes of bursts, then the same ten seconds as a fresh engine: equal scores (all memory is finite)."""
    engine = Engine(dataclasses.replace(CONFIG, sleep_below_dbfs=None), open_runtime(tiny_model.build(tmp_path)))
    for minute in range(20):
        engine.push(bursts(60, minute))
    probe = bursts_of(0.2, 160_000)
    scores: list[list[np.ndarray]] = [[], []]
    engine.listener = lambda _, row: scores[0].append(row)
    engine.push(probe)
    fresh = Engine(engine.config, engine.runtime, listener=lambda _, row: scores[1].append(row))
    fresh.push(np.concatenate([np.zeros((-20 * 60 * 16_000) % 640, np.int16), probe]))
    assert np.allclose(scores[0][-50:], scores[1][-50:], atol=1e-4)


def test_the_floor_is_followed_asleep(runtime: Runtime) -> None:
    """A fan that grew louder while nobody listened is not taken for speech when somebody speaks over it."""
    rng = np.random.default_rng(8)
    amplitude = np.concatenate([np.geomspace(15, 250, 60 * 16_000), np.full(4 * 16_000, 250.0)])
    samples = rng.normal(0, 1, len(amplitude)) * amplitude
    samples[60 * 16_000 : 61 * 16_000] += bursts_of(0.5, 16_000)
    config = dataclasses.replace(CONFIG, scores_every_samples=1)
    found = [event for event in run(Engine(config, runtime), samples.astype(np.int16)) if isinstance(event, Scores)]
    assert not [event for event in found if 30 * 16_000 < event.at_sample < 57 * 16_000]  # asleep
    assert any(event.active for event in found if 60 * 16_000 < event.at_sample < 61 * 16_000)
    after = [event for event in found if 61.2 * 16_000 < event.at_sample < 63 * 16_000]
    assert after
    assert not any(event.active for event in after)
