"""What a type says of each of its fields: type, unit, range, default, text, example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeGuard, cast, get_args, get_origin

import msgspec
from msgspec import inspect

# Units are in the names; a field whose name has none, and which needs one, has `extra={"unit": ...}`.
UNITS = {
    "_ms": "milliseconds",
    "_ns": "nanoseconds",
    "_dbfs": "dBFS",
    "_ppm": "parts per million",
    "_samples": "samples",
    "_steps": "steps",
    "_per_second": "per second",
    "hours": "hours",
    "megabytes": "megabytes",
    "_messages": "messages",
}
NAMES: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.AnyType: "anything",
}


@dataclass(frozen=True)
class Field:
    """One field, in words."""

    name: str
    type: str
    unit: str
    """empty: it has none"""
    range: str
    """empty: there is none"""
    required: bool
    default: Any
    """of one that is not required"""
    text: str
    examples: tuple[Any, ...]


def fields_of(struct: type[msgspec.Struct]) -> list[Field]:
    """Return the fields of a type in their order. Raises ValueError for one without a text: it would be undocumented."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    hints = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return [_field(struct, field, hints[field.name]) for field in info.fields]


def text_of(struct: type[msgspec.Struct]) -> str:
    """Return the first paragraph of a type's docstring in one line."""
    return " ".join((struct.__doc__ or "").split("\n\n")[0].split())


def sections(struct: type[msgspec.Struct]) -> list[tuple[str, type[msgspec.Struct]]]:
    """Return name and type of the fields that are types of their own."""
    return [(field.name, field.type) for field in msgspec.structs.fields(struct) if _is_struct(field.type)]


def example(struct: type[msgspec.Struct]) -> Any:
    """Return an instance made of the fields' examples, checked against the types; else of their defaults."""
    return msgspec.convert(_example_tree(struct), struct)


def _example_tree(struct: type[msgspec.Struct]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for field, hint in zip(fields_of(struct), msgspec.structs.fields(struct), strict=True):
        inner = _bare(hint.type)
        if field.examples:
            tree[hint.encode_name] = field.examples[0]
        elif _is_struct(inner):
            tree[hint.encode_name] = _example_tree(inner)
        elif field.required:
            raise ValueError(f"{struct.__name__}.{field.name}: has no example; give its Meta one")
    tag = struct.__struct_config__.tag
    return tree if tag is None else {str(struct.__struct_config__.tag_field): tag, **tree}


def _field(struct: type[msgspec.Struct], field: inspect.Field, hint: Any) -> Field:
    kind, schema, extra = field.type, dict[str, Any](), dict[str, Any]()
    while isinstance(kind, inspect.Metadata):  # the outer one wins
        told: Any = kind
        schema = cast("dict[str, Any]", told.extra_json_schema or {}) | schema
        extra = cast("dict[str, Any]", told.extra or {}) | extra
        kind = kind.type
    inner = _bare(hint)
    text = schema.get("description") or (text_of(inner) if _is_struct(inner) else "")
    if not text:
        raise ValueError(f"{struct.__name__}.{field.name}: has no text; give its Meta a description")
    default: Any = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Field(
        field.name,
        _named(kind, hint),
        extra.get("unit") or next((unit for end, unit in UNITS.items() if field.name.endswith(end)), ""),
        _range(kind),
        field.required,
        default,
        text,
        tuple(schema.get("examples", ())),
    )


def _is_struct(hint: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _bare(hint: Any) -> Any:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint


def _named(kind: inspect.Type, hint: Any) -> str:
    match kind:
        case inspect.Metadata():
            return _named(kind.type, hint)
        case inspect.UnionType():
            return " or ".join(_named(one, hint) for one in kind.types)
        case inspect.LiteralType():
            hint = _bare(hint)
            declared = get_args(hint) if get_origin(hint) is Literal else kind.values  # inspect sorts them
            return ", ".join(f"`{value}`" for value in declared)
        case inspect.ListType():
            return f"list of {_named(kind.item_type, None)}"
        case inspect.DictType():
            return f"{_named(kind.value_type, None)} by name"
        case inspect.StructType():
            return "object"
        case _:
            return NAMES[type(kind)]


def _range(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _range(kind.type)
        case inspect.UnionType():
            return next((found for found in map(_range, kind.types) if found), "")
        case inspect.DictType():
            return _range(kind.value_type)
        case inspect.IntType() | inspect.FloatType():
            low = f"over {_number(kind.gt)}" if kind.gt is not None else _number(kind.ge)
            high = f"under {_number(kind.lt)}" if kind.lt is not None else _number(kind.le)
            if low and high:
                return f"{low} to {high}"
            if high:
                return high if kind.lt is not None else f"up to {high}"
            return f"{low} or more" if low and kind.gt is None else low
        case _:
            return ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if abs(value) < 1_000_000 else f"{value:.0f}"
