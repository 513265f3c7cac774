"""Reading other people's corpora: what is not as it should be is a ModelError with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole


def one_file(folder: Path, name: str, corpus: str) -> Path:
    """Return the only file of this name at or below the folder."""
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        what, mend = "no file", f"`inherent corpus fetch {corpus} --unpack` brings it"
        if found:
            what, mend = f"{len(found)} files", f"give the folder of one, e.g. {found[0].parent}"
        raise ModelError(f"{folder}: {what} {name}, expected one; {mend}")
    return found[0]


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield "file:line" and the text of each line that is not empty."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line.strip()
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: {error}; expected UTF-8") from error


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield "file:line" and the object of each line."""
    for where, line in lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ModelError(
                f"{where}: {error}; expected a JSON object; the file may be cut off: fetch again"
            ) from error
        if not isinstance(row, dict):
            raise ModelError(f"{where}: got {type(row).__name__}, expected a JSON object")
        yield where, row


def fields(where: str, row: dict[str, Any], *names: str) -> Sequence[str]:
    """Return these fields of a row, each of which must be a text that is not empty."""
    values = [row.get(name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str) or not value.strip():
            raise ModelError(f"{where}: {name} is {value!r}, expected a text; fields there: {', '.join(row)}")
    return [str(value) for value in values]


def write_lines(path: Path, rows: Sequence[str]) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as unfinished:
        unfinished.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
