"""`inherent build`: from a CSV of recordings to artifacts that run, and a plain word where the recordings do not suffice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inherentd.inherent_model import checkpoint, cli, label_reading, start
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.training import load_recipe
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import open_runtime
from tests.model import recordings
from tests.model.recordings import HEADS

REPOSITORY = Path(__file__).parents[2]
SHAPE = {"channels": 16, "dilations": (1, 2), "phoneme_blocks": 1}


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.corpus(tmp_path_factory.mktemp("recordings"), speakers=20, each=12)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A checkpoint for other heads, one of them the same."""
    torch.manual_seed(0)
    model = InherentModel(ModelConfig(heads=("isInteresting", "hasPhotoQuery", "hasLowTone", "hasTimer"), **SHAPE))
    checkpoint.save(tmp_path / "earlier.safetensors", model, FrontendSpec(), {"recipe": "test"})
    return tmp_path / "earlier.safetensors"


def build(csv: Path, out: Path, *more: object) -> int:
    return cli.main(["build", "--labels", str(csv), "--out", str(out), *map(str, more)])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads of a tiny network mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_from_recordings_to_artifacts(csv: Path, tmp_path: Path, capsys) -> None:
    """The whole way with heads and a recipe of one's own, then on from there in the same folder."""
    out, config = tmp_path / "built", tmp_path / "recipe.yaml"
    config.write_text(f"manifests: []\nsteps: 4\nphoneme_steps: 1\nbatch_frames: 800\nchannels: {SHAPE['channels']}\n"
                      "dilations: [1, 2]\nphoneme_blocks: 1\n")  # fmt: skip
    more = ["--validation", 0.35, "--name", "mine", "--version", "2.0.0"]
    assert build(csv, out, "--config", config, *more) == 0
    assert capsys.readouterr().out.split() == [
        str(out / name) for name in ("mine.onnx", "mine-windowed.onnx", "thresholds.json", "report.json")]  # fmt: skip
    for name in ("mine.onnx", "mine-windowed.onnx"):
        runtime = open_runtime(out / name)
        assert runtime.metadata.head_order == HEADS
        assert runtime.metadata.version == "2.0.0"
        assert runtime.metadata.threshold_calibration["rows"] >= 60
    decided = label_reading.read(out / "labels.csv")
    assert {row.split for row in decided.rows} == {"train", "validation", "test"}
    assert decided.audio(decided.rows[0]).resolve() == csv.parent / "s0" / "0.wav"
    report = json.loads((out / "report.json").read_text())
    assert [figure["head"] for figure in report["heads"]] == list(HEADS)
    recipe = load_recipe(out / "run" / "recipe.yaml")
    assert (recipe.phoneme_steps, recipe.steps) == (0, 4)  # nothing to learn sounds from without transcripts

    hashes = [open_runtime(out / "mine.onnx").metadata.training_hash]
    # From the recordings anew, with another seed: whom the weights know stays where they were.
    best = out / "run" / "best.safetensors"
    assert build(csv, out, "--quick", "--checkpoint", best, *more, "--seed", 5) == 0
    assert [row.split for row in label_reading.read(out / "labels.csv").rows] == [row.split for row in decided.rows]
    hashes.append(open_runtime(out / "mine.onnx").metadata.training_hash)
    assert hashes[0] != hashes[1]
    recipe = load_recipe(out / "run" / "recipe.yaml")
    assert (recipe.warm_start, recipe.channels) == (str(out / "run" / "start.safetensors"), SHAPE["channels"])


def test_heads_that_both_have_keep_their_weights(earlier: Path, tmp_path: Path) -> None:
    fields = start.adapt(earlier, HEADS, tmp_path / "start.safetensors")
    before, after = (checkpoint.load(path).model for path in (earlier, tmp_path / "start.safetensors"))
    assert after.config.heads == HEADS
    old, new = before.state_dict(), after.state_dict()
    same = [name for name in new if new[name].shape == old[name].shape]
    assert same
    assert all(torch.equal(old[name], new[name]) for name in same)
    for name in set(new) - set(same):  # the layer that has a row a head
        assert torch.equal(new[name][0], old[name][0])
        assert torch.equal(new[name][2], old[name][2])
        assert not torch.equal(new[name][1], old[name][1])
    assert fields["channels"] == SHAPE["channels"]
    assert fields["heads"] == HEADS


def test_too_few_clips_are_told_before_training(csv: Path, tmp_path: Path, capsys) -> None:
    assert build(csv, tmp_path / "out", "--quick") == 1
    told = capsys.readouterr().err
    assert "validation: 8 clips that are not addressed, 20 calibrate the gate" in told
    assert "20 addressed clips without a head calibrate it: hasHighTone 8, hasLowTone 8" in told
    assert not (tmp_path / "out" / "run" / "log.jsonl").exists()


def test_problems_and_what_is_missing_end_it(csv: Path, tmp_path: Path, capsys) -> None:
    lines = csv.read_text().splitlines()
    broken = csv.parent / "broken.csv"
    broken.write_text("\n".join([*lines[:3], lines[4].replace(",0,0,0", ",yes,0,0"), lines[5], lines[5]]))
    assert build(broken, tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "2 problems in the labels" in told
    assert f"{broken}:4: isInteresting: got 'yes'" in told
    broken.write_text(lines[0])
    assert build(broken, tmp_path / "out") == 1
    assert build(csv, tmp_path / "out", "--config", tmp_path / "none.yaml") == 1
    told = capsys.readouterr().err
    assert "no recordings below the header" in told
    assert "none.yaml: No such file" in told


def test_the_shipped_recipe_loads() -> None:
    assert load_recipe(REPOSITORY / "configs" / "train" / "labels.yaml").manifests == []
