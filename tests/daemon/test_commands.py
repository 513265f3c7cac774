"""demo, listen, bench, devices and the examples, each as a user would start it."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon.cli import main
from inherentd.daemon.sources import portaudio
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.tiny_model import HEADS

StartDaemon = Callable[..., Daemon]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def subscriber() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs that end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str, **environment: str) -> subprocess.Popen[str]:
        import os

        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env={**os.environ, **environment}, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A list of three clips: understood, misheard, and rightly not heard."""
    write_wav(tmp_path / "loud.wav", np.concatenate([loud(0.8), quiet(0.2)]))
    write_wav(tmp_path / "soft.wav", quiet(1.0))
    lines = [
        {"path": "loud.wav", "text": "show my photos", "addressed": True, "heads": [HEADS[0], HEADS[1]], "voice": "a"},
        {"path": "loud.wav", "text": "set a timer", "addressed": True, "heads": [HEADS[2]]},
        {"path": "soft.wav", "text": "she said so", "addressed": False, "heads": []},
    ]
    path = tmp_path / "clips.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_demo(model: Path, clips: Path) -> None:
    command = [*PROGRAM, "demo", "--model", str(model), "--clips", str(clips), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["right"] for row in rows] == [True, False, True]
    assert [row["opened"] for row in rows] == [True, True, False]
    assert [row["heard"] for row in rows] == [[HEADS[1]], [HEADS[1]], []]
    assert [row["expected"] for row in rows] == [[HEADS[1]], [HEADS[2]], []]
    assert rows[0]["audio_bytes"] > 32_000
    assert 0 < rows[0]["closed_after_seconds"] < 2
    shown = done.stderr
    for expected in ('"show my photos"', "gate.opened", "intent", "bytes in", "gate.closed", "2 of 3 clips (67%)",
                     "events arrived"):  # fmt: skip
        assert expected in shown
    assert shown.index("show my photos") < shown.index("gate.opened") < shown.index("she said so")


