"""What training rests on: exact resuming, growth, two processes, hard negatives, the words."""

from __future__ import annotations

import dataclasses
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

from inherentd.inherent_model import checkpoint, cli, dataset, start, training
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.checkpoint import load, step_scores
from inherentd.inherent_model.curves import Curves
from inherentd.inherent_model.dataset import (
    CERTAIN_AFTER_END_FRAMES,
    CUT_SPEECH_FRAMES,
    MADE_NOISES,
    Batch,
    BatchMaker,
    Example,
    noise_examples,
)
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import peak_scores
from inherentd.inherent_model.lesson import Lesson, ctc_loss, head_losses, word_loss
from inherentd.inherent_model.mining import hardest
from inherentd.inherent_model.recipe import TrainRecipe
from inherentd.inherent_model.words import terms, vocabulary, words
from inherentd.pipeline.frontend import FrontendSpec
from tests.model.toy_corpus import write_corpus

WIDTHS = "ear_channels: 8\near_dilations: [1]\nchannels: 8\ndilations: [1]\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), 90, spoken=True)


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
    """Over the phonemes' end too, with dropout and hard negatives: bit for bit, and log line for log line."""
    monkeypatch.setattr(dataset, "ENOUGH_HARD_CLIPS", 1)
    # What is mined counts from the next round of streams on: here one of a few batches.
    monkeypatch.setattr(dataset, "ROUND_STREAMS", 40)
    more = "steps: 9\nkeep_every_minutes: 0\nmine_every: 2\nmine_clips: 20\nvalidate_every: 3\nterms: 20\n"
    more += "sequence_words: 5\nsequence_blocks: 1\n"
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
    line = {"minutes": 1.0, "dense_peak_phoneme_word": [1.0, 1.0, 1.0, 1.0], "loss_sequence": 1.0, "gate_auc": 0.5}
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


def test_a_quick_run_leaves_the_one_that_counts_alone(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe_file(corpus, tmp_path / "run", "steps: 3\n")
    best = training.train(training.load_recipe(path))
    before = best.read_bytes()
    assert cli.main(["train", "--config", str(path), "--quick"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'quick' / 'best.safetensors'}\n"
    assert [line["step"] for line in logged(tmp_path / "run" / "quick")] == [10]
    assert best.read_bytes() == before
    assert not (tmp_path / "run" / "quick" / "cache").exists()  # the features are the same


def test_resuming_needs_the_same_clips(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path, 90)
    recipe = training.load_recipe(recipe_file(manifest, tmp_path / "run", "steps: 3\n"))
    training.train(recipe, stop_after=2)
    as_it_was = manifest.read_text()
    manifest.write_text(as_it_was.replace('"addressed": 1', '"addressed": 0', 1))
    with pytest.raises(ModelError, match="the clips or the recordings of noise have changed"):
        training.train(recipe, resume=True)
    manifest.write_text(as_it_was)
    training.train(recipe, resume=True)


def test_a_state_from_before_a_key_was_added_is_gone_on_with(corpus: Path, tmp_path: Path) -> None:
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "run", "steps: 3\n"))
    training.train(recipe, stop_after=2)
    state = state_of(tmp_path / "run")
    del state["recipe"]["mine_clips"], state["recipe"]["sequence_words"], state["mined"], state["total"], state["data"]
    state["seen"] = [parts[:4] for parts in state["seen"]]
    torch.save(state, tmp_path / "run" / "resume.pt")
    assert load(training.train(recipe, resume=True)).notes["validation"]["step"] == 3  # type: ignore


