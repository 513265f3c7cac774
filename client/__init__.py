"""Receive what inherentd hears, and ask it for things. Needs pyzmq and msgspec only; docs/client.md shows how."""

from inherentd.client.control import AsyncControl, Control
from inherentd.client.errors import ClientError
from inherentd.client.keys import ClientKeys, KeyPair
from inherentd.client.message import Message
from inherentd.client.subscriber import AsyncSubscriber, Subscriber
from inherentd.client.utterances import Collector, Collectors, Utterance

__all__ = [
    "AsyncControl",
    "AsyncSubscriber",
    "ClientError",
    "ClientKeys",
    "Collector",
    "Collectors",
    "Control",
    "KeyPair",
    "Message",
    "Subscriber",
    "Utterance",
]
