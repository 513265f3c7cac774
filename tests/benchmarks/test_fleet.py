"""What fleets cost: the arithmetic, from tables with known figures, and the page that shows it."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import fleet, tables

ROOT = Path(__file__).parents[2]
STREAMS = [
    ["talk", 1, 400.0, 320.0, 1.25, 200, 250, 1.0, 1.0],
    ["talk", 32, 400.0, 100.0, 4.0, 200, 800, 1.0, 1.1],
    ["silence", 32, 16.0, 16.0, 1.0, 5000, 5000, 1.0, 1.0],
]
BROKERS = [
    ["direct", 1000, 1200, 0.1, 3.0, 0, 50_000, 0],
    ["proxy", 1000, 1200, 0.1, 3.0, 0, 30_000, 0],
    ["NATS", 1000, 1200, 0.5, 4.0, 0, 20_000, 0],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    streams = ["audio", "streams", "µs a step, apart", "µs a step, together", "times cheaper", "streams a core, apart",
               "streams a core, together", "MB a stream, apart", "MB a stream, together"]  # fmt: skip
    brokers = [
        "way",
        "devices",
        "messages/s, paced",
        "ms p50",
        "ms p99",
        "lost, paced",
        "messages/s, flood",
        "lost, flood",
    ]
    tables.write(tmp_path, "streams", tables.Table("a", "b", {"cpu": "X", "load": "0.1", "os": "Y"}, streams, STREAMS))
    tables.write(tmp_path, "brokers", tables.Table("a", "b", {}, brokers, BROKERS))
    return tmp_path


def row(table: tables.Table, devices: str) -> dict[str, tables.Cell]:
    return next(dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0] == devices)


def test_the_arithmetic(folder: Path) -> None:
    """Half of the devices awake at the peak: 1000 of them take 1000 (0.5 / 800 + 0.5 / 5000) cores, twice that at half load."""
    day = fleet.Day(awake_hours=6, utterances=86.4, utterance_seconds=8, peak=2, load=0.5)
    measured = fleet.Measured.read(folder)
    assert (measured.talk_at, measured.alone_share) == (32, 1 / 200)
    found = row(fleet.gating(day, measured), "1,000")
    assert found["cores of servers"] == math.ceil(2 * 1000 * (0.5 / 800 + 0.5 / 5000)) == 2
    assert found["GB of servers"] == 2
    conditions = fleet.gating(day, measured).conditions
    assert conditions["streams measured on"] == "cpu X, load 0.1"
    assert "brokers measured on" not in conditions  # its table says nothing
    assert found["raw audio to servers"] == "256 Mbit/s"
    travelling = row(
        fleet.travelling(day, measured), "1,000"
    )  # 2 utterances a second of 3 events and 100 audio messages
    assert (travelling["events/s"], travelling["audio messages/s"]) == (6.0, 200.0)
    assert (travelling["proxies beside the devices"], travelling["way"]) == (
        1,
        "one subscriber, directly or through a proxy",
    )
    many = row(fleet.travelling(day, measured), "1,000,000")
    assert many["proxies beside the devices"] == 1000
    assert many["subscribers to share the work"] == math.ceil(206_000 / 15_000)
    assert many["NATS bridges"] == 1000


def test_sizes_are_those_of_the_wire() -> None:
    sizes = fleet.Sizes.encoded()
    assert sizes.event_messages == 3
    assert 2_560 < sizes.audio < 2_560 + 400
    assert 300 < sizes.health < 800
    assert 900 < sizes.events < 3_000


def test_the_page_is_filled_and_the_rest_of_it_kept(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    before = (ROOT / "docs" / "scale.md").read_text()
    page.write_text(before)
    command = [
        sys.executable,
        "-m",
        "benchmarks.fleet",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--page",
        str(page),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = page.read_text()
    assert "| 1,000,000 |" in after
    outside = [text.split("<!-- figures:")[0] for text in before.split("<!-- end -->")]
    assert [text.split("<!-- figures:")[0] for text in after.split("<!-- end -->")] == outside
    assert (tmp_path / "out" / "fleet.json").exists()
    page.write_text("no place")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "fleet: the page has 0 places `<!-- figures: fleet -->` … `<!-- end -->`, expected 1\n",
    )


def test_what_is_no_table_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fleet", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no table of a benchmark" in done.stderr
