"""The examples of docs/client.md run as they stand there, against a real daemon."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inherentd.client import Control
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.security import clients, new_keys
from tests.client.test_subscriber import two_utterances
from tests.daemon.conftest import Daemon, quiet, write_wav

StartDaemon = Callable[..., Daemon]
PAGE = Path(__file__).parents[2] / "docs" / "client.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
EVENTS, REQUESTS = "tcp://127.0.0.1:5710", "tcp://127.0.0.1:5711"
LONG_SECONDS = 60


def begun(block: str, folder: Path, events: str, requests: str = "") -> subprocess.Popen[str]:
    """Run an example in a folder of its own, at other addresses, and with patience for a loaded machine."""
    text = block.replace(EVENTS, events).replace(REQUESTS, requests)
    text = re.sub(r"timeout_seconds=\d+", "timeout_seconds=20", text)
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def printed(example: subprocess.Popen[str]) -> str:
    out, err = example.communicate(timeout=LONG_SECONDS)
    assert example.returncode == 0, err
    return out


def test_the_page_has_the_examples_that_run_here() -> None:
    assert [sum(word in block for block in BLOCKS) for word in (EVENTS, "asyncio.run(", "ClientKeys.read(")] == [
        4,
        1,
        1,
    ]
    assert len(BLOCKS) == 5


def test_utterances_messages_and_requests(daemon: StartDaemon, tmp_path: Path) -> None:
    events = free_endpoint()
    utterances, in_asyncio, messages = (begun(block, tmp_path / str(n), events) for n, block in enumerate(BLOCKS[:3]))
    pcm = np.concatenate([quiet(3), two_utterances(), quiet(60)])
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)), "--set", f"publish.endpoint={events}")
    try:
        out = printed(utterances)  # ends by itself, when nothing came for a while
        assert re.fullmatch(r"1 [\d.]+ s \{'hasPhotoQuery': .*\} True\n2 [\d.]+ s \{'hasPhotoQuery': .*\} True\n", out)
        assert {path.name for path in (tmp_path / "0").iterdir()} == {"0001.wav", "0002.wav"}
        assert printed(in_asyncio) == out
        out = printed(begun(BLOCKS[3], tmp_path / "3", events))
        assert "listening" in out
        assert "'version': '0.0.1'" in out
        with Control() as control:
            assert control.thresholds()["is_interesting"] == 0.8
            control.stop()
        assert running.process.wait(20) == 0
        assert re.fullmatch(r"(hasPhotoQuery [\d.]+\n){2}", printed(messages))
    finally:
        for example in (utterances, in_asyncio, messages):
            example.kill()
            example.communicate()


def test_keys(daemon: StartDaemon, tmp_path: Path) -> None:
    folder, here = tmp_path / "keys", tmp_path / "here"
    pair = new_keys.new_pair()
    new_keys.write_pair(new_keys.new_pair(), folder / new_keys.SERVER, force=False)
    new_keys.write_pair(pair, here / "laptop.key", force=False)
    (here / "server.pub").write_bytes((folder / "server.pub").read_bytes())
    clients.write(folder, {"laptop": clients.Client(pair.public.decode(), ["events", "audio", "control"])})
    events, requests = free_endpoint(), free_endpoint()
    example = begun(BLOCKS[4], here, events, requests)
    settings = [
        "security.curve=true",
        f"security.keys={folder}",
        f"publish.endpoint={events}",
        f"control.endpoint={requests}",
    ]
    pcm = np.concatenate([two_utterances(), quiet(60)])
    daemon("--input", str(write_wav(tmp_path / "a.wav", pcm)), *(part for one in settings for part in ("--set", one)))
    try:
        assert re.fullmatch(r"(\{'hasPhotoQuery': [\d.]+\}\n){2}listening\n", printed(example))
    finally:
        example.kill()
        example.communicate()
