"""A real `inherentd wyoming` process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from inherentd.daemon.demo.processes import free_endpoint
from tests.daemon.conftest import PROGRAM


class WyomingServer:
    """Started, and listening once it is made. `close` ends it and returns what it logged."""

    def __init__(self, *arguments: str) -> None:
        self.uri = free_endpoint()
        self.host, self.port = "127.0.0.1", int(urlsplit(self.uri).port or 0)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        command = [*PROGRAM, "wyoming", "--uri", self.uri, *arguments]
        self.process = subprocess.Popen(command, stderr=self._errors, env=os.environ)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connected().close()
                break
            except OSError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < deadline, self.said()
                time.sleep(0.05)

    def connected(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=20)

    def said(self) -> str:
        """Return what it wrote to stderr so far."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of an event."""
        lines = [json.loads(line) for line in self.said().splitlines()]
        return [line for line in lines if line["event"] == event]

    def resident_bytes(self) -> int:
        statm = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(statm.split()[1]) * os.sysconf("SC_PAGESIZE")

    def close(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
