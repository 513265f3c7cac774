"""One received message, and how it becomes one: bytes in, checked and typed, with what was lost before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from inherentd.client.errors import ClientError, one_line
from inherentd.client.messages import HEADERS, VERSION, AudioHeader, Header

LATEST_NS = 2**63  # in the year 2262; later ones are no date for Python
HIGHEST_RATE_HZ = 192_000
UNKNOWN = "a message that is not from inherentd"
_decoders = {topic: msgspec.json.Decoder(header) for topic, header in HEADERS.items()}
_any_topic = msgspec.json.Decoder(Header)  # of a newer daemon: what all headers have


@dataclass(frozen=True, slots=True)
class Message:
    """One received message."""

    topic: str
    header: Header
    """of the topic's own type: `inherentd.client.messages.HEADERS`"""
    payload: bytes = b""
    """samples, of `audio`; empty otherwise"""
    lost: int = 0
    """messages of this topic that are missing before it"""


@dataclass(slots=True)
class _Run:
    """What came of one run of a device's daemon."""

    stream: str
    whole: bool
    """it began while we were subscribed: ours from its first message on"""
    next: dict[str, int] = field(default_factory=dict[str, int])


class Receipt:
    """Decodes messages and counts by `seq` what is missing between them, for each device: a broker may bring many, by whose names
    (`publish.device`) they are told apart."""

    def __init__(self) -> None:
        """Nothing was received yet: what was sent before the first message of each topic is not counted as lost."""
        self._runs: dict[str, _Run] = {}

    def __call__(self, parts: Sequence[bytes]) -> Message:
        """Return the message of these parts. Raises ClientError when they are not one of ours."""
        topic, header, payload = _decoded(parts)
        return Message(topic, header, payload, self._lost(topic, header))

    def _lost(self, topic: str, header: Header) -> int:
        if topic not in HEADERS:  # who knows how many there are
            return 0
        run = self._runs.get(header.device)
        if run is None or run.stream != header.stream:
            run = self._runs[header.device] = _Run(header.stream, whole=run is not None)
        expected = run.next.get(topic, 0 if run.whole else header.seq)
        run.next[topic] = header.seq + 1
        return max(0, header.seq - expected)


def _decoded(parts: Sequence[bytes]) -> tuple[str, Header, bytes]:
    if len(parts) not in (2, 3):
        raise ClientError(f"got {UNKNOWN}: {len(parts)} parts, expected 2 or 3; wrong endpoint?")
    try:
        topic = parts[0].decode()
        header = _decoders.get(topic, _any_topic).decode(parts[1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientError(f"got {UNKNOWN}: {one_line(error)}; wrong endpoint?") from None
    if header.v != VERSION:
        raise ClientError(f"got a message of version {header.v}, expected {VERSION}: install the daemon's own version")
    if not 0 <= header.time_ns < LATEST_NS:
        raise ClientError(f"got {UNKNOWN}: time_ns {header.time_ns}; wrong endpoint?")
    payload = parts[2] if len(parts) > 2 else b""
    if isinstance(header, AudioHeader) and (
        len(payload) != 2 * header.samples or not 1 <= header.rate <= HIGHEST_RATE_HZ
    ):
        told = f"{header.samples} samples at {header.rate} Hz"
        raise ClientError(f"got {len(payload)} bytes of audio, expected what its header tells: {told}; wrong endpoint?")
    return topic, header, payload
