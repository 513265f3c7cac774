"""What training rests on: exact resuming, materialized batches, two processes, the ear's teacher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from inherentd.inherent_model import checkpoint, cli, dataset, shards, speech_embedding, training
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.checkpoint import load
from inherentd.inherent_model.curves import Curves
from inherentd.inherent_model.dataset import BatchMaker, Example
from inherentd.inherent_model.ear import Ear
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import peak_scores
from inherentd.inherent_model.lesson import head_losses
from inherentd.inherent_model.mining import hardest
from inherentd.pipeline.frontend import FrontendSpec
from tests.model.toy_corpus import write_corpus

WIDTHS = "adapter_channels: 8\near_channels: [3, 4, 5, 6]\nchannels: 8\ndilations: [1]\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), 90)


def recipe_file(corpus: Path, out: Path, more: str) -> Path:
    path = out.with_suffix(".yaml")
    path.write_text(
        f"heads: [isInteresting, hasHighTone, hasLowTone]\nmanifests: [{corpus}]\nout: {out}\n{WIDTHS}"
        f"batch_frames: 1500\nphoneme_steps: 1\nvalidate_every: 1000\n{more}"
    )
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load(path).model.state_dict()


def logged(folder: Path) -> list[dict[str, object]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key != "minutes"} for line in lines]


def state_of(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "resume.pt", weights_only=True)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in other)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the frozen phase's end too, with dropout, noise and hard negatives: bit for bit, and log line for log line."""
    monkeypatch.setattr(dataset, "ENOUGH_HARD_CLIPS", 1)
    # What is mined counts from the next round of streams on: here one of a few batches.
    monkeypatch.setattr(dataset, "ROUND_STREAMS", 40)
    more = ("steps: 9\nfrozen_steps: 2\nfrozen_batches: 2\nkeep_every_minutes: 0\nmine_every: 2\nmine_clips: 20\n"
            f"validate_every: 3\nfrozen_folder: {tmp_path}/heard\n")  # fmt: skip
    whole = training.load_recipe(recipe_file(corpus, tmp_path / "whole", more))

    def run(name: str, **changes: Any) -> tuple[dict[str, torch.Tensor], list[dict[str, object]]]:
        """Return the weights after 8 of the 9 steps, and the log."""
        recipe = msgspec.structs.replace(whole, out=str(tmp_path / name), **changes)
        training.train(recipe, stop_after=8, resume=(tmp_path / name / "resume.pt").is_file())
        return state_of(tmp_path / name)["average"], logged(tmp_path / name)

    expected, log = run("whole")
    assert [line["step"] for line in log] == [3, 6]
    unmined, _ = run("unmined", mine_every=0)
    assert not same(unmined, expected)
    for stopped_after in (1, 6):
        name = f"stopped{stopped_after}"
        training.train(msgspec.structs.replace(whole, out=str(tmp_path / name)), stop_after=stopped_after)
        found, again = run(name)
        assert same(found, expected)
        assert again == log


