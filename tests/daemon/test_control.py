"""Requests to a real daemon, over its control socket and by the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
import zmq

from inherentd.client import ClientError, Control, keys
from inherentd.client.places import control_endpoint
from inherentd.client.requests import AnyRequest, Reply
from inherentd.client.results import MarkResult
from inherentd.daemon import places
from inherentd.daemon.cli import main
from inherentd.daemon.control.tuning import keep
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.security import clients, new_keys
from inherentd.pipeline.gate import GateConfig
from tests import tiny_model
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.daemon.test_run import check_audio, check_messages, of_topic

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """A minute: a loud second every five."""
    return write_wav(tmp_path / "long.wav", np.concatenate([np.concatenate([quiet(4), loud(1, i)]) for i in range(12)]))


@pytest.fixture
def listening(daemon: StartDaemon, long_file: Path) -> Daemon:
    running = daemon("--input", str(long_file))
    running.until("health", state="listening")
    return running


def ask(request: str, **fields: object) -> tuple[dict, bytes]:
    with Control(control_endpoint()) as client:
        return client.ask(request, **fields)


def raw(*frames: bytes) -> dict:
    """Send frames as they are and return the reply."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(control_endpoint())
        socket.send_multipart(frames)
        assert socket.poll(5000)
        return json.loads(socket.recv())


def test_status_tells_what_runs(listening: Daemon) -> None:
    status, _ = ask("status")
    assert (status["state"], status["reason"], status["muted"], status["open"]) == ("listening", "", False, False)
    assert status["model"] == {"version": "0.0.1", "hash": "tiny"}
    assert status["endpoint"] == listening.endpoint
    assert set(status["thresholds"]) == {"is_interesting", "has_photo_query", "has_start_timer_intent"}
    assert status["subscribers"] == 1
    deciding = status["deciding"]
    assert GateConfig(**deciding["gate"]).open_threshold == status["thresholds"]["is_interesting"] == 0.6
    assert deciding["gate"]["close_threshold"] == deciding["close_share"] * 0.6
    assert (deciding["step_samples"], deciding["scores_every_samples"]) == (640, 0)
    assert -100 <= status["level_dbfs"] <= 0
    assert status["held"]["start"] == 0 < status["held"]["stop"]


