"""`inherent corpus convert`: public corpora as what recipes read, chosen by the corpus and by what --out is to be.

`X.tsv` holds sentences with intents (a recipe's `intent_corpora`), `X.jsonl` is a manifest of recordings, and a folder
holds noise (a training recipe's `noise_folder`). Whatever the source breaks is a ModelError with file and line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from inherentd.inherent_model.corpus import recordings, speech_commands
from inherentd.inherent_model.corpus.sources import fields, json_lines, one_file, write_lines
from inherentd.inherent_model.errors import ModelError

Sentence = tuple[str, str, str]
"""text, intent, and the split of the corpus, which is for reading only: ours follows from the text"""


def convert(name: str, folder: Path, out: Path) -> int:
    """Write `out` from the corpus in `folder` and return how many sentences, recordings or noises it holds."""
    forms = {form: converter for (corpus, form), converter in CONVERTERS.items() if corpus == name}
    if not forms:
        known = sorted({corpus for corpus, _ in CONVERTERS})
        raise ModelError(f"{name!r}: no converter for it; there are some for {', '.join(known)}")
    if out.suffix not in forms:
        expected = " or ".join(f"a file X{form}" if form else "a folder" for form in forms)
        raise ModelError(f"--out {out}: for {name} expected {expected}")
    if folder.is_file():
        raise ModelError(f"{folder}: is a file; expected the folder into which the corpus was fetched with --unpack")
    if not folder.is_dir():
        corpus = name.removesuffix("_12")  # two tasks, one corpus
        raise ModelError(f"{folder}: no such folder; `inherent corpus fetch {corpus} --unpack --out {folder}` makes it")
    return forms[out.suffix](folder, out)


def _slurp(folder: Path) -> Iterator[Sentence]:
    for split in ("train", "devel", "test"):
        for where, row in json_lines(one_file(folder, f"{split}.jsonl", "slurp")):
            text, intent = fields(where, row, "sentence", "intent")
            yield text, intent, split


def _massive(folder: Path) -> Iterator[Sentence]:
    for where, row in json_lines(one_file(folder, "en-US.jsonl", "massive")):
        text, intent, partition = fields(where, row, "utt", "intent", "partition")
        yield text, intent, partition


def _clinc(folder: Path) -> Iterator[Sentence]:
    path = one_file(folder, "data_full.json", "clinc150")
    try:
        data = json.loads(path.read_text())
        for split, rows in data.items():
            for text, intent in rows:
                yield text, intent, split
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"{path}: {error}; expected an object of lists of [text, intent]") from error


def _tsv(read: Callable[[Path], Iterable[Sentence]]) -> Callable[[Path, Path], int]:
    def write(folder: Path, out: Path) -> int:
        # A tab or line end within a sentence would make another column or row of the rest.
        lines = ["\t".join(" ".join(str(cell).split()) for cell in row) for row in read(folder)]
        write_lines(out, ["text\tintent\tsplit", *lines])
        return len(lines)

    return write


def _manifest(read: Callable[[Path, Path], Iterable[dict[str, Any]]]) -> Callable[[Path, Path], int]:
    def write(folder: Path, out: Path) -> int:
        rows = [json.dumps(row) for row in read(folder, out.parent)]
        write_lines(out, rows)
        return len(rows)

    return write


CONVERTERS: dict[tuple[str, str], Callable[[Path, Path], int]] = {
    ("slurp", ".tsv"): _tsv(_slurp),
    ("slurp", ".jsonl"): _manifest(recordings.slurp),
    ("massive", ".tsv"): _tsv(_massive),
    ("clinc150", ".tsv"): _tsv(_clinc),
    ("librispeech", ".jsonl"): _manifest(recordings.librispeech),
    ("musan", ""): recordings.noise("noise/*/*.wav"),
    ("speech_commands", ".jsonl"): _manifest(speech_commands.all_words),
    ("speech_commands_12", ".jsonl"): _manifest(speech_commands.with_test_set),
    ("speech_commands", ""): recordings.noise("_background_noise_/*.wav"),
}
