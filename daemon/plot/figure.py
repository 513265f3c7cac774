"""A trace and its score line -> a PNG: mel, gate and intents over one time axis, thresholds and events.

Colours are those of Okabe and Ito, which the colour blind can tell apart; line styles, marks and words say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.plot.trace import Trace
from inherentd.daemon.score_line import ScoreLine
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.frontend import FrontendSpec, mel_filters

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":")
GREY, SHADE = "#999999", "#EEEEEE"
COLUMNS = 3_000  # of the mel spectrogram, more than it has pixels
VISIBLE = 0.1  # a head that reaches this, or its threshold, is named
TICKS_HZ = (200, 500, 1_000, 2_000, 4_000)
TICKS_SCORE = (0, 0.02, 0.1, 0.25, 0.5, 1)
LABEL_HEIGHT = 0.075
CHARACTER_INCHES = 0.075


def draw(trace: Trace, line: ScoreLine, engine: Engine, path: Path) -> None:
    """Write the picture of one file. Raises OSError when it cannot be written."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    library: Any = mpl
    with library.rc_context({"text.parse_math": False}):  # a file may have dollar signs in its name
        _draw(Figure(figsize=(_inches(line), 8), layout="constrained"), trace, line, engine, path)


def _inches(line: ScoreLine) -> float:
    return min(60.0, max(10.0, line.seconds / 6))


def _draw(figure: Any, trace: Trace, line: ScoreLine, engine: Engine, path: Path) -> None:
    rate_hz = engine.spec.sample_rate_hz
    mel, gate, intents = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 3))
    at_samples, scores = trace.curves(len(engine.heads), engine.runtime.step_frames * engine.spec.hop_samples)
    at = at_samples / rate_hz
    figure.suptitle(f"{Path(line.path).name}   model {engine.runtime.metadata.version}", fontsize=11)
    _draw_mel(mel, trace, line.seconds, engine.spec)
    _draw_gate(gate, at, scores[:, 0], engine)
    _draw_intents(intents, at, scores, engine, _inches(line) / line.seconds)
    _draw_events(gate, intents, line, rate_hz, engine.heads)
    intents.set_xlim(0, line.seconds)
    figure.savefig(path, dpi=100)


def _draw_mel(axes: Any, trace: Trace, seconds: float, spec: FrontendSpec) -> None:
    frames = trace.mel(spec, COLUMNS)
    axes.imshow(frames, origin="lower", aspect="auto", cmap="cividis", extent=(0, seconds, 0, spec.mel_bins))
    centres_hz = mel_filters(spec).argmax(axis=0) * spec.sample_rate_hz / spec.fft_size
    ticks = [tick for tick in TICKS_HZ if spec.low_hz < tick < spec.high_hz]
    axes.set_yticks(np.interp(ticks, centres_hz, np.arange(spec.mel_bins) + 0.5), [f"{tick:,}" for tick in ticks])
    axes.set_ylabel("log mel, Hz")


def _draw_gate(axes: Any, at: NDArray[np.float64], scores: NDArray[np.float32], engine: Engine) -> None:
    gate = engine.config.gate
    axes.plot(at, scores, color="black", linewidth=1.5)
    for threshold, what, style in ((gate.open_threshold, "opens", "-"), (gate.close_threshold, "closes", "--")):
        axes.axhline(threshold, color=COLORS[1], linestyle=style, linewidth=1)
        axes.text(1.003, threshold, f"{what} {threshold:.2f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)  # fmt: skip
    axes.set_ylim(0, 1.3)  # room for the events
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1))
    axes.set_ylabel(f"gate\n{gate.heads[0]}")


def _draw_intents(
    axes: Any, at: NDArray[np.float64], scores: NDArray[np.float32], engine: Engine, inches_per_second: float
) -> None:
    """A square root for the scale: thresholds of rare requests are as low as 0.02."""
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_ylim(0, 1.16**2)  # room for names over the highest peaks
    axes.set_yticks(TICKS_SCORE, [f"{tick:g}" for tick in TICKS_SCORE])
    axes.set_ylabel("intents (square-root scale)")
    labels = Labels()
    for index, head in enumerate(engine.heads[1:]):
        threshold, curve = engine.config.gate.intent_thresholds[index], scores[:, index + 1]
        top = int(np.nanargmax(curve)) if len(curve) else 0
        if not len(curve) or curve[top] < min(threshold, VISIBLE):
            axes.plot(at, curve, color=GREY, linewidth=0.5)
            continue
        color, style = COLORS[index % len(COLORS)], STYLES[index // len(COLORS) % len(STYLES)]
        axes.plot(at, curve, color=color, linestyle=style, linewidth=1.5)
        axes.axhline(threshold, color=color, linestyle=":", linewidth=0.8)
        text = f"{head} {curve[top]:.2f} (threshold {threshold:.2f})"
        half = len(text) * CHARACTER_INCHES / 2 / inches_per_second
        x = min(max(float(at[top]), half), max(half, float(at[-1]) - half))
        axes.annotate(
            text, (at[top], curve[top]), (x, labels.place(x, half, float(np.sqrt(curve[top]))) ** 2),
            fontsize=8, ha="center", va="center", arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8},
            bbox={"facecolor": "white", "edgecolor": color, "linestyle": style, "pad": 1.5},
        )  # fmt: skip


class Labels:
    """Finds room for names near their peaks; heights are shares of the axes, square roots of scores."""

    def __init__(self) -> None:
        """All is free."""
        self._taken: list[tuple[float, float, float]] = []

    def place(self, x: float, half: float, y: float) -> float:
        """Return a height for a label of this half width: over y if it can be, else the nearest free one."""
        for height in sorted(
            np.arange(0.05, 1.12, 0.01), key=lambda height: (height < y + LABEL_HEIGHT, abs(height - y))
        ):
            if all(
                abs(x - at) > half + width or abs(height - other) >= LABEL_HEIGHT for at, width, other in self._taken
            ):
                self._taken.append((x, half, float(height)))
                return float(height)
        return y


def _root(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.clip(score, 0, None))


def _draw_events(gate: Any, intents: Any, line: ScoreLine, rate_hz: int, heads: Sequence[str]) -> None:
    """Utterances shaded, from opening to close; a filled dot where an intent was told, a hollow one where it was final."""
    opened = 0.0
    for event in line.events:
        at = event["at_sample"] / rate_hz
        late = at > 0.8 * line.seconds  # its words go to the left
        match event["topic"]:
            case "gate.opened":
                opened = at
                words = f"▲ {event['utterance']} opened"
                gate.text(at, 1.22, words, fontsize=8, ha="right" if late else "left", va="center")
            case "gate.closed":
                words = f"▼ {event['utterance']} closed, {event['reason']}"
                gate.text(at, 1.09, words, fontsize=8, ha="right" if late else "left", va="center")
                for axes in (gate, intents):
                    axes.axvspan(opened, at, color=SHADE, zorder=0)
                    axes.axvline(opened, color="black", linewidth=0.8)
                    axes.axvline(at, color="black", linewidth=0.8, linestyle="--")
            case "intent":
                index = list(heads).index(event["head"]) - 1
                color = COLORS[index % len(COLORS)]
                fill = "white" if event["final"] else color
                intents.plot(at, event["score"], "o", color=color, markerfacecolor=fill, zorder=3, clip_on=False)
            case _:
                pass
    told = "● intent told   ○ final, at the close   shaded: utterance open" if line.events else "no utterance"
    intents.set_xlabel(f"seconds\n{told}   thin lines: other heads   gaps: quiet, the model slept", fontsize=9)
