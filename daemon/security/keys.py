"""CURVE keys as files: one pair of the server, one of each client.

server.key    the daemon's secret: 0600, never leaves the device
server.pub    its public half: every client needs it
clients.yaml  who may connect: {NAME: {public_key: …, allow: [events, audio, control]}}
NAME.key      a client's secret, where it was made here: belongs on the client's machine
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from inherentd.daemon import places
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private

PUBLIC, SECRET = "inherentd public key:", "inherentd secret key:"
SERVER = "server.key"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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


def new_pair() -> KeyPair:
    """Return a new pair whose public half can be an argument of a command: it does not begin with a dash."""
    while True:
        public, secret = zmq.curve_keypair()
        if not public.startswith(b"-"):
            return KeyPair(public, secret)


def write_pair(pair: KeyPair, secret_file: Path, *, force: bool) -> Path:
    """Write the secret half (0600) and beside it, as .pub, the public one. Return the file of the public half.

    Raises DaemonError when one is there already, unless `force`.
    """
    public_file = secret_file.with_suffix(".pub")
    if secret_file == public_file:
        raise DaemonError(f"{secret_file}: expected a name for the secret key, e.g. {secret_file.with_suffix('.key')}")
    for file in (secret_file, public_file):
        if file.exists() and not force:
            raise DaemonError(
                f"{file} exists; a new key locks out everybody who uses the old one: --force if you mean it"
            )
    try:
        places.private(secret_file.parent)
        write_private(secret_file, f"{SECRET} {pair.secret.decode()}\n".encode())
        write_private(public_file, f"{PUBLIC} {pair.public.decode()}\n".encode(), mode=0o644)
    except OSError as error:
        raise DaemonError(f"{secret_file}: cannot be written: {error.strerror}") from None
    return public_file


def read_secret(file: Path) -> KeyPair:
    """Return the pair of a secret's file. Raises DaemonError when it is no key, or when others can read it."""
    text = _read(file, "`inherentd keys new` makes one")
    if file.stat().st_mode & 0o077:
        raise DaemonError(f"{file}: others can read this secret key: chmod 600 {file}, and better make a new one")
    if text.startswith(PUBLIC):
        raise DaemonError(f"{file}: this is a public key; expected the secret one, usually {file.with_suffix('.key')}")
    secret = checked(text.removeprefix(SECRET), str(file))
    return KeyPair(zmq.curve_public(secret), secret)


def public_key(key_or_file: str) -> bytes:
    """Return a public key that was given as itself or as a file. Raises DaemonError when it is neither."""
    file = Path(key_or_file)
    try:
        text = _read(file, "") if file.is_file() else key_or_file
    except OSError:  # too long for a file's name
        text = key_or_file
    if text.startswith(SECRET):
        raise DaemonError(f"{file}: this is a secret key: keep it to yourself, and give {file.with_suffix('.pub')}")
    return checked(text.removeprefix(PUBLIC), repr(key_or_file))


def checked(text: str, where: str) -> bytes:
    """Return a key from its text. Raises DaemonError, naming where it stood, when it is none."""
    key = text.strip()
    try:
        right = len(key) == 40 and len(z85.decode(key)) == 32
    except (ValueError, KeyError, struct.error):
        right = False
    if right:
        return key.encode()
    raise DaemonError(f"{where}: is no key; expected 40 characters as `inherentd keys show` prints them")


def check_name(name: str) -> str:
    """Return a client's name. Raises DaemonError unless it can be part of a file's name."""
    if name == "server" or not NAME.fullmatch(name):
        raise DaemonError(f"client {name!r}: expected letters, digits, dots, dashes and underscores, and not 'server'")
    return name


def _read(file: Path, what_to_do: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise DaemonError(f"{file}: there is no such key; {what_to_do}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DaemonError(f"{file}: cannot be read as a key: {error}") from None
