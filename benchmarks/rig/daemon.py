"""A daemon in a process of its own, and what a subscriber hears of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zmq

from inherentd.client import ClientKeys, Control
from inherentd.client.connecting import identify

PROGRAM = [sys.executable, "-m", "inherentd.daemon.cli"]
BUSY = "while True: sum(range(100000))"  # for a process beside it that takes a core
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Arrival:
    """A message and when it came (monotonic seconds)."""

    at: float
    topic: str
    header: dict[str, Any]
    payload: bytes


class RunningDaemon:
    """`inherentd run` with sockets of its own; every message is collected as it comes."""

    def __init__(self, arguments: Sequence[str], *, environment: dict[str, str] | None = None, endpoint: str = "",
                 control_endpoint: str = "", keys: ClientKeys | None = None,
                 on_message: Callable[[Arrival], None] | None = None, stdin: int | None = None) -> None:  # fmt: skip
        """Start both, on ipc sockets of their own where no endpoints are given. stdin: subprocess.PIPE to write to `process.stdin`."""
        self._folder = tempfile.TemporaryDirectory(prefix="inherentd")
        folder = Path(self._folder.name)
        self.endpoint = endpoint or f"ipc://{folder}/events.sock"
        self.control_endpoint = control_endpoint or f"ipc://{folder}/control.sock"
        self._keys = keys
        self.messages: list[Arrival] = []
        self._on_message = on_message or self.messages.append
        self._log_path = folder / "log"
        self._context = zmq.Context()
        self._stopped = False
        self._last_log = ""
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        settings = {"publish.endpoint": self.endpoint, "control.endpoint": self.control_endpoint, "log.format": "json"}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        base = os.environ if environment is None else environment
        self._log = self._log_path.open("wb")
        self.process = subprocess.Popen(
            [*PROGRAM, "run", *sets, *arguments], stderr=self._log, stdin=stdin,
            env={**base, "STATE_DIRECTORY": str(folder / "state"), **dict.fromkeys(THREADS, "1")},
        )  # fmt: skip

    def ask(self, request: str, **fields: object) -> tuple[dict[str, Any], bytes]:
        """Ask over the control socket."""
        with Control(self.control_endpoint, self._keys) as client:
            return client.ask(request, **{"timeout_seconds": 20.0, **fields})

    def wait(self, wanted: Callable[[Arrival], bool], seconds: float = 20.0, start: int = 0) -> Arrival | None:
        """Return the first message from number `start` on that is wanted, or None when none came in time."""
        until = time.monotonic() + seconds
        while True:
            for message in self.messages[start:]:
                start += 1
                if wanted(message):
                    return message
            if time.monotonic() > until:
                return None
            time.sleep(0.005)

    @property
    def health(self) -> dict[str, Any]:
        """The last health message's header."""
        return next((m.header for m in reversed(self.messages) if m.topic == "health"), {})

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else self._last_log

    def close(self) -> int:
        """Stop it and return its exit code; -9 when it had to be killed."""
        self.process.terminate()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        time.sleep(0.2)  # its last messages
        self._stopped = True
        self._thread.join(5)
        self._context.destroy(linger=0)
        self._log.close()
        self._last_log = self.log
        with contextlib.suppress(OSError):
            self._folder.cleanup()
        return code

    def _collect(self) -> None:
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, 10)
        if self._keys is not None:
            identify(socket, self._keys)
        socket.subscribe(b"")
        socket.connect(self.endpoint)
        while not self._stopped:
            if socket.poll(100):
                topic, header, *payload = socket.recv_multipart()
                now = time.monotonic()
                self._on_message(
                    Arrival(now, topic.decode(), msgspec.json.decode(header), payload[0] if payload else b"")
                )
        socket.close(linger=0)
