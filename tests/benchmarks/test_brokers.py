"""Events through brokers: the quick run, every message of which must arrive."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.brokers import WAYS, nats_server, without_nats

pytest.importorskip("nats", reason="pip install 'inherentd[nats]'")
if nats_server() is None:
    pytest.skip("apt-get install nats-server", allow_module_level=True)

ROOT = Path(__file__).parents[2]


def test_without_server_or_client_nats_is_left_out() -> None:
    assert not without_nats(nats_server())
    assert "no nats-server here" in without_nats(None)
    assert "no module no_such_client here" in without_nats(nats_server(), "no_such_client")


def test_quick(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.brokers", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "brokers.json").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [row["way"] for row in rows] == list(WAYS)
    for row in rows:
        assert (row["lost, paced"], row["lost, flood"]) == (0, 0)
        assert 0 < row["ms p50"] <= row["ms p99"]
        assert row["messages/s, flood"] > row["messages/s, paced"]
