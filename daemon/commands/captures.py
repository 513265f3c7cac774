"""List, play, label, export or delete what the daemon kept of recent utterances and near misses (captures.folder).

An export is the labels CSV that `inherent build --labels` trains with. docs/feedback.md tells the whole way.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from inherentd.daemon import config_layers
from inherentd.daemon.captures import labels_csv, playback
from inherentd.daemon.captures.capture import Capture, Label
from inherentd.daemon.captures.store import Store
from inherentd.daemon.commands.arguments import add_config_arguments
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import portaudio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `inherentd captures`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("list", help="what there is, oldest first")
    show.add_argument("--json", action="store_true", help="one JSON object a line: the whole sidecar")
    play = actions.add_parser("play", help="let it be heard")
    label = actions.add_parser("label", help="note what it was")
    label.add_argument("id", metavar="ID")
    label.add_argument("verdict", choices=("addressed", "not-addressed", "none"), help="none: take the label back")
    label.add_argument(
        "--heads", nargs="+", default=[], metavar="HEAD", help="the kinds of request, e.g. hasPhotoQuery"
    )
    label.add_argument("--note", default="", help="anything to remember")
    export = actions.add_parser("export", help="write the labelled ones as a labels CSV with its recordings")
    export.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where labels.csv is written")
    forget = actions.add_parser("forget", help="delete")
    which = forget.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID")
    which.add_argument("--all", action="store_true", help="also those that are labelled, or cannot be read")
    play.add_argument("id", metavar="ID")
    for action in (show, play, label, export, forget):
        action.add_argument("--folder", type=Path, help="of the captures (default: captures.folder)")
        add_config_arguments(action)


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    store = Store(_folder(arguments))
    match arguments.action:
        case "list":
            return _list(store, as_json=arguments.json)
        case "play":
            return _play(store, store.get(arguments.id))
        case "label":
            addressed = arguments.verdict == "addressed"
            label = Label(addressed=addressed, heads=arguments.heads, note=arguments.note)
            print(_readable(store.label(arguments.id, None if arguments.verdict == "none" else label)))
            return 0
        case "export":
            return _export(store, arguments.out)
        case _:
            return _forget(store, None if arguments.all else arguments.id)


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path | str | None = arguments.folder
    if folder is None:
        folder = config_layers.load(arguments.config, os.environ, arguments.assignments).captures.folder
    if folder is None:
        raise DaemonError("captures.folder is not set, so nothing is kept; name a folder with --folder FOLDER")
    return Path(folder).expanduser()


def _list(store: Store, *, as_json: bool) -> int:
    captures, problems = store.read()
    for capture in captures:
        print(msgspec.json.encode(capture).decode() if as_json else _readable(capture))
    if not captures:
        missing = "" if store.folder.exists() else ", which is not there"
        print(f"inherentd captures: there are none in {store.folder}{missing}", file=sys.stderr)
    return _told(problems)


def _play(store: Store, capture: Capture) -> int:
    path = store.recording(capture.id)
    print(_readable(capture), flush=True)
    try:
        sounddevice = portaudio.library()
    except DaemonError as error:
        raise DaemonError(f"{str(error).removeprefix('microphone: ')}; the recording is {path}") from None
    playback.play(path, sounddevice)
    return 0


def _export(store: Store, out: Path) -> int:
    captures, problems = store.read()
    chosen, refused = labels_csv.choose(captures)
    if not chosen and not refused:
        raise DaemonError(
            f"{store.folder}: nothing is labelled; begin with inherentd captures list, then inherentd captures label ID"
        )
    if chosen:
        print(f"{labels_csv.write(store, chosen, out)}: {len(chosen)} recordings")
    return _told([*problems, *(f"left out {reason}" for reason in refused)])


def _forget(store: Store, capture: str | None) -> int:
    try:
        held = [one for one in store.held() if capture in (None, one.id)]
        if not held and capture is not None:
            store.get(capture)  # says what there is
        for one in held:
            store.remove(one)
    except OSError as error:
        raise DaemonError(f"{store.folder}: {error.strerror}") from None
    print(f"{len(held)} deleted")
    return 0


def _told(problems: list[str]) -> int:
    for problem in problems:
        print(f"inherentd captures: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _readable(capture: Capture) -> str:
    clock = datetime.fromtimestamp(capture.time_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    heard = ", ".join(capture.intents) or ("gate only" if capture.kind == "utterance" else "near miss")
    gate = f"{capture.peaks[capture.heads[0]]:.2f} of {capture.thresholds[capture.heads[0]]:.2f}"
    label = capture.label
    said = "" if label is None else ", ".join(["addressed" if label.addressed else "not addressed", *label.heads])
    note = f' "{label.note}"' if label is not None and label.note else ""
    return f"{capture.id:<30}  {clock}  {capture.seconds:5.1f} s  gate {gate}  {heard}{said and f'  -> {said}'}{note}"
