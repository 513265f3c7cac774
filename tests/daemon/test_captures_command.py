"""`inherentd captures` as a user calls it, as far as `inherent labels validate`."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon.captures import playback
from inherentd.daemon.captures.store import Store
from inherentd.daemon.cli import main
from inherentd.daemon.errors import DaemonError
from inherentd.inherent_model import label_reading, labels
from tests.daemon.captured import ADDRESSED, NOON_NS, SECOND, STREAM, a_capture, kept, ring_in
from tests.daemon.conftest import PROGRAM
from tests.tiny_model import HEADS


def command(*arguments: object) -> int:
    return main(["captures", *map(str, arguments)])


@pytest.fixture
def recorded(model: Path, tmp_path: Path) -> Store:
    """A folder with a near miss, an utterance, and another near miss."""
    ring = ring_in(tmp_path / "captures")
    for capture, pcm in kept(model).captures:
        ring.keep(capture, pcm)
    return ring.store


def test_from_the_engine_to_training(recorded: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ("--folder", recorded.folder)
    assert command("list", "--json", *folder) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows] == ["near_miss", "utterance", "near_miss"]
    assert command("export", "--out", tmp_path / "mine", *folder) == 1
    assert "nothing is labelled" in capsys.readouterr().err
    assert command("label", rows[0]["id"], "not-addressed", "--note", "television", *folder) == 0
    assert command("label", rows[1]["id"], "addressed", "--heads", HEADS[2], *folder) == 0
    assert command("list", *folder) == 0
    shown = capsys.readouterr().out
    assert f"-> addressed, {HEADS[2]}" in shown
    assert '-> not addressed "television"' in shown
    assert command("export", "--out", tmp_path / "mine", *folder) == 0
    path = tmp_path / "mine" / "labels.csv"
    read = label_reading.read(path)
    assert (read.problems, read.heads) == ((), HEADS)
    assert [row.fired for row in read.rows] == [(), (HEADS[0], HEADS[2])]
    assert {(row.session_id, row.device, row.source) for row in read.rows} == {(STREAM, "kitchen", "captures")}
    assert next(csv.reader(path.open())) == [*labels.FIXED_COLUMNS, *HEADS]
    assert {stat.S_IMODE(file.stat().st_mode) for file in [path, *(path.parent / "recordings").iterdir()]} == {0o600}
    assert (tmp_path / "mine" / "notes.tsv").read_text() == f"{rows[0]['id']}\ttelevision\n"
    inherent = [sys.executable, "-m", "inherentd.inherent_model.cli", "labels", "validate", str(path)]
    done = subprocess.run(inherent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 rows, 0 problems" in done.stdout
    assert command("export", "--out", tmp_path / "mine", *folder) == 1
    assert "is there already" in capsys.readouterr().err


def test_what_one_csv_cannot_hold_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring = ring_in(tmp_path / "captures")
    other = {"heads": ["gate", "kind"], "peaks": {"gate": 0.5, "kind": 0.5}}
    ring.keep(a_capture(1, label=ADDRESSED, **other), SECOND)
    ring.keep(a_capture(2, NOON_NS + 10**9, ADDRESSED, seconds=31.0), np.zeros(31 * 16_000, np.int16))
    ring.keep(a_capture(3, NOON_NS + 2 * 10**9, ADDRESSED), SECOND)
    assert command("export", "--out", tmp_path / "out", "--folder", ring.store.folder) == 1
    shown = capsys.readouterr().err
    assert "its model had other heads (gate, kind)" in shown
    assert "31 s long, expected 0.1 to 30 s" in shown
    assert len(label_reading.read(tmp_path / "out" / "labels.csv").rows) == 1


def test_mistakes_are_told_in_one_line(recorded: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = recorded.read()[0][1].id
    (tmp_path / "file").write_text("")
    for said, *arguments in (
        ("captures.folder is not set", "list"),
        ("did you mean 'hasPhotoQuery'", "label", capture, "addressed", "--heads", "hasPhoto", "--folder", recorded.folder),
        (f"did you mean {capture}", "play", capture[:-1], "--folder", recorded.folder),
        ("cannot be read: Not a directory", "list", "--folder", tmp_path / "file"),
        ("Not a directory", "forget", "--all", "--folder", tmp_path / "file"),
        ("there is no capture", "forget", "x", "--folder", recorded.folder),
    ):  # fmt: skip
        assert command(*arguments) == 1
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) == 1
    recorded.label(capture, ADDRESSED)
    assert command("export", "--out", tmp_path / "file" / "x", "--folder", recorded.folder) == 1
    assert "nothing was exported" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command("label", capture, "perhaps")


def test_the_folder_comes_from_the_configuration(
    recorded: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("list", "--set", f"captures.folder={recorded.folder}") == 0
    monkeypatch.setenv("INHERENTD_CAPTURES__FOLDER", str(recorded.folder))
    assert command("list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("list", "--folder", tmp_path / "none") == 0
    assert f"there are none in {tmp_path}/none, which is not there" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_forget(recorded: Store, capsys: pytest.CaptureFixture[str]) -> None:
    captures, _ = recorded.read()
    (recorded.folder / "family.wav").write_bytes(b"")
    assert command("forget", captures[0].id, "--folder", recorded.folder) == 0
    assert recorded.read()[0] == captures[1:]
    (recorded.folder / f"{captures[1].id}.json").write_bytes(b"{")
    assert command("forget", "--all", "--folder", recorded.folder) == 0
    assert [path.name for path in recorded.folder.iterdir()] == ["family.wav"]
    assert capsys.readouterr().out.splitlines() == ["1 deleted", "2 deleted"]


class Loudspeaker:
    """Stands for sounddevice."""

    class PortAudioError(Exception):
        """As sounddevice's."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.played = fails, []

    def play(self, pcm: np.ndarray, rate_hz: int) -> None:
        if self.fails:
            raise self.PortAudioError(self.fails)
        self.played.append((len(pcm), rate_hz))

    def wait(self) -> None:
        self.played.append("to the end")


def test_play(recorded: Store) -> None:
    capture = recorded.read()[0][1]
    path = recorded.recording(capture.id)
    loudspeaker = Loudspeaker()
    playback.play(path, loudspeaker)
    assert loudspeaker.played == [(round(capture.seconds * 16_000), 16_000), "to the end"]
    with pytest.raises(DaemonError, match=f"no default output.*the recording is {path}"):
        playback.play(path, Loudspeaker("no default output"))


def test_play_without_portaudio(recorded: Store, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    capture = recorded.read()[0][1]
    play = [*PROGRAM, "captures", "play", capture.id, "--folder", str(recorded.folder)]
    done = subprocess.run(play, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("inherentd captures: the PortAudio library is not installed")
    assert done.stderr.endswith(f"the recording is {recorded.recording(capture.id)}\n")
    assert len(done.stderr.splitlines()) == 1
