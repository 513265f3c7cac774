"""`inherent export`: a checkpoint and its calibration -> ONNX artifacts with metadata, checked against torch."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from inherentd.export.errors import ExportError
from inherentd.export.metadata import golden_mel, write_metadata
from inherentd.export.onnx import export_streaming, export_windowed
from inherentd.inherent_model import checkpoint, thresholds
from inherentd.inherent_model.checkpoint import Checkpoint, step_scores
from inherentd.inherent_model.thresholds import Calibration
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import open_runtime

TOLERANCE = 1e-4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent export`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="what `inherent train` wrote")
    parser.add_argument("--thresholds", type=Path, required=True, help="what `inherent thresholds` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the artifacts")
    parser.add_argument("--name", default="inherent", help="NAME.onnx (streaming) and NAME-windowed.onnx")
    parser.add_argument("--version", default="0.3.0", help="semver: major = heads changed, minor = retrained")


def run(arguments: argparse.Namespace) -> int:
    """Export both forms, compare each with torch and print the largest difference."""
    loaded = checkpoint.load(arguments.checkpoint)
    calibration = thresholds.load(arguments.thresholds, loaded.model.config.heads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    # Nothing that is there is replaced before both forms have been found to score as torch does.
    with tempfile.TemporaryDirectory(dir=arguments.out) as folder:
        _export(Path(folder), loaded, calibration, arguments)
        for path in sorted(Path(folder).iterdir()):
            path.rename(arguments.out / path.name)
    return 0


def _export(folder: Path, loaded: Checkpoint, calibration: Calibration, arguments: argparse.Namespace) -> None:
    for form, write, name in (
        ("streaming", export_streaming, arguments.name),
        ("windowed", export_windowed, f"{arguments.name}-windowed"),
    ):
        path = folder / f"{name}.onnx"
        write(loaded.model, path)
        write_metadata(path, loaded, calibration, form=form, version=arguments.version)
        difference = compare(path, loaded, form)
        print(
            f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, differs from torch by {difference:.1e}", file=sys.stderr
        )
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path}: differs from torch by {difference:.2g}, expected at most {TOLERANCE}; do not ship it"
            )


def compare(path: Path, loaded: Checkpoint, form: str) -> float:
    """Return the largest score difference between an artifact and torch: over every step of a long stream (streaming),
    or over windows of several lengths (windowed)."""
    mel = golden_mel(loaded).repeat(1, 40, 1)
    try:
        runtime = open_runtime(path)
    except PipelineError as error:
        raise ExportError(str(error)) from error
    if form == "streaming":
        expected = step_scores(loaded.model, mel)[0].numpy()
        state = runtime.initial_state()
        worst = 0.0
        for index, scores in enumerate(expected):
            start = index * runtime.step_frames
            found, state = runtime.step(mel[:, start : start + runtime.step_frames].numpy(), state)
            worst = max(worst, float(np.abs(found - scores).max()))
        return worst
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for steps in (1, 12, 25, 194):
        frames = steps * loaded.model.config.step_frames
        expected = step_scores(loaded.model, mel[:, :frames])[0].amax(0).numpy()
        found = np.asarray(session.run(None, {"mel_spectrogram": mel[:, :frames].numpy()})[0])[0]
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
