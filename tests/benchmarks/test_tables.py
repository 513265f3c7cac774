"""What benchmarks write, and the page made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import tables
from benchmarks.tables import Table

ROOT = Path(__file__).parents[2]


def a_table(title: str = "A table", **changes: object) -> Table:
    given = {"title": title, "command": "python -m benchmarks.x", "conditions": {"cpu": "x|y"}, "columns": ["a", "b, s"],
             "rows": [["one | two", 0.012345], ["three", 1234.5]], "notes": ["A note."], "picture": None}  # fmt: skip
    return Table(**{**given, **changes})


def page(*arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.page", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_table_comes_back_and_reads_well(tmp_path: Path) -> None:
    table = a_table()
    tables.write(tmp_path / "new", "x", table)
    assert tables.read(tmp_path / "new" / "x.json") == table
    text = (tmp_path / "new" / "x.md").read_text()
    for line in (
        "# A table",
        "    python -m benchmarks.x",
        "| a | b, s |",
        "| one \\| two | 0.0123 |",
        "| three | 1234 |",
        "- A note.",
    ):
        assert line in text.splitlines()
    assert "Conditions: cpu x|y." in text


def test_a_crooked_table_is_refused() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells, expected 2"):
        a_table(rows=[["one"]])


def test_conditions_say_where_and_when() -> None:
    assert {"date", "cpu", "cores", "os", "python", "load"} == set(tables.machine())
    assert all(tables.machine().values())
    assert set(tables.versions_of(["numpy", "no-such-package"])) == {"numpy"}
    asked = ["--manifest", f"{Path.cwd()}/a b.jsonl", "--out", "/tmp/x", "--quick"]
    assert tables.command_line("benchmarks.x", asked) == "python -m benchmarks.x --manifest 'a b.jsonl' --quick"


def test_the_page_is_made_of_the_files_alone(tmp_path: Path) -> None:
    tables.write(tmp_path / "one", "a-more", a_table("Second: it's, 5%"))
    tables.write(tmp_path / "one", "a", a_table("First", picture="a.png"))
    (tmp_path / "one" / "a.png").write_bytes(b"a picture")
    tables.write(tmp_path / "two", "c", a_table("Third"))
    wanted = tmp_path / "docs" / "page.md"
    wanted.parent.mkdir()
    done = page(tmp_path / "one", tmp_path / "two", wanted)
    assert (done.returncode, done.stderr) == (0, "")
    text = wanted.read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## First", "## Second: it's, 5%", "## Third"]
    assert "- [Second: it's, 5%](#second-its-5)" in text
    assert "![First](benchmarks-a.png)" in text
    assert (wanted.parent / "benchmarks-a.png").read_bytes() == b"a picture"


def test_the_page_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.json").write_text('{"rows": 1}')
    for folder, said in (("empty", "no table there"), ("other", "no table of a benchmark"), ("none", "no table there")):
        done = page(tmp_path / folder, tmp_path / "page.md")
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert page(tmp_path / "empty", tmp_path / "page.txt").returncode == 2
