"""An engine as a subscriber of raw audio, in a process of its own; its decisions come back over ZeroMQ, as a daemon's events do.

python -m benchmarks.field.subscriber ENGINE PREPARED AUDIO DECISIONS
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import zmq
from benchmarks.field import ONE_THREAD, RATE_HZ, Decision, open_engine
from benchmarks.rig.daemon import Arrival

PATIENCE_SECONDS = 60


class Subscriber:
    """The other end: what is sent is heard there, and `messages` are what it decided, as they came."""

    def __init__(self, name: str, prepared: Path) -> None:
        """Start it, and wait until it listens."""
        self._folder = tempfile.TemporaryDirectory(prefix="inherentd")
        endpoints = [f"ipc://{self._folder.name}/{part}.sock" for part in ("audio", "decisions")]
        self._context = zmq.Context()
        self._audio, self._decisions = self._context.socket(zmq.PUB), self._context.socket(zmq.PULL)
        self._audio.setsockopt(zmq.SNDHWM, 0)
        self._audio.bind(endpoints[0])
        self._decisions.bind(endpoints[1])
        self.messages: list[Arrival] = []
        self._stopped = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name, str(prepared), *endpoints], env={**os.environ, **ONE_THREAD}
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._decisions.poll(50):  # its first word is that it has heard the samples sent here
            self.send(b"\0" * 2 * 320)
            if time.monotonic() > until or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError(f"{name} did not begin to listen; its messages stand above")
        self._decisions.recv()
        self._audio.send(b"reset")
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def send(self, pcm: bytes) -> None:
        """Let it hear these samples, s16le."""
        self._audio.send(b"audio" + pcm)

    def close(self) -> None:
        """End it once it has heard all that was sent."""
        self._audio.send(b"close")
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        time.sleep(0.2)  # its last messages
        self._stopped = True
        self._thread.join(5)
        self._context.destroy(linger=0)
        self._folder.cleanup()

    def _collect(self) -> None:
        while not self._stopped:
            if self._decisions.poll(100):
                decision = msgspec.json.decode(self._decisions.recv(), type=Decision)
                header = {"at_sample": decision.at_sample, "score": decision.score, "text": decision.text}
                self.messages.append(Arrival(time.monotonic(), decision.name, header, b""))


def main() -> int:
    """Hear until told to close."""
    import numpy as np

    name, prepared, audio, decisions = sys.argv[1:]
    context = zmq.Context()
    heard, told = context.socket(zmq.SUB), context.socket(zmq.PUSH)
    heard.setsockopt(zmq.RCVHWM, 0)
    heard.subscribe(b"")
    engine = open_engine(name, Path(prepared))
    engine.feed(np.zeros(RATE_HZ, np.int16))
    heard.connect(audio)
    told.connect(decisions)
    listening = False
    while (message := heard.recv()) != b"close":
        if not listening:
            told.send(b"listening")
            listening = True
        if message == b"reset":
            engine.reset()
            continue
        for decision in engine.feed(np.frombuffer(message[5:], "<i2")):
            told.send(msgspec.json.encode(decision))
    told.close(linger=2000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
