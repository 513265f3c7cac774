"""The real microphone path: a PulseAudio server of our own, a null sink, and what is played into it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inherentd.client import Control
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.daemon.sound import SoundServer, sound_server
from tests.daemon.test_run import of_topic

__all__ = ["sound_server"]  # the fixture `sound`


@pytest.fixture
def hear(daemon: Callable[..., Daemon], sound: SoundServer) -> Daemon:
    """A daemon that listens to the server's microphone, once it hears."""
    running = daemon("--input", "mic", environment=sound.environment)
    running.until("health", state="listening")
    while running.until("health")[-1][1]["frames"] == 0:
        pass
    return running


def steps_end_with_blocks(health: dict[str, Any]) -> bool:
    """Return whether what came so far is the last sample of a step: frames reach 192 samples over their hops."""
    return (health["at_sample"] - 192) % 1_280 == 0


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
    assert steps_end_with_blocks(messages[-1][1])


def test_a_microphone_that_is_unplugged_and_comes_back(hear: Daemon, sound: SoundServer, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "a.wav", np.concatenate([loud(1.5), quiet(0.5)]))
    sound.unplug()
    messages = hear.until("health", state="stalled")
    assert "microphone" in messages[-1][1]["reason"]
    messages += hear.until("health", state="stalled")  # it goes on telling
    sound.plug_in()
    messages += hear.until("health", state="listening")
    sound.play(talk)
    messages += hear.until("gate.closed")
    assert of_topic(messages, "gate.opened")
    assert of_topic(messages, "health")[-1]["dropped"] > 0
    first, last = messages[0][1], messages[-1][1]  # the gap is in the stream: its clock still runs with the wall's
    streamed = (last["at_sample"] - first["at_sample"]) * 62_500
    assert abs(streamed - (last["time_ns"] - first["time_ns"])) < 1.5e9
    assert steps_end_with_blocks(hear.until("health")[-1][1])


def test_a_frozen_sound_server_does_not_keep_the_daemon_from_stopping(hear: Daemon, sound: SoundServer) -> None:
    sound.process.send_signal(signal.SIGSTOP)
    try:
        hear.until("health", state="stalled")
        hear.process.send_signal(signal.SIGTERM)
        hear.until("health", state="stopping")
        assert hear.process.wait(10) == 0
    finally:
        sound.process.send_signal(signal.SIGCONT)


def test_digital_zeros_are_told_and_over_with_the_first_sound(hear: Daemon, sound: SoundServer, tmp_path: Path) -> None:
    began = time.monotonic()
    messages = hear.until("health", state="silent")  # nobody plays: a null sink gives zeros
    assert time.monotonic() - began < 7
    assert "digital zeros" in messages[-1][1]["reason"]
    sound.play(write_wav(tmp_path / "a.wav", loud(1)))
    messages = hear.until("health", state="listening")
    messages += hear.until("gate.closed")
    assert of_topic(messages, "gate.opened")
    assert of_topic(messages, "health")[-1]["dropped"] == 0


def test_a_mute_holds_in_the_capture_and_over_a_loss(hear: Daemon, sound: SoundServer, tmp_path: Path) -> None:
    with Control(f"ipc://{sound.folder}/run/inherentd/control.sock") as client:
        client.ask("mute")
        hear.until("health", state="muted")
        sound.unplug()
        hear.until("health", state="stalled")
        sound.plug_in()
        assert hear.until("health", state="muted")[-1][1]["muted"] is True
        sound.play(write_wav(tmp_path / "a.wav", loud(1)))
        status, _ = client.ask("status")
        _, heard = client.ask("audio", start=status["held"]["start"], stop=status["held"]["stop"])
        assert not any(heard[-2 * 16_000 :])
        client.ask("unmute")
        sound.play(write_wav(tmp_path / "b.wav", loud(1)))
        hear.until("gate.opened")