def test_the_socket_is_its_owners_only(listening: Daemon) -> None:
    path = Path(control_endpoint().removeprefix("ipc://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ask("stop")
    assert listening.process.wait(10) == 0
    assert not path.exists()


def test_a_mute_closes_what_is_open_and_hears_nothing(daemon: StartDaemon, tmp_path: Path) -> None:
    pcm = np.concatenate([quiet(0.5), loud(8)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)))
    messages = running.until("gate.opened")
    assert ask("mute")[0] == {"muted": True}
    messages += running.until("health", state="muted")
    assert of_topic(messages, "gate.closed")[0]["reason"] == "muted"
    muted_at = messages[-1][1]["at_sample"] + 3200
    time.sleep(1)
    status, _ = ask("status")
    assert (status["state"], status["muted"]) == ("muted", True)
    _, heard = ask("audio", start=muted_at, stop=status["held"]["stop"])
    assert len(heard) > 10_000
    assert not any(heard)
    ask("unmute")
    messages += running.until("gate.opened")
    messages += running.until("gate.closed")
    check_messages(messages)


def test_thresholds_hold_at_once_and_after_a_restart_when_kept(daemon: StartDaemon, long_file: Path) -> None:
    first = daemon("--input", str(long_file))
    first.until("health", state="listening")
    assert ask("thresholds.set", thresholds={"has_photo_query": 0.25}, keep=True)[0]["kept"] is True
    ask("thresholds.set", thresholds={"is_interesting": 1.0})  # until the stop only
    assert ask("thresholds.get")[0]["thresholds"]["is_interesting"] == 1.0
    time.sleep(5.5)  # a loud second passes and opens nothing
    assert ask("status")[0]["open"] is False
    ask("stop")
    messages = first.until("health", state="stopping")
    assert of_topic(messages, "gate.opened") == []
    assert messages[-1][1]["reason"] == "asked to stop"
    first.process.wait(10)
    second = daemon("--input", str(long_file))
    second.until("health", state="listening")
    thresholds = ask("thresholds.get")[0]["thresholds"]
    assert thresholds["has_photo_query"] == 0.25
    assert thresholds["is_interesting"] < 1
    ask("thresholds.set", thresholds={"has_photo_query": None}, keep=True)
    assert ask("thresholds.get")[0]["thresholds"]["has_photo_query"] != 0.25
    second.until("gate.opened")


def test_a_kept_threshold_that_is_none_keeps_no_daemon_down(daemon: StartDaemon, long_file: Path) -> None:
    keep(places.state_folder(), {"tiny": {"is_interesting": 7.0}})
    running = daemon("--input", str(long_file))
    running.until("health", state="listening")
    assert ask("thresholds.get")[0]["thresholds"]["is_interesting"] < 1
    assert "kept thresholds are left out" in running.said()


def test_thresholds_are_of_the_model_that_they_were_set_for(daemon: StartDaemon, tmp_path: Path) -> None:
    """At a start as at a reload, and they come back with their model."""
    keep(places.state_folder(), {"other": {"has_photo_query": 0.75}})
    model = tiny_model.build(tmp_path / "model")
    audio = write_wav(tmp_path / "a.wav", np.concatenate([quiet(60), loud(1, 0)]))
    daemon("--input", str(audio), "--model", str(model)).until("health", state="listening")

    def become(training_hash: str) -> None:
        tiny_model.write_metadata(model, "streaming", training_hash=training_hash)
        ask("reload", timeout_seconds=20)

    def photo() -> float:
        return ask("thresholds.get")[0]["thresholds"]["has_photo_query"]

    own = photo()
    assert own not in (0.25, 0.75)
    ask("thresholds.set", thresholds={"has_photo_query": 0.25}, keep=True)
    become("other")
    assert photo() == 0.75
    ask("thresholds.set", thresholds={"has_photo_query": None})
    assert photo() == own
    become("tiny")
    assert photo() == 0.25


def test_the_context_raises_and_lowers_the_gate(listening: Daemon) -> None:
    assert ask("context.set", assistant_speaking=True)[0] == {"assistant_speaking": True, "expecting_reply_ms": 0}
    assert ask("status")[0]["context"] == {"assistant_speaking": True, "expecting_reply": False}
    ask("context.set", assistant_speaking=False, expecting_reply_ms=300)
    assert ask("status")[0]["context"] == {"assistant_speaking": False, "expecting_reply": True}
    time.sleep(0.6)
    assert ask("status")[0]["context"]["expecting_reply"] is False


def test_audio_is_what_was_heard(listening: Daemon, long_file: Path) -> None:
    listening.until("gate.closed")
    with wave.open(str(long_file)) as file:
        expected = file.readframes(60 * 16_000)
    result, payload = ask("audio", start=1_000, stop=70_000)
    assert result == {"start": 1_000, "stop": 70_000, "rate": 16_000, "format": "s16le"}
    assert payload == expected[2_000:140_000]
    with pytest.raises(ClientError, match="are not held; the ring holds 0 to"):
        ask("audio", start=0, stop=10**9)


@pytest.mark.parametrize("by", ["signal", "request"])
def test_a_reload_takes_another_model_and_configuration(daemon: StartDaemon, tmp_path: Path, by: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("gate: {hangover_ms: 300}\n")
    pcm = np.concatenate([np.concatenate([quiet(2), loud(1, i)]) for i in range(8)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)), "--config", str(config))
    messages = running.until("gate.opened")  # in the middle of an utterance
    config.write_text(yaml.safe_dump({"gate": {"hangover_ms": 200}, "publish": {"device": "other"}}))
    if by == "signal":
        running.process.send_signal(signal.SIGHUP)
    else:
        result, _ = ask("reload", timeout_seconds=20)
        assert result == {"model": "0.0.1", "needs_restart": ["publish.device"]}
    messages += running.until("health", state="stopping")
    assert running.process.wait(10) == 0
    check_messages(messages)
    check_audio(messages, pcm)
    assert len(of_topic(messages, "gate.opened")) == 8
    assert "reloaded" in running.said()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("gate: {hangover: 3}", "unknown key 'gate.hangover'"),
        ("model: {path: none.onnx}", "there is no such file"),
        ("gate: {close_threshold: 0.99}", "expected at most the opening threshold"),
        ("[", "is not valid YAML"),
    ],
)
def test_a_reload_that_cannot_be_changes_nothing(daemon: StartDaemon, tmp_path: Path, content: str, said: str) -> None:
    model = tiny_model.build(tmp_path / "model")
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {{path: {model}}}")
    path = write_wav(tmp_path / "a.wav", np.concatenate([quiet(3), loud(1), quiet(20)]))
    running = Daemon(["--input", str(path), "--config", str(config)])
    try:
        running.until("health", state="listening")
        config.write_text(content)
        with pytest.raises(ClientError, match=said):
            ask("reload", timeout_seconds=20)
        running.until("gate.closed")
        assert ask("status")[0]["state"] == "listening"
    finally:
        running.close()


