"""Throw nonsense at every port and every file of a daemon, and see that nothing crashes, leaks or answers what it should not.

    python -m benchmarks.hostile [--inputs 10000] [--quick] [--out hostile.json]

The daemon listens with CURVE on its tcp ports (events and control), with /metrics on HTTP, to a file that is played for hours.
Meanwhile: random bytes, cut-off and half-open connections, ZeroMQ greetings with nonsense behind them, clients with keys that nobody
authorised, malformed and absurd requests from a client who may ask, floods of subscriptions, HTTP rubbish. Files: models, metadata and configurations with bytes
flipped, cut and swapped, opened in a process of their own each. Exit code 1 when the daemon ended, a corrupt file ended a process other than
with one line of error, memory stayed over 5 MB higher, somebody without a key received a message, or the daemon was deaf.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile
import zmq
from benchmarks.rig.daemon import PROGRAM, RunningDaemon

from inherentd.client import ClientError, Control, keys
from inherentd.daemon.config_layers import known_keys
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.engine_setup import SHIPPED_MODELS
from inherentd.daemon.security import clients, new_keys

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\0" + bytes(31)
LEAK_MB = 5.0  # over all inputs
AT_ONCE = 4  # peers
SOCKET_SHARE = 0.9  # of the inputs; the others are files, which take a process each


class Target:
    """A daemon with every port open, and clients who may and who may not."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make keys, start it, and wait until it listens."""
        self.random = random.Random(seed)
        self.keys = folder / "keys"
        new_keys.write_pair(new_keys.new_pair(), self.keys / new_keys.SERVER, force=False)
        self.friend, self.listener_only, self.operator = new_keys.new_pair(), new_keys.new_pair(), new_keys.new_pair()
        allowed = {"friend": clients.Client(self.friend.public.decode(), ["events", "audio", "control"]),
                   "listener": clients.Client(self.listener_only.public.decode(), ["events"]),
                   "operator": clients.Client(self.operator.public.decode(), ["control"])}  # fmt: skip
        clients.write(self.keys, allowed)
        self.server_public = keys.read_secret(self.keys / new_keys.SERVER).public
        self.events, self.control, self.http = free_endpoint(), free_endpoint(), free_endpoint().removeprefix("tcp://")
        talk = folder / "talk.wav"
        noise = np.random.default_rng(1).normal(0, 3000, 16_000 * 600).astype(np.int16)
        soundfile.write(talk, np.tile(noise, 6), 16_000)
        settings = {"security.curve": "true", "security.keys": str(self.keys), "metrics.endpoint": self.http}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        self.daemon = RunningDaemon(
            ["--input", str(talk), "--backend", "onnx", *sets], endpoint=self.events, control_endpoint=self.control,
            keys=keys.ClientKeys(self.server_public, self.friend),
        )  # fmt: skip
        if self.daemon.wait(lambda m: m.topic == "health" and m.header["frames"] > 100) is None:
            raise SystemExit(f"the daemon does not listen:\n{self.daemon.log}")

    def client(self, pair: keys.KeyPair) -> Control:
        """Return a control client with a key."""
        return Control(self.control, keys.ClientKeys(self.server_public, pair))

    def raw(self, endpoint: str, data: bytes, *, hold: bool = False) -> None:
        """Connect, send bytes and leave, or leave it open for the while."""
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        with contextlib.suppress(OSError):
            connection = socket.create_connection((host, int(port)), timeout=2)
            connection.settimeout(0.05)
            connection.sendall(data)
            if hold:
                self.held.append(connection)
                if len(self.held) > 100:
                    self.held.pop(0).close()
                return
            with contextlib.suppress(OSError):
                connection.recv(4096)
            connection.close()

    held: list[socket.socket] = []  # noqa: RUF012 (one target a process)


def random_bytes(target: Target) -> str:
    """Random bytes at a random port."""
    endpoint = target.random.choice([target.events, target.control, f"tcp://{target.http}"])
    target.raw(endpoint, target.random.randbytes(target.random.randrange(1, 4000)))
    return ""


def half_open(target: Target) -> str:
    """A connection that says a little and stays."""
    endpoint = target.random.choice([target.events, target.control, f"tcp://{target.http}"])
    target.raw(endpoint, GREETING[: target.random.randrange(0, 64)], hold=True)
    return ""


def greeting_and_nonsense(target: Target) -> str:
    """A right ZeroMQ greeting, then a handshake that is none."""
    endpoint = target.random.choice([target.events, target.control])
    command = bytes([target.random.choice([4, 6, 0, 2, 255]), target.random.randrange(256)])
    target.raw(endpoint, GREETING + command + target.random.randbytes(target.random.randrange(0, 500)))
    return ""


def unknown_key(target: Target) -> str:
    """A client whose key nobody authorised, at both ports: it must get nothing."""
    got = _listened(target, new_keys.new_pair(), 0.15)
    with contextlib.suppress(ClientError), target.client(new_keys.new_pair()) as client:
        client.ask("status", timeout_seconds=0.15)
        got += 1
    return "an unauthorised key was answered" if got else ""


