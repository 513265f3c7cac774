"""The public task end to end, by the commands of docs/speech-commands.md, on a slice that the test has spoken."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import yaml

from inherentd.daemon import cli as daemon
from inherentd.inherent_model import checkpoint, cli, training
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.corpus.public import load_corpus
from inherentd.inherent_model.corpus.voices import Voice
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.lesson import class_loss
from inherentd.inherent_model.manifest import Utterance, read_manifests
from inherentd.inherent_model.recipe import load_recipe, measured_clips, utterances
from inherentd.inherent_model.single_label import accuracy, class_names, class_scores, cost_of
from inherentd.inherent_model.start import for_heads
from tests.model.local_server import serving
from tests.model.spoken_words import archives

REPOSITORY = Path(__file__).parents[2]
KNOWN, UNKNOWN = ("yes", "no", "stop"), ("house",)
ESPEAK = [f"{accent}+{kind}" for accent in ("en-us", "en-gb") for kind in ("m1", "m2", "m3", "f1", "f2", "f3")]
VOICES = {
    "train": [Voice("espeak", name, speed) for name in ESPEAK for speed in (0.9, 1.1)] + [Voice("flite", "kal16")],
    "validation": [
        Voice("espeak", f"en-gb-x-gbclan+{kind}", speed) for kind in ("m5", "f5") for speed in (0.85, 0.95, 1.05, 1.15)
    ],
    "test": [Voice("espeak", f"en-us-nyc+{kind}", speed) for kind in ("m6", "linda") for speed in (0.9, 1, 1.1)]
    + [Voice("flite", "rms")],
}
SMALL = {
    "heads": ["isWord", *KNOWN], "ear_channels": 24, "ear_dilations": [1], "channels": 32, "dilations": [1, 2],
    "steps": 300, "validate_every": 100, "batch_frames": 1500, "learning_rate": 0.007, "average_decay": 0.95,
    "group_shares": [0.7, 0.15, 0, 0.15],
    "augment": {"noise_probability": 0.3, "snr_db": [10, 30], "room_probability": 0, "warp": [0.95, 1.05], "tilt_db": 2},
}  # fmt: skip
"""what the test changes in the project's own recipes"""

needs_synthesizers = pytest.mark.skipif(
    not (shutil.which("flite") and shutil.which("espeak-ng")), reason="apt-get install flite espeak-ng"
)


