"""Messages of a daemon, received while the caller is at work. The other examples import it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from inherentd.client import ClientError, Message, Subscriber
from inherentd.client.messages import HealthHeader


def received(endpoint: str, *topics: str) -> Iterator[Message]:
    """Yield messages until the daemon says that it stops. Raises ClientError for what is not a daemon's.

    Reads in a thread: nothing waits at the daemon, which drops what a slow subscriber leaves, however long the caller
    takes over a message. Subscribe to `health` too, for the end.
    """
    inbox = queue.SimpleQueue[Message | ClientError]()

    def receive() -> None:
        try:
            with Subscriber(endpoint, *topics) as subscriber:
                for message in subscriber.messages():
                    inbox.put(message)
        except ClientError as error:
            inbox.put(error)

    threading.Thread(target=receive, daemon=True).start()
    while True:
        message = inbox.get()
        if isinstance(message, ClientError):
            raise message
        yield message
        if isinstance(message.header, HealthHeader) and message.header.state == "stopping":
            return
