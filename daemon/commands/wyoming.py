"""Serve Home Assistant over its own protocol, Wyoming (needs inherentd[wyoming]); docs/bridges.md has the steps there.

Alone it is a wake word service: Home Assistant streams its satellites' audio here and is told when somebody speaks to the
assistant. With --daemon it is a satellite itself: what a running daemon hears goes to Home Assistant, from before the gate
opened on.
"""

from __future__ import annotations

import argparse
import asyncio

from inherentd.daemon import logging
from inherentd.daemon.commands.arguments import (
    add_client_key_arguments,
    add_config_arguments,
    add_model_arguments,
    client_keys,
    configuration,
    count,
)
from inherentd.daemon.errors import DaemonError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd wyoming`."""
    parser.add_argument(
        "--uri", default="tcp://127.0.0.1:10400", help="where to serve (default: %(default)s, this machine only)"
    )
    parser.add_argument(
        "--insecure", action="store_true", default=None, help="serve where other machines reach it; Wyoming has no keys"
    )
    parser.add_argument(
        "--max-clients", type=count, default=32, metavar="N", help="connections at once (default: %(default)s)"
    )
    parser.add_argument("--daemon", metavar="ENDPOINT", help="be a satellite that forwards this daemon's utterances")
    parser.add_argument("--name", default="inherentd", help="of the satellite (default: %(default)s)")
    add_client_key_arguments(parser)
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    try:
        from inherentd.bridges.wyoming import running
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "wyoming":
            raise
        raise DaemonError("the package wyoming is missing: pip install 'inherentd[wyoming]'") from None
    config = configuration(arguments)
    logging.configure(config.log)
    running.check_uri(arguments.uri, insecure=config.security.insecure)
    if arguments.daemon is not None:
        satellite = running.satellite(
            arguments.uri, arguments.max_clients, arguments.daemon, client_keys(arguments), arguments.name
        )
        asyncio.run(satellite)
        return 0
    asyncio.run(running.wake(arguments.uri, arguments.max_clients, config))
    return 0
