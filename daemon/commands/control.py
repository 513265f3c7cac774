"""Ask a running daemon for something: its status, silence, other thresholds, a reload.

The answer is printed as JSON. The daemon takes requests on control.endpoint, by default a socket that only its own user
can reach; --endpoint names another.
"""

from __future__ import annotations

import argparse
import json
import wave
from pathlib import Path
from typing import Any

from inherentd.client.control import ANSWER_SECONDS, RELOAD_SECONDS, Control
from inherentd.daemon.commands.arguments import (
    add_client_key_arguments,
    add_config_arguments,
    client_keys,
    configuration,
    seconds,
)
from inherentd.daemon.config_layers import parsed_thresholds
from inherentd.daemon.errors import DaemonError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd control`."""
    _add_connection_arguments(parser)
    requests = parser.add_subparsers(dest="request", required=True, metavar="REQUEST")
    requests.add_parser("status", help="state, counts, model, thresholds, context, what the ring holds")
    requests.add_parser("mute", help="no sample leaves the capture any more, until unmute")
    requests.add_parser("unmute", help="hear again")
    thresholds = requests.add_parser("thresholds", help="show the thresholds, or set some")
    thresholds.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="0 to 1; null: as configured")
    thresholds.add_argument("--keep", action="store_true", help="also after a restart")
    context = requests.add_parser("context", help="tell what the assistant is doing")
    context.add_argument("--speaking", choices=("yes", "no"), help="its own voice must not open the gate")
    context.add_argument(
        "--expecting-reply", type=seconds, metavar="SECONDS", help="a short answer may follow; 0: no more"
    )
    audio = requests.add_parser("audio", help="write a piece of what was heard in the last 30 s")
    audio.add_argument("start", type=int, help="first sample, as in at_sample of the events")
    audio.add_argument("stop", type=int, help="the one after the last")
    audio.add_argument("--out", type=Path, required=True, metavar="FILE", help="WAV file to write")
    requests.add_parser("reload", help="read configuration and model again, without losing a sample")
    mark = requests.add_parser("mark", help="say what an utterance really was")
    mark.add_argument("utterance", type=int, help="its number, as in the events")
    mark.add_argument("truth", choices=("addressed", "not-addressed"))
    mark.add_argument("--head", action="append", default=[], dest="heads", metavar="HEAD", help="intent it really had")
    mark.add_argument("--note", default="")
    requests.add_parser("stop", help="end the daemon, as SIGTERM does")
    for (
        request
    ) in requests.choices.values():  # also after the request; what is not given there stays as given before it
        request.argument_default = argparse.SUPPRESS
        _add_connection_arguments(request)


def _add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", help="where the daemon takes requests (default: control.endpoint)")
    add_client_key_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    where = arguments.endpoint or configuration(arguments).control.endpoint
    if where is None:
        raise DaemonError("control.endpoint: is null, no requests are taken; give the daemon's --endpoint")
    name, fields = _request(arguments)
    with Control(where, client_keys(arguments)) as control:
        result, payload = control.ask(
            name, timeout_seconds=RELOAD_SECONDS if name == "reload" else ANSWER_SECONDS, **fields
        )
    if name == "audio":
        _write(arguments.out, payload, result["rate"])
    print(json.dumps(result, indent=2))
    return 0


def _request(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    match arguments.request:
        case "thresholds" if arguments.changes:
            return "thresholds.set", {"thresholds": parsed_thresholds(arguments.changes), "keep": arguments.keep}
        case "thresholds":
            return "thresholds.get", {}
        case "context":
            reply = arguments.expecting_reply
            given = {
                "assistant_speaking": None if arguments.speaking is None else arguments.speaking == "yes",
                "expecting_reply_ms": None if reply is None else round(reply * 1000),
            }
            return "context.set", {key: value for key, value in given.items() if value is not None}
        case "audio":
            return "audio", {"start": arguments.start, "stop": arguments.stop}
        case "mark":
            truth = arguments.truth == "addressed"
            note = {"addressed": truth, "heads": arguments.heads, "note": arguments.note}
            return "mark", {"utterance": arguments.utterance, **note}
        case other:
            return str(other), {}


def _write(path: Path, pcm: bytes, rate_hz: int) -> None:
    try:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(pcm)
    except OSError as error:
        raise DaemonError(f"{path}: cannot be written: {error.strerror}") from None
