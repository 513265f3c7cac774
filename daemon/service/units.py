"""Unit files for systemd, and its two ways of writing a string down."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.service.program import template

USER_UNIT = "inherentd.service"
SYSTEM_UNIT = "inherentd@.service"
ESCAPED_LETTERS = 79  # a socket's path holds 107: /run/inherentd/NAME/control.sock
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def render(name: str, command: Sequence[str], options: Sequence[str] = ()) -> str:
    """Return the unit file with the program filled in, and options after those that it has."""
    refuse_unnameable(command[0])
    text = template(name).replace("@INHERENTD@", " ".join(quoted(word) for word in command))
    return re.sub(r"^ExecStart=.*$", lambda line: " ".join([line[0], *map(quoted, options)]), text, flags=re.MULTILINE)


def options_of_instance(command: Sequence[str], options: Sequence[str]) -> str:
    """Return the drop-in that adds options to one instance of the system's unit."""
    starts = [line for line in render(SYSTEM_UNIT, command, options).splitlines() if line.startswith("ExecStart=")]
    empty = "ExecStart="  # else it would be a second command
    return "\n".join(["# Written by `inherentd service install`.", "[Service]", empty, *starts, ""])


def instance(device: str) -> str:
    """Return the name of the system's unit for this microphone."""
    name = escaped(device)
    if len(name) > ESCAPED_LETTERS:
        raise DaemonError(
            f"--device {device!r} is {len(name)} letters long as systemd writes it, {ESCAPED_LETTERS} fit; "
            "a part of the name is enough"
        )
    return SYSTEM_UNIT.replace("@", f"@{name}")


def quoted(word: str) -> str:
    """Return a word for a command line in a unit: % doubled, and in quotes where it has more than plain characters.

    A dollar needs nothing: the command lines of our units begin with a colon, which turns variables off.
    """
    if re.fullmatch(r"[\w@+=:,./%-]+", word, re.ASCII):
        return word.replace("%", "%%")
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = "".join(_ESCAPES.get(c, c) if c >= " " or c in _ESCAPES else f"\\x{ord(c):02x}" for c in text)
    return f'"{text}"'


def escaped(name: str) -> str:
    """Return a name as `systemd-escape` would: / becomes -, and what a unit's name may not hold its number."""
    letters = [chr(byte) for byte in name.encode()]
    plain = [re.fullmatch(r"[A-Za-z0-9:_.]", letter) and (letter, i) != (".", 0) for i, letter in enumerate(letters)]
    return "".join(
        letter if keep else "-" if letter == "/" else f"\\x{ord(letter):02x}"
        for letter, keep in zip(letters, plain, strict=True)
    )


def refuse_unnameable(program: str) -> None:
    """Raise DaemonError for a program that systemd would not take, however it is quoted."""
    if re.search(r"[\x00-\x1f\x7f'\"\\]", program):
        raise DaemonError(f"systemd starts no program with quotes or backslashes in its name: {program!r}")
