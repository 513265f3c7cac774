"""`docs/configuration.md` and `configs/daemon.yaml`, from `daemon/config.py`."""

from __future__ import annotations

import json
from typing import Any

from inherentd.daemon.config import Config
from inherentd.daemon.config_layers import ENVIRONMENT_PREFIX
from inherentd.daemon.references.fields import Field, fields_of, sections, text_of
from inherentd.daemon.references.tables import NONE, WRITTEN, table

FILE_HEAD = """\
# Every setting of `inherentd` with its default. Copy what you want to change: inherentd --config my.yaml
# The same from the environment: INHERENTD_GATE__HANGOVER_MS=800; for one run: --set gate.hangover_ms=800
# Later wins: this file, then the environment, then --set, then the flags of the command line.
# Written by `inherentd contracts --references`; docs/configuration.md has the same as a page.
"""
PAGE_HEAD = f"""\
# Configuration

{WRITTEN.format("daemon/config.py")}

Every setting has a default: `inherentd` needs no file. Later wins: the file of `--config FILE`, then the environment, then `--set KEY=VALUE`, then
the flags of the command line. `configs/daemon.yaml` is this page as a file to copy from.

    inherentd --config my.yaml
    INHERENTD_GATE__HANGOVER_MS=800 inherentd
    inherentd --set gate.hangover_ms=800 --set gate.thresholds.is_interesting=0.8

An unknown key is refused with the nearest known one, a value out of its range with both, and the exit code is 2. A running daemon reads its
file again with `inherentd control reload`; what holds from the next start only is named in the answer. Thresholds have no setting each: the
keys are those of the model's heads (`has_start_timer_intent` for `hasStartTimerIntent`), in the environment e.g.
`INHERENTD_GATE__THRESHOLDS__IS_INTERESTING=0.8`.
"""
COMMENT_COLUMN = 26
COLUMNS = ("key", "type", "unit", "range", "default", "what it does", "environment variable")


def configuration_page() -> str:
    """Return `docs/configuration.md`."""
    parts = [PAGE_HEAD]
    for name, struct in sections(Config):
        rows = [
            (
                f"`{name}.{field.name}`",
                field.type,
                field.unit or NONE,
                field.range or NONE,
                f"`{_value(field.default)}`",
                field.text,
                f"`{ENVIRONMENT_PREFIX}{name.upper()}__{field.name.upper()}`",
            )
            for field in fields_of(struct)
        ]
        parts.append(f"\n## {name}\n\n{text_of(struct)}\n\n{table(COLUMNS, rows)}")
    return "".join(parts)


def settings_file() -> str:
    """Return `configs/daemon.yaml`."""
    parts = [FILE_HEAD]
    for name, struct in sections(Config):
        parts.append(f"\n# {text_of(struct)}\n{name}:\n")
        parts += [
            f"{f'  {field.name}: {_value(field.default)}':<{COMMENT_COLUMN}}  # {_comment(field)}\n"
            for field in fields_of(struct)
        ]
    return "".join(parts)


def _comment(field: Field) -> str:
    """Return the text, after the choices or the range."""
    choices = field.type.replace("`", "").replace(", ", " | ") if field.type.startswith("`") else ""
    before = choices or field.range
    return f"{before}: {field.text}" if before else field.text


def _value(value: Any) -> str:
    """Return a default as YAML and JSON both write it, numbers without needless zeros, words without quotes."""
    return value if isinstance(value, str) else json.dumps(value)
