"""Which request goes where, and what the handlers make of its words."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.examples.chat_server import chatting
from tests.examples.conftest import Hear


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Set a timer for 20 minutes.", 1200),
        ("would you set the kitchen timer to twenty five minutes", 1500),
        ("remind me in a quarter of an hour with an alarm", 900),
        ("half an hour", 1800),
        ("fire up a timer for half a minute", 30),
        ("an hour and a half", 5400),
        ("an hour and a quarter", 4500),
        ("three quarters of an hour", 2700),
        ("set a second timer eight and a half minutes", 510),
        ("set a second timer two minutes thirty please", 150),
        ("Set a 90-second timer.", 90),
        ("one hour, twenty minutes and ten seconds", 4810),
        ("a hundred and twenty seconds", 120),
        ("one hundred five seconds", 105),
        ("2.5 hours", 9000),
        ("10min", 600),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    from durations import duration_seconds

    assert duration_seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "set the timer", "wake me at half past seven", "set one alarm for 2.15pm and another for 7pm",
     "five minutes, no, make it ten minutes", "zero minutes", "set a second timer"],
)  # fmt: skip
def test_no_duration_or_several(text: str) -> None:
    from durations import duration_seconds

    assert duration_seconds(text) is None


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("Add milk to my shopping list.", "shopping.txt", "milk"),
        ("Could you tack cat litter onto the hardware store list?", "hardware-store.txt", "cat litter"),
        ("Let's add eggs, flour and butter to the list for Saturday", "list.txt", "eggs flour and butter"),
        ("put batteries on my to-do list", "to-do.txt", "batteries"),
        ("add ../../etc/passwd to the ../secret list", "secret.txt", "etcpasswd"),
    ],
)
def test_things_go_onto_their_list(tmp_path: Path, text: str, name: str, line: str) -> None:
    from handlers import Lists

    lists = Lists(tmp_path / "lists")
    assert lists.add(text) == f"{tmp_path}/lists/{name}: {line}"
    lists.add(text)
    assert [path.name for path in (tmp_path / "lists").iterdir()] == [name]
    assert (tmp_path / "lists" / name).read_text() == f"{line}\n{line}\n"


@pytest.mark.parametrize(
    "text", ["we need paper so add that to the list", "add onions actually no leeks to the list", "read me my list"]
)
def test_what_is_unclear_is_not_for_the_list(tmp_path: Path, text: str) -> None:
    from handlers import Lists

    assert Lists(tmp_path / "lists").add(text) is None
    assert not (tmp_path / "lists").exists()


def test_a_timer_rings_once_and_a_cancelled_one_never(capsys: pytest.CaptureFixture[str]) -> None:
    from handlers import Timers

    timers, began = Timers(), time.monotonic()
    assert timers.start("set a timer for one second") == "timer: 1 s begin"
    assert timers.start("set a timer for whenever") is None
    assert capsys.readouterr().out == ""
    timers.finish()
    assert 1 <= time.monotonic() - began < 10
    assert capsys.readouterr().out == "\atimer: 1 s are over\n"
    timers.start("an hour")
    timers.cancel()
    timers.finish()
    assert capsys.readouterr().out == ""


def test_the_likeliest_intent_goes_to_its_handler_when_it_is_sure_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_handoff import Endpoint
    from route import Router

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handlers = {
        "timer": lambda text: None if text == "at seven" else f"timer {text}",
        "list": lambda text: f"list {text}",
    }
    with chatting() as chat:
        router = Router(handlers, 0.5, Endpoint(chat.base_url, "a-model"))
        assert router.respond("ten", {"list": 0.6, "timer": 0.9}, None) == "timer ten"
        assert router.respond("eggs", {"list": 0.5}, None) == "list eggs"
        assert not chat.requests
        assert router.respond("ten", {"timer": 0.49}, None) == "Here they are."
        assert router.respond("nora", {"photo": 0.99, "timer": 0.6}, None) == "Here they are."
        assert router.respond("at seven", {"timer": 0.9}, None) == "Here they are."
        assert router.respond("hello", {}, None) == "Here they are."
        asked = [body["messages"][1]["content"].rsplit(": ")[-1] for _, _, body in chat.requests]
    assert asked == ["ten", "nora", "at seven", "hello"]
    assert "--model" in Router(handlers, 0.5, None).respond("hello", {}, None)


def test_a_timer_that_was_spoken_starts_and_ctrl_c_ends_it(hear: Hear) -> None:
    def stop(example: subprocess.Popen[str]) -> None:
        assert example.stdout is not None
        lines = [example.stdout.readline() for _ in range(4)]
        assert lines[:2] == [
            "> Start a research project on intermittent fasting.\n",
            "for a language model: give --model\n",
        ]
        assert lines[2:] == ["> Set a second timer a quarter of an hour.\n", "timer: 900 s begin\n"]
        time.sleep(0.5)
        assert example.poll() is None
        example.send_signal(signal.SIGINT)

    done = hear("route.py", clips=("02-", "13-"), stop=stop)
    assert done.returncode == 0
    assert done.stdout == done.stderr == ""
