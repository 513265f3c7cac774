"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from inherentd.inherent_model.whole import whole


def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "noise.tsv"
    path.write_text("as it was")
    with pytest.raises(OSError, match="disk full"), whole(path) as unfinished:
        unfinished.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "as it was"
    with whole(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "as it was"
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("noise.tsv", "new")]


def test_a_neighbour_of_a_like_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "noise.part").write_text("somebody's")
    with whole(tmp_path / "noise.tsv") as unfinished:
        unfinished.write_text("new")
    assert (tmp_path / "noise.part").read_text() == "somebody's"