def test_demo_without_a_model(clips: Path) -> None:
    command = [*PROGRAM, "demo", "--model", "/nowhere.onnx", "--clips", str(clips)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "/nowhere.onnx: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_listen(daemon: StartDaemon, subscriber: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    pcm = np.concatenate([quiet(4), loud(1), quiet(2.5)])  # quiet until both listen
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    listen = [*PROGRAM, "listen", "--endpoint", running.endpoint]
    as_json = subscriber(*listen, "--json", "--topic", "gate", "--topic", "intent", "--count", "4")
    readable = subscriber(*listen, "--timeout", "2.5")
    lines = [json.loads(line) for line in as_json.communicate(timeout=20)[0].splitlines()]
    assert [line["topic"] for line in lines] == ["gate.opened", "intent", "intent", "gate.closed"]
    assert as_json.returncode == 0
    out = readable.communicate(timeout=20)[0]
    assert readable.returncode == 0
    for expected in ("gate.opened", "hasPhotoQuery", "silence", "samples from", "health", "stopping"):
        assert expected in out


def test_listen_hears_nothing() -> None:
    assert main(["listen", "--endpoint", "tcp://127.0.0.1:1", "--timeout", "0.2"]) == 1


def test_listen_may_be_cut_off(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", loud(4))))
    listen = " ".join([*PROGRAM, "listen", "--endpoint", running.endpoint])
    done = subprocess.run(["bash", "-c", f"{listen} | head -1"], capture_output=True, text=True, timeout=30, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_bench(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_wav(tmp_path / "a.wav", loud(2))
    arguments = ["bench", "--model", str(model), "--input", str(path), "--seconds", "8"]
    assert main([*arguments, "--json"]) == 0
    talk, silence = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (talk["signal"], silence["signal"]) == ("talk", "silence")
    assert talk["awake_share"] > 0.9
    assert silence["awake_share"] < 0.5
    for cost in (talk, silence):
        parts = cost["us_per_hop"]
        assert 0 < parts["total"] < 20_000
        assert parts["rest"] == pytest.approx(max(0, parts["total"] - parts["frontend"] - parts["model"]))
        assert cost["cpu_seconds_per_hour"] == pytest.approx(cost["real_time_factor"] * 3600)
        assert cost["peak_rss_bytes"] > 10e6
    assert main(arguments) == 0
    assert "CPU s per hour" in capsys.readouterr().out


DEVICES = [
    portaudio.InputDevice(0, "USB microphone", "ALSA", 1, 48_000.0, default=False),
    portaudio.InputDevice(2, "USB camera", "ALSA", 2, 44_100.0, default=False),
    portaudio.InputDevice(5, "default", "ALSA", 32, 44_100.0, default=True),
]


def test_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(portaudio, "input_devices", lambda: DEVICES)
    assert main(["devices"]) == 0
    assert "*   5  default" in capsys.readouterr().out
    assert main(["devices", "--json"]) == 0
    assert [json.loads(line)["index"] for line in capsys.readouterr().out.splitlines()] == [0, 2, 5]
    monkeypatch.setattr(portaudio, "input_devices", list)
    assert main(["devices"]) == 1
    assert "no device can record" in capsys.readouterr().err


@pytest.mark.parametrize(("wanted", "index"), [("", 5), ("2", 2), ("default", 5), ("camera", 2), ("usb MICRO", 0)])
def test_finding_a_microphone(monkeypatch: pytest.MonkeyPatch, wanted: str, index: int) -> None:
    monkeypatch.setattr(portaudio, "input_devices", lambda: DEVICES)
    assert portaudio.find(wanted).index == index


@pytest.mark.parametrize(
    ("wanted", "expected"), [("usb", "fits several: 0 'USB microphone', 2 'USB camera'"), ("xyz", "there are 'USB mic")]
)
def test_not_finding_a_microphone(monkeypatch: pytest.MonkeyPatch, wanted: str, expected: str) -> None:
    monkeypatch.setattr(portaudio, "input_devices", lambda: DEVICES)
    with pytest.raises(portaudio.DaemonError, match=expected):
        portaudio.find(wanted)


def test_no_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(portaudio.importlib, "import_module", missing)
    with pytest.raises(portaudio.DaemonError, match="apt-get install libportaudio2"):
        portaudio.library()


def test_the_example_that_saves_utterances(
    daemon: StartDaemon, subscriber: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pcm = np.concatenate([quiet(2), loud(1), quiet(2.5)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    saving = subscriber(sys.executable, str(EXAMPLES / "save_utterances.py"), str(tmp_path / "kept"), running.endpoint)
    messages = running.until("health", state="stopping")
    out = saving.communicate(timeout=20)[0]
    assert saving.returncode == 0
    (path,) = (tmp_path / "kept").iterdir()
    assert out.strip() == str(path)
    assert path.name.endswith("-0001-hasPhotoQuery.wav")
    with wave.open(str(path)) as file:
        kept = file.readframes(file.getnframes())
    assert kept == b"".join(payload for topic, _, payload in messages if topic == "audio")


def test_the_example_that_acts_on_an_intent(
    daemon: StartDaemon, subscriber: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pcm = np.concatenate([quiet(2), loud(1), quiet(2.5)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    command = ["sh", "-c", "echo timer $INTENT_UTTERANCE"]
    script = str(EXAMPLES / "on_intent.py")
    acting = subscriber(sys.executable, script, "hasPhotoQuery", *command, ENDPOINT=running.endpoint)
    assert acting.communicate(timeout=20)[0] == "timer 1\n"
    assert acting.returncode == 0


def test_listen_says_that_nothing_comes_and_knows_its_topics(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--endpoint", "tcp://127.0.0.1:1", "--timeout", "3.2"]) == 1
    assert "nothing from tcp://127.0.0.1:1 yet: does a daemon publish there" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["listen", "--topic", "foo"])
    assert stop.value.code == 2
    assert "got 'foo', expected one of gate.opened, intent" in capsys.readouterr().err