MALFORMED = [
    (b"", "no request"),
    (b"{", "no request"),
    (b"[" * 20_000, "no request"),
    (b"null", "no request"),
    (b'"status"', "no request"),
    (b"\xff\xfe", "no request"),
    (b"{}", "request"),
    (b'{"request": "sudo", "id": 3}', "Invalid value 'sudo'"),
    (b'{"request": "status", "id": 3, "more": 1}', "unknown field `more`"),
    (b'{"request": "thresholds.set", "id": 3, "thresholds": {"is_interesting": 2}}', "<= 1.0"),
    (b'{"request": "thresholds.set", "id": 3, "thresholds": {"is_intresting": 0.5}}', "did you mean 'is_interesting'"),
    (b'{"request": "audio", "id": 3, "start": -1, "stop": 5}', ">= 0"),
    (b'{"request": "audio", "id": 3, "start": 9, "stop": 5}', "are not held"),
    (b'{"request": "audio", "id": 3, "start": 0, "stop": 99999999999999999999}', "are not held"),
    (b'{"request": "context.set", "id": 3, "expecting_reply_ms": 1e99}', "no request"),
    (b'{"request": "mark", "id": 3, "utterance": 0, "addressed": true}', ">= 1"),
]


def test_malformed_requests_are_refused_in_words(listening: Daemon) -> None:
    for data, expected in MALFORMED:
        reply = raw(data)
        assert reply["ok"] is False
        assert expected in reply["error"], (data[:60], reply)
        assert reply.get("id") == (3 if b'"id": 3' in data else None)
        assert "\n" not in reply["error"]
    assert "got 3 frames" in raw(b"{}", b"x", b"y")["error"]
    assert ask("status")[0]["state"] == "listening"
    assert "Traceback" not in listening.said()


def test_an_old_fashioned_req_socket_is_answered_too(listening: Daemon) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(control_endpoint())
        socket.send(b'{"request": "status", "id": "a"}')
        assert socket.poll(5000)
        reply = msgspec.json.decode(socket.recv(), type=Reply)
        assert (reply.ok, reply.id) == (True, "a")


def test_a_flood_of_requests_does_not_keep_the_daemon_from_listening(listening: Daemon) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(control_endpoint())
        with contextlib.suppress(zmq.Again):
            for _ in range(50_000):
                socket.send(b'{"request": "status"}', zmq.NOBLOCK)
        messages = [listening.receive() for _ in range(6)]
    health = of_topic(messages, "health")
    assert all(header["state"] == "listening" for header in health)
    assert np.diff([header["frames"] for header in health]).min() > 20
    assert ask("status")[0]["state"] == "listening"


