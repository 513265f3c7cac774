"""Subscribe to a running daemon and print each message as it comes, until Ctrl-C.

The topics are gate.opened, intent, gate.closed, audio, scores (off unless the daemon has publish.scores_per_second) and
health. Of audio only the header is printed; examples/save_utterances.py shows how to use the samples.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator
from datetime import datetime

import msgspec

from inherentd.client import Message, Subscriber
from inherentd.client.errors import printable
from inherentd.client.messages import (
    HEADERS,
    AudioHeader,
    GateClosedHeader,
    GateOpenedHeader,
    HealthHeader,
    IntentHeader,
    ScoresHeader,
)
from inherentd.daemon.commands.arguments import add_client_key_arguments, client_keys, count, seconds
from inherentd.daemon.config import PublishSection

PATIENCE_SECONDS = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd listen`."""
    parser.add_argument(
        "--topic",
        action="append",
        dest="topics",
        type=topic,
        metavar="T",
        help="only this topic, or topics that begin so, e.g. gate; may be repeated (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line: the header with its topic")
    parser.add_argument(
        "--endpoint",
        default=PublishSection().endpoint,
        help="where the daemon publishes (default: %(default)s)",
    )
    add_client_key_arguments(parser)
    parser.add_argument("--count", type=count, metavar="N", help="stop after N messages")
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="stop when nothing came for so long; exit code 1 if nothing ever did",
    )


def topic(text: str) -> str:
    """Return a topic, or how some begin. Raises ArgumentTypeError when none does."""
    if not any(name.startswith(text) for name in HEADERS):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected one of {', '.join(HEADERS)}, or how they begin")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Print messages until one of the limits."""
    received = 0
    with (
        Subscriber(arguments.endpoint, *arguments.topics or (), keys=client_keys(arguments)) as subscriber,
        contextlib.suppress(KeyboardInterrupt),  # the usual way to end it
    ):
        for message in itertools.islice(_messages(subscriber, arguments), arguments.count):
            received += 1
            print(_json_line(message) if arguments.json else _readable(message), flush=True)
    if not received:
        why = f"nothing came from {arguments.endpoint}: does the daemon publish there, and may this client hear it?"
        print(f"inherentd listen: {why}", file=sys.stderr)
    return 0 if received else 1


def _messages(subscriber: Subscriber, arguments: argparse.Namespace) -> Iterator[Message]:
    """Yield what comes, and say on stderr when at first nothing does: a daemon gives health each second."""
    if arguments.timeout is None or arguments.timeout > PATIENCE_SECONDS:
        first = list(itertools.islice(subscriber.messages(PATIENCE_SECONDS), 1))
        if not first and not arguments.topics:
            why = "does a daemon publish there, and does it ask for keys, or for others?"
            print(f"inherentd listen: nothing from {arguments.endpoint} yet: {why}", file=sys.stderr)
        yield from first
    yield from subscriber.messages(arguments.timeout)


def _json_line(message: Message) -> str:
    return json.dumps({"topic": message.topic, **msgspec.to_builtins(message.header)})


def _readable(message: Message) -> str:
    clock = datetime.fromtimestamp(message.header.time_ns / 1e9).astimezone().strftime("%H:%M:%S.%f")[:-3]
    lost = f"  ({message.lost} lost before it)" if message.lost else ""
    return printable(f"{clock}  {message.topic:<12} {_text(message)}{lost}")


def _text(message: Message) -> str:
    match message.header:
        case GateOpenedHeader() as header:
            return f"utterance {header.utterance}, score {header.score:.2f}"
        case IntentHeader() as header:
            when = "final" if header.final else "early"
            return f"utterance {header.utterance}, {header.head} {header.score:.2f} ({when})"
        case GateClosedHeader() as header:
            intents = ", ".join(header.intents) or "no intent"
            return f"utterance {header.utterance}, {header.duration_ms:.0f} ms, {header.reason}: {intents}"
        case AudioHeader() as header:
            last = ", the last" if header.last else ""
            return f"utterance {header.utterance}, {header.samples} samples from {header.at_sample}{last}"
        case HealthHeader() as header:
            reason = f" ({header.reason})" if header.reason else ""
            return f"{header.state}{reason}, cpu {header.cpu:.1%}, {header.rss / 2**20:.0f} MiB"
        case ScoresHeader(scores=scores) as header if scores:
            best = max(scores, key=scores.__getitem__)
            return f"{best} {scores[best]:.2f}, {header.level_dbfs:.0f} dBFS"
        case header:
            return f"at sample {header.at_sample}"
