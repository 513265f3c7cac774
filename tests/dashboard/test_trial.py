"""What thresholds would have done: against what the daemon's own engine does with them."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import numpy as np
import pytest

from inherentd.client.messages import GateClosedHeader, GateOpenedHeader, ScoresHeader
from inherentd.daemon import engine_setup, event_fields
from inherentd.daemon.config import Config, GateSection
from inherentd.daemon.dashboard import history
from inherentd.daemon.dashboard.history import History, Opening
from inherentd.daemon.dashboard.trial import Deciding, attempt, gate_config, replayed
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Event, GateClosed, GateOpened, Scores
from inherentd.pipeline.runtimes import Runtime

KEY = "is_interesting"


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return engine_setup.open_model(Config().model)


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    return concatenate(load_clips(BUNDLED))[0]


def configured(runtime: Runtime, scores_every_samples: int = 320, **gate: object) -> EngineConfig:
    config = Config(gate=GateSection(**gate))
    return replace(
        engine_setup.engine_config(config, runtime.metadata), scores_every_samples=scores_every_samples, flush_samples=0
    )


def deciding(config: EngineConfig, runtime: Runtime) -> Deciding:
    """As the daemon's `status` tells it, over the wire."""
    told = {
        "gate": asdict(config.gate),
        "close_share": engine_setup.CLOSE_SHARE,
        "step_samples": runtime.step_frames * 320,
        "scores_every_samples": config.scores_every_samples,
    }
    return msgspec.convert(msgspec.json.decode(msgspec.json.encode(told)), Deciding)


def thresholds(runtime: Runtime) -> dict[str, float]:
    return dict(runtime.metadata.default_thresholds)


def heard(events: list[Event], runtime: Runtime) -> History:
    """Return the history of a daemon that published these events."""
    found = History()
    model = engine_setup.identity(runtime.metadata)
    header = {"stream": "s", "device": "d", "seq": 0, "time_ns": 0}
    for event in events:
        if isinstance(event, Scores):
            found.scored(ScoresHeader(**header, **event_fields.fields(event, model)))
        elif isinstance(event, GateOpened):
            found.opened(GateOpenedHeader(**header, **event_fields.fields(event, model)))
        elif isinstance(event, GateClosed):
            found.closed(GateClosedHeader(**header, **event_fields.fields(event, model)))
    return found


def openings(events: list[Event]) -> list[Opening]:
    """Return how the gate was open, as its events tell; one that the end of the audio closed counts as open."""
    found: list[Opening] = []
    for event in events:
        if isinstance(event, GateOpened):
            found.append(Opening(event.at_sample))
        elif isinstance(event, GateClosed) and event.reason != "end_of_stream":
            found[-1] = Opening(found[-1].opened_at, event.at_sample, tuple(event.intents))
    return found


def run(config: EngineConfig, runtime: Runtime, pcm: np.ndarray) -> list[Event]:
    engine = Engine(config, runtime)
    return [event for start in range(0, len(pcm), 1280) for event in engine.push(pcm[start : start + 1280])]


@pytest.mark.parametrize("opens", [0.3, 0.6553, 0.9])
def test_tried_thresholds_do_what_the_engine_would_have_done(
    runtime: Runtime, recording: np.ndarray, opens: float
) -> None:
    """The history is of a daemon with its own thresholds; what is tried is compared with a daemon that has them."""
    config = configured(runtime)
    found = heard(run(config, runtime, recording), runtime)
    would = openings(run(configured(runtime, thresholds={KEY: opens, "has_photo_query": 0.5}), runtime, recording))
    assert len(would) > 2
    tried = gate_config(deciding(config, runtime), thresholds(runtime), {KEY: opens, "has_photo_query": 0.5})
    assert replayed(tried, found.window().recording(1280)) == would


