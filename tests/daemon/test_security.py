"""Who gets in and what they get, through real sockets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import zmq
from hypothesis import given
from hypothesis import strategies as st

from inherentd.client import connecting, keys
from inherentd.client.connecting import identify
from inherentd.client.messages import HEADERS
from inherentd.daemon.config import SecuritySection
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.publisher import Publisher, PublisherConfig
from inherentd.daemon.security import clients, endpoints, new_keys, permissions
from inherentd.daemon.security.clients import Client
from inherentd.daemon.security.sockets import ServerSockets
from inherentd.daemon.stop import StopSignals
from tests.daemon.conftest import Daemon, quiet, write_wav

SILENCE_SECONDS = 1.0
FIELDS: dict[str, dict[str, Any]] = {
    "gate.closed": {"at_sample": 0, "utterance": 0, "duration_ms": 0, "reason": "silence", "intents": [], "peaks": {}},
    "audio": {"at_sample": 0, "utterance": 0, "samples": 1, "last": True},
    "scores": {"at_sample": 0, "scores": {}, "level_dbfs": 0},
}
StartPublisher = Callable[..., Publisher]
Connect = Callable[..., "zmq.Socket[bytes]"]


@pytest.fixture
def publisher() -> Iterator[StartPublisher]:
    """Start publishers; they close with the test."""
    with contextlib.ExitStack() as stack:

        def start(
            endpoint: str = "tcp://127.0.0.1:*",
            *,
            keys: Path | None = None,
            insecure: bool = False,
            queue_messages: int = 1000,
        ) -> Publisher:
            section = SecuritySection(curve=keys is not None, keys=str(keys) if keys else None, insecure=insecure)
            sockets = stack.enter_context(ServerSockets(section))
            return stack.enter_context(Publisher(PublisherConfig(endpoint, "s", "d", queue_messages), sockets))

        yield start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the keys of a server."""
    new_keys.write_pair(new_keys.new_pair(), tmp_path / "keys" / new_keys.SERVER, force=False)
    return tmp_path / "keys"


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Open clients' sockets; they close with the test."""
    context = zmq.Context()

    def open_one(
        endpoint: str, *topics: bytes, folder: Path | None = None, pair: keys.KeyPair | None = None, kind: int = zmq.SUB
    ) -> zmq.Socket[bytes]:
        one = context.socket(kind)
        if folder is not None:
            identify(one, keys.ClientKeys(keys.public_key(str(folder / "server.pub")), pair or new_keys.new_pair()))
        for topic in topics:
            one.subscribe(topic)
        one.connect(endpoint)
        return one

    yield open_one
    context.destroy(linger=0)


def authorize(folder: Path, name: str, *allow: permissions.Permission) -> keys.KeyPair:
    pair = new_keys.new_pair()
    clients.write(folder, clients.read(folder) | {name: Client(pair.public.decode(), list(allow))})
    return pair


