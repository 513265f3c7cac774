"""Play bundled clips to a real daemon, as they would be heard, and show what a subscriber in another process receives.

No microphone is needed. Some clips speak to the assistant, the others do not. Exit code 0 when events were received;
how many clips were understood is printed as it is.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration, count
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.processes import Conversation, free_endpoint
from inherentd.daemon.demo.show import Show
from inherentd.daemon.demo.stream import concatenate, write_wav
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

POLL_SECONDS = 0.1  # how late the name of a clip may be printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd demo`."""
    parser.add_argument(
        "--clips", type=Path, default=BUNDLED, metavar="FILE", help="other clips: a .jsonl list like the bundled one"
    )
    parser.add_argument("--first", type=count, metavar="N", help="only the first N clips")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object a clip; the rest to stderr")
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Play, show, judge."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the two processes are ended then too
    configuration(arguments)  # a mistake is told here, not by the daemon's exit
    out = sys.stderr if arguments.json else sys.stdout
    recording, spans = concatenate(load_clips(arguments.clips)[: arguments.first])
    show = Show(spans, out)
    with tempfile.TemporaryDirectory(prefix="inherentd-demo-") as folder:
        path = Path(folder) / "demo.wav"
        write_wav(path, recording)
        endpoint = free_endpoint()
        print(
            f"{len(spans)} clips, {len(recording) / SAMPLE_RATE_HZ:.0f} s, daemon and subscriber meet on {endpoint}",
            file=out,
        )
        conversation = Conversation(str(path), endpoint, _passed_on(arguments))
        try:
            for message in conversation.messages(POLL_SECONDS):
                show.step(message)
        finally:
            conversation.close()
    show.table()
    if arguments.json:
        for row in show.verdict.rows():
            print(json.dumps(row))
    if show.verdict.received == 0:
        raise DaemonError("no event was received; see what the daemon says with inherentd run --input FILE")
    return 0


def _passed_on(arguments: argparse.Namespace) -> list[str]:
    passed: list[str] = []
    for flag in ("model", "backend", "delegate", "config"):
        value = getattr(arguments, flag)
        passed += [f"--{flag}", str(value)] if value is not None else []
    for flag in ("strict_delegate", "allow_unsupported"):
        passed += [f"--{flag.replace('_', '-')}"] if getattr(arguments, flag) else []
    for assignment in arguments.assignments or ():
        passed += ["--set", assignment]
    return passed
