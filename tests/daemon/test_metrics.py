"""/metrics and /health as Prometheus, a supervisor and a hostile peer meet them: over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inherentd.daemon import metrics
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.metrics.exposition import Exposition
from inherentd.daemon.metrics.figures import STEP_BUCKETS_SECONDS, STUCK_SECONDS, Figures, RunningModel
from inherentd.daemon.metrics.handler import CONNECTION_SECONDS
from inherentd.daemon.metrics.server import MOST_CONNECTIONS, MetricsServer
from inherentd.daemon.metrics.table import INFO, INFO_MEANING, METRICS, STEP_MEANING, STEP_SECONDS
from inherentd.daemon.security import http_address

DOCUMENT = Path(__file__).parents[2] / "docs" / "observability.md"
MODEL = RunningModel(version="1.2.3", hash="abc", backend="onnx", processor='onnx on cpu (asked for "tpu")')


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    figures: Figures
    clock: Clock
    server: MetricsServer
    host: str = "127.0.0.1"
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = int(self.server.address.rpartition(":")[2])

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def health(self) -> tuple[int, dict[str, object]]:
        status, _, body = self.ask("GET", "/health")
        return status, json.loads(body)

    def peer(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=10)
        connection.sendall(sent)
        return connection


@pytest.fixture
def served() -> Iterator[Served]:
    clock = Clock()
    figures = Figures(MODEL, ["hasPhotoQuery", "hasStartTimerIntent"], clock)
    figures.tell("listening")
    with MetricsServer("127.0.0.1:0", figures) as server:
        yield Served(figures, clock, server)


def values(text: bytes) -> dict[tuple[str, ...], float]:
    """Every sample by its name and label values."""
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_what_was_counted_is_what_prometheus_reads(served: Served) -> None:
    figures = served.figures
    figures.frames, figures.overflows, figures.gate_openings, figures.false_accepts = 50, 2, 3, 1
    figures.intents["hasPhotoQuery"] += 2
    figures.closings["silence"] += 3
    figures.queues["publisher"] = 7
    figures.observe_jitter(12.5)
    figures.observe_jitter(2.5)
    figures.clock_drift_ppm = 20.0
    served.clock.now += 4
    status, headers, body = served.ask("GET", "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    read = values(body)
    assert read["inherentd_frames_total",] == 50
    assert read["inherentd_overflows_total",] == 2
    assert read["inherentd_false_accepts_total",] == 1
    assert read["inherentd_intents_total", "hasPhotoQuery"] == 2
    assert read["inherentd_intents_total", "hasStartTimerIntent"] == 0
    assert read["inherentd_gate_closings_total", "silence"] == 3
    assert read["inherentd_queue_depth", "publisher"] == 7
    assert read["inherentd_callback_jitter_max_seconds",] == 0.0125
    assert read["inherentd_clock_drift_ratio",] == pytest.approx(20e-6)
    assert read["inherentd_uptime_seconds",] == 4
    assert read["inherentd_state", "listening"] == 1
    assert sum(value for (name, *_), value in read.items() if name == "inherentd_state") == 1
    assert read["inherentd_resident_memory_bytes",] > 10e6
    info = next(f for f in text_string_to_metric_families(body.decode()) if f.name == "inherentd_info")
    assert info.samples[0].labels == {
        "version": "1.2.3", "hash": "abc", "backend": "onnx", "processor": 'onnx on cpu (asked for "tpu")'
    }  # fmt: skip


def test_steps_fall_into_their_buckets() -> None:
    figures = Figures()
    for seconds, count in ((60e-6, 1), (0.002, 1), (0.03, 10), (5.0, 1), (1.0, 0)):
        figures.observe_step(seconds, count)
    read = values(Exposition(figures).text())
    counts = {key[1]: value for key, value in read.items() if key[0] == f"{STEP_SECONDS}_bucket"}
    assert [counts[f"{bound:g}"] for bound in STEP_BUCKETS_SECONDS] == [0, 1, 1, 1, 1, 2, 12, 12, 12, 12, 12]
    assert counts["+Inf"] == read[f"{STEP_SECONDS}_count",] == 13
    assert read[f"{STEP_SECONDS}_sum",] == pytest.approx(5.03206)


@pytest.mark.parametrize("state", ["starting", "silent", "stalled", "stopping"])
def test_health_is_503_while_nothing_is_heard(served: Served, state: str) -> None:
    assert served.health()[0] == 200
    served.figures.tell(state, "microphone: the device is gone")
    served.clock.now += 2
    status, told = served.health()
    assert status == 503
    assert (told["state"], told["reason"], told["state_seconds"]) == (state, "microphone: the device is gone", 2)
    assert told["trouble"] == f"{state}: microphone: the device is gone"
    assert told["model"]["version"] == "1.2.3"
    served.figures.tell("muted")
    assert served.health()[0] == 200
    assert served.figures.muted


def test_a_loop_that_hangs_is_not_healthy_whatever_it_last_said(served: Served) -> None:
    served.clock.now += STUCK_SECONDS + 1
    status, told = served.health()
    assert (status, told["state"]) == (503, "listening")
    assert "has not answered for 6 s" in told["trouble"]
    assert values(served.ask("GET", "/metrics")[2])["inherentd_healthy",] == 0


def test_head_other_paths_and_other_methods(served: Served) -> None:
    status, headers, body = served.ask("HEAD", "/health")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 50
    assert headers["Server"] == "inherentd"
    assert served.ask("GET", "/metrics?format=x")[0] == 200
    for path in ("/", "/metrics/", "/../etc/passwd", "//health/x", "/<script>"):
        status, _, body = served.ask("GET", path)
        assert (status, body) == (404, b"404 Not Found\n")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        status, headers, body = served.ask(method, "/metrics")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        assert method.encode() not in body


def test_a_web_page_that_points_its_name_here_gets_nothing(served: Served) -> None:
    for host in ("evil.example", "evil.example:80"):
        assert served.ask("GET", "/health", Host=host)[0] == 421
    for host in ("localhost:1", "127.0.0.1", "[::1]:80", "192.168.1.2:5712"):
        assert served.ask("GET", "/health", Host=host)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x16\x03\x01garbage\r\n\r\n",
        b"GET /<secret> HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 1_000_000,
        b"GET /" + b"secret" * 20_000,
        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"\r\n" * 10_000,
    ],
    ids=["tls", "version", "one word", "long header", "long line", "many headers", "empty lines"],
)
def test_garbage_is_answered_shortly_or_not_at_all(
    served: Served, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = b""
    with contextlib.suppress(OSError), served.peer(sent) as peer:
        peer.shutdown(socket.SHUT_WR)
        while piece := peer.recv(65536):
            answer += piece
    assert len(answer) < 1_000
    assert b"secret" not in answer
    assert served.health()[0] == 200
    assert capfd.readouterr().err == ""


def test_slow_and_silent_peers_take_no_place_for_long(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    threads_before, began = threading.active_count(), time.monotonic()
    peers = [served.peer(b"GET /health HT") for _ in range(MOST_CONNECTIONS)]
    while threading.active_count() < threads_before + MOST_CONNECTIONS:
        time.sleep(0.01)
    with pytest.raises((OSError, http.client.HTTPException)):  # all places are taken: ended at once
        served.ask("GET", "/health")
    dripping = True
    while dripping and time.monotonic() < began + 3 * CONNECTION_SECONDS:  # a byte now and then never lets a read wait
        time.sleep(0.2)
        dripping = threading.active_count() > threads_before
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sendall(b"T")
    assert not dripping
    assert time.monotonic() - began < CONNECTION_SECONDS + 2
    assert served.health()[0] == 200
    for peer in peers:
        peer.close()
    assert capfd.readouterr().err == ""


def test_five_hundred_half_open_connections(served: Served) -> None:
    peers = []
    for _ in range(500):
        with contextlib.suppress(OSError):
            peers.append(served.peer())
    assert threading.active_count() < 30
    for peer in peers:
        peer.close()
    deadline = time.monotonic() + CONNECTION_SECONDS + 2
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if served.health()[0] == 200:
                return
        time.sleep(0.1)
    pytest.fail("it did not recover")


def test_counting_goes_on_while_it_is_read(served: Served) -> None:
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            served.figures.closings[f"reason {number % 500}"] += 1
            served.figures.observe_step(0.001)

    counting = threading.Thread(target=count)
    counting.start()
    try:
        for _ in range(20):
            read = values(served.ask("GET", "/metrics")[2])
            assert read[f"{STEP_SECONDS}_bucket", "+Inf"] == read[f"{STEP_SECONDS}_count",]
    finally:
        stop.set()
        counting.join()


def test_a_port_that_is_taken_and_one_that_is_free_again(served: Served) -> None:
    address = served.server.address
    with pytest.raises(DaemonError, match=rf"^metrics.endpoint: {address} is already in use"):
        MetricsServer(address, Figures())
    served.server.close()
    with MetricsServer(address, Figures()) as again:
        assert again.address == address


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("127.0.0.1:5712", ("127.0.0.1", 5712)),
        ("localhost:0", ("127.0.0.1", 0)),
        (":80", ("127.0.0.1", 80)),
        ("[::1]:5712", ("::1", 5712)),
    ],
)
def test_endpoints(given: str, expected: tuple[str, int]) -> None:
    assert http_address.parse(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("5712", "got '5712', expected HOST:PORT"),
        ("127.0.0.1:70000", "expected HOST:PORT"),
        ("::1:80", "expected HOST:PORT"),
        ("http://127.0.0.1:80", "expected HOST:PORT"),
        ("", "expected HOST:PORT"),
        ("example.org:80", "is no IP address"),
        ("0.0.0.0:5712", "other machines reach 0.0.0.0"),
        ("[::]:5712", "security.insecure"),
        ("192.168.1.5:5712", "other machines reach"),
    ],
)
def test_endpoints_that_make_no_sense(given: str, message: str) -> None:
    with pytest.raises(DaemonError, match=re.escape(message)):
        http_address.parse(given)


def test_every_interface_only_when_that_is_wanted() -> None:
    with MetricsServer("0.0.0.0:0", Figures(), insecure=True) as server:
        assert server.address.startswith("0.0.0.0:")


def test_without_an_endpoint_nothing_is_loaded() -> None:
    code = (
        "import sys\n"
        "from inherentd.daemon import metrics\n"
        "with metrics.serve(None, metrics.Figures()): pass\n"
        "print(sorted({'prometheus_client', 'http.server'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with metrics.serve("127.0.0.1:0", Figures()) as server:
        assert isinstance(server, MetricsServer)


def test_the_page_shows_every_metric() -> None:
    rows = [(m.name, m.kind, f" by `{m.label}`" if m.label else "", m.meaning) for m in METRICS]
    rows += [(STEP_SECONDS, "histogram", "", STEP_MEANING), (INFO, "info", "", INFO_MEANING)]
    expected = [f"| `{name}`{label} | {kind} | {meaning} |" for name, kind, label, meaning in rows]
    shown = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `inherentd_")]
    assert shown == expected
    told = {family.name for family in text_string_to_metric_families(Exposition(Figures()).text().decode())}
    assert told == {name.removesuffix("_total") for name, *_ in rows}
