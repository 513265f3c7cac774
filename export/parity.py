"""`inherent parity`: what real clips score in each artifact, against torch; what padding, export and quantization each cost.

An artifact outside its tolerance is marked unsupported in its metadata, and the daemon refuses it unless told otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inherentd.export.artifacts import tolerance
from inherentd.export.errors import ExportError
from inherentd.export.forms import WindowedForm
from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.checkpoint import Checkpoint
from inherentd.inherent_model.evaluation import head_figures
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.manifest import Utterance, measured
from inherentd.inherent_model.recipe import load_recipe, utterances
from inherentd.pipeline.artifact import load_metadata, metadata_path, threshold_key
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import BACKENDS, TAIL_FRAMES, Runtime, backend_of, open_runtime, peak_scores
from inherentd.pipeline.runtimes.window import SlidingWindow

AUC_LOSS = 0.01
"""what quantization may cost, on any head"""
Samples = np.ndarray


@dataclasses.dataclass(frozen=True)
class Parity:
    """One artifact against torch over the same clips; differences are of peak scores."""

    artifact: str
    backend: str
    form: str
    quantization: str
    clips: int
    max_difference: float
    mean_difference: float
    by_head: dict[str, dict[str, float]]
    """largest and mean difference, and AUC lost, by head"""
    decisions_changed: int
    """clips and heads on the other side of the calibrated threshold, of clips times heads"""
    padding_difference: float
    """torch with the form's padding against torch with each clip as long as it is"""
    export_difference: float
    """the float32 artifact of the same backend and form against torch with the same padding"""
    quantization_difference: float
    """this artifact against that float32 one"""
    auc_lost: float
    """of the head that loses most"""
    tolerance: str
    unsupported: str
    """why it is outside its tolerance; empty where it is not"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent parity`."""
    parser.add_argument("models", type=Path, nargs="+", help="artifacts, or a folder of them")
    parser.add_argument("--checkpoint", type=Path, required=True, help="what they were exported from")
    parser.add_argument("--config", type=Path, required=True, help="the training recipe: its test split is used")
    parser.add_argument(
        "--limit", type=int, default=300, metavar="N", help="so many clips, drawn by seed (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="write the figures as JSON here too")


def run(arguments: argparse.Namespace) -> int:
    """Print a table; exit 1 when an artifact is outside its tolerance."""
    loaded = checkpoint.load(arguments.checkpoint)
    rows = measured(utterances(load_recipe(arguments.config)), "test")
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[: arguments.limit])
    rows = [rows[index] for index in chosen]
    if not rows:
        raise ExportError(f"{arguments.config}: no test clips; give some lines of a manifest `split: test`")
    spec = loaded.frontend
    silence = np.zeros(TAIL_FRAMES * spec.hop_samples, np.float32)
    clips = [np.concatenate([read_audio(row.path, spec.sample_rate_hz), silence]) for row in rows]
    found = []
    for line in compare(loaded, rows, clips, artifacts(arguments.models)):
        found.append(line)
        print(line.artifact, f"{line.max_difference:.1e}", line.unsupported or "ok", file=sys.stderr)
    print(table(found))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps([dataclasses.asdict(line) for line in found], indent=1) + "\n")
    return int(not found or any(line.unsupported for line in found))


def artifacts(given: Sequence[Path]) -> list[Path]:
    """Return the artifacts of files and folders that can be scored here, float32 ones first: others are held against them."""
    suffixes = {backend.suffix for backend in BACKENDS.values()}
    paths = [
        path
        for each in given
        for path in (sorted(each.iterdir()) if each.is_dir() and each.suffix not in suffixes else [each])
    ]
    known = []
    for path in paths:
        if path.suffix in suffixes and metadata_path(path).is_file():
            try:
                metadata = load_metadata(path, FrontendSpec())
            except PipelineError as error:
                raise ExportError(str(error)) from error
            if metadata.form == "frontend":
                continue
            if metadata.backend == backend_of(path):  # not a checkpoint that lies beside them
                known.append((metadata.quantization != "float32", path))
    if not known:
        raise ExportError(
            f"{[str(path) for path in given]}: no artifacts; expected {', '.join(sorted(suffixes))} with metadata"
        )
    return [path for _, path in sorted(known)]


