from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from inherentd.daemon.config import Config
from inherentd.daemon.config_layers import known_keys, load
from inherentd.daemon.errors import DaemonError

SHIPPED = Path(__file__).parents[2] / "configs" / "daemon.yaml"


def test_the_shipped_file_shows_every_setting_with_its_default() -> None:
    tree = yaml.safe_load(SHIPPED.read_text())
    assert tree == msgspec.to_builtins(Config())
    assert load(SHIPPED, {}, []) == Config()


def test_later_layers_win(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("gate: {hangover_ms: 1, hold_ms: 2, preroll_ms: 3, thresholds: {has_photo_query: 1e-1}}\n")
    environment = {"INHERENTD_GATE__HOLD_MS": "20", "INHERENTD_GATE__PREROLL_MS": "30", "HOME": "/root"}
    config = load(file, environment, ["gate.preroll_ms=300", "gate.thresholds.is_interesting=0.5"])
    assert (config.gate.hangover_ms, config.gate.hold_ms, config.gate.preroll_ms) == (1, 20, 300)
    assert config.gate.thresholds == {"has_photo_query": 0.1, "is_interesting": 0.5}


def test_strings_stay_strings_and_null_is_null() -> None:
    config = load(None, {"INHERENTD_MODEL__PATH": "null"}, ["publish.device=no", "sleep.below_dbfs=null"])
    assert (config.model.path, config.publish.device, config.sleep.below_dbfs) == (None, "no", None)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("# nothing\n")
    assert load(file, {}, []) == Config()


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("gate.hangovr_ms=3", "unknown key 'gate.hangovr_ms'; did you mean 'gate.hangover_ms'?"),
        ("hangover_ms=3", "did you mean 'gate.hangover_ms'?"),
        ("gaet.hangover_ms=3", "did you mean 'gate"),
        ("input.endpoint=tcp://x", "did you mean 'publish.endpoint'?"),
        ("zzzzzz=1", "known: input, model, gate"),
        ("gate=3", "'gate' is a section, expected keys below it, e.g. gate.thresholds"),
        ("gate.hangover_ms.x=3", "gate.hangover_ms: expected `int`"),
        ("gate.hangover_ms", "expected KEY=VALUE"),
        ("gate.hangover_ms=-1", "gate.hangover_ms: expected `int` >= 0; the value is '-1'"),
        ("gate.hangover_ms=soon", "gate.hangover_ms: expected `int`, got `str`; the value is 'soon'"),
        ("gate.thresholds.is_interesting=1.5", "gate.thresholds"),
        ("gate.close_threshold=nan", "gate.close_threshold: expected `float"),
        ("sleep.below_dbfs=.inf", "sleep.below_dbfs: expected"),
        ("input.speed=fast", "input.speed: expected one of realtime, max; the value is 'fast'"),
        ("model.delegate=edgetpu", "expected one of auto, cpu, gpu, npu, tpu"),
        ("publish.endpoint=", "publish.endpoint"),
    ],
)
def test_a_mistake_in_an_assignment(assignment: str, expected: str) -> None:
    with pytest.raises(DaemonError) as raised:
        load(None, {}, [assignment])
    message = str(raised.value)
    assert message.startswith(f"--set {assignment}: ")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gate: {prerol_ms: 3}", "did you mean 'gate.preroll_ms'?"),
        ("gate: {preroll_ms: [3]}", "gate.preroll_ms: expected `int`, got `array`"),
        ("gate:\n", "'gate' is a section"),
        ("- gate", "got list, expected sections"),
        ("gate: {preroll_ms: 3", "is not valid YAML"),
        ("5: 6", "unknown key '5'"),
    ],
)
def test_a_mistake_in_a_file(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(DaemonError) as raised:
        load(file, {}, [])
    assert str(raised.value).startswith(f"{file}: ")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_mistake_in_the_environment() -> None:
    with pytest.raises(DaemonError, match=r"environment variable INHERENTD_GATE__PREROLL: .*'gate.preroll_ms'"):
        load(None, {"INHERENTD_GATE__PREROLL": "3"}, [])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="does not exist"):
        load(tmp_path / "none.yaml", {}, [])
    with pytest.raises(DaemonError, match="cannot be read"):
        load(tmp_path, {}, [])
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DaemonError, match="cannot be read"):
        load(tmp_path / "binary.yaml", {}, [])


def test_known_keys() -> None:
    assert "gate.hangover_ms" in known_keys()
    assert all(key.count(".") == 1 for key in known_keys())
