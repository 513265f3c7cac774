"""A service manager's part played by the test: a daemon that goes deaf is killed and started again, one that is bothered is not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import zmq

from inherentd.daemon.demo.processes import free_endpoint
from tests.daemon.conftest import PROGRAM
from tests.daemon.sound import SoundServer, sound_server

__all__ = ["sound_server"]  # the fixture `sound`
WATCHDOG_SECONDS = 3.0


class Manager:
    """Does what systemd does for Type=notify with WatchdogSec and Restart=always."""

    def __init__(self, command: list[str], environment: dict[str, str], address: Path) -> None:
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(address))
        self.told.settimeout(0.1)
        watchdog = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6))}
        self._command, self._environment = command, environment | watchdog
        self.restarts, self.ready = -1, False
        self._start()

    def _start(self) -> None:
        self.restarts, self.ready, self._fed = self.restarts + 1, False, time.monotonic()
        self.process = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)

    def run(self, seconds: float) -> None:
        """Watch for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                said = self.told.recv(4096).decode()
                self.ready |= "READY=1" in said
                if "READY=1" in said or "WATCHDOG=1" in said:
                    self._fed = time.monotonic()
            # systemd counts from the start of a service on that is ready; one that waits for its microphone has no limit.
            if self.ready and time.monotonic() - self._fed > WATCHDOG_SECONDS:
                self.process.kill()
            if self.process.poll() is not None:
                self._start()

    def until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while not self.ready:
            assert time.monotonic() < deadline
            self.run(0.2)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.told.close()


def test_a_deaf_service_is_restarted_and_a_bothered_one_is_not(sound: SoundServer, model: Path) -> None:
    endpoint = free_endpoint()
    settings = {"publish.endpoint": endpoint, "input.wait_for_device": "true"}
    command = [*PROGRAM, "run", "--model", str(model), *(f"--set={key}={value}" for key, value in settings.items())]
    manager = Manager(command, sound.environment, sound.folder / "notify")
    try:
        manager.until_ready()
        with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
            lazy.setsockopt(zmq.LINGER, 0)
            lazy.setsockopt(zmq.RCVHWM, 1)
            lazy.subscribe(b"")
            lazy.connect(endpoint)
            host, port = endpoint.removeprefix("tcp://").split(":")
            for _ in range(20):
                with socket.create_connection((host, int(port))) as hostile:
                    hostile.sendall(b"\xff" * 500)
            manager.run(2 * WATCHDOG_SECONDS)
        assert manager.restarts == 0
        manager.process.kill()  # it crashes
        manager.run(0.5)
        manager.until_ready()
        assert manager.restarts == 1
        sound.freeze()
        try:
            manager.run(2 * WATCHDOG_SECONDS)
            assert manager.restarts == 2
            assert not manager.ready
        finally:
            sound.thaw()
        manager.until_ready()
        assert manager.restarts == 2
    finally:
        manager.close()
