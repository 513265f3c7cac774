"""A real subscriber at a real daemon, sync and asyncio."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zmq

from inherentd.client import AsyncSubscriber, ClientError, ClientKeys, KeyPair, Subscriber, Utterance
from inherentd.client.connecting import LARGEST_PART_BYTES
from inherentd.client.messages import HEADERS
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.security import clients, new_keys
from inherentd.daemon.security.permissions import Permission
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.daemon.test_run import two_utterances

StartDaemon = Callable[..., Daemon]
PATIENCE_SECONDS = 30.0


def check(utterance: Utterance, pcm: np.ndarray) -> None:
    """It is whole, and its samples are the input's from the pre-roll to the close."""
    assert utterance.complete
    assert utterance.opened is not None
    assert utterance.closed is not None
    start, stop = utterance.opened.at_sample - utterance.opened.preroll_samples, utterance.closed.at_sample
    assert utterance.at_sample == start
    assert utterance.pcm == pcm[start:stop].astype("<i2").tobytes()
    assert utterance.seconds == (stop - start) / 16_000
    assert set(utterance.intents) == set(utterance.closed.intents) == {"hasPhotoQuery"}
    assert utterance.device == "kitchen"


def start(daemon: StartDaemon, path: Path, *arguments: str) -> Daemon:
    return daemon("--input", str(path), "--set", "publish.device=kitchen", *arguments)


def heard(subscriber: Subscriber, number: int) -> list[Utterance]:
    return list(itertools.islice(subscriber.utterances(PATIENCE_SECONDS), number))


async def heard_async(subscriber: AsyncSubscriber, number: int) -> list[Utterance]:
    found = []
    async for utterance in subscriber.utterances(PATIENCE_SECONDS):
        found.append(utterance)
        if len(found) == number:
            break
    return found


def test_utterances_are_the_input_from_the_preroll_on(daemon: StartDaemon, tmp_path: Path) -> None:
    pcm = two_utterances()
    running = start(daemon, write_wav(tmp_path / "a.wav", pcm))
    with Subscriber(running.endpoint) as subscriber:
        found = heard(subscriber, 2)
    assert [utterance.utterance for utterance in found] == [1, 2]
    for utterance in found:
        check(utterance, pcm)


def test_asyncio_gets_the_same(daemon: StartDaemon, tmp_path: Path) -> None:
    running = start(daemon, write_wav(tmp_path / "a.wav", two_utterances()))

    async def collect() -> list[Utterance]:
        async with AsyncSubscriber(running.endpoint) as subscriber:
            return await heard_async(subscriber, 2)

    def in_a_thread(found: list[Utterance]) -> None:
        with Subscriber(running.endpoint) as subscriber:
            found += heard(subscriber, 2)

    found: list[Utterance] = []
    thread = threading.Thread(target=in_a_thread, args=(found,))
    thread.start()
    assert asyncio.run(collect()) == (thread.join(), found)[1]
    assert len(found) == 2


def test_messages_are_typed_and_none_is_lost(daemon: StartDaemon, tmp_path: Path) -> None:
    running = start(daemon, write_wav(tmp_path / "a.wav", two_utterances()))
    with Subscriber(running.endpoint) as subscriber:
        messages = []
        for message in subscriber.messages(PATIENCE_SECONDS):
            messages.append(message)
            if message.topic == "health" and message.header.state == "stopping":
                break
        assert list(subscriber.messages(timeout_seconds=0.2)) == []
    assert {message.topic for message in messages} == HEADERS.keys() - {"scores"}
    assert all(type(message.header) is HEADERS[message.topic] for message in messages)
    assert all(message.lost == 0 for message in messages)


def test_a_restarted_daemon_is_heard_again(daemon: StartDaemon, tmp_path: Path) -> None:
    endpoint, cut, whole = free_endpoint(), np.concatenate([quiet(1), loud(30)]), two_utterances()
    there = ["--set", f"publish.endpoint={endpoint}"]
    with Subscriber(endpoint) as subscriber, Subscriber(endpoint, "audio") as watcher:
        first = start(daemon, write_wav(tmp_path / "a.wav", cut), *there)
        pieces = [message.payload for message in itertools.islice(watcher.messages(PATIENCE_SECONDS), 3)]
        first.process.kill()  # in the middle of an utterance
        first.process.wait()
        start(daemon, write_wav(tmp_path / "b.wav", whole), *there)
        before, *after = heard(subscriber, 3)
    assert (before.utterance, before.complete, before.closed) == (1, False, None)
    shorter, longer = sorted((before.pcm, b"".join(pieces)), key=len)  # each subscriber has what came before the kill
    assert longer.startswith(shorter) and shorter
    assert before.pcm in cut.astype("<i2").tobytes()
    assert [one.utterance for one in after] == [1, 2]
    assert {one.stream for one in after}.isdisjoint({before.stream})
    for one in after:
        check(one, whole)


