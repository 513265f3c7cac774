"""Which accelerators take an artifact on this machine, and what each says that refuses it: `NAME-delegates.json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import BACKENDS, backend_of, open_runtime, step_seconds


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One accelerator asked for."""

    artifact: str
    delegate: str
    refused: str
    """why it does not run the artifact; empty where it does"""
    step_us: float | None
    """wall-clock time of one step, or of one window; None where it does not run"""


def attempts(paths: Iterable[Path]) -> Iterator[Attempt]:
    """Yield every delegate of each artifact's backend, asked for one at a time."""
    for path in paths:
        for delegate in ("cpu", *BACKENDS[backend_of(path)].delegates):
            try:
                runtime = open_runtime(path, delegate=delegate, strict_delegate=True)
            except PipelineError as error:
                yield Attempt(path.name, delegate, str(error), None)
            else:
                yield Attempt(path.name, delegate, "", round(step_seconds(runtime) * 1e6, 1))


def write(path: Path, artifacts: Iterable[Path]) -> None:
    """Write the attempts as JSON."""
    path.write_text(json.dumps([dataclasses.asdict(attempt) for attempt in attempts(artifacts)], indent=1) + "\n")
