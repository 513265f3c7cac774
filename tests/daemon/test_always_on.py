"""All parts of the daemon together: metrics, captures, notify, and what the loop tells of itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inherentd.client import Control
from inherentd.daemon.demo.processes import free_endpoint
from tests.daemon.conftest import Daemon, loud, quiet, write_wav


def figures(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_captures_and_marks_of_a_running_daemon(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    address = free_endpoint().removeprefix("tcp://")
    pcm = np.concatenate([quiet(1), loud(1), quiet(2), loud(1), quiet(25)])
    running = daemon(
        "--input", str(write_wav(tmp_path / "a.wav", pcm)),
        "--set", f"metrics.endpoint={address}", "--set", f"captures.folder={tmp_path / 'captures'}",
    )  # fmt: skip
    running.until("gate.closed", utterance=2)
    time.sleep(1.5)
    with Control() as client:
        marked, _ = client.ask("mark", utterance=1, addressed=False, note="the radio")
        client.ask("reload", timeout_seconds=20)
    time.sleep(2.2)  # the figures follow every second
    found = figures(address)
    assert found["inherentd_gate_openings_total"] == 2
    assert found["inherentd_gate_closings_total|silence"] == 2
    assert found["inherentd_intents_total|hasPhotoQuery"] == 2
    assert found["inherentd_false_accepts_total"] == 1
    assert found["inherentd_reloads_total"] == 1
    assert found["inherentd_captures_written_total"] == 2
    assert found["inherentd_frames_total"] > 200
    assert found["inherentd_step_seconds_count"] > 50
    assert found["inherentd_subscribers"] == 1
    sidecar = json.loads((tmp_path / "captures" / f"{marked['capture']}.json").read_text())
    assert sidecar["label"] == {"addressed": False, "heads": [], "note": "the radio"}
    with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
        assert json.load(answer)["state"] == "listening"


def test_stdin_that_pauses_is_not_called_listening(daemon: Callable[..., Daemon]) -> None:
    import subprocess

    address = free_endpoint().removeprefix("tcp://")
    running = daemon("--input", "-", "--set", f"metrics.endpoint={address}", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(quiet(1).tobytes())
    running.process.stdin.flush()
    messages = running.until("health", state="stalled")
    assert messages[-1][1]["reason"] == "no audio comes"
    time.sleep(0.2)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://{address}/health", timeout=5)
    running.process.stdin.write(quiet(1).tobytes())
    running.process.stdin.flush()
    running.until("health", state="listening")


def test_nothing_is_written_unless_it_is_asked_for(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """No audio, and no identity by which ONNX Runtime reports to its maker."""
    path = write_wav(tmp_path / "a.wav", np.concatenate([quiet(1), loud(1), quiet(1)]))
    home = tmp_path / "home"
    home.mkdir()
    running = daemon("--input", str(path), "--speed", "max", environment={"HOME": str(home), "TMPDIR": str(home)})
    running.until("health", state="stopping")
    assert running.process.wait(10) == 0
    assert list(home.rglob("*")) == []


def test_thresholds_may_be_set_while_nobody_listens_to_the_metrics(
    daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    """A slow reader of /metrics keeps nobody from anything."""
    import socket

    address = free_endpoint().removeprefix("tcp://")
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", quiet(20))), "--set", f"metrics.endpoint={address}")
    running.until("health", state="listening")
    host, port = address.split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(12)]
    with Control() as client:
        assert client.ask("thresholds.set", thresholds={"is_interesting": 0.9})
    first, second = running.until("health")[-1][1], running.until("health")[-1][1]
    assert second["frames"] > first["frames"]
    for one in slow:
        one.close()
