"""Real processes: a dashboard, and a browser that opens it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from inherentd.daemon.demo.processes import free_endpoint

PROGRAM = [sys.executable, "-m", "inherentd.daemon.cli"]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


class Dashboard:
    """A running `inherentd dashboard`; `url` is what it printed, with the key."""

    def __init__(self, endpoint: str, *arguments: str, listen: str | None = None) -> None:
        self.listen = listen or free_endpoint().removeprefix("tcp://")
        command = [*PROGRAM, "dashboard", "--endpoint", endpoint, "--listen", self.listen, *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.process.stdout is not None
        self.printed = [self.process.stdout.readline().strip() for _ in range(3)]
        assert self.printed[1].startswith("http://"), self.process.communicate()
        self.url = self.printed[1]
        self.root, _, self.key = self.url.partition("#key=")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a request with the key; a header that is empty is left out."""
        host, _, port = self.listen.rpartition(":")
        given = {"Authorization": f"Bearer {self.key}", **headers}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=20)) as connection:
            connection.request(method, path, data, {name: value for name, value in given.items() if value})
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()

    def told(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        status, _, answer = self.ask(method, path, body, **headers)
        return status, json.loads(answer)

    @contextlib.contextmanager
    def frames(self) -> Iterator[Iterator[dict[str, Any]]]:
        """Give the frames of /api/live as they come."""
        host, _, port = self.listen.rpartition(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=20)) as connection:
            connection.request("GET", "/api/live", headers={"Authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield (json.loads(line.removeprefix(b"data: ")) for line in response if line.strip())

    def close(self) -> tuple[int, str]:
        """End it. Return its exit code and what it wrote to stderr."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


def chromium() -> str | None:
    """Return the installed browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Give a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        try:
            yield started
        finally:
            started.close()


def wait_until(condition: Any, seconds: float = 20.0) -> Any:
    """Return what the condition returns once it is true; fails after so long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found
