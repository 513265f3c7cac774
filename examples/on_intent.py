"""Run a program for every request of one kind.

    python examples/on_intent.py hasStartTimerIntent notify-send "A timer, I hear"

Needs only pyzmq. The program gets the score as INTENT_SCORE and the utterance's number as INTENT_UTTERANCE. It runs
when the utterance is over (`final`); change that to act as soon as the daemon is sure enough.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import zmq

ENDPOINT = os.environ.get("ENDPOINT", "tcp://127.0.0.1:5710")


def main(head: str, command: list[str]) -> None:
    """Subscribe and run the program; until Ctrl-C or until the daemon stops."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe("intent")
        socket.subscribe("health")
        socket.connect(ENDPOINT)
        while True:
            topic, encoded = socket.recv_multipart()
            header = json.loads(encoded)
            if topic == b"health":
                if header["state"] == "stopping":
                    return
            elif header["final"] and header["head"] == head:
                details = {"INTENT_SCORE": str(header["score"]), "INTENT_UTTERANCE": str(header["utterance"])}
                subprocess.run(command, env={**os.environ, **details}, check=False)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/on_intent.py HEAD PROGRAM [ARGUMENT...]")
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1], sys.argv[2:])
