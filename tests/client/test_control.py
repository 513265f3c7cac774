"""Requests to a real daemon, sync and asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zmq

from inherentd.client import AsyncControl, ClientError, Control, control
from inherentd.client.places import control_endpoint
from tests.daemon.conftest import Daemon, loud, quiet, write_wav

StartDaemon = Callable[..., Daemon]


def pcm() -> np.ndarray:
    return np.concatenate([np.concatenate([quiet(3), loud(1, seed)]) for seed in range(15)])


@pytest.fixture
def listening(daemon: StartDaemon, tmp_path: Path) -> Daemon:
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm())))
    running.until("gate.closed")
    return running


def test_every_request(listening: Daemon) -> None:
    with Control() as asking:
        status = asking.status()
        assert (status["state"], status["model"]["hash"]) == ("listening", "tiny")
        configured = asking.thresholds()
        assert asking.set_thresholds({"has_photo_query": 0.25})["has_photo_query"] == 0.25
        assert asking.set_thresholds({"has_photo_query": None}) == configured == asking.thresholds()
        both = {"assistant_speaking": True, "expecting_reply_ms": 0}
        assert asking.set_context(assistant_speaking=True) == both
        assert asking.set_context(assistant_speaking=False, expecting_reply_ms=60_000)["expecting_reply_ms"] > 0
        assert asking.status()["context"] == {"assistant_speaking": False, "expecting_reply": True}
        assert asking.audio(1_000, 50_000) == pcm()[1_000:50_000].astype("<i2").tobytes()
        assert asking.mark(1, addressed=True, heads=["hasPhotoQuery"], note="a test")
        assert asking.reload()["model"] == "0.0.1"
        asking.mute()
        assert asking.status()["muted"] is True
        asking.unmute()
        assert asking.status()["muted"] is False
        with pytest.raises(ClientError, match="are not held; the ring holds"):
            asking.audio(0, 10**9)
        with pytest.raises(ClientError, match="has no head with the key 'is_photo'"):
            asking.set_thresholds({"is_photo": 0.5})
        with pytest.raises(ClientError, match="Invalid value 'sudo'"):
            asking.ask("sudo")
        asking.stop()
    assert listening.process.wait(20) == 0


def test_the_same_in_asyncio(listening: Daemon) -> None:
    async def talk() -> None:
        async with AsyncControl() as asking:
            first, second, piece = await asyncio.gather(asking.status(), asking.thresholds(), asking.audio(0, 40_000))
            assert first["thresholds"] == second
            assert piece == pcm()[:40_000].astype("<i2").tobytes()
            assert (await asking.set_thresholds({"has_photo_query": 0.25}))["has_photo_query"] == 0.25
            assert (await asking.set_context(assistant_speaking=True))["assistant_speaking"] is True
            assert await asking.mark(1, addressed=False)
            assert (await asking.reload())["model"] == "0.0.1"
            await asking.mute()
            assert (await asking.status())["muted"] is True
            await asking.unmute()
            with pytest.raises(ClientError, match="are not held; the ring holds"):
                await asking.audio(0, 10**9)
            await asking.stop()

    asyncio.run(talk())
    assert listening.process.wait(20) == 0


def test_a_request_that_nobody_took_does_not_wait_for_the_next_daemon(daemon: StartDaemon, tmp_path: Path) -> None:
    async def stop_in_vain(asking: AsyncControl) -> None:
        with pytest.raises(ClientError, match="nobody answers at ipc://.*does the daemon run there"):
            await asking.ask("stop", timeout_seconds=0.2)

    async def talk() -> None:
        async with AsyncControl() as also:
            with Control() as asking:
                with pytest.raises(ClientError, match="nobody answers at ipc://.*does the daemon run there"):
                    asking.ask("stop", timeout_seconds=0.2)
                await stop_in_vain(also)
                running = daemon("--input", str(write_wav(tmp_path / "a.wav", quiet(20))))
                running.until("health", state="listening")
                assert asking.status()["state"] == (await also.status())["state"] == "listening"
                await asyncio.sleep(1)
                assert running.process.poll() is None
                assert asking.status()["state"] == "listening"

    asyncio.run(talk())


def test_the_same_connection_finds_the_restarted_daemon(daemon: StartDaemon, tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", quiet(30)))
    with Control() as asking:
        for _ in range(2):
            running = daemon("--input", path)
            running.until("health", state="listening")
            assert asking.status()["endpoint"] == running.endpoint
            asking.stop()
            assert running.process.wait(20) == 0


@pytest.mark.parametrize("answer", [b"{", b"[]", b"\xff", b"[" * 100_000, b'{"ok": "maybe"}', b"{}"])
def test_an_answer_that_is_none(answer: bytes) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        port = stranger.bind_to_random_port("tcp://127.0.0.1")
        with Control(f"tcp://127.0.0.1:{port}") as asking:
            asking._socket.send(b"hello")
            peer, _ = stranger.recv_multipart()
            stranger.send_multipart([peer, answer])
            with pytest.raises(ClientError, match="not from inherentd.*wrong endpoint") as caught:
                asking.status()
    assert len(str(caught.value).splitlines()) == 1


def test_a_closed_connection_says_so() -> None:
    asking, also = Control("tcp://127.0.0.1:9"), AsyncControl("tcp://127.0.0.1:9")
    for connection in (asking, also):
        connection.close()
    with pytest.raises(ClientError, match="was closed before"):
        asking.status()
    with pytest.raises(ClientError, match="was closed before"):
        asyncio.run(also.status())


def test_the_wrong_number_of_samples_is_not_taken() -> None:
    with pytest.raises(ClientError, match="got 3 bytes of audio, expected 20"):
        control._samples(b"abc", 10, 20)


def test_the_endpoint_is_the_daemons_own() -> None:
    assert control_endpoint().endswith("/control.sock")
    assert control_endpoint("tcp://127.0.0.1:5711") == "tcp://127.0.0.1:5711"


@pytest.mark.parametrize("mode", [0o777, 0o1777])
@pytest.mark.parametrize("asking", [Control, AsyncControl])
def test_a_socket_that_others_may_have_put_there_is_not_asked(
    asking: type[Control | AsyncControl], mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inherentd").mkdir()
    (tmp_path / "inherentd").chmod(mode)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ClientError, match="not only ours.*; give the daemon's address") as caught:
        asking()
    assert len(str(caught.value).splitlines()) == 1


def test_the_folder_is_taken_before_somebody_else_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with Control():
        assert (tmp_path / "inherentd").stat().st_mode & 0o777 == 0o700


def test_a_link_that_somebody_left_there_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "inherentd").symlink_to(tmp_path / "mine")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ClientError, match="it is a link"):
        Control()
