"""Training end to end on a corpus that the test makes: tones for requests, noise for talk. Small, but nothing is mocked."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.inherent_model import cli, features, training
from inherentd.inherent_model.commands.evaluate import far_from_training
from inherentd.inherent_model.conditions import for_training, load_conditions
from inherentd.inherent_model.corpus import engines
from inherentd.inherent_model.dataset import BatchMaker, Example
from inherentd.inherent_model.degrade import degrade, drawn_for
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import equal_error_rate
from inherentd.inherent_model.features import extract, read_audio
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.thresholds import calibrate
from inherentd.inherent_model.training import load_recipe
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import TAIL_FRAMES, open_runtime, peak_scores
from tests.model.toy_corpus import TONES_HZ, clip, write_corpus

REPOSITORY = Path(__file__).parents[2]
HEADS = ("isInteresting", "hasHighTone", "hasLowTone")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    manifest = write_corpus(folder, 270)
    path = folder / "recipe.yaml"
    path.write_text(
        f"heads: [{', '.join(HEADS)}]\nmanifests: [{manifest}]\nout: {folder}/run\nchannels: 32\ndilations: [1, 2]\n"
        "ear_channels: 24\near_dilations: [1]\nsteps: 620\n"
        "learning_rate: 0.005\nphoneme_steps: 2\naverage_decay: 0.95\nbatch_frames: 1500\nvalidate_every: 155\n"
        # Tones are no speech: what speech survives, and an ear at random with it, would drown them.
        "augment: {noise_probability: 0.3, snr_db: [15, 30], tilt_db: 2, frequency_masks: 0, band_limit_probability: 0, warp: [0.95, 1.05]}\n"
    )
    return path


def test_from_recipe_to_artifact(recipe: Path) -> None:
    """train, thresholds, eval and export as a user calls them, and the artifact hears what was trained."""
    run = recipe.parent / "run"
    assert cli.main(["train", "--config", str(recipe)]) == 0
    weights = ["--checkpoint", str(run / "best.safetensors"), "--config", str(recipe)]
    assert cli.main(["thresholds", *weights, "--out", str(run / "thresholds.json")]) == 0
    assert cli.main(["eval", *weights, "--out", str(run / "report.json")]) == 0
    report = json.loads((run / "report.json").read_text())
    assert [figure["head"] for figure in report["heads"]] == list(HEADS)
    assert min(figure["auc"] for figure in report["heads"]) > 0.9
    export = ["export", *weights[:2], "--thresholds", str(run / "thresholds.json"), "--out", str(run / "models")]
    assert cli.main(export) == 0
    runtime = open_runtime(run / "models" / "inherent.onnx")
    assert runtime.metadata.head_order == HEADS
    quiet = np.full((24, 128), np.log(1e-6), np.float32)
    for kind in (None, *TONES_HZ):
        mel = log_mel(FrontendSpec(), clip(kind, 5000))
        heard = peak_scores(runtime, np.concatenate([mel, quiet]))
        fired = {head for head, score in zip(HEADS[1:], heard[1:], strict=True) if score > 0.5}
        assert fired == ({kind} if kind else set())


def test_errors_are_one_line(recipe: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("manifests: []\nsteps: 5\nphoneme_steps: 1\nlerning_rate: 1\n")
    assert cli.main(["train", "--config", str(wrong)]) == 1
    assert cli.main(["train", "--config", str(tmp_path / "none.yaml")]) == 1
    missing = ["--checkpoint", str(tmp_path / "none.safetensors"), "--config", str(recipe)]
    assert cli.main(["eval", *missing]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    assert "lerning_rate" in said[0]
    assert "none.yaml" in said[1]
    assert "none.safetensors" in said[2]


def test_heads_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("manifests: []\nsteps: 5\nphoneme_steps: 1\nheads: heads.txt\n")
    with pytest.raises(ModelError, match=r"heads\.txt: No such file"):
        load_recipe(path)
    (tmp_path / "heads.txt").write_text("isInteresting  # the gate\n\nhasMyIntent\n")
    assert load_recipe(path).heads == ("isInteresting", "hasMyIntent")
    (tmp_path / "heads.txt").write_text("isInteresting\nhasMyIntent\nhasMyIntent\n")
    with pytest.raises(ModelError, match="none twice"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("validate_every: 0", "validate_every: got 0, expected 1"),
        ("repeat: {real: 0}", "repeat: got {'real': 0}, expected 1"),
        ("augment: {snr_db: [30, 2]}", r"snr_db: got \[30, 2\], expected the lower"),
        ("augment: {warp: [1.1, 0.9]}", r"warp: got \[1.1, 0.9\]"),
        ("seed: [", "recipe.yaml: .*expected YAML"),
    ],
)
def test_what_would_fail_in_the_middle_of_a_run_is_refused(tmp_path: Path, more: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"manifests: []\nsteps: 5\nphoneme_steps: 1\n{more}\n")
    with pytest.raises(ModelError, match=message) as found:
        load_recipe(path)
    assert "\n" not in str(found.value)


def test_phonemes_are_kept_whole_or_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ProcessPoolExecutor", lambda _: ThreadPoolExecutor(1))
    monkeypatch.setattr(training, "phonemes", lambda text: text.upper())
    cache = tmp_path / "phonemes.json"
    assert training.phoneme_table(["a"], cache) == {"a": "A"}
    write = Path.write_text

    def die_half_way(path: Path, text: str) -> None:
        write(path, text[: len(text) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", die_half_way)
        with pytest.raises(KeyboardInterrupt):
            training.phoneme_table(["a", "b"], cache)
    assert training.phoneme_table(["a", "c"], cache) == {"a": "A", "c": "C"}


def test_a_recipe_says_how_often_engines_are_in_the_pool_and_how_uneven_tempos_are(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path, 27)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for index, line in enumerate(lines):
        line["voice"] = {"engine": "real" if index % 4 == 0 else "flite", "name": "anna"}
    manifest.write_text("\n".join(map(json.dumps, lines)))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"heads: [{', '.join(HEADS)}]\nmanifests: [{manifest}]\nout: {tmp_path}/run\nsteps: 5\nphoneme_steps: 1\n"
        "repeat: {real: 3}\naugment: {tempo: [0.9, 1.1], uneven_tempo: 0.15}\n"
    )
    recipe = load_recipe(path)
    data = training.prepare(recipe, recipe.model_config(()), *training.rows_and_phonemes(recipe))
    # Of the 12 training clips every fourth is a person's: 9 once and 3 three times.
    assert (data.training_clips, len(data.maker.pool)) == (12, 18)
    assert len(data.held) == 9
    assert (data.maker.tempo, data.maker.uneven_tempo) == ((0.9, 1.1), 0.15)


RECIPES = sorted(
    path for path in (REPOSITORY / "configs" / "train").glob("*.yaml") if path.stem not in ("experiments", "conditions")
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads(path: Path) -> None:
    assert load_recipe(path).heads == SHIPPED_HEADS


def test_features_are_computed_once_and_for_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of two folders in any order; a shard of each is kept, and what joins leaves the others as they are."""
    monkeypatch.setattr(features, "SHARD_CLIPS", 2)
    cache, spec = tmp_path / "cache", FrontendSpec()
    paths = [str(tmp_path / folder / f"{index}.wav") for index in range(3) for folder in ("a", "b")]
    for seed, path in enumerate(paths):
        Path(path).parent.mkdir(exist_ok=True)
        soundfile.write(path, clip("hasHighTone", seed)[: 6000 + 1000 * seed], 16_000)

    def right(asked: list[str]) -> None:
        found = extract(asked, spec, cache)
        for index, path in enumerate(asked):
            expected = log_mel(spec, read_audio(path, 16_000)).astype(np.float16)
            assert np.array_equal(found.frames(index), expected)
            assert found.clip(index).dtype == np.float32

    right(paths)
    kept = {file: file.stat().st_mtime_ns for file in cache.glob("mel-*.npy")}
    assert len(kept) == 4  # two clips and one, of each folder
    (tmp_path / "c").mkdir()
    shutil.copy(paths[0], tmp_path / "c" / "0.wav")
    right([str(tmp_path / "c" / "0.wav"), *paths])
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert len([*cache.glob("mel-*.npy")]) == 5


