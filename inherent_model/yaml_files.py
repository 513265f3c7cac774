"""Recipes and other YAML files, read into their structs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from inherentd.inherent_model.errors import ModelError

Kind = TypeVar("Kind")


def load(path: Path, kind: type[Kind]) -> Kind:
    """Return what a YAML file holds as a `kind`; a wrong key or type is a ModelError that names it."""
    return convert(read_yaml(path), kind, str(path))


def convert(found: object, kind: type[Kind], where: str) -> Kind:
    """Return what was read as a `kind`; ModelError, beginning with `where`, says what is wrong in it."""
    try:
        return msgspec.convert(found, kind)
    except (msgspec.ValidationError, ModelError) as error:
        raise ModelError(f"{where}: {error}") from error


def read_yaml(path: Path) -> object:
    """Return what a file holds; ModelError when it is missing or no YAML. `heads` and `conditions` may be
    files, seen from this one."""
    found = _plain(path)
    return with_files(found, path.parent) if isinstance(found, dict) else found


def with_files(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the keys of a recipe with what the files named by `heads` and `conditions`, seen from `folder`, hold; ModelError
    where one cannot be read."""
    read = dict(found)
    if isinstance(found.get("heads"), str):
        read["heads"] = _heads_file(folder / found["heads"])
    if isinstance(found.get("conditions"), str):
        read["conditions"] = _plain(folder / found["conditions"])
    return read


def _plain(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; configs/ holds the project's own recipes") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: {' '.join(str(error).split())}; expected YAML") from error


def _heads_file(path: Path) -> list[str]:
    """Return the names in a heads file, one a line; empty lines and what follows a # are left out."""
    try:
        lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; `heads` names this file, seen from the recipe") from error
    names = [line for line in lines if line]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ModelError(f"{path}: got {names}, expected the gate and one head or more, a name a line, none twice")
    return names
