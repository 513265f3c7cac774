"""Every command on the pages: its options exist, the files that it names are there, and what is cheap really runs."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from inherentd.daemon import cli as daemon_cli
from inherentd.inherent_model import cli as model_cli
from tests.docs_pages import REPOSITORY, Command, commands, pages, split, turns

NOT_RUN = {
    "while": "a loop of the shell, for ever",
    "do": "its body",
    "done": "its end",
    "apt-get": "installs system packages",
    "arecord": "needs a sound card",
    "brew": "macOS",
    ".": "the shell's own",
    "curl": "needs a running daemon; tests/daemon/test_metrics.py asks it",
    "espeak-ng": "speaks a sentence; tests/model/test_own_heads.py has the corpus do so",
    "ffmpeg": "needs a camera",
    "flite": "the same",
    "loginctl": "needs a service",
    "make": "sets up everything; CI runs make test",
    "mkdir": "of a set-up that takes hours",
    "mv": "of a set-up that takes hours",
    "npm": "fetches packages",
    "pip": "fetches packages",
    "python3": "makes virtual environments",
    "python3.12": "macOS",
    "sh": "hours of training; tests/model/test_rebuild.py runs it with --quick",
    "systemctl": "needs a service manager",
    "tar": "of a set-up that takes hours",
}
"""programs that are not ours, and why they are not run here"""

PLACEHOLDERS = {
    "talk.wav": "a recording of the reader's",
    "meeting.flac": "a recording of the reader's",
    "some.wav": "a recording of the reader's",
    "pictures": "a folder to write to",
    "my.yaml": "the reader's settings",
    "kitchen.yaml": "the reader's catalogue",
    "labels.csv": "the reader's recordings",
    "sentences.json": "the reader's sentences",
    "recordings/": "the reader's recordings",
    "television.jsonl": "the reader's recordings",
    "captures": "the daemon's captures",
    "laptop.pub": "made by inherentd keys new",
    "server.pub": "made by inherentd keys new",
    "VENV/bin/python": "another environment",
    "web/dist": "made by make web",
    "model": "made by inherent build",
}
MADE = ("corpora/", "runs/", "exported", "own-heads/", "mine/", "mine", "fixtures", "models-words/")
"""what the steps before on the same page make"""
SUFFIXES = re.compile(r"\.(wav|flac|ogg|yaml|json|jsonl|csv|onnx|tflite|safetensors|pub|key|py|md|txt|tsv)$")

CHEAP = (
    ("inherentd", "score"), ("inherentd", "bench"), ("inherentd", "devices"), ("inherentd", "contracts"),
    ("inherentd", "keys"), ("inherentd", "captures", "list"), ("inherent", "labels", "template"), ("inherent", "card"),
    ("inherent", "corpus", "fetch", "--list"), ("inherent", "corpus", "fetch", "librispeech", "--list"),
)  # fmt: skip
"""how commands begin that take a moment and change nothing outside their folder"""

SILENT = {"captures": "none is kept here", "card": "writes pages", "labels": "writes a file"}

COMMANDS = [command for path in pages() for command in commands(path)]
OURS = {"inherentd", "inherent", "python"}


class Refused(Exception):  # noqa: N818
    """The parser's message."""


class Parser(daemon_cli.Parser):
    """Raises instead of ending."""

    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def parser_of(program: str, name: str) -> Parser:
    """Return the parser of one command, as the program itself makes it. Raises Refused when there is none of that name."""
    listed = daemon_cli.COMMANDS if program == "inherentd" else model_cli.COMMANDS
    if name not in listed:
        raise Refused(f"no command {name!r}")
    module = f"inherentd.daemon.commands.{name}" if program == "inherentd" else model_cli.COMMANDS[name][0]
    parser = Parser(allow_abbrev=program == "inherent")
    importlib.import_module(module).add_arguments(parser)
    return parser


def named(words: list[str]) -> tuple[str, list[str]]:
    """Return the command of a line of ours, and its arguments. `inherentd` alone is `inherentd run`."""
    program, rest = words[0], words[1:]
    if program == "inherentd" and (not rest or rest[0].startswith("-")):
        return "run", rest
    return (rest[0], rest[1:]) if rest else ("", [])


def parsed(words: list[str]) -> argparse.Namespace:
    """Parse a command of ours as the program itself does. Raises Refused."""
    name, rest = named(words)
    return parser_of(words[0], name).parse_args(rest)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return every option of a parser and of its subcommands."""
    options: set[str] = set()
    for action in parser._actions:
        options.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                options |= options_of(below)
    return options


def started(words: list[str]) -> str:
    """Return what a program says to its arguments and one that no program has: that one only, if the others are right."""
    target, rest = (words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:])
    before, said = sys.argv, io.StringIO()
    sys.argv = [target, "--no-such-option", *rest]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            if words[1] == "-m":
                runpy.run_module(target, run_name="__main__", alter_sys=False)
            else:
                sys.path.insert(0, str(REPOSITORY / Path(target).parent))
                runpy.run_path(str(REPOSITORY / target), run_name="__main__")
    except SystemExit as end:
        return f"{said.getvalue()}{end.code if isinstance(end.code, str) else ''}"
    finally:
        sys.argv = before
        if words[1] != "-m":
            sys.path.pop(0)
    return "it did not look at its arguments"


def problem(command: Command) -> str:
    """Return what is wrong with a command, or nothing."""
    words = [*command.words]
    words[0] = Path(words[0]).name if "/" in words[0] else words[0]
    if words[0] in NOT_RUN:
        return ""
    if words[0] == "torchrun":  # -- inherentd.inherent_model.cli train ...
        words = ["inherent", *words[words.index("--") + 2 :]]
    if words[0] not in OURS:
        return f"unknown program {words[0]!r}: run it here, or say in NOT_RUN why not"
    missing = [word for word in words[1:] if not known_file(word)]
    if missing:
        return f"{missing} are not in the repository: declare placeholders in PLACEHOLDERS"
    if words[0] == "python":
        return python_problem(words)
    try:
        parsed(words)
    except Refused as refused:
        return str(refused)
    return ""


def python_problem(words: list[str]) -> str:
    if words[1:3] == ["-m", "http.server"]:
        return ""  # Python's own
    program = words[2].replace(".", "/") + ".py" if words[1] == "-m" else words[1]
    if not (REPOSITORY / program).is_file():
        return f"{program} is not in the repository"
    if "ArgumentParser" not in (REPOSITORY / program).read_text():
        return ""  # it takes its arguments as they are
    said = started(words)
    return "" if said.endswith("unrecognized arguments: --no-such-option\n") else said


def known_file(word: str) -> bool:
    """Return whether a word is no file, one of the repository's, or declared."""
    if word.startswith("-") or "://" in word or "=" in word or not ("/" in word or SUFFIXES.search(word)):
        return True
    if (
        (REPOSITORY / word).exists()
        or (REPOSITORY / "models" / word).exists()
        or word in PLACEHOLDERS
        or word.startswith(MADE)
    ):
        return True
    return written(word)


