"""`inherentd doctor`: each check with what it could meet, and the whole of it against a real sound server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon.config import CapturesSection, Config, InputSection
from inherentd.daemon.doctor import clock, disk, hearing, microphone, model, report, running, service, sockets
from inherentd.daemon.doctor import sound_system as stack
from inherentd.daemon.doctor.asking import Answer, NoAnswerError, ask, somebody_hangs, within
from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.doctor.recording import Arrival, Recording, record
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.portaudio import InputDevice
from inherentd.pipeline.errors import PipelineError
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.daemon.sound import SoundServer, sound_server

__all__ = ["sound_server"]  # the fixture `sound`

DEVICE = InputDevice(3, "USB", "ALSA", 1, 16_000.0, default=True)
ZEROS = np.zeros(16_000, np.int16)


def doctor(*arguments: str, **environment: str) -> tuple[dict[str, dict[str, str]], subprocess.CompletedProcess[str]]:
    """Run it; return the findings by name."""
    free = ["--set", "publish.endpoint=tcp://127.0.0.1:*"] if "publish.endpoint" not in str(arguments) else []
    done = subprocess.run(
        [*PROGRAM, "doctor", "--json", *free, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(one) == {"name", "verdict", "text", "advice"} for one in found)
    return {one["name"]: one for one in found}, done


class Player:
    """Plays a file into the microphone over and over."""

    def __init__(self, sound: SoundServer, path: Path) -> None:
        self._command = ["sh", "-c", f"while :; do paplay --device=vmic {path}; done"]
        self._environment = sound.environment

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)
        time.sleep(0.5)  # nothing tells when it sounds

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def test_a_microphone_that_delivers_only_zeros(sound: SoundServer) -> None:
    found, done = doctor("--seconds", "1", **sound.environment)
    assert found["audio stack"]["verdict"] == "ok"
    assert f"PulseAudio ({sound.environment['PULSE_SERVER'].removeprefix('unix:')})" in found["audio stack"]["text"]
    assert found["permission"]["verdict"] == "ok"
    assert found["device"]["verdict"] == "ok"
    assert "opens at 16 kHz" in found["device"]["text"]
    assert found["sound"]["verdict"] == "failure"
    assert "nothing but zeros" in found["sound"]["text"]
    assert "unmute" in found["sound"]["advice"]
    assert "level" not in found
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "inherentd doctor: failed: sound"


@pytest.mark.parametrize(
    ("pcm", "level", "clipping"),
    [
        (quiet(2), "warning", "ok"),
        ((loud(2) / 6).astype(np.int16), "ok", "ok"),
        ((loud(2).astype(np.int32) * 6).clip(-32768, 32767).astype(np.int16), "warning", "warning"),
    ],
    ids=["a quiet room", "talk", "clipped"],
)
def test_what_is_heard(sound: SoundServer, tmp_path: Path, pcm: np.ndarray, level: str, clipping: str) -> None:
    with Player(sound, write_wav(tmp_path / "a.wav", pcm)):
        found, done = doctor("--seconds", "1.5", **sound.environment)
    assert found["sound"]["verdict"] == "ok"
    assert (found["level"]["verdict"], found["clipping"]["verdict"]) == (level, clipping), found
    assert found["sample clock"]["verdict"] == "unknown"
    assert done.returncode == 0, done.stderr
    assert "please speak" in done.stderr


def test_no_sound_server_and_no_such_device(sound: SoundServer, tmp_path: Path) -> None:
    nothing = {"PULSE_SERVER": f"unix:{tmp_path}/none", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    found, done = doctor(**nothing)
    assert (found["audio stack"]["verdict"], found["device"]["verdict"]) == ("warning", "failure")
    assert "no sound server answers" in found["audio stack"]["text"]
    assert "start the sound server" in found["device"]["advice"]
    assert done.returncode == 1
    found, done = doctor("--set", "input.wait_for_device=true", **nothing)
    assert found["device"]["text"] == "no device can record; the daemon waits for it"
    assert done.returncode == 0
    found, done = doctor("--no-microphone", **nothing)
    assert "audio stack" not in found
    assert found["device"] == {
        "name": "device", "verdict": "unknown", "text": "left out: --no-microphone", "advice": ""
    }  # fmt: skip
    assert done.returncode == 0
    found, _ = doctor("--input", "mic:no such", **sound.environment)
    assert found["device"]["verdict"] == "failure"
    assert found["device"]["text"] == "none is named 'no such'"
    assert "there are 'pulse'" in found["device"]["advice"]


def test_a_frozen_sound_server_is_told_and_does_not_hold_it_up(sound: SoundServer) -> None:
    sound.process.send_signal(signal.SIGSTOP)
    try:
        found, done = doctor("--seconds", "0.5", **sound.environment)
    finally:
        sound.process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert [one["name"] for one in found.values() if one["verdict"] == "failure"] in (["audio stack"], ["device"])
    assert "captures" in found  # it went on with the rest


def test_a_running_daemon_keeps_its_microphone(
    daemon: Callable[..., Daemon], sound: SoundServer, tmp_path: Path
) -> None:
    running_one = daemon("--input", "mic", environment=sound.environment)
    running_one.until("health", state="listening")
    with Player(sound, write_wav(tmp_path / "a.wav", quiet(2))):
        found, done = doctor("--set", f"publish.endpoint={running_one.endpoint}", **sound.environment)
        streams = sound.control("list", "short", "source-outputs").splitlines()
    assert len(streams) == 1
    assert "is listening" in found["running daemon"]["text"]
    assert found["recording"]["text"] == "left out: the running daemon has the microphone"
    assert found["publish.endpoint"]["text"].endswith("is held by the running daemon")
    assert done.returncode == 0, done.stderr


def test_the_report_for_people() -> None:
    command = [*PROGRAM, "doctor", "--no-microphone", "--set", "publish.endpoint=tcp://nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("FAIL  publish.endpoint: tcp://nowhere"))
    assert lines[at + 1].startswith("      -> set publish.endpoint to")
    assert lines[-1].endswith("not checked")
    assert (done.returncode, done.stderr) == (1, "inherentd doctor: failed: publish.endpoint\n")


def test_zeros_are_told_from_a_quiet_room() -> None:
    assert hearing.silence("linux", quiet(1)).verdict == "ok"
    one = ZEROS.copy()
    one[8_000] = 1
    assert hearing.silence("linux", one).verdict == "ok"
    denied = hearing.silence("darwin", ZEROS)
    assert (denied.verdict, "Privacy & Security > Microphone" in denied.advice) == ("failure", True)
    assert "denied" not in hearing.silence("linux", ZEROS).text
    assert hearing.silence("linux", ZEROS[:0]).verdict == "unknown"


def test_levels() -> None:
    def noise(dbfs: float) -> np.ndarray:
        return (
            np.random.default_rng(1).normal(0, 32768 * 10 ** (dbfs / 20), 32_000).clip(-32768, 32767).astype(np.int16)
        )

    assert "the daemon sleeps below -65" in hearing.level(noise(-72), -65.0).text
    assert "sleeps" not in hearing.level(noise(-72), None).text
    assert hearing.level(noise(-40), -65.0).verdict == "ok"
    assert "-40 dBFS half of the time" in hearing.level(noise(-40), -65.0).text
    assert hearing.level(noise(-72), -80.0).verdict == "ok"
    assert "too loud" in hearing.level(noise(-12), -65.0).text
    mixed = np.concatenate([noise(-72), noise(-30)[:8_000]])  # talk in a quiet room
    assert hearing.level(mixed, -65.0).verdict == "ok"
    assert hearing.level(ZEROS[:100], -65.0).verdict == "unknown"
    assert hearing.clipping(noise(-40)).verdict == "ok"
    square = np.where(np.arange(16_000) % 100 < 50, 32767, -32768).astype(np.int16)
    assert "100.00% of the samples" in hearing.clipping(square).text


def arrivals(seconds: float, ppm: float, jitter: float) -> list[Arrival]:
    late = np.random.default_rng(3).uniform(0, jitter, round(seconds / 0.08))
    return [
        Arrival(1280 * (block + 1), 5 + 0.08 * (block + 1) / (1 + ppm * 1e-6) + wait, 0.0)
        for block, wait in enumerate(late)
    ]


@pytest.mark.parametrize("ppm", [-2000.0, 0.0, 100.0, 2000.0])
def test_the_clock_of_the_device(ppm: float) -> None:
    found, error = hearing.drift_ppm(arrivals(60, ppm, 0.01))
    assert abs(found - ppm) < 4 * error < 100
    verdict = hearing.sample_clock(Recording(ZEROS, 16_000, 0, arrivals(60, ppm, 0.01))).verdict
    assert verdict == ("warning" if abs(ppm) > 500 else "ok")
    assert hearing.sample_clock(Recording(ZEROS, 16_000, 0, arrivals(2, ppm, 0.01))).verdict == "unknown"


def test_the_clock_of_the_system() -> None:
    began = clock.Moment(10.0, 2e9)
    steady = clock.Moment(12.0, 2e9 + 2.001)

    def says(answer: Answer | None) -> Finding:
        return clock.system_clock(began, steady, lambda _: answer)

    assert says(Answer(0, "yes")).verdict == "ok"
    assert "set-ntp true" in says(Answer(0, "no")).advice
    assert says(None).verdict == says(Answer(1, "")).verdict == "ok"
    jumped = clock.system_clock(began, clock.Moment(12.0, 2e9 + 62), lambda _: None)
    assert "set by +60.000 s within 2.0 s" in jumped.text
    unset = clock.system_clock(clock.Moment(0, 5.0), clock.Moment(1, 6.0), lambda _: None)
    assert unset.text == "it says 1970-01-01"


def test_audio_stack_and_permission(tmp_path: Path) -> None:
    (tmp_path / "pcmC0D0c").touch()
    (tmp_path / "pcmC0D0p").touch()
    silent = [stack.SoundServer("PulseAudio", "/a", answers=False)]
    answering = [stack.SoundServer("PipeWire", "/b", answers=True)]

    def missing() -> str:
        raise DaemonError("microphone: the PortAudio library is not installed; apt-get install libportaudio2")

    def hangs() -> str:
        raise NoAnswerError

    assert stack.audio_stack("linux", missing, answering).advice == "apt-get install libportaudio2"
    assert stack.audio_stack("linux", hangs, answering).verdict == "failure"
    assert stack.audio_stack("darwin", lambda: "V19, x", []).text == "V19, Core Audio"
    assert "PipeWire (/b)" in stack.audio_stack("linux", lambda: "V19", answering).text
    assert "bare ALSA" in stack.audio_stack("linux", lambda: "V19", silent, tmp_path).text
    assert stack.audio_stack("linux", lambda: "V19", silent, tmp_path / "none").verdict == "warning"
    assert stack.alsa_permission(answering, lambda _: False, tmp_path).verdict == "ok"
    assert stack.alsa_permission(silent, lambda _: True, tmp_path).text == "pcmC0D0c may be opened"
    refused = stack.alsa_permission(silent, lambda _: False, tmp_path)
    assert (refused.verdict, "usermod -aG audio" in refused.advice) == ("failure", True)
    assert stack.alsa_permission(silent, lambda _: False, tmp_path / "none").verdict == "unknown"


def test_where_sound_servers_are_looked_for(tmp_path: Path) -> None:
    found = stack.servers({"XDG_RUNTIME_DIR": "/r"})
    assert [server.socket for server in found] == ["/r/pulse/native", "/r/pipewire-0"]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        for named in (f"unix:{tmp_path}/s", f"{{abc}}unix:{tmp_path}/s tcp:elsewhere", f"{tmp_path}/s"):
            assert stack.servers({"PULSE_SERVER": named})[0].answers
    assert not stack.servers({"PULSE_SERVER": "unix:/" + "a" * 300})[0].answers


class Silent:
    """A capture from which nothing comes."""

    rate_hz, overflows, closed = 16_000, 0, False

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def fileno(self) -> int:
        return self._read_end

    def take(self) -> tuple[np.ndarray, int]:
        return ZEROS[:0], 0

    def close(self) -> None:
        self.closed = True
        os.close(self._read_end)
        os.close(self._write_end)


def test_a_device_from_which_nothing_comes() -> None:
    capture = Silent()
    with pytest.raises(DaemonError, match="no audio came from the microphone for 0 s"):
        record(lambda: capture, 1.0, first_seconds=0.1)
    assert capture.closed


def test_a_device_that_is_taken_and_one_that_is_away() -> None:
    def taken(_: InputDevice) -> Silent:
        raise DaemonError("microphone: 'USB' cannot be opened: busy")

    def away(_: str) -> InputDevice:
        raise DaemonError("microphone: none is named 'x'; there are 'y'")

    opens = microphone.Sound(lambda: [DEVICE], lambda _: DEVICE, taken)
    (found,) = microphone.look(opens, Config(), "linux", 1, held=False)
    assert (found.verdict, "busy" in found.text) == ("failure", True)
    (found, left_out) = microphone.look(opens, Config(), "linux", 1, held=True)
    assert (found.verdict, left_out.verdict) == ("ok", "unknown")
    gone = microphone.Sound(lambda: [DEVICE], away, taken)
    config = Config(input=InputSection(source="mic:x", fallback="mic"))
    (found,) = microphone.look(gone, config, "linux", 1, held=False)
    assert (found.verdict, "listens to mic instead" in found.text) == ("warning", True)


def test_questions_without_an_answer() -> None:
    assert ask(["no-such-program-anywhere"]) is None
    assert ask(["sh", "-c", "echo a; exit 3"]) == Answer(3, "a")
    release = threading.Event()
    with pytest.raises(NoAnswerError):
        within(0.05, release.wait)
    assert somebody_hangs()
    release.set()
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    assert within(5, lambda: 7) == 7


SHOWN = "LoadState={}\nActiveState={}\nUnitFileState=enabled\nResult=exit-code"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, [("service", "unknown")]),
        ({"--user": Answer(1, "")}, [("service", "unknown")]),
        ({"--user": Answer(0, SHOWN.format("not-found", "inactive"))}, [("service", "ok")]),
        ({"--user": Answer(0, SHOWN.format("loaded", "active"))}, [("user service", "ok")]),
        ({"--user": Answer(0, SHOWN.format("loaded", "inactive"))}, [("user service", "warning")]),
        (
            {
                "--user": Answer(0, SHOWN.format("loaded", "active")),
                "--system": Answer(0, SHOWN.format("loaded", "failed")),
            },
            [("user service", "ok"), ("system service", "warning")],
        ),
    ],
)
def test_systemd(answers: dict[str, Answer], expected: list[tuple[str, str]]) -> None:
    found = list(service.service("linux", lambda command: answers.get(command[1])))
    assert [(one.name, one.verdict) for one in found] == expected
    assert all(one.text for one in found)
    if expected[-1][1] == "warning":
        assert "systemctl" in found[-1].advice


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(None, "unknown"), (Answer(113, ""), "ok"), (Answer(0, "\tstate = running"), "ok"), (Answer(0, "x"), "warning")],
)
def test_launchd(answer: Answer | None, verdict: str) -> None:
    (found,) = service.service("darwin", lambda _: answer)
    assert found.verdict == verdict


def test_addresses(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = sockets.zmq_endpoint("publish.endpoint", f"tcp://127.0.0.1:{port}", running=False)
        assert (taken.verdict, "--set publish.endpoint=" in taken.advice) == ("failure", True)
        assert sockets.zmq_endpoint("publish.endpoint", f"tcp://127.0.0.1:{port}", running=True).verdict == "ok"
        assert sockets.metrics_endpoint(f"127.0.0.1:{port}", insecure=False, running=False).verdict == "failure"
    assert sockets.metrics_endpoint(f"127.0.0.1:{port}", insecure=False, running=False).text.endswith("is free")
    assert sockets.metrics_endpoint("0.0.0.0:1", insecure=False, running=False).verdict == "failure"
    assert sockets.metrics_endpoint(None, insecure=False, running=False).text == "off"
    assert "cannot be bound" in sockets.zmq_endpoint("publish.endpoint", "nonsense", running=False).text
    path = tmp_path / "s.sock"
    assert sockets.zmq_endpoint("control.endpoint", f"ipc://{path}", running=False).verdict == "ok"
    with socket.socket(socket.AF_UNIX) as other:  # a bind to its path would take it away
        path.unlink(missing_ok=True)
        other.bind(str(path))
        other.listen()
        inode = path.stat().st_ino
        assert sockets.zmq_endpoint("control.endpoint", f"ipc://{path}", running=False).verdict == "failure"
        assert path.stat().st_ino == inode


def test_the_folder_of_the_sockets(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert "is made when" in sockets.folder(own, os.getuid()).text
    own.mkdir(mode=0o700)
    assert sockets.folder(own, os.getuid()).verdict == "ok"
    assert sockets.folder(own, os.getuid() + 1).verdict == "failure"
    own.chmod(0o755)
    assert sockets.folder(own, os.getuid()).advice == f"chmod 700 {own}"
    (tmp_path / "link").symlink_to(own)
    assert sockets.folder(tmp_path / "link", os.getuid()).verdict == "failure"


def test_room_for_captures(tmp_path: Path) -> None:
    assert disk.captures(CapturesSection()).text == "off: no audio is written"
    section = CapturesSection(folder=str(tmp_path / "a" / "b"), megabytes=100)
    assert disk.captures(section, lambda _: 500_000_000).verdict == "ok"
    assert "99 MB free" in disk.captures(section, lambda _: 99_000_000).text
    (tmp_path / "file").touch()
    assert disk.captures(CapturesSection(folder=str(tmp_path / "file"))).verdict == "failure"


def test_a_running_daemon_that_is_deaf() -> None:
    assert running.daemon(None).text == "none answers"
    health = {"state": "stalled", "reason": "gone", "device": "pi", "uptime": 5.0, "cpu": 0.01, "rss": 2**20}
    found = running.daemon({**health, "overflows": 3})
    assert (found.verdict, "3 overflows" in found.text) == ("warning", True)
    assert running.health_at("nonsense", 0.1) is None


def test_models(tmp_path: Path) -> None:
    (found,) = model.shipped({"onnx": tmp_path / "none.onnx"})
    assert found.verdict == "unknown"

    def refused() -> None:
        raise PipelineError("delegate 'tpu': not here")

    (found,) = model.configured(refused)
    assert found == Finding("runtime", "failure", "the daemon would not run: delegate 'tpu': not here")


def test_lines() -> None:
    finding = Finding("level", "warning", "too quiet", "speak")
    assert report.line(finding, as_json=False) == "warn  level: too quiet\n      -> speak"
    assert json.loads(report.line(finding, as_json=True))["verdict"] == "warning"
    assert report.summary([finding, finding, Finding("a", "ok", "")]) == "1 ok, 2 to look at"
