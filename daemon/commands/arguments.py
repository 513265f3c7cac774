"""Arguments that several commands share, and how they become the configuration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

import msgspec

from inherentd.daemon import config_layers
from inherentd.daemon.config import Backend, Config, Delegate


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with settings (configs/daemon.yaml lists them all)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
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


def configuration(arguments: argparse.Namespace) -> Config:
    """Return the configuration: file, environment, --set, and last the flags of their own."""
    config = config_layers.load(arguments.config, os.environ, arguments.assignments)
    model = _given(path=arguments.model, backend=arguments.backend, delegate=arguments.delegate,
                   strict_delegate=arguments.strict_delegate, allow_unsupported=arguments.allow_unsupported)  # fmt: skip
    audio = _given(source=getattr(arguments, "input", None), speed=getattr(arguments, "speed", None))
    return msgspec.structs.replace(
        config,
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
