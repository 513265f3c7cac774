"""Make CURVE keys and write them to files: one pair of the server, one of each client.

server.key    the daemon's secret: 0600, never leaves the device
server.pub    its public half: every client needs it
clients.yaml  who may connect: {NAME: {public_key: …, allow: [events, audio, control]}}
NAME.key      a client's secret, where it was made here: belongs on the client's machine
"""

from __future__ import annotations

import re
from pathlib import Path

import zmq

from inherentd.client.keys import PUBLIC, SECRET, KeyPair
from inherentd.daemon import places
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private

SERVER = "server.key"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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


def check_name(name: str) -> str:
    """Return a client's name. Raises DaemonError unless it can be part of a file's name."""
    if name == "server" or not NAME.fullmatch(name):
        raise DaemonError(f"client {name!r}: expected letters, digits, dots, dashes and underscores, and not 'server'")
    return name
