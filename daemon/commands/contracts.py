"""Write the JSON Schemas of all messages, one file a topic, generated from the daemon's own types."""

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
from inherentd.daemon.score_line import ScoreLine

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd contracts`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("contracts"), help="where to write (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file there differs")


def schemas() -> dict[str, str]:
    """Return file name -> JSON Schema text, for each topic's header, for requests and replies, and for a line of `inherentd score --json`."""
    types: dict[str, Any] = {**HEADERS, "score-line": ScoreLine, "control-request": AnyRequest, "control-reply": Reply}
    return {f"{name}.schema.json": _text(name, struct) for name, struct in types.items()}


def run(arguments: argparse.Namespace) -> int:
    """Write or compare."""
    folder: Path = arguments.folder
    if arguments.check:
        different = [name for name, text in schemas().items() if _content(folder / name) != text]
        for name in different:
            print(
                f"inherentd contracts: {folder / name} differs from the code; run inherentd contracts", file=sys.stderr
            )
        return 1 if different else 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in schemas().items():
            (folder / name).write_text(text, encoding="utf-8")
            print(folder / name)
    except OSError as error:
        raise DaemonError(f"{folder}: cannot be written: {error.strerror}") from None
    return 0


def _text(name: str, struct: Any) -> str:
    schema: dict[str, Any] = {"$schema": DIALECT, "title": name, **msgspec.json.schema(struct)}
    return json.dumps(schema, indent=2) + "\n"


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
