"""`inherentd`: listens, and tells which speech is meant for the assistant and what kind of request it is.

Without a command it runs the daemon: `inherentd` is `inherentd run`, with the same options.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# Before numpy comes in: its matrix library would start a thread per core, for products that one thread does in
# microseconds, and each thread costs memory and spins.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Each has `add_arguments(parser)` and `run(arguments) -> int`; it is imported only when its command is named.
COMMANDS = {
    "run": "listen and publish what is heard over ZeroMQ (what `inherentd` alone does)",
    "demo": "play bundled clips to a real daemon and show what a subscriber receives; start here",
    "listen": "subscribe to a running daemon and print what it publishes",
    "watch": "watch live what a running daemon, a microphone or a file gives: level, scores, events, health",
    "dashboard": "show a running daemon live in a browser, with what other thresholds would have done",
    "control": "ask a running daemon: status, mute, thresholds, context, reload, stop",
    "score": "say what the model hears in audio files",
    "devices": "list the microphones",
    "doctor": "check everything that listening needs, and say what to do about what is wrong",
    "bench": "measure what the daemon costs on this machine",
    "captures": "list, play, label and export recent utterances and near misses, where the daemon keeps them",
    "wyoming": "serve Home Assistant: as its wake word detector, or as a satellite",
    "service": "install the daemon as a service that starts by itself, remove it, say how it is",
    "keys": "make keys, and say which clients may connect",
    "contracts": "write the JSON Schemas of all messages, and the reference pages",
}

EXAMPLES = """\
examples:
  inherentd demo                       see it work, no microphone needed
  inherentd                            listen to the default microphone
  inherentd --input talk.wav           listen to a file instead
  inherentd listen                     in another terminal: print what the daemon publishes
  inherentd score talk.wav             what is in this file?

`inherentd COMMAND --help` explains a command; `inherentd run --help` the options of the daemon.
Exit codes: 0 done, 1 it failed and said why, 2 used wrongly."""


class Parser(argparse.ArgumentParser):
    """Says in one line what was wrong, instead of printing the usage first."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 it failed and said why, 2 used wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["-h"], ["--help"]):
        print(_overview().format_help(), end="")
        return 0
    if arguments[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"inherentd {version('inherentd')}")
        return 0
    name = "run" if not arguments or arguments[0].startswith("-") else arguments.pop(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
        print(f"inherentd: unknown command {name!r}; {hint} (see inherentd --help)", file=sys.stderr)
        return 2
    return _run(name, arguments)


def _run(name: str, arguments: Sequence[str]) -> int:
    from inherentd.client.errors import ClientError
    from inherentd.daemon.errors import ConfigurationError, DaemonError
    from inherentd.pipeline.errors import PipelineError

    try:
        module = importlib.import_module(f"inherentd.daemon.commands.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("inherentd"):
            raise
        needs = f"needs the package {error.name}, which is not installed"
        print(f"inherentd {name}: {needs}; `pip install inherentd` brings all that the daemon needs", file=sys.stderr)
        return 1
    summary = COMMANDS[name]
    parser = Parser(
        prog=f"inherentd {name}",
        description=module.__doc__ or summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    try:
        return int(module.run(parsed))
    except (ClientError, DaemonError, PipelineError) as error:
        print(f"inherentd {name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:  # the reader of stdout left, e.g. `inherentd listen | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _overview() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<10} {summary}" for name, summary in COMMANDS.items())
    return argparse.ArgumentParser(
        prog="inherentd",
        usage="inherentd [COMMAND] [OPTIONS]",
        description=f"{__doc__}\ncommands:\n{commands}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
