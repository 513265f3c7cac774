"""What is kept for pages, and what a page that does not read costs."""

from __future__ import annotations

import asyncio
import json
import wave
from io import BytesIO

import pytest

from inherentd.client import Message, Utterance
from inherentd.client.messages import HealthHeader, ScoresHeader
from inherentd.daemon.dashboard import live, pages, shelf
from inherentd.daemon.dashboard.live import Live
from inherentd.daemon.dashboard.pages import MOST_WAITING, Pages
from inherentd.daemon.dashboard.shelf import Shelf

HEADER = {"stream": "s", "device": "d", "seq": 0, "time_ns": 0}


def utterance(number: int, seconds: float = 1.0) -> Utterance:
    pcm = bytes(2 * round(seconds * 16_000))
    return Utterance("s", "d", number, 0, pcm, 16_000, None, None, {"hasPhotoQuery": 0.9}, complete=False)


def scores(
    at_sample: int, stream: str = "s", heads: tuple[str, ...] = ("isInteresting", "b"), lost: int = 0
) -> Message:
    values = dict.fromkeys(heads, 0.5)
    header = ScoresHeader(**{**HEADER, "stream": stream}, at_sample=at_sample, scores=values, level_dbfs=-30.0)
    return Message("scores", header, lost=lost)


def test_the_oldest_utterances_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Shelf()
    for number in range(150):
        told = held.put(utterance(number, 0.1))
    assert told == {"stream": "s", "utterance": 149, "time_ns": None, "seconds": 0.1, "score": None, "reason": None,
                    "intents": {"hasPhotoQuery": 0.9}, "complete": False}  # fmt: skip
    assert [one["utterance"] for one in held.told()] == list(range(50, 150))
    assert held.wav("s", 49) is None
    assert held.wav("other", 149) is None
    wav = held.wav("s", 149)
    assert wav is not None
    with wave.open(BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 1600)
    monkeypatch.setattr(shelf, "MOST_BYTES", 100_000)
    for number in range(200, 205):
        held.put(utterance(number))  # 32,044 bytes each
    assert [one["utterance"] for one in held.told()] == [202, 203, 204]
    held.put(utterance(204))  # the same again takes no second place
    assert [one["utterance"] for one in held.told()] == [202, 203, 204]


def test_another_run_and_other_heads_begin_anew() -> None:
    shown = Live("tcp://x")
    shown.take(scores(0))
    shown.take(scores(640, lost=3))
    frame = shown.frame()
    assert (frame["begin"], frame["heads"], len(frame["scores"]), frame["lost"]) == ("s", ["isInteresting", "b"], 2, 3)
    assert frame["daemon"] == {"present": True, "words": ""}
    assert shown.frame() == {}
    shown.take(scores(1280, heads=("isInteresting", "c")))
    assert shown.frame()["heads"] == ["isInteresting", "c"]
    assert len(shown.whole()["scores"]) == 1
    shown.take(scores(0, stream="t"))
    frame = shown.frame()
    assert (frame["begin"], frame["runs"], frame["lost"], len(frame["scores"])) == ("t", 2, 0, 1)
    assert len(shown.history.window().at_sample) == 1


def test_a_daemon_that_is_silent_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Live("tcp://x")
    assert not shown.frame()["daemon"]["present"]
    health = HealthHeader(**HEADER, at_sample=0, state="listening", reason="", processor="", muted=False, microphone="",
                          frames=0, overflows=0, gaps=0, dropped=0, jitter_ms=0, drift_ppm=0, cpu=0, rss=0, uptime=0)  # fmt: skip
    shown.take(Message("health", health))
    assert shown.frame()["daemon"]["present"]
    monkeypatch.setattr(live, "ABSENT_SECONDS", 0.0)
    assert shown.frame()["daemon"]["words"].startswith("Nothing comes from tcp://x:")
    shown.disturbed("got something else.")
    assert shown.frame()["daemon"]["words"].startswith("got something else. This page goes on")


def test_a_page_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FRAME_SECONDS", 0.0)

    async def watch() -> None:
        shown = Live("tcp://x")
        watched = Pages(shown)
        slow, quick = watched.frames(), watched.frames()
        assert json.loads((await anext(slow)).removeprefix(b"data: "))["whole"]
        await anext(quick)
        assert len(watched) == 2
        telling = asyncio.create_task(watched.tell())
        for step in range(2 * MOST_WAITING):
            shown.take(scores(step * 640))
            assert json.loads((await anext(quick)).removeprefix(b"data: "))["scores"][0][1] == -30.0
        telling.cancel()
        assert len(watched) == 1
        assert len([frame async for frame in slow]) == MOST_WAITING - 1
        await quick.aclose()
        assert len(watched) == 0

    asyncio.run(asyncio.wait_for(watch(), 20))