def test_the_command(listening: Daemon, tmp_path: Path) -> None:
    def control(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, "control", *arguments], capture_output=True, text=True, check=False, timeout=30
        )

    assert json.loads(control("status").stdout)["state"] == "listening"
    assert json.loads(control("thresholds", "has_photo_query=0.9").stdout)["thresholds"]["has_photo_query"] == 0.9
    assert "expected KEY=VALUE" in control("thresholds", "is_interesting=7").stderr
    assert json.loads(control("context", "--speaking", "no", "--expecting-reply", "2").stdout) == {
        "assistant_speaking": False,
        "expecting_reply_ms": 2000,
    }
    assert control("audio", "0", "1600", "--out", str(tmp_path / "x.wav")).returncode == 0
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 1_600)
    assert "utterance 30: there were" in control("mark", "30", "not-addressed").stderr
    listening.until("gate.closed")
    marked = json.loads(control("mark", "1", "not-addressed").stdout)
    assert marked == {"utterance": 1, "capture": "", "reason": "counted only: no captures are kept (captures.folder)"}
    assert set(marked) == set(MarkResult.__struct_fields__)
    assert json.loads(control("mute").stdout) == {"muted": True}
    assert control("stop").returncode == 0
    assert listening.process.wait(10) == 0
    gone = control("status")
    assert gone.returncode == 1
    assert "nobody answers at ipc://" in gone.stderr
    assert control("sing").returncode == 2


@pytest.mark.parametrize(
    "options", [["--endpoint", "tcp://127.0.0.1:1"], ["--set", "control.endpoint=tcp://127.0.0.1:1"]]
)
def test_where_to_ask_may_stand_on_either_side_of_what_is_asked(options: list[str], capsys) -> None:
    for arguments in ([*options, "status"], ["status", *options]):
        assert main(["control", *arguments]) == 1
        assert "nobody answers at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_two_daemons_do_not_share_a_control_socket(listening: Daemon, model: Path, long_file: Path) -> None:
    other = ["run", "--model", str(model), "--input", str(long_file), "--set", "publish.endpoint=tcp://127.0.0.1:*"]
    refused = subprocess.run([*PROGRAM, *other], capture_output=True, text=True, check=False, timeout=30)
    assert refused.returncode == 1
    assert "control.endpoint: ipc://" in refused.stderr.splitlines()[-1]
    assert "already in use" in refused.stderr.splitlines()[-1]
    done = [*other, "--speed", "max", "--set", "control.endpoint=null"]
    assert subprocess.run([*PROGRAM, *done], capture_output=True, check=False, timeout=60).returncode == 0
    assert ask("status")[0]["state"] == "listening"


def test_a_killed_daemon_leaves_no_lock_behind(listening: Daemon, daemon: StartDaemon, long_file: Path) -> None:
    os.kill(listening.process.pid, signal.SIGKILL)
    listening.process.wait()
    daemon("--input", str(long_file)).until("health", state="listening")
    assert ask("status")[0]["state"] == "listening"


def test_every_request_can_be_written_as_a_schema() -> None:
    assert len(msgspec.json.schema(AnyRequest)["$defs"]) >= 10


def test_control_does_not_open_the_audio(daemon: StartDaemon, long_file: Path, tmp_path: Path) -> None:
    """By permission: events, audio and control are three."""
    folder = tmp_path / "keys"
    new_keys.write_pair(new_keys.new_pair(), folder / new_keys.SERVER, force=False)
    operator, listener, owner = new_keys.new_pair(), new_keys.new_pair(), new_keys.new_pair()
    allowed = {
        "operator": (operator, ["control"]),
        "listener": (listener, ["audio"]),
        "owner": (owner, ["control", "audio"]),
    }
    clients.write(
        folder, {name: clients.Client(pair.public.decode(), allow) for name, (pair, allow) in allowed.items()}
    )
    where = free_endpoint()
    daemon(
        "--input", str(long_file), "--wait-for-subscriber", "0", "--set", "security.curve=true",
        "--set", f"security.keys={folder}", "--set", f"control.endpoint={where}",
    )  # fmt: skip

    def asked(pair: keys.KeyPair, request: str, seconds: float = 20, **fields: object) -> dict:
        identity = keys.ClientKeys(keys.public_key(str(folder / "server.pub")), pair)
        with Control(where, identity) as client:
            return client.ask(request, timeout_seconds=seconds, **fields)[0]

    until = time.monotonic() + 15
    while asked(operator, "status")["held"]["stop"] < 1600:
        assert time.monotonic() < until
    with pytest.raises(ClientError, match="no permission for audio"):
        asked(operator, "audio", start=0, stop=100)
    with pytest.raises(ClientError, match="nobody answers"):
        asked(listener, "status", seconds=3)
    assert asked(owner, "audio", start=0, stop=100)["stop"] == 100
