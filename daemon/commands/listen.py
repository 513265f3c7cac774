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
from datetime import datetime

from inherentd.daemon.commands.arguments import add_client_key_arguments, client_keys, count, seconds
from inherentd.daemon.config import PublishSection
from inherentd.daemon.subscriber import Message, subscribe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd listen`."""
    parser.add_argument(
        "--topic",
        action="append",
        dest="topics",
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


def run(arguments: argparse.Namespace) -> int:
    """Print messages until one of the limits."""
    received = 0
    messages = subscribe(arguments.endpoint, arguments.topics or [""], arguments.timeout, client_keys(arguments))
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        for message in itertools.islice(messages, arguments.count):
            received += 1
            print(_json_line(message) if arguments.json else _readable(message), flush=True)
    if not received:
        why = f"nothing came from {arguments.endpoint}: does the daemon publish there, and may this client hear it?"
        print(f"inherentd listen: {why}", file=sys.stderr)
    return 0 if received else 1


def _json_line(message: Message) -> str:
    return json.dumps({"topic": message.topic, **message.header})


def _readable(message: Message) -> str:
    header = message.header
    clock = datetime.fromtimestamp(header["time_ns"] / 1e9).astimezone().strftime("%H:%M:%S.%f")[:-3]
    match message.topic:
        case "gate.opened":
            text = f"utterance {header['utterance']}, score {header['score']:.2f}"
        case "intent":
            when = "final" if header["final"] else "early"
            text = f"utterance {header['utterance']}, {header['head']} {header['score']:.2f} ({when})"
        case "gate.closed":
            intents = ", ".join(header["intents"]) or "no intent"
            text = f"utterance {header['utterance']}, {header['duration_ms']:.0f} ms, {header['reason']}: {intents}"
        case "audio":
            last = ", the last" if header["last"] else ""
            text = f"utterance {header['utterance']}, {header['samples']} samples from {header['at_sample']}{last}"
        case "health":
            reason = f" ({header['reason']})" if header["reason"] else ""
            text = f"{header['state']}{reason}, cpu {header['cpu']:.1%}, {header['rss'] / 2**20:.0f} MiB"
        case "scores":
            best = max(header["scores"], key=header["scores"].get)
            text = f"{best} {header['scores'][best]:.2f}, {header['level_dbfs']:.0f} dBFS"
        case _:
            text = json.dumps(header)
    return f"{clock}  {message.topic:<12} {text}"
