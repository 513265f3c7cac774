"""What fleets of 10 to 1,000,000 devices cost, worked out from what was measured: arithmetic, with every input named.

    python -m benchmarks.fleet FOLDER [--awake-hours 4] [--utterances 60] … [--out FOLDER] [--page docs/scale.md]

FOLDER holds streams.json and brokers.json, as `benchmarks.streams` and `benchmarks.brokers` wrote them. Sizes of messages are those of the wire's
own types, encoded. --page puts the tables between `<!-- figures: NAME -->` and `<!-- end -->` of a page.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from benchmarks import tables
from benchmarks.rig.devices import AUDIO_MESSAGES, utterances

from inherentd.client.messages import HealthHeader

DEVICES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
RAW_BITS = 16_000 * 16
"""a second of the microphone's sound"""
CHUNKS_A_SECOND = 12.5
"""audio messages while a gate is open"""
MADE_ON = ("cpu", "cores", "date", "python", "inherentd", "onnxruntime", "load")
"""what is told of the measurements' conditions"""
FRAMING_BYTES = 40
"""TCP/IP header of what goes in a packet of its own, as an event does"""


@dataclass(frozen=True)
class Day:
    """What a device's day is like, and what a server is loaded with. Assumed, not measured."""

    awake_hours: float
    """of sound loud enough to be scored"""
    utterances: float
    """openings of the gate, right or wrong"""
    utterance_seconds: float
    """of audio published of each, its pre-roll in it"""
    peak: float
    """busiest hour over the mean"""
    load: float
    """of a core, or of a broker, that is used at the peak"""

    @property
    def awake_at_peak(self) -> float:
        """Return the share of devices that hear something in the busiest hour."""
        return min(1.0, self.awake_hours / 24 * self.peak)

    @property
    def openings_a_second(self) -> float:
        """Return utterances a second and device in the busiest hour."""
        return self.utterances * self.peak / 86_400


