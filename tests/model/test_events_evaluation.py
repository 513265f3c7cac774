"""The gate as it runs: replayed from stored scores as the engine itself decides, counted right, and curves that are curves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.inherent_model import cli
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.sounds import KINDS, pieces_of_sound
from inherentd.inherent_model.streaming import delays, det
from inherentd.inherent_model.streaming.endurance import endure
from inherentd.inherent_model.streaming.recording import gate_config, record
from inherentd.inherent_model.streaming.streams import Clip, Segment, Stream
from inherentd.inherent_model.streaming.sweep import Heard, Sweep, choose_thresholds, run_sweep
from inherentd.pipeline import gate
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.events import GateClosed, GateOpened, Intent
from inherentd.pipeline.gate import GateConfig, Opened, Told
from inherentd.pipeline.replay import Recording, replay
from inherentd.pipeline.runtimes import Runtime, open_runtime
from tests import tiny_model

STEP = 640
HOUR = 3600 * 16_000


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return open_runtime(tiny_model.build(tmp_path_factory.mktemp("tiny")))


def loud_and_quiet(seconds: float, seed: int) -> np.ndarray:
    """Bursts of noise at all levels, pauses that are long enough to sleep in, faint hiss in some of them."""
    rng = np.random.default_rng(seed)
    pieces = []
    while sum(map(len, pieces)) < seconds * 16_000:
        pieces.append(rng.normal(0, 10 ** rng.uniform(-3.5, -0.5), int(rng.uniform(0.2, 4) * 16_000)))
        pieces.append(rng.normal(0, rng.choice([0, 1e-4, 1e-3]), int(rng.uniform(0.2, 5) * 16_000)))
    return np.concatenate(pieces).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("smoothing", [1, 6])
def test_a_replay_decides_what_the_engine_decides(runtime: Runtime, threshold: float, smoothing: int) -> None:
    stream = loud_and_quiet(100, seed=3)
    config = dataclasses.replace(gate_config(runtime, threshold), smoothing_steps=smoothing)
    engine = Engine(EngineConfig(gate=config), runtime)
    expected = []
    for event in engine.push(stream):
        if isinstance(event, GateOpened):
            expected.append((event.at_sample, "opened", event.score))
        elif isinstance(event, Intent):
            expected.append((event.at_sample, event.head, event.score, event.final))
        elif isinstance(event, GateClosed):
            expected.append((event.at_sample, event.reason))
    blocks = np.split(stream, [5, 40_000, 40_001, 900_000])
    assert replayed(config, record(runtime, blocks)) == expected
    assert len(expected) >= 4


def replayed(config: GateConfig, recording: Recording) -> list[tuple]:
    found = []
    for at_sample, transition in replay(config, recording):
        if isinstance(transition, Opened):
            found.append((at_sample, "opened", transition.score))
        elif isinstance(transition, Told):
            found.append((at_sample, config.heads[transition.head], transition.score, transition.final))
        else:
            found.append((at_sample, transition.reason))
    return found


def scored(scores: np.ndarray, active: np.ndarray | None = None, step: int = STEP) -> Recording:
    at_sample = 832 + step * np.arange(len(scores))
    active = np.zeros(len(scores), bool) if active is None else active
    return Recording(at_sample, scores.astype(np.float32), active, step, int(at_sample[-1]) + 500)


@settings(max_examples=40, deadline=None)
@example(seed=150, threshold=0.5, smoothing=2, lookback=1)
@given(
    seed=st.integers(0, 2**32),
    threshold=st.floats(0.02, 0.98),
    smoothing=st.integers(1, 8),
    lookback=st.integers(1, 12),
)
def test_skipping_what_cannot_open_the_gate_changes_nothing(
    seed: int, threshold: float, smoothing: int, lookback: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.repeat(rng.random((40, 2)), rng.integers(1, 12, 40), axis=0) * rng.uniform(0.8, 1)
    recording = scored(scores, rng.random(len(scores)) < 0.1)
    config = GateConfig(("gate", "other"), threshold, threshold * 0.6, (0.7,), smoothing, lookback_samples=lookback * STEP,
                        max_length_samples=20_000)  # fmt: skip
    state, expected = gate.initial_state(config), []
    for row, active, at_sample in zip(recording.scores, recording.active, recording.at_sample, strict=True):
        state, transitions = gate.step(config, state, row, active=bool(active), at_sample=int(at_sample))
        expected += [(int(at_sample), transition) for transition in transitions]
    found = replay(config, recording)
    assert [(at_sample, type(each)) for at_sample, each in found] == [(at, type(each)) for at, each in expected]


def test_a_step_that_lies_only_in_part_in_the_lookback_counts() -> None:
    scores = np.zeros((4, 2))
    scores[1, 1], scores[2, 0] = 0.9, 0.9  # the intent's word comes one step before the gate opens
    for lookback_samples, heard in ((STEP, 0), (STEP + STEP // 2, 1)):
        config = GateConfig(("gate", "intent"), 0.5, 0.3, (0.5,), lookback_samples=lookback_samples)
        assert sum(isinstance(each, Told) for _, each in replay(config, scored(scores))) == heard


def test_the_gate_is_the_daemons(runtime: Runtime) -> None:
    ours, daemons = gate_config(runtime), engine_setup.gate_config(Config().gate, runtime.metadata)
    assert dataclasses.replace(ours, preroll_samples=daemons.preroll_samples) == daemons


def hand_made(hours: float, opened: dict[int, float], speakers: list[str], *, speech: bool) -> Heard:
    """A stream of minutes, one segment each; from second 8 of minute m of `opened` the gate's score is that high for one."""
    minutes = round(hours * 60)
    scores = np.full((minutes * 120, 1), 0.01)  # a step every half a second
    for minute, score in opened.items():
        scores[minute * 120 + 16 : minute * 120 + 18] = score
    segments = [
        Segment(
            minute * 960_000,
            (minute + 1) * 960_000,
            minute * 960_000 + 120_000 if speech else minute * 960_000,
            minute * 960_000 + 160_000 if speech else (minute + 1) * 960_000,
            speakers[minute % len(speakers)],
            "source",
            (),
            str(minute),
        )
        for minute in range(minutes)
    ]
    return Heard(dataclasses.replace(scored(scores, step=8000), samples=minutes * 960_000), segments)


