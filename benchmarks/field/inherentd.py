"""inherentd's engine as the daemon runs it: its default settings, a model of this repository, or another by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.field import Decision

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.pipeline.engine import Engine as Pipeline
from inherentd.pipeline.events import Event, GateOpened, Intent
from inherentd.pipeline.runtimes import open_runtime


class Inherentd:
    """Decides when the gate opens, and each intent as soon as it is sure enough."""

    def __init__(self, model: Path, *, sleeps: bool) -> None:
        runtime = open_runtime(model)
        config = engine_setup.engine_config(Config(), runtime.metadata)
        self._engine = Pipeline(config if sleeps else replace(config, sleep_below_dbfs=None), runtime)
        self.model_files: Sequence[Path] = (model,)

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest score of each head."""
        return self._engine.peaks

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return the gate's openings and the intents."""
        return _decisions(self._engine.push(samples))

    def finish(self) -> list[Decision]:
        """Return what the last word decides."""
        return _decisions(self._engine.finish())

    def reset(self) -> None:
        """Begin another stream."""
        self._engine.reset()


def _decisions(events: Sequence[Event]) -> list[Decision]:
    found = []
    for event in events:
        if isinstance(event, GateOpened):
            found.append(Decision(event.at_sample, next(iter(event.scores)), event.score, event.scores))
        elif isinstance(event, Intent) and not event.final:
            found.append(Decision(event.at_sample, event.head, event.score, opening=False))
    return found


def open_engine(prepared: Path, file: str, *, sleeps: bool = True) -> Inherentd:
    """Return the engine with a file of the models that come with inherentd, or of what was prepared."""
    shipped = engine_setup.MODELS / file
    return Inherentd(shipped if shipped.is_file() else prepared / file, sleeps=sleeps)