def under_torchrun(*module: str) -> str:
    """Run a module by two processes and return what was said. Without `--`, --start is taken for an option of torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--", *module]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def by_two_processes(recipe: Path, *more: str) -> str:
    return under_torchrun("inherentd.inherent_model.cli", "train", "--config", str(recipe), *more)


def test_two_processes_resume_where_they_were(corpus: Path, tmp_path: Path) -> None:
    """With dropout and hard negatives, bit for bit."""
    more = "steps: 7\nmine_every: 2\nmine_clips: 20\nvalidate_every: 3\n"
    for name, *stops in (("whole", 6), ("stopped", 3, 6)):
        recipe = recipe_file(corpus, tmp_path / name, more)
        for step in stops:
            under_torchrun("tests.model.two_processes", str(recipe), str(step))
    assert state_of(tmp_path / "whole")["mined"]
    assert same(state_of(tmp_path / "stopped")["average"], state_of(tmp_path / "whole")["average"])
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    with pytest.raises(ModelError, match="of a run of 2 processes, got 1"):
        training.train(training.load_recipe(recipe), resume=True)


def test_two_processes_train_together(corpus: Path, tmp_path: Path) -> None:
    """`torchrun` with gloo: real processes, gradients averaged, one checkpoint."""
    by_two_processes(
        recipe_file(corpus, tmp_path / "run", "steps: 4\nterms: 20\nsequence_words: 9\nsequence_blocks: 0\n")
    )
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [4]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    load(tmp_path / "run" / "best.safetensors")


def test_two_processes_begin_with_one_checkpoint(corpus: Path, tmp_path: Path) -> None:
    """Even with the very file that this run will write: it is read by all before it is replaced."""
    shape = ModelConfig(("isInteresting", "hasLowTone", "hasOther"), ear_channels=8, ear_dilations=(1,), channels=8,
                        dilations=(1,), phonemes=("a",))  # fmt: skip
    start = tmp_path / "run" / "best.safetensors"
    start.parent.mkdir()
    checkpoint.save(start, InherentModel(shape), FrontendSpec(), {})
    said = by_two_processes(recipe_file(corpus, tmp_path / "run", "steps: 2\n"), "--start", str(start))
    assert said.count("heads that keep their weights") == 1
    assert "weights: isInteresting, hasLowTone; begin at random: hasHighTone; left out: hasOther\n" in said
    assert load(start).model.config.heads == ("isInteresting", "hasHighTone", "hasLowTone")
    assert not list(start.parent.glob("start*"))  # two processes would write the same


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
    maker.harden([*mined], maker.rounds)
    maker.rounds += 1
    assert 0.35 < share_of_mined() < 0.6
    mined = range(10, 12)  # so few would be learnt by heart
    maker.harden([*mined], maker.rounds)
    maker.rounds += 1
    assert 0 < share_of_mined() < 0.05


@pytest.mark.parametrize(("tempo", "uneven"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (0.5, 0.2), (1.0, 0.2)])
def test_targets_follow_the_speech_at_any_tempo(tempo: float, uneven: float) -> None:
    """Loud speech from frame 100 to 200 of a clip of 300: the head is certain around its end, wherever that is heard."""
    mel = np.full((300, 128), -12, np.float16)
    mel[100:200] = -2
    pool = [Example(mel, (100, 200), np.array(kind, np.float32), ()) for kind in ((1, 1), (0, 0))]
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=9000, seed=0,  # type: ignore
                       tempo=(tempo, tempo), uneven_tempo=uneven)  # fmt: skip
    batch = next(maker.batches())
    lengths = set()
    for heard, target in zip(batch.mel.numpy(), batch.target.numpy(), strict=True):
        loud = np.flatnonzero(np.isclose(heard[:, 0], -2))  # padding is louder
        if not target[:, 1].any() or len(loud) > 150 / tempo:  # none, or two clips
            continue
        lengths.add(len(loud))
        assert len(loud) == pytest.approx(100 / tempo, abs=40 / tempo if uneven else 2)
        on = np.flatnonzero(target[:, 1]) * 4
        assert on[0] == pytest.approx((loud[0] + loud[-1]) / 2, abs=6)
        assert on[-1] == pytest.approx(loud[-1] + CERTAIN_AFTER_END_FRAMES, abs=6)
    assert len(lengths) > 3 if uneven else len(lengths) == 1


def test_streams_in_which_nobody_speaks_want_nothing() -> None:
    """As many as were asked for, of everything that is made and recorded; beside speech they leave its words as they are."""
    mel = np.full((40, 128), -2, np.float16)
    pool = [Example(mel, (5, 35), np.array(kind, np.float32), (3, 4), written=True) for kind in ((1, 1), (0, 0))]
    noises = noise_examples([np.full((250, 128), -5, np.float32)], FrontendSpec(), 2, seed=0)
    assert len(noises) == 1 + MADE_NOISES
    long = noise_examples(
        [np.zeros((1250, 128), np.float32)], FrontendSpec(), 2, seed=0
    )  # five of it would fill no batch
    assert [len(piece.mel) for piece in long[:3]] == [500, 500, 250]
    assert len({example.mel.tobytes() for example in noises}) > 100
    maker = BatchMaker([*pool, *noises], lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=9000, seed=0,  # type: ignore
                       noise_share=0.4)  # fmt: skip
    streams = [stream for planned in maker._round(np.random.default_rng(0), 512) for stream in planned]
    alone = sum(all(example.noise for example in stream) for stream in streams) / len(streams)
    assert 0.36 < alone < 0.44
    beside = [stream for stream in streams if {example.noise for example in stream} == {True, False}][:2]
    batch = maker._batch([*beside, [noises[0]]], np.random.default_rng(0))
    assert batch.phoneme_lengths.tolist() == [2, 2, 0]
    assert batch.target[2].sum() == 0
    assert batch.weight[2].min() == 1
    with pytest.raises(ModelError, match="1 of 1 training clips are addressed"):
        BatchMaker(
            [pool[0], *noises],
            maker.augmenter,
            FrontendSpec(),
            step_frames=4,
            batch_frames=900,
            seed=0,
            noise_share=0.4,
        )


def test_what_a_stream_is_heard_over_is_as_loud_as_its_speech_says() -> None:
    """And as loud as the noise where nobody speaks."""
    asked: list[np.ndarray] = []

    def note(mel: torch.Tensor, speech: torch.Tensor, _rng: np.random.Generator) -> torch.Tensor:
        asked.append(speech.sum(1).numpy())
        return mel

    mel = np.full((40, 128), -2, np.float16)
    pool = [Example(mel, (5, 35), np.array(kind, np.float32), ()) for kind in ((1, 1), (0, 0))]
    noise = Example(mel, (0, 40), np.zeros(2, np.float32), (), noise=True)
    maker = BatchMaker(pool, note, FrontendSpec(), step_frames=4, batch_frames=900, seed=0)  # type: ignore
    maker._batch([[pool[0]], [pool[0], noise], [noise, pool[1]], [noise]], np.random.default_rng(0))
    assert asked[0].tolist() == [30, 30, 30, 40]


def test_a_clip_that_is_cut_off_keeps_its_words_only_where_all_of_them_are_heard() -> None:
    mel = np.arange(300, dtype=np.float16)[:, None].repeat(128, 1)
    clip = Example(mel, (12, 288), np.array([1, 1], np.float32), (3, 4), (0,), (7,))
    maker = BatchMaker([clip, Example(mel, (12, 288), np.zeros(2, np.float32), ())], lambda mel, *_: mel, FrontendSpec(),  # type: ignore
                       step_frames=4, batch_frames=9000, seed=0, cut_probability=0.7)  # fmt: skip
    rng = np.random.default_rng(0)
    lost = set()
    for _ in range(300):
        laid, [(heard, place)] = maker._lay([clip], rng)
        assert np.array_equal(laid[place : place + len(heard.mel)], heard.mel)
        first, last = heard.speech
        begins, ends = int(heard.mel[first, 0]), int(heard.mel[last - 1, 0]) + 1
        assert 12 <= begins <= 12 + CUT_SPEECH_FRAMES
        assert 288 >= ends >= 288 - CUT_SPEECH_FRAMES
        assert (
            bool(heard.phonemes) == ((begins, ends) == (12, 288)) == (heard.words is not None) == bool(heard.sequence)
        )
        lost.add((begins > 12, ends < 288))
    assert lost == {(False, False), (False, True), (True, False), (True, True)}


@pytest.mark.parametrize("frames", [1, 4, 30])
def test_a_short_command_that_is_cut_off_is_still_heard(frames: int) -> None:
    mel = np.zeros((frames + 4, 128), np.float16)
    mel[2 : 2 + frames] = 1
    pool = [Example(mel, (2, 2 + frames), np.array(kind, np.float32), ()) for kind in ((1, 1), (0, 0))]
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=9000, seed=0,  # type: ignore
                       cut_probability=0.9)  # fmt: skip
    rng = np.random.default_rng(0)
    for _ in range(200):
        heard = maker._cut(pool[0], rng)
        first, last = heard.speech
        assert last - first == heard.mel[:, 0].sum() >= frames / 2


def test_clips_too_long_for_a_batch_are_named() -> None:
    mel = np.zeros((400, 128), np.float16)
    pool = [Example(mel, (5, 35), np.array(kind, np.float32), ()) for kind in ((1, 1), (0, 0))]
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=1500, seed=0)  # type: ignore
    with pytest.raises(ModelError, match="batch_frames: got 1500"):
        next(maker.batches())


def test_the_hardest_are_those_that_the_gate_takes_for_requests() -> None:
    model = InherentModel(
        ModelConfig(("isInteresting",), ear_channels=4, ear_dilations=(1,), channels=4, dilations=(1,))
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
    target, weight, gate = torch.zeros(1, 10, 1), torch.ones(1, 10, 1), torch.ones(1)
    quiet = head_losses(torch.full((1, 10, 1), -6.0), target, weight, gate)[1]
    spike = torch.full((1, 10, 1), -6.0)
    spike[0, 3] = 6
    assert head_losses(spike, target, weight, gate)[1] > quiet + 5
    target[0, 5:8] = 1
    assert head_losses(torch.full((1, 10, 1), -6.0), target, weight, gate)[1] > 10
    fired = torch.full((1, 10, 1), -6.0)
    fired[0, 6] = 6
    assert head_losses(fired, target, weight, gate)[1] < 0.1


def test_the_gate_counts_as_much_as_the_recipe_says() -> None:
    """The same mistake costs more at the gate than at another head; equal mistakes cost what they did."""
    target, weight = torch.zeros(1, 10, 2), torch.ones(1, 10, 2)
    at_gate, elsewhere = torch.full((2, 1, 10, 2), -6.0)
    at_gate[..., 0] = elsewhere[..., 1] = 2.0
    alike, emphasized = torch.ones(2), torch.tensor([3.0, 1.0])
    for part in (0, 1):
        costs = [head_losses(logits, target, weight, emphasized)[part] for logits in (at_gate, elsewhere)]
        assert costs[0] > 2.9 * costs[1]
        even = [head_losses(logits, target, weight, alike)[part] for logits in (at_gate, elsewhere)]
        assert torch.isclose(even[0], even[1])
        assert torch.isclose(costs[0] + costs[1], even[0] + even[1])


def test_a_recipe_says_how_much_the_gate_counts_and_how_precise_the_numbers_are(corpus: Path, tmp_path: Path) -> None:
    """bfloat16 is float32 on a CPU without it; either way the losses are nearly those of float32."""

    def losses(name: str, wanted: str) -> np.ndarray:
        out = training.train(training.load_recipe(recipe_file(corpus, tmp_path / name, f"steps: 2\n{wanted}"))).parent
        return np.array(json.loads((out / "log.jsonl").read_text().splitlines()[-1])["dense_peak_phoneme_word"])

    plain = losses("plain", "")
    assert not np.allclose(losses("gate", "gate_weight: 30\n")[:2], plain[:2], rtol=0.02)
    assert np.allclose(losses("precision", "bfloat16: true\n"), plain, rtol=0.02)


def test_a_grown_model_begins_with_the_scores_of_the_one_before(corpus: Path, tmp_path: Path) -> None:
    earlier = training.train(training.load_recipe(recipe_file(corpus, tmp_path / "earlier", "steps: 3\n")))
    recipe = training.load_recipe(recipe_file(corpus, tmp_path / "grown", f"steps: 2\nwarm_start: {earlier}\n"))
    ears = (*recipe.ear_dilations, 2)
    grown = training.initial_model(msgspec.structs.replace(recipe, dilations=(1, 2, 4), ear_dilations=ears), {}).eval()
    assert (len(grown.ear.blocks), len(grown.phrase.blocks)) == (len(ears), 3)
    mel = torch.randn(2, 80, 128, generator=torch.Generator().manual_seed(0)) * 3 - 7
    assert torch.allclose(step_scores(grown, mel), step_scores(load(earlier).model, mel), atol=1e-6)
    for wrong in ({"dilations": (2, 2, 4)}, {"dilations": ()}, {"channels": 4}, {"ear_channels": 4}):
        with pytest.raises(ModelError, match="warm_start"):
            training.initial_model(msgspec.structs.replace(recipe, **wrong), {})


def test_a_wider_model_begins_with_the_scores_and_phonemes_of_the_one_before(corpus: Path, tmp_path: Path) -> None:
    earlier = load(training.train(training.load_recipe(recipe_file(corpus, tmp_path / "earlier", "steps: 3\n")))).model
    config = earlier.config
    wider = dataclasses.replace(config, channels=config.channels + 5, ear_channels=2 * config.ear_channels + 1)
    assert start.fits_into(config, wider)
    assert not start.fits_into(wider, config)
    model = start.grown(earlier, wider).eval()
    mel = torch.randn(2, 80, 128, generator=torch.Generator().manual_seed(0)) * 3 - 7
    assert torch.allclose(step_scores(model, mel), step_scores(earlier, mel), atol=1e-6)
    _, phonemes, _ = model.understand(mel, model.initial_state(2))
    _, before, _ = earlier.understand(mel, earlier.initial_state(2))
    assert phonemes is not None and before is not None
    assert torch.allclose(phonemes, before, atol=1e-6)
    # The new channels are not dead: they hear, and what they would tell the earlier ones can be learnt.
    model.train().understand(mel, model.initial_state(2))[0][-1].sum().backward()
    back = dict(model.named_parameters())["ear.blocks.0.pointwise.weight"]
    old = config.ear_channels
    assert not back[:old, old:].any()
    assert back.grad is not None and back.grad[:old, old:].any()


def test_the_vocabulary_is_what_most_texts_hold() -> None:
    assert terms("Set a Timer, a TIMER!") == {"set", "a", "timer", "set a", "a timer", "timer a"}
    texts = ["set a timer", "set an alarm", "stop a timer stop a timer"]
    assert list(vocabulary(texts, 4)) == ["a", "a timer", "set", "timer"]
    assert vocabulary(texts, 0) == {}
    assert list(vocabulary(texts, 3, words)) == ["a", "set", "timer"]
    assert words("Stop it, stop IT!") == ["stop", "it", "stop", "it"]


def test_the_words_are_asked_for_where_one_clip_with_a_text_has_ended() -> None:
    """Levels tell the clips apart in the batch itself: 1 and 2 have texts, 3 has none."""
    silence = np.log(FrontendSpec().log_floor)
    said = {1.0: (0, 2), 2.0: (1,), 3.0: None}
    pool = []
    for level, terms_said in said.items():
        mel = np.full((61, 128), silence, np.float16)
        mel[8:50] = level
        pool.append(
            Example(mel, (8, 50), np.array([level == 1], np.float32), (1,), terms_said, written=terms_said is not None)
        )
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=8000, seed=0, terms=3)  # type: ignore
    batch = next(maker.batches())
    expected = []
    for stream, mel in enumerate(batch.mel[:, :, 0].numpy()):
        ends = [end for end in range(1, len(mel)) if mel[end - 1] > 0 and mel[end] <= 0]
        terms_said = said[float(mel[ends[0] - 1])] if ends else None
        if len(ends) == 1 and terms_said is not None:
            expected.append((stream, ends[0] // 4, [term in terms_said for term in range(3)]))
    assert 0 < len(expected) < len(batch.mel)
    found = zip(batch.word_places.tolist(), batch.words.tolist(), strict=True)
    assert [(*places, terms_said) for places, terms_said in found] == expected


def test_the_sequence_of_words_is_learnt_where_every_clip_of_a_stream_has_a_text() -> None:
    silence = np.log(FrontendSpec().log_floor)
    pool = []
    for level, sequence in {1.0: (1, 3), 2.0: (2,), 3.0: ()}.items():
        mel = np.full((61, 128), silence, np.float16)
        mel[8:50] = level
        phonemes = (1,) * len(sequence)
        pool.append(Example(mel, (8, 50), np.array([level == 1], np.float32), phonemes, sequence=sequence))
    maker = BatchMaker(pool, lambda mel, *_: mel, FrontendSpec(), step_frames=4, batch_frames=8000, seed=0)  # type: ignore
    batch = next(maker.batches())
    known = {1.0: (1, 3), 2.0: (2,)}
    expected = []
    for mel in batch.mel[:, :, 0].numpy():
        begins = [float(mel[at]) for at in range(1, len(mel)) if mel[at] > 0 and mel[at - 1] <= 0]
        expected.append(
            [word for level in begins for word in known[level]] if all(level in known for level in begins) else []
        )
    assert {0, 1, 2} <= set(map(len, expected))
    assert batch.sequence_lengths.tolist() == list(map(len, expected))
    assert batch.sequence.tolist() == [word for words_said in expected for word in words_said]


def test_ctc_costs_nothing_where_the_symbols_are_told_in_their_order() -> None:
    logits = torch.full((2, 6, 5), -20.0)
    for step, symbol in enumerate((0, 1, 1, 0, 3, 0)):
        logits[0, step, symbol] = 20.0
    lengths = torch.tensor([2, 0])  # in the second stream nobody knows what is said
    assert ctc_loss(logits, torch.tensor([1, 3]), lengths) < 0.01
    assert ctc_loss(logits, torch.tensor([3, 1]), lengths) > 10
    assert ctc_loss(logits, torch.tensor([], dtype=torch.long), torch.tensor([0, 0])) == 0


def test_the_words_are_read_after_the_blocks_that_the_recipe_says_and_weigh_what_it_says() -> None:
    model = InherentModel(
        ModelConfig(heads=("gate",), ear_channels=4, channels=3, ear_dilations=(1,), dilations=(1, 2), dropout=0.0)
    )
    nothing = torch.zeros(1, 0, dtype=torch.long)
    batch = Batch(torch.randn(1, 40, 128), torch.zeros(1, 10, 1), torch.ones(1, 10, 1), nothing, torch.zeros(1),
                  torch.zeros(0, 0, dtype=torch.bool), nothing.reshape(0, 2), torch.tensor([1, 2]), torch.tensor([2]))  # fmt: skip
    lesson = Lesson(model, 0.0, sequence_words=2, sequence_weight=0.5, sequence_blocks=1)
    loss, parts = lesson(batch)
    assert parts[4] > 0
    assert torch.isclose(loss, parts[0] + parts[1] + 0.5 * parts[4])
    loss.backward()
    with_words = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    lesson.sequence_weight = 0.0
    lesson(batch)[0].backward()
    changed = {
        name for name, weight in model.named_parameters()
        if weight.grad is not None and not torch.equal(weight.grad, with_words[name])
    }  # fmt: skip
    assert "phrase.blocks.0.pointwise.weight" in changed
    assert not {name for name in changed if name.startswith("phrase.blocks.1")}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sequence_words": 9, "sequence_blocks": 3}, "sequence_blocks: got 3, expected 0 to 2"),
        ({"sequence_words": -1}, "sequence_words: got -1, expected 0 or more"),
    ],
)
def test_a_sequence_of_words_that_cannot_be_read_is_refused(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        msgspec.structs.replace(TrainRecipe(manifests=[], steps=1, phoneme_steps=0, dilations=(1, 2)), **wrong)


def test_the_word_loss_asks_after_the_last_word_what_was_said() -> None:
    model = InherentModel(ModelConfig(heads=("gate",), ear_channels=4, channels=3, ear_dilations=(1,), dilations=(1,)))
    lesson = Lesson(model, 0.0, 1.0, terms=3)
    said, places = torch.tensor([[True, False, True], [False, True, False]]), torch.tensor([[0, 2], [2, 8]])
    batch = Batch(torch.zeros(3, 40, 128), torch.zeros(3, 10, 1), torch.ones(3, 10, 1), torch.zeros(0), torch.zeros(3),
                  said, places, torch.zeros(0), torch.zeros(3))  # fmt: skip
    loss, parts = lesson(batch)
    loss.backward()
    assert lesson.word is not None
    assert lesson.word.weight.grad is not None
    assert parts[3] > 0
    with torch.no_grad():
        lesson.word.weight.copy_(20 * torch.eye(3))
        lesson.word.bias.fill_(-10)
    knows = torch.zeros(3, 10, 3)
    knows[0, 2:6], knows[2, 8:] = said[0].float(), said[1].float()
    assert word_loss(lesson.word, knows, batch) < 0.01
    assert word_loss(lesson.word, 1 - knows, batch) > 10
    assert word_loss(None, knows, batch) == 0
