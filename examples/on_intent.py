"""Run a program for every request of one kind.

    python examples/on_intent.py hasStartTimerIntent notify-send "A timer, I hear"

The program gets the score as INTENT_SCORE and the utterance's number as INTENT_UTTERANCE. It runs when the utterance is
over (`final`); change that to act as soon as the daemon is sure enough.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from inherentd.client import ClientError, Subscriber
from inherentd.client.messages import HealthHeader, IntentHeader

ENDPOINT = os.environ.get("ENDPOINT", "tcp://127.0.0.1:5710")


def main(head: str, command: list[str]) -> None:
    """Subscribe and run the program; until Ctrl-C or until the daemon stops."""
    with Subscriber(ENDPOINT, "intent", "health") as subscriber:
        for message in subscriber.messages():
            match message.header:
                case IntentHeader(final=True) as intent if intent.head == head:
                    details = {"INTENT_SCORE": str(intent.score), "INTENT_UTTERANCE": str(intent.utterance)}
                    subprocess.run(command, env={**os.environ, **details}, check=False)
                case HealthHeader(state="stopping"):
                    return
                case _:
                    pass


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/on_intent.py HEAD PROGRAM [ARGUMENT...]")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            main(sys.argv[1], sys.argv[2:])
    except ClientError as error:
        sys.exit(str(error))