def page_commands(*first: str) -> list[list[str]]:
    """Return the arguments of the page's `inherent` and `inherentd` commands that begin with one of these words."""
    page = (REPOSITORY / "docs" / "speech-commands.md").read_text().splitlines()
    found = [shlex.split(line)[1:] for line in page if line.startswith("    inherent")]
    return [arguments for arguments in found if arguments[0] in first]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the slice was fetched from a server and converted, as the page says; with small recipes."""
    folder = tmp_path_factory.mktemp("desk")
    names = ("speech_commands_v0.02.tar.gz", "speech_commands_test_set_v0.02.tar.gz")
    with pytest.MonkeyPatch.context() as patch, serving() as site:
        patch.chdir(folder)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
        site.files = dict(zip(names, archives(KNOWN, UNKNOWN, VOICES), strict=True))
        catalogue = msgspec.to_builtins(load_corpus("speech_commands"))
        for file in catalogue["files"]:  # the project's own entry, but for where it lies and what it weighs
            file |= {"url": f"{site.address}/{file['path']}", "bytes": None, "sha256": None, "md5": None}
        Path("slice.yaml").write_text(yaml.safe_dump(catalogue))
        fetch, *converts = page_commands("corpus")
        for command in ([*fetch, "--catalogue", "slice.yaml"], *converts):
            assert cli.main(command) == 0, command
    (folder / "configs").mkdir()
    for name in ("speech_commands.yaml", "speech_commands_12.yaml"):
        recipe = yaml.safe_load((REPOSITORY / "configs" / name).read_text())
        (folder / "configs" / name).write_text(yaml.safe_dump(recipe | SMALL))
    return folder


@needs_synthesizers
def test_the_manifests_keep_the_lists_of_the_data_set(desk: Path) -> None:
    corpus = desk / "corpora" / "speech_commands"
    words, twelve = (read_manifests([corpus / name]) for name in ("words.jsonl", "twelve.jsonl"))
    assert all(Path(row.path).is_file() for row in words + twelve)
    # Everybody reads the same words: training keeps them, and shares no speaker with the test.
    spoken = Counter((row.split, row.text) for row in words if row.addressed)
    assert spoken == {(split, word): len(voices) for split, voices in VOICES.items() for word in (*KNOWN, *UNKNOWN)}
    speakers = {split: {row.speaker for row in words if row.split == split and row.text} for split in VOICES}
    assert not speakers["train"] & speakers["test"] and len(speakers["test"]) == len(VOICES["test"])
    # A second every half second: 12 s of the held recording, 8 s of the other; the test's own archive for the 12 classes.
    silence = Counter(row.split for row in words if not row.addressed)
    assert silence == {"validation": 23, "train": 15}
    tested = Counter((row.addressed, row.heads) for row in twelve if row.split == "test")
    count = len(VOICES["test"])
    assert tested == {(False, ()): count, (True, ()): count, **{(True, (word,)): count for word in KNOWN}}
    assert {row.path for row in twelve if row.split == "test"}.isdisjoint(row.path for row in words)


@needs_synthesizers
def test_from_the_archive_to_the_daemon(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, measured, exported and run by the commands of the page."""
    monkeypatch.chdir(desk)
    reports = {}
    for task in ("speech_commands_12", "speech_commands"):
        commands = page_commands("train", "eval", "thresholds", "export")
        for command in commands:
            changed = [
                word.replace("commands.yaml", f"{task[7:]}.yaml").replace("runs/speech_commands/", f"runs/{task}/")
                for word in command
            ]
            assert cli.main(changed) == 0, changed
        assert f"one class a clip, {'open' if task.endswith('12') else 'closed'}" in capsys.readouterr().err
        reports[task] = json.loads(Path("report.json").read_text())["single_label"]
        log = [json.loads(line) for line in Path(f"runs/{task}/log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in log] == [100, 200, 300] and "accuracy" in log[-1]
    closed, open_ = reports["speech_commands"], reports["speech_commands_12"]
    # The closed task leaves out the word that is no head; chance is a third, and a fifth in the open one.
    count = len(VOICES["test"])
    assert (closed["clips"], open_["clips"]) == (3 * count, 5 * count)
    assert closed["accuracy"] > 0.6 and open_["accuracy"] > 0.4
    assert closed["interval"][0] <= closed["accuracy"] <= closed["interval"][1]
    assert set(open_["recall"]) == {"silence", "unknown", *KNOWN}
    rows = read_manifests([Path("corpora/speech_commands/words.jsonl")])
    clips = [row.path for row in rows if row.split == "test" and row.text in KNOWN]
    [score] = page_commands("score")
    assert daemon.main([*score[:-1], *clips]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(lines[0]["scores"]) == ["isWord", *KNOWN]
    told = [max(KNOWN, key=line["scores"].__getitem__) for line in lines]
    right = np.mean([word == Path(line["path"]).parent.name for word, line in zip(told, lines, strict=True)])
    # The daemon hears each clip as the report does; at the very end of a clip a step more or less may count.
    assert abs(right - closed["accuracy"]) <= 0.1


@needs_synthesizers
def test_what_is_missing_or_broken_is_said(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = desk / "corpora" / "speech_commands" / "speech_commands_v0.02"

    def said(folder: Path, name: str) -> str:
        capsys.readouterr()
        assert cli.main(["corpus", "convert", name, str(folder), "--out", str(tmp_path / "x.jsonl")]) == 1
        assert not (tmp_path / "x.jsonl").is_file()
        return capsys.readouterr().err

    assert "fetch speech_commands --unpack" in said(tmp_path / "none", "speech_commands_12")
    assert "--groups all" in said(large, "speech_commands_12")
    copy = shutil.copytree(large, tmp_path / "copy")
    (copy / "_background_noise_" / "pink_noise.wav").unlink()
    assert "1 recordings in _background_noise_" in said(copy, "speech_commands")
    line = (copy / "testing_list.txt").read_text().splitlines()[0]
    (copy / line).unlink()
    assert f"1 recordings of its lists are not there, {line}" in said(copy, "speech_commands")
    (copy / "testing_list.txt").unlink()
    assert "no file testing_list.txt" in said(copy, "speech_commands")


@pytest.mark.parametrize("name", ["speech_commands", "speech_commands_12"])
@pytest.mark.parametrize("wrong", ["empty", "two", "a file", "no noise"])
def test_a_wrong_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, name: str) -> None:
    folder = tmp_path / "folder"
    (folder / "test set" / "_silence_").mkdir(parents=True)
    archives_there = {"empty": 0, "two": 2, "no noise": 1}.get(wrong, 0)
    for index in range(archives_there):
        (folder / str(index)).mkdir()
        for list_name in ("testing_list.txt", "validation_list.txt"):
            (folder / str(index) / list_name).write_text("")
    if wrong == "a file":
        folder = tmp_path / "speech_commands.tar.gz"
        folder.write_bytes(b"")
    assert cli.main(["corpus", "convert", name, str(folder), "--out", str(tmp_path / "x.jsonl")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    expected = {"empty": "--unpack` brings it", "two": "2 files testing_list.txt, expected one; give the folder of one",
                "a file": "is a file; expected the folder", "no noise": "0 recordings in _background_noise_"}  # fmt: skip
    assert str(folder) in line
    assert expected[wrong] in line


def word(*heads: str, addressed: bool = True, speaker: str = "real:a") -> Utterance:
    return Utterance("", " ".join(heads), heads, addressed, "", speaker, "test")


def test_the_highest_class_is_the_answer() -> None:
    heads = ("isWord", "yes", "no")
    assert class_names(heads, "open") == ("silence", "unknown", "yes", "no")
    peaks = np.array([[0.9, 0.8, 0.1], [0.9, 0.2, 0.7], [0.9, 0.3, 0.1], [0.2, 0.1, 0.4]], np.float32)
    assert class_scores(peaks, "open").argmax(1).tolist() == [2, 3, 1, 0]
    rows = [word("yes"), word("yes"), word("bed"), word(addressed=False)]
    found = accuracy(heads, rows, peaks, "open")
    assert (found["accuracy"], found["clips"]) == (0.75, 4)
    assert found["recall"] == {"silence": 1.0, "unknown": 1.0, "yes": 0.5}
    assert found["confusions"] == [{"class": "yes", "told": "no", "clips": 1}]
    assert accuracy(heads, rows, peaks, "closed")["accuracy"] == 0.5  # of the two that are of a class
    with pytest.raises(ModelError, match="none of 2 clips"):
        accuracy(heads, rows[2:], peaks[2:], "closed")
    with pytest.raises(ModelError, match="has no and yes, expected one class a clip"):
        accuracy(heads, [word("yes", "no"), *rows[1:]], peaks, "open")
    quiet = [*rows[:3], word("yes", "no", addressed=False)]  # of silence, whatever was written beside it
    assert accuracy(heads, quiet, peaks, "open") == found
    with pytest.raises(ModelError, match="got silence, unknown, which single_label open adds itself"):
        accuracy(("isWord", "unknown", "silence"), rows, peaks, "open")
    assert class_names(("isWord", "unknown"), "closed") == ("unknown",)
    # Six speakers: three always right, three always wrong.
    many = [word("yes", speaker=f"real:{index}") for index in range(6) for _ in range(20)]
    scores = np.repeat([[0.9, 0.9, 0.1], [0.9, 0.1, 0.9]], 60, axis=0)
    low, high = accuracy(heads, many, scores, "closed")["interval"]
    assert low < 0.2 and high > 0.8


def test_the_class_loss_is_least_where_the_answer_is_right() -> None:
    def loss(kind: str, logits: list[float], said: list[float]) -> float:
        target = torch.zeros(1, 5, 3)
        target[0, 2:4] = torch.tensor(said)
        peaks = torch.full((1, 5, 3), -9.0)
        peaks[0, 3] = torch.tensor(logits)
        return float(class_loss(peaks, target, kind))  # type: ignore[arg-type]

    assert loss("closed", [5, 4, -4], [1, 1, 0]) < 0.01
    assert loss("closed", [5, -4, 4], [1, 1, 0]) > 4
    assert loss("closed", [5, 4, -4], [1, 0, 0]) == 0  # no class to tell
    answers = {"silence": [-6, -6, -6], "unknown": [6, -6, -6], "no": [6, -6, 6]}
    targets = {"silence": [0, 0, 0], "unknown": [1, 0, 0], "no": [1, 0, 1]}
    for said, target in targets.items():
        losses = {answer: loss("open", logits, target) for answer, logits in answers.items()}
        assert min(losses, key=losses.__getitem__) == said and losses[said] < 0.02


def test_another_task_begins_with_what_an_earlier_model_hears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = ModelConfig(("isInteresting", "yes", "hasOther"), ear_channels=4, ear_dilations=(1,), channels=4,
                        dilations=(1,), phonemes=("a",))  # fmt: skip
    earlier = InherentModel(shape)
    checkpoint.save(tmp_path / "start.safetensors", earlier, training.FrontendSpec(), {})
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"heads: [isWord, 'no', 'yes', 'up']\nmanifests: []\nwarm_start: {tmp_path / 'start.safetensors'}\n"
        "ear_channels: 4\near_dilations: [1]\nchannels: 4\ndilations: [1, 2]\nsteps: 2\nphoneme_steps: 0\n"
    )
    model = training.initial_model(load_recipe(path), {})
    told = "heads that keep their weights: yes; begin at random: isWord, no, up; left out: isInteresting, hasOther\n"
    assert capsys.readouterr().err == told
    training.initial_model(msgspec.structs.replace(load_recipe(path), heads=shape.heads), {})
    training.initial_model(load_recipe(path), {}, quiet=True)
    assert not capsys.readouterr().err
    assert torch.equal(model.score.weight[2], earlier.score.weight[1])
    assert torch.equal(model.ear.entry.convolution.weight, earlier.ear.entry.convolution.weight)
    assert not torch.equal(model.score.weight[0], earlier.score.weight[0])
    # Four heads as there are four channels: only what is by head is taken apart.
    again = for_heads(for_heads(earlier, ("a", "b", "c", "yes")), ("yes", "a"))
    assert torch.equal(again.score.bias[0], earlier.score.bias[1])


def test_the_shipped_encoder_is_what_the_recipes_train() -> None:
    shipped = checkpoint.load(REPOSITORY / "models" / "inherent.safetensors").model
    for name, kind, count in (("speech_commands", "closed", 36), ("speech_commands_12", "open", 11)):
        recipe = load_recipe(REPOSITORY / "configs" / f"{name}.yaml")
        assert (recipe.single_label, len(recipe.heads)) == (kind, count)
        recipe = msgspec.structs.replace(recipe, warm_start=str(REPOSITORY / "models" / "inherent.safetensors"))
        model = training.initial_model(recipe, {})
        assert torch.equal(model.phrase.entry.convolution.weight, shipped.phrase.entry.convolution.weight)
        fewer = (count - len(shipped.config.heads)) * (shipped.config.channels + 1)
        assert cost_of(model).parameters - cost_of(shipped).parameters == fewer
    page = (REPOSITORY / "docs" / "speech-commands.md").read_text()
    cost = cost_of(training.initial_model(load_recipe(REPOSITORY / "configs" / "speech_commands.yaml"), {}))
    assert f"{cost.parameters:,}" in page and f"{cost.multiply_adds_per_second / 1e6:.1f} million" in page


def test_silence_counts_where_a_clip_has_one_class(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    rows = [word("yes"), word(addressed=False)]
    for line, expected in (("single_label: open", rows), ("", rows[:1])):
        path.write_text(f"manifests: []\nsteps: 5\nphoneme_steps: 1\n{line}\n")
        assert measured_clips(load_recipe(path), rows, "test") == expected
    path.write_text("manifests: []\nsteps: 5\nphoneme_steps: 1\nclass_weight: 1\n")
    with pytest.raises(ModelError, match="class_weight: got 1 without single_label"):
        load_recipe(path)


def test_what_is_not_one_class_a_clip_is_refused_before_training(tmp_path: Path) -> None:
    path, manifest = tmp_path / "recipe.yaml", tmp_path / "words.jsonl"
    path.write_text("manifests: []\nsteps: 5\nphoneme_steps: 1\nsingle_label: open\nheads: [isWord, 'yes', silence]\n")
    with pytest.raises(ModelError, match=r"recipe\.yaml: .*got silence, which single_label open adds itself"):
        load_recipe(path)
    clip = {"path": "a.wav", "addressed": 1, "heads": ["yes", "no"], "text": "", "split": "train"}
    manifest.write_text(json.dumps(clip))
    start = f"manifests: [{manifest}]\nsteps: 5\nphoneme_steps: 1\nheads: [isWord, 'yes', 'no']\n"
    path.write_text(start + "single_label: closed\n")
    with pytest.raises(ModelError, match=r"a\.wav: has no and yes, expected one class a clip; give it one head"):
        utterances(load_recipe(path))
    path.write_text(start)
    assert len(utterances(load_recipe(path))) == 1