def test_the_state_is_never_behind_the_best_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed just after the best weights were written: the run goes on from that very step."""
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "run", "steps: 6\nvalidate_every: 2\n"))
    save = checkpoint.save

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            training.train(recipe)
    assert (
        state_of(tmp_path / "run")["step"]
        == load(tmp_path / "run" / "best.safetensors").notes["validation"]["step"]
        == 2
    )  # type: ignore
    whole = msgspec.structs.replace(recipe, out=str(tmp_path / "whole"))
    assert same(weights(training.train(recipe, resume=True)), weights(training.train(whole)))
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")


def test_a_run_from_the_start_leaves_nothing_of_an_earlier_one(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "run", "steps: 4\nvalidate_every: 2\n"))
    training.train(recipe, stop_after=3)
    names = ("resume.pt", "best.safetensors", "log.jsonl")
    assert all((tmp_path / "run" / name).is_file() for name in names)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "Curves", die)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe)
    assert not [name for name in names if (tmp_path / "run" / name).exists()]


def test_curves_go_on_at_the_step_that_is_resumed(tmp_path: Path) -> None:
    line = {"minutes": 1.0, "dense_peak_phoneme": [1.0, 1.0, 1.0], "gate_auc": 0.5}
    curves = Curves(tmp_path)
    for step in (2, 4, 6):
        curves.add({"step": step, **line})
    Curves(tmp_path, 5)
    assert [found["step"] for found in logged(tmp_path)] == [2, 4]


def test_resuming_needs_a_run_of_the_same_recipe(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe_file(corpus, tmp_path / "run", "steps: 3\nkeep_every_minutes: 0\n")
    assert cli.main(["train", "--config", str(path), "--resume"]) == 1
    assert "nothing to resume" in capsys.readouterr().err
    training.train(training.load_recipe(path), stop_after=2)
    assert cli.main(["train", "--config", str(path), "--resume", "--steps", "5"]) == 1
    assert "of a run of 3 steps, got 5" in capsys.readouterr().err
    path.write_text(path.read_text().replace("steps: 3\n", "steps: 4\n"))
    assert cli.main(["train", "--config", str(path), "--resume"]) == 1
    assert "another recipe" in capsys.readouterr().err


def test_resuming_needs_the_same_clips(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path, 90)
    recipe = training.load_recipe(recipe_file(manifest, tmp_path / "run", "steps: 3\n"))
    training.train(recipe, stop_after=2)
    as_it_was = manifest.read_text()
    manifest.write_text(as_it_was.replace('"addressed": 1', '"addressed": 0', 1))
    with pytest.raises(ModelError, match="clips of the manifests have changed"):
        training.train(recipe, resume=True)
    manifest.write_text(as_it_was)
    training.train(recipe, resume=True)


def test_a_state_from_before_a_key_was_added_is_gone_on_with(corpus: Path, tmp_path: Path) -> None:
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "run", "steps: 3\n"))
    training.train(recipe, stop_after=2)
    state = state_of(tmp_path / "run")
    del state["recipe"]["mine_clips"], state["mined"], state["total"], state["data"]
    torch.save(state, tmp_path / "run" / "resume.pt")
    assert load(training.train(recipe, resume=True)).notes["validation"]["step"] == 3  # type: ignore


def test_a_materialized_batch_is_what_the_ear_would_hear(corpus: Path, tmp_path: Path) -> None:
    more = "steps: 2\nfrozen_steps: 2\nfrozen_batches: 3\n"
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "run", more))
    training.train(recipe)
    start = load(tmp_path / "run" / "start.safetensors").model
    maker = training.prepare(recipe, start.config).maker
    for number, batch in zip(range(3), maker.batches(), strict=False):
        heard = shards.load(shards.path_of(tmp_path / "run" / "heard", number))
        with torch.inference_mode():
            embeddings, _ = start.listen(batch.mel, start.initial_state(len(batch.mel)))
        assert torch.allclose(heard.embeddings, embeddings, atol=2e-2, rtol=2e-3)
        assert torch.equal(heard.target, batch.target)
        assert torch.allclose(heard.weight, batch.weight, atol=1e-6)


def test_two_processes_train_together(corpus: Path, tmp_path: Path) -> None:
    """`torchrun` with gloo: real processes, gradients averaged, one checkpoint."""
    path = recipe_file(corpus, tmp_path / "run", "steps: 4\nfrozen_steps: 2\nfrozen_batches: 4\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m",
               "inherentd.inherent_model.cli", "train", "--config", str(path)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [4]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    load(tmp_path / "run" / "best.safetensors")


def test_mined_clips_are_drawn_more_often() -> None:
    mel = np.zeros((40, 128), np.float16)
    kinds = [(1, 1), (1, 0), *[(0, 0)] * 600]
    pool = [Example(mel, (5, 35), np.array(kind, np.float32), (), written=True) for kind in kinds]
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=2000, seed=0)  # type: ignore

    def share_of_mined() -> float:
        drawn = [
            id(example)
            for streams in maker._round(np.random.default_rng(0), 512)
            for stream in streams
            for example in stream
        ]
        quiet = [one for one in drawn if one not in {id(pool[0]), id(pool[1])}]
        return sum(one in {id(pool[place]) for place in mined} for one in quiet) / len(quiet)

    mined = range(10, 60)
    assert share_of_mined() < 0.15
    maker.harden([*mined])
    maker.rounds += 1
    assert 0.35 < share_of_mined() < 0.6
    mined = range(10, 12)  # so few would be learnt by heart
    maker.harden([*mined])
    maker.rounds += 1
    assert 0 < share_of_mined() < 0.05


def test_clips_too_long_for_a_batch_are_named() -> None:
    mel = np.zeros((400, 128), np.float16)
    pool = [Example(mel, (5, 35), np.array(kind, np.float32), ()) for kind in ((1, 1), (0, 0))]
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=1500, seed=0)  # type: ignore
    with pytest.raises(ModelError, match="batch_frames: got 1500"):
        next(maker.batches())


def test_the_hardest_are_those_that_the_gate_takes_for_requests() -> None:
    model = InherentModel(
        ModelConfig(("isInteresting",), adapter_channels=4, ear_channels=(2, 2, 2, 2), channels=4, dilations=(1,))
    )
    rng = np.random.default_rng(0)
    pool = [Example(rng.normal(size=(40, 128)).astype(np.float16), (0, 40), np.array([index % 4 == 0], np.float32), ())
            for index in range(80)]  # fmt: skip
    found = hardest(model, pool, 60, rng)
    assert len(found) == 9
    assert not any(place % 4 == 0 for place in found)
    scores = peak_scores(model, [np.asarray(example.mel, np.float32) for example in pool])[:, 0]
    others = [place for place in range(80) if place % 4 and place not in found]
    assert np.mean(scores[found]) > np.mean(scores[others])


def test_the_peak_loss_counts_what_opens_a_gate() -> None:
    """One high step where nothing should fire costs as much as silence where something should."""
    target, weight = torch.zeros(1, 10, 1), torch.ones(1, 10, 1)
    quiet = head_losses(torch.full((1, 10, 1), -6.0), target, weight)[1]
    spike = torch.full((1, 10, 1), -6.0)
    spike[0, 3] = 6
    assert head_losses(spike, target, weight)[1] > quiet + 5
    target[0, 5:8] = 1
    assert head_losses(torch.full((1, 10, 1), -6.0), target, weight)[1] > 10
    fired = torch.full((1, 10, 1), -6.0)
    fired[0, 6] = 6
    assert head_losses(fired, target, weight)[1] < 0.1


def test_the_teacher_is_the_network_in_the_package() -> None:
    """Our layers with its weights give what LiteRT gives for the package's own file; and so does the spectrum."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install 'inherentd[ear]'")
    package = Path(pytest.importorskip("pyopen_wakeword").__file__).parent / "models"
    ear = Ear(128, 8, (24, 48, 72, 96))
    speech_embedding.load_network(ear)
    frames = torch.randn(76, 32, generator=torch.Generator().manual_seed(0)) * 2 + 7
    original = interpreter.Interpreter(str(package / "embedding_model.tflite"))
    original.allocate_tensors()
    original.set_tensor(original.get_input_details()[0]["index"], frames[None, :, :, None].numpy())
    original.invoke()
    expected = original.get_tensor(original.get_output_details()[0]["index"]).ravel()
    assert np.allclose(speech_embedding.embeddings(ear, frames)[0].numpy(), expected, atol=1e-3)
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    spectrum = interpreter.Interpreter(str(package / "melspectrogram.tflite"))
    spectrum.resize_tensor_input(0, [1, 16_000], strict=True)
    spectrum.allocate_tensors()
    spectrum.set_tensor(0, samples[None] * speech_embedding.FULL_SCALE)
    spectrum.invoke()
    decibels = spectrum.get_tensor(spectrum.get_output_details()[0]["index"])[0, 0]
    assert np.allclose(speech_embedding.mel_filters().log_power(samples).numpy(), decibels / 10 + 2, atol=1e-3)


