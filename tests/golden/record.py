"""`python -m tests.golden.record`: write the events of the shipped model on the demo's clips."""

from __future__ import annotations

import json
from pathlib import Path

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.pipeline.engine import Engine
from tests.pipeline.streams import run
from tests.test_shipped_model import CLIPS, GOLDEN, samples_of, summary


def main() -> None:
    """Score every clip and write what came out."""
    runtime = engine_setup.open_model(Config().model)
    engine = Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)
    rows = [
        {"path": Path(clip.path).name, "events": summary(run(engine, samples_of(index)))}
        for index, clip in enumerate(CLIPS)
    ]
    GOLDEN.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
