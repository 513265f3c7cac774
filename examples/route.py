"""A handler for each kind of request that needs no language model; everything else goes to one.

    python examples/route.py [--lists lists] [--sure 0.5] [--model NAME --base-url http://127.0.0.1:8080/v1]

What the classifier is not sure enough of, what has no handler, and what a handler cannot make sense of ("wake me at
seven") goes to the language model, as `llm_handoff.py` asks it; without --model it is only told. A handler of yours: a
function of the transcript, with its head in `handlers`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from handlers import Lists, Timers
from llm_handoff import Endpoint, EndpointError, add_endpoint_arguments, endpoint_of
from receiving import received
from speech_to_text import Whisper, bundled_model

from inherentd.client import ClientError, Collector, Utterance

Handler = Callable[[str], str | None]


@dataclass(frozen=True)
class Router:
    """Where a request goes: to the handler of its likeliest intent, or to a language model."""

    handlers: Mapping[str, Handler]
    sure: float
    """an intent's score from which its handler is trusted with it"""
    llm: Endpoint | None

    def respond(self, text: str, intents: Mapping[str, float], wav: bytes | None) -> str:
        """Return what was done, or what the model answered. Raises EndpointError and what handlers raise."""
        head = max(intents, key=intents.__getitem__, default="")
        if head in self.handlers and intents[head] >= self.sure:
            done = self.handlers[head](text)
            if done is not None:
                return done
        return "for a language model: give --model" if self.llm is None else self.llm.answer(text, intents, wav)


def listen(endpoint: str, router: Router, whisper: Whisper, *, audio: bool) -> None:
    """Respond to each utterance until the daemon stops."""
    collector = Collector()
    for message in received(endpoint, "gate", "intent", "audio", "health"):
        if message.topic == "gate.opened":
            whisper.load()
        for utterance in collector.push(message):
            respond(utterance, router, whisper, audio=audio)


def respond(utterance: Utterance, router: Router, whisper: Whisper, *, audio: bool) -> None:
    """Print what was said and what came of it. A failure is told, and ends nothing."""
    text = whisper.text(utterance.pcm)
    print(f"> {text}", flush=True)
    try:
        print(router.respond(text, utterance.intents, utterance.wav() if audio else None), flush=True)
    except (EndpointError, OSError) as error:
        print(error, file=sys.stderr, flush=True)


def main() -> None:
    """Listen with a timer and lists; at the end let the timers ring, after Ctrl-C not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5710", help="of inherentd")
    parser.add_argument("--whisper", help="folder or name of another model for the transcript")
    parser.add_argument("--lists", type=Path, default=Path("lists"), metavar="FOLDER")
    parser.add_argument("--sure", type=float, default=0.5, help="score from which a handler is trusted with a request")
    add_endpoint_arguments(parser)
    arguments = parser.parse_args()
    timers = Timers()
    handlers = {"hasStartTimerIntent": timers.start, "hasAddToListIntent": Lists(arguments.lists).add}
    router = Router(handlers, arguments.sure, endpoint_of(arguments))
    try:
        listen(arguments.endpoint, router, Whisper(arguments.whisper or bundled_model()), audio=arguments.audio)
        timers.finish()
    except KeyboardInterrupt:
        timers.cancel()
    except ClientError as error:
        timers.cancel()
        sys.exit(str(error))


if __name__ == "__main__":
    main()
