"""Reading what a Wyoming peer sends. The package's own reader takes messages of any size and raises whatever comes up."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypeVar

import msgspec
from wyoming.event import Event

from inherentd.bridges.errors import BridgeError

MOST_BYTES = 1 << 20
"""of a message's data and of its payload, each: five seconds of 48 kHz stereo"""
Length = Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]
Described = TypeVar("Described", bound=msgspec.Struct)


class _Line(msgspec.Struct):
    type: str
    data: dict[str, Any] | None = None
    data_length: Length | None = None
    payload_length: Length | None = None


class AudioFormat(msgspec.Struct):
    """The data of audio-start and audio-chunk."""

    rate: int
    width: int
    channels: int
    timestamp: int | None = None
    """milliseconds"""


class DetectRequest(msgspec.Struct):
    """The data of detect."""

    names: list[str] | None = None


class PingText(msgspec.Struct):
    """The data of ping."""

    text: str | None = None


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Return the next event, None at the end of the connection. Raises BridgeError for what is no Wyoming message."""
    try:
        line = await reader.readline()
    except ValueError:  # longer than the reader's limit
        raise BridgeError("got a line without an end, expected a Wyoming message") from None
    if not line:
        return None
    try:
        head = msgspec.json.decode(line, type=_Line)
        data = head.data or {}
        if head.data_length:
            data |= msgspec.json.decode(await reader.readexactly(head.data_length), type=dict[str, Any])
        payload = await reader.readexactly(head.payload_length) if head.payload_length else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BridgeError(f"got {error}, expected a Wyoming message: a line of JSON with its type") from None
    except asyncio.IncompleteReadError as error:
        raise BridgeError(
            f"the connection ended in a message, {len(error.partial)} of {error.expected} bytes"
        ) from None
    return Event(type=head.type, data=data, payload=payload)


def data_of(event: Event, described: type[Described]) -> Described:
    """Return an event's data, typed. Raises BridgeError when it is not what that event has."""
    try:
        return msgspec.convert(event.data, described)
    except msgspec.ValidationError as error:
        raise BridgeError(f"{event.type}: {error}") from None
