"""YAML file, then environment, then `--set` -> one `Config`. A mistake names the place it stands in."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin

import msgspec
import yaml

from inherentd.daemon.config import Config
from inherentd.daemon.errors import ConfigurationError

ENVIRONMENT_PREFIX = "INHERENTD_"
Tree = dict[str, Any]


def load(path: Path | None, environment: Mapping[str, str], assignments: Sequence[str] | None) -> Config:
    """Return the configuration: the defaults, then the YAML file, then `INHERENTD_A__B=...`, then `a.b=c`.

    Later wins. Raises ConfigurationError for an unknown key (with the nearest known one) and for a value of the wrong type or
    out of range, naming the file, the variable or the argument.
    """
    tree: Tree = {}
    config = Config()
    for place, layer in _layers(path, environment, assignments or ()):
        _refuse_unknown_keys(layer, Config, place, "")
        tree = _merged(tree, layer)
        try:
            config = msgspec.convert(tree, Config, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{place}: {_explained(str(error), tree)}") from None
    return config


def parsed_thresholds(assignments: Sequence[str]) -> dict[str, float | None]:
    """Return thresholds from "key=0.7", or "key=null". Raises ConfigurationError for what is no number in [0, 1]."""
    thresholds: dict[str, float | None] = {}
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        try:
            value = None if text.lower() in {"null", "none"} else float(text)
        except ValueError:
            value = -1.0
        if not key or (value is not None and not 0 <= value <= 1):
            raise ConfigurationError(f"got {assignment!r}, expected KEY=VALUE with a value from 0 to 1, or null")
        thresholds[key] = value
    return thresholds


def known_keys(struct: type[msgspec.Struct] = Config, prefix: str = "") -> list[str]:
    """Return every key that may be set, dotted, e.g. "gate.hangover_ms"."""
    keys: list[str] = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys += known_keys(field.type, f"{prefix}{field.name}.")
        else:
            keys.append(prefix + field.name)
    return keys


def nearest(wanted: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'X'?" with the nearest known name, or the known names when none is near."""
    names = list(known)
    matches = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    if not matches:  # right name, wrong section: compare the last part only
        by_leaf = {name.rpartition(".")[2]: name for name in names}
        matches = [by_leaf[leaf] for leaf in difflib.get_close_matches(wanted.rpartition(".")[2], by_leaf, n=1)]
    return f"; did you mean {matches[0]!r}?" if matches else f"; known: {', '.join(names)}"


def _layers(
    path: Path | None, environment: Mapping[str, str], assignments: Sequence[str]
) -> Iterable[tuple[str, Tree]]:
    if path is not None:
        yield str(path), _yaml_tree(path)
    for name, value in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            yield f"environment variable {name}", _nested(keys, value)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"--set {assignment}: expected KEY=VALUE, e.g. --set gate.hangover_ms=600")
        yield f"--set {assignment}", _nested(key.strip().split("."), value.strip())


def _yaml_tree(path: Path) -> Tree:
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: this configuration file does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as a configuration file: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{path}: got {type(document).__name__}, expected sections such as 'gate:' with keys below"
        )
    return cast("Tree", document)


def _nested(keys: Sequence[str], value: str) -> Tree:
    # msgspec reads numbers and true/false from strings by the field's type; only null needs a word of its own.
    leaf = None if value.lower() in {"null", "none"} else value
    return functools.reduce(lambda inner, key: {key: inner}, reversed(keys), cast("Any", leaf))


def _merged(base: Tree, over: Tree) -> Tree:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = _merged(cast("Tree", below), cast("Tree", value)) if both else value
    return result


def _refuse_unknown_keys(layer: Tree, struct: type[msgspec.Struct], place: str, prefix: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in layer.items():
        dotted = f"{prefix}{key}"
        if key not in fields:
            # Within a section the nearest key of this section, else the nearest of all.
            inner = [name for name in known_keys() if name.startswith(prefix)] if prefix else []
            near = difflib.get_close_matches(dotted, inner, n=1, cutoff=0.75)
            candidates = near or ([*fields, *known_keys()] if not prefix else known_keys())
            raise ConfigurationError(f"{place}: unknown key {dotted!r}{nearest(dotted, candidates)}")
        kind = fields[key]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if not isinstance(value, dict):
                example = next(iter(known_keys(kind, f"{dotted}.")))
                raise ConfigurationError(f"{place}: {dotted!r} is a section, expected keys below it, e.g. {example}")
            _refuse_unknown_keys(cast("Tree", value), kind, place, f"{dotted}.")


def _explained(message: str, tree: Tree) -> str:
    """Return msgspec's message with the dotted key first and the value that was got last."""
    text, _, path = message.rpartition(" - at `$.")
    keys = path.rstrip("`").replace("[...]", "").split(".")
    value: Any = tree
    for key in keys:
        value = cast("Tree", value).get(key) if isinstance(value, dict) else value
    choices = get_args(_type_of(keys))
    if choices and text.startswith("Invalid enum value"):
        text = f"expected one of {', '.join(map(str, choices))}"
    return f"{'.'.join(keys)}: {re.sub('^Expected', 'expected', text)}; the value is {value!r}"


def _type_of(keys: list[str]) -> Any:
    """Return the type of a setting without its annotations; None where the path leads to none."""
    kind: Any = Config
    for key in keys:
        fields = msgspec.structs.fields(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else ()
        kind = next((field.type for field in fields if field.name == key), None)
        kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return kind