def test_false_accepts_an_hour_and_recall_are_counted_right() -> None:
    talk = hand_made(2, {3: 0.5, 40: 0.7, 70: 0.7, 100: 0.9}, ["a", "b"], speech=False)
    requests = hand_made(10 / 60, {0: 0.6, 2: 0.6, 4: 0.8, 6: 0.95, 8: 0.95}, ["c", "d"], speech=True)
    config = GateConfig(("gate",), 0.65, 0.39, ())
    assert {0.65, 0.700001} <= set(choose_thresholds(config, talk, requests).round(6))
    sweep = run_sweep(config, talk, requests)
    assert sweep.hours.tolist() == [1, 1]
    assert sweep.phrases.tolist() == [5, 5]
    report = det.figures(sweep, config.open_threshold)
    own = report["at_own_threshold"]
    assert (own["threshold"], own["false_accepts"], own["false_accepts_per_hour"], own["recall"]) == (0.65, 3, 1.5, 0.3)
    at = report["at_false_accepts_per_hour"]
    assert (at["0.1"]["recall"], at["0.1"]["hours_suffice"]) == (0.2, False)
    assert (at["0.5"]["recall"], at["0.5"]["hours_suffice"]) == (0.3, True)
    assert at["1.0"]["recall"] == 0.3
    assert (
        report["at_recall"]["0.8"]["false_accepts_per_hour"] > 200
    )  # five of ten are heard only by a gate always open
    of_speaker = sweep.false_accepts[np.isclose(sweep.thresholds, 0.65)][0]
    assert of_speaker.tolist() == [3, 0]


