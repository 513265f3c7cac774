from __future__ import annotations

import json
from pathlib import Path

import pytest

from inherentd.client.messages import HEADERS
from inherentd.daemon.cli import main
from inherentd.daemon.commands.contracts import schemas

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_the_kept_schemas_are_those_of_the_code() -> None:
    kept = {path.name: path.read_text() for path in CONTRACTS.glob("*.schema.json")}
    assert kept == schemas(), "run: inherentd contracts contracts"


def test_every_topic_has_a_schema_that_asks_for_the_common_fields() -> None:
    for topic in HEADERS:
        definitions = json.loads(schemas()[f"{topic}.schema.json"])["$defs"]
        header = next(definition for name, definition in definitions.items() if name.endswith("Header"))
        assert {"v", "stream", "device", "seq", "at_sample", "time_ns"} <= header["properties"].keys()
        assert {"stream", "device", "seq", "at_sample", "time_ns"} <= set(header["required"])


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contracts", str(tmp_path / "new")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(schemas())
    assert main(["contracts", "--check", str(tmp_path / "new")]) == 0
    (tmp_path / "new" / "intent.schema.json").write_text("{}")
    assert main(["contracts", "--check", str(tmp_path / "new")]) == 1
    assert "intent.schema.json differs" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["contracts", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