def events_key_at_control(target: Target) -> str:
    """A client who may have events, asking for control, and listening for audio."""
    with contextlib.suppress(ClientError), target.client(target.operator) as client:
        client.ask("audio", start=0, stop=100, timeout_seconds=5)
        return "a key without audio got audio by a request"
    with contextlib.suppress(ClientError), target.client(target.listener_only) as client:
        client.ask("mute", timeout_seconds=0.15)
        return "a key without control was obeyed"
    return "a key without audio got audio" if _listened(target, target.listener_only, 0.2, b"audio") else ""


def malformed_request(target: Target) -> str:
    """Rubbish from somebody who may ask: it must be refused in words, or ignored."""
    pick = target.random
    absurd: list[Any] = [
        b"", b"{", b"null", b"[]" * pick.randrange(1, 999), b"[" * 5000, pick.randbytes(pick.randrange(1, 3000)),
        {"request": "thresholds.set", "thresholds": {"is_interesting": pick.choice([2, -1, "x", [], 1e400])}},
        {"request": "thresholds.set", "thresholds": {pick.randbytes(4).hex(): 0.5}},
        {"request": "audio", "start": pick.choice([-1, 2**62, "a", None]), "stop": pick.choice([0, 2**63, 1e30, 5])},
        {"request": "context.set", "expecting_reply_ms": pick.choice([-1, 10**9, "soon"])},
        {"request": pick.choice(["", "sudo", "stop ", "STATUS", 7]), "id": pick.choice([1, "a" * 1000, {}, None])},
        {"request": "mark", "utterance": pick.choice([0, -3, 10**9]), "addressed": pick.choice([True, "yes"])},
        {"request": "status", "extra": {"a": [1] * pick.randrange(1000)}},
        {"request": "reload", "file": "elsewhere"},
    ]  # fmt: skip
    what = pick.choice(absurd)
    body = what if isinstance(what, bytes) else json.dumps(what).encode()
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        _identify(dealer, target, target.friend)
        dealer.connect(target.control)
        frames = [body] * pick.choice([1, 1, 1, 2, 5])
        dealer.send_multipart(frames)
        if dealer.poll(10_000):
            reply = msgspec.json.decode(dealer.recv_multipart()[-1])
            return f"a malformed request was obeyed: {what!r}" if reply["ok"] else ""
    return f"no answer to {body[:60]!r}"


def subscription_flood(target: Target) -> str:
    """Thousands of subscriptions from somebody who may listen."""
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        _identify(sub, target, target.listener_only)
        for _ in range(2000):
            sub.subscribe(target.random.randbytes(20))
        sub.connect(target.events)
        time.sleep(0.2)
    return ""


def http_rubbish(target: Target) -> str:
    """HTTP that is none."""
    pick = target.random
    requests = [
        b"GET / HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"A: " + b"b" * 70_000,
        b"GET " + b"a" * pick.randrange(1, 70_000) + b" HTTP/1.1\r\n\r\n", pick.randbytes(2000), b"\r\n" * 5000,
    ]  # fmt: skip
    target.raw(f"tcp://{target.http}", pick.choice(requests))
    return ""


PORTS: dict[str, tuple[int, Callable[[Target], str]]] = {
    "random bytes": (30, random_bytes),
    "half-open connections": (20, half_open),
    "greeting and nonsense": (20, greeting_and_nonsense),
    "malformed requests of an authorised client": (15, malformed_request),
    "HTTP rubbish": (10, http_rubbish),
    "unauthorised keys": (3, unknown_key),
    "keys without permission": (1, events_key_at_control),
    "floods of subscriptions": (1, subscription_flood),
}


def _identify(client: zmq.Socket[bytes], target: Target, pair: keys.KeyPair) -> None:
    client.setsockopt(zmq.LINGER, 0)
    client.setsockopt(zmq.CURVE_SERVERKEY, target.server_public)
    client.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
    client.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)


def _listened(target: Target, pair: keys.KeyPair, seconds: float, topic: bytes = b"") -> int:
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        _identify(sub, target, pair)
        sub.subscribe(topic)
        sub.connect(target.events)
        return int(bool(sub.poll(round(seconds * 1000))))


def corrupt(data: bytes, pick: random.Random) -> bytes:
    """Return bytes with some flipped, cut off, doubled or replaced."""
    changed = bytearray(data)
    match pick.randrange(4):
        case 0:
            for _ in range(pick.choice([1, 10, 1000])):
                changed[pick.randrange(len(changed))] = pick.randrange(256)
        case 1:
            del changed[pick.randrange(len(changed)) :]
        case 2:
            start = pick.randrange(len(changed))
            changed[start : start + pick.randrange(1, 500)] = pick.randbytes(pick.randrange(1, 500))
        case _:
            changed = bytearray(pick.randbytes(pick.randrange(0, 5000)))
    return bytes(changed)