def publish_until(publisher: Publisher, met: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Publish one message of each of three topics every 20 ms until the condition is met. Return whether it was."""
    until = time.monotonic() + seconds
    while not met():
        if time.monotonic() > until:
            return False
        for topic, fields in FIELDS.items():
            publisher.publish(topic, 0, fields, b"\x01\x02" if topic == "audio" else None)
        time.sleep(0.02)
    return True


def drain(one: zmq.Socket[bytes], wait_ms: int = 300) -> list[list[bytes]]:
    messages = []
    while one.poll(wait_ms):
        messages.append(one.recv_multipart())
    return messages


def topics_of(messages: list[list[bytes]]) -> set[str]:
    return {parts[0].decode() for parts in messages}


# Keys


def test_only_an_authorized_key_receives(publisher: StartPublisher, connect: Connect, folder: Path) -> None:
    pair = authorize(folder, "friend", "events")
    running = publisher(keys=folder)
    friend = connect(running.endpoint, b"", folder=folder, pair=pair)
    stranger = connect(running.endpoint, b"", folder=folder)
    without = connect(running.endpoint, b"")
    assert publish_until(running, lambda: bool(friend.poll(0)))
    assert not publish_until(running, lambda: bool(stranger.poll(0) or without.poll(0)), SILENCE_SECONDS)
    assert running.refusals["keys"] >= 1
    assert running.subscribers == 1


def test_a_client_talks_to_nobody_but_its_server(publisher: StartPublisher, connect: Connect, folder: Path) -> None:
    pair = authorize(folder, "friend", "events")
    impostor = publisher(keys=folder)
    new_keys.write_pair(new_keys.new_pair(), folder / new_keys.SERVER, force=True)
    friend = connect(impostor.endpoint, b"", folder=folder, pair=pair)
    assert not publish_until(impostor, lambda: bool(friend.poll(0)), SILENCE_SECONDS)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["events"], {"gate.closed", "scores"}),
        (["audio"], {"audio"}),
        (["events", "audio"], {"gate.closed", "scores", "audio"}),
        (["control"], set()),
    ],
)
def test_permissions(
    publisher: StartPublisher,
    connect: Connect,
    folder: Path,
    allowed: list[permissions.Permission],
    expected: set[str],
) -> None:
    pair = authorize(folder, "one", *allowed)
    running = publisher(keys=folder)
    one = connect(running.endpoint, b"", b"audio", b"au", folder=folder, pair=pair)
    assert publish_until(running, lambda: bool(one.poll(0)), 5 if expected else SILENCE_SECONDS) == bool(expected)
    publish_until(running, lambda: False, 0.1)
    assert topics_of(drain(one)) == expected


def test_who_unsubscribes_gets_no_more(publisher: StartPublisher, connect: Connect) -> None:
    running = publisher()
    one = connect(running.endpoint, b"", b"gate")
    assert publish_until(running, lambda: bool(one.poll(0)))
    one.unsubscribe(b"")
    time.sleep(0.3)
    running.handle_subscriptions()
    drain(one)
    publish_until(running, lambda: False, 0.1)
    assert topics_of(drain(one)) == {"gate.closed"}
    one.unsubscribe(b"gate")
    time.sleep(0.3)
    running.handle_subscriptions()
    drain(one)
    assert running.subscribers == 0
    assert not publish_until(running, lambda: bool(one.poll(0)), 0.3)


def test_a_revoked_key_is_disconnected_and_an_authorized_one_let_in(
    publisher: StartPublisher, connect: Connect, folder: Path
) -> None:
    pair = authorize(folder, "friend", "events")
    running = publisher(keys=folder)
    friend = connect(running.endpoint, b"", folder=folder, pair=pair)
    assert publish_until(running, lambda: bool(friend.poll(0)))
    clients.write(folder, {})
    until = time.monotonic() + 5
    while running.subscribers and time.monotonic() < until:
        running.handle_subscriptions()
        time.sleep(0.05)
    time.sleep(0.2)
    drain(friend)
    assert not publish_until(running, lambda: bool(friend.poll(0)), SILENCE_SECONDS)
    other = authorize(folder, "other", "events")
    time.sleep(1.1)
    late = connect(running.endpoint, b"", folder=folder, pair=other)
    assert publish_until(running, lambda: bool(late.poll(0)))


def test_a_slip_in_the_list_of_clients_locks_nobody_out(
    publisher: StartPublisher, connect: Connect, folder: Path
) -> None:
    pair = authorize(folder, "friend", "events")
    running = publisher(keys=folder)
    friend = connect(running.endpoint, b"", folder=folder, pair=pair)
    assert publish_until(running, lambda: bool(friend.poll(0)))
    (folder / clients.FILE).write_text("friend: [")
    with structlog.testing.capture_logs() as logs:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            running.handle_subscriptions()
            time.sleep(0.05)
    assert [log["event"] for log in logs] == ["the clients stay as they were"]
    drain(friend)
    assert publish_until(running, lambda: bool(friend.poll(0)))


def test_without_its_handler_nobody_gets_in(publisher: StartPublisher, connect: Connect, folder: Path) -> None:
    pair = authorize(folder, "friend", "events")
    running = publisher(keys=folder)
    running._sockets._zap.close()
    friend = connect(running.endpoint, b"", folder=folder, pair=pair)
    assert not publish_until(running, lambda: bool(friend.poll(0)), SILENCE_SECONDS)


def test_a_message_that_is_no_subscription_gives_nobody_the_topics_of_another(
    publisher: StartPublisher, connect: Connect, folder: Path
) -> None:
    mine, theirs = authorize(folder, "curious", "events"), authorize(folder, "trusted", "audio")
    running = publisher(keys=folder)
    curious = connect(running.endpoint, folder=folder, pair=mine, kind=zmq.XSUB)
    trusted = connect(running.endpoint, folder=folder, pair=theirs, kind=zmq.XSUB)
    curious.send(b"\x01gate")
    assert publish_until(running, lambda: bool(curious.poll(0)))  # both are connected by now, likely
    arrived = running._socket.getsockopt
    curious.send(b"anything")
    time.sleep(0.2)
    arrived(zmq.EVENTS)
    trusted.send(b"\x01audio")
    time.sleep(0.2)
    arrived(zmq.EVENTS)
    curious.send(b"\x01zzz")
    time.sleep(0.2)
    assert publish_until(running, lambda: bool(trusted.poll(0)))  # disconnected, it comes back by itself
    publish_until(running, lambda: False, 0.3)
    assert topics_of(drain(curious)) <= {"gate.closed"}
    assert topics_of(drain(trusted)) == {"audio"}
    assert running.refusals["disconnected"] >= 2


# Which topics


@given(
    st.sets(st.sampled_from(permissions.PERMISSIONS)),
    st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([t[:n].encode() for t in HEADERS for n in range(12)]))),
)
def test_topics_are_those_asked_for_and_allowed(allowed: set[permissions.Permission], prefixes: list[bytes]) -> None:
    found = permissions.topics(frozenset(allowed), prefixes)
    for topic in HEADERS:
        asked = any(topic.encode().startswith(prefix) for prefix in prefixes)
        permitted = ("audio" if topic == "audio" else "events") in allowed
        assert (topic.encode() in found) == (asked and permitted)
    assert found <= {topic.encode() for topic in HEADERS}
    assert found == frozenset().union(*(permissions.topics(frozenset(allowed), [prefix]) for prefix in prefixes))


def test_no_topic_begins_another_so_that_one_permission_never_opens_two() -> None:
    assert not [(a, b) for a in HEADERS for b in HEADERS if a != b and b.startswith(a)]


# What a peer can cost


def test_one_with_too_many_subscriptions_is_disconnected(publisher: StartPublisher, connect: Connect) -> None:
    running = publisher()
    greedy = connect(running.endpoint, kind=zmq.XSUB)
    for number in range(1000):
        greedy.send(b"\x01%d" % number)
    modest = connect(running.endpoint, b"gate")
    assert publish_until(running, lambda: running.refusals["disconnected"] > 0)
    assert publish_until(running, lambda: bool(modest.poll(0)))


def test_a_slow_subscriber_loses_its_own_and_sees_it(publisher: StartPublisher, connect: Connect) -> None:
    running = publisher(queue_messages=10)
    slow = connect(running.endpoint)
    slow.setsockopt(zmq.RCVHWM, 10)
    slow.setsockopt(zmq.RCVBUF, 4096)
    slow.disconnect(running.endpoint)
    slow.connect(running.endpoint)
    fast = connect(running.endpoint, b"audio")
    slow.subscribe(b"audio")
    assert publish_until(running, lambda: bool(fast.poll(0)) and bool(slow.poll(0)))
    drain(fast)
    seen: list[int] = []
    for _ in range(1500):
        running.publish("audio", 0, FIELDS["audio"], bytes(20_000))
        assert fast.poll(2000)
        seen.append(seq(fast.recv_multipart()))
    assert seen == list(range(seen[0], seen[0] + 1500))
    late = [seq(parts) for parts in drain(slow)]
    running.publish("audio", 0, FIELDS["audio"], b"")
    late += [seq(parts) for parts in drain(slow)]
    assert any(after - before > 1 for before, after in zip(late, late[1:], strict=False))


def seq(parts: list[bytes]) -> int:
    import msgspec

    return msgspec.json.decode(parts[1])["seq"]


def test_who_answers_no_heartbeat_is_let_go(publisher: StartPublisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "HEARTBEAT_MS", 100)
    monkeypatch.setattr(connecting, "HEARTBEAT_TIMEOUT_MS", 300)
    running = publisher()
    with raw_subscriber(running.endpoint) as silent:
        frame(silent, b"\x01gate")
        assert publish_until(running, lambda: running.subscribers == 1)
        assert publish_until(running, lambda: running.subscribers == 0)


def test_whoever_waits_for_a_daemon_is_waited_for(publisher: StartPublisher, tmp_path: Path) -> None:
    with zmq.Context() as context, contextlib.ExitStack() as stack:
        for again_ms in (1, 150):
            one = stack.enter_context(context.socket(zmq.SUB))
            one.setsockopt(zmq.RECONNECT_IVL, again_ms)
            one.subscribe(b"gate")
            one.connect(f"ipc://{tmp_path}/events")
        running, stop = publisher(f"ipc://{tmp_path}/events"), stack.enter_context(StopSignals())
        assert running.wait_for_subscriber(stop, 20)
        assert running.subscribers == 2
    assert publish_until(running, lambda: running.subscribers == 0)
    assert not running.wait_for_subscriber(stop, 0.1)


def test_a_heartbeat_behind_a_flood_does_not_end_the_daemon() -> None:
    # libzmq aborts where its queue of what peers send has a limit: in a process of its own.
    child = """if True:
        import sys, time
        from inherentd.daemon.publisher import Publisher, PublisherConfig
        from inherentd.daemon.security.sockets import ServerSockets
        with ServerSockets() as sockets, Publisher(PublisherConfig("tcp://127.0.0.1:*", "s", "d", 10), sockets) as running:
            print(running.endpoint, flush=True)
            until = time.monotonic() + 10
            while time.monotonic() < until and not running.refusals["disconnected"]:
                time.sleep(0.25)
                running.handle_subscriptions()
            time.sleep(0.5)
            running.handle_subscriptions()
            print("alive")
    """
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as process:
        with raw_subscriber(process.stdout.readline().strip()) as peer:
            ping = b"\x04\x07\x04PING\x00\x0a"
            subscriptions = [bytes([0, 5]) + b"\x01%04d" % number for number in range(3000)]
            peer.sendall(b"".join(one + ping for one in subscriptions))
            time.sleep(0.1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert process.stdout.read().strip().endswith("alive")


def raw_subscriber(endpoint: str) -> socket.socket:
    """Return a peer that has shaken hands (ZMTP 3.0, no security) and from then on does what the test says."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    peer = socket.create_connection((host, int(port)))
    peer.sendall(b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
    name, value = b"Socket-Type", b"SUB"
    ready = b"\x05READY" + bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
    peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
    while not peer.recv(1000).endswith(b"XPUB"):
        pass
    return peer


def frame(peer: socket.socket, body: bytes) -> None:
    peer.sendall(bytes([0, len(body)]) + body)


# Addresses


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:5710", "tcp://127.8.9.1:*", "tcp://localhost:1", "tcp://[::1]:5710", "ipc:///run/a.sock"],
)
def test_open_to_this_machine_only(endpoint: str) -> None:
    endpoints.check(endpoint, "publish.endpoint", curve=False, insecure=False)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://*:5710", "tcp://0.0.0.0:5710", "tcp://eth0:5710", "tcp://lo:1", "tcp://[::]:1", "tcp://192.168.1.2:5710"],
)
def test_open_to_others_needs_keys_or_a_word(endpoint: str) -> None:
    with pytest.raises(DaemonError, match=r"^control.endpoint: .*keys new.*security.curve=true.*--insecure$"):
        endpoints.check(endpoint, "control.endpoint", curve=False, insecure=False)
    endpoints.check(endpoint, "control.endpoint", curve=True, insecure=False)
    endpoints.check(endpoint, "control.endpoint", curve=False, insecure=True)


