"""A labels CSV: every problem is found and named with its line, and no split shares a speaker or a session."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.inherent_model import cli, label_checks, label_reading, label_splits, labels
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.labels import FIXED_COLUMNS, Label, Labels
from inherentd.inherent_model.manifest import read_manifests
from tests.model import recordings
from tests.model.recordings import HEADS, row, write_clip, write_csv


def problems_of(tmp_path: Path, *rows: dict[str, object]) -> list[tuple[int, str]]:
    for name in {str(r["audio_path"]) for r in rows if str(r.get("audio_path", "")).endswith(".wav")}:
        if not (tmp_path / name).exists():
            write_clip(tmp_path / name, None, 0)
    found = label_checks.check(label_reading.read(write_csv(tmp_path / "labels.csv", list(rows))))
    return [(problem.line, problem.text) for problem in found]


def test_what_is_in_order_has_no_problem_and_the_counts_are_told(tmp_path: Path, capsys) -> None:
    path = recordings.corpus(tmp_path, speakers=4, each=3)
    assert cli.main(["labels", "validate", str(path)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "12 rows, 0 problems" in told.out
    assert [line.split() for line in told.out.splitlines() if line.startswith("hasHighTone")] == [
        ["hasHighTone", "0", "0", "0", "4"]]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"isInteresting": "yes"}, "isInteresting: got 'yes', expected 0 or 1"),
        ({"hasLowTone": ""}, "hasLowTone: got '', expected 0 or 1"),
        ({"hasLowTone": 1}, "hasLowTone is 1 where isInteresting is 0"),
        ({"audio_path": "a/none.flac"}, "a/none.flac: no such file"),
        ({"audio_path": ""}, "audio_path: empty"),
        ({"duration_s": 0.9}, "duration_s: got 0.9, the file has 0.75 s"),
        ({"duration_s": "long"}, "duration_s: got 'long', expected seconds"),
        ({"duration_s": "nan"}, "duration_s: got 'nan', expected seconds"),
        ({"split": "dev"}, "split: got 'dev', expected train, validation, test or nothing"),
        ({"speaker_id": "", "session_id": ""}, "both empty"),
        ({"speaker_id": "kokoro:af_sky*0.60+af_nova*0.40"}, "reserved for the independent evaluation"),
        ({"speaker_id": "joe"}, "write real:joe for a person of that name"),
        ({"speaker_id": "kokoro:af_bella", "split": "train"}, "a voice of the test split"),
        ({"speaker_id": "flite:rms", "split": "train"}, "a voice of the test split"),
    ],
)
def test_each_problem_is_found_in_its_line(tmp_path: Path, cells: dict[str, object], message: str) -> None:
    (found,) = problems_of(tmp_path, row("b/0.wav"), row("a/1.wav", **cells))
    assert found[0] == 3
    assert message in found[1]


@pytest.mark.parametrize("cells", [{"duration_s": ""}, {"duration_s": 0.84}, {"speaker_id": "real:joe"}])
def test_what_may_be(tmp_path: Path, cells: dict[str, object]) -> None:
    assert problems_of(tmp_path, row("a/1.wav", **cells)) == []


def test_recordings_that_cannot_teach_are_named(tmp_path: Path) -> None:
    not_numbers = np.ones(16_000)
    not_numbers[100] = np.nan
    samples = {"nan": not_numbers, "zeros": np.zeros(16_000), "empty": np.ones(0), "short": np.ones(800),
               "long": np.ones(31 * 16_000)}  # fmt: skip
    for name, values in samples.items():
        soundfile.write(tmp_path / f"{name}.wav", values, 16_000, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    rows = [row(f"{name}.wav", "hasLowTone", duration_s="") for name in [*samples, "broken"]]
    found = problems_of(tmp_path, *rows)
    assert [line for line, _ in found] == [2, 3, 4, 5, 6, 7]
    expected = ["NaN or infinite", "all zeros", "no sample", "0.050 s long", "31.0 s long", "cannot be read as audio"]
    for (_, text), part in zip(found, expected, strict=True):
        assert part in text


def test_a_speaker_session_or_file_in_two_places_is_found(tmp_path: Path) -> None:
    rows = [row("a/0.wav", split="train"), row("a/1.wav", split="test", session_id="a-2"),
            row("b/0.wav", split="train", session_id="shared"), row("c/0.wav", split="validation", session_id="shared"),
            row("b/0.wav", split="train")]  # fmt: skip
    found = problems_of(tmp_path, *rows)
    assert [line for line, _ in found] == [3, 5, 6]
    assert "speaker_id a: in test, and in train in line 2" in found[0][1]
    assert "session_id shared: in validation, and in train in line 4" in found[1][1]
    assert "b/0.wav: is in line 4 already" in found[2][1]


def test_all_problems_come_at_once_and_the_exit_code_is_1(tmp_path: Path, capsys) -> None:
    text = (
        "audio_path,transcript,speaker_id,session_id,device,mood,source,duration_s,split,isInteresting,hasPhoto\n"
        'a.wav,"two\nlines",anna,s1,phone,good,own,1,,1,2\n\na.wav,hello,anna\nb.wav,"broken" quote,anna\n'
    )
    path = tmp_path / "labels.csv"
    path.write_text("\ufeff" + text)
    assert cli.main(["labels", "validate", str(path)]) == 1
    told = capsys.readouterr()
    for part in (
        ":1: columns missing: environment; got",
        ":1: columns unknown: mood",
        ":2: hasPhoto: got '2'",
        ":2: audio_path a.wav: no such file",
        ":5: 3 cells, expected 11",
        ":6: not CSV from here on",
    ):
        assert f"{path}{part}" in told.err, part
    assert "1 rows, 6 problems" in told.out


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (";".join([*FIXED_COLUMNS, *HEADS]), "commas, not semicolons"),
        (",".join(FIXED_COLUMNS), "no head columns"),
        (",".join([*FIXED_COLUMNS, "isInteresting", "isInteresting"]), "columns twice: isInteresting"),
        (",".join([*FIXED_COLUMNS, "is interesting"]), "not names of heads: ['is interesting']"),
        (",".join([*FIXED_COLUMNS, "isInteresting", "is_interesting"]), "two share a threshold key"),
        ("", "got nothing"),
    ],
)
def test_a_wrong_header_is_told(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(header + "\n")
    with pytest.raises(ModelError) as error:
        label_checks.load(tmp_path / "labels.csv", audio=True)
    assert message in str(error.value)
    assert ":1: " in str(error.value)


def test_what_is_no_csv_in_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes("audio_path,ä\n".encode("utf-16"))
    (tmp_path / "nul.csv").write_text("audio_path\0,transcript\n")
    for name in ("excel.csv", "nul.csv", "none.csv", "."):
        with pytest.raises(ModelError, match="expected a CSV in UTF-8"):
            label_reading.read(tmp_path / name)


def test_a_template_reads_as_what_it_says(tmp_path: Path, capsys) -> None:
    assert cli.main(["labels", "template"]) == 0
    assert capsys.readouterr().out == ",".join([*FIXED_COLUMNS, *SHIPPED_HEADS]) + "\n"
    out = tmp_path / "new" / "labels.csv"
    assert cli.main(["labels", "template", "--example", "--out", str(out), "--heads", "isMine", "hasX"]) == 0
    found = label_reading.read(out)
    assert (found.problems, found.heads, found.rows[0].fired) == ((), ("isMine", "hasX"), ("isMine",))
    assert label_checks.check(found, audio=False) == []


def labels_of(pairs: list[tuple[str, str]]) -> Labels:
    rows = [
        Label(index + 2, f"{index}.wav", "", speaker, session, "", "", "", 1.0, "", HEADS[: index % 3])
        for index, (speaker, session) in enumerate(pairs)
    ]
    return Labels(Path(), HEADS, tuple(rows))


names = st.sampled_from(["", *"abcdefghijkl"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(names, names), max_size=60), st.integers(0, 3), st.randoms())
def test_a_split_keeps_speakers_and_sessions_whole(pairs: list[tuple[str, str]], seed: int, rng) -> None:
    found = labels_of(pairs)
    if pairs and len(label_splits.groups(found.rows)) < 3:
        with pytest.raises(ModelError, match="expected 3 or more"):
            label_splits.assign(found, seed=seed)
        return
    decided = label_splits.assign(found, seed=seed)
    for column in ("speaker_id", "session_id"):
        splits: dict[str, set[str]] = {}
        for one in decided.rows:
            splits.setdefault(getattr(one, column), set()).add(one.split)
        assert all(len(found) == 1 for name, found in splits.items() if name)
    assert not pairs or {one.split for one in decided.rows} == {"train", "validation", "test"}
    shuffled = list(found.rows)
    rng.shuffle(shuffled)
    again = label_splits.assign(Labels(Path(), HEADS, tuple(shuffled)), seed=seed)
    assert set(again.rows) == set(decided.rows)
    assert label_splits.assign(decided, seed=seed + 1) == decided


def test_a_split_balances_clips_and_heads() -> None:
    decided = label_splits.assign(labels_of([(f"s{index // 6}", "") for index in range(600)]), validation=0.2, test=0.2)
    for head in HEADS[:2]:
        counts = [
            sum(head in one.fired for one in decided.rows if one.split == split) for split in ("validation", "test")
        ]
        assert sum(head in one.fired for one in decided.rows) * 0.17 < min(counts)
    assert 110 <= sum(one.split == "test" for one in decided.rows) <= 130


def test_splits_that_are_there_are_kept_and_hold_for_their_group(tmp_path: Path) -> None:
    rows = [row(f"{name}/{index}.wav", split="") for name in "abcdef" for index in range(4)]
    rows[0]["split"] = "test"
    rows[4]["speaker_id"] = "kokoro:am_liam"
    path = write_csv(tmp_path / "labels.csv", rows)
    out = tmp_path / "elsewhere" / "split.csv"
    assert cli.main(["labels", "split", str(path), "--out", str(out), "--seed", "3"]) == 0
    decided = label_reading.read(out)
    assert {one.split for one in decided.rows[:4]} == {"test"}
    assert decided.rows[4].split == "validation"  # a voice that is held out for it
    assert decided.rows[0].audio_path == "../a/0.wav"
    rows[1]["split"], rows[1]["speaker_id"], rows[2]["session_id"] = "train", "other", "a-2"
    rows[1]["session_id"] = "a-2"
    write_csv(path, rows)
    with pytest.raises(ModelError, match=r"belong together are in test \(line 2\) and train \(line 3\)"):
        label_splits.assign(label_reading.read(path))


def test_speakers_and_sessions_of_a_build_before_stay_where_they_were() -> None:
    earlier = label_splits.assign(labels_of([(f"s{index}", f"r{index}") for index in range(9)]))
    kept = label_splits.remembered(earlier)
    assert not any("s0" in key for key in kept)
    # Others join, a speaker comes back in a new session, and a room with a new speaker.
    again = labels_of([(f"t{index}", "") for index in range(30)] + [(f"s{index}", f"new{index}") for index in range(9)]
                      + [(f"u{index}", f"r{index}") for index in range(9)])  # fmt: skip
    found = label_splits.assign(label_splits.as_before(again, kept), seed=7)
    was = [one.split for one in earlier.rows]
    assert [one.split for one in found.rows[30:39]] == was
    assert [one.split for one in found.rows[39:]] == was
    assert label_splits.as_before(again, {}) == again


@pytest.mark.parametrize(
    ("rows", "split", "said"),
    [
        ([("anna", "kitchen")], "train", "line 2: speaker 'anna'.*got train, but .* in test"),
        ([("anna", "car")], "", r"in test \(line 2\) and train \(line 2\) when the checkpoint"),
        ([("anna", "new"), ("ben", "new")], "", r"in test \(line 2\) and train \(line 3\) when the checkpoint"),
    ],
)
def test_who_evaluated_a_model_cannot_train_its_successor(rows: list[tuple[str, str]], split: str, said: str) -> None:
    before = labels_of([("anna", "kitchen"), ("ben", "car")])
    kept = label_splits.remembered(replaced(before, "test", "train"))
    with pytest.raises(ModelError, match=said):
        label_splits.as_before(replaced(labels_of(rows), *[split] * len(rows)), kept)


def replaced(labels: Labels, *splits: str) -> Labels:
    """The labels with these splits."""
    rows = tuple(dataclasses.replace(one, split=split) for one, split in zip(labels.rows, splits, strict=True))
    return dataclasses.replace(labels, rows=rows)


def test_a_session_that_joins_everybody_is_named(capsys, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "labels.csv", [row(f"{name}/0.wav", session_id="1") for name in "abcdef"])
    assert cli.main(["labels", "split", str(path), "--out", str(path)]) == 1
    assert "session '1' joins 6 speakers" in capsys.readouterr().err
    assert cli.main(["labels", "split", str(path), "--out", str(path), "--test", "1"]) == 1
    assert "together below 1" in capsys.readouterr().err


def test_the_manifest_is_what_training_reads(tmp_path: Path, capsys) -> None:
    path = tmp_path / "labels.csv"
    rows = [row("a/0.wav", "hasLowTone", split="train", transcript="same words", speaker_id="real:joe"),
            row("b/0.wav", "hasLowTone", split="test", transcript="same words", speaker_id="", duration_s=""),
            row("c/0.wav", split="validation", source="")]  # fmt: skip
    for one in rows:
        write_clip(tmp_path / str(one["audio_path"]), None, 0)
    write_csv(path, rows)
    out = tmp_path / "run" / "manifest.jsonl"
    assert cli.main(["labels", "manifest", str(path), "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0] == {"path": "../a/0.wav", "addressed": 1, "heads": ["hasLowTone"], "text": "same words",
                        "split": "train", "seconds": 0.75, "source": "own",
                        "voice": {"engine": "real", "name": "joe"}}  # fmt: skip
    read = read_manifests([out])
    # Two people may read the same prompt: training keeps it, though it stands in the test split.
    assert [(one.speaker, one.split, one.heads, one.addressed) for one in read] == [
        ("real:joe", "train", ("hasLowTone",), True), ("real:b-1", "test", ("hasLowTone",), True),
        ("real:c", "validation", (), False)]  # fmt: skip
    assert all(Path(one.path).resolve().is_file() for one in read)
    write_csv(path, [{**one, "split": ""} for one in rows])
    assert cli.main(["labels", "manifest", str(path), "--out", str(out)]) == 1
    assert "line 2: no split" in capsys.readouterr().err


def test_a_csv_survives_reading_and_writing(tmp_path: Path) -> None:
    path = recordings.corpus(tmp_path, speakers=2, each=2)
    found = label_reading.read(path)
    labels.write(tmp_path / "again.csv", found)
    assert label_reading.read(tmp_path / "again.csv") == found
