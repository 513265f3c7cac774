"""A real browser, a real dashboard, a real daemon with the shipped model that hears one of the demo's clips."""

from __future__ import annotations

import re
import subprocess
import wave
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inherentd.client import Control
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate
from tests.daemon.conftest import Daemon, quiet, write_wav
from tests.dashboard.running import PROGRAM, Dashboard, browser, chromium, wait_until

pytest.importorskip("playwright")
pytestmark = pytest.mark.skipif(chromium() is None, reason="chromium is not installed")

CLIP = "02-hasDeepResearchIntent"
HEAD = "hasDeepResearchIntent"
STYLESHEET = Path(__file__).parents[2] / "web" / "dashboard" / "dashboard.css"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pcm() -> np.ndarray:
    """The clip in a quiet room, and two minutes more of the room: the daemon is still there."""
    (clip,) = [clip for clip in load_clips(BUNDLED) if clip.name == CLIP]
    return np.concatenate([concatenate([clip])[0], quiet(120)])


@pytest.fixture
def page(chrome: Any) -> Iterator[Any]:
    """A page that must not have complained: no script may fail, and nothing may be asked of another host."""
    context = chrome.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    said: list[str] = []
    hosts: set[str] = set()
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: hosts.add(re.sub(r"^(\w+:(//[^/]*)?).*", r"\1", request.url)))
    yield opened
    context.close()
    expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE", "401 (Unauthorized)")  # of tests that mean it
    assert [line for line in said if not any(part in line for part in expected)] == []
    assert len({host for host in hosts if not host.startswith(("blob:", "data:"))}) == 1, hosts


def daemon_that_hears(pcm: np.ndarray, folder: Path) -> Daemon:
    return Daemon(["--input", str(write_wav(folder / "a.wav", pcm)), "--set", "publish.scores_per_second=50"])


def visit(page: Any, shown: Dashboard) -> Dashboard:
    """Open a dashboard's page, and return the dashboard once the page shows a daemon that listens."""
    page.goto(shown.url)
    page.wait_for_selector("#state[data-state=listening]")
    return shown


def test_an_utterance_is_seen_heard_and_judged(
    page: Any, dashboard: Callable[..., Dashboard], pcm: np.ndarray, tmp_path: Path
) -> None:
    running = daemon_that_hears(pcm, tmp_path)
    try:
        visit(page, dashboard(running.endpoint))
        assert "key" not in page.url  # not in the history, not in what is sent on
        messages = running.until("gate.closed", utterance=1)
        page.wait_for_selector("#utterance-list > li")

        opened = next(header for topic, header, _ in messages if topic == "gate.opened")
        closed = messages[-1][1]
        assert HEAD in closed["intents"]
        card = page.inner_text("#utterance-list > li")
        assert "deep research" in card
        assert "closed by silence" in card
        lines = page.inner_text("#event-list")
        assert f"Gate opened, score {opened['score']:.2f}" in lines
        assert "Gate closed after" in page.inner_text("#announcer") or "Gate closed after" in lines

        page.evaluate(
            "() => { const made = URL.createObjectURL; URL.createObjectURL = (blob) => made((window.played = blob)); }"
        )
        page.get_by_role("button", name=re.compile("Listen to the utterance of .*deep research")).click()
        wait_until(lambda: page.evaluate("document.querySelector('audio')?.currentTime > 0.2"))
        start, stop = opened["at_sample"] - opened["preroll_samples"], closed["at_sample"]
        played = bytes(page.evaluate("async () => [...new Uint8Array(await window.played.arrayBuffer())]"))
        with wave.open(BytesIO(played)) as file:
            assert file.readframes(10**9) == pcm[start:stop].astype("<i2").tobytes()
        assert page.evaluate("document.querySelector('audio').duration") == pytest.approx((stop - start) / 16_000, 0.01)

        words = page.locator("#trial-words")
        wait_until(lambda: "as it did" in words.inner_text())
        assert page.inner_text("#trial-rows tr:nth-child(1)").split() == ["openings", "1", "1"]
        page.fill("#try-gate", "0.999")
        wait_until(lambda: "opened 0 times" in words.inner_text())
        assert page.inner_text("#trial-rows tr:nth-child(1)").split() == ["openings", "1", "0"]
        assert "1 not" in words.inner_text()
        page.fill("#try-gate", "1.5")
        wait_until(lambda: words.inner_text() == "Got 1.5, expected a threshold from 0 to 1.")
        page.fill("#try-gate", "0.9")
        page.get_by_role("button", name="Apply to the daemon").click()
        wait_until(lambda: page.inner_text("#trial-answer").startswith("Set: is_interesting = 0.9;"))
        with Control() as control:
            assert control.thresholds()["is_interesting"] == 0.9
            wait_until(lambda: "opens at 0.90" in page.inner_text("#gate-words"))
            page.get_by_role("button", name="Mute", exact=True).press("Enter")
            page.wait_for_selector("#state[data-state=muted]")
            assert control.status()["muted"]
            assert "muted" in page.inner_text("#announcer")
            page.get_by_role("button", name="Unmute").press("Space")
            page.wait_for_selector("#state[data-state=listening]")
            assert not control.status()["muted"]
    finally:
        running.close()


