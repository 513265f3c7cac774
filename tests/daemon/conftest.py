"""A tiny model, audio files, and a real daemon with a real subscriber."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
import zmq

from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.logging import _own_stderr
from tests import tiny_model

PROGRAM = [sys.executable, "-m", "inherentd.daemon.cli"]
PATIENCE_MS = 20_000
WriteWav = Callable[..., Path]


def loud(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise on which the tiny model opens its gate, int16 at 16 kHz."""
    return np.random.default_rng(seed).normal(0, 6000, round(seconds * 16_000)).clip(-32768, 32767).astype(np.int16)


def quiet(seconds: float, seed: int = 0) -> np.ndarray:
    """Return a quiet room, int16 at 16 kHz."""
    return np.rint(np.random.default_rng(seed).normal(0, 10, round(seconds * 16_000))).astype(np.int16)


def write_wav(path: Path, pcm: np.ndarray, rate_hz: int = 16_000) -> Path:
    """Write int16 [n] or [n, channels] as WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's file."""
    return tiny_model.build(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("INHERENTD_")]:
        monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="inherentd") as folder:  # short: it holds sockets
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, f"{folder}/{name[4:7].lower()}")
        (Path(folder) / "run").mkdir(mode=0o700)
        yield
    structlog.reset_defaults()  # a test may have set it up for a stderr that is closed now
    _own_stderr.cache_clear()


class Daemon:
    """A running `inherentd run` and the messages that a subscriber gets from it."""

    def __init__(self, arguments: list[str], *, stdin: Any = None, environment: dict[str, str] | None = None) -> None:
        self.endpoint = free_endpoint()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.subscribe(b"")
        self._socket.connect(self.endpoint)
        settings = ["--wait-for-subscriber", "20", "--set", f"publish.endpoint={self.endpoint}"]
        self.process = subprocess.Popen(
            [*PROGRAM, "run", *settings, *arguments],
            stdin=stdin,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )

    def receive(self) -> tuple[str, dict[str, Any], bytes]:
        """Return the next message; fails after 20 s without one."""
        assert self._socket.poll(PATIENCE_MS), f"no message; the daemon says: {self.said()}"
        topic, header, *payload = self._socket.recv_multipart()
        return topic.decode(), msgspec.json.decode(header), payload[0] if payload else b""

    def until(self, topic: str, **wanted: object) -> list[tuple[str, dict[str, Any], bytes]]:
        """Return the messages up to the first of a topic whose header has these values."""
        messages, deadline = [self.receive()], time.monotonic() + 2 * PATIENCE_MS / 1000
        while not (messages[-1][0] == topic and wanted.items() <= messages[-1][1].items()):
            assert time.monotonic() < deadline, f"no {topic} with {wanted}; the daemon says: {self.said()}"
            messages.append(self.receive())
        return messages

    def said(self) -> str:
        """End the daemon and return what it wrote to stderr."""
        self.process.kill()
        return self.process.communicate()[1].decode()

    def close(self) -> None:
        """End everything."""
        self.process.kill()
        with contextlib.suppress(ValueError):
            self.process.communicate()
        self._context.destroy(linger=0)


@pytest.fixture
def daemon(model: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons with the tiny model; they end with the test."""
    started: list[Daemon] = []

    def start(*arguments: str, **options: Any) -> Daemon:
        started.append(Daemon(["--model", str(model), *arguments], **options))
        return started[-1]

    yield start
    for one in started:
        one.close()
