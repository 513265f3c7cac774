"""`inherent export`: a checkpoint and its calibration -> artifacts with metadata, each run and compared with torch."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from inherentd.export import delegates
from inherentd.export.artifacts import Artifact, Job, tolerance
from inherentd.export.errors import ExportError
from inherentd.export.forms import WindowedForm
from inherentd.export.metadata import golden_mel, golden_samples, write_metadata
from inherentd.inherent_model import checkpoint, thresholds
from inherentd.inherent_model.checkpoint import step_scores
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.recipe import load_recipe, utterances
from inherentd.pipeline.artifact import GOLDEN_TOLERANCE, metadata_path
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import Runtime, golden_difference, open_runtime
from inherentd.pipeline.runtimes.window import SlidingWindow

EXPORTERS = {
    "onnx": ("inherentd.export.onnx", "export"),
    "litert": ("inherentd.export.litert", "export-litert"),
    "mlx": ("inherentd.export.mlx", "mlx"),
    "coreml": ("inherentd.export.coreml", "export-coreml"),
}
"""backend -> (module with `write(job)`, the extra that it needs)"""
QUANTIZED_GOLDEN_MARGIN = 2.0
"""a quantized artifact may be so many times further from the golden than it was where it was made: kernels round
otherwise on other processors"""
ACCELERATED = (".onnx", ".tflite")
"""files for which it is told which accelerators take them here"""
MOST_GOLDEN_TOLERANCE = 0.25
"""a golden further off is no rounding; also of what could not be run where it was made"""
CALIBRATION_CLIPS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent export`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="what `inherent train` wrote")
    parser.add_argument("--thresholds", type=Path, required=True, help="what `inherent thresholds` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the artifacts")
    parser.add_argument(
        "--backend", choices=("all", *EXPORTERS, "litertlm"), default="onnx", help="(default: %(default)s)"
    )
    parser.add_argument("--config", type=Path, metavar="RECIPE",
                        help="training recipe, some of whose clips set the ranges of static int8; without it there is none")  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FILE", help="keep these files of all, e.g. inherent.onnx"
    )
    parser.add_argument("--name", default="inherent", help="what the artifacts' names begin with (%(default)s)")
    parser.add_argument("--version", default="0.7.0", help="semver: major = heads changed, minor = retrained")


def run(arguments: argparse.Namespace) -> int:
    """Export, compare each artifact with torch, and print its size and the largest difference."""
    loaded = checkpoint.load(arguments.checkpoint)
    calibration = thresholds.load(arguments.thresholds, loaded.model.config.heads)
    clips = calibration_clips(arguments.config) if arguments.config else ()
    arguments.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    # Nothing that is there is replaced before everything has been found to score as torch does.
    with tempfile.TemporaryDirectory(dir=arguments.out) as folder:
        job = Job(loaded, calibration, Path(folder), arguments.name, arguments.version, clips)
        written = list(export(job, arguments.backend))
        accelerated = [path for path in written if path.suffix in ACCELERATED and "frontend" not in path.name]
        report = job.path("delegates", ".json")
        delegates.write(report, accelerated)
        names = {path.name for path in written}
        unknown = sorted(set(arguments.only) - names)
        if unknown:
            raise ExportError(f"--only {' '.join(unknown)}: not written, expected some of {' '.join(sorted(names))}")
        kept = [path for path in written if path.name in arguments.only or not arguments.only]
        sidecars = [metadata_path(path) for path in kept if path.suffix != ".litertlm"]  # which holds its own
        for path in [*kept, *sidecars, *([] if arguments.only else [report])]:
            target = arguments.out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.rename(target)
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes", file=sys.stderr)
    return 0


def export(job: Job, backend: str) -> Iterator[Path]:
    """Write and check the artifacts of a backend, or of all, and yield each."""
    chosen = [name for name in EXPORTERS if backend in ("all", name) or (backend, name) == ("litertlm", "litert")]
    for name in chosen:
        module, extra = EXPORTERS[name]
        try:
            exporter = importlib.import_module(module)
        except ImportError as error:
            raise ExportError(f"backend {name}: {error}; pip install 'inherentd[{extra}]'") from error
        for artifact in exporter.write(job):
            finish(artifact, job)
            yield artifact.path
            if backend in ("all", "litertlm") and artifact.path == job.path("litert", ".tflite"):
                container = job.path("", ".litertlm")
                litertlm = importlib.import_module("inherentd.export.litertlm")
                litertlm.write(container, artifact.path, metadata_path(artifact.path))
                yield container
                if backend == "litertlm":
                    return


def calibration_clips(recipe: Path) -> tuple[np.ndarray, ...]:
    """Return 16 kHz samples of training clips, drawn by seed: half of them addressed."""
    rows = [row for row in utterances(load_recipe(recipe)) if row.split == "train"]
    rng = np.random.default_rng(0)
    chosen = []
    for addressed in (True, False):
        group = [row for row in rows if bool(row.addressed) == addressed]
        chosen += [group[index] for index in rng.permutation(len(group))[: CALIBRATION_CLIPS // 2]]
    spec = FrontendSpec()
    return tuple(read_audio(row.path, spec.sample_rate_hz) for row in chosen)


def finish(artifact: Artifact, job: Job) -> None:
    """Write the metadata, and raise ExportError when the artifact does not score as torch does."""
    limit = tolerance(artifact.backend, artifact.quantization)
    write_metadata(artifact, job, GOLDEN_TOLERANCE if limit else MOST_GOLDEN_TOLERANCE)
    if artifact.form == "frontend" or artifact.not_run:
        print(f"{artifact.path.name}: {artifact.not_run or 'the frontend by itself'}", file=sys.stderr)
        return
    try:
        runtime = open_runtime(artifact.path)
    except PipelineError as error:
        raise ExportError(str(error)) from error
    difference = compare(artifact, runtime, job)
    print(f"{artifact.path.name}: {size_bytes(artifact.path) / 1e6:.2f} MB, differs from torch by {difference:.1e}",
          file=sys.stderr)  # fmt: skip
    if limit is None:
        off = golden_difference(runtime)
        write_metadata(artifact, job, min(MOST_GOLDEN_TOLERANCE, max(GOLDEN_TOLERANCE, QUANTIZED_GOLDEN_MARGIN * off)))
    elif not difference <= limit:
        raise ExportError(
            f"{artifact.path}: differs from torch by {difference:.2g}, expected at most {limit}; do not ship it"
        )


def compare(artifact: Artifact, runtime: Runtime, job: Job) -> float:
    """Return the largest score difference between an artifact and torch: over every step of a long stream, or over
    windows of several lengths. NaN where one of them is NaN."""
    model, spec = job.loaded.model, job.loaded.frontend
    differences: list[float] = []
    if isinstance(runtime, SlidingWindow):
        mel = golden_mel(job.loaded).repeat(1, 40, 1)
        least = model.config.step_frames if artifact.backend == "coreml" else 1
        for frames in (1, 10, 48, 50, 100, 776):
            if least <= frames <= (runtime.static_frames or frames):
                given = runtime.padded(mel[:, :frames].numpy())
                expected = WindowedForm(model)(torch.from_numpy(given))[0].detach().numpy()
                differences.append(float(np.abs(runtime.score(given) - expected).max()))
        return float(np.max(differences))
    if artifact.form == "audio":
        samples = np.tile(golden_samples(job.loaded), 60).astype(np.float32) / np.float32(32768)
        mel = torch.from_numpy(log_mel(spec, samples))[None]
        span, advance = runtime.metadata.span_samples, runtime.step_frames * spec.hop_samples
        given = [samples[None, start : start + span] for start in range(0, len(samples) - span + 1, advance)]
    else:
        mel = golden_mel(job.loaded).repeat(1, 40, 1)
        given = [piece.numpy() for piece in mel.split(runtime.step_frames, 1)]
    expected = step_scores(model, mel)[0].numpy()
    state = runtime.initial_state()
    for step, scores in zip(given, expected, strict=True):
        found, state = runtime.step(step, state)
        differences.append(float(np.abs(found - scores).max()))
    return float(np.max(differences))


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    return (
        path.stat().st_size
        if path.is_file()
        else sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    )
