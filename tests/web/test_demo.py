"""The built demo in headless Chromium against `inherentd score`: the same samples, the same scores and events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.daemon import engine_setup
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole

TOLERANCE = 1e-3
SPOKEN = {
    "hasAddToListIntent": "put eggs on the grocery list",
    "hasTermSearchQuery": "what does entropy mean",
    "hasPhotoQuery": "show me the photos from our trip to rome",
    "hasCalendarEvent": "schedule a meeting with anna on monday",
    "hasCreateDocIntent": "create a document about the budget",
    "hasPersonContext": "what do you know about maria",
    "hasEventContext": "what did we decide in the last meeting",
    "hasDeepResearchIntent": "research the history of solar power and write a report",
    "hasInsightIntent": "give me advice on my spending",
    "hasBrowsingAgentIntent": "book a flight to berlin online",
    "hasCallingAgentIntent": "call the restaurant and ask for a table",
    "hasStartTimerIntent": "set a timer for ten minutes",
}
LEAST_RIGHT = 6


@pytest.fixture(scope="module")
def spoken(synthesizer, tmp_path_factory) -> dict[str, Path]:
    """One sentence a head, in a WAV file each."""
    folder = tmp_path_factory.mktemp("spoken")
    return {head: synthesizer(text, folder / f"{head}.wav") for head, text in SPOKEN.items()}


def by_the_daemon(*files: Path, model: Path | None = None) -> list[dict]:
    chosen = ["--backend", "onnx", *(["--model", str(model)] if model else [])]
    command = [sys.executable, "-m", "inherentd.daemon.cli", "score", "--json", *chosen, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_the_browser(demo, *arguments: object) -> list[dict]:
    return [json.loads(line) for line in demo("drive/score.mjs", "--processor", "wasm", *arguments).splitlines()]


def told(line: dict) -> list[tuple]:
    keys = ("topic", "utterance", "at_sample", "head", "final", "reason", "intents", "duration_ms")
    return [tuple(str(event.get(key)) for key in keys) for event in line["events"] if event["topic"] != "audio"]


def test_files_score_as_the_daemon_scores_them(demo, spoken, tmp_path) -> None:
    """Bundled clips and spoken sentences: every score within 1e-3, the same events, and the right heads light."""
    clips = [Path(clip.path) for clip in load_clips(BUNDLED)]
    files = [*clips, *spoken.values()]
    opened, *found = in_the_browser(demo, "--heard", tmp_path, *files)
    expected = by_the_daemon(*files)
    assert opened["form"] == "audio"
    assert [Path(line["path"]) for line in found] == files
    for line, other in zip(found, expected, strict=True):
        assert line["scores"] == pytest.approx(other["scores"], abs=TOLERANCE), line["path"]
        assert line["seconds"] == other["seconds"]
        assert [keys[:7] for keys in told(line)] == [keys[:7] for keys in told(other)], line["path"]
    for (
        file
    ) in files:  # WAV comes in sample by sample as it is; other formats as Chromium decodes them, one step off at most
        heard, rate_hz = soundfile.read(tmp_path / f"{file.name}.wav", dtype="int16")
        assert rate_hz == 16_000
        off = np.abs(heard.astype(int) - read_whole(file)).max()
        assert off == 0 if file.suffix == ".wav" else off <= 1
    lit = {
        Path(line["path"]).stem: event["intents"] for line in found for event in line["events"] if "intents" in event
    }
    right = [head for head in SPOKEN if head in lit.get(head, [])]
    assert len(right) >= LEAST_RIGHT, lit


@pytest.mark.parametrize("form", ["inherent", "inherent-windowed"])
def test_the_other_forms_with_the_frontend_in_javascript(demo, spoken, form) -> None:
    clips = [Path(load_clips(BUNDLED)[index].path) for index in (1, 7, 12)]
    files = [*clips, spoken["hasStartTimerIntent"]]
    opened, *found = in_the_browser(demo, "--form", f"models/{form}.onnx", *files)
    assert opened["form"] == {"inherent": "streaming", "inherent-windowed": "windowed"}[form]
    for line, other in zip(found, by_the_daemon(*files, model=engine_setup.MODELS / f"{form}.onnx"), strict=True):
        assert line["scores"] == pytest.approx(other["scores"], abs=TOLERANCE), line["path"]
        assert [keys[:7] for keys in told(line)] == [keys[:7] for keys in told(other)], line["path"]


def test_the_microphone_scores_as_what_it_heard(demo, spoken, tmp_path) -> None:
    """Chromium resamples its microphone: what the worklet really got is scored by the daemon. All of it is said in words."""
    heard = tmp_path / "heard.wav"
    found = json.loads(demo("drive/microphone.mjs", spoken["hasStartTimerIntent"], 7, heard))
    (expected,) = by_the_daemon(heard)
    assert found["seconds"] == expected["seconds"] > 3
    assert found["scores"] == pytest.approx(expected["scores"], abs=TOLERANCE)
    assert [keys[:7] for keys in told(found)] == [keys[:7] for keys in told(expected)]
    words = " ".join(found["words"])
    assert "Listening." in words
    assert "Gate opened" in words
    assert "Start a timer" in words
    assert "Gate closed" in words


def test_offline_once_loaded_and_no_other_host(demo, spoken) -> None:
    """The server is gone, the page loads again and scores; nothing was ever asked of another host."""
    found = json.loads(demo("drive/offline.mjs", spoken["hasStartTimerIntent"]))
    assert found["told"] == "works now"
    assert found["requests"]
    assert all(address.startswith((found["address"], "blob:", "data:")) for address in found["requests"])
    assert found["scores"]["hasStartTimerIntent"] > 0.5


def test_without_a_graphics_card_it_says_so_and_runs(demo, spoken) -> None:
    opened, line = [
        json.loads(text)
        for text in demo("drive/score.mjs", "--processor", "webgpu", spoken["hasStartTimerIntent"]).splitlines()
    ]
    assert opened["words"].startswith("WebAssembly: ")
    assert "WebGPU" in opened["words"]
    assert line["steps"] > 5


def test_the_page_is_usable_by_everybody(demo) -> None:
    """Contrast, focus, names, 360 px: measured in the page, light and dark."""
    problems = json.loads(demo("drive/access.mjs"))
    assert problems == []


def test_the_lock_file_names_no_registry(node) -> None:
    lock = json.loads((Path(__file__).parents[2] / "web" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package.get("integrity") for package in packages.values())
