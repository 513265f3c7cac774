from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.daemon.cli import main
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from tests.daemon.conftest import loud, quiet, write_wav
from tests.tiny_model import HEADS


def score(capsys: pytest.CaptureFixture[str], model: Path, *files: Path) -> tuple[int, list[dict], str]:
    """Return exit code, lines, stderr."""
    code = main(["score", "--json", "--model", str(model), *map(str, files)])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_a_line_a_file_each_from_a_fresh_state(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "talk.wav", np.concatenate([quiet(1), loud(1), quiet(2)]))
    room = write_wav(tmp_path / "room.wav", quiet(2))
    code, lines, said = score(capsys, model, talk, room, talk)
    assert (code, said) == (0, "")
    assert [line["path"] for line in lines] == [str(talk), str(room), str(talk)]
    assert lines[0] == lines[2]
    assert [line["seconds"] for line in lines] == [4.0, 2.0, 4.0]
    assert tuple(lines[0]["scores"]) == HEADS
    assert lines[0]["scores"]["isInteresting"] > 0.9
    assert lines[1]["scores"]["isInteresting"] < 0.1
    assert lines[1]["events"] == []
    topics = [event["topic"] for event in lines[0]["events"]]
    assert (topics[0], topics[-1]) == ("gate.opened", "gate.closed")
    audio = [event for event in lines[0]["events"] if event["topic"] == "audio"]
    assert sum(event["samples"] for event in audio) == lines[0]["events"][-1]["at_sample"] - audio[0]["at_sample"]
    assert all("payload" not in event and "pcm" not in event for event in audio)


def test_a_bad_file_does_not_stop_the_others(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    good = write_wav(tmp_path / "good.wav", loud(1))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(good.read_bytes()[:-100])
    code, lines, said = score(capsys, model, tmp_path / "none.wav", cut, good)
    assert code == 1
    assert [line["path"] for line in lines] == [str(good)]
    first, second = said.splitlines()
    assert "none.wav: there is no such file" in first
    assert "cut.wav: is truncated" in second


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (48_000, 2)])
def test_other_rates_score_alike(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, rate_hz: int, channels: int
) -> None:
    samples = 0.3 * np.random.default_rng(0).normal(size=(rate_hz, 1)).clip(-3, 3)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.repeat(samples, channels, axis=1), rate_hz)
    code, lines, _ = score(capsys, model, path)
    assert code == 0
    assert lines[0]["seconds"] == pytest.approx(1.0, abs=0.001)
    assert lines[0]["events"]


def test_not_a_number_is_told_and_scored(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    samples = np.tile(np.float32([2.0, -2.0, np.nan, 0.5]), 4_000)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    code, lines, said = score(capsys, model, path)
    assert code == 0
    assert all(0 <= value <= 1 for value in lines[0]["scores"].values())
    assert said == f"inherentd score: {path}: 4000 samples were not numbers (NaN or infinite); taken as 0\n"


def test_streams_side_by_side_give_the_same_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The shipped model; a file that cannot be read costs the others nothing."""
    clips = [clip.path for clip in load_clips(BUNDLED)[:5]]
    files = [*clips[:2], str(tmp_path / "none.wav"), *clips[2:]]
    lines, said = [], []
    for options in ([], ["--streams", "3"]):
        assert main(["score", "--json", *options, *files]) == 1
        captured = capsys.readouterr()
        lines.append([json.loads(line) for line in captured.out.splitlines()])
        said.append(captured.err)
    assert said[0] == said[1]
    assert "none.wav" in said[0]
    for one, other in zip(*lines, strict=True):
        assert [(event["topic"], event["at_sample"]) for event in one["events"]] == [
            (event["topic"], event["at_sample"]) for event in other["events"]
        ]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-4)
        assert (one["path"], one["seconds"]) == (other["path"], other["seconds"])
    assert any(line["events"] for line in lines[0])


def test_streams_need_a_model_that_takes_several(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    assert main(["score", "--streams", "2", "--model", str(model), str(tmp_path / "a.wav")]) == 1
    assert "tiny.onnx: takes one stream at a time" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["score", "--streams", "0", str(tmp_path / "a.wav")])


def test_thresholds_are_the_daemons(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(1))
    deaf = ["--set", "gate.thresholds.is_interesting=1"]
    assert main(["score", "--json", "--model", str(model), *deaf, str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == []


def test_readable(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([loud(1), quiet(2)]))
    assert main(["score", "--model", str(model), str(path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"{path}  3.0 s"
    assert out.splitlines()[1].split()[0] == HEADS[0]
    assert "gate.opened" in out


def test_a_file_shorter_than_a_step(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    code, lines, _ = score(capsys, model, write_wav(tmp_path / "a.wav", loud(0.001)))
    assert code == 0
    assert lines[0]["seconds"] == 0.001
