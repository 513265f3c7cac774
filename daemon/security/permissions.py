"""What a client may be allowed, and which topics that opens. No sockets here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from inherentd.client.messages import HEADERS

Permission = Literal["events", "audio", "control"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
ALL: frozenset[Permission] = frozenset(PERMISSIONS)
NONE: frozenset[Permission] = frozenset()


def needed(topic: str) -> Permission:
    """Return the permission that opens a topic: samples need one of their own."""
    return "audio" if topic == "audio" else "events"


def topics(permissions: frozenset[Permission], prefixes: Iterable[bytes]) -> frozenset[bytes]:
    """Return the topics that a peer gets who asks for these prefixes (b"" is all).

    Nothing for a prefix that no topic begins with: what nobody publishes needs no memory.
    """
    wanted = tuple(prefixes)
    names = (name.encode() for name in HEADERS if needed(name) in permissions)
    return frozenset(name for name in names if name.startswith(wanted))
