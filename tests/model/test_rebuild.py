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
    assert not (run / "resume.pt").exists()
