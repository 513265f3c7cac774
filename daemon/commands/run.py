"""Listen, and publish over ZeroMQ when speech is meant for the assistant, what it asks for, and its audio.

Publishes on tcp://127.0.0.1:5710 (see --set publish.endpoint=...). Stop it with Ctrl-C or SIGTERM: an utterance that is
open is closed and published first. `inherentd listen` in another terminal shows what goes out.
"""

from __future__ import annotations

import argparse
import functools
from typing import get_args

from inherentd.daemon import logging
from inherentd.daemon import run as daemon
from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration, seconds
from inherentd.daemon.config import Speed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd run`."""
    parser.add_argument(
        "--input",
        metavar="SOURCE",
        help="mic: the default microphone; mic:NAME: one of `inherentd devices`; FILE: a WAV, FLAC or OGG file; "
        "-: raw s16le 16 kHz mono on stdin (default: mic)",
    )
    parser.add_argument(
        "--speed",
        choices=get_args(Speed),
        help="of a file: realtime, as it would be heard (default), or max, as fast as it goes",
    )
    add_model_arguments(parser)
    add_config_arguments(parser)
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="bind addresses that other machines reach without keys: everybody there can listen (see docs/security.md)",
    )
    parser.add_argument(
        "--wait-for-subscriber",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="begin to listen only half a second after the last subscriber has come, or after so many seconds; so that "
        "subscribers that wait already, or start together with the daemon, miss nothing (default: 0, begin at once)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it is stopped or the audio ends."""
    logging.configure(configuration(arguments).log)
    daemon.run(functools.partial(configuration, arguments), arguments.wait_for_subscriber)
    return 0
