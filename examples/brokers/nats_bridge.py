"""What daemons publish, on NATS: subject `inherent.DEVICE.TOPIC`, e.g. `inherent.kitchen.gate.opened`.

    pip install 'inherentd[nats]'
    python examples/brokers/nats_bridge.py --daemon tcp://10.0.0.11:5710 --nats nats://127.0.0.1:4222
    nats sub 'inherent.*.intent'           # the requests of all devices;  inherent.kitchen.>  is all of one

--daemon is a daemon or a proxy, with keys as there (proxy.py). A message's data is the JSON header as it was on the wire, of `audio` followed by
a newline and the samples (`parts` takes it apart again). Headers repeat `device`, `topic`, `stream` and `seq`, and `Nats-Msg-Id`, by which
JetStream knows what came twice. In the subject, what is no letter, digit, - or _ of a device's name is _.

Counted and told every ten seconds in which it changed, and at the end: messages that NATS has (it answered after them), those that were lost
before the bridge (gaps in `seq`), and those that NATS did not take: its buffer here was full, or the connection broke or we ended before it
answered (some of these it may have). Topics that no daemon of this version has are left out. Ends with 1 when NATS was not connected at the end
or closed the connection for good. What is lost after the bridge, a subscriber counts itself: `inherentd.client.message.Receipt`.
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
from inherentd.client.messages import HEADERS

TELL_SECONDS = 10.0
CONFIRM_SECONDS = 0.2
FLUSH_SECONDS = 5
BUFFER_BYTES = 16 * 2**20
"""kept while NATS is away"""
LONGEST_NAME = 200
"""characters of a device's or run's name: a longer line would make the server close the connection"""
HEADERS_BYTES = 4 * 1024
"""at most, of a message to NATS: what its limit leaves for the data is less by these"""


@dataclass
class Counts:
    """Of messages since the start."""

    published: int = 0
    lost_before: int = 0
    not_taken: int = 0
    not_ours: int = 0
    sent: int = 0
    """while connected, without an answer yet"""
    buffered: int = 0
    """while NATS was away; sent when it is back"""
    breaks: int = 0
    """times that the connection broke"""

    def __str__(self) -> str:
        return (
            f"{self.published} published, {self.lost_before} lost before the bridge, {self.not_taken} not taken by NATS, "
            f"{self.not_ours} that were no daemon's"
        )

    async def broke(self) -> None:
        """Note that nobody knows what became of what was sent."""
        self.not_taken, self.sent, self.breaks = self.not_taken + self.sent, 0, self.breaks + 1

    def give_up(self) -> None:
        """Note that nothing is sent any more."""
        self.not_taken, self.sent, self.buffered = self.not_taken + self.sent + self.buffered, 0, 0

    async def confirm(self, nats: Any) -> None:
        """Wait until NATS has answered after all that was sent until now. Raises nats.errors.Error when it does not."""
        sent, buffered, breaks = self.sent, self.buffered, self.breaks
        if not nats.is_connected or not sent + buffered:
            return
        await nats.flush(FLUSH_SECONDS)  # its question goes out before what is in the buffer,
        await nats.flush(FLUSH_SECONDS)  # and this one after it
        if breaks == self.breaks:
            self.published += sent + buffered
            self.sent, self.buffered = self.sent - sent, self.buffered - buffered


def subject(message: Message, prefix: str = "inherent") -> str:
    """Return where a message is published."""
    device = re.sub(r"[^A-Za-z0-9_-]", "_", message.header.device[:LONGEST_NAME]) or "_"
    return f"{prefix}.{device}.{message.topic}"


def headers(message: Message) -> dict[str, str]:
    """Return what a NATS message's headers say; what is not printable ASCII in names is ?."""
    header = message.header
    device, stream = (re.sub(r"[^ -~]", "?", name[:LONGEST_NAME]) for name in (header.device, header.stream))
    return {
        "device": device, "topic": message.topic, "stream": stream, "seq": str(header.seq),
        "Nats-Msg-Id": f"{stream}.{message.topic}.{header.seq}",
    }  # fmt: skip


