"""`inherentd watch`: what messages make of the state, what a state looks like, and the real thing in a real terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from inherentd.client import Control
from inherentd.client.messages import (
    GateClosedHeader,
    GateOpenedHeader,
    HealthHeader,
    IntentHeader,
    ModelIdentity,
    ScoresHeader,
)
from inherentd.daemon.cli import main
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.demo.stream import concatenate
from inherentd.daemon.watch import screen, view, words
from inherentd.daemon.watch.connection import OTHER, Connection
from inherentd.daemon.watch.state import Watched, on_message, on_problem, on_silence, on_status
from tests.daemon.conftest import PROGRAM, Daemon, loud, quiet, write_wav
from tests.tiny_model import HEADS

StartDaemon = Callable[..., Daemon]

GATE, PHOTO, TIMER = HEADS
ANY = {"stream": "a", "device": "kitchen", "seq": 0, "time_ns": 10**18}
SCORES = {GATE: 0.9, PHOTO: 0.4, TIMER: 0.01}
USE = {"frames": 9, "overflows": 1, "gaps": 0, "dropped": 77, "jitter_ms": 0.0, "drift_ppm": 0.0, "cpu": 0.026, "rss": 93 * 10**6,
       "uptime": 3725.0}  # fmt: skip
STATUS = {
    "heads": list(HEADS),
    "thresholds": {"is_interesting": 0.7, "has_photo_query": 0.2, "has_start_timer_intent": 0.02},
    "gate": {"opens": 0.9, "closes": 0.42},
    "context": {"assistant_speaking": True, "expecting_reply": False},
    "scores_per_second": 10.0,
    "level_dbfs": -71.0,
    "asleep": False,
    "model": {"version": "1.2.3", "hash": "x"},
}


def health(state: str = "listening", reason: str = "", **changes: object) -> HealthHeader:
    told = {**ANY, "at_sample": 16_000, "state": state, "reason": reason, "processor": "onnx on cpu", "muted": False,
            "microphone": "USB microphone", **USE, **changes}  # fmt: skip
    return HealthHeader(**told)


OPENED = GateOpenedHeader(**ANY, at_sample=16_000, utterance=3, score=0.91, scores=SCORES,
                          model=ModelIdentity(version="1.2.3", hash="x"), preroll_samples=32_000)  # fmt: skip
EARLY = IntentHeader(**ANY, at_sample=20_000, utterance=3, head=PHOTO, score=0.4, final=False)
FINAL = IntentHeader(**ANY, at_sample=48_000, utterance=3, head=PHOTO, score=0.8, final=True)
CLOSED = GateClosedHeader(**ANY, at_sample=48_000, utterance=3, duration_ms=2000, reason="silence", intents=[PHOTO],
                          peaks=SCORES)  # fmt: skip
HEARD = ScoresHeader(**ANY, at_sample=40_000, scores=SCORES, level_dbfs=-23.4)


def watched(*headers: object) -> Watched:
    state = Watched("tcp://somewhere", "nothing came")
    for header in headers:
        state = on_message(state, header)
    return state


def shown(state: Watched, width: int = 80, height: int = 24, **options: object) -> list[str]:
    return ["".join(text for text, _ in line) for line in view.lines(state, width, height, **options)]


def test_an_utterance_from_its_opening_to_its_close() -> None:
    state = watched(health(), OPENED, EARLY, HEARD)
    assert state.is_open
    assert (state.utterance.until - state.utterance.opened_at, state.utterance.intents) == (24_000, {PHOTO: 0.4})
    state = on_message(on_message(state, FINAL), CLOSED)
    assert not state.is_open
    assert (state.utterance.closed, state.utterance.intents) == ("silence", {PHOTO: 0.8})
    assert [type(event) for event in state.events] == [HealthHeader, GateOpenedHeader, IntentHeader, GateClosedHeader]


def test_one_that_was_open_before_somebody_watched() -> None:
    state = watched(health(), EARLY)
    assert (state.utterance.number, state.is_open) == (3, True)
    assert not on_message(state, CLOSED).is_open


def test_health_is_an_event_when_it_changes() -> None:
    state = watched(health(), health(), health("stalled", "no audio comes"), health("stalled", "no audio comes"))
    assert [(event.state, event.reason) for event in state.events] == [("listening", ""), ("stalled", "no audio comes")]


def test_another_run_starts_afresh_but_keeps_what_happened() -> None:
    state = on_status(watched(health(), OPENED), STATUS)
    again = on_message(
        state, HealthHeader(**{**{name: getattr(health(), name) for name in health().__struct_fields__}, "stream": "b"})
    )
    assert (again.stream, again.utterance, again.thresholds, again.scores) == ("b", None, {}, {})
    assert again.events[:2] == state.events
    assert again.noted == 3


def test_status_silence_and_loss() -> None:
    state = on_status(watched(health(), HEARD), STATUS)
    assert (state.opens, state.closes, state.level_dbfs) == (0.9, 0.42, -23.4)
    asleep = on_status(state, {**STATUS, "asleep": True})
    assert (asleep.level_dbfs, asleep.scores) == (-71.0, {})
    assert words.condition(asleep) == "listening, asleep"
    assert words.condition(on_silence(state, 4)) == "not heard"
    assert on_silence(state, 4).scores == {}
    assert words.condition(on_message(on_silence(state, 4), health())) == "listening"
    assert on_message(on_message(state, health(), 2), health(), 3).lost == 5


def test_what_one_must_know_is_said() -> None:
    state = on_status(watched(health()), STATUS)
    assert words.notes(Watched("a", "nothing came")) == ["nothing came"]
    assert "publish.scores_per_second=10" in words.notes(on_status(state, {**STATUS, "scores_per_second": 0}))[0]
    assert words.notes(on_problem(watched(health(), HEARD), "refused")) == ["thresholds are not known: refused"]
    assert words.notes(on_problem(state, "refused"))[0] == "thresholds may have changed: refused"
    assert words.notes(on_problem(watched(health("starting")), "refused")) == []
    assert words.notes(watched(health("silent", "only zeros"), HEARD))[0] == "only zeros"
    assert "the assistant speaks" in words.notes(on_message(state, HEARD))[-1]
    assert words.notes(on_silence(state, 7)) == ["nothing came for 7 s: the daemon is gone, or cannot be reached"]


def test_a_screen_of_80_by_24() -> None:
    state = on_status(watched(health(), OPENED, EARLY, HEARD), STATUS)
    lines = shown(state, keys="q quit")
    assert len(lines) == 24
    assert lines[0] == "inherentd watch  tcp://somewhere  kitchen  USB microphone  model 1.2.3 by onnx on cpu"[:80]
    assert lines[1] == "LISTENING  cpu 2.6%  93 MB  up 1:02:05  overflows 1  dropped 77  lost 0"
    gate, photo, timer = (next(line for line in lines if line.startswith(head)) for head in HEADS)
    assert gate.endswith(" 0.90 OPEN")
    assert photo.endswith(" 0.20 told")
    assert timer.endswith(" 0.02 ")
    assert (gate.count("┃"), gate.count("┆"), photo.count("┃")) == (1, 1, 1)
    assert photo.index("┃") == timer.index("┃")  # one line of thresholds
    assert photo.index("·") > photo.index("┃")
    assert "█" in timer[: timer.index("┃")]
    assert "█" not in timer[timer.index("┃") :]
    assert f"utterance 3 OPEN 1.5 s (audio from 2.0 s before): {PHOTO} 0.40" in lines
    assert any(line.endswith("opened   utterance 3, score 0.91") for line in lines)
    assert lines[-1] == "q quit"
    closed = shown(on_message(on_message(state, FINAL), CLOSED))
    assert f"utterance 3 closed (silence) after 2.0 s: {PHOTO} 0.80" in closed
    assert any(line.startswith(GATE) and line.endswith("shut") for line in closed)


def test_over_its_threshold_without_being_told() -> None:
    line = next(line for line in shown(on_status(watched(health(), HEARD), STATUS)) if line.startswith(PHOTO))
    assert line.endswith(" over")


@pytest.mark.parametrize("width", [1, 10, 39, 80, 81, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 12, 24, 70])
def test_any_size(width: int, height: int) -> None:
    full = on_status(watched(health(), OPENED, EARLY, HEARD, FINAL, CLOSED), STATUS)
    for state in (Watched("a", "nothing came"), watched(health()), full, on_problem(full, "x" * 300)):
        for keys in ("", "q quit"):
            lines = shown(state, width, height, keys=keys)
            assert len(lines) <= height
            assert max(map(len, lines)) <= width


def test_a_low_screen_keeps_the_likely_heads() -> None:
    state = on_status(watched(health(), HEARD), {**STATUS, "context": dict.fromkeys(STATUS["context"], False)})
    lines = shown(state, 80, 9)
    assert [line.split()[0] for line in lines if line.startswith(("has", "is"))] == [GATE, PHOTO]


def test_without_utf8() -> None:
    state = on_status(watched(health(), OPENED, EARLY, HEARD), STATUS)
    assert "".join(shown(state, symbols=view.ASCII)).isascii()


def test_lines_where_there_is_no_terminal(model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([quiet(1), loud(1), quiet(2)]))
    command = [*PROGRAM, "watch", "--model", str(model), "--input", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = [
        line.partition("  ")[2].split()[0] for line in done.stdout.splitlines() if re.match(r"\d\d:\d\d:\d\d", line)
    ]
    assert said == ["health", "health", "opened", "intent", "closed", "health"]
    assert f"{GATE} 0." in done.stdout
    assert "of 0.70" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    command = [*PROGRAM, "watch", "--input", str(tmp_path / "none.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("inherentd watch: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--fast"], "go with --input"),
        (["--backend", "onnx"], "go with --input"),
        (["--input", "-"], "expected mic"),
        (["--input", "a.wav", "--endpoint", "tcp://127.0.0.1:1"], "expected one of them"),
    ],
)
def test_used_wrongly(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_without_rich(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(screen, "can_draw", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["watch"]) == 2
    assert "pip install 'inherentd[watch]'" in capsys.readouterr().err


class Terminal:
    """A real one: a tmux server of its own with one shell in it."""

    def __init__(self, folder: Path, width: int = 80, height: int = 24) -> None:
        environment = {
            **os.environ,
            "TMUX_TMPDIR": str(folder),
            "LC_ALL": "C.UTF-8",
            "PS1": "ready> ",
            "SHELL": "/bin/sh",
        }
        for name in ("TMUX", "COLUMNS", "LINES"):  # the last two are set by pytest-xdist, and believed by programs
            environment.pop(name, None)
        self._tmux = ["tmux", "-u", "-L", "watch", "-f", "/dev/null"]
        self._environment = environment
        self.tmux("new-session", "-d", "-x", str(width), "-y", str(height), "sh")

    def tmux(self, *command: str) -> str:
        done = subprocess.run(
            [*self._tmux, *command], capture_output=True, text=True, env=self._environment, check=True
        )
        return done.stdout

    def enter(self, command: str) -> None:
        self.tmux("send-keys", "-l", command)
        self.tmux("send-keys", "Enter")

    def screen(self, *options: str) -> str:
        return self.tmux("capture-pane", "-p", *options)

    def until(self, *expected: str, seconds: float = 40) -> str:
        """Return the screen once it shows all of these."""
        deadline = time.monotonic() + seconds
        while not all(part in (found := self.screen()) for part in expected):
            assert time.monotonic() < deadline, f"no {expected} in:\n{found}"
            time.sleep(0.05)
        return found

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tmux("kill-server")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    pytest.importorskip("rich")
    with tempfile.TemporaryDirectory(prefix="tmux") as folder:
        there = Terminal(Path(folder))
        yield there
        there.close()


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Callable[..., tuple[str, subprocess.Popen[bytes]]]]:
    """Start real daemons that play a bundled clip, with the shipped model."""
    timer = next(clip for clip in load_clips(BUNDLED) if "hasStartTimerIntent" in clip.heads)
    path = write_wav(tmp_path / "demo.wav", concatenate([timer] * 5)[0])
    started: list[subprocess.Popen[bytes]] = []

    def start(*settings: str, endpoint: str) -> subprocess.Popen[bytes]:
        options = [part for setting in (f"publish.endpoint={endpoint}", *settings) for part in ("--set", setting)]
        command = [*PROGRAM, "run", "--input", str(path), "--backend", "onnx", "--wait-for-subscriber", "30", *options]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_a_running_daemon_in_a_terminal(terminal: Terminal, playing: Callable[..., subprocess.Popen[bytes]]) -> None:
    endpoint = free_endpoint()
    before = terminal.until("ready>")
    terminal.enter(" ".join([*PROGRAM, "watch", "--endpoint", endpoint]))
    terminal.until("WAITING", f"nothing from {endpoint} yet")
    running = playing("publish.scores_per_second=12.5", "publish.device=kitchen", endpoint=endpoint)
    found = terminal.until("LISTENING", "OPEN ", "hasStartTimerIntent", " told", "opened   utterance 1")
    lines = found.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert sum(line.startswith("has") for line in lines) == 12
    assert "kitchen" in lines[0]
    assert next(line for line in lines if line.startswith("hasStartTimerIntent")).endswith("told")
    assert re.search(r"isInteresting +0\.\d\d .*OPEN", found)
    assert re.search(r"opens ┃ 0\.\d\d, closes ┆ 0\.\d\d", found)
    assert re.search(r"level +-\d+ █+·*", found)
    terminal.until("closed   utterance 1", "hasStartTimerIntent 1.00")
    terminal.tmux("resize-window", "-x", "60", "-y", "15")
    small = terminal.until("q quit")
    assert len(small.splitlines()) == 15
    terminal.tmux("send-keys", "m")
    terminal.until("MUTED", "muted by request")
    running.send_signal(signal.SIGKILL)
    running.wait()
    terminal.until("NOT HEARD", "the daemon is gone")
    playing(endpoint=endpoint)
    terminal.until("LISTENING", "scores are off")
    terminal.tmux("send-keys", "q")
    terminal.until("ready>")
    assert before.strip() in terminal.screen()
    assert "LISTENING" not in terminal.screen()
    terminal.enter("stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo | tr '\\n' ,; echo done")
    terminal.until("icanon,echo,done")


def test_a_file_in_a_terminal_without_colour(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([quiet(1), loud(1), quiet(2)]))
    watch = [*PROGRAM, "watch", "--model", str(model), "--input", str(path)]
    terminal.enter(" ".join(["clear; NO_COLOR=1", *watch]))
    terminal.until("OPEN", "told")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.screen("-e"))
    terminal.until("STOPPING", "the audio ended", "ready>")
    terminal.enter(" ".join(["clear;", *watch, "--fast; echo exit code $?"]))
    assert "closed (silence)" in terminal.until("STOPPING", "exit code 0")
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.screen("-e"))


def test_requests_never_go_to_another_daemon_than_the_one_that_is_heard(
    daemon: StartDaemon, model: Path, tmp_path: Path
) -> None:
    path = write_wav(tmp_path / "a.wav", quiet(60))
    where = [f"ipc://{tmp_path}/{name}" for name in ("heard", "other")]
    heard, other = (
        daemon("--model", str(model), "--input", str(path), "--set", f"control.endpoint={control}") for control in where
    )
    other.until("health", state="listening")
    with Connection(Watched(heard.endpoint, "waiting"), heard.endpoint, where[1]) as connection:
        deadline = time.monotonic() + 30
        while OTHER not in connection.state.problem:
            connection.listen(0.2)
            assert time.monotonic() < deadline
        assert not connection.state.thresholds
        connection.toggle_mute()
    with Control(where[1]) as control:
        assert not control.status()["muted"]


@pytest.mark.parametrize("how", ["C-c", "q", "gone"])
def test_it_does_not_go_on_listening(terminal: Terminal, model: Path, tmp_path: Path, how: str) -> None:
    path = write_wav(tmp_path / "a.wav", loud(60))
    terminal.enter(" ".join(["exec", *PROGRAM, "watch", "--model", str(model), "--input", str(path)]))
    pid = int(terminal.tmux("display-message", "-p", "#{pane_pid}"))
    terminal.until("LISTENING", "OPEN")
    if how == "gone":
        terminal.close()
    else:
        terminal.tmux("send-keys", how)
    deadline = time.monotonic() + 10
    while running(pid):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.1)


def running(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for is none."""
    with contextlib.suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    if Path("/proc/self").exists():
        return False
    with contextlib.suppress(ProcessLookupError):  # macOS
        os.kill(pid, 0)
        return True
    return False