def compare(loaded: Checkpoint, rows: list[Utterance], clips: list[Samples], models: list[Path]) -> Iterator[Parity]:
    """Yield each artifact's figures, and write into its metadata whether it is supported."""
    heads = loaded.model.config.heads
    mels = [log_mel(loaded.frontend, clip) for clip in clips]
    references: dict[int | None, np.ndarray] = {}
    plain = _torch_peaks(loaded, mels)
    floats: dict[tuple[str, str, int | None], np.ndarray] = {}
    for path in models:
        try:
            runtime = open_runtime(path, allow_unsupported=True)
        except PipelineError as error:
            print(f"{path.name}: not run here: {error}", file=sys.stderr)
            continue
        metadata = runtime.metadata
        if metadata.training_hash != loaded.training_hash:
            raise ExportError(
                f"{path}: comes from checkpoint {metadata.training_hash}, got {loaded.training_hash}; give its own"
            )
        static = runtime.static_frames if isinstance(runtime, SlidingWindow) else None
        reference = plain
        if isinstance(runtime, SlidingWindow):
            if static not in references:
                references[static] = _windowed_peaks(loaded, mels, static)
            reference = references[static]
        scores = np.stack([_peaks(runtime, mel, clip) for mel, clip in zip(mels, clips, strict=True)])
        key = (metadata.backend, metadata.form, static)
        if metadata.quantization == "float32":
            floats[key] = scores
        exact = floats.get(key, reference)
        line = _line(path, runtime, heads, rows, scores=scores, reference=reference, exact=exact, plain=plain)
        sidecar = metadata_path(path)
        document = json.loads(sidecar.read_text())
        if document.get("unsupported", "") != line.unsupported:
            changed = sidecar.with_suffix(".part")
            changed.write_text(json.dumps(document | {"unsupported": line.unsupported}, indent=1) + "\n")
            changed.replace(sidecar)
        yield line


def _line(path: Path, runtime: Runtime, heads: Sequence[str], rows: list[Utterance], *, scores: np.ndarray, reference: np.ndarray,
          exact: np.ndarray, plain: np.ndarray) -> Parity:  # fmt: skip
    metadata = runtime.metadata
    difference = np.abs(scores - reference)
    thresholds = np.array([metadata.default_thresholds[threshold_key(head)] for head in heads])
    changed = int(((scores >= thresholds) != (reference >= thresholds)).sum())
    before, after = (head_figures(heads, rows, values) for values in (reference, scores))
    lost = {head: (a.auc or 0) - (b.auc or 0) for head, a, b in zip(heads, before, after, strict=True)}
    limit = tolerance(metadata.backend, metadata.quantization)
    worst = max(lost.values())
    if limit is not None:
        allowed = f"score difference {limit:g}"
        within = difference.max() <= limit
        unsupported = "" if within else f"scores differ by {difference.max():.2g}, expected at most {limit:g}"
    else:
        allowed = f"AUC lost {AUC_LOSS:g}"
        loser = max(lost, key=lambda head: lost[head])
        unsupported = "" if worst <= AUC_LOSS else f"{loser} loses {worst:.3f} AUC, expected at most {AUC_LOSS:g}"
    return Parity(
        artifact=path.name, backend=metadata.backend, form=metadata.form, quantization=metadata.quantization, clips=len(rows),
        max_difference=float(difference.max()), mean_difference=float(difference.mean()),
        by_head={head: {"max": float(difference[:, index].max()), "mean": float(difference[:, index].mean()), "auc_lost": lost[head]}
                 for index, head in enumerate(heads)},
        decisions_changed=changed, padding_difference=float(np.abs(reference - plain).max()),
        export_difference=float(np.abs(exact - reference).max()), quantization_difference=float(np.abs(scores - exact).max()),
        auc_lost=worst, tolerance=allowed, unsupported=unsupported,
    )  # fmt: skip


def _peaks(runtime: Runtime, mel: np.ndarray, clip: Samples) -> np.ndarray:
    if isinstance(runtime, SlidingWindow):
        return _window_peaks(mel, runtime.static_frames, lambda window: runtime.score(runtime.padded(window)))
    return peak_scores(runtime, clip if runtime.metadata.form == "audio" else mel)


def _window_peaks(mel: np.ndarray, static: int | None, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the peaks of a clip in one window, or in as many as it takes where the window is shorter than the clip."""
    size = static or len(mel)
    starts = range(0, max(1, len(mel)), size)
    return np.max([score(mel[None, start : start + size]) for start in starts], axis=0)


@torch.inference_mode()
def _windowed_peaks(loaded: Checkpoint, mels: list[np.ndarray], static: int | None) -> np.ndarray:
    form = WindowedForm(loaded.model)

    def score(window: np.ndarray) -> np.ndarray:
        padded = np.pad(window, ((0, 0), (0, (static or window.shape[1]) - window.shape[1]), (0, 0)))
        return form(torch.from_numpy(padded))[0].numpy()

    return np.stack([_window_peaks(mel, static, score) for mel in mels])


def _torch_peaks(loaded: Checkpoint, mels: list[np.ndarray]) -> np.ndarray:
    return np.stack(
        [checkpoint.step_scores(loaded.model, torch.from_numpy(mel)[None])[0].amax(0).numpy() for mel in mels]
    )


def table(lines: Sequence[Parity]) -> str:
    """Return the figures as a Markdown table."""
    head = ["artifact", "form", "numbers", "max difference", "mean", "decisions changed", "padding", "export", "quantization",
            "AUC lost", "supported"]  # fmt: skip
    out = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for line in lines:
        cells: list[Any] = [
            f"`{line.artifact}`", line.form, line.quantization, f"{line.max_difference:.1e}", f"{line.mean_difference:.1e}",
            f"{line.decisions_changed} of {line.clips * len(line.by_head)}", f"{line.padding_difference:.1e}",
            f"{line.export_difference:.1e}", f"{line.quantization_difference:.1e}", f"{line.auc_lost:.4f}",
            line.unsupported or "yes",
        ]  # fmt: skip
        out.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(out)
