"""demo/gate.js and demo/activity.js against pipeline/: the same transitions on random streams of scores, made by Python here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inherentd.pipeline import activity, gate

HEADS = tuple(f"head{index}" for index in range(5))
GATE = """
import * as gate from "./demo/gate.js";
let state = gate.initialState();
const told = [];
for (const { scores, active, atSample } of given.steps) {
  let transitions;
  [state, transitions] = gate.step(given.config, state, scores, { active, atSample });
  told.push(transitions);
}
told.push(gate.close(given.config, state, "end_of_stream", given.steps.at(-1).atSample)[1]);
console.log(JSON.stringify(told));
"""
DEFAULTS = """
import { gateConfig } from "./demo/gate.js";
console.log(JSON.stringify(gateConfig(given)));
"""
ACTIVITY = """
import * as activity from "./demo/activity.js";
let floor = activity.initialState();
let room = activity.initialState(activity.ROOM);
console.log(JSON.stringify(given.hops.map((hop) => {
  let active, standsOut;
  const [level, voice] = activity.loudestHopDbfs(hop, 320);
  [floor, active] = activity.step(floor, level, 0.02);
  [room, standsOut] = activity.step(room, voice, 0.02, activity.ROOM);
  return [level, voice, floor, room, active, standsOut];
})));
"""


def camel(values: dict) -> dict:
    return {key.split("_")[0] + "".join(map(str.title, key.split("_")[1:])): value for key, value in values.items()}


def plain(transition: gate.Transition) -> dict:
    if isinstance(transition, gate.Opened):
        return {"kind": "opened", "score": transition.score, "scores": transition.scores.tolist()}
    if isinstance(transition, gate.Told):
        return {"kind": "told", **dataclasses.asdict(transition)}
    return {
        "kind": "closed",
        "reason": transition.reason,
        "openedAt": transition.opened_at,
        "intents": list(transition.intents),
        "peaks": transition.peaks.tolist(),
    }


def random_stream(rng: np.random.Generator) -> tuple[gate.GateConfig, list[tuple[np.ndarray, bool, int]]]:
    """Return a configuration and steps whose scores wander, with bursts of sound: openings, and every reason to close."""
    opens = float(rng.uniform(0.3, 0.8))
    config = gate.GateConfig(
        heads=HEADS,
        open_threshold=opens,
        close_threshold=opens * float(rng.uniform(0.2, 1)),
        intent_thresholds=tuple(rng.uniform(0.2, 0.95, 4).tolist()),
        smoothing_steps=int(rng.integers(1, 4)),
        hold_samples=int(rng.choice([16_000, 48_000])),
        max_length_samples=int(rng.choice([40_000, 240_000])),
    )
    scores = 0.5 + 0.6 * np.sin(np.cumsum(rng.normal(0, 0.25, (400, 5)), axis=0))
    active = np.repeat(rng.random(40) < 0.5, 10)
    steps = [
        (np.clip(row, 0, 1).astype(np.float32), bool(active[index]), 1_472 + 1_280 * index)
        for index, row in enumerate(scores)
    ]
    return config, steps


def test_the_same_transitions_on_random_streams(module) -> None:
    reasons = set()
    for seed in range(12):
        config, steps = random_stream(np.random.default_rng(seed))
        state, expected = gate.initial_state(config), []
        for scores, active, at_sample in steps:
            state, transitions = gate.step(config, state, scores, active=active, at_sample=at_sample)
            expected.append([plain(transition) for transition in transitions])
        expected.append([plain(last) for last in gate.close(config, state, "end_of_stream", steps[-1][2])[1]])
        given = {
            "config": camel(dataclasses.asdict(config)),
            "steps": [{"scores": row.tolist(), "active": active, "atSample": at} for row, active, at in steps],
        }
        compare(module(GATE, given), expected)
        reasons |= {one["reason"] for step in expected for one in step if one["kind"] == "closed"}
    assert reasons >= {"silence", "hold", "max_length", "end_of_stream"}


def compare(found: list, expected: list) -> None:
    """The same step by step; numbers within float32's rounding of a mean."""
    for left, right in zip(found, expected, strict=True):
        assert [(one["kind"], one.get("head"), one.get("reason"), one.get("intents")) for one in left] == [
            (one["kind"], one.get("head"), one.get("reason"), one.get("intents")) for one in right
        ]
        for one, other in zip(left, right, strict=True):
            for key in ("score", "scores", "peaks", "openedAt", "final"):
                assert one.get(key) == (
                    other.get(key) if other.get(key) is None else pytest.approx(other[key], abs=1e-6)
                )


def test_a_score_that_is_no_number_is_refused(node) -> None:
    script = (
        'import * as gate from "./demo/gate.js"; try {'
        "gate.step(gate.gateConfig([0.5, 0.5]), gate.initialState(), [NaN, 0], { active: false, atSample: 1 }); "
        'console.log("accepted"); } catch (error) { console.log(error.message); }'
    )
    assert "the model is broken" in node("--input-type=module", "--eval", script)


def test_the_defaults_are_the_daemons(module) -> None:
    from inherentd.daemon import engine_setup
    from inherentd.daemon.config import Config
    from inherentd.pipeline.runtimes import open_runtime

    metadata = open_runtime(engine_setup.MODELS / "inherent.onnx").metadata
    expected = camel(dataclasses.asdict(engine_setup.engine_config(Config(), metadata).gate))
    found = module(DEFAULTS, [metadata.threshold(head) for head in metadata.head_order])
    assert found == {
        key: list(value) if isinstance(value, tuple) else value for key, value in expected.items() if key in found
    }
    assert set(expected) - set(found) == {"heads", "prerollSamples"}


def test_activity_is_the_pipelines(module) -> None:
    rng = np.random.default_rng(3)
    hops = [(rng.normal(0, level, 1_280)).astype(np.int16) for level in rng.choice([0, 3, 30, 300, 3_000], 60)]
    config = activity.ActivityConfig()
    state, room, expected = activity.initial_state(config), activity.initial_state(activity.ROOM), []
    for hop in hops:
        level, voice = (float(measure(hop, 320).max()) for measure in (activity.levels_dbfs, activity.voices_dbfs))
        state, active = activity.step(config, state, level, 0.02)
        room, stands_out = activity.step(activity.ROOM, room, voice, 0.02)
        expected.append([level, voice, state.floor_dbfs, room.floor_dbfs, active, stands_out])
    assert {row[5] for row in expected} == {True, False}
    found = module(ACTIVITY, {"hops": [hop.tolist() for hop in hops]})
    assert [row[4:] for row in found] == [row[4:] for row in expected]
    assert np.abs(np.array([row[:4] for row in found]) - [row[:4] for row in expected]).max() <= 1e-3
