"""`inherent corpus transcribe` with a recognizer that the test makes: what is kept, what is done again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.inherent_model.cli import main
from inherentd.inherent_model.corpus.transcribe import Heard, transcribe
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.transcripts import read_transcripts


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three English training clips, told apart by their length, and clips that must not be transcribed."""
    rows = [
        *({"path": f"{tenths}.wav", "text": "", "language": "en", "split": "train"} for tenths in (1, 2, 3)),
        {"path": "written.wav", "text": "stop it", "language": "en", "split": "train"},
        {"path": "french.wav", "text": "", "language": "fr", "split": "train"},
        {"path": "test.wav", "text": "", "language": "en", "split": "test"},
    ]
    for row in rows:
        if row["path"][0].isdigit():
            soundfile.write(tmp_path / row["path"], np.zeros(1600 * int(row["path"][0])), 16_000)
    (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps({**row, "addressed": 0}) for row in rows))
    return tmp_path / "manifest.jsonl"


class Ear:
    """Hears what the test says, by the length of the clip in tenths of a second."""

    def __init__(self, heard: dict[int, Heard]) -> None:
        self.heard = heard
        self.calls: list[int] = []

    def __call__(self, samples: np.ndarray) -> Heard:
        assert samples.dtype == np.float32
        self.calls.append(len(samples) // 1600)
        return self.heard[self.calls[-1]]


def run(manifest: Path, ear: Ear, workers: int = 1) -> tuple[int, int]:
    return transcribe(manifest, ear, language="en", split="train", workers=workers)


def test_clips_of_the_language_and_split_get_a_line_each_and_are_not_done_again(manifest: Path) -> None:
    ear = Ear({1: Heard("Good morning.", -0.2, 0.01), 2: Heard("Ürgh, née", -0.3, 0.0), 3: Heard("uh", -0.95, 0.1)})
    assert run(manifest, ear, workers=2) == (3, 2)
    lines = (manifest.parent / "transcripts.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {
        "path": "1.wav", "text": "Good morning.", "avg_logprob": -0.2, "no_speech_prob": 0.01,
    }  # fmt: skip
    assert read_transcripts(manifest) == {"1.wav": "Good morning.", "2.wav": "Ürgh, née", "3.wav": ""}
    assert run(manifest, ear) == (0, 0)
    assert sorted(ear.calls) == [1, 2, 3]


def test_short_clips_can_be_left_out(manifest: Path) -> None:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows = [{**row, "seconds": int(row["path"][0]) / 10} for row in rows if row["path"][0].isdigit()]
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    ear = Ear({2: Heard("two", -0.1, 0.0), 3: Heard("three", -0.1, 0.0)})
    assert transcribe(manifest, ear, language="en", split="train", workers=1, min_seconds=0.2) == (2, 2)
    assert ear.calls == [2, 3]


def test_an_interrupted_run_goes_on_and_its_broken_line_is_done_again(manifest: Path) -> None:
    sidecar = manifest.parent / "transcripts.jsonl"
    sidecar.write_text('{"path": "1.wav", "text": "hello"}\n{"path": "2.wav", "te')
    assert read_transcripts(manifest) == {"1.wav": "hello"}
    ear = Ear({2: Heard("two", -0.1, 0.0), 3: Heard("three", -0.1, 0.0)})
    assert run(manifest, ear) == (2, 2)
    assert ear.calls == [2, 3]
    assert read_transcripts(manifest) == {"1.wav": "hello", "2.wav": "two", "3.wav": "three"}


@pytest.mark.parametrize(
    ("heard", "credible"),
    [
        (Heard("yes", -0.8, 0.5), True),
        (Heard("yes", -0.81, 0.1), False),
        (Heard("yes", -0.1, 0.51), False),
        (Heard("", -0.1, 0.0), False),
        (Heard("... 17!", -0.1, 0.0), False),
    ],
)
def test_what_is_kept(heard: Heard, *, credible: bool) -> None:
    assert heard.credible == credible


def test_a_manifest_without_languages_or_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"path": "a.wav", "split": "train"}')
    with pytest.raises(ModelError, match="no line has a language"):
        run(tmp_path / "manifest.jsonl", Ear({}))
    with pytest.raises(ModelError, match="no such manifest"):
        run(tmp_path / "none.jsonl", Ear({}))
    assert not (tmp_path / "transcripts.jsonl").exists()


def test_a_broken_sidecar_is_named(manifest: Path) -> None:
    (manifest.parent / "transcripts.jsonl").write_text("hello\n")
    with pytest.raises(ModelError, match="transcripts.jsonl.*transcribe again"):
        read_transcripts(manifest)


def test_without_faster_whisper_the_command_says_what_to_install(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    assert main(["corpus", "transcribe", "--manifest", str(manifest), "--model", "tiny.en"]) == 1
    said = capsys.readouterr().err.strip()
    assert "pip install 'inherentd[transcribe]'" in said
    assert "\n" not in said


def test_a_model_that_is_none_is_one_line(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faster_whisper", reason="pip install 'inherentd[transcribe]'")
    assert main(["corpus", "transcribe", "--manifest", str(manifest), "--model", str(manifest.parent)]) == 1
    said = capsys.readouterr().err.strip()
    assert "expected a folder in faster-whisper's form" in said
    assert "\n" not in said
