"""The brokers as programs, between real sockets: the proxy with and without keys, and the bridge to a real NATS server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
import zmq
from benchmarks.brokers import BROKERS, free_port, nats_server

from inherentd.client import ClientError, ClientKeys, Message, Subscriber
from inherentd.client.connecting import identify
from inherentd.client.keys import KeyPair
from inherentd.client.message import Receipt
from inherentd.client.messages import IntentHeader
from inherentd.daemon.demo.processes import PROGRAM
from inherentd.daemon.security import new_keys
from tests.examples.conftest import recording

PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _brokers_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BROKERS))


@contextlib.contextmanager
def broker(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(BROKERS / program), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def address(process: subprocess.Popen[str]) -> str:
    """Where it says that it listens."""
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("listening at "), said + process.stderr.read()
    return said.removeprefix("listening at ").strip()


class Device:
    """A publishing socket as a daemon has it."""

    def __init__(self, context: zmq.Context[Any], folder: Path, name: str) -> None:
        self.endpoint, self.name = f"ipc://{folder}/{name}", name
        self.socket = context.socket(zmq.XPUB)
        self.socket.bind(self.endpoint)

    def wait(self) -> None:
        assert self.socket.poll(PATIENCE_SECONDS * 1000)
        assert self.socket.recv() == b"\x01"

    def send(self, seq: int) -> None:
        header = IntentHeader(
            stream=f"run of {self.name}", device=self.name, seq=seq, at_sample=seq, time_ns=seq, utterance=1,
            head="hasPhotoQuery", score=0.5, final=True,
        )  # fmt: skip
        self.socket.send_multipart([b"intent", msgspec.json.encode(header)])


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[list[Device]]:
    context = zmq.Context()
    yield [Device(context, tmp_path, name) for name in ("kitchen", "hall")]
    context.destroy(linger=0)


def take(subscriber: Subscriber, count: int) -> list[Message]:
    messages = []
    for message in subscriber.messages(PATIENCE_SECONDS):
        messages.append(message)
        if len(messages) == count:
            break
    return messages


def check_both(messages: list[Message], each: int) -> None:
    for name in ("kitchen", "hall"):
        of_one = [message for message in messages if message.header.device == name]
        assert [message.header.seq for message in of_one] == list(range(each))
        assert all(message.lost == 0 for message in of_one)


def test_two_proxies_bring_all_devices(devices: list[Device], tmp_path: Path) -> None:
    listed = tmp_path / "daemons"
    listed.write_text(f"# all of the house\n{devices[0].endpoint}\n\n{devices[1].endpoint}  # the hall\n")
    below, top = f"ipc://{tmp_path}/below", f"ipc://{tmp_path}/top"
    with broker("proxy.py", "--daemons", str(listed), "--out", below), \
            broker("proxy.py", "--daemon", below, "--out", top), Subscriber(top) as subscriber:  # fmt: skip
        for device in devices:
            device.wait()  # what the subscriber wants has come through both
        for seq in range(50):
            for device in devices:
                device.send(seq)
        check_both(take(subscriber, 100), 50)


def test_a_daemons_utterances_through_a_proxy(tmp_path: Path) -> None:
    """The real daemon; every sample as in the file."""
    wav = recording(tmp_path / "clips.wav", "startTimer", "hasStartTimerIntent")
    samples, _ = soundfile.read(wav, dtype="int16")
    events, out = f"ipc://{tmp_path}/events.sock", f"ipc://{tmp_path}/out.sock"
    settings = ["--set", f"publish.endpoint={events}", "--set", "control.endpoint=null"]
    with broker("proxy.py", "--daemon", events, "--out", out), Subscriber(out) as subscriber:
        daemon = subprocess.Popen(
            [*PROGRAM, "run", "--input", str(wav), "--speed", "max", "--wait-for-subscriber", "60", *settings]
        )
        try:
            utterance = next(subscriber.utterances(PATIENCE_SECONDS))
        finally:
            daemon.wait(PATIENCE_SECONDS)
    assert utterance.complete
    heard = np.frombuffer(utterance.pcm, "<i2")
    assert np.array_equal(samples[utterance.at_sample : utterance.at_sample + len(heard)], heard)


def keys(folder: Path, name: str) -> KeyPair:
    pair = new_keys.new_pair()
    new_keys.write_pair(pair, folder / f"{name}.key", force=False)
    return pair


def test_a_device_behind_a_wall_connects_out_and_only_known_keys_come_in(devices: list[Device], tmp_path: Path) -> None:
    """Somebody unknown is refused before anything is sent, and heard nothing of what the others heard; with their key known they hear."""
    clients = tmp_path / "clients"
    clients.mkdir()
    central, _, laptop, stranger = (keys(tmp_path, name) for name in ("central", "device", "laptop", "stranger"))
    for name in ("device", "laptop"):
        (tmp_path / f"{name}.pub").rename(clients / f"{name}.pub")
    (clients / "broken.pub").write_text("nonsense")
    guarded = ["--key", str(tmp_path / "central.key"), "--clients", str(clients)]
    with broker("proxy.py", "--relays", "tcp://127.0.0.1:*", "--out", "tcp://127.0.0.1:*", *guarded) as proxy:
        relays, out = address(proxy), address(proxy)
        daemons = [part for one in devices for part in ("--daemon", one.endpoint)]
        to = f"{relays},{tmp_path / 'central.pub'}"
        with broker("proxy.py", *daemons, "--to", to, "--key", str(tmp_path / "device.key")), \
                zmq.Context() as context, context.socket(zmq.SUB) as other, \
                Subscriber(out, keys=ClientKeys(central.public, laptop)) as subscriber:  # fmt: skip
            identify(other, ClientKeys(central.public, stranger))
            other.subscribe(b"")
            refused = other.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
            other.connect(out)
            for one in devices:
                one.wait()
            assert refused.poll(int(PATIENCE_SECONDS * 1000))
            for seq in range(20):
                for one in devices:
                    one.send(seq)
            check_both(take(subscriber, 40), 20)
            assert not other.poll(200)
            other.disable_monitor()
            (tmp_path / "stranger.pub").rename(clients / "stranger.pub")
            with Subscriber(out, keys=ClientKeys(central.public, stranger)) as let_in:
                heard, seq = list[Message](), 20
                deadline = time.monotonic() + PATIENCE_SECONDS
                while not heard and time.monotonic() < deadline:
                    devices[0].send(seq)
                    seq += 1
                    heard = list(let_in.messages(timeout_seconds=0.05))
                assert heard[0].header.seq >= 20
        proxy.kill()
        assert proxy.stderr is not None
        said = proxy.stderr.read()
    assert said.count("broken.pub lets nobody in") == 1


@pytest.mark.parametrize("bound", [False, True])
def test_each_peer_gets_its_own_keys_and_no_others(*, bound: bool, tmp_path: Path) -> None:
    """With and without keys in turn, on one socket; where it is bound with keys too, who has none stays out."""
    peers = importlib.import_module("peers")
    server, own = keys(tmp_path, "server"), keys(tmp_path, "own")
    with zmq.Context() as theirs, zmq.Context() as ours, ours.socket(zmq.XSUB) as proxy_end:
        publishers, those = [], []
        for guarded in (False, True, False, True):
            publisher = theirs.socket(zmq.XPUB)
            publisher.linger = 0
            if guarded:
                publisher.curve_server = True
                publisher.curve_secretkey = server.secret
            port = publisher.bind_to_random_port("tcp://127.0.0.1")
            publishers.append(publisher)
            those.append(peers.Peer(f"tcp://127.0.0.1:{port}", server.public if guarded else None))
        door = peers.Doorkeeper(ours, tmp_path) if bound else None
        there = peers.bind(proxy_end, "tcp://127.0.0.1:*", own) if bound else ""
        peers.connect(proxy_end, those, own)
        proxy_end.send(b"\x01")
        assert [bool(one.poll(5_000)) for one in publishers] == [True] * 4
        if door is not None:
            with theirs.socket(zmq.XPUB) as known, theirs.socket(zmq.XPUB) as nobody:
                identify(known, ClientKeys(own.public, server))
                for one in (nobody, known):
                    one.connect(there)
                assert not proxy_end.poll(500)  # it looks who has connected
                assert known.poll(5_000)
                assert not nobody.poll(200)
            door.close()
        for one in publishers:
            one.close()


def test_one_bad_key_file_locks_nobody_else_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peers = importlib.import_module("peers")
    friend = keys(tmp_path, "friend")
    (tmp_path / "a.pub").write_text("nonsense")
    (tmp_path / "z.pub").write_bytes(b"\xff")
    with zmq.Context() as context:
        door = peers.Doorkeeper(context, tmp_path)
        try:
            assert [door.callback(peers.DOMAIN, friend.public) for _ in range(3)] == [True] * 3
            assert not door.callback(peers.DOMAIN, b"a" * 40)
            assert not door.callback("another", friend.public)
        finally:
            door.close()
    said = capsys.readouterr().err.splitlines()
    assert sorted(line.partition(" ")[0] for line in said) == [str(tmp_path / "a.pub"), str(tmp_path / "z.pub")]


def test_no_limit_is_asked_for_as_a_number_and_a_refusal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    peers = importlib.import_module("peers")
    infinity, asked = resource.RLIM_INFINITY, []

    def refuse(which: int, limits: tuple[int, int]) -> None:
        asked.append((which, limits))
        raise ValueError("current limit exceeds maximum limit")

    peers.allow_many_connections((256, infinity), refuse)
    assert asked == [(resource.RLIMIT_NOFILE, (peers.MOST_DESCRIPTORS, infinity))]
    assert "at most 256 connections" in capsys.readouterr().err
    peers.allow_many_connections((infinity, infinity), refuse)
    peers.allow_many_connections((4096, 4096), refuse)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--daemon", "ipc:///tmp/a", "--out", "tcp://0.0.0.0:5720"], "tcp://0.0.0.0:5720 can be reached from other machines"),
        (["--out", "tcp://127.0.0.1:5720"], "nothing to pass on"),
        (["--daemon", "ipc:///tmp/a"], "one of the arguments --out --to is required"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, str(BROKERS / "proxy.py"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_a_key_without_ours_is_one_clear_error(tmp_path: Path) -> None:
    peers = importlib.import_module("peers")
    with pytest.raises(ClientError, match="expected 40 characters"):
        peers.Peer.read("tcp://127.0.0.1:1,nonsense")
    public = keys(tmp_path, "a").public.decode()
    with zmq.Context() as context, context.socket(zmq.SUB) as socket, pytest.raises(ClientError, match="--key FILE"):
        peers.connect(socket, [peers.Peer.read(f"tcp://127.0.0.1:1,{public}")], None)


@contextlib.contextmanager
def nats(port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    pytest.importorskip("nats", reason="pip install 'inherentd[nats]'")
    program = nats_server()
    if program is None:
        pytest.skip("apt-get install nats-server")
    process = subprocess.Popen([program, "-a", "127.0.0.1", "-p", str(port), *arguments], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def nats_url() -> Iterator[str]:
    port = free_port()
    with nats(port):
        yield f"nats://127.0.0.1:{port}"


def said_until(process: subprocess.Popen[str], what: str) -> str:
    """Return the line in which a broker says it."""
    assert process.stderr is not None
    lines = list[str]()
    for line in process.stderr:
        lines.append(line)
        if what in line:
            return line
    raise AssertionError("".join(lines))


def counted(said: str) -> tuple[int, ...]:
    """Return the four counts that were told last."""
    told = [line for line in said.splitlines() if " published, " in line]
    return tuple(int(part.split()[0]) for part in told[-1].split(","))


def test_what_nats_never_took_is_not_counted_as_published(devices: list[Device]) -> None:
    """The server comes back and wants a password: what is buffered then never gets there."""
    kitchen, port = devices[0], free_port()
    url = f"nats://127.0.0.1:{port}"
    with nats(port) as first, broker("nats_bridge.py", "--daemon", kitchen.endpoint, "--nats", url) as bridge:
        kitchen.wait()
        for seq in range(10):
            kitchen.send(seq)
        time.sleep(1.0)  # NATS answers after them
        first.kill()
        first.wait()
        with nats(port, "--user", "somebody", "--pass", "secret"):
            said = said_until(bridge, "Authorization Violation")
            assert said.endswith("; trying on\n")
            for seq in range(10, 30):
                kitchen.send(seq)
            time.sleep(1.0)
            bridge.send_signal(signal.SIGTERM)
            _, said = bridge.communicate(timeout=PATIENCE_SECONDS)
    assert counted(said) == (10, 0, 20, 0)
    assert "away at the end; 20 messages were waiting for it" in said
    assert bridge.returncode == 1


def test_what_is_buffered_gets_there_when_nats_is_back(devices: list[Device]) -> None:
    kitchen, port = devices[0], free_port()
    url = f"nats://127.0.0.1:{port}"
    with nats(port) as first, broker("nats_bridge.py", "--daemon", kitchen.endpoint, "--nats", url) as bridge:
        kitchen.wait()
        first.kill()
        first.wait()
        said_until(bridge, "; trying on")
        for seq in range(20):
            kitchen.send(seq)
        time.sleep(0.5)
        with nats(port):
            time.sleep(3.5)  # it tries every two seconds
            bridge.send_signal(signal.SIGTERM)
            _, said = bridge.communicate(timeout=PATIENCE_SECONDS)
    assert counted(said) == (20, 0, 0, 0)
    assert bridge.returncode == 0


def test_a_connection_that_is_closed_for_good_ends_the_bridge(devices: list[Device]) -> None:
    """A server of our own that answers a first message with an error."""
    pytest.importorskip("nats", reason="pip install 'inherentd[nats]'")
    kitchen = devices[0]

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rwb") as stream:
            stream.write(b'INFO {"server_id":"x","version":"2.10.0","headers":true,"max_payload":1048576}\r\n')
            stream.flush()
            for line in stream:
                if line.startswith(b"PING"):
                    stream.write(b"PONG\r\n")
                if line.startswith(b"HPUB"):
                    stream.write(b"-ERR 'User Authentication Expired'\r\n")
                    stream.flush()
                    return
                stream.flush()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        url = f"nats://127.0.0.1:{server.getsockname()[1]}"
        with broker("nats_bridge.py", "--daemon", kitchen.endpoint, "--nats", url) as bridge:
            kitchen.wait()
            kitchen.send(0)
            _, said = bridge.communicate(timeout=PATIENCE_SECONDS)
        thread.join()
    assert "closed the connection for good: nats: user authentication expired" in said
    assert counted(said) == (0, 0, 1, 0)
    assert bridge.returncode == 1


def test_nothing_of_a_message_gets_into_nats_protocol(devices: list[Device], nats_url: str) -> None:
    """Topics of others, line ends and endless names: all others go on, and nothing else is published."""
    kitchen = devices[0]
    evil = "x\r\nPUB inherent.hall.intent 2\r\nhi\r\n"
    received: list[Any] = []

    def send(topic: bytes, device: str = "kitchen", stream: str = "s") -> None:
        header = IntentHeader(
            stream=stream, device=device, seq=0, at_sample=0, time_ns=0, utterance=1, head="h", score=0.5, final=True
        )
        kitchen.socket.send_multipart([topic, msgspec.json.encode(header)])

    async def listen() -> str:
        import nats

        connection = await nats.connect(nats_url)
        came = asyncio.Queue[Any]()
        await connection.subscribe(">", cb=came.put)
        await connection.flush()
        with broker("nats_bridge.py", "--daemon", kitchen.endpoint, "--nats", nats_url) as bridge:
            await asyncio.to_thread(kitchen.wait)
            send(b"weather")
            send(b"a b\r\nPUB inherent.hall.intent 2\r\nhi\r\n")
            send(b"intent", device=evil)
            send(b"intent", stream=evil)
            send(b"intent", device="long" * 10_000, stream="long" * 10_000)
            send(b"intent", device="big" * 400_000)
            send(b"intent", device="hall", stream="last")
            while not received or received[-1].headers["stream"] != "last":
                received.append(await asyncio.wait_for(came.get(), PATIENCE_SECONDS))
            bridge.send_signal(signal.SIGTERM)
            _, said = await asyncio.to_thread(bridge.communicate)
        await connection.close()
        return said

    assert counted(asyncio.run(listen())) == (4, 0, 1, 2)
    assert [message.subject.partition(".")[2][:12] for message in received] == [
        "x__PUB_inher", "kitchen.inte", "longlonglong", "hall.intent"
    ]  # fmt: skip
    assert received[1].headers["stream"] == "x??PUB inherent.hall.intent 2??hi??"


def test_an_error_without_words_is_told_by_its_kind() -> None:
    bridge = importlib.import_module("nats_bridge")
    assert [bridge.reason(error) for error in (TimeoutError(), OSError("gone"))] == ["TimeoutError", "gone"]


def test_the_bridge_brings_everything_to_nats_and_counts_what_is_lost(devices: list[Device], nats_url: str) -> None:
    """Subjects, headers and data, to a subscriber of NATS; of one device two messages are missing, and one message is nobody's."""
    bridge_module = importlib.import_module("nats_bridge")
    kitchen, hall = devices
    daemons = [part for one in devices for part in ("--daemon", one.endpoint)]
    received: list[Any] = []

    async def subscribe() -> str:
        import nats

        connection = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0)
        came = asyncio.Queue[Any]()
        await connection.subscribe("inherent.*.intent", cb=came.put)
        await connection.flush()
        with broker("nats_bridge.py", *daemons, "--nats", nats_url) as bridge:
            for one in devices:
                await asyncio.to_thread(one.wait)
            for seq in range(10):
                kitchen.send(seq)
                if seq not in (4, 5):
                    hall.send(seq)
            kitchen.socket.send_multipart([b"weather", b"sunny"])
            received.extend([await asyncio.wait_for(came.get(), PATIENCE_SECONDS) for _ in range(18)])
            bridge.send_signal(signal.SIGTERM)
            _, said = await asyncio.to_thread(bridge.communicate)
        await connection.close()
        return said

    said = asyncio.run(subscribe())
    assert "18 published, 2 lost before the bridge, 0 not taken by NATS, 1 that were no daemon's" in said
    receipt = Receipt()
    messages = [receipt(bridge_module.parts(message.data, message.headers["topic"])) for message in received]
    assert sum(message.lost for message in messages) == 2
    assert {message.subject for message in received} == {"inherent.kitchen.intent", "inherent.hall.intent"}
    first = next(message for message in received if message.subject == "inherent.hall.intent")
    assert first.headers == {
        "device": "hall", "topic": "intent", "stream": "run of hall", "seq": "0", "Nats-Msg-Id": "run of hall.intent.0"
    }  # fmt: skip


def test_a_subject_holds_any_devices_name() -> None:
    bridge = importlib.import_module("nats_bridge")
    header = IntentHeader(
        stream="s", device="Küche 1.og >", seq=3, at_sample=0, time_ns=0, utterance=1, head="h", score=0.5, final=True
    )
    message = Message("gate.opened", header)
    assert bridge.subject(message) == "inherent.K_che_1_og__.gate.opened"
    assert bridge.headers(message)["device"] == "K?che 1.og >"
    assert bridge.parts(b'{"a":1}\n\n\x00\n', "audio") == [b"audio", b'{"a":1}', b"\n\x00\n"]
