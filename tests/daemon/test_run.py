"""A real daemon in a process of its own, heard through a real ZeroMQ subscriber."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from inherentd.client.messages import HEADERS
from tests.daemon.conftest import Daemon, loud, quiet, write_wav

StartDaemon = Callable[..., Daemon]
Messages = list[tuple[str, dict[str, Any], bytes]]


def two_utterances() -> np.ndarray:
    return np.concatenate([quiet(1.5), loud(1.2, 1), quiet(3), loud(0.9, 2), quiet(3)])


def of_topic(messages: Messages, topic: str) -> list[dict[str, Any]]:
    return [header for name, header, _ in messages if name == topic]


def check_messages(messages: Messages) -> None:
    """Every header fits its type, and each topic is numbered from 0 without a gap."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for topic, header, _ in messages:
        msgspec.convert(header, HEADERS[topic])
        assert header["v"] == 1
        numbers[topic].append(header["seq"])
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert len({(header["stream"], header["device"]) for _, header, _ in messages}) == 1


def check_audio(messages: Messages, pcm: np.ndarray) -> None:
    """The payloads of each utterance are the input from its pre-roll to its close, byte for byte."""
    opened = {header["utterance"]: header for header in of_topic(messages, "gate.opened")}
    closed = {header["utterance"]: header for header in of_topic(messages, "gate.closed")}
    assert opened
    assert opened.keys() == closed.keys()
    for utterance, header in opened.items():
        pieces = [(part, payload) for topic, part, payload in messages if topic == "audio"]
        mine = [(part, payload) for part, payload in pieces if part["utterance"] == utterance]
        assert [part["last"] for part, _ in mine] == [False] * (len(mine) - 1) + [True]
        assert all(part["samples"] * 2 == len(payload) for part, payload in mine)
        assert all((part["rate"], part["format"]) == (16_000, "s16le") for part, _ in mine)
        start, stop = header["at_sample"] - header["preroll_samples"], closed[utterance]["at_sample"]
        assert mine[0][0]["at_sample"] == start
        assert b"".join(payload for _, payload in mine) == pcm[start:stop].astype("<i2").tobytes()


def test_a_file_as_fast_as_it_goes(daemon: StartDaemon, tmp_path: Path) -> None:
    pcm = two_utterances()
    path = write_wav(tmp_path / "a.wav", pcm)
    running = daemon("--input", str(path), "--speed", "max", "--set", "publish.device=kitchen")
    messages = running.until("health", state="stopping")
    assert running.process.wait(20) == 0
    check_messages(messages)
    check_audio(messages, pcm)
    assert [topic for topic, _, _ in messages if topic.startswith("gate")] == ["gate.opened", "gate.closed"] * 2
    assert [header["utterance"] for header in of_topic(messages, "gate.opened")] == [1, 2]
    for header in of_topic(messages, "gate.closed"):
        assert header["reason"] == "silence"
        assert header["intents"] == ["hasPhotoQuery"]
        assert header["peaks"]["isInteresting"] > 0.9
    assert of_topic(messages, "gate.opened")[0]["model"] == {"version": "0.0.1", "hash": "tiny"}
    assert [header["final"] for header in of_topic(messages, "intent")] == [False, True] * 2
    assert [header["state"] for header in of_topic(messages, "health")] == ["starting", "listening", "stopping"]
    assert of_topic(messages, "health")[-1]["reason"] == "the audio ended"
    assert of_topic(messages, "health")[-1]["frames"] == len(pcm) // 320
    assert {header["device"] for _, header, _ in messages} == {"kitchen"}


