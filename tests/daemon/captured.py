"""A scene with near misses, what a recorder takes from it, and captures made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from inherentd.client.messages import ModelIdentity
from inherentd.daemon import engine_setup
from inherentd.daemon.captures.bounds import Limits
from inherentd.daemon.captures.capture import Capture, Label, capture_id
from inherentd.daemon.captures.recorder import Recorder
from inherentd.daemon.captures.ring import CaptureRing
from inherentd.daemon.captures.store import Store
from inherentd.daemon.config import Config, ModelSection
from inherentd.daemon.private_files import write_private
from inherentd.pipeline.engine import Engine
from tests.daemon.conftest import loud, quiet
from tests.tiny_model import HEADS

STREAM = "5f0c9a1b2c3d"
NOON_NS = 1_784_030_400_000_000_000  # 2026-07-14 12:00 UTC
HOUR_NS = 3_600_000_000_000


def near(seconds: float) -> np.ndarray:
    """Return noise that the tiny model's gate scores at about 0.5, where it opens at 0.6."""
    return np.random.default_rng(3).normal(0, 80, round(seconds * 16_000)).astype(np.int16)


SCENE = np.concatenate([quiet(3), near(0.5), quiet(3), loud(1), quiet(3), near(0.3), quiet(0.4)])
"""a near miss, an utterance, a near miss at the very end"""


def new_engine(model: Path) -> Engine:
    runtime = engine_setup.open_model(ModelSection(path=str(model)))
    return Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)


def clock(at_sample: int) -> int:
    return NOON_NS + at_sample * 62_500


class Kept:
    """Takes captures instead of a writer."""

    written = dropped = failed = 0

    def __init__(self) -> None:
        self.captures: list[tuple[Capture, np.ndarray]] = []
        self.closed = False

    def put(self, capture: Capture, pcm: np.ndarray) -> None:
        self.captures.append((capture, pcm))

    def close(self) -> None:
        self.closed = True


def play_to(recorder: Recorder, engine: Engine, pcm: np.ndarray, blocks: list[int]) -> None:
    engine.listener = recorder.scored
    at = 0
    for block in blocks:
        recorder.heard(engine.push(pcm[at : at + block]), clock)
        at += block
    recorder.heard(engine.push(pcm[at:]), clock)
    recorder.heard(engine.finish(), clock)
    recorder.close()


def kept(model: Path, pcm: np.ndarray = SCENE, blocks: list[int] | None = None, share: float | None = 0.6) -> Kept:
    output, engine = Kept(), new_engine(model)
    play_to(Recorder(output, engine, share, STREAM, "kitchen"), engine, pcm, blocks or [1_280] * (len(pcm) // 1_280))
    return output


def ring_in(folder: Path, hours: float = 24, megabytes: float = 100, now_ns: int = NOON_NS + HOUR_NS,
            write: Callable[[Path, bytes], None] = write_private) -> CaptureRing:  # fmt: skip
    return CaptureRing(Store(folder, write), Limits(hours, megabytes), lambda: now_ns)


def a_capture(number: int, time_ns: int = NOON_NS, label: Label | None = None, **changes: object) -> Capture:
    capture = Capture(
        id=capture_id(time_ns, STREAM, "utterance", number),
        kind="utterance",
        time_ns=time_ns,
        stream=STREAM,
        utterance=number,
        device="kitchen",
        model=ModelIdentity(version="1.0.0", hash="h"),
        seconds=1.0,
        heads=list(HEADS),
        peaks=dict.fromkeys(HEADS, 0.9),
        thresholds=dict.fromkeys(HEADS, 0.5),
        intents=[],
        reason="silence",
        label=label,
    )
    return msgspec.structs.replace(capture, **changes)


SECOND = np.zeros(16_000, np.int16)
ADDRESSED = Label(addressed=True)