def parts(data: bytes, topic: str) -> list[bytes]:
    """Return the message as it was on a daemon's wire, from a NATS message's data and its header `topic`."""
    header, line_end, payload = data.partition(b"\n")
    return [topic.encode(), header, *([payload] if line_end else [])]


async def pass_on(socket: zmq.asyncio.Socket, nats: Any, counts: Counts, prefix: str) -> None:
    """Publish what comes, for ever."""
    from nats.errors import Error, MaxPayloadError

    receipt, told, told_at = Receipt(), str(counts), time.monotonic()
    while True:
        received = await socket.recv_multipart()
        try:
            message, data = receipt(received), b"\n".join(received[1:])
            if message.topic not in HEADERS:
                raise ClientError(f"topic {message.topic!r}: expected one of {', '.join(HEADERS)}")
            counts.lost_before += message.lost
            if len(data) > nats.max_payload - HEADERS_BYTES:
                raise MaxPayloadError
            connected = nats.is_connected
            await nats.publish(subject(message, prefix), data, headers=headers(message))
            if connected:
                counts.sent += 1
            else:
                counts.buffered += 1
        except ClientError:
            counts.not_ours += 1
        except Error:  # its buffer is full, it is gone for good, or this is more than it takes
            counts.not_taken += 1
        if time.monotonic() - told_at > TELL_SECONDS:
            losses = str(counts).partition(",")[2]
            if losses != told:
                print(counts, file=sys.stderr, flush=True)
            told, told_at = losses, time.monotonic()


async def confirm(nats: Any, counts: Counts) -> None:
    """Count what NATS has, until it closes the connection for good."""
    from nats.errors import Error

    while not nats.is_closed:
        with contextlib.suppress(Error):  # it is away, or slow: asked again
            await counts.confirm(nats)
        await asyncio.sleep(CONFIRM_SECONDS)


async def run(arguments: argparse.Namespace) -> None:
    """Connect both ends and pass on until a signal comes. Raises ClientError for what makes no sense, when NATS closes the
    connection for good, and when it is away at the end."""
    from nats.aio.client import Client
    from nats.errors import Error

    allow_many_connections()
    own = read_secret(arguments.key) if arguments.key else None
    context, counts, connection = zmq.asyncio.Context(), Counts(), Client()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, arguments.queue)

    async def told(error: Exception) -> None:
        trying = "" if connection.is_connected or connection.is_closed else "; trying on"
        print(f"nats_bridge: {arguments.nats}: {reason(error)}{trying}", file=sys.stderr, flush=True)

    try:
        await connection.connect(arguments.nats, max_reconnect_attempts=-1, pending_size=BUFFER_BYTES, error_cb=told,
                                 disconnected_cb=counts.broke)  # fmt: skip
        connect(socket, peers(arguments.daemon, arguments.daemons), own)
        socket.subscribe(b"")
        print(f"passing on to {arguments.nats}", file=sys.stderr, flush=True)
        work = asyncio.create_task(pass_on(socket, connection, counts, arguments.prefix))
        confirming = asyncio.create_task(confirm(connection, counts))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        await asyncio.wait((work, confirming), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, confirming):
            task.cancel()
        for outcome in await asyncio.gather(work, confirming, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        if connection.is_closed:
            raise ClientError(f"{arguments.nats}: closed the connection for good: {reason(connection.last_error)}")
        if not connection.is_connected:
            raise ClientError(
                f"{arguments.nats}: away at the end; {counts.sent + counts.buffered} messages were waiting for it"
            )
        await counts.confirm(connection)
        await connection.drain()
    except Error as error:
        raise ClientError(f"{arguments.nats}: {reason(error)}") from None
    finally:
        context.destroy(linger=0)
        counts.give_up()
        print(counts, file=sys.stderr, flush=True)


def reason(error: Exception | None) -> str:
    """Return what an error says, or its kind where it says nothing."""
    return str(error) or type(error).__name__


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
