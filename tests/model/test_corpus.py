"""Sentences, voices and manifests: nothing of the evaluation leaks into training."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.inherent_model.corpus import build, sentences, voices
from inherentd.inherent_model.corpus.decode import write_flac
from inherentd.inherent_model.corpus.engines import synthesize
from inherentd.inherent_model.corpus.grammar import PHRASES_FOLDER, Phrasing, load_grammar
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.heads import SHIPPED_HEADS, targets, threshold_key
from inherentd.inherent_model.manifest import read_manifests

REPOSITORY = Path(__file__).parents[2]


def recipe(tmp_path: Path, **changes: object) -> build.CorpusRecipe:
    fields = {"out": str(tmp_path / "corpus"), "per_phrasing": {"train": 3, "validation": 2, "test": 2},
              "clips": {"train": {"flite": 40, "kokoro": 40}, "test": {"flite": 20, "kokoro": 20}}, **changes}  # fmt: skip
    return build.CorpusRecipe(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(folder.name for folder in PHRASES_FOLDER.iterdir()))
def test_every_head_has_a_grammar_and_every_phrasing_expands(name: str) -> None:
    phrasings = load_grammar(PHRASES_FOLDER / name)
    assert len({phrasing.key for phrasing in phrasings}) == len(phrasings)
    rng = random.Random(0)
    for phrasing in phrasings:
        for _ in range(5):
            text = phrasing.expand(rng, ["set a timer"])
            assert text
            assert not set(text) & set("{}[]()|"), (phrasing.text, text)
            assert text == text.lower()
    if any(phrasing.heads for phrasing in phrasings):
        counts = Counter(head for phrasing in phrasings for head in phrasing.heads)
        assert set(counts) == set(SHIPPED_HEADS[1:])
        assert min(counts.values()) >= 25


def test_a_phrasing_with_an_unknown_slot_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("heads: []\nphrasings: ['buy {thing}']\n")
    with pytest.raises(ModelError, match="thing"):
        load_grammar(tmp_path)


def test_a_phrasing_has_a_shape_for_every_way_of_putting_it() -> None:
    phrasing = Phrasing(
        "x: x", "could you (call|ring up) my {person} [please|for (me|us)] (now|)", (), addressed=True, fillers={}
    )
    ends = ("", " now", " for me", " for me now", " for us", " for us now")
    assert phrasing.shapes() == {f"{verb} {{}}{end}" for verb in ("call", "ring up") for end in ends}


def phrasing_in(split: str, text: str) -> Phrasing:
    """Return a phrasing of a file whose name puts it into the split."""
    key = next(key for number in range(999) if sentences.split_of(key := f"file{number}: {text}") == split)
    return Phrasing(key, text, (), addressed=True, fillers={})


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_another_file_trains_on_is_no_measure(split: str) -> None:
    held_out = [
        phrasing_in(split, text)
        for text in ("would you ring my (mum|{person})", "count the {things} twice", "play {song}")
    ]
    trained = [
        phrasing_in("train", text) for text in ("(call|ring) {friend}", "count {things}", "please play some {songs}")
    ]
    assert sentences.also_trained([*held_out, *trained]) == {held_out[0].key}
    assert not sentences.also_trained(held_out)


def test_no_figure_is_made_of_a_phrasing_that_is_in_training_too(tmp_path: Path) -> None:
    phrasings = [phrasing for folder in PHRASES_FOLDER.iterdir() for phrasing in load_grammar(folder)]
    known = sentences.also_trained(phrasings)
    assert known
    rows = [{"path": f"{index}.flac", "addressed": 1, "text": f"sentence {index}", "key": key, "split": split}
            for index, (key, split) in enumerate((key, split) for key in (min(known), "mine: ring {person}", None, ["a list"])
                                                 for split in ("train", "validation", "test"))]  # fmt: skip
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    assert [Path(row.path).stem for row in read_manifests([manifest])] == ["0", *map(str, range(3, 12))]


def test_splits_share_no_phrasing_and_no_sentence(tmp_path: Path) -> None:
    found = build.collect(recipe(tmp_path))
    by_key: dict[str, set[str]] = {}
    for sentence in found:
        by_key.setdefault(sentence.key, set()).add(sentence.split)
    assert all(len(splits) == 1 for splits in by_key.values())
    held_out = {sentence.text for sentence in found if sentence.split != "train"}
    assert not held_out & {sentence.text for sentence in found if sentence.split == "train"}
    assert {sentence.split for sentence in found} == {"train", "validation", "test"}


def test_the_plan_is_deterministic_and_keeps_voices_apart(tmp_path: Path) -> None:
    clips = build.plan(recipe(tmp_path))
    assert clips == build.plan(recipe(tmp_path))
    assert len({clip.path for clip in clips}) == len(clips)
    held_out = {*voices.KOKORO_TEST, *voices.KOKORO_VALIDATION, "rms"}
    for clip in clips:
        names = set(voices.components(clip.voice.name))
        assert not names & voices.RESERVED
        if clip.sentence.split == "train":
            assert not names & held_out
        else:
            assert names <= held_out
    assert Counter(clip.sentence.addressed for clip in clips) == {True: 60, False: 60}


def test_reserved_voices_are_refused_everywhere() -> None:
    for name in ("af_nova", "af_sky*0.60+bm_daniel*0.40", "slt"):
        with pytest.raises(ModelError, match="reserved"):
            synthesize("hello there", voices.Voice("kokoro", name))


@pytest.mark.parametrize(
    ("text", "message"),
    [("out: x\nclips: {}\ncolour: red", "colour"), ("out: 3\nclips: {}", "str"), ("out: [", "recipe.yaml")],
)
def test_a_wrong_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        build.load_recipe(path)


RECIPES = sorted(path for path in (REPOSITORY / "configs" / "corpus").glob("*.yaml") if path.stem != "real")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_planned_without_the_text_corpora(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for somebody who has nothing but the project: what draws from text corpora alone has no clips, and says so."""
    monkeypatch.chdir(tmp_path)
    shipped = build.load_recipe(path)
    clips = build.plan(shipped)
    if shipped.per_phrasing:
        assert len(clips) == sum(sum(engines.values()) for engines in shipped.clips.values())
    else:
        assert not clips
        assert "0 addressed and 0 other sentences without the text corpora" in capsys.readouterr().err
        assert not build.build(shipped, workers=1)
        assert read_manifests([Path(shipped.out) / "manifest.jsonl"]) == []


