"""Whatever is wrong: one line that says what, and exit code 1 or 2. Never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zmq

from inherentd.daemon.cli import COMMANDS, main
from tests.daemon.conftest import loud, write_wav


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code and the one line on stderr."""
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("{")]  # without the log
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return code, lines[0]


@pytest.fixture
def ready(model: Path, tmp_path: Path) -> list[str]:
    """What runs a daemon, if nothing else is wrong."""
    path = write_wav(tmp_path / "a.wav", loud(0.1))
    return ["run", "--model", str(model), "--input", str(path), "--set", "publish.endpoint=tcp://127.0.0.1:*"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lisen"], "unknown command 'lisen'; did you mean 'listen'?"),
        (["xyzzy"], "unknown command 'xyzzy'; there are run, demo"),
        (["--backend", "tensorflow"], "invalid choice: 'tensorflow'"),
        (["run", "--delegate", "fpga"], "invalid choice: 'fpga'"),
        (["--speed", "slow"], "invalid choice: 'slow'"),
        (["--wait-for-subscriber", "soon"], "got 'soon', expected a number of seconds"),
        (["--wait-for-subscriber", "nan"], "got 'nan', expected a number of seconds"),
        (["--inptu", "a.wav"], "--inptu"),
        (["score"], "FILE"),
        (["listen", "--count", "0"], "got '0', expected a whole number"),
        (["bench", "--seconds", "-1"], "expected a number of seconds"),
    ],
)
def test_used_wrongly(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    code, line = run(capsys, *arguments)
    assert code == 2
    assert expected in line
    assert line.startswith("inherentd")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "/nowhere.onnx"], "model /nowhere.onnx: there is no such file"),
        (["score", "--model", "/nowhere.onnx", "a.wav"], "there is no such file"),
        (["listen", "--endpoint", "nonsense"], "expected ipc:// or tcp://, e.g. tcp://127.0.0.1:5710"),
        (["demo", "--clips", "/nowhere.jsonl"], "the demo's list of clips is not there"),
        (["bench", "--seconds", "0.5"], "expected 1 or more"),
    ],
)
def test_it_fails_and_says_why(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    code, line = run(capsys, *arguments)
    assert code == 1
    assert expected in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--backend", "litert"], "is for backend 'onnx', got 'litert'; give a .tflite file, or --backend onnx"),
        (["--backend", "mlx"], "give a .safetensors file, or --backend onnx"),
        (["--delegate", "tpu", "--strict-delegate"], "ONNX Runtime has no delegate 'tpu'"),
        (["--input", "nowhere.wav"], "nowhere.wav: there is no such file"),
        (["--input", "nowhere.wav", "--wait-for-subscriber", "60"], "nowhere.wav: there is no such file"),
        (["--input", "mic", "--speed", "max"], "a microphone goes at the speed of sound"),
    ],
)
def test_a_daemon_that_cannot_start(
    capsys: pytest.CaptureFixture[str], ready: list[str], arguments: list[str], expected: str
) -> None:
    code, line = run(capsys, *ready, *arguments)
    assert code == 1
    assert expected in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--set", "gate.hangovr_ms=3"], "did you mean 'gate.hangover_ms'?"),
        (["--set", "gate.hangover_ms=soon"], "gate.hangover_ms: expected `int`"),
        (["--config", "/nowhere.yaml"], "does not exist"),
        (["--set", "gate.thresholds.has_foto_query=0.5"], "did you mean 'has_photo_query'?"),
        (["--set", "gate.close_threshold=0.9"], "gate.close_threshold: got 0.9, expected at most"),
        (["--set", "publish.endpoint=nonsense"], "cannot bind nonsense"),
        (["--set", "publish.endpoint=tcp://256.1.1.1:5"], "publish.endpoint: cannot bind"),
        (["--set", "publish.endpoint=tcp://0.0.0.0:5710"], "can be reached from other machines"),
        (["--set", "metrics.endpoint=0.0.0.0:80"], "metrics.endpoint"),
    ],
)
def test_a_service_with_a_mistake_in_its_configuration_stays_down(
    capsys: pytest.CaptureFixture[str], ready: list[str], arguments: list[str], expected: str
) -> None:
    """Code 2 is what the units' RestartPreventExitStatus names: another start would fail the same way."""
    code, line = run(capsys, *ready, *arguments)
    assert code == 2
    assert expected in line


def test_a_model_without_its_metadata(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.onnx").write_bytes(model.read_bytes())
    code, line = run(capsys, "run", "--model", str(tmp_path / "alone.onnx"))
    assert code == 1
    assert "alone.metadata.json is missing" in line


def test_a_busy_port(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(0.1))
    with zmq.Context() as context, context.socket(zmq.PUB) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
        endpoint = f"tcp://127.0.0.1:{port}"
        arguments = ["--model", str(model), "--input", str(path), "--set", f"publish.endpoint={endpoint}"]
        code, line = run(capsys, "run", *arguments)
    assert code == 1
    assert f"{endpoint} is already in use" in line
    assert "--set publish.endpoint=" in line


def test_a_busy_ipc_path_is_not_taken_away(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(0.1))
    endpoint = f"ipc://{tmp_path}/s"
    arguments = ["--model", str(model), "--input", str(path), "--set", f"publish.endpoint={endpoint}"]
    with zmq.Context() as context, context.socket(zmq.PUB) as other:
        other.bind(endpoint)
        code, line = run(capsys, "run", *arguments)
    assert code == 1
    assert "is already in use" in line
    assert main(["run", *arguments, "--speed", "max"]) == 0  # a file left behind by a dead daemon is no hindrance


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    try:
        code = main([command, "--help"] if command else ["--help"])
    except SystemExit as exit_:
        code = exit_.code
    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith(f"usage: inherentd {command}".rstrip())
    assert len(out) > 200


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("inherentd 0")


def test_a_damaged_list_of_clips(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    clips = tmp_path / "clips.jsonl"
    clips.write_text(json.dumps({"path": "a.flac"}) + "\n")
    code, line = run(capsys, "demo", "--clips", str(clips))
    assert (code, "clips.jsonl:1: " in line) == (1, True)
    clips.write_text("")
    code, line = run(capsys, "demo", "--clips", str(clips))
    assert (code, "lists no clips" in line) == (1, True)
