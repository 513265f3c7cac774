"""Thresholds and context at run time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config, ControlSection, GateSection
from inherentd.daemon.control.tuning import FILE_NAME, Tuning, keep, kept, tuned
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.artifact import load_metadata
from inherentd.pipeline.frontend import FrontendSpec

CONFIG = Config(
    gate=GateSection(thresholds={"is_interesting": 0.5}), control=ControlSection(speaking_raises=0.3, reply_lowers=0.2)
)


def opens_and_closes(tuning: Tuning, model: Path, config: Config = CONFIG) -> tuple[float, float]:
    metadata = load_metadata(model, FrontendSpec())
    gate = engine_setup.gate_config(tuned(config, tuning, metadata).gate, metadata)
    return round(gate.open_threshold, 6), round(gate.close_threshold, 6)


def test_the_context_moves_the_gate_only(model: Path) -> None:
    assert opens_and_closes(Tuning(), model) == (0.5, 0.3)
    assert opens_and_closes(Tuning(assistant_speaking=True), model) == (0.8, 0.48)
    assert opens_and_closes(Tuning(reply_until=1e9), model) == (0.3, 0.18)
    assert opens_and_closes(Tuning(assistant_speaking=True, reply_until=1e9), model) == (0.6, 0.36)
    assert opens_and_closes(Tuning({"is_interesting": 0.9}, assistant_speaking=True), model) == (1.0, 0.6)


def test_a_lowered_gate_never_closes_above_its_opening(model: Path) -> None:
    config = Config(gate=GateSection(thresholds={"is_interesting": 0.5}, close_threshold=0.45))
    assert opens_and_closes(Tuning(reply_until=1e9), model, config) == (0.3, 0.3)


def test_thresholds_are_set_and_given_back() -> None:
    tuning = Tuning().with_thresholds({"a": 0.1, "b": 0.2}).with_thresholds({"a": None, "c": 0.3})
    assert tuning.thresholds == {"b": 0.2, "c": 0.3}


def test_an_expected_reply_is_over_in_time() -> None:
    tuning = Tuning(reply_until=10.0)
    assert tuning.at(9.9) is tuning
    assert tuning.at(10.0).reply_until is None


def test_kept_thresholds_are_private_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert kept(folder) == {}
    by_model = {"a1": {"is_interesting": 0.8}, "b2": {"is_interesting": 0.5}}
    keep(folder, by_model)
    assert kept(folder) == by_model
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_thresholds_that_an_earlier_version_kept_are_for_no_model_that_is_known(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"is_interesting": 0.7}')
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"1", b'{"a": "b"}', b'{"a": {"b": "c"}}', b'{"a": "\xff"}', b"\xff\xfe"]
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(DaemonError, match="kept thresholds cannot be read .* mend or remove this file"):
        kept(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match="cannot be kept"):
        keep(tmp_path / "file", {"a1": {"is_interesting": 0.7}})