def test_an_endpoint_of_somebody_else_is_one_clear_error() -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as stranger:
        port = stranger.bind_to_random_port("tcp://127.0.0.1")
        stop = threading.Event()

        def talk() -> None:
            while not stop.wait(0.05):
                stranger.send_multipart([b"weather", b"sunny"])

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            endpoint = f"tcp://127.0.0.1:{port}"
            with Subscriber(endpoint) as subscriber, pytest.raises(ClientError, match="not from inherentd.*wrong endp"):
                next(subscriber.messages(PATIENCE_SECONDS))
            listen = [*PROGRAM, "listen", "--endpoint", endpoint]
            done = subprocess.run(listen, check=False, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("inherentd listen: got a message that is not from inherentd")
            assert len(done.stderr.splitlines()) == 1
        finally:
            stop.set()
            thread.join()


def test_a_message_too_large_is_not_taken() -> None:
    with zmq.Context() as context, context.socket(zmq.XPUB) as giant:
        port = giant.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}") as subscriber:
            for _ in range(2):  # it connects again, and meets the same
                assert giant.poll(5000)
                giant.recv()
                giant.send_multipart([b"audio", b"{}", bytes(LARGEST_PART_BYTES + 1)])
                assert list(subscriber.messages(timeout_seconds=0.5)) == []


@pytest.mark.parametrize("endpoint", ["", "nonsense", "tcp://", "tcp://127.0.0.1", "http://127.0.0.1:80"])
def test_an_endpoint_that_makes_no_sense(endpoint: str) -> None:
    for kind in (Subscriber, AsyncSubscriber):
        with pytest.raises(ClientError, match="expected ipc:// or tcp://"):
            kind(endpoint)


def test_utterances_need_their_topics() -> None:
    with (
        Subscriber(free_endpoint(), "gate", "health") as subscriber,
        pytest.raises(ClientError, match="utterances: intent, audio not subscribed to"),
    ):
        next(subscriber.utterances())


def test_it_ends_when_nothing_of_an_utterance_came_for_so_long(daemon: StartDaemon, tmp_path: Path) -> None:
    running = start(daemon, write_wav(tmp_path / "a.wav", quiet(30)), "--set", "publish.scores_per_second=10")
    with Subscriber(running.endpoint) as subscriber:
        next(subscriber.messages(PATIENCE_SECONDS))
        began = time.monotonic()
        assert list(subscriber.utterances(timeout_seconds=1.5)) == []  # though health and scores come all the time
        assert 1.4 < time.monotonic() - began < 5


# Keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_keys.write_pair(new_keys.new_pair(), tmp_path / "keys" / new_keys.SERVER, force=False)
    return tmp_path / "keys"


def identity(folder: Path, name: str, *allow: Permission) -> ClientKeys:
    """Write a client's key and let it have what is allowed; return it as a client reads it."""
    pair: KeyPair = new_keys.new_pair()
    new_keys.write_pair(pair, folder / f"{name}.key", force=False)
    if allow:
        clients.write(folder, clients.read(folder) | {name: clients.Client(pair.public.decode(), list(allow))})
    return ClientKeys.read(folder / "server.pub", folder / f"{name}.key")


def test_keys_decide_what_comes(daemon: StartDaemon, folder: Path, tmp_path: Path) -> None:
    friend = identity(folder, "friend", "events", "audio")
    reader = identity(folder, "reader", "events")
    stranger = identity(folder, "stranger")
    pcm = two_utterances()
    sets = ["--set", "security.curve=true", "--set", f"security.keys={folder}"]
    running = start(daemon, write_wav(tmp_path / "a.wav", pcm), *sets)
    with (
        Subscriber(running.endpoint, keys=friend) as of_friend,
        Subscriber(running.endpoint, keys=reader) as of_reader,
        Subscriber(running.endpoint, keys=stranger) as of_stranger,
        Subscriber(running.endpoint) as of_nobody,
    ):
        found = heard(of_friend, 2)
        without = heard(of_reader, 2)
        assert list(of_stranger.messages(timeout_seconds=1)) == []
        assert list(of_nobody.messages(timeout_seconds=1)) == []

    async def collect() -> list[Utterance]:
        async with AsyncSubscriber(again.endpoint, keys=friend) as subscriber:
            return await heard_async(subscriber, 2)

    assert len(found) == 2
    for utterance in found:
        check(utterance, pcm)
    assert [(one.complete, one.pcm, one.closed) for one in without] == [(False, b"", one.closed) for one in found]
    again = start(daemon, tmp_path / "a.wav", *sets)
    assert [one.pcm for one in asyncio.run(collect())] == [one.pcm for one in found]
