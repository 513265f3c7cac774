"""Keep every utterance that was meant for the assistant as a WAV file, its intents in the name.

The sound begins before the gate opened, so the first word is there. `transcribe.py` goes on from here.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from inherentd.client import ClientError, Collector, Subscriber
from inherentd.client.messages import HealthHeader


def main(folder: Path, endpoint: str) -> None:
    """Subscribe, collect, write; until Ctrl-C or until the daemon stops."""
    folder.mkdir(parents=True, exist_ok=True)
    collector = Collector()
    with Subscriber(endpoint, "gate", "intent", "audio", "health") as subscriber:
        for message in subscriber.messages():
            for utterance in collector.push(message):
                label = "+".join(utterance.intents) or "gate"
                path = folder / f"{utterance.stream[:8]}-{utterance.utterance:04}-{label}.wav"
                path.write_bytes(utterance.wav())
                print(path, flush=True)
            if isinstance(message.header, HealthHeader) and message.header.state == "stopping":
                return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("utterances"), help="where the files are written")
    parser.add_argument("endpoint", nargs="?", default="tcp://127.0.0.1:5710", help="of inherentd")
    arguments = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            main(arguments.folder, arguments.endpoint)
    except ClientError as error:
        sys.exit(str(error))