def test_a_service_waits_for_its_microphone_and_is_ready_with_the_first_frame(
    daemon: Callable[..., Daemon], sound: SoundServer
) -> None:
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(sound.folder / "notify"))
    told.settimeout(10)
    sound.kill()
    service = {"NOTIFY_SOCKET": str(sound.folder / "notify"), "WATCHDOG_USEC": "2000000"}
    running = daemon(
        "--input", "mic", "--set", "input.wait_for_device=true", environment={**sound.environment, **service}
    )
    messages = running.until("health", state="stalled")
    messages += running.until("health", state="stalled")
    assert "no device can record" in messages[-1][1]["reason"]
    assert messages[-1][1]["frames"] == 0
    sound.restart()
    began = time.monotonic()
    running.until("health", state="listening")
    assert time.monotonic() - began < 5
    assert steps_end_with_blocks(running.until("health")[-1][1])
    said = ""
    while "WATCHDOG=1" not in said:
        said += told.recv(4096).decode() + "\n"
    before, ready, _ = said.partition("READY=1")
    assert ready
    assert "STATUS=stalled: microphone" in before
    sound.freeze()  # a frozen capture: the watchdog is fed no more
    try:
        running.until("health", state="stalled")
        _drain(told)
        time.sleep(2.5)
        assert "WATCHDOG=1" not in _drain(told)
    finally:
        sound.thaw()
    running.until("health", state="listening")
    time.sleep(1.5)
    assert "WATCHDOG=1" in _drain(told)
    said = running.said()
    assert "ALSA lib" not in said
    assert all(json.loads(line) for line in said.splitlines())
    told.close()


def _drain(told: socket.socket) -> str:
    said = ""
    told.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            said += told.recv(4096).decode() + "\n"
    return said


def named_devices(sound: SoundServer) -> None:
    """Two microphones with names of their own, `usb` (48 kHz, 2 channels) and `desk`, as ALSA would list cards."""
    (sound.folder / "home" / ".asoundrc").write_text(
        'pcm.usb { type pulse device "usb.monitor" }\npcm.desk { type pulse device "vmic.monitor" }\n'
    )


USB = ("load-module", "module-null-sink", "sink_name=usb", "rate=48000", "channels=2", "norewinds=1")


def test_a_fallback_is_heard_while_the_named_microphone_is_away(
    daemon: Callable[..., Daemon], sound: SoundServer, tmp_path: Path
) -> None:
    named_devices(sound)
    talk = write_wav(tmp_path / "a.wav", np.concatenate([loud(1.5), quiet(1)]))
    running = daemon("--input", "mic:usb", "--set", "input.fallback=mic:desk", environment=sound.environment)
    messages = running.until("health", state="listening")
    assert "to the fallback 'desk': microphone: 'usb' cannot be opened" in messages[-1][1]["reason"]
    while running.until("health")[-1][1]["frames"] < 25:
        pass
    sound.play(talk)
    running.until("gate.closed")
    sound.control(*USB)
    messages = running.until("health", state="listening", microphone="usb", reason="")  # it changes back by itself
    paplay = ["paplay", "--device=usb", str(talk)]
    subprocess.run(paplay, env=sound.environment, check=True, timeout=60)
    messages += running.until("gate.opened")
    assert of_topic(messages, "health")[-1]["gaps"] == 1  # the change itself


def test_one_channel_of_several_at_another_rate(
    daemon: Callable[..., Daemon], sound: SoundServer, tmp_path: Path
) -> None:
    named_devices(sound)
    sound.control(*USB)
    running = daemon("--input", "mic:usb", "--set", "input.channel=2", environment=sound.environment)
    running.until("health", state="listening")
    while running.until("health")[-1][1]["frames"] < 25:
        pass
    silence, talk = np.zeros(3 * 48_000, np.int16), np.repeat(loud(3), 3)
    for right, opens in ((silence, False), (talk, True)):
        left = silence if opens else talk
        path = write_wav(tmp_path / "a.wav", np.stack([left, right], axis=1), 48_000)
        subprocess.run(["paplay", "--device=usb", str(path)], env=sound.environment, check=True, timeout=60)
        messages = running.until("health") + running.until("health")
        assert bool(of_topic(messages, "gate.opened")) is opens


def test_a_channel_that_is_none(sound: SoundServer, model: Path) -> None:
    command = [*PROGRAM, "--model", str(model), "--input", "mic:pulse", "--set", "input.channel=64"]
    done = subprocess.run(command, check=False, env=sound.environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "input.channel: got 64, expected 1 to 32 for 'pulse'" in done.stderr


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


def test_watch_listens_by_itself(sound: SoundServer, model: Path, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "a.wav", np.concatenate([loud(1.5), quiet(0.5)]))
    command = [*PROGRAM, "watch", "--model", str(model), "--input", "mic"]
    environment = {**os.environ, **sound.environment}
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    too_late = threading.Timer(60, watching.kill)
    too_late.start()
    try:
        assert any(line.startswith("listening") for line in watching.stdout)
        sound.play(talk)
        assert any("opened   utterance 1, score" in line for line in watching.stdout)
        assert any("silence: hasPhotoQuery" in line for line in watching.stdout)
        watching.send_signal(signal.SIGINT)
        assert "stopping (SIGINT)" in watching.stdout.read()
        assert (watching.wait(), watching.stderr.read()) == (0, "")
    finally:
        too_late.cancel()
        watching.kill()
        watching.communicate()
