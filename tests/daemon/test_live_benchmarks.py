"""The quick forms of the live benchmarks: the real path, from a player through PulseAudio and PortAudio to a subscriber."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import sound

ROOT = Path(__file__).parents[2]
assert sound.SoundServer  # skips this module where there is no PulseAudio


@pytest.mark.parametrize(
    "command",
    [
        ["benchmarks.faults", "--quick", "--", "--backend", "onnx"],
        ["benchmarks.live", "--quick"],
        ["benchmarks.reloads", "--quick", "--", "--backend", "onnx"],
        ["benchmarks.hostile", "--inputs", "60"],
    ],
)
def test_quick(command: list[str], tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as file:  # a file, no pipe: what a killed benchmark leaves behind would keep a pipe open
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=240, check=False
        )
    assert done.returncode == 0, said.read_text()