def test_an_opening_long_after_a_request_does_not_count_for_it() -> None:
    late = hand_made(3 / 60, {1: 0.9}, ["c"], speech=True)
    early = dataclasses.replace(late.segments[1], speech_start=960_000, speech_stop=960_000 + 70_000)
    missed = Heard(late.recording, [late.segments[0], early, late.segments[2]])
    config = GateConfig(("gate",), 0.65, 0.39, ())
    for heard, expected in ((late, 1), (missed, 0)):
        sweep = run_sweep(config, late, heard)
        assert sweep.accepted[np.isclose(sweep.thresholds, 0.65)].sum() == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_the_curve_is_monotone_and_its_points_lie_on_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.random(12))[::-1]
    false_accepts = np.sort(rng.integers(0, 40, (12, 6)), axis=0)
    false_accepts[-1] = 1  # open all the time: hardly ever opens
    accepted = np.sort(rng.integers(0, 10, (12, 7)), axis=0)
    sweep = Sweep(thresholds, false_accepts, rng.uniform(1, 3, 6), accepted, np.full(7, 10))
    report = det.figures(sweep, float(thresholds[4]))
    rates = [point["false_accepts_per_hour"] for point in report["det"]]
    rejects = [point["false_rejects"] for point in report["det"]]
    assert (np.diff(rates) >= 0).all()
    assert (np.diff(rejects) <= 0).all()
    for limit, found in report["at_false_accepts_per_hour"].items():
        reached = [1 - reject for rate, reject in zip(rates, rejects, strict=True) if rate <= float(limit)]
        assert found["recall"] == pytest.approx(max(reached, default=0), abs=1e-3)
    for target, found in report["at_recall"].items():
        needed = [rate for rate, reject in zip(rates, rejects, strict=True) if 1 - reject >= float(target) - 1e-9]
        assert found["false_accepts_per_hour"] == (min(needed) if needed else None)
        if found["interval"] is not None and needed:
            assert found["interval"][0] <= found["interval"][1]


def test_a_rate_without_events_is_uncertain_by_its_hours() -> None:
    assert det.poisson_interval(0, 3.689)[1] == pytest.approx(1, abs=0.001)
    low, high = det.poisson_interval(10, 1)
    assert (round(low, 2), round(high, 2)) == (4.8, 18.39)  # Garwood 1936