def test_what_is_told_adds_up(runtime: Runtime, recording: np.ndarray) -> None:
    config = configured(runtime)
    events = run(config, runtime, recording)
    window = heard(events, runtime).window()
    same = attempt(window, deciding(config, runtime), gate_config(deciding(config, runtime), thresholds(runtime), {}))
    really = openings(events)
    assert same["really"] == same["tried"]
    assert same["really"]["openings"] == len(really) == same["kept"]
    assert (same["gone"], same["new"]) == (0, 0)
    assert same["really"]["seconds_open"] == pytest.approx(
        sum((one.closed_at or window.end) - one.opened_at for one in really) / 16_000, abs=0.01
    )
    assert sum(same["really"]["intents"].values()) == sum(len(one.intents) for one in really) > 0
    assert same["step_seconds"] == same["replayed_step_seconds"] == 0.08
    never = gate_config(deciding(config, runtime), thresholds(runtime), {KEY: 1.0})
    none = attempt(window, deciding(config, runtime), never)
    assert (none["tried"]["openings"], none["kept"], none["gone"]) == (0, 0, len(really))


def test_fewer_scores_than_decisions_are_told(runtime: Runtime, recording: np.ndarray) -> None:
    config = configured(runtime, scores_every_samples=3200)
    window = heard(run(config, runtime, recording), runtime).window()
    told = attempt(window, deciding(config, runtime), gate_config(deciding(config, runtime), thresholds(runtime), {}))
    assert told["step_seconds"] == 0.08
    assert told["replayed_step_seconds"] == 0.24  # every third step is the first that is 200 ms later
    assert told["really"]["openings"] > 2


def test_a_close_threshold_of_its_own_stays(runtime: Runtime) -> None:
    config = configured(runtime, close_threshold=0.5)
    fixed = msgspec.structs.replace(deciding(config, runtime), close_share=None)
    assert gate_config(fixed, thresholds(runtime), {KEY: 0.7}).close_threshold == 0.5
    assert gate_config(deciding(config, runtime), thresholds(runtime), {KEY: 0.7}).close_threshold == 0.7 * 0.6
    with pytest.raises(PipelineError, match=r"close 0.5 and open 0.3, expected 0 <= close <= open <= 1"):
        gate_config(fixed, thresholds(runtime), {KEY: 0.3})
    with pytest.raises(DaemonError, match=r"no head with the key 'is_intresting'; did you mean 'is_interesting'\?"):
        gate_config(fixed, thresholds(runtime), {"is_intresting": 0.3})


def score(at_sample: int, heads: int = 3) -> ScoresHeader:
    scores = {f"h{head}": (at_sample % 1000) / 1000 for head in range(heads)}
    return ScoresHeader(stream="s", device="d", seq=0, time_ns=0, at_sample=at_sample, scores=scores, level_dbfs=-30.0)


def test_memory_is_bounded_and_the_last_hour_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = History()
    for second in range(0, 2 * 3600, 2):
        found.scored(score(second * 16_000))
    window = found.window()
    assert window.end == 7198 * 16_000
    assert window.at_sample[0] == 3600 * 16_000
    assert (np.diff(window.at_sample) == 32_000).all()
    monkeypatch.setattr(history, "MOST_STEPS", 100)
    small = History()
    small.begin(("h0", "h1", "h2"))
    for step in range(250):
        small.scored(score(step * 320))
    assert list(small.window().at_sample) == [step * 320 for step in range(150, 250)]
    assert small.window().scores[-1, 0] == np.float32(0.68)
    small.scored(score(0, heads=2))  # another model: what was scored before says nothing about it
    assert small.window().scores.shape == (1, 2)


def test_an_opening_before_what_is_remembered_is_left_out() -> None:
    found = History()
    opened = {"stream": "s", "device": "d", "seq": 0, "time_ns": 0, "utterance": 1, "score": 0.9, "scores": {},
              "model": engine_setup.identity, "preroll_samples": 0}  # fmt: skip
    found.scored(score(0))
    found.opened(GateOpenedHeader(at_sample=100, **opened))
    found.scored(score(3601 * 16_000))
    found.opened(GateOpenedHeader(at_sample=3601 * 16_000, **opened))
    assert found.window().openings == (Opening(3601 * 16_000),)
