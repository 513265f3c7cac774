from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import pytest

from inherentd.client import Control
from inherentd.client.messages import HEADERS, Header, HealthHeader
from inherentd.client.requests import AnyRequest
from inherentd.client.results import RESULTS, StatusResult
from inherentd.daemon.cli import main
from inherentd.daemon.commands.contracts import schemas
from inherentd.daemon.config_layers import known_keys
from inherentd.daemon.references import references
from inherentd.daemon.references.fields import example, fields_of
from tests.daemon.conftest import Daemon, quiet, write_wav

LEVEL = Annotated[float, msgspec.Meta(description="how loud")]
REPOSITORY = Path(__file__).parents[2]
CONTRACTS = REPOSITORY / "contracts"


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


def test_the_kept_references_are_those_of_the_types() -> None:
    written = references()
    assert {name: (REPOSITORY / name).read_text() for name in written} == written, (
        "run: inherentd contracts --references ."
    )


def test_the_references_name_every_setting_topic_and_request() -> None:
    written = references()
    for key in known_keys():
        section, _, name = key.partition(".")
        assert f"| `{key}` |" in written["docs/configuration.md"]
        assert f"`INHERENTD_{section.upper()}__{name.upper()}`" in written["docs/configuration.md"]
        assert f"\n  {name}: " in written["configs/daemon.yaml"]
    requests = [str(request.__struct_config__.tag) for request in get_args(AnyRequest)]
    assert set(RESULTS) == set(get_args(AnyRequest))
    for heading in [*HEADERS, *requests]:
        assert f"\n### {heading}\n" in written["docs/wire.md"], heading


def test_the_examples_on_the_page_are_messages_of_the_types() -> None:
    page = (REPOSITORY / "docs" / "wire.md").read_text()
    for topic, header in HEADERS.items():
        line = page.split(f"\n```text\n{topic}\n")[1].splitlines()[0]
        assert msgspec.json.decode(line, type=header) == example(header)
    asked = [line for line in page.splitlines() if line.startswith('{"request"')]
    assert len(asked) == len(get_args(AnyRequest))
    for line in asked:
        msgspec.json.decode(line, type=AnyRequest)


def test_a_field_without_a_text_is_refused() -> None:
    class Silent(msgspec.Struct):
        level: float

    with pytest.raises(ValueError, match=r"Silent.level: has no text; give its Meta a description"):
        fields_of(Silent)


def test_a_field_without_an_example_is_refused() -> None:
    class Unshown(msgspec.Struct):
        level: LEVEL

    with pytest.raises(ValueError, match=r"Unshown.level: has no example"):
        example(Unshown)


def test_ranges_say_which_end_is_open() -> None:
    said = {
        "0 or more": msgspec.Meta(ge=0), "over 0": msgspec.Meta(gt=0), "up to 5": msgspec.Meta(le=5),
        "under 5": msgspec.Meta(lt=5), "0 to 5": msgspec.Meta(ge=0, le=5), "over 0 to 5": msgspec.Meta(gt=0, le=5),
        "0 to under 5": msgspec.Meta(ge=0, lt=5), "": msgspec.Meta(),
    }  # fmt: skip
    for text, meta in said.items():
        limited = msgspec.defstruct("Limited", [("level", Annotated[LEVEL, meta])])
        assert fields_of(limited)[0].range == text


def test_the_command_writes_the_references_below_a_folder_and_checks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contracts", "--references", str(tmp_path)]) == 0
    assert (tmp_path / "contracts" / "intent.schema.json").is_file()
    assert main(["contracts", "--check", "--references", str(tmp_path)]) == 0
    (tmp_path / "docs" / "wire.md").write_text("")
    capsys.readouterr()
    assert main(["contracts", "--check", "--references", str(tmp_path)]) == 1
    assert "wire.md differs from the code; run inherentd contracts --references ." in capsys.readouterr().err


def test_a_daemon_answers_as_the_page_says(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    running = daemon("--input", str(write_wav(tmp_path / "quiet.wav", quiet(60))))
    running.until("health", state="listening")
    with Control() as control:
        health = set(HealthHeader.__struct_fields__) - set(Header.__struct_fields__)
        fields: dict[str, dict[str, object]] = {
            "thresholds.set": {"thresholds": {"is_interesting": 0.6}},
            "context.set": {"assistant_speaking": True, "expecting_reply_ms": 1000},
            "audio": {"start": 0, "stop": 160},
        }
        for request, result in RESULTS.items():
            name = str(request.__struct_config__.tag)
            if name == "mark":  # there is no utterance; tests/daemon/test_captures.py marks some
                continue
            answer, _ = control.ask(name, timeout_seconds=30, **fields.get(name, {}))
            told = set(answer) - (health if result is StatusResult else set())
            assert told == set(result.__struct_fields__), name
            msgspec.convert(answer, result)
    assert running.process.wait(20) == 0
