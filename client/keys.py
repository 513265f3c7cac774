"""CURVE keys, and the files they are read from. `inherentd keys` on the device makes them and says who may connect."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from inherentd.client.errors import ClientError

PUBLIC, SECRET = "inherentd public key:", "inherentd secret key:"


@dataclass(frozen=True)
class KeyPair:
    """Both halves, as Z85 text (40 characters)."""

    public: bytes
    secret: bytes


@dataclass(frozen=True)
class ClientKeys:
    """What a client needs to connect."""

    server_public: bytes
    own: KeyPair

    @classmethod
    def read(cls, server_public: str | Path, own_secret: str | Path) -> ClientKeys:
        """Return the daemon's public key (as itself or as a file, server.pub) and the pair of the own secret's file.

        Raises ClientError when one is no key, or when others can read the secret one.
        """
        return cls(public_key(str(server_public)), read_secret(Path(own_secret)))


def read_secret(file: Path) -> KeyPair:
    """Return the pair of a secret's file. Raises ClientError when it is no key, or when others can read it."""
    text = _read(file, "`inherentd keys new` makes one")
    if text.startswith(PUBLIC):
        raise ClientError(f"{file}: this is a public key; expected the secret one, usually {file.with_suffix('.key')}")
    if file.stat().st_mode & 0o077:
        raise ClientError(f"{file}: others can read this secret key: chmod 600 {file}, and better make a new one")
    secret = checked(text.removeprefix(SECRET), str(file))
    return KeyPair(zmq.curve_public(secret), secret)


def public_key(key_or_file: str) -> bytes:
    """Return a public key that was given as itself or as a file. Raises ClientError when it is neither."""
    file = Path(key_or_file)
    try:
        text = _read(file, "") if file.is_file() else key_or_file
    except OSError:  # too long for a file's name
        text = key_or_file
    if text.startswith(SECRET):
        raise ClientError(f"{file}: this is a secret key: keep it to yourself, and give {file.with_suffix('.pub')}")
    return checked(text.removeprefix(PUBLIC), repr(key_or_file))


def checked(text: str, where: str) -> bytes:
    """Return a key from its text. Raises ClientError, naming where it stood, when it is none."""
    key = text.strip()
    try:
        right = len(key) == 40 and len(z85.decode(key)) == 32
    except (ValueError, KeyError, struct.error):
        right = False
    if right:
        return key.encode()
    raise ClientError(
        f"{where}: is no key, nor a file that is there; expected 40 characters as `inherentd keys show` prints them"
    )


def _read(file: Path, what_to_do: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ClientError(f"{file}: there is no such key; {what_to_do}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"{file}: cannot be read as a key: {error}") from None
