"""An accelerator that is not here, as a user meets it: the CPU stands in and every place says so, or strictly an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inherentd.daemon import engine_setup
from inherentd.daemon.config import ModelSection
from inherentd.daemon.errors import DaemonError
from tests.daemon.conftest import PROGRAM, Daemon, loud, write_wav

BACKENDS = tuple(engine_setup.SHIPPED_MODELS)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="a Mac has a GPU that may take the model")
@pytest.mark.parametrize("delegate", ["tpu", "gpu", "npu", "qualcomm", "mediatek", "google_tensor", "intel"])
def test_the_daemon_starts_on_the_cpu_and_says_so_in_one_line(tmp_path: Path, delegate: str) -> None:
    path = write_wav(tmp_path / "a.wav", loud(0.2))
    ready = ["--backend", "litert", "--delegate", delegate, "--input", str(path), "--speed", "max"]
    ready += ["--set", "publish.endpoint=tcp://127.0.0.1:*"]
    done = run("run", *ready)
    assert done.returncode == 0
    told = [json.loads(line) for line in done.stderr.splitlines()]
    warnings = [line for line in told if line["level"] == "warning"]
    assert [(line["event"], line["asked"], line["running"]) for line in warnings] == [
        ("running on another processor", delegate, "cpu")
    ]
    assert warnings[0]["reason"]
    strict = run("run", *ready, "--strict-delegate")
    assert strict.returncode == 1
    assert strict.stderr.count("\n") == 1
    assert f"delegate '{delegate}' of backend 'litert': " in strict.stderr


def test_health_tells_what_was_asked_and_what_runs(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    running = daemon("--input", str(write_wav(tmp_path / "a.wav", loud(0.2))), "--speed", "max", "--delegate", "tpu")
    processors = {
        header["processor"] for _, header, _ in running.until("health", state="stopping") if "processor" in header
    }
    assert len(processors) == 1
    assert processors.pop().startswith("onnx on cpu (asked for tpu: ONNX Runtime has no delegate 'tpu'")


def test_the_doctor_and_the_bench_tell_it_too() -> None:
    done = run("doctor", "--no-microphone", "--backend", "litert", "--delegate", "tpu")
    assert done.returncode == 0
    assert "the daemon would run the model by litert on cpu (asked for tpu: " in done.stdout
    assert all(f"model {path.name}: runs, " in done.stdout for path in engine_setup.SHIPPED_MODELS.values())
    strict = run("doctor", "--no-microphone", "--backend", "litert", "--delegate", "tpu", "--strict-delegate")
    assert strict.returncode == 1
    assert "FAIL  runtime: the daemon would not run: delegate 'tpu'" in strict.stdout
    bench = run("bench", "--seconds", "1", "--json", "--backend", "litert", "--delegate", "tpu")
    assert {json.loads(line)["processor"].split(":")[0] for line in bench.stdout.splitlines()} == {
        "litert on cpu (asked for tpu"
    }


def test_without_a_backend_it_takes_what_is_fastest_and_still_tells_of_the_delegate() -> None:
    assert engine_setup.open_model(ModelSection()).processor.reason == ""
    processor = engine_setup.open_model(ModelSection(delegate="tpu")).processor
    assert (processor.asked, processor.running) == ("tpu", "cpu")
    assert processor.reason.startswith("delegate 'tpu' of backend 'litert': Edge TPU: ")
    with pytest.raises(DaemonError, match="delegate 'tpu'"):
        engine_setup.open_model(ModelSection(delegate="tpu", strict_delegate=True))


def test_a_backend_that_is_not_installed_is_named_with_its_package(tmp_path: Path) -> None:
    """A Python in which LiteRT is missing: an empty module stands before it on the path."""
    for name in ("ai_edge_litert", "tflite_runtime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not here')\n")
    command = [*PROGRAM, "doctor", "--no-microphone", "--delegate", "tpu"]
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    for extra, code in (([], 0), (["--backend", "litert"], 1), (["--strict-delegate"], 1)):
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, check=False, env={**os.environ, **environment}
        )
        assert done.returncode == code, done.stderr
        assert "pip install 'inherentd[litert]'" in done.stdout + done.stderr
        if not extra:
            assert "(asked for tpu: backend 'litert' cannot be loaded (not here)" in done.stdout


def test_score_and_demo_do_not_fall_back_in_silence(model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(0.5))
    asked = ["--model", str(model), "--delegate", "tpu"]
    done = run("score", "--json", *asked, str(path))
    assert done.returncode == 0
    assert "running by onnx on cpu (asked for tpu: " in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert run("score", *asked, "--strict-delegate", str(path)).returncode == 1
    demo = run("demo", "--first", "1", *asked)
    assert "the model runs by onnx on cpu (asked for tpu: " in demo.stdout
    assert run("demo", "--first", "1", *asked, "--strict-delegate").returncode == 1
