"""The dashboard over HTTP: a real process, a real daemon, and peers that are not kind."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inherentd.client import Control
from inherentd.daemon.cli import main
from inherentd.daemon.demo.processes import free_endpoint
from tests.daemon.conftest import Daemon, loud, quiet, write_wav
from tests.daemon.test_run import two_utterances
from tests.dashboard.running import PROGRAM, Dashboard, wait_until

StartDaemon = Callable[..., Daemon]
StartDashboard = Callable[..., Dashboard]
SCORES = ("--set", "publish.scores_per_second=50")


@pytest.fixture
def alone(dashboard: StartDashboard) -> Dashboard:
    """A dashboard of a daemon that does not run."""
    return dashboard(free_endpoint())


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """Two utterances, then a minute of a quiet room: the daemon is still there."""
    return write_wav(tmp_path / "long.wav", np.concatenate([two_utterances(), quiet(60)]))


@pytest.fixture
def heard(daemon: StartDaemon, dashboard: StartDashboard, long_file: Path) -> Dashboard:
    """A dashboard of a daemon that publishes scores."""
    return dashboard(daemon("--input", str(long_file), *SCORES).endpoint)


def whole(dashboard: Dashboard) -> dict[str, Any]:
    with dashboard.frames() as frames:
        return next(frames)


def test_what_a_daemon_tells_is_shown(daemon: StartDaemon, dashboard: StartDashboard, long_file: Path) -> None:
    running = daemon("--input", str(long_file), "--set", "publish.device=kitchen", *SCORES)
    shown = dashboard(running.endpoint)
    messages = running.until("gate.closed", utterance=2)
    wait_until(lambda: len(whole(shown)["utterances"]) == 2)
    told = whole(shown)
    assert told["daemon"] == {"present": True, "words": ""}
    assert (told["asking"], told["lost"], told["runs"]) == ("", 0, 1)
    assert (told["health"]["state"], told["health"]["device"]) == ("listening", "kitchen")
    assert told["heads"] == ["isInteresting", "hasPhotoQuery", "hasStartTimerIntent"]
    assert [event["topic"] for event in told["events"]] == ["gate.opened", "intent", "intent", "gate.closed"] * 2
    published = [header for topic, header, _ in messages if topic == "scores"]
    # Either may have joined some steps before the other; from then on both have every step.
    steps = [
        [header["time_ns"] // 1_000_000, [round(score, 4) for score in header["scores"].values()]]
        for header in published
    ]
    joined_ms = max(steps[0][0], told["scores"][0][0])
    steps = [step for step in steps if step[0] >= joined_ms]
    shown_steps = [[time_ms, scores] for time_ms, _, scores in told["scores"] if time_ms >= joined_ms]
    assert shown_steps[: len(steps)] == steps
    assert len(steps) > 100
    audio = b"".join(payload for topic, header, payload in messages if topic == "audio" and header["utterance"] == 2)
    utterance = told["utterances"][1]
    assert (utterance["complete"], utterance["reason"], list(utterance["intents"])) == (
        True,
        "silence",
        ["hasPhotoQuery"],
    )
    status, headers, wav = shown.ask("GET", f"/api/utterances/{utterance['stream']}/2.wav")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "audio/wav", "no-store")
    assert (wav[:4], wav[44:]) == (b"RIFF", audio)


def test_thresholds_are_tried_and_set(daemon: StartDaemon, dashboard: StartDashboard, long_file: Path) -> None:
    running = daemon("--input", str(long_file), *SCORES)
    shown = dashboard(running.endpoint)
    running.until("gate.closed", utterance=2)
    wait_until(lambda: len(whole(shown)["utterances"]) == 2)
    status, same = shown.told("POST", "/api/try", {"thresholds": {}})
    assert status == 200
    assert same["really"] == same["tried"]
    assert same["really"]["intents"] == {"hasPhotoQuery": 2}
    _, never = shown.told("POST", "/api/try", {"thresholds": {"is_interesting": 1}})
    assert (never["really"]["openings"], never["tried"]["openings"], never["gone"]) == (2, 0, 2)
    _, no_photo = shown.told("POST", "/api/try", {"thresholds": {"has_photo_query": 1}})
    assert (no_photo["tried"]["openings"], no_photo["tried"]["intents"]) == (2, {})
    with Control() as control:
        assert control.thresholds()["is_interesting"] == 0.6  # trying sets nothing
        assert shown.told("POST", "/api/thresholds", {"thresholds": {"is_interesting": 0.8}})[0] == 200
        assert control.thresholds()["is_interesting"] == 0.8
        assert shown.told("POST", "/api/mute", {"muted": True}) == (200, {"muted": True})
        assert control.status()["muted"]
        assert shown.told("POST", "/api/mute", {"muted": False}) == (200, {"muted": False})
        assert not control.status()["muted"]


NONSENSE: list[tuple[str, Any, str]] = [
    ("/api/try", {"thresholds": {"is_intresting": 0.5}}, "no head with the key 'is_intresting'; did you mean"),
    ("/api/try", {"thresholds": {"is_interesting": 1.5}}, "Expected `float` <= 1.0"),
    ("/api/try", {"thresholds": {"is_interesting": -0.1}}, "Expected `float` >= 0.0"),
    ("/api/try", {"thresholds": {"is_interesting": "high"}}, "Expected `float`, got `str`"),
    ("/api/try", b'{"thresholds": {"is_interesting": NaN}}', "JSON is malformed"),
    ("/api/try", {"threshold": {}}, "unknown field `threshold`"),
    ("/api/try", b"[" * 30_000, "makes no sense"),
    ("/api/try", b"\xff\xfe", "makes no sense"),
    (
        "/api/thresholds",
        {"thresholds": {"is_intresting": 0.5}},
        "no head with the key 'is_intresting'; did you mean",
    ),
    ("/api/thresholds", {"thresholds": {"is_interesting": 7}}, "Expected `float` <= 1.0"),
    ("/api/mute", {}, "missing required field `muted`"),
    ("/api/mute", b"", "makes no sense"),
]


def test_requests_that_make_no_sense(heard: Dashboard) -> None:
    wait_until(lambda: whole(heard)["scores"] and whole(heard)["status"])
    for path, body, message in NONSENSE:
        status, answer = heard.told("POST", path, body)
        assert status in (400, 502), (path, body)
        assert list(answer) == ["error"]
        assert message in answer["error"]
        assert "\n" not in answer["error"]


def test_without_scores_it_is_said_which_setting(
    daemon: StartDaemon, dashboard: StartDashboard, long_file: Path
) -> None:
    shown = dashboard(daemon("--input", str(long_file)).endpoint)
    status = wait_until(lambda: whole(shown)["status"])
    assert status["deciding"]["scores_every_samples"] == 0  # by this the page knows
    code, answer = shown.told("POST", "/api/try", {"thresholds": {}})
    assert (code, answer) == (409, {"error": "no scores of this model have come yet"})


def test_no_daemon(alone: Dashboard) -> None:
    told = whole(alone)
    assert not told["daemon"]["present"]
    assert told["daemon"]["words"].startswith("Nothing comes from tcp://127.0.0.1:")
    assert "goes on by itself" in told["daemon"]["words"]
    wait_until(lambda: "nobody answers at ipc://" in whole(alone)["asking"])
    status, answer = alone.told("POST", "/api/mute", {"muted": True})
    assert status == 502
    assert answer["error"].startswith("nobody answers at ipc://")
    status, answer = alone.told("POST", "/api/try", {"thresholds": {}})
    assert (status, answer["error"]) == (503, "the daemon has not yet said which thresholds it has")
    assert alone.told("GET", "/api/utterances/x/1.wav")[0] == 404


def test_a_daemon_that_comes_and_comes_again(
    daemon: StartDaemon, dashboard: StartDashboard, long_file: Path, model: Path
) -> None:
    running = daemon("--input", str(long_file), *SCORES)
    shown = dashboard(running.endpoint)
    with shown.frames() as frames:
        first = next(frame["status"]["stream"] for frame in frames if frame.get("status"))
        running.process.kill()
        running.process.wait()
        assert next(frame["daemon"] for frame in frames if "daemon" in frame and not frame["daemon"]["present"])
        again = subprocess.Popen([*PROGRAM, "run", "--model", str(model), "--input", str(long_file),
                                  "--set", f"publish.endpoint={running.endpoint}", *SCORES],
                                 stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            assert next(frame for frame in frames if frame.get("begin", first) != first)["runs"] == 2
            assert next(frame["status"] for frame in frames if frame.get("status"))["stream"] != first
        finally:
            again.kill()
            again.wait()


def test_only_who_has_the_key_gets_anything(alone: Dashboard) -> None:
    for path in ("/api/live", "/api/utterances/x/1.wav", "/api/nothing"):
        for given in ("", "Bearer ", "Bearer wrong", f"Basic {alone.key}", f"Bearer {alone.key}x", "Bearer \xe9"):
            status, answer = alone.told("GET", path, Authorization=given)
            assert (status, list(answer)) == (401, ["error"])
            assert "needs the key of the dashboard" in answer["error"]
    status, headers, page = alone.ask("GET", "/", Authorization="")
    assert (status, alone.key.encode() in page) == (200, False)
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    (key_file,) = Path(os.environ["XDG_RUNTIME_DIR"]).rglob("dashboard.key")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert key_file.read_text() == alone.key


def test_other_names_and_other_pages_are_refused(alone: Dashboard) -> None:
    for host in ("evil.example", "evil.example:5715", "127.0.0.1.evil.example"):
        assert alone.ask("GET", "/", Host=host)[0] == 421
    for host in ("localhost:1", "127.0.0.1", "[::1]:80"):
        assert alone.ask("GET", "/", Host=host)[0] == 200
    body = {"muted": True}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://{alone.listen}"):
        assert alone.told("POST", "/api/mute", body, Origin=origin)[0] == 403
    assert alone.told("POST", "/api/mute", body, Origin=f"http://{alone.listen}")[0] == 502  # no daemon, but allowed
    status, headers, _ = alone.ask("OPTIONS", "/api/mute", Origin="http://evil.example", Authorization="")
    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_other_paths_methods_and_sizes(alone: Dashboard) -> None:
    for path in ("/nothing", "/../pyproject.toml", "/%2e%2e/app.py", "/api/", "/.hidden", "/<script>"):
        status, _, body = alone.ask("GET", path)
        assert status == 404
        assert b"script" not in body
    assert alone.ask("GET", "/api/mute")[0] == 404
    assert alone.ask("DELETE", "/")[0] == 405
    status, answer = alone.told("POST", "/api/try", b" " * 100_000)
    assert (status, answer) == (413, {"error": "expected at most 65536 bytes"})


def test_a_thousand_streams_that_stay_open_take_sixteen_places(alone: Dashboard) -> None:
    host, _, port = alone.listen.rpartition(":")
    ask = f"GET /api/live HTTP/1.1\r\nHost: {alone.listen}\r\nAuthorization: Bearer {alone.key}\r\n\r\n".encode()
    peers, answers = [], []
    for _ in range(1000):
        peers.append(socket.create_connection((host, int(port)), timeout=20))
        peers[-1].sendall(ask)
        answers.append(peers[-1].recv(4096).split(b"\r\n")[0])
    assert answers.count(b"HTTP/1.1 200 OK") == 16
    assert answers.count(b"HTTP/1.1 503 Service Unavailable") == 984
    for peer in peers:
        peer.close()
    assert wait_until(lambda: alone.ask("GET", "/")[0] == 200)

    def one_more() -> bool:
        with contextlib.suppress(AssertionError, http.client.HTTPException, OSError):
            return bool(whole(alone)["daemon"])
        return False

    assert wait_until(one_more)


def test_who_says_nothing_is_let_go(alone: Dashboard) -> None:
    host, _, port = alone.listen.rpartition(":")
    peers = [socket.create_connection((host, int(port)), timeout=20) for _ in range(200)]
    began = time.monotonic()
    assert alone.ask("GET", "/")[0] == 503
    assert [peer.recv(10) for peer in peers] == [b""] * 200
    assert time.monotonic() - began < 10
    assert alone.ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    "sent", [b"\x00\xff\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"secret" * 50_000]
)
def test_garbage_is_answered_shortly(alone: Dashboard, sent: bytes) -> None:
    host, _, port = alone.listen.rpartition(":")
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=10) as peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        while piece := peer.recv(65536):
            answer += piece
    assert len(answer) < 1000
    assert b"secret" not in answer
    assert alone.ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (
            2,
            ["--listen", "0.0.0.0:0"],
            "--listen: other machines reach 0.0.0.0, and nothing asks them who they are; use 127.0.0.1, or allow it with --insecure",
        ),  # fmt: skip
        (2, ["--listen", "5715"], "--listen: got '5715', expected HOST:PORT"),
        (2, ["--listen", "example.org:80"], "is no IP address"),
        (1, ["--listen", "192.0.2.1:80", "--insecure"], "--listen: cannot bind 192.0.2.1:80"),
        (1, ["--endpoint", "nowhere"], "endpoint nowhere: "),
        (1, ["--control", "udp://x"], "endpoint udp://x: "),
        (1, ["--key", "k.key"], "--server-key and --key go together"),
        (2, ["--set", "publish.endpont=x"], "did you mean"),
    ],
)
def test_wrong_arguments(code: int, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["dashboard", *listen, *arguments]) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("inherentd dashboard: ")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_a_port_that_is_taken(alone: Dashboard) -> None:
    done = subprocess.run(
        [*PROGRAM, "dashboard", "--listen", alone.listen], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"--listen: {alone.listen} is already in use; choose another" in done.stderr


def test_without_the_extra_it_says_which_one() -> None:
    hide = "import sys; sys.modules['uvicorn'] = None; from inherentd.daemon.cli import main; sys.exit(main(['dashboard']))"
    done = subprocess.run([PROGRAM[0], "-c", hide], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "inherentd dashboard: uvicorn is not installed: pip install 'inherentd[dashboard]'\n"


def test_nothing_is_written(daemon: StartDaemon, dashboard: StartDashboard, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([quiet(1), loud(1), quiet(60)]))
    running = daemon("--input", str(path), *SCORES)
    shown = dashboard(running.endpoint)
    wait_until(lambda: whole(shown)["utterances"])
    folder = Path(os.environ["XDG_RUNTIME_DIR"]).parent
    found = {file.name for file in folder.rglob("*") if file.is_file() and not file.is_socket()}
    assert found <= {"dashboard.key", "control.sock.lock"}
