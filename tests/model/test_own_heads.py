"""The example of docs/own-heads.md: its recipes and phrases, and the steps of the page on a few clips."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from inherentd.daemon.cli import main as inherentd
from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.cli import main as inherent
from inherentd.inherent_model.corpus.build import collect, load_recipe
from inherentd.inherent_model.errors import ModelError

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "own-heads"
SHIPPED = REPOSITORY / "models" / "inherent.safetensors"
HEADS = ("isInteresting", "hasBrewCoffeeIntent", "hasFeedPetIntent")


def test_every_split_has_every_kind_of_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    kinds = Counter((sentence.split, sentence.source) for sentence in collect(load_recipe(EXAMPLE / "corpus.yaml")))
    files = {path.stem for path in (EXAMPLE / "phrases").glob("*.yaml")}
    assert {source for _, source in kinds} == files
    assert set(kinds) == {(split, source) for split in ("train", "validation", "test") for source in files}


def test_the_page_tells_the_files_as_they_are() -> None:
    page = (REPOSITORY / "docs" / "own-heads.md").read_text()
    for path in (EXAMPLE / "phrases").glob("*.yaml"):
        assert f"`{path.name}`" in page
    block = page.split("```yaml\n")[1].split("```")[0]
    whole = yaml.safe_load((EXAMPLE / "phrases" / "feed_pet.yaml").read_text())
    shown = yaml.safe_load(block)
    assert shown["heads"] == whole["heads"]
    assert set(shown["phrasings"]) <= set(whole["phrasings"])
    low, high = re.search(r"(\d+) to (\d+) phrasings a kind", page).groups()
    counts = [len(yaml.safe_load(path.read_text())["phrasings"]) for path in (EXAMPLE / "phrases").glob("*.yaml")]
    assert (int(low), int(high)) == (min(counts), max(counts))


def test_a_folder_of_phrases_that_is_not_there(tmp_path: Path) -> None:
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text("{out: x, phrases: [nowhere], per_phrasing: {train: 1, validation: 1, test: 1}, clips: {}}")
    with pytest.raises(ModelError, match=r"nowhere: no \*.yaml with phrasings found"):
        collect(load_recipe(recipe))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is missing: apt-get install espeak-ng")
def test_the_steps_of_the_page_on_a_few_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    corpus = yaml.safe_load((EXAMPLE / "corpus.yaml").read_text())
    corpus["clips"] = {"train": {"espeak": 24}, "validation": {"espeak": 90}}
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(corpus))
    weights, config = "runs/own-heads/best.safetensors", str(EXAMPLE / "train.yaml")
    assert inherent(["corpus", "build", "--config", "corpus.yaml"]) == 0
    assert inherent(["train", "--config", config, "--start", str(SHIPPED), "--steps", "2"]) == 0
    trained, before = checkpoint.load(tmp_path / weights).model, checkpoint.load(SHIPPED).model
    assert trained.config.heads == HEADS
    assert trained.config.channels == before.config.channels
    assert inherent(["thresholds", "--checkpoint", weights, "--config", config, "--out", "t.json"]) == 0
    command = ["export", "--checkpoint", weights, "--thresholds", "t.json", "--out", "own", "--only", "inherent.onnx"]
    assert inherent(command) == 0
    capsys.readouterr()
    clip = next((tmp_path / "corpora" / "own-heads").rglob("*.flac"))
    assert inherentd(["score", "--json", "--model", "own/inherent.onnx", str(clip)]) == 0
    assert tuple(json.loads(capsys.readouterr().out)["scores"]) == HEADS
