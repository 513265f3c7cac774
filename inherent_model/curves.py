"""Learning curves: one line a validation in `log.jsonl`, and the same as TensorBoard files and a PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inherentd.inherent_model.whole import whole

PARTS = ("loss_steps", "loss_peaks", "loss_phonemes", "loss_words")


class Curves:
    """The curves of one run; what it logged up to `step` before it was interrupted stays and is drawn too."""

    def __init__(self, out: Path, step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.out = out
        self.writer = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)
        log = out / "log.jsonl"
        if log.is_file():
            lines = log.read_text().splitlines(keepends=True)
            with whole(log) as unfinished:
                unfinished.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))

    def add(self, line: dict[str, Any]) -> None:
        """Add what one validation found: `step`, `minutes`, `dense_peak_phoneme_word`, and `loss_sequence` and figures by name."""
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        values = dict(zip(PARTS, line["dense_peak_phoneme_word"], strict=True))
        values |= {name: value for name, value in line.items() if isinstance(value, float) and name != "minutes"}
        for name, value in values.items():
            self.writer.add_scalar(name, value, line["step"])
        self.writer.flush()
        draw(self.out / "log.jsonl", self.out / "curves.png")


def draw(log: Path, png: Path) -> None:
    """Draw the log of a run: losses on the left, validation figures on the right."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line["step"] for line in lines]
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for index, name in enumerate(PARTS):
        losses.plot(steps, [line["dense_peak_phoneme_word"][index] for line in lines], marker=".", label=name)
    if "loss_sequence" in lines[-1]:
        losses.plot(steps, [line["loss_sequence"] for line in lines], marker=".", label="loss_sequence")
    for name in ("gate_auc", "intents_mean_auc", "gate_eer", *(["accuracy"] if "accuracy" in lines[-1] else [])):
        scores.plot(steps, [line.get(name) or float("nan") for line in lines], marker=".", label=f"validation {name}")
    for axes in (losses, scores):
        axes.set_xlabel("step")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.savefig(png, dpi=90)
