"""Figures in the model card and the README are those of the reports beside the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inherentd.inherent_model import card, cli
from inherentd.inherent_model.errors import ModelError

REPOSITORY = Path(__file__).parents[2]
MODELS = REPOSITORY / "models"


@pytest.mark.parametrize("page", ["models/README.md", "README.md"])
def test_the_pages_say_what_was_measured(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    assert "<!-- figures: heads -->" in text
    assert card.fill(text, MODELS) == text, f"run `inherent card {page}`"


def test_the_reports_are_of_the_shipped_model() -> None:
    shipped = json.loads((MODELS / "inherent.metadata.json").read_text())["training_hash"]
    assert json.loads((MODELS / "report.json").read_text())["training_hash"] == shipped
    assert json.loads((MODELS / "events.json").read_text())["model"]["training_hash"] == shipped


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
