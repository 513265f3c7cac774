"""Figures in the model card and the README are those of the reports beside the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inherentd.inherent_model import card, cli
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.heads import threshold_key

REPOSITORY = Path(__file__).parents[2]
MODELS = REPOSITORY / "models"


@pytest.mark.parametrize("page", ["models/README.md", "README.md", "docs/tuning.md"])
def test_the_pages_say_what_was_measured(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    assert "<!-- figures: " in text
    assert card.fill(text, MODELS) == text, f"run `inherent card {page}`"


def test_the_reports_are_of_the_shipped_model() -> None:
    shipped = json.loads((MODELS / "inherent.metadata.json").read_text())["training_hash"]
    assert json.loads((MODELS / "report.json").read_text())["training_hash"] == shipped
    assert json.loads((MODELS / "events.json").read_text())["model"]["training_hash"] == shipped
    state = json.loads((MODELS / "state.json").read_text())
    assert state["model"]["training_hash"] == shipped
    assert (state["hours"], state["largest_difference"] <= 1e-4) == (24.0, True)


def test_the_thresholds_are_those_of_the_shipped_model() -> None:
    shipped = json.loads((MODELS / "inherent.metadata.json").read_text())
    kept = json.loads((MODELS / "thresholds.json").read_text())
    named = {threshold_key(head): threshold for head, threshold in kept["thresholds"].items()}
    assert (shipped["default_thresholds"], shipped["threshold_calibration"]) == (named, kept["record"])


def test_text_around_the_tables_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: heads -->\nold\n<!-- end -->\nafter\n")
    assert cli.main(["card", "--models", str(MODELS), str(page)]) == 0
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    assert any(line.startswith("| isInteresting |") for line in lines)


def test_a_missing_report_and_an_unknown_table_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"report\.json.*inherent eval"):
        card.fill("<!-- figures: heads -->\n<!-- end -->", tmp_path)
    with pytest.raises(ModelError, match="colours: no such table"):
        card.fill("<!-- figures: colours -->\n<!-- end -->", MODELS)


def reports(folder: Path, **changed: object) -> Path:
    """The shipped reports with other events."""
    for name in ("report.json", "thresholds.json"):
        shutil.copy(MODELS / name, folder)
    events = json.loads((MODELS / "events.json").read_text())
    (folder / "events.json").write_text(json.dumps({**events, **changed}))
    return folder


@pytest.mark.parametrize(
    ("suffice", "said"), [(True, "| 50% recall |"), (False, "| 50% recall (too few hours to say) |")]
)
def test_too_few_hours_are_said(tmp_path: Path, *, suffice: bool, said: str) -> None:
    rates = {"0.5": {"recall": 0.5, "interval": None, "threshold": 0.9, "hours_suffice": suffice}}
    folder = reports(tmp_path, at_false_accepts_per_hour=rates)
    assert f"| at 0.5 false accepts an hour {said}" in card.fill("<!-- figures: events -->\n<!-- end -->", folder)


def curve(folder: Path, **changed: object) -> list[str]:
    """The rows of the curve's table."""
    return card.fill("<!-- figures: curve -->\n<!-- end -->", reports(folder, **changed)).splitlines()[3:-1]


def test_the_shipped_row_is_the_shipped_threshold(tmp_path: Path) -> None:
    """Though a lower one has as few false accepts."""
    own = {"threshold": 0.6, "false_accepts_per_hour": 5.0, "recall": 0.5}
    points = [(0.9, 5.0, 0.7), (0.6, 5.0, 0.5), (0.4, 5.0, 0.3), (0.2, 90.0, 0.1)]
    det = [dict(zip(("threshold", "false_accepts_per_hour", "false_rejects"), point, strict=True)) for point in points]
    expected = ["| 0.600 (shipped) | 5.0 | 50% |", "| 0.400 | 5.0 | 70% |", "| 0.200 | 90.0 | 90% |"]
    assert curve(tmp_path, at_own_threshold=own, det=det) == expected
    # No point keeps any of the budgets.
    own["false_accepts_per_hour"] = 300.0
    assert curve(tmp_path, at_own_threshold=own, det=[{**det[0], "false_accepts_per_hour": 300.0}]) == [
        "| 0.600 (shipped) | 300.0 | 50% |"
    ]


def test_what_never_came_has_no_delay(tmp_path: Path) -> None:
    delay = json.loads((MODELS / "events.json").read_text())["delay"]
    for event in ("gate", "first_intent"):
        delay[f"end_of_phrase_to_{event}_ms"] = {"share": 0.0, "p10": None, "p50": None, "p90": None, "p95": None}
    assert "None" not in card.fill("<!-- figures: events -->\n<!-- end -->", reports(tmp_path, delay=delay))


def test_a_figure_that_a_report_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"events\.json.*'end_of_phrase_to_gate_ms'.*inherent eval"):
        card.fill("<!-- figures: events -->\n<!-- end -->", reports(tmp_path, delay={"opened_before_their_end": 1,
                                                                                      "phrases_over_1500_ms": 1}))  # fmt: skip


def test_conditions_that_were_not_measured_do_not_empty_their_table(tmp_path: Path) -> None:
    folder = reports(tmp_path)
    report = json.loads((folder / "report.json").read_text())
    del report["conditions"]
    (folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(ModelError, match=r"report\.json.*'conditions'"):
        card.fill("<!-- figures: conditions -->\n<!-- end -->", folder)


def test_a_table_without_its_end_takes_no_text_away(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in (
        "<!-- figures: clips -->\nmine\n<!-- figures: heads -->\n<!-- end -->\n",
        "<!-- figures: clips -->\nmine",
    ):
        page.write_text(text)
        assert cli.main(["card", "--models", str(MODELS), str(page)]) == 1
        assert page.read_text() == text


def test_pages_without_tables_and_missing_pages_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.md").write_text("no table")
    for name in ("plain.md", "missing.md"):
        assert cli.main(["card", "--models", str(MODELS), str(tmp_path / name)]) == 1
        assert f"{name}: " in capsys.readouterr().err
