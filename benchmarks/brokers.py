"""How events travel from many devices to one subscriber: directly, through a proxy, through two of them, and through NATS.

    python -m benchmarks.brokers [--devices 1 10 100 1000] [--quick] [--out FOLDER]

Devices are publishing sockets of their own in two processes, with messages as a daemon sends them (benchmarks/rig/devices.py): utterances of
3.2 s, most of whose messages are audio of 80 ms. The brokers are the programs in examples/brokers, and a nats-server where one is installed;
all on this machine, over ipc and loopback. Paced: 1.2 messages a second and device, at least 50; the delay is from before a message is encoded to after it
is decoded. Flood: all devices send as fast as they can; what a broker's queue does not hold is lost, and counted as every subscriber can: by `seq`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import zmq
from benchmarks import tables

from inherentd.client.connecting import LARGEST_PART_BYTES
from inherentd.client.message import Receipt

BROKERS = Path(__file__).parents[1] / "examples" / "brokers"
DEVICES = (1, 10, 100, 1000)
WAYS = ("direct", "proxy", "two proxies", "NATS")
MESSAGES_A_SECOND = 1.2
"""a device: health, and now and then an utterance"""
FEWEST_A_SECOND = 50.0
QUEUE = 1_000_000
SILENCE_SECONDS = 3.0
"""after which nothing more will come"""
READY_SECONDS = 60


@dataclass
class Arrivals:
    """What the subscriber got in one part of a run."""

    delays_ms: list[float] = field(default_factory=list[float])
    lost: int = 0
    began: float = 0.0
    ended: float = 0.0

    def take(self, receipt: Receipt, parts: list[bytes]) -> None:
        """Decode and note one message."""
        message = receipt(parts)
        now = time.time_ns()
        self.ended = time.monotonic()
        self.began = self.began or self.ended
        self.delays_ms.append((now - message.header.time_ns) / 1e6)
        self.lost += message.lost


def main() -> int:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=list(DEVICES), metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the paced part (default: %(default)s)")
    parser.add_argument("--flood", type=int, default=20_000, metavar="MESSAGES", help="(default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="ten devices, seconds")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.devices, arguments.seconds, arguments.flood = [10], 1.0, 1_000
    rows: list[list[tables.Cell]] = []
    left_out = without_nats(nats_server())
    if left_out:
        print(left_out, file=sys.stderr)
    for devices in arguments.devices:
        for way in WAYS:
            if way == "NATS" and left_out:
                continue
            row = asyncio.run(measure(way, devices, arguments.seconds, arguments.flood))
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
    table = tables.Table(
        title="Events through brokers",
        command=tables.command_line("benchmarks.brokers"),
        conditions=tables.machine() | tables.versions_of(["inherentd", "pyzmq", "nats-py"]) | server_version() | {
            "messages": "as a daemon's: of 43 of an utterance, 40 are audio of 80 ms, 2560 bytes and a header",
            "paced": f"{MESSAGES_A_SECOND:g} messages a second and device, at least {FEWEST_A_SECOND:g}, for {arguments.seconds:g} s",
            "flood": f"{arguments.flood} messages of all devices together",
        },
        columns=["way", "devices", "messages/s, paced", "ms p50", "ms p99", "lost, paced", "messages/s, flood", "lost, flood"],
        rows=rows,
        notes=["Devices, brokers and the subscriber share this machine's cores: on machines of their own each does more.",
               "A delay is the wall clock of the same machine at both ends; a busy machine shows in p99.", *([left_out] if left_out else [])],
    )  # fmt: skip
    tables.publish(arguments.out, "brokers", table)
    return 0


async def measure(way: str, devices: int, seconds: float, flood: int) -> list[tables.Cell]:
    """Return a row of the table."""
    rate = max(FEWEST_A_SECOND, MESSAGES_A_SECOND * devices)
    receipt = Receipt()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="inherentd"))
        endpoints = [f"ipc://{folder}/{number}" for number in range(devices)]
        half = max(1, devices // 2)
        sizes = [size for size in (half, devices - half) if size]
        groups = [stack.enter_context(running(["-m", "benchmarks.rig.devices", folder, str(first), str(size)], stdin=True))
                  for first, size in zip((0, half), sizes, strict=False)]  # fmt: skip
        incoming = stack.enter_context(Incoming())
        await incoming.open(way, folder, endpoints, stack)
        await asyncio.to_thread(wait_ready, groups)
        paced, sent_paced = await incoming.part(
            groups, [f"paced {rate * size / devices} {seconds}" for size in sizes], receipt
        )
        flooded, sent_flood = await incoming.part(
            groups, [f"flood {flood * size // devices}" for size in sizes], receipt
        )
    taken = max(1e-9, flooded.ended - flooded.began)
    p50, p99 = np.percentile(paced.delays_ms, [50, 99]) if paced.delays_ms else (0.0, 0.0)
    return [way, devices, round(rate), round(float(p50), 2), round(float(p99), 2), sent_paced - len(paced.delays_ms),
            round(len(flooded.delays_ms) / taken), sent_flood - len(flooded.delays_ms)]  # fmt: skip


class Incoming:
    """The subscriber's end: of ZeroMQ, or of NATS."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._nats: Any = None
        self._waiting = ThreadPoolExecutor(1)
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.shutdown(wait=False)
        self._context.destroy(linger=0)

    async def open(self, way: str, folder: str, endpoints: list[str], stack: ExitStack) -> None:
        """Start what lies between, and subscribe to everything."""
        listed = Path(folder) / "daemons"
        listed.write_text("\n".join(endpoints) + "\n")
        if way == "NATS":
            await self._open_nats(listed, stack)
            return
        wanted = endpoints
        if way != "direct":
            wanted = [f"ipc://{folder}/out"]
            stack.enter_context(proxy(["--daemons", str(listed)], wanted[0]))
        if way == "two proxies":
            below, wanted = wanted[0], [f"ipc://{folder}/top"]
            stack.enter_context(proxy(["--daemon", below], wanted[0]))
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_PART_BYTES)
        self._socket.subscribe(b"")
        for endpoint in wanted:
            self._socket.connect(endpoint)

    async def _open_nats(self, listed: Path, stack: ExitStack) -> None:
        import nats

        port = free_port()
        program = nats_server()
        assert program is not None
        stack.enter_context(process([program, "-a", "127.0.0.1", "-p", str(port)]))
        url = f"nats://127.0.0.1:{port}"
        self._nats = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0, error_cb=_not_yet)
        await self._nats.subscribe("inherent.>", cb=self._queue.put)
        await self._nats.flush()
        bridge = [str(BROKERS / "nats_bridge.py"), "--daemons", str(listed), "--nats", url, "--queue", str(QUEUE)]
        stack.enter_context(running(bridge))

    async def part(
        self, groups: list[subprocess.Popen[str]], tasks: list[str], receipt: Receipt
    ) -> tuple[Arrivals, int]:
        """Give each group its task and return what came of it, and how many they sent."""
        arrivals = Arrivals()
        for group, task in zip(groups, tasks, strict=True):
            assert group.stdin is not None
            group.stdin.write(task + "\n")
            group.stdin.flush()
        told = self._waiting.submit(lambda: sum(int(line(group)) for group in groups))
        while True:
            parts = await self._next(SILENCE_SECONDS)
            if parts is None:
                if told.done():
                    return arrivals, told.result()
                continue
            arrivals.take(receipt, parts)
            if told.done() and len(arrivals.delays_ms) == told.result():
                return arrivals, told.result()

    async def _next(self, seconds: float) -> list[bytes] | None:
        if self._socket is not None:
            # No asyncio around the socket: its own cost would be the figure.
            return self._socket.recv_multipart() if self._socket.poll(round(seconds * 1000)) else None
        try:
            message = await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None
        header, line_end, payload = message.data.partition(b"\n")
        return [message.headers["topic"].encode(), header, *([payload] if line_end else [])]