def test_it_goes_on_when_dashboard_and_daemon_come_back(
    page: Any, dashboard: Callable[..., Dashboard], pcm: np.ndarray, tmp_path: Path
) -> None:
    running = daemon_that_hears(pcm, tmp_path)
    try:
        shown = visit(page, dashboard(running.endpoint))
        assert shown.close() == (0, "")
        page.wait_for_selector("#state[data-state=unreachable]")
        assert "No connection since" in page.inner_text("#connection")
        assert "goes on by itself" in page.inner_text("#connection")
        assert page.is_disabled("#mute")
        again = dashboard(running.endpoint, listen=shown.listen)
        page.wait_for_selector("#state[data-state=listening]")
        assert not page.is_visible("#connection")
        assert again.url == shown.url
        running.process.kill()
        running.process.wait()
        page.wait_for_selector("#state[data-state=absent]")
        assert "Nothing comes from tcp://" in page.inner_text("#connection")
        command = [*PROGRAM, "run", "--input", str(tmp_path / "a.wav"), "--set", f"publish.endpoint={running.endpoint}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
            page.wait_for_selector("#state[data-state=listening]")
            page.wait_for_selector("#scores-off")  # this one publishes none, and the page says which setting
            assert "publish.scores_per_second" in page.inner_text("#scores-off")
            daemon.terminate()
    finally:
        running.close()


def test_without_the_key_the_page_says_where_it_is(page: Any, dashboard: Callable[..., Dashboard]) -> None:
    shown = dashboard("tcp://127.0.0.1:9")
    response = page.goto(f"{shown.root}")
    assert response.status == 200
    wait_until(lambda: "needs the key" in page.inner_text("#connection"))


@pytest.mark.parametrize("width", [360, 1280])
def test_small_screens_and_keyboards(
    chrome: Any, dashboard: Callable[..., Dashboard], pcm: np.ndarray, tmp_path: Path, width: int
) -> None:
    running = daemon_that_hears(pcm, tmp_path)
    context = chrome.new_context(viewport={"width": width, "height": 740}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(dashboard(running.endpoint).url)
        page.wait_for_selector("#utterance-list > li")
        page.wait_for_selector("#trial-result:visible")
        page.click("summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            name, outline = page.evaluate(
                "[document.activeElement.id || document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
            if name != "BODY":
                assert outline != "none", name
            reached.add(name)
        assert {
            "mute",
            "try-gate",
            "try-gate-range",
            "try-reset",
            "try-apply",
            "try-keep",
            "event-list",
            "BUTTON",
        } <= reached
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, input, canvas[role], [role=meter]')]"
            ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
        )
        assert unnamed == []
        assert page.get_attribute("#gate-chart", "aria-label").startswith("Gate score of the last minute: ")
    finally:
        context.close()
        running.close()


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    """WCAG AA: 4.5 for text, 3 for what shows a control or a state."""
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", STYLESHEET.read_text().split("@media")[scheme]))
    texts = [("ink", "surface"), ("ink", "ground"), ("muted", "surface"), ("muted", "ground"), ("accent", "surface"),
             ("on-accent", "accent"), ("warn", "warn-ground")]  # fmt: skip
    for pairs, least in ((texts, 4.5), ([("edge", "surface"), ("focus", "surface"), ("focus", "ground")], 3.0)):
        for front, ground in pairs:
            lighter, darker = sorted((luminance(colours[front]), luminance(colours[ground])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= least, (front, ground)


def test_the_page_asks_no_other_host() -> None:
    for path in STYLESHEET.parent.iterdir():
        assert not re.search(r"https?://", path.read_text()), path