def written(word: str) -> bool:
    """Return whether some command of the pages writes it."""
    for command in COMMANDS:
        for option, value in zip(command.words, command.words[1:], strict=False):
            if option in {"--out", "--det", "--plot", "-o", "-w"} and value == word:
                return True
    return False


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_commands_of_a_page_are_taken_by_the_programs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    wrong = [f"{command}\n    {why}" for command in commands(path) if (why := problem(command))]
    assert not wrong, "\n".join(wrong)


def test_there_are_many_and_each_declared_name_is_used() -> None:
    assert len([command for command in COMMANDS if command.words[0] in OURS]) > 120
    words = {word for command in COMMANDS for word in command.words}
    programs = {Path(command.words[0]).name if "/" in command.words[0] else command.words[0] for command in COMMANDS}
    assert sorted(set(NOT_RUN) - programs) == []
    assert sorted(set(PLACEHOLDERS) - words) == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands_in_the_text_name_options_that_exist(path: Path) -> None:
    wrong = []
    for span in re.findall(r"`((?:inherentd|inherent) [^`]+)`", re.sub(r"\s+", " ", path.read_text())):
        words = span.replace("'", "").replace("…", "").split()
        name, rest = named(words[: words.index("--")] if "--" in words else words)
        if name in {"--help", "--version", "COMMAND"} or not name:
            continue
        known = options_of(parser_of(words[0], name))
        wrong += [f"{span}: {word}" for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("inherentd score --jsn talk.wav", "unrecognized arguments: --jsn"),
        ("inherentd scor talk.wav", "no command 'scor'"),
        ("inherentd score nowhere.wav", "not in the repository"),
        ("inherent corpus buidl --config configs/corpus/first.yaml", "invalid choice"),
        ("inherent train", "required: --config"),
        ("python -m benchmarks.soak --hour 1 --fast", "unrecognized arguments: --no-such-option --fast"),
        ("python -m benchmarks.nothing", "benchmarks/nothing.py is not in the repository"),
        ("python examples/route.py --surely 0.5", "--surely"),
        ("inherentd-score talk.wav", "unknown program"),
    ],
)
def test_a_wrong_command_is_found(line: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    (words,) = split(line)
    assert why in problem(Command("page.md", 1, tuple(words)))


def test_a_line_is_split_as_a_shell_does() -> None:
    line = "sudo A=1 x 'a b' --c \"$(d 'e f')\" | y > out && . z  # isn't it"
    assert list(split(line)) == [["x", "a b", "--c", "$(d 'e f')"], ["y"], [".", "z"]]
    assert list(turns("for x in a b; do y $x.z; done")) == ["y a.z", "y b.z"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what commands read and write, with the readers' own files; homes and sockets of its own."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for name in ("configs", "contracts", "docs"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "models", folder / "models")
    shutil.copy(REPOSITORY / "README.md", folder)
    for name in ("daemon", "examples"):
        (folder / name).symlink_to(REPOSITORY / name)
    clips = sorted((REPOSITORY / "daemon" / "demo" / "clips").glob("*.flac"))
    for name in ("talk.wav", "meeting.flac", "some.wav"):  # what is inside tells the format, not the name
        shutil.copy(clips[0], folder / name)
    (folder / "captures").mkdir()
    for variable, place in {
        "HOME": "home", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run",
        "INHERENTD_CAPTURES__FOLDER": "desk/captures",
    }.items():  # fmt: skip
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.setenv(variable, str(tmp_path / place))
    monkeypatch.chdir(folder)
    return folder


def cheap(command: Command) -> bool:
    named = any(command.words[: len(start)] == start for start in CHEAP)
    made = any(word.startswith(MADE) for word in command.words)
    dry = command.words[:3] == ("inherentd", "service", "install") and "--dry-run" in command.words
    return (named or dry) and not made


@pytest.mark.parametrize(
    "path",
    [path for path in pages() if any(map(cheap, commands(path)))],
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_what_is_cheap_runs(path: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in filter(cheap, commands(path)):
        words = [*command.words]
        main = daemon_cli.main if words[0] == "inherentd" else model_cli.main
        code = main(words[1:])
        out, err = capsys.readouterr()
        if words[1] == "devices" and "no device can record" in err:
            continue  # a machine without a microphone; tests/daemon/test_microphone.py brings one
        assert code == 0, f"{command}\n{out}\n{err}"
        assert out or err or words[1] in SILENT, command
    assert Path.cwd() == desk