async def _not_yet(_: Exception) -> None:
    """The server is still starting."""


def proxy(source: list[str], out: str) -> Any:
    """Return a running proxy."""
    return running([str(BROKERS / "proxy.py"), *source, "--out", out, "--queue", str(QUEUE)])


@contextmanager
def running(arguments: list[str], *, stdin: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program of ours."""
    with process([sys.executable, *arguments], stdin=stdin) as started:
        yield started


@contextmanager
def process(command: Iterable[str], *, stdin: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the block ends."""
    started = subprocess.Popen(
        list(command), stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(5)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        for pipe in (started.stdin, started.stdout):
            if pipe is not None:
                pipe.close()


def line(group: subprocess.Popen[str]) -> str:
    """Return the next line of a group of devices."""
    assert group.stdout is not None
    return group.stdout.readline().strip()


def wait_ready(groups: list[subprocess.Popen[str]]) -> None:
    """Wait until every device has its subscriber. RuntimeError when a group ended instead."""
    for group in groups:
        if line(group) != "ready":
            raise RuntimeError(f"devices ended with {group.wait(READY_SECONDS)}, expected them to be ready")


def nats_server() -> str | None:
    """Return the program; Debian puts it where plain users do not look."""
    return shutil.which(
        "nats-server", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )


def without_nats(server: str | None, module: str = "nats") -> str:
    """Return why NATS is left out, or "". server: the program; module: the client's."""
    if server is None:
        return "NATS is left out: no nats-server here (apt-get install nats-server)."
    if importlib.util.find_spec(module) is None:
        return f"NATS is left out: no module {module} here (pip install 'inherentd[nats]')."
    return ""


def server_version() -> dict[str, str]:
    """Return what nats-server says of itself."""
    program = nats_server()
    if program is None:
        return {}
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return {"nats-server": done.stdout.split()[-1].removeprefix("v")}


def free_port() -> int:
    """Return a TCP port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
