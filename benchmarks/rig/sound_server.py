"""A PulseAudio server of our own: a null sink as microphone, and whatever is played into it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
SINK = f"module-null-sink sink_name=vmic rate={RATE_HZ} channels=1 format=s16le norewinds=1"
OPTIONS = (
    "--daemonize=no --use-pid-file=no --exit-idle-time=-1 --disallow-exit=yes --log-target=stderr --realtime=no "
    "--high-priority=no"
)


class SoundServer:
    """A server in a folder of its own; `environment` is what its clients need. The microphone is what `vmic` plays."""

    def __init__(self, folder: Path | None = None, sink: str = SINK) -> None:
        """Start it and wait until it answers."""
        # Short: the path of a socket has at most 107 characters.
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="sound")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self._sink = sink
        for name in ("run", "state", "home"):
            (self.folder / name).mkdir(parents=True, mode=0o700, exist_ok=True)
        self._socket = self.folder / "run" / "pulse.sock"
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "PULSE_RUNTIME_PATH": str(self.folder / "run" / "pulse"),
            "PULSE_STATE_PATH": str(self.folder / "state"),
            "HOME": str(self.folder / "home"),
            "PULSE_SERVER": f"unix:{self._socket}",
        }
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        modules = ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}"]
        command = ["pulseaudio", "-n", *OPTIONS.split(), *modules]
        process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            if time.monotonic() > until:
                raise RuntimeError("pulseaudio did not start")
            time.sleep(0.05)  # nothing tells when it is ready
        self.process = process
        self.plug_in()
        return process

    def control(self, *arguments: str) -> str:
        """Run pactl."""
        done = subprocess.run(["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def plug_in(self) -> None:
        """Load the microphone and make it the default."""
        self.control("load-module", *self._sink.split())
        self.control("set-default-source", "vmic.monitor")

    def unplug(self) -> None:
        """Take the microphone away."""
        self.control("unload-module", "module-null-sink")

    def kill(self) -> None:
        """End the server as a crash does."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again after kill()."""
        self._start()

    def freeze(self) -> None:
        """Stop the server from running."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again."""
        self.process.send_signal(signal.SIGCONT)

    def play(self, path: Path) -> None:
        """Play a file into the microphone, to its end."""
        subprocess.run(["paplay", "--device=vmic", str(path)], env=self.environment, check=True, timeout=60)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self._temporary:
            self._temporary.cleanup()


class Player:
    """Plays what `signal` makes, in real time, until it is closed: writes to pacat on the clock.

    It writes some blocks ahead: who writes in the last moment leaves holes in the sound whenever the machine is busy.
    """

    def __init__(self, server: SoundServer, signal_of: Callable[[int, int], np.ndarray], *, block_ms: int = 20,
                 ahead_ms: int = 60, latency_ms: int = 40) -> None:  # fmt: skip
        """Start once pacat is connected. signal_of(first, count): int16 samples of the player's own count, from 0."""
        command = ["pacat", "--playback", "--device=vmic", "--raw", f"--rate={RATE_HZ}", "--channels=1",
                   "--format=s16le", f"--latency-msec={latency_ms}"]  # fmt: skip
        self._process = subprocess.Popen(
            command, env=server.environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self._signal_of, self._block = signal_of, block_ms * RATE_HZ // 1000
        self._ahead_seconds = ahead_ms / 1000
        until = time.monotonic() + 10
        while not server.control("list", "short", "sink-inputs") and time.monotonic() < until:
            time.sleep(0.01)  # what is written before would stay late by the time that the connection took
        self.started = time.monotonic()
        self.position = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def left_at(self, sample: int) -> float:
        """Return the monotonic time at which a sample is due; the sound server's buffer comes after it."""
        return self.started + sample / RATE_HZ

    def _run(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            while not self._closed:
                wait = self.left_at(self.position) - self._ahead_seconds - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                block = self._signal_of(self.position, self._block)
                self.position += self._block
                self._process.stdin.write(block.astype("<i2").tobytes())

    def close(self) -> None:
        """Stop playing."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        self._thread.join(5)
