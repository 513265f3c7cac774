"""One received message, and how it becomes one: bytes in, checked and typed, with what was lost before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from inherentd.client.errors import ClientError, one_line
from inherentd.client.messages import HEADERS, SAMPLE_RATE_HZ, VERSION, AudioHeader, Header

LATEST_NS = 2**63  # in the year 2262; later ones are no date for Python
HIGHEST_RATE_HZ = 192_000
SAMPLE_NS = 10**9 // SAMPLE_RATE_HZ
CLOCK_SLACK_NS = 10**9  # a daemon's clock and its microphone's do not go quite alike
MOST_DEVICES = 65_536
"""as one subscriber takes (docs/scale.md), and some: invented names must not fill the memory"""
MOST_RUNS = 8
"""of one device: a restart needs two"""
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


T = TypeVar("T")


class Runs(Generic[T]):
    """Something for each run (`stream`) of each device. Bounded: of more than `devices` devices, and of more than eight runs of one,
    the one that was silent longest is forgotten."""

    def __init__(self, new: Callable[[], T], devices: int) -> None:
        """Nothing came yet; `new` makes what a run gets with its first message."""
        self._new, self._devices = new, devices
        self._runs: OrderedDict[str, OrderedDict[str, T]] = OrderedDict()

    def of(self, header: Header) -> tuple[T, list[T], list[T]]:
        """Return what belongs to this header's run; at its first message also that of the device's other runs, the latest to speak
        last, and what is forgotten now: both are empty otherwise."""
        runs = self._runs.get(header.device)
        if runs is None:
            runs = self._runs[header.device] = OrderedDict()
        self._runs.move_to_end(header.device)
        if header.stream in runs:
            runs.move_to_end(header.stream)
            return runs[header.stream], [], []
        others = list(runs.values())
        forgotten = [runs.popitem(last=False)[1]] if len(runs) == MOST_RUNS else []
        runs[header.stream] = mine = self._new()
        if len(self._runs) > self._devices:
            forgotten += self._runs.popitem(last=False)[1].values()
        return mine, others, forgotten

    def __len__(self) -> int:
        """Return how many devices are known."""
        return len(self._runs)


@dataclass(slots=True)
class _Run:
    """What came of one run of a device's daemon."""

    whole: bool = False
    """it began while we were subscribed: ours from its first message on"""
    latest_ns: int = 0
    next: dict[str, int] = field(default_factory=dict[str, int])


class Receipt:
    """Decodes messages and counts by `seq` what is missing between them, for each run (`stream`) of each device: a broker may bring
    many, by whose names (`publish.device`) they are told apart.

    What was sent before the first message of each topic is not counted, but in a run that began after the last message of another
    run of its device: that is a restart, of which all should have come. A run that began before is a second daemon of the same
    name. At most `devices` are known at once: the one that was silent longest is forgotten, and is new when it comes again.
    """

    def __init__(self, devices: int = MOST_DEVICES) -> None:
        """Nothing was received yet."""
        self._runs = Runs(_Run, devices)

    def __call__(self, parts: Sequence[bytes]) -> Message:
        """Return the message of these parts. Raises ClientError when they are not one of ours."""
        topic, header, payload = _decoded(parts)
        return Message(topic, header, payload, self._lost(topic, header))

    def _lost(self, topic: str, header: Header) -> int:
        if topic not in HEADERS:  # who knows how many there are
            return 0
        run, others, _ = self._runs.of(header)
        if others:
            began_ns = header.time_ns - header.at_sample * SAMPLE_NS
            run.whole = began_ns > others[-1].latest_ns - CLOCK_SLACK_NS
        run.latest_ns = header.time_ns
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
