"""The real microphone path: a PulseAudio server of our own, a null sink, and what is played into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.daemon.test_run import of_topic

if sys.platform == "darwin":
    pytest.skip("no PulseAudio under macOS", allow_module_level=True)
if not shutil.which("pulseaudio"):
    needed = "apt-get install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins"
    pytest.skip(f"pulseaudio is not installed: {needed}", allow_module_level=True)

SINK = "module-null-sink sink_name=vmic rate=16000 channels=1 format=s16le norewinds=1"


@dataclass(frozen=True)
class SoundServer:
    """A running server; `environment` is what its clients need."""

    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def control(self, *arguments: str) -> str:
        """Run pactl."""
        done = subprocess.run(["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def play(self, path: Path) -> None:
        """Play a file into the microphone, to its end."""
        subprocess.run(["paplay", "--device=vmic", str(path)], env=self.environment, check=True, timeout=60)


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[SoundServer]:
    """Start a PulseAudio server with one null sink, whose monitor is the default microphone."""
    home = tmp_path / "pulse"
    for name in ("run", "state", "home"):
        (home / name).mkdir(parents=True, mode=0o700)
    socket = home / "run" / "pulse.sock"
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(home / "run"),
        "PULSE_RUNTIME_PATH": str(home / "run" / "pulse"),
        "PULSE_STATE_PATH": str(home / "state"),
        "HOME": str(home / "home"),
        "PULSE_SERVER": f"unix:{socket}",
    }
    options = "--daemonize=no --use-pid-file=no --exit-idle-time=-1 --disallow-exit=yes --log-target=stderr "
    options += "--realtime=no --high-priority=no"
    modules = ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}", "-L", SINK]
    command = ["pulseaudio", "-n", *options.split(), *modules]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    server = SoundServer(environment, process)
    deadline = time.monotonic() + 20
    while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "pulseaudio did not start"
        time.sleep(0.1)  # nothing tells when it is ready
    server.control("set-default-source", "vmic.monitor")
    yield server
    process.kill()
    process.wait()


@pytest.fixture
def hear(daemon: Callable[..., Daemon], sound: SoundServer) -> Daemon:
    """A daemon that listens to the server's microphone, once it hears."""
    running = daemon("--input", "mic", environment=sound.environment)
    running.until("health", state="running")
    while running.until("health")[-1][1]["frames"] == 0:
        pass
    return running


def test_what_is_played_is_heard_sample_for_sample(hear: Daemon, sound: SoundServer, tmp_path: Path) -> None:
    pcm = np.concatenate([quiet(0.5), loud(1.5), quiet(0.5)])
    sound.play(write_wav(tmp_path / "a.wav", pcm))
    messages = hear.until("gate.closed")
    assert of_topic(messages, "gate.closed")[0]["reason"] == "silence"
    assert of_topic(messages, "gate.closed")[0]["intents"] == ["hasPhotoQuery"]
    heard = b"".join(payload for topic, _, payload in messages if topic == "audio")
    assert pcm[8_000:32_000].tobytes() in heard  # all of the loud part, unbroken
    opened = of_topic(messages, "gate.opened")[0]
    assert abs(opened["time_ns"] - time.time_ns()) < 20e9
    hear.process.send_signal(signal.SIGTERM)
    messages = hear.until("health", state="stopping")
    assert hear.process.wait(10) == 0
    assert (messages[-1][1]["dropped"], messages[-1][1]["overflows"]) == (0, 0)


def test_a_microphone_that_is_unplugged_and_comes_back(hear: Daemon, sound: SoundServer, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "a.wav", np.concatenate([loud(1.5), quiet(0.5)]))
    sound.control("unload-module", "module-null-sink")
    messages = hear.until("health", state="stalled")
    assert "microphone" in messages[-1][1]["reason"]
    messages += hear.until("health", state="stalled")  # it goes on telling
    sound.control("load-module", *SINK.split())
    sound.control("set-default-source", "vmic.monitor")
    messages += hear.until("health", state="running")
    sound.play(talk)
    messages += hear.until("gate.closed")
    assert of_topic(messages, "gate.opened")
    assert of_topic(messages, "health")[-1]["dropped"] > 0
    first, last = messages[0][1], messages[-1][1]  # the gap is in the stream: its clock still runs with the wall's
    streamed = (last["at_sample"] - first["at_sample"]) * 62_500
    assert abs(streamed - (last["time_ns"] - first["time_ns"])) < 1.5e9


def test_a_frozen_sound_server_does_not_keep_the_daemon_from_stopping(hear: Daemon, sound: SoundServer) -> None:
    sound.process.send_signal(signal.SIGSTOP)
    try:
        hear.until("health", state="stalled")
        hear.process.send_signal(signal.SIGTERM)
        hear.until("health", state="stopping")
        assert hear.process.wait(10) == 0
    finally:
        sound.process.send_signal(signal.SIGCONT)


def test_devices_and_a_name_that_is_none(sound: SoundServer, model: Path) -> None:
    options = {"env": sound.environment, "capture_output": True, "text": True, "timeout": 30}
    listed = subprocess.run([*PROGRAM, "devices"], check=False, **options)
    assert listed.returncode == 0
    assert "pulse" in listed.stdout
    named = subprocess.run([*PROGRAM, "--model", str(model), "--input", "mic:no such"], check=False, **options)
    assert named.returncode == 1
    assert "none is named 'no such'; there are 'pulse'" in named.stderr
    assert "Traceback" not in named.stderr


def test_no_sound_server_at_all(model: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PULSE_SERVER": f"unix:{tmp_path}/none", "HOME": str(tmp_path)}
    done = subprocess.run(
        [*PROGRAM, "--model", str(model), "--set", "publish.endpoint=tcp://127.0.0.1:*"],
        env=environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "microphone: no device can record" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
