"""Show a running daemon live in a browser: scores, level, events, utterances to listen to, thresholds to try, health.

Open the address that is printed; its last part is the key, which keeps other users of this machine out. The page goes on
by itself when the daemon or the dashboard is started again. Scores, and what other thresholds would have done, need a daemon
with publish.scores_per_second set, e.g. inherentd --set publish.scores_per_second=50. Nothing is written to disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys

from inherentd.daemon.commands.arguments import (
    add_client_key_arguments,
    add_config_arguments,
    client_keys,
    configuration,
)
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security import http_address

LISTEN = "127.0.0.1:5715"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd dashboard`."""
    parser.add_argument(
        "--listen", default=LISTEN, metavar="HOST:PORT", help="where the page is served (default: %(default)s)"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="allow a --listen that other machines reach: over plain HTTP, key included",
    )
    parser.add_argument("--endpoint", help="where the daemon publishes (default: publish.endpoint)")
    parser.add_argument("--control", metavar="ENDPOINT", help="where it takes requests (default: control.endpoint)")
    add_client_key_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the usual ways to end it
    try:
        from inherentd.daemon.dashboard.access import access_key
        from inherentd.daemon.dashboard.serving import Daemon, listen, serve
    except ModuleNotFoundError as error:
        raise DaemonError(f"{error.name} is not installed: pip install 'inherentd[dashboard]'") from None
    host, port = http_address.parse(
        arguments.listen, setting="--listen", insecure=arguments.insecure, permission="--insecure"
    )
    config = configuration(arguments)
    daemon = Daemon(
        arguments.endpoint or config.publish.endpoint,
        arguments.control or config.control.endpoint,
        client_keys(arguments),
    )
    key = access_key()
    with listen(host, port) as listening:
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/#key={key}"

        def ready() -> None:
            print(f"the dashboard of {daemon.endpoint} is at\n{url}\n(Ctrl-C ends it)", flush=True)
            if arguments.insecure:
                print("anybody who reads this network's traffic gets the key and what is heard", file=sys.stderr)

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(daemon, listening, key, own_names_only=not arguments.insecure, ready=ready))
    return 0