@pytest.mark.parametrize(
    "endpoint",
    ["", "nonsense", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://1.2.3:4", "tcp://[1::2::3]:4",
     "ipc://", "ipc:///", "ipc://@abstract", "ipc://here.sock", "inproc://a", "udp://127.0.0.1:1", "tcp://a:1;tcp://b:2"],
)  # fmt: skip
@pytest.mark.parametrize("insecure", [True, False])
def test_addresses_that_make_no_sense(endpoint: str, *, insecure: bool) -> None:
    with pytest.raises(DaemonError, match=r"^publish.endpoint: cannot bind .*; expected for example tcp://"):
        endpoints.check(endpoint, "publish.endpoint", curve=False, insecure=insecure)


def test_the_daemon_asks_for_a_word(publisher: StartPublisher) -> None:
    with pytest.raises(DaemonError, match="--insecure"):
        publisher("tcp://0.0.0.0:*")
    assert publisher("tcp://0.0.0.0:*", insecure=True).endpoint.startswith("tcp://0.0.0.0:")


def test_ipv6(publisher: StartPublisher, connect: Connect) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    running = publisher("tcp://[::1]:*")
    context = zmq.Context()
    with context.socket(zmq.SUB) as one:
        connecting.harden(one, running.endpoint)
        one.subscribe(b"")
        one.connect(running.endpoint)
        assert publish_until(running, lambda: bool(one.poll(0)))
    context.term()


