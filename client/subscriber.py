"""Receive what a daemon publishes, message by message or utterance by utterance; in asyncio too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import zmq

from inherentd.client.closing import AsyncClosing, Closing
from inherentd.client.connecting import AsyncConnection, Connection
from inherentd.client.errors import ClientError
from inherentd.client.keys import ClientKeys
from inherentd.client.message import Message, Receipt
from inherentd.client.utterances import TOPICS, Collectors, Utterance


class Subscriber(Connection[zmq.Socket[bytes]], Closing):
    """A subscription. Connects at once and again whenever the daemon comes back; use one of its iterators at a time."""

    def __init__(self, endpoint: str, *topics: str, keys: ClientKeys | None = None) -> None:
        """Subscribe to these topics, or to all that begin so; without any, to all that the keys allow.

        Nobody need be there yet. Raises ClientError for an endpoint that makes no sense.
        """
        self._topics = topics or ("",)
        self._receipt, self._collectors = Receipt(), Collectors()
        super().__init__(zmq.Context(), zmq.SUB, endpoint, keys, self._topics)

    def messages(self, timeout_seconds: float | None = None) -> Iterator[Message]:
        """Yield messages as they come; ends when none came for so long. Raises ClientError for one that is not ours."""
        while self._socket.poll(_milliseconds(timeout_seconds)):
            yield self._receipt(self._socket.recv_multipart())

    def utterances(self, timeout_seconds: float | None = None) -> Iterator[Utterance]:
        """Yield each utterance at its close; ends when nothing of any came for so long.

        One of which something was lost has `complete` false. Raises ClientError for a message that is not ours, and
        where a topic of utterances is not subscribed to.
        """
        _check_topics(self._topics)
        idle = _Idle(timeout_seconds)
        while self._socket.poll(_milliseconds(idle.left_seconds)):
            message = self._receipt(self._socket.recv_multipart())
            idle.note(message)
            yield from self._collectors.push(message)


class AsyncSubscriber(AsyncConnection, AsyncClosing):
    """The same for asyncio."""

    def __init__(self, endpoint: str, *topics: str, keys: ClientKeys | None = None) -> None:
        """Subscribe as `Subscriber` does."""
        import zmq.asyncio  # brings asyncio: only for those who use it

        self._topics = topics or ("",)
        self._receipt, self._collectors = Receipt(), Collectors()
        super().__init__(zmq.asyncio.Context(), zmq.SUB, endpoint, keys, self._topics)

    async def messages(self, timeout_seconds: float | None = None) -> AsyncIterator[Message]:
        """Yield messages as they come; ends when none came for so long. Raises ClientError for one that is not ours."""
        while await self._socket.poll(_milliseconds(timeout_seconds)):
            yield self._receipt(await self._socket.recv_multipart())

    async def utterances(self, timeout_seconds: float | None = None) -> AsyncIterator[Utterance]:
        """Yield each utterance at its close, as `Subscriber.utterances` does."""
        _check_topics(self._topics)
        idle = _Idle(timeout_seconds)
        while await self._socket.poll(_milliseconds(idle.left_seconds)):
            message = self._receipt(await self._socket.recv_multipart())
            idle.note(message)
            for utterance in self._collectors.push(message):
                yield utterance


class _Idle:
    """For how long nothing of an utterance came: health and scores come always."""

    def __init__(self, timeout_seconds: float | None) -> None:
        self._timeout_seconds, self._since = timeout_seconds, time.monotonic()

    def note(self, message: Message) -> None:
        if message.topic in TOPICS:
            self._since = time.monotonic()

    @property
    def left_seconds(self) -> float | None:
        if self._timeout_seconds is None:
            return None
        return max(0.0, self._since + self._timeout_seconds - time.monotonic())


def _milliseconds(seconds: float | None) -> int:
    return -1 if seconds is None else round(seconds * 1000)


def _check_topics(topics: tuple[str, ...]) -> None:
    missing = [topic for topic in TOPICS if not topic.startswith(topics)]
    if missing:
        raise ClientError(f"utterances: {', '.join(missing)} not subscribed to; give no topics, or {', '.join(TOPICS)}")
