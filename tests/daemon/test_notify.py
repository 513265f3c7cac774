"""What systemd is told, over real sockets, and when."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inherentd.daemon.notify import Config, Notifier, State, step

CONFIG = Config(watchdog_seconds=30)
STATES = ("starting", "listening", "muted", "silent", "stalled", "stopping")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A service manager's socket, and its address as it stands in the environment."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    address = str(tmp_path / "notify") if request.param == "path" else f"@inherentd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        receiver.settimeout(5)
        yield address, receiver


def told(receiver: socket.socket) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


def test_each_message_arrives_as_systemd_wants_it(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    before = time.monotonic_ns() // 1000
    notifier.reload(under_way=True)  # not ready yet: nothing is told
    notifier.tell("stalled", 0, "no\nmicrophone")
    assert told(receiver) == ["STATUS=stalled: no microphone"]
    notifier.tell("listening", 5)
    assert told(receiver) == ["READY=1", "STATUS=listening"]
    notifier.reload(under_way=True)
    reloading, clock = told(receiver)
    assert reloading == "RELOADING=1"
    assert before <= int(clock.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.reload(under_way=False)
    assert told(receiver) == ["READY=1"]
    notifier.tell("stopping", 5, "SIGTERM")
    assert told(receiver) == ["STOPPING=1", "STATUS=stopping: SIGTERM"]
    notifier.close()


def test_a_socket_that_nobody_reads_never_blocks(manager: tuple[str, socket.socket]) -> None:
    address, _ = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    began = time.monotonic()
    sent = [notifier.send(["WATCHDOG=1"]) for _ in range(10_000)]
    assert time.monotonic() - began < 5
    assert sent[0] and not sent[-1]
    notifier.close()


def test_what_did_not_go_out_is_told_later(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    while notifier.send(["WATCHDOG=1"]):
        pass
    notifier.tell("listening", 1)
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            assert told(receiver) == ["WATCHDOG=1"]
    notifier.tell("listening", 2)
    assert told(receiver) == ["READY=1", "STATUS=listening"]
    notifier.close()


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert not notifier.send(["READY=1"])
    notifier.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_is_sent(environment: dict[str, str]) -> None:
    notifier = Notifier.from_environment(environment)
    notifier.tell("listening", 5)
    assert notifier.send(["STOPPING=1"])


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_what_the_environment_says(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier.from_environment(environment).watchdog_seconds == seconds


def test_a_life() -> None:
    state = State()

    def tell(condition: str, frames: int, now: float, reason: str = "") -> list[str]:
        nonlocal state
        state, messages = step(CONFIG, state, condition, frames, now, reason=reason)
        return messages

    assert tell("starting", 0, 0, "microphone: none") == ["STATUS=starting: microphone: none"]
    assert tell("starting", 0, 1, "microphone: none") == []
    assert tell("listening", 0, 2) == ["STATUS=listening"]  # opened, but nothing was heard yet
    assert tell("listening", 50, 3) == ["READY=1", "WATCHDOG=1"]
    assert tell("listening", 100, 4) == []  # too early
    assert tell("listening", 400, 10.5) == ["WATCHDOG=1"]
    assert tell("silent", 700, 18, "only zeros") == ["STATUS=silent: only zeros", "WATCHDOG=1"]
    assert tell("muted", 1100, 26) == ["STATUS=muted", "WATCHDOG=1"]
    assert tell("stalled", 1100, 34, "gone") == ["STATUS=stalled: gone"]
    assert tell("stalled", 1500, 60, "gone") == []  # the silence that stands in for the microphone feeds nobody
    assert tell("listening", 1501, 61) == ["STATUS=listening", "WATCHDOG=1"]
    assert tell("listening", 1501, 80) == []  # the loop turns, but no audio comes
    assert tell("stopping", 1501, 81, "SIGTERM") == ["STOPPING=1", "STATUS=stopping: SIGTERM"]
    assert tell("stopping", 1501, 82, "SIGTERM") == []


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.integers(0, 200), st.floats(0, 20)), max_size=60),
    st.sampled_from([None, 2.0, 30.0]),
)
def test_the_rules_hold_whatever_happens(events: list[tuple[str, int, float]], watchdog: float | None) -> None:
    state, now, frames, fed_at, fed_frames, ready = State(), 0.0, 0, float("-inf"), 0, 0
    for condition, more, seconds in events:
        now, frames = now + seconds, frames + more
        state, messages = step(Config(watchdog), state, condition, frames, now)
        ready += "READY=1" in messages
        assert ready <= 1
        if {"READY=1", "WATCHDOG=1"} & set(messages):
            assert condition in ("listening", "muted", "silent") and frames > 0 and ready == 1
        if "WATCHDOG=1" in messages:
            assert watchdog is not None and now - fed_at >= watchdog / 4 and frames > fed_frames
            fed_at, fed_frames = now, frames
        assert step(Config(watchdog), state, condition, frames, now) == (state, [])
