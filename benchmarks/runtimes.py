"""What a step and a second of sound cost in every runtime that is installed here, and in the upstream network.

    python -m benchmarks.runtimes FOLDER [--checkpoint models/inherent.safetensors] [--out runtimes.json]
                                  [--tflite-runtime VENV/bin/python]

FOLDER is what `inherent export --backend all` wrote. One process, one thread, the candidates taking turns, so that a
noisy machine is noisy for all; the figure is the median over rounds of CPU time. tflite-runtime wants numpy below 2, so it
runs in a virtual environment of its own (`pip install tflite-runtime 'numpy<2' inherentd`), right after the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import open_runtime
from inherentd.pipeline.runtimes.window import SlidingWindow

CANDIDATES = {
    "ONNX float32": ("inherent.onnx", "inherent-windowed.onnx", "cpu"),
    "ONNX int8": ("inherent-int8.onnx", "inherent-windowed-int8.onnx", "cpu"),
    "LiteRT float32": ("inherent-litert.tflite", "inherent-litert-windowed-50.tflite", "cpu"),
    "LiteRT dynamic int8": (
        "inherent-litert-dynamic-int8.tflite",
        "inherent-litert-windowed-50-dynamic-int8.tflite",
        "cpu",
    ),
    "LiteRT int8": ("inherent-litert-int8.tflite", "inherent-litert-windowed-50-int8.tflite", "cpu"),
    "LiteRT, OpenVINO": ("inherent-litert.tflite", "inherent-litert-windowed-50.tflite", "openvino"),
    "MLX": ("inherent-mlx.safetensors", "inherent-mlx-windowed.safetensors", "cpu"),
}
"""name -> the file of the streaming form, that of a window, and the delegate"""
SECOND_FRAMES = 50
Once = Callable[[], object]


def main() -> int:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=Path("models/inherent.safetensors"))
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--tflite-runtime", metavar="PYTHON")
    parser.add_argument("--litert-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    steps, windows = _opened(0, arguments), _opened(1, arguments)
    if arguments.litert_only:
        print(json.dumps({"step": measure(steps, arguments.rounds), "window": measure(windows, arguments.rounds)}))
        return 0
    torch_step, torch_window = _torch(arguments.checkpoint)
    upstream = _upstream(SECOND_FRAMES)
    measured = {"step": measure({"torch": torch_step} | steps, arguments.rounds),
                "window": measure({"torch": torch_window} | windows | upstream, arguments.rounds),
                "minute": measure(_upstream(3000), max(3, arguments.rounds // 50))}  # fmt: skip
    if arguments.tflite_runtime:
        command = [
            arguments.tflite_runtime,
            __file__,
            arguments.folder,
            "--litert-only",
            "--rounds",
            str(arguments.rounds),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        for kind, found in json.loads(done.stdout).items():
            measured[kind] |= {name.replace("LiteRT", "tflite-runtime"): value for name, value in found.items()}
    print("| runtime | µs a step of 80 ms | µs a window of 1 s |\n| --- | --- | --- |")
    for name in {**measured["step"], **measured["window"]}:
        cells = (f"{measured[kind][name]:.0f}" if name in measured[kind] else "-" for kind in ("step", "window"))
        print(f"| {name} | {' | '.join(cells)} |")
    for name, value in measured["minute"].items():
        print(f"{name}, a window of 3000 frames: {value / 1000:.0f} ms")
    if arguments.out:
        arguments.out.write_text(json.dumps(measured, indent=1) + "\n")
    return 0


def _opened(form: int, arguments: argparse.Namespace) -> dict[str, Once]:
    """Return what runs once, by name: a step (0) or a window (1) of each candidate that can be opened here."""
    found: dict[str, Once] = {}
    for name, (*files, delegate) in CANDIDATES.items():
        if arguments.litert_only and (not name.startswith("LiteRT") or delegate != "cpu"):
            continue
        try:
            runtime = open_runtime(
                arguments.folder / files[form], delegate=delegate, strict_delegate=True, allow_unsupported=True
            )
        except PipelineError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        found[name] = _window(runtime) if isinstance(runtime, SlidingWindow) else _step(runtime)
    return found


def measure(candidates: dict[str, Once], rounds: int) -> dict[str, float]:
    """Return the median CPU time of one call of each candidate, in µs; they take turns, call by call."""
    taken: dict[str, list[int]] = {name: [] for name in candidates}
    for once in candidates.values():
        once()
    for _ in range(rounds):
        for name, once in candidates.items():
            before = time.process_time_ns()
            once()
            taken[name].append(time.process_time_ns() - before)
    return {name: float(np.median(values)) / 1000 for name, values in taken.items()}


def _mel(frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(-7, 3, (1, frames, 128)).astype(np.float32)


def _step(runtime: Any) -> Once:
    held = {"state": runtime.initial_state()}
    mel = _mel(runtime.step_frames)

    def once() -> None:
        _, held["state"] = runtime.step(mel, held["state"])

    return once


def _window(runtime: SlidingWindow) -> Once:
    mel = runtime.padded(_mel(SECOND_FRAMES))
    return lambda: runtime.score(mel)


def _torch(path: Path) -> tuple[Once, Once]:
    """Return a step and a window of the model in torch, eager."""
    import torch

    from inherentd.inherent_model import checkpoint

    torch.set_num_threads(1)
    model = checkpoint.load(path).model
    held = {"state": model.initial_state()}
    mel = torch.from_numpy(_mel(model.config.step_frames))
    window = torch.from_numpy(_mel(SECOND_FRAMES + -SECOND_FRAMES % model.config.step_frames))

    def step() -> None:
        with torch.inference_mode():
            _, held["state"] = model(mel, held["state"])

    return step, lambda: checkpoint.step_scores(model, window)


def _upstream(frames: int) -> dict[str, Once]:
    """Return the upstream network in ONNX Runtime, with random weights."""
    import onnxruntime
    from benchmarks.conformer import export

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conformer.onnx"
        export(path, frames)
        session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    mel = _mel(frames)
    return {f"upstream's network, {frames} frames (ONNX float32)": lambda: session.run(None, {"mel_spectrogram": mel})}


if __name__ == "__main__":
    sys.exit(main())
