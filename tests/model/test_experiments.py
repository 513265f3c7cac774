"""`inherent experiments`: trials are recipes with changes, are trained once, and end in one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from inherentd.inherent_model import cli, experiments
from inherentd.inherent_model.errors import ModelError
from tests.model.toy_corpus import write_corpus

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    manifest = write_corpus(tmp_path, 81)
    base = tmp_path / "base.yaml"
    base.write_text(
        f"heads: [isInteresting, hasHighTone, hasLowTone]\nmanifests: [{manifest}]\near_channels: 8\n"
        "ear_dilations: [1]\nchannels: 8\nsteps: 9\nphoneme_steps: 1\nbatch_frames: 1500\n"
    )
    path = tmp_path / "experiments.yaml"
    path.write_text(
        f"base: {base}\nout: {tmp_path}/trials\nset: {{steps: 2}}\n"
        "trials:\n  - {name: short, set: {dilations: [1]}}\n  - {name: long, set: {dilations: [1, 2]}}\n"
    )
    return path


def test_each_trial_is_trained_once_and_has_a_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["experiments", "--config", str(config)]) == 0
    first = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in first.splitlines()]
    assert [row[0] for row in rows] == ["trial", "---", "short", "long"]
    assert len({len(row) for row in rows}) == 1
    assert float(rows[2][2].split()[0]) < float(rows[3][2].split()[0])  # receptive fields
    assert cli.main(["experiments", "--config", str(config)]) == 0
    again = capsys.readouterr()
    assert again.out == first
    assert "training clips" not in again.err
    assert len(list((config.parent / "trials").rglob("mel-*.npy"))) == 3  # training, validation and test, shared


def test_only_the_trials_that_are_named_are_run(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["experiments", "--config", str(config), "--only", "long"]) == 0
    found = capsys.readouterr()
    assert [line.split("|")[1].strip() for line in found.out.splitlines()] == ["trial", "---", "long"]
    assert [line for line in found.err.splitlines() if line.startswith("---")] == ["--- long"]
    assert cli.main(["experiments", "--config", str(config), "--only", "short", "logn"]) == 1
    assert "--only: got ['logn'], expected names of trials: short; long" in capsys.readouterr().err
    assert not (config.parent / "trials" / "short").exists()
    both = experiments.only(experiments.load(config), ["long", "short"])
    assert [trial.name for trial in both.trials] == ["short", "long"]


def test_a_trial_that_begins_with_another_wants_it_there(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = config.parent / "trials" / "short" / "best.safetensors"
    config.write_text(config.read_text().replace("{dilations: [1, 2]}", f"{{dilations: [1], warm_start: {start}}}"))
    assert cli.main(["experiments", "--config", str(config), "--only", "long"]) == 1
    assert f"trial 'long' begins with {start}, which is not there" in capsys.readouterr().err
    assert cli.main(["experiments", "--config", str(config)]) == 0
    assert cli.main(["experiments", "--config", str(config), "--only", "long"]) == 0


def test_a_trial_of_another_recipe_is_trained_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["experiments", "--config", str(config)]) == 0
    config.write_text(
        config.read_text().replace("name: long, set: {dilations: [1, 2]}", "name: long, set: {dilations: [1, 4]}")
    )
    first = capsys.readouterr().out
    assert cli.main(["experiments", "--config", str(config)]) == 0
    again = capsys.readouterr()
    assert [line for line in again.err.splitlines() if line.startswith("---")] == ["--- long"]
    assert again.out.splitlines()[2] == first.splitlines()[2]
    assert again.out.splitlines()[3] != first.splitlines()[3]


def test_what_is_set_may_be_a_file_beside_the_experiments(config: Path) -> None:
    (config.parent / "rooms.yaml").write_text("seed: 3\nconditions: [{name: far, room: far, rt60_s: [0.2, 0.5]}]\n")
    config.write_text(config.read_text().replace("dilations: [1, 2]", "conditions: rooms.yaml, conditions_share: 0.5"))
    found = experiments.load(config)
    short, long = (experiments.recipe_of(found, trial) for trial in found.trials)
    assert short.conditions is None
    assert long.conditions is not None
    assert [condition.name for condition in long.conditions.conditions] == ["far"]
    (config.parent / "rooms.yaml").unlink()
    with pytest.raises(ModelError, match=r"rooms\.yaml: No such file"):
        experiments.load(config)


def test_two_trials_of_one_name_are_refused(config: Path) -> None:
    config.write_text(config.read_text().replace("name: long", "name: short"))
    with pytest.raises(ModelError, match=r"experiments\.yaml: .*expected each name once"):
        experiments.load(config)


def test_heads_of_the_base_may_stand_in_a_file(config: Path) -> None:
    base = config.with_name("base.yaml")
    base.write_text(base.read_text().replace("[isInteresting, hasHighTone, hasLowTone]", "heads.txt"))
    config.with_name("heads.txt").write_text("isInteresting\nhasHighTone\n")
    trials = experiments.load(config)
    assert experiments.recipe_of(trials, trials.trials[0]).heads == ("isInteresting", "hasHighTone")


def test_the_table_has_a_place_for_what_could_not_be_measured() -> None:
    none = [{"auc": None, "eer": None}] * 2
    figures = {
        "name": "a",
        "parameters": 1,
        "receptive_field_s": 1.0,
        "cpu_minutes": 1.0,
        "validation": none,
        "test": none,
    }
    assert experiments.table([figures]).splitlines()[-1].count(" - ") == 6


def test_a_wrong_key_names_its_trial(config: Path) -> None:
    trials = experiments.load(config)
    with pytest.raises(ModelError, match=r"trial 'odd'.*dilatoins"):
        experiments.recipe_of(trials, experiments.Trial("odd", {"dilatoins": [1]}))


def test_the_projects_trials_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    trials = experiments.load(Path("configs/train/experiments.yaml"))
    recipes = [experiments.recipe_of(trials, trial) for trial in trials.trials]
    assert len({recipe.out for recipe in recipes}) == len(recipes) > 5
