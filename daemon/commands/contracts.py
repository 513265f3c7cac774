"""Write the JSON Schemas of all messages, one file a topic, generated from the daemon's own types.

With --references FOLDER, a checkout, also docs/configuration.md, docs/wire.md and configs/daemon.yaml there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from inherentd.client.messages import HEADERS
from inherentd.client.requests import AnyRequest, Reply
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.references import references
from inherentd.daemon.score_line import ScoreLine

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd contracts`."""
    parser.add_argument("folder", nargs="?", type=Path, help="where to write the schemas (default: contracts)")
    parser.add_argument(
        "--references", type=Path, metavar="FOLDER",
        help="write the reference pages and configs/daemon.yaml below FOLDER too, and the schemas into FOLDER/contracts",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file there differs")


def schemas() -> dict[str, str]:
    """Return file name -> JSON Schema text, for each topic's header, for requests and replies, and for a line of `inherentd score --json`."""
    types: dict[str, Any] = {**HEADERS, "score-line": ScoreLine, "control-request": AnyRequest, "control-reply": Reply}
    return {f"{name}.schema.json": _text(name, struct) for name, struct in types.items()}


def run(arguments: argparse.Namespace) -> int:
    """Write or compare."""
    wanted = _wanted(arguments.folder, arguments.references)
    if arguments.check:
        different = [path for path, text in wanted.items() if _content(path) != text]
        again = "inherentd contracts" if arguments.references is None else "inherentd contracts --references ."
        for path in different:
            print(f"inherentd contracts: {path} differs from the code; run {again}", file=sys.stderr)
        return 1 if different else 0
    for path, text in wanted.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DaemonError(f"{path}: cannot be written: {error.strerror}") from None
        print(path)
    return 0


def _wanted(folder: Path | None, checkout: Path | None) -> dict[Path, str]:
    """Return path -> text of everything that is to be there."""
    folder = folder or (checkout or Path()) / "contracts"
    pages = {} if checkout is None else {checkout / name: text for name, text in references().items()}
    return {folder / name: text for name, text in schemas().items()} | pages


def _text(name: str, struct: Any) -> str:
    schema: dict[str, Any] = {"$schema": DIALECT, "title": name, **msgspec.json.schema(struct)}
    return json.dumps(schema, indent=2) + "\n"


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