def test_training_clips_are_heard_through_rooms_and_devices(tmp_path: Path) -> None:
    """About as many as asked for, each always under the same condition; speech lies where it does in the clip itself."""
    paths = []
    for index in range(60):
        paths.append(str(tmp_path / f"{index}.wav"))
        soundfile.write(paths[-1], clip("hasHighTone", index), 16_000)
    rows = [Utterance(path, "", (), False, "x", "real", "test" if index > 39 else "train") for index, path in enumerate(paths)]  # fmt: skip
    shipped = load_recipe(REPOSITORY / "configs" / "train" / "rooms.yaml").conditions
    assert shipped is not None
    under = for_training(rows, shipped, 0.5)
    assert under[40:] == [None] * 20
    assert 10 < sum(condition is not None for condition in under) < 30
    assert for_training(rows[:7], shipped, 0.5) == under[:7]
    spec = FrontendSpec()
    found, clean = extract(paths, spec, tmp_path, under), extract(paths, spec, tmp_path)
    assert [*map(found.speech, range(60))] == [*map(clean.speech, range(60))]
    for index, condition in enumerate(under):
        if condition is None:
            assert np.array_equal(found.frames(index), clean.frames(index))
        else:
            tail = TAIL_FRAMES * spec.hop_samples if condition.room else 0  # in which the room dies away
            samples = np.pad(read_audio(paths[index], 16_000), (0, tail))
            heard = degrade(samples, condition, drawn_for(condition, paths[index]))
            assert np.array_equal(found.frames(index), log_mel(spec, heard).astype(np.float16))
            assert not np.array_equal(found.frames(index), clean.frames(index))