def corrupt_model(folder: Path, pick: random.Random) -> str:
    """A model or its metadata is damaged; half of the damaged models come with the right checksum."""
    source = pick.choice([path for path in SHIPPED_MODELS.values() if path.suffix in (".onnx", ".tflite")])
    model, sidecar = folder / source.name, folder / source.with_suffix(".metadata.json").name
    shutil.copy(source, model)
    document = json.loads(source.with_suffix(".metadata.json").read_text())
    if pick.random() < 0.5:
        model.write_bytes(corrupt(model.read_bytes(), pick))
        if pick.random() < 0.5:
            import hashlib

            document["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
        sidecar.write_text(json.dumps(document))
    else:
        sidecar.write_bytes(corrupt(json.dumps(document).encode(), pick))
    clip = folder / "clip.wav"
    if not clip.exists():
        soundfile.write(clip, np.zeros(16_000, np.int16), 16_000)
    return _ended_well(["score", "--json", "--model", str(model), str(clip)])


def corrupt_configuration(folder: Path, pick: random.Random) -> str:
    """A configuration that is damaged, or sets what does not exist or makes no sense."""
    path = folder / "config.yaml"
    good = (Path(SHIPPED_MODELS["onnx"]).parent.parent / "configs" / "daemon.yaml").read_bytes()
    key = pick.choice(known_keys()).replace(".", ": {", 1) + ": "
    value = pick.choice(
        ["-1", "1e99", "[]", "{a: b}", "'x'", "true", "null", "!!python/object:os.system {}", "&a [*a]"]
    )
    path.write_bytes(corrupt(good, pick) if pick.random() < 0.5 else f"{key}{value}}}\n".encode())
    clip = folder / "clip.wav"
    if not clip.exists():
        soundfile.write(clip, np.zeros(16_000, np.int16), 16_000)
    return _ended_well(["score", "--json", "--backend", "onnx", "--config", str(path), str(clip)])


def _ended_well(arguments: list[str]) -> str:
    """Run a command. It may work, or say in one line why not."""
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
        return f"exit code {done.returncode}: {done.stderr[-300:]}"
    return "" if done.returncode == 0 or done.stderr.strip() else "failed without a word"


FILES: dict[str, Callable[[Path, random.Random], str]] = {
    "corrupt models and metadata": corrupt_model,
    "corrupt configurations": corrupt_configuration,
}


def main() -> int:
    """Attack and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="200 inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = attack(200 if arguments.quick else arguments.inputs, arguments.seed)
    print("| input | times | problems |\n|---|---|---|")
    for name, times in result["inputs"].items():
        print(f"| {name} | {times} | {result['problems'].get(name, 0) or 'none'} |")
    print(json.dumps({key: value for key, value in result.items() if key not in ("inputs", "problems")}, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    leaked = result["rss_mb_after"] - result["rss_mb_before"] > LEAK_MB
    return 1 if result["problems"] or result["daemon_ended"] or result["deaf_messages"] or leaked else 0


def attack(inputs: int, seed: int) -> dict[str, Any]:
    """Return what was sent and what went wrong."""
    problems, sent, examples = Counter[str](), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        folder = Path(name)
        target = Target(folder, seed)
        names = [kind for kind, (weight, _) in PORTS.items() for _ in range(weight)]

        def throw_one(kind: str) -> None:
            found = PORTS[kind][1](target)
            sent[kind] += 1
            if found:
                problems[kind] += 1
                examples.append(found)

        def throw(count: int) -> None:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(throw_one, [target.random.choice(names) for _ in range(count)]))

        try:
            throw(min(1000, inputs // 4))  # the first ones fill buffers and caches that stay
            time.sleep(5)
            before = target.daemon.health
            throw(round(inputs * SOCKET_SHARE) - sum(sent.values()))
            for connection in target.held:
                connection.close()
            time.sleep(5)
            after = target.daemon.health
            with target.client(target.friend) as client:
                answered = client.ask("status")[0]["state"]
            deaf = sum(
                m.topic == "health" and m.header["state"] not in ("starting", "listening")
                for m in target.daemon.messages
            )
            ended = target.daemon.process.poll() is not None
            said = [line for line in target.daemon.log.splitlines() if "Traceback" in line]
        finally:
            target.daemon.close()
        for index in range(inputs - sum(sent.values())):
            kind = list(FILES)[index % len(FILES)]
            found = FILES[kind](folder, target.random)
            sent[kind] += 1
            if found:
                problems[kind] += 1
                examples.append(found)
    return {
        "inputs": dict(sent), "problems": dict(problems), "examples": examples[:20], "daemon_ended": ended,
        "answers_at_the_end": answered, "tracebacks": said, "deaf_messages": deaf,
        "rss_mb_before": round(before["rss"] / 1e6, 2), "rss_mb_after": round(after["rss"] / 1e6, 2),
        "dropped": after["dropped"],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
