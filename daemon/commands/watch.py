"""Watch live what a running daemon hears and decides: level, gate, heads, the open utterance, events, health.

With --input it listens by itself: the same program as the daemon, in this process; nothing is published or written.
In a terminal it draws (q quits, m mutes the daemon); elsewhere, and with TERM=dumb, it prints lines. NO_COLOR is
respected. A running daemon tells its scores only with publish.scores_per_second, e.g. 10; the rest it tells always.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import signal
import sys

from inherentd.daemon.commands.arguments import (
    add_client_key_arguments,
    add_config_arguments,
    add_model_arguments,
    client_keys,
    configuration,
)
from inherentd.daemon.watch import own, screen
from inherentd.daemon.watch.connection import Connection
from inherentd.daemon.watch.state import Watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd watch`."""
    parser.add_argument(
        "--input",
        metavar="SOURCE",
        help="listen to this by itself: mic, mic:NAME, or a WAV, FLAC or OGG file (default: watch a running daemon)",
    )
    parser.add_argument(
        "--fast",
        action="store_const",
        const="max",
        dest="speed",
        help="of a file: as fast as it goes, not as it would be heard",
    )
    parser.add_argument("--no-color", action="store_true", help="draw without colours")
    parser.add_argument("--endpoint", metavar="EVENTS", help="where the daemon publishes (default: publish.endpoint)")
    parser.add_argument("--control", metavar="REQUESTS", help="where it takes requests (default: control.endpoint)")
    add_client_key_arguments(parser)
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Watch until Ctrl-C, q, or the end of the audio."""
    wrong = _wrong(arguments)
    if wrong:
        print(f"inherentd watch: {wrong}", file=sys.stderr)
        return 2
    config = configuration(arguments)
    show: screen.Show = screen.print_lines
    if screen.can_draw():
        show = functools.partial(screen.draw, no_color=arguments.no_color)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the terminal is given back then too
    with contextlib.suppress(KeyboardInterrupt):
        if arguments.input is not None:
            own.watch(config, show)
            return 0
        events, control = arguments.endpoint or config.publish.endpoint, arguments.control or config.control.endpoint
        begin = Watched(events, f"nothing from {events} yet: does a daemon publish there?")
        with Connection(begin, events, control, client_keys(arguments)) as connection:
            show(connection, lambda: False)
    return 0


def _wrong(arguments: argparse.Namespace) -> str:
    if screen.can_draw() and importlib.util.find_spec("rich") is None:
        return "to draw it needs rich: pip install 'inherentd[watch]'; for lines, TERM=dumb inherentd watch"
    if arguments.input == "-":
        return "--input -: the keys come from stdin; expected mic, mic:NAME or a file"
    if arguments.input is None and (arguments.speed or arguments.model or arguments.backend or arguments.delegate):
        return "--fast, --model, --backend and --delegate go with --input: a running daemon has its own"
    if arguments.input is not None and (arguments.endpoint or arguments.control):
        return "got --input and an endpoint; expected one of them: listen by itself, or watch a running daemon"
    return ""