def test_in_real_time_with_health_every_second(daemon: StartDaemon, tmp_path: Path) -> None:
    pcm = np.concatenate([quiet(0.5), loud(1), quiet(2)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    messages = running.until("health", state="stopping")
    check_messages(messages)
    check_audio(messages, pcm)
    health = [header for header in of_topic(messages, "health") if header["state"] == "listening"]
    uptimes = np.diff([header["uptime"] for header in health])
    assert len(uptimes) >= 2
    assert (np.abs(uptimes - 1) < 0.3).all()
    assert all(header["rss"] > 10e6 for header in health)
    spans = [(header["at_sample"], header["time_ns"]) for topic, header, _ in messages if topic != "health"]
    zeros = [time_ns - at_sample * 62_500 for at_sample, time_ns in spans]
    assert max(zeros) - min(zeros) < 0.5e9  # one clock for all samples


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_what_is_open(daemon: StartDaemon, tmp_path: Path, number: signal.Signals) -> None:
    pcm = np.concatenate([quiet(0.3), loud(20)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    messages = running.until("intent")
    running.process.send_signal(number)
    messages += running.until("health", state="stopping")
    assert running.process.wait(5) == 0
    check_messages(messages)
    check_audio(messages, pcm)
    assert of_topic(messages, "gate.closed")[0]["reason"] == "end_of_stream"
    assert messages[-1][1]["reason"] == number.name
    assert "Traceback" not in running.said()


def test_raw_samples_on_stdin(daemon: StartDaemon) -> None:
    pcm = two_utterances()
    running = daemon("--input", "-", stdin=subprocess.PIPE)
    data = pcm.astype("<i2").tobytes()
    for start in range(0, len(data), 12_345):  # odd: samples are cut in two
        running.process.stdin.write(data[start : start + 12_345])
        running.process.stdin.flush()
    running.process.stdin.close()
    running.process.stdin = None
    messages = running.until("health", state="stopping")
    assert running.process.wait(20) == 0
    check_messages(messages)
    check_audio(messages, pcm)
    assert len(of_topic(messages, "gate.opened")) == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"RIFF\x00\x00\x00\x00WAVE", "got a WAV file"), (b"\x00\x01\x02", "in the middle of a sample")],
)
def test_something_else_on_stdin(daemon: StartDaemon, data: bytes, expected: str) -> None:
    running = daemon("--input", "-", stdin=subprocess.PIPE)
    running.process.stdin.write(data)
    running.process.stdin.close()
    running.process.stdin = None
    messages = running.until("health", state="stopping")
    assert expected in messages[-1][1]["reason"]
    assert running.process.wait(20) == 1
    assert expected in running.said().splitlines()[-1]


def test_a_file_that_breaks_off_closes_what_is_open_and_fails(daemon: StartDaemon, tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "a.flac"
    pcm = np.concatenate([quiet(0.5), loud(6)])
    soundfile.write(path, pcm, 16_000)
    path.write_bytes(path.read_bytes()[:-60_000])
    running = daemon("--input", str(path), "--speed", "max")
    messages = running.until("health", state="stopping")
    check_audio(messages, pcm)
    assert of_topic(messages, "gate.closed")[0]["reason"] == "end_of_stream"
    assert running.process.wait(20) == 1
    assert "Traceback" not in (said := running.said())
    assert str(path) in said.splitlines()[-1]


def test_scores_when_asked_for(daemon: StartDaemon, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(3))
    running = daemon("--input", str(path), "--speed", "max", "--set", "publish.scores_per_second=5")
    messages = running.until("health", state="stopping")
    check_messages(messages)
    assert 13 <= len(of_topic(messages, "scores")) <= 17


def test_logs_are_json_when_nobody_reads_them_on_a_terminal(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", two_utterances())), "--speed", "max")
    running.until("health", state="stopping")
    running.process.wait(20)
    lines = [json.loads(line) for line in running.said().splitlines()]
    assert {"publishing", "listening", "gate opened", "intent", "gate closed"} <= {line["event"] for line in lines}
    assert all({"level", "timestamp"} <= line.keys() for line in lines)


def test_nothing_is_printed_to_stdout_and_the_console_format_is_plain(model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(1))
    command = ["--input", str(path), "--speed", "max", "--model", str(model)]
    settings = ["--set", "publish.endpoint=tcp://127.0.0.1:*", "--set", "log.format=console"]
    from tests.daemon.conftest import PROGRAM

    done = subprocess.run([*PROGRAM, *command, *settings], capture_output=True, text=True, check=True)  # without "run"
    assert done.stdout == ""
    assert "gate opened" in done.stderr
    assert "\x1b" not in done.stderr


def test_it_waits_for_its_subscriber_only_so_long(model: Path, tmp_path: Path) -> None:
    from tests.daemon.conftest import PROGRAM

    path = write_wav(tmp_path / "a.wav", loud(0.2))
    command = ["run", "--input", str(path), "--speed", "max", "--model", str(model), "--wait-for-subscriber", "0.3"]
    settings = ["--set", "publish.endpoint=tcp://127.0.0.1:*"]
    done = subprocess.run([*PROGRAM, *command, *settings], capture_output=True, text=True, check=True)
    assert "no subscriber came in time" in done.stderr


def test_a_subscriber_that_does_not_read_stops_nobody(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", loud(5))), "--set", "publish.queue_messages=1")
    context = zmq.Context()
    lazy = context.socket(zmq.SUB)
    lazy.setsockopt(zmq.RCVHWM, 1)
    lazy.subscribe(b"")
    lazy.connect(running.endpoint)
    assert running.process.wait(30) == 0  # nobody has read a single message yet
    context.destroy(linger=0)
