"""What daemons publish, on NATS: subject `inherent.DEVICE.TOPIC`, e.g. `inherent.kitchen.gate.opened`.

    pip install 'inherentd[nats]'
    python examples/brokers/nats_bridge.py --daemon tcp://10.0.0.11:5710 --nats nats://127.0.0.1:4222
    nats sub 'inherent.*.intent'           # the requests of all devices;  inherent.kitchen.>  is all of one

--daemon is a daemon or a proxy, with keys as there (proxy.py). A message's data is the JSON header as it was on the wire, of `audio` followed by
a newline and the samples (`parts` takes it apart again). Headers repeat `device`, `topic`, `stream` and `seq`, and `Nats-Msg-Id`, by which
JetStream knows what came twice. In the subject, what is no letter, digit, - or _ of a device's name is _.

Counted and told every ten seconds in which it changed, and at the end: messages that were lost before the bridge (gaps in `seq`), and those
that NATS did not take while it was away. What is lost after the bridge, a subscriber counts itself: `inherentd.client.message.Receipt`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from peers import allow_many_connections, connect, peers

from inherentd.client import ClientError
from inherentd.client.keys import read_secret
from inherentd.client.message import Message, Receipt

TELL_SECONDS = 10.0
BUFFER_BYTES = 16 * 2**20
"""kept while NATS is away"""


@dataclass
class Counts:
    """Of messages since the start."""

    published: int = 0
    lost_before: int = 0
    not_taken: int = 0
    not_ours: int = 0

    def __str__(self) -> str:
        return (
            f"{self.published} published, {self.lost_before} lost before the bridge, {self.not_taken} not taken by NATS, "
            f"{self.not_ours} that were no daemon's"
        )


def subject(message: Message, prefix: str = "inherent") -> str:
    """Return where a message is published."""
    return f"{prefix}.{re.sub(r'[^A-Za-z0-9_-]', '_', message.header.device) or '_'}.{message.topic}"


def headers(message: Message) -> dict[str, str]:
    """Return what a NATS message's headers say."""
    header = message.header
    device = header.device.encode("ascii", "replace").decode()
    return {
        "device": re.sub(r"[^ -~]", "?", device), "topic": message.topic, "stream": header.stream, "seq": str(header.seq),
        "Nats-Msg-Id": f"{header.stream}.{message.topic}.{header.seq}",
    }  # fmt: skip


def parts(data: bytes, topic: str) -> list[bytes]:
    """Return the message as it was on a daemon's wire, from a NATS message's data and its header `topic`."""
    header, line_end, payload = data.partition(b"\n")
    return [topic.encode(), header, *([payload] if line_end else [])]


async def pass_on(socket: zmq.asyncio.Socket, nats: Any, counts: Counts, prefix: str) -> None:
    """Publish what comes, for ever."""
    from nats.errors import Error

    receipt, told, told_at = Receipt(), str(counts), time.monotonic()
    while True:
        received = await socket.recv_multipart()
        try:
            message = receipt(received)
            counts.lost_before += message.lost
            await nats.publish(subject(message, prefix), b"\n".join(received[1:]), headers=headers(message))
            counts.published += 1
        except ClientError:
            counts.not_ours += 1
        except Error:  # its buffer is full, or it is gone for good
            counts.not_taken += 1
        if time.monotonic() - told_at > TELL_SECONDS:
            losses = str(counts).partition(",")[2]
            if losses != told:
                print(counts, file=sys.stderr, flush=True)
            told, told_at = losses, time.monotonic()


async def run(arguments: argparse.Namespace) -> None:
    """Connect both ends and pass on until a signal comes. Raises ClientError for what makes no sense."""
    import nats

    allow_many_connections()
    own = read_secret(arguments.key) if arguments.key else None
    context, counts = zmq.asyncio.Context(), Counts()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, arguments.queue)

    async def told(error: Exception) -> None:
        print(f"nats_bridge: {arguments.nats}: {error or type(error).__name__}; trying on", file=sys.stderr, flush=True)

    connection = await nats.connect(arguments.nats, max_reconnect_attempts=-1, pending_size=BUFFER_BYTES, error_cb=told)
    try:
        connect(socket, peers(arguments.daemon, arguments.daemons), own)
        socket.subscribe(b"")
        print(f"passing on to {arguments.nats}", file=sys.stderr, flush=True)
        work = asyncio.create_task(pass_on(socket, connection, counts, arguments.prefix))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        if connection.is_connected:
            await connection.drain()  # what is in the buffer gets out
        context.destroy(linger=0)
        print(counts, file=sys.stderr, flush=True)


def main() -> int:
    """Bridge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--daemon", action="append", default=[], metavar="ENDPOINT[,KEY]", help="to connect to; may be repeated"
    )
    parser.add_argument("--daemons", type=Path, metavar="FILE", help="a file of such lines")
    parser.add_argument("--nats", default="nats://127.0.0.1:4222", metavar="URL", help="(default: %(default)s)")
    parser.add_argument("--prefix", default="inherent", help="of the subjects (default: %(default)s)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="our secret key, where daemons ask for keys")
    parser.add_argument(
        "--queue", type=int, default=10_000, help="messages kept while we are slow (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not (arguments.daemon or arguments.daemons):
        parser.error("nothing to pass on: give --daemon or --daemons")
    try:
        asyncio.run(run(arguments))
    except (ClientError, OSError) as error:
        print(f"nats_bridge: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"nats_bridge: {error}; pip install 'inherentd[nats]'", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
