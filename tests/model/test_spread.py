"""A corpus is the same wherever it is made: local processes or Ray."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from inherentd.inherent_model import cli
from inherentd.inherent_model.corpus import spread
from inherentd.inherent_model.corpus.build import build as build_corpus
from inherentd.inherent_model.corpus.build import load_recipe
from inherentd.inherent_model.errors import ModelError

RECIPE = "seed: 3\nout: corpus\nper_phrasing: {train: 1, validation: 1, test: 1}\nrevoiced_share: 0\n"
CLIPS = "clips: {train: {flite: 9}, test: {flite: 5}}\n"


def build(folder: Path, engine: str) -> dict[str, bytes]:
    """Build in a process of its own (Ray changes the process it is in), and return every file of the corpus."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE + CLIPS)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment["HOME"] = str(folder)  # Ray leaves a token there
    arguments = [
        "corpus",
        "build",
        "--config",
        "recipe.yaml",
        "--engine",
        engine,
        "--engines",
        "flite",
        "--workers",
        "2",
    ]
    done = subprocess.run([sys.executable, "-m", "inherentd.inherent_model.cli", *arguments], cwd=folder, env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "14/14" in done.stderr
    assert "left out" not in done.stderr
    corpus = folder / "corpus"
    return {str(path.relative_to(corpus)): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: apt-get install flite")
def test_ray_makes_the_same_corpus_as_the_local_processes(tmp_path: Path) -> None:
    expected = build(tmp_path / "local", "local")
    assert len(expected) == 15
    assert expected["manifest.jsonl"].count(b"\n") == 14
    assert build(tmp_path / "ray", "ray") == expected


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: apt-get install flite")
def test_one_split_can_be_made_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE + CLIPS)
    assert cli.main(["corpus", "build", "--config", "recipe.yaml", "--splits", "test", "--workers", "2"]) == 0
    rows = [json.loads(line) for line in Path("corpus/manifest.jsonl").read_text().splitlines()]
    assert [row["split"] for row in rows] == ["test"] * 5
    assert {f"{path.relative_to('corpus')}" for path in Path("corpus").rglob("*.flac")} == {row["path"] for row in rows}


def test_results_come_in_order() -> None:
    assert list(spread.local(abs, range(-9, 0), 2)) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(ModelError, match=r"pip install 'inherentd\[ray\]'") as raised:
        list(spread.ray(abs, [1], 1))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "flite"], "argument --engine: invalid choice: 'flite'"),
        (["--engines", "ray"], "argument --engines: invalid choice: 'ray'"),
        (["--engin", "ray"], "unrecognized arguments: --engin"),
        (["--work", "2"], "unrecognized arguments: --work"),
    ],
)
def test_the_two_options_are_not_confused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["corpus", "build", "--config", "recipe.yaml", *arguments])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: apt-get install flite")
def test_an_interrupted_corpus_lists_the_clips_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    def interrupted(work: Callable[[Any], Any], items: Sequence[Any], workers: int) -> Iterator[Any]:
        yield from map(work, items[:4])
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE + CLIPS)
    recipe = load_recipe(Path("recipe.yaml"))
    with pytest.raises(KeyboardInterrupt):
        build_corpus(recipe, workers=1, spread_by=interrupted)
    assert "lists the 4 clips there are; the same command goes on" in capsys.readouterr().err
    assert Path("corpus/manifest.jsonl").read_text().count("\n") == 4
    assert build_corpus(recipe, workers=2).total() == 14
