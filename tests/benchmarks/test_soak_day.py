"""The accelerated day: its quick run through a real daemon, and that it finds what it looks for."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("tqdm", reason="pip install 'inherentd[train]'")

from benchmarks import soak_day
from benchmarks.rig.daemon import Arrival

ROOT = Path(__file__).parents[2]


def test_quick(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.soak_day", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    result, *hours = map(json.loads, (tmp_path / "soak-day-hours.jsonl").read_text().splitlines())
    assert result["samples_given"] == result["samples_heard"] == 3 * 180 * 16_000
    assert result["audio_samples"] > 16_000
    assert result["recording_messages"] > 10
    assert [hour["hour"] for hour in hours] == [1, 2, 3]
    table = json.loads((tmp_path / "soak-day.json").read_text())
    assert ["messages lost", "0", "0"] in table["rows"]
    command = [sys.executable, "-m", "benchmarks.page", str(tmp_path), str(tmp_path / "page.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'page.md'}: 1 tables\n"), done.stderr


def messages(given: soak_day.Given) -> list[Arrival]:
    """An utterance of an hour as a daemon tells it."""
    ring = given.ring
    opened = {"seq": 0, "at_sample": 400, "preroll_samples": 300, "utterance": 1, "score": 0.9}
    pieces = [{"seq": 0, "at_sample": 100, "samples": 300}, {"seq": 1, "at_sample": 400, "samples": 200}]
    audio = [
        Arrival(
            0,
            "audio",
            {"utterance": 1, **piece},
            ring.read(piece["at_sample"], piece["at_sample"] + piece["samples"]).tobytes(),
        )
        for piece in pieces
    ]
    closed = {"seq": 0, "at_sample": 600, "utterance": 1}
    return [Arrival(0, "gate.opened", opened, b""), *audio, Arrival(0, "gate.closed", closed, b"")]


@pytest.fixture(scope="module")
def given() -> soak_day.Given:
    made = soak_day.Given(1, 180)
    next(made.blocks())
    return made


def heard(given: soak_day.Given, arrivals: list[Arrival]) -> soak_day.Received:
    received = soak_day.Received(given)
    for arrival in arrivals:
        received.take(arrival)
    return received


def test_what_is_whole_is_found_whole(given: soak_day.Given) -> None:
    found = heard(given, messages(given))
    assert (found.lost_messages, found.missing_samples, found.wrong_samples, found.open_utterances) == (0, 0, 0, 0)
    assert found.audio_samples == 500


def test_a_lost_message_and_wrong_samples_are_found(given: soak_day.Given) -> None:
    opened, first, second, closed = messages(given)
    found = heard(given, [opened, second, closed])
    assert (found.lost_messages, found.missing_samples) == (1, 300)
    assert heard(given, [opened, first, second]).open_utterances == 1
    other = bytes([first.payload[0] ^ 1]) + first.payload[1:]
    assert heard(given, [opened, dataclasses.replace(first, payload=other), second, closed]).wrong_samples == 1


def test_another_score_in_a_later_hour_is_found(given: soak_day.Given) -> None:
    arrivals = messages(given)
    header = dict(arrivals[0].header)
    later = [
        dataclasses.replace(one, header={**one.header, "at_sample": one.header["at_sample"] + given.hour_samples})
        for one in arrivals
        if one.topic != "audio"
    ]
    first = [one for one in arrivals if one.topic != "audio"]
    same = heard(given, [*first, *later]).recordings
    assert same[0] == same[1]
    later[0] = dataclasses.replace(later[0], header={**later[0].header, "score": header["score"] + 1e-7})
    other = heard(given, [*first, *later]).recordings
    assert other[0] != other[1]
    assert msgspec.json.encode(header)


@pytest.mark.parametrize(
    ("change", "named"),
    [({}, []), ({"messages_lost": 1}, ["messages_lost"]), ({"samples_heard": 9}, ["samples_heard"]),
     ({"rss_mb_per_hour": 1.5}, ["rss_mb_per_hour"]), ({"descriptors": [19, 20]}, ["descriptors"]),
     ({"hours_decided_otherwise": 2}, ["hours_decided_otherwise"]), ({"utterances": 0}, ["utterances"])],
)  # fmt: skip
def test_the_exit_code_is_for_what_is_not_as_it_must_be(change: dict, named: list[str]) -> None:
    fine = {"exit_code": 0, "samples_dropped": 0, "audio_samples_missing": 0, "audio_samples_wrong": 0, "messages_lost": 0,
            "utterances_not_closed": 0, "hours_decided_otherwise": 0, "samples_given": 10, "samples_heard": 10, "utterances": 3,
            "descriptors": [19, 19], "threads": [8, 8], "rss_mb_per_hour": 0.2}  # fmt: skip
    assert soak_day.failures(fine | change, judge_memory=True) == named
