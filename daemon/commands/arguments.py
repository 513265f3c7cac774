"""Arguments that several commands share, and how they become the configuration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

import msgspec

from inherentd.client.keys import ClientKeys
from inherentd.daemon import config_layers
from inherentd.daemon.config import Backend, Config, Delegate
from inherentd.daemon.errors import DaemonError


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with settings (configs/daemon.yaml lists them all)"
    )
    parser.add_argument(
        "--set",
        action="append",
        dest="assignments",
        metavar="KEY=VALUE",
        help="change one setting, e.g. --set gate.hangover_ms=800; may be repeated. In the environment the same is "
        "INHERENTD_GATE__HANGOVER_MS=800",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --model, --backend and --delegate."""
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="model file with its .metadata.json beside it (default: the one that comes along)",
    )
    parser.add_argument(
        "--backend",
        choices=get_args(Backend),
        help="what runs the model (default: auto, the fastest that is installed; with --model, what fits the file)",
    )
    parser.add_argument(
        "--delegate", choices=get_args(Delegate), help="processor that the backend uses (default: auto, the CPU)"
    )
    parser.add_argument(
        "--strict-delegate",
        action="store_true",
        default=None,
        help="exit when the delegate is refused, rather than run on the CPU and say so",
    )
    parser.add_argument(
        "--allow-unsupported",
        action="store_true",
        default=None,
        help="run an artifact that scores otherwise than it should, as `inherent parity` or its golden says, and tell so",
    )


def add_client_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --server-key and --key: for what connects to a daemon that asks for keys."""
    parser.add_argument(
        "--server-key",
        metavar="KEY_OR_FILE",
        help="the daemon's public key, as itself or as a file (server.pub); for a daemon with security.curve",
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the own secret key, from `inherentd keys new NAME`; with --server-key"
    )


def client_keys(arguments: argparse.Namespace) -> ClientKeys | None:
    """Return the keys to connect with; None without any. Raises DaemonError for one without the other, ClientError for what is
    no key."""
    if arguments.server_key is None and arguments.key is None:
        return None
    if arguments.server_key is None or arguments.key is None:
        raise DaemonError("--server-key and --key go together: the daemon's public key, and the own secret one")
    return ClientKeys.read(arguments.server_key, arguments.key)


def configuration(arguments: argparse.Namespace) -> Config:
    """Return the configuration: file, environment, --set, and last the flags of their own."""
    config = config_layers.load(arguments.config, os.environ, arguments.assignments)
    flags = vars(arguments)  # not every command has all of them
    model = _given(path=flags.get("model"), backend=flags.get("backend"), delegate=flags.get("delegate"),
                   strict_delegate=flags.get("strict_delegate"), allow_unsupported=flags.get("allow_unsupported"))  # fmt: skip
    audio = _given(source=flags.get("input"), speed=flags.get("speed"))
    security = _given(insecure=flags.get("insecure"))
    return msgspec.structs.replace(
        config,
        security=msgspec.structs.replace(config.security, **security),
        model=msgspec.structs.replace(config.model, **model),
        input=msgspec.structs.replace(config.input, **audio),
    )


def _given(**flags: str | bool | None) -> dict[str, str | bool]:
    return {name: value for name, value in flags.items() if value is not None}


def seconds(text: str) -> float:
    """Return a time from the command line. Raises ArgumentTypeError unless it is a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of seconds, 0 or more")
    return value


def count(text: str) -> int:
    """Return a number of things from the command line. Raises ArgumentTypeError unless it is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number, 1 or more")
    return int(text)
