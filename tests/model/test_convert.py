"""Public corpora as what recipes read: tiny folders in the form of the real ones, and what is wrong in them named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.inherent_model import cli
from inherentd.inherent_model.corpus.convert import convert
from inherentd.inherent_model.corpus.sentences import from_intent_corpus, split_of
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import read_manifests


def audio(path: Path, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(16_000 * seconds)), 16_000)


def slurp(folder: Path) -> None:
    """Each sentence spoken by the same twelve people."""
    metadata = {}
    for split, sentences in {
        "train": [("Set an alarm for  eight", "alarm_set"), ("play some jazz", "play_music")],
        "devel": [("remind me", "set")],
        "test": [("call mom", "make_call")],
    }.items():
        rows = []
        for text, intent in sentences:
            files = {f"audio-{len(metadata)}-{index}.flac": f"FO-{100 + index}" for index in range(12)}
            for file in files:
                audio(folder / "slurp_real" / "slurp_real" / file)
            metadata[str(len(metadata))] = {
                "recordings": {file: {"usrid": speaker, "status": "correct"} for file, speaker in files.items()}
            }
            rows.append({"sentence": text, "intent": intent, "recordings": [{"file": file} for file in files]})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "metadata.json").write_text(json.dumps(metadata))


def massive(folder: Path) -> None:
    data = folder / "amazon-massive-dataset-1.1" / "1.1" / "data"
    data.mkdir(parents=True)
    row = {"id": "0", "locale": "en-US", "partition": "test", "intent": "alarm_set", "utt": "wake me\tat five am"}
    (data / "en-US.jsonl").write_text(json.dumps(row) + "\n\n" + json.dumps({**row, "intent": "play_music"}) + "\n")
    (data / "de-DE.jsonl").write_text("not read")


def clinc150(folder: Path) -> None:
    data = {"train": [["set a timer now", "timer"]], "oos_val": [["a show on broadway", "oos"]]}
    (folder / "data_full.json").write_text(json.dumps(data))


def librispeech(folder: Path) -> None:
    for speaker in range(1272, 1292):
        chapter = folder / "dev-clean" / "LibriSpeech" / "dev-clean" / str(speaker) / "128104"
        for index in range(2):
            audio(chapter / f"{speaker}-128104-000{index}.flac", 0.25)
        (chapter / f"{speaker}-128104.trans.txt").write_text(
            f"{speaker}-128104-0000 MISTER QUILTER'S NUMBER {speaker}\n{speaker}-128104-0001 THE SAME BY ALL\n"
        )


def musan(folder: Path) -> None:
    for name in ("free-sound", "sound-bible"):
        audio(folder / "musan" / "musan" / "noise" / name / f"noise-{name}-0000.wav")
    (folder / "musan" / "musan" / "noise" / "free-sound" / "LICENSE").write_text("noise-free-sound-0000.wav: CC0")
    audio(folder / "musan" / "musan" / "speech" / "librivox" / "speech-librivox-0000.wav")


def made(tmp_path: Path, make: Callable[[Path], None]) -> Path:
    folder = tmp_path / "corpora" / make.__name__
    folder.mkdir(parents=True)
    make(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (slurp, ["Set an alarm for eight\talarm_set\ttrain", "play some jazz\tplay_music\ttrain", "remind me\tset\tdevel", "call mom\tmake_call\ttest"]),
        (massive, ["wake me at five am\talarm_set\ttest", "wake me at five am\tplay_music\ttest"]),
        (clinc150, ["set a timer now\ttimer\ttrain", "a show on broadway\toos\toos_val"]),
    ],
)  # fmt: skip
def test_sentences_become_a_tsv_that_recipes_read(tmp_path: Path, make: Callable, expected: list[str]) -> None:
    out = tmp_path / "text" / f"{make.__name__}.tsv"
    assert cli.main(["corpus", "convert", make.__name__, str(made(tmp_path, make)), "--out", str(out)]) == 0
    assert out.read_text().splitlines() == ["text\tintent\tsplit", *expected]
    rows = list(from_intent_corpus(out))
    assert rows and all(row.addressed and row.source == make.__name__ for row in rows)


def test_librispeech_becomes_a_manifest_split_by_speaker(tmp_path: Path) -> None:
    out = tmp_path / "manifests" / "librispeech.jsonl"
    assert convert("librispeech", made(tmp_path, librispeech), out) == 40
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["text"] == "mister quilter's number 1272" and lines[0]["addressed"] == 0
    assert lines[0]["voice"] == {"engine": "librispeech", "name": "1272"}
    assert (lines[0]["seconds"], lines[0]["licence"], lines[0]["heads"]) == (0.25, "CC-BY-4.0", [])
    splits: dict[str, set[str]] = {}
    for line in lines:
        splits.setdefault(line["voice"]["name"], set()).add(line["split"])
    assert all(len(found) == 1 for found in splits.values()) and len(set.union(*splits.values())) > 1
    rows = read_manifests([out])
    assert all(Path(row.path).is_file() and not row.addressed for row in rows)
    assert {row.speaker for row in rows} == {f"librispeech:{speaker}" for speaker in range(1272, 1292)}
    assert "the same by all" not in {row.text for row in rows if row.split == "train"}


def test_slurp_recordings_share_neither_voice_nor_sentence_between_splits(tmp_path: Path) -> None:
    out = tmp_path / "slurp.jsonl"
    convert("slurp", made(tmp_path, slurp), out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert 12 < len(lines) < 48  # all of those whose speaker's split is the sentence's
    for line in lines:
        assert line["split"] == split_of(f"slurp:{line['voice']['name']}")
        assert line["addressed"] == 1 and line["licence"] == "CC-BY-NC-4.0"
    rows = read_manifests([out])
    assert {row.heads for row in rows if row.text == "set an alarm for eight"} == {("hasStartTimerIntent",)}
    assert all(Path(row.path).is_file() for row in rows)
    assert "remind me" not in {row.text for row in rows}  # ambiguous


def test_noise_becomes_a_folder_of_links_with_a_list(tmp_path: Path) -> None:
    folder, out = made(tmp_path, musan), tmp_path / "noise"
    for _ in range(2):  # a second time changes nothing
        assert convert("musan", folder, out) == 2
    names = ["noise-free-sound-0000.wav", "noise-sound-bible-0000.wav"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "noise.tsv"]
    assert soundfile.info(out / names[0]).duration == 0.5
    rows = [row.split("\t") for row in (out / "noise.tsv").read_text().splitlines()]
    assert rows[0] == ["path", "seconds", "licence"] and [row[0] for row in rows[1:]] == names
    assert "CC0" in (out / rows[1][2]).read_text()
    (out / names[0]).unlink()
    (out / names[0]).write_text("mine")
    with pytest.raises(ModelError, match="no link of ours"):
        convert("musan", folder, out)
    audio(tmp_path / "words" / "speech_commands_v0.02" / "_background_noise_" / "doing_the_dishes.wav")
    assert convert("speech_commands", tmp_path / "words", tmp_path / "dishes") == 1


def break_file(pattern: str, content: str | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = min(folder.rglob(pattern))
        path.unlink() if content is None else path.write_text(content)

    return change


@pytest.mark.parametrize(
    ("make", "form", "change", "message"),
    [
        (slurp, ".tsv", break_file("train.jsonl", '{"sentence": "x", "intent": "y"}\n{"sent'), r"train\.jsonl:2: .*cut off"),
        (slurp, ".tsv", break_file("test.jsonl", '{"sentence": "x"}'), r"test\.jsonl:1: intent is None.*fields there: sentence"),
        (slurp, ".tsv", break_file("test.jsonl", "[1]"), r"test\.jsonl:1: got list"),
        (slurp, ".tsv", break_file("devel.jsonl", None), r"no file devel\.jsonl.*fetch slurp"),
        (slurp, ".jsonl", break_file("metadata.json", '{"1": {}}'), r"metadata\.json: .*usrid"),
        (slurp, ".jsonl", break_file("*.flac", "no audio"), r"train\.jsonl:1: .*flac"),
        (massive, ".tsv", break_file("en-US.jsonl", '{"utt": 3}'), r"en-US\.jsonl:1: utt is 3"),
        (massive, ".tsv", break_file("en-US.jsonl", None), "no file en-US"),
        (clinc150, ".tsv", break_file("data_full.json", '{"train": [["one"]]}'), r"data_full\.json: .*lists of"),
        (librispeech, ".jsonl", break_file("1272*.trans.txt", "1272-128104-0000"), r"trans\.txt:1: .*expected SPEAKER"),
        (librispeech, ".jsonl", break_file("1272-128104-0001.flac", None), r"trans\.txt:2: .*0001\.flac"),
        (musan, "", break_file("noise-sound-bible-0000.wav", "no audio"), r"noise-sound-bible-0000\.wav"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named(tmp_path: Path, make: Callable, form: str, change: Callable, message: str) -> None:
    folder = made(tmp_path, make)
    change(folder)
    with pytest.raises(ModelError, match=message):
        convert(make.__name__, folder, tmp_path / f"out{form}")
    assert not (tmp_path / f"out{form}").is_file()


def test_what_cannot_be_converted_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["nope", "."], "no converter for it"),
        (["massive", "."], "expected a file X.tsv"),
        (["slurp", "."], "expected a file X.tsv or a file X.jsonl"),
        (["musan", str(tmp_path)], "no noise/*/*.wav there"),
        (["librispeech", str(tmp_path / "none")], "expected a file X.jsonl"),
    ):
        assert cli.main(["corpus", "convert", *arguments, "--out", str(tmp_path / "out")]) == 1
        assert message in capsys.readouterr().err
    with pytest.raises(ModelError, match="no such folder; `inherent corpus fetch librispeech"):
        convert("librispeech", tmp_path / "none", tmp_path / "x.jsonl")
