"""Keep every utterance that was meant for the assistant as a WAV file, its intents in the name.

    python examples/save_utterances.py [FOLDER] [ENDPOINT]

Needs only pyzmq. This is where speech-to-text begins: instead of writing the file at the close, hand each piece of
audio to the recognizer as it comes; the first piece begins before the gate opened, so the first word is there.
"""

from __future__ import annotations

import contextlib
import json
import sys
import wave
from pathlib import Path

import zmq


def main(folder: Path, endpoint: str) -> None:
    """Subscribe, collect, write; until Ctrl-C or until the daemon stops."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[bytes] = []
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        for topic in ("gate", "audio", "health"):
            socket.subscribe(topic)
        socket.connect(endpoint)
        while True:
            name, encoded, *payload = socket.recv_multipart()
            topic, header = name.decode(), json.loads(encoded)
            if topic == "gate.opened":
                pieces = []
            elif topic == "audio":
                pieces += payload
            elif topic == "gate.closed":
                label = "+".join(header["intents"]) or "gate"
                path = folder / f"{header['stream'][:8]}-{header['utterance']:04}-{label}.wav"
                write(path, b"".join(pieces))
                print(path, flush=True)
            elif header["state"] == "stopping":
                return


def write(path: Path, pcm: bytes) -> None:
    """Write s16le 16 kHz mono as WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("utterances", "tcp://127.0.0.1:5710")[len(sys.argv) - 1 :]]
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(arguments[0]), arguments[1])