def test_delays_are_from_the_end_of_the_phrase() -> None:
    """The first phrase: gate and intent during it; the second: after it; the third: nothing."""
    scores = np.full((600, 2), 0.01)
    scores[50:75, 0] = scores[60:75, 1] = scores[260:280] = 0.9
    segments = [
        Segment(0, 128_000, 16_000, 50_000, "a", "", ("intent",), "0"),
        Segment(128_000, 256_000, 136_000, 160_000, "b", "", ("intent",), "1"),
        Segment(256_000, 400_000, 264_000, 320_000, "c", "", (), "2"),
    ]
    config = GateConfig(("gate", "intent"), 0.5, 0.3, (0.5,), lookback_samples=0)
    found = delays.figures(config, Heard(scored(scores), segments))
    first, second = 832 + 60 * STEP - 50_000, 832 + 260 * STEP - 160_000
    late = found["end_of_phrase_to_first_intent_ms"]
    assert late["share"] == 1
    assert late["p50"] == round((first + second) / 2 / 16)
    assert found["phrases_over_1500_ms"] == 2
    assert found["opened_before_their_end"] == 0.5
    assert found["end_of_phrase_to_gate_ms"]["share"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["intents"]["intent"] == {"requests": 2, "told": 1.0, "told_of_others": 0.0}


def test_segments_tile_their_stream() -> None:
    clips = [Clip(str(n), np.full(1000 * n, 0.5, np.float32), "a", "b", speech=(10, 500)) for n in range(1, 4)]
    stream = Stream(clips, (0.5, 1.0), seed=1)
    joined = np.concatenate(list(stream))
    assert [segment.start for segment in stream.segments[1:]] == [segment.stop for segment in stream.segments[:-1]]
    assert stream.segments[-1].stop == len(joined)
    for segment, clip in zip(stream.segments, clips, strict=True):
        assert segment.speech_start == segment.start + 10
        assert np.abs(joined[segment.start : segment.start + len(clip.samples)] - 0.5).max() < 0.05
        assert np.abs(joined[segment.start + len(clip.samples) : segment.stop]).max() < 0.05


class Drifting:
    """A runtime whose scores depend on how long it has run."""

    step_frames = 2

    def __init__(self, runtime: Runtime, a_step: float) -> None:
        self.metadata, self.a_step = runtime.metadata, np.float32(a_step)

    def initial_state(self) -> dict[str, np.ndarray]:
        return {"age": np.zeros(1, np.float32)}

    def step(self, mel: np.ndarray, state: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert mel.shape == (1, 2, 128)
        with np.errstate(over="ignore"):
            age = state["age"] * self.a_step + 1
        return np.full(len(self.metadata.head_order), 1 / (1 + age[0]), np.float32), {"age": age}


def test_a_state_that_drifts_is_found_out(runtime: Runtime) -> None:
    made = pieces_of_sound(np.random.default_rng(0), [])
    kinds = [next(made)[0] for _ in range(len(KINDS))]
    assert kinds == list(KINDS)
    good = endure(runtime, 110, [], seed=0, settle_seconds=4)
    assert good.largest_difference <= 1e-4
    assert good.steps == 2749
    assert endure(Drifting(runtime, 1.0), 20, [], seed=0, settle_seconds=1).largest_difference > 1e-3
    with pytest.raises(ModelError, match=r"age: not finite at pink after 10 s"):
        endure(Drifting(runtime, 1.3), 30, [], seed=0, settle_seconds=1)


def test_the_commands(runtime: Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for index in range(12):
        samples = rng.normal(0, 0.01, 24_000)
        samples[4000:20_000] *= 20 if index % 2 else 4
        soundfile.write(tmp_path / f"{index}.flac", samples, 16_000)
        lines.append({"path": f"{index}.flac", "addressed": index % 2, "split": "test", "source": "noise",
                      "heads": ["hasPhotoQuery"] if index % 2 else [],
                      "voice": {"engine": "noise", "name": f"v{index // 2}"}})  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "hiss.wav", rng.normal(0, 0.003, 80_000), 16_000)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"manifests: [{tmp_path}/manifest.jsonl]\nout: {tmp_path}/run\nsteps: 1\nphoneme_steps: 0\n")
    model = str(tiny_model.build(tmp_path / "model"))
    arguments = ["eval-events", "--model", model, "--config", str(recipe), "--out", str(tmp_path / "report.json")]
    more = [
        "--unaddressed-audio",
        str(tmp_path / "more"),
        "--hours",
        "0.02",
        "--det",
        str(tmp_path / "docs" / "det.png"),
    ]
    assert cli.main([*arguments, *more]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["unaddressed"]["hours"] >= 0.02
    assert report["unaddressed"]["different_clips"] == 7
    assert set(report["unaddressed"]["by_source"]) == {"noise", "more"}
    assert report["addressed"]["clips"] == 6
    assert report["addressed"]["speakers"] == 6
    assert report["at_own_threshold"]["recall_interval"] is not None
    assert report["delay"]["phrases_with_an_intent"] == 6
    assert (tmp_path / "docs" / "det.png").read_bytes()[:4] == b"\x89PNG"
    assert "false accepts/h" in capsys.readouterr().err
    assert cli.main([*arguments, "--condition", "clean"]) == 1
    assert cli.main([*arguments, "--unaddressed-audio", str(recipe.parent / "none")]) == 1
    state = [
        "eval-state",
        "--model",
        model,
        "--hours",
        "0.002",
        "--settle-seconds",
        "4",
        "--clips",
        str(tmp_path / "more"),
    ]
    assert cli.main([*state, "--out", str(tmp_path / "state.json")]) == 0
    assert json.loads((tmp_path / "state.json").read_text())["largest_difference"] <= 1e-4
    assert cli.main(["eval-state", "--model", str(tmp_path / "none.onnx"), "--quick"]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert sum(line.startswith("inherent eval-") for line in said) == 3
