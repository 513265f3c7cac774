"""`inherentd score --plot`: what is drawn, where, and that it changes nothing else."""

from __future__ import annotations

import importlib.util
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon import engine_setup
from inherentd.daemon.cli import main
from inherentd.daemon.commands.score import score
from inherentd.daemon.config import Config, ModelSection
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.plot.names import pictures
from inherentd.daemon.plot.trace import Trace
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from tests.daemon.conftest import loud, quiet, write_wav

TIMER = next(clip.path for clip in load_clips(BUNDLED) if "hasStartTimerIntent" in clip.heads)


def needs_matplotlib() -> None:
    pytest.importorskip("matplotlib")


def test_the_lines_are_the_same_and_each_file_has_its_picture(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    needs_matplotlib()
    (tmp_path / "b").mkdir()
    files = [write_wav(tmp_path / "a.wav", np.concatenate([quiet(1), loud(1), quiet(4), loud(1)])),
             write_wav(tmp_path / "b" / "a.wav", loud(0.001)), tmp_path / "none.wav"]  # fmt: skip
    plain = ["score", "--json", "--model", str(model), *map(str, files)]
    assert main(plain) == 1
    expected = capsys.readouterr().out
    folder = tmp_path / "new" / "pictures"
    assert main([*plain, "--plot", str(folder)]) == 1
    captured = capsys.readouterr()
    assert captured.out == expected
    assert f"drawn as {folder / 'a.png'}" in captured.err
    assert sorted(path.name for path in folder.iterdir()) == ["a-2.png", "a.png"]
    for path in folder.iterdir():
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert (data[:8], width, height) == (b"\x89PNG\r\n\x1a\n", 1000, 800)


def test_what_stands_in_the_picture_of_a_bundled_clip(tmp_path: Path) -> None:
    needs_matplotlib()
    import matplotlib as mpl

    from inherentd.daemon.plot.figure import draw

    config = Config(model=ModelSection(backend="onnx"))
    runtime = engine_setup.open_model(config.model)
    engine, trace = Engine(engine_setup.engine_config(config, runtime.metadata), runtime), Trace()
    line = score(TIMER, engine, engine_setup.identity(runtime.metadata), trace)
    path = tmp_path / "a.svg"  # whose words can be read
    with mpl.rc_context({"svg.fonttype": "none"}):
        draw(trace, line, engine, path)
    drawn = "\n".join(re.findall(r">([^<>\n]+)</t", path.read_text()))
    gate = engine.config.gate
    peak = line.scores["hasStartTimerIntent"]
    threshold = gate.intent_thresholds[gate.heads.index("hasStartTimerIntent") - 1]
    for expected in (Path(TIMER).name, f"opens {gate.open_threshold:.2f}", f"closes {gate.close_threshold:.2f}",
                     f"hasStartTimerIntent {peak:.2f} (threshold {threshold:.2f})", "▲ 1 opened",
                     "▼ 1 closed, end_of_stream", "seconds", "4,000"):  # fmt: skip
        assert expected in drawn
    assert "hasPhotoQuery" not in drawn  # far from anything


def test_a_recording_in_which_nothing_happens(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    needs_matplotlib()
    path = write_wav(tmp_path / "a.wav", np.zeros(100_000, np.int16))
    assert main(["score", "--backend", "onnx", "--plot", str(tmp_path), str(path)]) == 0
    assert "Warning" not in capsys.readouterr().err
    assert (tmp_path / "a.png").stat().st_size > 5_000


def test_dollar_signs_in_a_name(model: Path, tmp_path: Path) -> None:
    """matplotlib takes what stands between two of them for a formula."""
    needs_matplotlib()
    path = write_wav(tmp_path / "price$5_$6^.wav", loud(0.5))
    assert main(["score", "--model", str(model), "--plot", str(tmp_path), str(path)]) == 0
    assert (tmp_path / "price$5_$6^.png").stat().st_size > 5_000


def test_names() -> None:
    files = ["a/talk.wav", "b/Talk.flac", "talk-2.wav", "talk.wav", "other.tar.wav", ".hidden"]
    assert pictures(files) == ["talk.png", "Talk-2.png", "talk-2-2.png", "talk-3.png", "other.tar.png", ".hidden.png"]


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["score", "--plot", "pictures", "a.wav"]) == 2
    assert capsys.readouterr().err == "inherentd score: --plot needs matplotlib: pip install 'inherentd[plot]'\n"


def test_a_folder_that_is_none(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    needs_matplotlib()
    path = write_wav(tmp_path / "a.wav", loud(0.5))
    assert main(["score", "--json", "--model", str(model), "--plot", str(path), str(path)]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1  # it was scored
    assert captured.err.startswith(f"inherentd score: --plot: {path / 'a.png'}: cannot be written: ")


def test_the_mel_of_a_long_recording_is_that_of_its_frames() -> None:
    spec, trace = FrontendSpec(), Trace()
    samples = np.concatenate([loud(70, 1), quiet(61, 2)])
    for piece in np.array_split(samples, 7):
        trace.hear(piece)
    padded = np.concatenate([samples, np.zeros(spec.window_samples, np.int16)])
    frames = log_mel(spec, padded.astype(np.float32) / np.float32(32768))
    assert np.allclose(trace.mel(spec, len(frames)), frames.T, atol=1e-5)
    pooled = trace.mel(spec, 1000)
    assert pooled.shape == (spec.mel_bins, -(-len(frames) // 7))
    assert np.allclose(pooled[:, 3], frames[21:28].max(axis=0), atol=1e-5)


def test_sleep_is_a_gap() -> None:
    trace = Trace()
    for at in (640, 1280, 6400, 7040):
        trace.step(at, np.full(3, at, np.float32))
    at, scores = trace.curves(3, 640)
    assert at.tolist() == [640, 1280, 1280, 6400, 7040]
    assert np.isnan(scores[:, 0]).tolist() == [False, False, True, False, False]
    assert Trace().curves(3, 640)[1].shape == (0, 3)
