"""Many devices in one process: real publishing sockets, numbered messages of the wire's own types, without microphones and models.

    python -m benchmarks.rig.devices FOLDER FIRST COUNT

Device NUMBER publishes at ipc://FOLDER/NUMBER. It says `ready` when each has a subscriber. Then a line on stdin is a task: `paced RATE
SECONDS` sends so many messages a second of all devices together, `flood MESSAGES` sends as fast as it goes; it says how many it sent.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import zmq

from inherentd.client.messages import (
    AudioHeader,
    GateClosedHeader,
    GateOpenedHeader,
    Header,
    IntentHeader,
    ModelIdentity,
)

HEADS = tuple(f"hasHead{number}" for number in range(13))
AUDIO_MESSAGES = 40
"""of 80 ms in an utterance of 3.2 s"""
SAMPLES = 1_280
Told = tuple[bytes, type[Header], dict[str, Any], bytes]


def main(folder: str, first: int, count: int) -> None:
    """Bind, wait for subscribers, and do the tasks."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 16)
    devices = [Device(context, folder, number) for number in range(first, first + count)]
    for device in devices:
        device.wait_for_subscriber()
    print("ready", flush=True)
    for line in sys.stdin:
        task, *numbers = line.split()
        turns = itertools.cycle(devices)
        if task == "flood":
            wanted = int(numbers[0])
            for device in itertools.islice(turns, wanted):
                device.send()
        else:
            rate, seconds = map(float, numbers)
            wanted, started = int(rate * seconds), time.monotonic()
            for index, device in enumerate(itertools.islice(turns, wanted)):
                time.sleep(max(0.0, started + index / rate - time.monotonic()))
                device.send()
        print(wanted, flush=True)
    context.destroy(linger=2000)


class Device:
    """One of them: utterance after utterance, a message at a time."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: str, number: int) -> None:
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # what a flood loses, it must not lose here
        self._socket.bind(f"ipc://{folder}/{number}")
        self._name = f"device-{number:04d}"
        self._seq: dict[bytes, int] = {}
        self._messages = utterances()
        self._encoder = msgspec.json.Encoder()

    def wait_for_subscriber(self) -> None:
        """Wait until somebody wants everything."""
        while self._socket.recv() != b"\x01":
            pass

    def send(self) -> None:
        """Publish the next message."""
        topic, kind, fields, payload = next(self._messages)
        seq = self._seq.get(topic, 0)
        self._seq[topic] = seq + 1
        header = kind(stream=f"run of {self._name}", device=self._name, seq=seq, time_ns=time.time_ns(), **fields)
        parts = [topic, self._encoder.encode(header)]
        self._socket.send_multipart([*parts, payload] if payload else parts)


def utterances() -> Iterator[Told]:
    """Yield what a daemon tells of utterance after utterance."""
    samples = bytes(2 * SAMPLES)
    scores = dict.fromkeys(HEADS, 0.123456789)
    for number in itertools.count(1):
        begin = number * 160_000
        common: dict[str, Any] = {"utterance": number, "at_sample": begin}
        model = ModelIdentity(version="0.3.0", hash="c70002b662d2d2cf")
        opened = {"score": 0.8, "scores": scores, "model": model, "preroll_samples": 64_000}
        yield b"gate.opened", GateOpenedHeader, common | opened, b""
        for index in range(AUDIO_MESSAGES):
            at = {"at_sample": begin + index * SAMPLES, "samples": SAMPLES, "last": index == AUDIO_MESSAGES - 1}
            yield b"audio", AudioHeader, common | at, samples
        yield b"intent", IntentHeader, common | {"head": HEADS[1], "score": 0.9, "final": True}, b""
        closed = {"duration_ms": 3200.0, "reason": "silence", "intents": [HEADS[1]], "peaks": scores}
        yield b"gate.closed", GateClosedHeader, common | closed, b""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
