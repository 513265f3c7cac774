"""Streams side by side: the quick run, and what it must say whatever the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pip install 'inherentd[plot]'")

ROOT = Path(__file__).parents[2]


def test_quick(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.streams", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "streams.json").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [(row["audio"], row["streams"]) for row in rows] == [("talk", 1), ("talk", 4), ("silence", 4)]
    for row in rows:
        fitting = 80_000 / row["µs a step, together"]  # of a rounded time; the table has whole streams, rounded down
        assert fitting * 0.99 - 1 < row["streams a core, together"] <= fitting * 1.01
        assert 0 < row["MB a stream, together"] < 5
    _, four, silence = rows
    assert four["µs a step, together"] < four["µs a step, apart"]  # half of it; never more, however busy the machine
    assert silence["µs a step, together"] < four["µs a step, together"]
    assert (tmp_path / "streams.md").read_text().startswith("# Streams that one core gates")
    assert (tmp_path / table["picture"]).stat().st_size > 5_000