def test_an_ipc_file_is_its_owners_only(publisher: StartPublisher, connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.sock"
    before = os.umask(0)
    try:
        running = publisher(f"ipc://{path}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    one = connect(running.endpoint, b"")
    assert publish_until(running, lambda: bool(one.poll(0)))
    running.close()
    assert list(path.parent.iterdir()) == []


def test_an_ipc_file_in_use_is_not_taken_away(publisher: StartPublisher, connect: Connect, tmp_path: Path) -> None:
    running = publisher(f"ipc://{tmp_path}/a.sock")
    with pytest.raises(DaemonError, match="already in use"):
        publisher(f"ipc://{tmp_path}/a.sock")
    one = connect(running.endpoint, b"")
    assert publish_until(running, lambda: bool(one.poll(0)))


def test_what_is_no_socket_is_not_deleted(publisher: StartPublisher, tmp_path: Path) -> None:
    (tmp_path / "a.sock").write_text("mine")
    with pytest.raises(DaemonError, match="no socket"):
        publisher(f"ipc://{tmp_path}/a.sock")
    assert [path.name for path in tmp_path.iterdir()] == ["a.sock"]
    assert (tmp_path / "a.sock").read_text() == "mine"


def test_a_folder_where_others_can_write_is_refused(publisher: StartPublisher, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(DaemonError, match="not only ours"):
        publisher(f"ipc://{tmp_path}/open/a.sock")


def test_a_path_that_is_too_long(publisher: StartPublisher, tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="File name too long"):
        publisher(f"ipc://{tmp_path}/{'a' * 120}")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_daemon_leaves_nothing_in_the_way(
    daemon: Callable[..., Daemon], publisher: StartPublisher, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "a.wav", quiet(60))
    path = tmp_path / "a.sock"
    running = daemon("--input", str(wav), "--set", f"publish.endpoint=ipc://{path}", "--wait-for-subscriber", "0")
    until = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(DaemonError, match="already in use"):
        publisher(f"ipc://{path}")
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(5)
    assert path.exists()
    assert publisher(f"ipc://{path}").endpoint == f"ipc://{path}"


def test_a_daemon_with_keys_and_listen(daemon: Callable[..., Daemon], folder: Path, tmp_path: Path) -> None:
    from inherentd.daemon.demo.processes import free_endpoint
    from tests.daemon.conftest import PROGRAM

    endpoint = free_endpoint()
    command = [*PROGRAM, "keys", "new", "laptop", "--keys", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    command = [*PROGRAM, "keys", "authorize", "laptop", str(folder / "laptop.pub"), "--keys", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    settings = [f"publish.endpoint={endpoint}", "security.curve=true", f"security.keys={folder}"]
    wav = write_wav(tmp_path / "a.wav", quiet(60))
    daemon("--input", str(wav), *(part for setting in settings for part in ("--set", setting)))
    listen = [*PROGRAM, "listen", "--json", "--endpoint", endpoint, "--count", "1", "--timeout", "20"]
    with_keys = ["--server-key", str(folder / "server.pub"), "--key", str(folder / "laptop.key")]
    done = subprocess.run([*listen, *with_keys], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"topic": "health"' in done.stdout
    listen[-1] = "1"
    assert subprocess.run(listen, check=False, capture_output=True, timeout=60).returncode == 1
