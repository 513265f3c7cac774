"""`inherent fixtures`: sentences are spoken, labelled and scored, by the checkpoint and by the artifacts alike."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inherentd.export import command
from inherentd.export.artifacts import Job
from inherentd.inherent_model import checkpoint, cli, label_checks, label_reading
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.thresholds import Calibration
from inherentd.pipeline.frontend import FrontendSpec
from tests import tiny_model

HEADS = ("isInteresting", "hasPhotoQuery", "hasStartTimerIntent")
INDEX = [
    {"text": "Set a timer for ten minutes!", "heads": ["hasStartTimerIntent"]},
    {"text": "turn off the lights", "heads": [], "addressed": True},
    {"text": "she forgot the photos", "heads": []},
]
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: apt-get install flite")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "index.json"
    path.write_text(json.dumps(INDEX))
    return path


def fixtures(index: Path, out: Path, *more: object) -> int:
    return cli.main(["fixtures", "--index", str(index), "--out", str(out), *map(str, more)])


@needs_flite
def test_sentences_become_labelled_recordings(index: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "fixtures"
    assert fixtures(index, out, "--engine", "flite") == 0
    assert capsys.readouterr().out.split() == [str(out / "labels.csv")]
    found = label_reading.read(out / "labels.csv")
    assert label_checks.check(found) == []
    assert found.heads == SHIPPED_HEADS
    assert [row.fired for row in found.rows] == [("isInteresting", "hasStartTimerIntent"), ("isInteresting",), ()]
    assert found.rows[0].audio_path == "audio/0001-set-a-timer-for-ten-minutes.wav"
    assert {row.voice for row in found.rows} == {("flite", "kal16")}
    assert not (out / "report.json").exists()


@pytest.mark.skipif(sys.platform == "darwin" or shutil.which("espeak-ng") is None, reason="apt-get install espeak-ng")
def test_an_index_is_all_that_is_needed(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fixtures", "--index", str(index)]) == 0
    found = label_reading.read(Path("fixtures/labels.csv"))
    assert label_checks.check(found) == []
    assert {row.voice[0] for row in found.rows} == {"espeak"}


@needs_flite
def test_checkpoint_and_artifact_report_the_same_scores(index: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = InherentModel(ModelConfig(heads=HEADS, channels=8, dilations=(1, 2))).eval()
    checkpoint.save(tmp_path / "model.safetensors", model, FrontendSpec(), {})
    loaded = checkpoint.load(tmp_path / "model.safetensors")
    list(command.export(Job(loaded, Calibration((0.5,) * 3, {}), tmp_path, "model", "0.0.1"), "onnx"))
    reports = []
    for option, name in (("--checkpoint", "model.safetensors"), ("--model", "model.onnx")):
        assert fixtures(index, tmp_path / name[6:], "--engine", "flite", option, tmp_path / name) == 0
        reports.append(json.loads((tmp_path / name[6:] / "report.json").read_text()))
    for one, other in zip(*(report["sentences"] for report in reports), strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=2e-4)
        assert (one["text"], one["expected"], one["heard"]) == (other["text"], other["expected"], other["heard"])


@needs_flite
@pytest.mark.parametrize("form", ["streaming", "windowed"])
def test_any_artifact_is_scored_and_the_totals_add_up(index: Path, tmp_path: Path, form: str, capsys) -> None:
    # The tiny model hears loudness only: its gate opens at every sentence.
    model = tiny_model.build(tmp_path, form=form)
    assert fixtures(index, tmp_path / "out", "--engine", "flite", "--model", model) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["thresholds"] == {"isInteresting": 0.6, "hasPhotoQuery": 0.7, "hasStartTimerIntent": 0.9}
    assert [row["expected"] for row in report["sentences"]] == [[HEADS[0], HEADS[2]], [HEADS[0]], []]
    for row in report["sentences"]:
        over = [head for head in HEADS if row["scores"][head] >= report["thresholds"][head]]
        assert row["heard"] == over
        assert row["heard"][:1] == [HEADS[0]]
        assert set(row["wrong_heads"]) == set(row["heard"]) ^ set(row["expected"])
        assert row["right"] == (not row["wrong_heads"])
    assert report["totals"]["heads"]["isInteresting"] == {"expected": 2, "heard": 2, "false": 1, "right": 2}
    assert report["totals"]["sentences"] == 3
    assert "WRONG  she forgot the photos  (expected nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[]", "no sentences"),
        ("{}", "expected a list"),
        ('[{"text": "hi", "head": []}]', "unknown field `head`"),
        ('[{"text": "hi", "heads": ["hasStartTimerIntents"]}]', "did you mean hasStartTimerIntent?"),
        ('[{"text": " "}]', "sentence 1: the text is empty"),
        ('[{"text": "hi", "heads": ["hasPhotoQuery"], "addressed": false}]', "what is not addressed has none"),
    ],
)
def test_a_wrong_index_is_named(index: Path, tmp_path: Path, document: str, message: str, capsys) -> None:
    index.write_text(document)
    assert fixtures(index, tmp_path / "out", "--engine", "espeak") == 1
    assert message in capsys.readouterr().err


def test_what_cannot_be_done_is_told(index: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    model = tiny_model.build(tmp_path)
    for more, message in (
        (["--engine", "nope"], "known: kokoro, hibari, pico, flite, festival, espeak, say"),
        (["--engine", "flite", "--voice", "slt"], "reserved"),
        (["--engine", "flite", "--model", tmp_path / "none.onnx"], "no such file"),
        (["--engine", "flite", "--thresholds", "x.json"], "--thresholds goes with --checkpoint"),
        (["--engine", "flite", "--model", model, "--heads", "isMine"], "leave --heads out"),
    ):
        assert fixtures(index, out, *more) == 1
        assert message in capsys.readouterr().err


def test_say_is_called_as_macos_has_it(index: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """A stand-in for macOS's program, which takes the same options and refuses what the real one refuses."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert fixtures(index, tmp_path / "out", "--engine", "say") == 1
    assert "say: not on this machine; it is part of macOS only" in capsys.readouterr().err
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "say"
    program.write_text(
        f"#!{sys.executable}\n"
        "import argparse, sys, numpy, soundfile\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('-o'), parser.add_argument('-v'), parser.add_argument('-r', type=int)\n"
        "parser.add_argument('--data-format'), parser.add_argument('text')\n"
        "given = parser.parse_args()\n"
        "if given.data_format != 'LEF32@22050' or not given.o.endswith('.wav'): sys.exit('Opening output file failed: fmt?')\n"
        "if given.v not in (None, 'Samantha'): sys.exit('Voice not found.')\n"
        "seconds = len(given.text) / 15 * 175 / given.r\n"
        "samples = numpy.sin(numpy.arange(int(seconds * 22050)) / 20)\n"
        "soundfile.write(given.o, samples.astype('float32'), 22050, subtype='FLOAT')\n"
    )
    program.chmod(0o755)
    assert fixtures(index, tmp_path / "out", "--engine", "say", "--voice", "Samantha", "--speed", "2") == 0
    assert fixtures(index, tmp_path / "system", "--engine", "say") == 0
    rows = [label_reading.read(tmp_path / name / "labels.csv").rows[0] for name in ("out", "system")]
    assert [row.speaker_id for row in rows] == ["say:Samantha", "say:system"]
    assert rows[1].duration_s == pytest.approx(2 * (rows[0].duration_s or 0), rel=0.02)
    samples, rate_hz = soundfile.read(tmp_path / "out" / rows[0].audio_path)
    assert rate_hz == 16_000
    assert np.abs(samples).max() == pytest.approx(0.7, abs=0.01)
    assert fixtures(index, tmp_path / "out", "--engine", "say", "--voice", "Zarvox") == 1
    assert "say failed with voice 'Zarvox': Voice not found." in capsys.readouterr().err