@dataclass(frozen=True)
class Measured:
    """What the other benchmarks found here."""

    talk_streams: float
    """a core, together, at the best number of streams"""
    talk_at: int
    silent_streams: float
    alone_share: float
    """of a core that one stream of talk takes by itself"""
    stream_mb: float
    proxy_messages: float
    nats_messages: float
    most_devices: int
    """that one broker had"""
    made_on: dict[str, str] = field(default_factory=dict[str, str])
    """of the streams and of the brokers: machine, versions and load"""

    @classmethod
    def read(cls, folder: Path) -> Measured:
        """Return what the tables say. ValueError or OSError where they are not there or are others."""
        found = {name: tables.read(folder / f"{name}.json") for name in ("streams", "brokers")}
        streams, brokers = map(_rows, found.values())
        talk = [row for row in streams if row["audio"] == "talk"]
        best = max(talk, key=lambda row: row["streams a core, together"])
        silent = next(row for row in streams if row["audio"] == "silence")
        most = max(row["devices"] for row in brokers)
        flood = {row["way"]: float(row["messages/s, flood"]) for row in brokers if row["devices"] == most}
        return cls(
            talk_streams=float(best["streams a core, together"]), talk_at=int(best["streams"]),
            silent_streams=float(silent["streams a core, together"]),
            alone_share=1 / float(min(talk, key=lambda row: row["streams"])["streams a core, apart"]),
            stream_mb=max(float(row["MB a stream, together"]) for row in talk), proxy_messages=flood["proxy"],
            nats_messages=flood.get("NATS", math.nan), most_devices=int(most),
            made_on={f"{name} measured on": told for name, table in found.items() if (told := _made_on(table.conditions))},
        )  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Bytes on the wire."""

    events: float
    """of an utterance, without its audio"""
    event_messages: float
    audio: float
    """of a message of 80 ms"""
    health: float

    @classmethod
    def encoded(cls) -> Sizes:
        """Return the sizes of the messages that the devices of benchmarks/rig/devices.py send."""
        events, audio, count = 0, 0, 0
        for topic, kind, fields, payload in itertools.islice(utterances(), AUDIO_MESSAGES + 3):
            header = kind(
                stream="0" * 32, device="device-000001", seq=123_456, time_ns=1_790_000_000_000_000_000, **fields
            )
            size = len(topic) + len(msgspec.json.encode(header)) + len(payload)
            if topic == b"audio":
                audio = size
            else:
                events, count = events + size + FRAMING_BYTES, count + 1
        health = HealthHeader(
            stream="0" * 32, device="device-000001", seq=123_456, at_sample=10**9, time_ns=1_790_000_000_000_000_000, state="listening",
            reason="", processor="onnx on cpu", muted=False, microphone="default", frames=10**7, overflows=0, gaps=0, dropped=0,
            jitter_ms=1.5, drift_ppm=12.5, cpu=0.0123, rss=93_000_000, uptime=86_400.0,
        )  # fmt: skip
        return cls(
            events, count, audio + FRAMING_BYTES, len(b"health") + len(msgspec.json.encode(health)) + FRAMING_BYTES
        )


def main() -> int:
    """Work out, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--awake-hours", type=float, default=4.0, help="of sound a day and device (default: %(default)s)"
    )
    parser.add_argument("--utterances", type=float, default=60.0, help="a day and device (default: %(default)s)")
    parser.add_argument(
        "--utterance-seconds", type=float, default=8.0, help="of audio published of each (default: %(default)s)"
    )
    parser.add_argument("--peak", type=float, default=3.0, help="busiest hour over the mean (default: %(default)s)")
    parser.add_argument(
        "--load", type=float, default=0.5, help="of a core or broker that is used at the peak (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("--page", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    day = Day(arguments.awake_hours, arguments.utterances, arguments.utterance_seconds, arguments.peak, arguments.load)
    try:
        measured = Measured.read(arguments.folder)
        made = {"fleet": gating(day, measured), "fleet-events": travelling(day, measured)}
        for name, table in made.items():
            tables.publish(arguments.out, name, table)
        if arguments.page:
            arguments.page.write_text(filled(arguments.page.read_text(), made))
    except (OSError, ValueError, KeyError) as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    return 0


def gating(day: Day, measured: Measured) -> tables.Table:
    """Return what it takes to gate on the devices, and on servers, by the number of devices."""
    sizes = Sizes.encoded()
    core = day.awake_at_peak / measured.talk_streams + (1 - day.awake_at_peak) / measured.silent_streams
    rows: list[list[tables.Cell]] = []
    for devices in DEVICES:
        openings = devices * day.openings_a_second
        audio = openings * day.utterance_seconds * CHUNKS_A_SECOND * sizes.audio
        cores = devices * core / day.load
        rows.append([
            f"{devices:,}", math.ceil(cores), math.ceil(devices * measured.stream_mb / 1000), _bits(devices * RAW_BITS),
            _bits(8 * openings * sizes.events), _bits(8 * (openings * sizes.events + audio)), _bits(8 * devices * sizes.health),
        ])  # fmt: skip
    return tables.Table(
        "What fleets cost: gating on servers against gating on the device",
        tables.command_line("benchmarks.fleet"),
        _conditions(day, measured),
        ["devices", "cores of servers", "GB of servers", "raw audio to servers", "events only, from devices", "events and their audio",
         "health of all, every second"],
        rows,
        [(f"On the device: no server at all; the engine takes {measured.alone_share:.2%} of a core while there is sound in this busy loop, "
          "the whole daemon several times that (README)."),
         (f"Cores: devices x ({day.awake_at_peak:.2f} / {measured.talk_streams:.0f} + {1 - day.awake_at_peak:.2f} / "
         f"{measured.silent_streams:.0f}) / {day.load:g}, where {day.awake_at_peak:.2f} are awake in the busiest hour, each among so many "
         f"streams of talk, or of silence, a core; taking the audio from the network and decoding it is not in it."),
         f"Raw audio: {RAW_BITS / 1000:.0f} kbit/s a device all day; a codec takes less, and CPU at both ends.",
         (f"Events: {sizes.event_messages:.0f} messages, {sizes.events:.0f} bytes an utterance; audio: {CHUNKS_A_SECOND:g} messages a "
         f"second of {sizes.audio:.0f} bytes.")],
    )  # fmt: skip


def travelling(day: Day, measured: Measured) -> tables.Table:
    """Return how many brokers what the devices tell takes, by the number of devices."""
    sizes = Sizes.encoded()
    rows: list[list[tables.Cell]] = []
    for devices in DEVICES:
        events = devices * day.openings_a_second * sizes.event_messages
        audio = devices * day.openings_a_second * day.utterance_seconds * CHUNKS_A_SECOND
        proxies = brokers(devices, events + audio, measured.most_devices, measured.proxy_messages * day.load)
        bridges = brokers(devices, events + audio, measured.most_devices, measured.nats_messages * day.load)
        top = shards(events + audio, measured.proxy_messages * day.load)
        rows.append([
            f"{devices:,}", round(events, 1), round(audio, 1), devices, proxies, top, bridges,
            way(proxies, top),
        ])  # fmt: skip
    return tables.Table(
        "How events of fleets travel",
        tables.command_line("benchmarks.fleet"),
        _conditions(day, measured),
        ["devices", "events/s", "audio messages/s", "health messages/s", "proxies beside the devices", "subscribers to share the work",
         "NATS bridges", "way"],
        rows,
        [(f"A proxy or bridge: at most {measured.most_devices:,} devices, as many as were tried here, and {day.load:g} of the messages a second "
         f"that it passed here: {measured.proxy_messages:,.0f} for a proxy, {measured.nats_messages:,.0f} for a bridge with its server."),
         "Subscribers: one process takes what a proxy takes; beyond that each takes a share of the devices (sharding).",
         "Health is not in the brokers' load: nobody far away should subscribe to it; ZeroMQ filters where it is published."],
    )  # fmt: skip


def brokers(devices: int, messages: float, most_devices: int, most_messages: float) -> int:
    """Return how many brokers take so many devices and messages a second."""
    return max(math.ceil(devices / most_devices), math.ceil(messages / most_messages))


def shards(messages: float, most_messages: float) -> int:
    """Return how many subscribers share so many messages a second."""
    return max(1, math.ceil(messages / most_messages))


def way(proxies: int, subscribers: int) -> str:
    """Return the simplest way that holds."""
    if proxies == 1:
        return "one subscriber, directly or through a proxy"
    if subscribers == 1:
        return "a tree: proxies below, one above"
    return "shards by device, each a tree; or a NATS cluster"


def filled(page: str, made: dict[str, tables.Table]) -> str:
    """Return a page with its tables replaced. ValueError where it has no place for one."""
    for name, table in made.items():
        text = "\n".join([*tables.grid(table.columns, table.rows), "", *(f"- {note}" for note in table.notes), "",
                          "Assumed and measured: " + "; ".join(f"{key} {value}" for key, value in table.conditions.items()) + "."])  # fmt: skip
        page, count = re.subn(
            rf"<!-- figures: {name} -->\n.*?<!-- end -->",
            lambda _, text=text, name=name: f"<!-- figures: {name} -->\n{text}\n<!-- end -->",
            page, flags=re.DOTALL,
        )  # fmt: skip
        if count != 1:
            raise ValueError(f"the page has {count} places `<!-- figures: {name} -->` … `<!-- end -->`, expected 1")
    return page


def _conditions(day: Day, measured: Measured) -> dict[str, str]:
    inputs = {
        "awake hours a day": day.awake_hours, "utterances a day": day.utterances, "seconds of audio of each": day.utterance_seconds,
        "busiest hour over the mean": day.peak, "load at the peak": day.load,
        f"streams of talk a core (at {measured.talk_at} together)": measured.talk_streams,
        "silent streams a core": measured.silent_streams, "MB a stream": measured.stream_mb,
    }  # fmt: skip
    return (
        {"worked out": tables.machine()["date"]}
        | measured.made_on
        | {name: f"{value:g}" for name, value in inputs.items()}
    )


def _made_on(conditions: dict[str, str]) -> str:
    return ", ".join(f"{name} {conditions[name]}" for name in MADE_ON if name in conditions)


def _rows(table: tables.Table) -> list[dict[str, tables.Cell]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _bits(a_second: float) -> str:
    for unit in ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"):
        if a_second < 1000 or unit == "Gbit/s":
            return f"{a_second:.3g} {unit}" if a_second < 1000 else f"{a_second:.0f} {unit}"
        a_second /= 1000
    return ""


if __name__ == "__main__":
    sys.exit(main())
