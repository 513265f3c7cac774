"""What is counted as right, where requests lie, and the whole benchmark on a small scene."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.rig.kept_words import common, compared, first_is_right, words
from benchmarks.rig.scene import requests_of, scene, speech_bounds, synthesised_talk, talk_of

from tests.examples.conftest import EXAMPLES


def test_words_right() -> None:
    written = words("Set a timer, please: it's late")
    assert written == ["set", "a", "timer", "please", "it's", "late"]
    assert common(written, words("Well, set the timer please. It's late!")) == 5
    assert common(written, []) == 0
    assert first_is_right(written, words("oh set a timer"))
    assert not first_is_right(written, words("a timer please"))
    assert not first_is_right(written, words("timer set"))  # the best alignment has the timer or the set, not both


@pytest.fixture
def talk(tmp_path: Path) -> list[Path]:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    return synthesised_talk(tmp_path)


def test_requests_lie_where_the_scene_says(talk: list[Path], tmp_path: Path) -> None:
    assert sorted(talk) == talk_of(tmp_path, "")
    pcm, placed = scene(requests_of([], 3), talk, minutes=0.5, seed=1)
    again, _ = scene(requests_of([], 3), talk, minutes=0.5, seed=1)
    assert np.array_equal(pcm, again)
    assert len(placed) == 3
    for request in placed:
        first, last = speech_bounds(request.pcm)
        assert np.array_equal(pcm[request.start :][: len(request.pcm)], request.pcm)
        assert request.speech_start == request.start + first < request.speech_stop == request.start + last
        assert np.abs(pcm[request.start + len(request.pcm) :][:32_000]).max() < 50  # then nobody speaks
    spoken = len(pcm) - sum(len(request.pcm) for request in placed)
    assert spoken > 0.5 * 60 * 16_000


def test_manifests_give_test_clips_only(tmp_path: Path) -> None:
    rows = [
        {"path": "a.wav", "split": "test", "addressed": True, "text": "a", "source": "x"},
        {"path": "b.wav", "split": "train", "addressed": True, "text": "b", "source": "x"},
        {"path": "c.wav", "split": "test", "addressed": False, "text": "c", "source": "x"},
        {"path": "d.wav", "split": "test", "addressed": 0, "text": "", "source": "y"},
        {"path": "e.wav", "split": "train", "addressed": False, "text": "", "source": "y"},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    assert requests_of([manifest], 9) == [(tmp_path / "a.wav", "a")]
    assert talk_of(manifest, "") == [tmp_path / "c.wav", tmp_path / "d.wav"]
    assert talk_of(manifest, "y") == [tmp_path / "d.wav"]


def test_a_request_that_begins_late_has_lost_its_first_word(talk: list[Path]) -> None:
    _, (request,) = scene(requests_of([], 1), talk, minutes=0.1, seed=1)
    whole = {"at_sample": request.speech_start - 100, "opened_at_sample": request.speech_start + 9000,
             "seconds": 9.0, "text": request.text}  # fmt: skip
    row = compared(request, [whole], request.text)
    assert row["opened"] and row["from_first_word"] and row["to_last_word"] and row["first_gated"]
    assert row["late_seconds"] == 9000 / 16_000
    assert row["right_gated"] == row["right_alone"] == row["words"]
    late = {**whole, "at_sample": request.speech_start + 8000, "text": request.text.split(" ", 1)[1]}
    row = compared(request, [late], request.text)
    assert row["opened"] and not row["from_first_word"] and not row["first_gated"]
    assert row["right_gated"] == row["words"] - 1
    elsewhere = {**whole, "at_sample": request.speech_stop + 1, "opened_at_sample": request.speech_stop + 50_000}
    row = compared(request, [elsewhere], request.text)
    assert not row["opened"] and row["right_gated"] == 0


@pytest.mark.usefixtures("whisper_model", "talk")
def test_no_word_is_lost_behind_the_gate(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.transcription", "--clips", "2", "--minutes", "0.2"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out.json")],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| requests for which the gate opened |" in done.stdout
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["opened"] >= 1
    assert result["sound_from_the_first_word"] == result["sound_to_the_last_word"] == result["opened"]
    assert result["words_right"]["gated_opened"] == result["words_right"]["alone_opened"]
    assert all(seconds > 0 for seconds in result["cpu_seconds"].values())
    assert result["cpu_seconds"]["example"] > result["cpu_seconds"]["whisper_on_utterances"]