def test_the_streamed_ear_hears_what_the_teacher_hears() -> None:
    """With its own frames for input, the causal ear's embeddings are the original's, one for every window."""
    ear = Ear(128, 8, (24, 48, 72, 96))
    speech_embedding.load_network(ear)
    ear.eval()
    frames = torch.randn(160, 32, generator=torch.Generator().manual_seed(1)) * 2 + 7
    # The adapter set to pass frame pairs through: hidden copies 64 of our bins, frames hands them on.
    ear = Ear(64, 64, (24, 48, 72, 96))
    speech_embedding.load_network(ear)
    with torch.no_grad():
        for layer in (ear.hidden, ear.frames):
            layer.weight.zero_()
            assert layer.bias is not None
            layer.bias.zero_()
        ear.hidden.weight[:, :, -1] = torch.eye(64)
        ear.frames.weight[:, :, 0] = torch.eye(64)
        ours = frames.reshape(80, 64).T[None].clamp(min=0)
        found, _ = ear(ours, ear.initial_state(1))
        expected = speech_embedding.embeddings(ear, frames.clamp(min=0)[4:])
    # The first whole window ends with step 9 (from 0): frames 4 to 79 of 10 ms.
    assert torch.allclose(found[0, :, 9:].T, expected[:11], atol=1e-3)


def test_an_ear_that_does_not_fit_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "ear.safetensors").write_bytes(b"")
    path = recipe_file(corpus, tmp_path / "run", f"steps: 2\near: {tmp_path}/missing.safetensors\n")
    with pytest.raises(ModelError, match="no such ear.*inherent ear --config"):
        training.train(training.load_recipe(path))
    path.write_text(path.read_text().replace("missing", "ear"))
    with pytest.raises(ModelError, match="not a safetensors file"):
        training.train(training.load_recipe(path))
    from safetensors.torch import save_file

    other = InherentModel(training.load_recipe(path).model_config(()))
    save_file({"ear.hidden.weight": torch.zeros(3, 128, 3)}, tmp_path / "ear.safetensors")
    assert other.ear.hidden.weight.shape != (3, 128, 3)
    with pytest.raises(ModelError, match="does not fit"):
        training.train(training.load_recipe(path))