def test_a_clip_too_short_for_features_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(511), 16_000)
    with pytest.raises(ModelError, match=r"short\.wav: got 511 samples, expected 512 or more"):
        extract([str(tmp_path / "short.wav")], FrontendSpec(), tmp_path)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ("[{name: a, noise: [pink, babble], snr_db: [1, 5]}]", "'a' has noise pink, babble; .*babble_share"),
        ("[{name: a, room: far, rt60_s: [0.9, 0.1]}]", r"'a': rt60_s \[0.9, 0.1\], expected the lower end first"),
    ],
)
def test_conditions_that_training_cannot_have_are_refused(conditions: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rooms.yaml").write_text(f"conditions: {conditions}\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("manifests: [a]\nsteps: 2\nphoneme_steps: 0\nconditions: rooms.yaml\n")
    with pytest.raises(ModelError, match=said):
        load_recipe(recipe)
    recipe.write_text("manifests: [a]\nsteps: 2\nphoneme_steps: 0\nconditions: recipe.yaml\n")
    with pytest.raises(ModelError, match=r"recipe\.yaml: .*conditions"):  # not itself for ever
        load_recipe(recipe)


def test_the_rooms_of_training_are_not_those_of_the_evaluation() -> None:
    rooms = [
        {(condition.room, condition.rt60_s) for condition in load_conditions(path).conditions if condition.room}
        for path in (
            REPOSITORY / "configs" / "train" / "conditions.yaml",
            REPOSITORY / "configs" / "eval" / "conditions.yaml",
        )
    ]
    assert all(rooms)
    assert not rooms[0] & rooms[1]


def test_targets_rise_in_the_phrase_and_are_certain_around_its_end() -> None:
    mel = np.zeros((100, 128), np.float16)
    example = Example(mel, (10, 90), np.array([1, 1, 0], np.float32), ())
    pool = [example, Example(mel, (10, 90), np.array([1, 0, 0], np.float32), ()),
            Example(mel, (10, 90), np.zeros(3, np.float32), ())]  # fmt: skip

    def unchanged(mel: object, speech: object, rng: object) -> object:
        return mel

    maker = BatchMaker(pool, unchanged, FrontendSpec(), step_frames=2, batch_frames=4000, seed=0)  # type: ignore
    batch = next(maker.batches())
    single = [i for i in range(len(batch.target)) if batch.target[i, :, 1].any()][0]
    on = np.flatnonzero(batch.target[single, :, 1])
    assert batch.target[single, on, 0].all()
    assert not batch.target[:, :, 2].any()
    assert (batch.weight[single, on[0] : on[0] + 5, 1] < 1).all()
    assert (batch.weight[single, on[-1] - 3 : on[-1], 1] == 1).all()
    assert batch.mel.shape[1] == 2 * batch.target.shape[1]


def test_sentences_near_a_training_sentence_are_left_out_of_the_strict_figures() -> None:
    training_rows = [training.Utterance("", "set a timer for ten minutes", (), True, "", "", "train")]
    texts = ["set a timer for nine minutes", "wake me at seven", ""]
    rows = [training.Utterance("", text, (), True, "", "", "test") for text in texts]
    assert far_from_training(rows, training_rows) == [1]


def test_equal_error_rate_and_calibration() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert equal_error_rate(labels, np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])) == 0
    assert equal_error_rate(labels, np.array([0.1, 0.2, 0.3, 0.7, 0.6, 0.65, 0.8, 0.9])) == pytest.approx(0.25)
    rows = [training.Utterance("", "", (), index < 50, "", "", "validation") for index in range(150)]
    scores = np.linspace(1, 0, 150, dtype=np.float32)[:, None]
    found = calibrate(("isInteresting",), rows, scores, gate_budget=0.1, intent_budget=0.1, manifest="m")
    share = (scores[50:] >= found.thresholds[0]).mean()
    assert share <= 0.1
    with pytest.raises(ModelError, match="20 or more"):
        calibrate(("isInteresting",), rows[:55], scores[:55], gate_budget=0.1, intent_budget=0.1, manifest="m")


@pytest.mark.skipif(engines.shutil.which("flite") is None, reason="flite is not installed: apt-get install flite")
def test_a_synthesizer_speaks() -> None:
    samples = engines.synthesize("set a timer for ten minutes", engines.Voice("flite", "kal16"))
    assert 16_000 < len(samples) < 80_000
    assert np.abs(samples).max() == pytest.approx(0.7, abs=0.01)
