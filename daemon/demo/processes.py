"""The demo's two processes: a real daemon, and a subscriber that connects to it over ZeroMQ."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from inherentd.daemon.errors import DaemonError

PROGRAM = [sys.executable, "-m", "inherentd.daemon.cli"]
SUBSCRIBER_SECONDS = 30
LAST_WORDS_SECONDS = 5.0
Received = dict[str, Any]


def free_endpoint() -> str:
    """Return a tcp address on this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Conversation:
    """A daemon that plays a file and a subscriber, both as processes of their own."""

    def __init__(self, recording: str, endpoint: str, arguments: Sequence[str]) -> None:
        """Start both; the daemon begins to play when the subscriber is there."""
        self._lines = queue.Queue[tuple[str, int] | None]()
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed in close())
        self._subscriber = subprocess.Popen(
            [*PROGRAM, "listen", "--json", "--endpoint", endpoint], stdout=subprocess.PIPE, text=True
        )
        command = ["run", "--input", recording, "--speed", "realtime", *arguments]
        options = ["--wait-for-subscriber", str(SUBSCRIBER_SECONDS), "--set", f"publish.endpoint={endpoint}"]
        options += ["--set", "control.endpoint=null"]
        quiet = ["--set", "log.level=warning"]
        self._daemon = subprocess.Popen([*PROGRAM, *command, *options, *quiet], stderr=self._errors)
        threading.Thread(target=self._collect, daemon=True).start()
        threading.Thread(target=self._watch_daemon, daemon=True).start()

    def messages(self, timeout_seconds: float) -> Iterator[Received | None]:
        """Yield the headers that the subscriber prints, with their topic and the time of their arrival, `received_ns`; None
        when none came in `timeout_seconds`.

        Ends when the daemon has said that it stops, or is gone. Raises DaemonError when it failed.
        """
        while True:
            try:
                arrived = self._lines.get(timeout=timeout_seconds)
            except queue.Empty:
                yield None
                continue
            if arrived is None:
                break
            line, received_ns = arrived
            message: Received = json.loads(line) | {"received_ns": received_ns}
            yield message
            if message["topic"] == "health" and message["state"] == "stopping":
                break
        if self._daemon.wait(LAST_WORDS_SECONDS):
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise DaemonError(f"the daemon failed: {said[-1] if said else f'exit code {self._daemon.returncode}'}")

    def close(self) -> None:
        """End both processes."""
        for process in (self._daemon, self._subscriber):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_WORDS_SECONDS)
            process.kill()
            process.wait()
        self._errors.close()

    def _collect(self) -> None:
        assert self._subscriber.stdout is not None
        for line in self._subscriber.stdout:
            self._lines.put((line, time.time_ns()))
        self._lines.put(None)

    def _watch_daemon(self) -> None:
        # A daemon that stops well says so over the wire; one that dies does not: give its last words time, then end.
        if self._daemon.wait() != 0:
            self._lines.put(None)