def test_a_recipe_whose_text_corpora_are_there_needs_both_kinds_of_sentences(tmp_path: Path) -> None:
    requests = tmp_path / "requests.tsv"
    requests.write_text("text\tintent\n" + "".join(f"play song number {index}\tplay_music\n" for index in range(99)))
    with pytest.raises(ModelError, match=r"split 'train' has \d\d addressed and 0 other sentences: need both"):
        build.plan(recipe(tmp_path, per_phrasing={}, intent_corpora=[str(requests)]))


def test_text_corpora_are_mapped_and_ambiguous_intents_left_out(tmp_path: Path) -> None:
    path = tmp_path / "requests.tsv"
    path.write_text(
        "text\tintent\tsplit\nset a timer\ttimer\tx\nbook me a taxi\ttransport_taxi\tx\nplay jazz\tplay_music\tx\n"
    )
    rows = list(sentences.from_intent_corpus(path))
    assert [(row.text, row.heads, row.addressed) for row in rows] == [
        ("set a timer", ("hasStartTimerIntent",), True), ("play jazz", (), True)]  # fmt: skip
    path.write_text("sentence\nx\n")
    with pytest.raises(ModelError, match="columns"):
        list(sentences.from_intent_corpus(path))


def test_a_manifest_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    phrases = {"per_phrasing": {"train": 1, "validation": 1, "test": 1}}
    recipe = build.CorpusRecipe(out=str(tmp_path), clips={"train": {"espeak": 4}}, **phrases)
    (tmp_path / "manifest.jsonl").write_text("as it was\n")
    first, *_, last = build.plan(recipe)
    (tmp_path / first.path).parent.mkdir(parents=True)
    write_flac(tmp_path / first.path, np.zeros(1600, np.float32))
    (tmp_path / last.path).write_text("no audio")
    with pytest.raises(soundfile.LibsndfileError):
        build.write_manifest(recipe)
    assert (tmp_path / "manifest.jsonl").read_text() == "as it was\n"
    (tmp_path / last.path).unlink()
    assert build.write_manifest(recipe) == {"train/espeak": 1}
    assert json.loads((tmp_path / "manifest.jsonl").read_text())["path"] == first.path
    assert not list(tmp_path.glob("*.part"))


def test_manifests_leak_nothing(tmp_path: Path) -> None:
    lines = [
        {"path": "a", "text": "one", "voice": "af_bella", "addressed": 1, "seconds": 1, "heads": ["hasPhotoQuery"]},
        {"path": "b", "text": "one", "voice": "af_sky", "addressed": 1, "seconds": 1},
        {"path": "c", "text": "two", "voice": "af_sky*0.5+af_bella*0.5", "addressed": 0, "seconds": 1},
        {"path": "d", "text": "three", "voice": "af_sky", "addressed": 1, "seconds": 1, "intent": "timer"},
        {"path": "e", "text": "four", "voice": "af_sky", "addressed": 1, "seconds": 1, "intent": "reminder"},
        {"path": "f", "addressed": 0, "seconds": 1},
        {"path": "g", "text": "um please one please", "voice": "af_sky", "addressed": 1, "seconds": 1},
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    rows = {Path(row.path).name: row for row in read_manifests([path])}
    assert rows["a"].split == "test"
    assert not {"b", "g"} & set(rows)  # their sentence stands in the test split
    assert "c" not in rows  # half of it is a test voice
    assert rows["d"].heads == ("hasStartTimerIntent",)
    assert "e" not in rows
    assert (rows["f"].speaker, rows["f"].split) == ("real", "train")
    path.write_text('{"path": 1')
    with pytest.raises(ModelError, match=r"manifest\.jsonl:1"):
        read_manifests([path])
    for wrong, message in (({"split": "dev"}, "split 'dev'"), ({"split": "train"}, "voice of the evaluation")):
        path.write_text(json.dumps({**lines[0], **wrong}))
        with pytest.raises(ModelError, match=message):
            read_manifests([path])
    path.write_text(json.dumps({**lines[0], "voice": "am_onyx"}))
    with pytest.raises(ModelError, match="reserved"):
        read_manifests([path])


def test_targets_and_keys() -> None:
    heads = ("isInteresting", "hasPhotoQuery", "hasStartTimerIntent")
    assert targets(heads, ["hasPhotoQuery"], addressed=True) == [1, 1, 0]
    assert targets(heads, ["hasPhotoQuery"], addressed=False) == [0, 0, 0]
    assert threshold_key("hasAddToListIntent") == "has_add_to_list_intent"
    assert threshold_key("isInteresting") == "is_interesting"
