"""One address for many daemons: whoever subscribes here gets what all of them publish. The wire is that of a daemon.

    python examples/brokers/proxy.py --daemon tcp://10.0.0.11:5710 --daemon tcp://10.0.0.12:5710 --out tcp://127.0.0.1:5720
    inherentd listen --endpoint tcp://127.0.0.1:5720

Daemons listen, so the proxy connects to them (XSUB) and subscribers connect to the proxy (XPUB). It asks the daemons only for topics that
somebody wants. A device that cannot be reached from outside runs a proxy, too, which connects out:

    central    python examples/brokers/proxy.py --relays tcp://0.0.0.0:5730 --out tcp://127.0.0.1:5720 --key proxy.key --clients clients
    device     python examples/brokers/proxy.py --daemon tcp://127.0.0.1:5710 --to tcp://CENTRAL:5730,proxy.pub --key device.key

A proxy is a --daemon to another one: that is a tree. Keys are those of `inherentd keys new NAME`: --key is our secret one, ENDPOINT,KEY the
other's public one, --clients a folder of public keys (NAME.pub) that may connect to us. Devices are told apart by `device` in the headers:
give each a name (publish.device). Who is too slow loses messages, and sees it as a gap in `seq`.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from pathlib import Path

import zmq
from peers import Doorkeeper, Peer, allow_many_connections, bind, connect, peers

from inherentd.client import ClientError
from inherentd.client.keys import read_secret

OURS = re.compile(r"ipc://|tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):")


def main() -> int:
    """Pass on until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--daemon", action="append", default=[], metavar="ENDPOINT[,KEY]", help="to connect to; may be repeated"
    )
    parser.add_argument("--daemons", type=Path, metavar="FILE", help="a file of such lines")
    parser.add_argument("--relays", metavar="ENDPOINT", help="where the proxies of devices connect (their --to)")
    leads = parser.add_mutually_exclusive_group(required=True)
    leads.add_argument("--out", metavar="ENDPOINT", help="where subscribers connect")
    leads.add_argument("--to", metavar="ENDPOINT[,KEY]", help="the --relays of another proxy, to connect to")
    parser.add_argument("--key", type=Path, metavar="FILE", help="our secret key")
    parser.add_argument(
        "--clients", type=Path, metavar="FOLDER", help="public keys (NAME.pub) that may connect to us; with --key"
    )
    parser.add_argument(
        "--queue", type=int, default=10_000, help="messages kept for a slow subscriber (default: %(default)s)"
    )
    parser.add_argument("--insecure", action="store_true", help="let everybody connect from other machines")
    arguments = parser.parse_args()
    bound = [endpoint for endpoint in (arguments.relays, arguments.out) if endpoint]
    if not (arguments.daemon or arguments.daemons or arguments.relays):
        parser.error("nothing to pass on: give --daemon, --daemons or --relays")
    folder: Path | None = arguments.clients
    keys = arguments.key is not None and arguments.clients is not None
    if not (keys or arguments.insecure) and (open_ones := [one for one in bound if OURS.match(one) is None]):
        parser.error(f"{open_ones[0]} can be reached from other machines: give --key and --clients, or --insecure")
    allow_many_connections()
    context = zmq.Context()
    try:
        own = read_secret(arguments.key) if arguments.key else None
        door = Doorkeeper(context, folder) if keys and folder is not None else None
        incoming, outgoing = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
        for socket in (incoming, outgoing):
            socket.setsockopt(zmq.RCVHWM, arguments.queue)
            socket.setsockopt(zmq.SNDHWM, arguments.queue)
        for socket, endpoint in ((incoming, arguments.relays), (outgoing, arguments.out)):
            if endpoint:
                print(f"listening at {bind(socket, endpoint, own if keys else None)}", file=sys.stderr, flush=True)
        connect(incoming, peers(arguments.daemon, arguments.daemons), own)
        connect(outgoing, [Peer.read(arguments.to)] if arguments.to else [], own)
    except ClientError as error:
        print(f"proxy: {error}", file=sys.stderr)
        context.destroy(linger=0)
        return 1
    with contextlib.suppress(KeyboardInterrupt):
        zmq.proxy(incoming, outgoing)
    if door is not None:
        door.close()
    context.destroy(linger=1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
