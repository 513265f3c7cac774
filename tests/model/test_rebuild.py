"""The one command that rebuilds the model, with its small corpus: from sentences to artifact, report and curves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inherentd.pipeline.runtimes import open_runtime

STUB = """#!/bin/sh
echo "$*" >> commands
if [ "$1" = train ]; then
    out=runs/$(basename "$3" .yaml)
    mkdir -p "$out"
    echo "$out" > "$out/best.safetensors"
fi
[ "$1" != average ] || echo "$2 $3" > "$7"
"""
# torchrun --nproc-per-node 2 -m -- inherentd.inherent_model.cli train --config ...
TORCHRUN = """#!/bin/sh
echo "torchrun $*" >> commands
shift 5
exec inherent "$@"
"""
SCRIPT = Path(__file__).parents[2] / "scripts" / "rebuild_model.sh"


@pytest.mark.skipif(
    shutil.which("flite") is None or shutil.which("espeak-ng") is None,
    reason="synthesizers are missing: apt-get install flite espeak-ng",
)
def test_the_quick_rebuild_makes_everything(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", str(SCRIPT), "--quick"], cwd=tmp_path, env={**os.environ, "PATH": path},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "runs" / "quick"
    runtime = open_runtime(run / "models" / "inherent.onnx")
    report = json.loads((run / "models" / "report.json").read_text())
    assert report["training_hash"] == runtime.metadata.training_hash
    assert {voice.split(":")[0] for voice in report["voices"]} == {"espeak", "flite"}
    assert "far room" in report["conditions"]
    assert json.loads((run / "models" / "events.json").read_text())["unaddressed"]["clips_of_the_training_split"] == 0
    for drawn in (run / "curves.png", run / "models" / "det.png"):
        assert drawn.read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "models" / "state.json").read_text())["hours"] > 0
    assert (run / "models" / "inherent.safetensors").read_bytes() == (run / "best.safetensors").read_bytes()
    assert not (run / "resume.pt").exists()


def commands_of(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script with an `inherent`, alone or under `torchrun`, that only notes what it is told to do."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, text in (("inherent", STUB), ("torchrun", TORCHRUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", str(SCRIPT), *arguments], cwd=folder, env={**os.environ, "PATH": path},
                          capture_output=True, text=True, check=False)  # fmt: skip
    noted = folder / "commands"
    return done, noted.read_text().splitlines() if noted.exists() else []


def test_the_whole_rebuild_makes_what_is_shipped_and_fills_the_pages(tmp_path: Path) -> None:
    for folder in ("docs", "models"):
        (tmp_path / folder).mkdir()
    for page in ("README.md", "models/README.md", "docs/tuning.md"):
        (tmp_path / page).touch()
    real = tmp_path / "corpora" / "real" / "manifest.jsonl"
    real.parent.mkdir(parents=True)
    real.write_text('{"path": "a.flac", "addressed": 0, "split": "test"}\n')
    done, commands = commands_of(tmp_path)
    assert done.returncode == 0, done.stderr
    shipped = tmp_path / "models" / "inherent.safetensors"
    assert shipped.read_text().split() == ["runs/natural/halfway.safetensors", "runs/rooms/best.safetensors"]
    halfway = (tmp_path / "runs" / "natural" / "halfway.safetensors").read_text().split()
    assert halfway == ["runs/afresh/halfway.safetensors", "runs/natural/best.safetensors"]
    assert "--real --out models/events.json --det docs/det.png" in "".join(commands)
    shared = [line.split("/")[-1] for line in commands if line.startswith("torchrun --nproc-per-node 2 ")]
    assert shared == ["robust.yaml", "plenty.yaml", "afresh.yaml", "natural.yaml", "rooms.yaml"]
    assert [line for line in commands if line.startswith("corpus transcribe")]
    stages = [line.split("/")[-1] for line in commands if line.startswith("train")]
    assert [stage.removesuffix(".yaml") for stage in stages] == [
        "start",
        "hear",
        "whole",
        "robust",
        "plenty",
        "afresh",
        "natural",
        "rooms",
    ]
    assert commands[-4:] == [
        "eval-state --model models/inherent.onnx --hours 24 --out models/state.json",
        "card --models models models/README.md",
        "card --models models README.md",
        "card --models models docs/tuning.md",
    ]


def test_a_rebuild_without_pages_and_real_speech_keeps_the_curve_with_the_model(tmp_path: Path) -> None:
    done, commands = commands_of(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no real speech to test with" in done.stderr
    assert "--real" not in "".join(commands)
    assert "--det models/det.png" in "".join(commands)
    assert commands[-1].startswith("eval-state")


def test_the_quick_rebuild_leaves_the_readme_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    done, commands = commands_of(tmp_path, "--quick")
    assert done.returncode == 0, done.stderr
    assert not [line for line in commands if line.startswith("card")]


@pytest.mark.parametrize("arguments", [["--qiuck"], ["--quick", "now"]])
def test_an_unknown_argument_is_refused_before_anything_is_done(tmp_path: Path, arguments: list[str]) -> None:
    done, commands = commands_of(tmp_path, *arguments)
    assert (done.returncode, done.stdout, commands) == (2, "", [])
    assert done.stderr.startswith("usage: ")
