"""The folder of captures: ID.wav with the sound, ID.json with what is known of it. The second means that both are whole."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inherentd.daemon import places
from inherentd.daemon.captures.bounds import Held
from inherentd.daemon.captures.capture import ID, Capture, Label, id_time_ns, refusal, stream_mark, to_json
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private

OURS = re.compile(rf"\.?({ID.pattern})\.(?:wav|json)(?:\..+\.part)?")


@dataclass(frozen=True)
class Utterance:
    """An utterance as messages name it."""

    stream: str
    utterance: int

    def __str__(self) -> str:
        return f"of utterance {self.utterance} of stream {self.stream}"


@dataclass(frozen=True)
class Store:
    """Only files that are named like captures are ever read, counted or removed."""

    folder: Path
    write: Callable[[Path, bytes], None] = write_private

    def add(self, capture: Capture, wav: bytes) -> None:
        """Write both files; OSError when that fails, and then neither is there."""
        places.private(self.folder)
        recording = self.recording(capture.id)
        self.write(recording, wav)
        try:
            self.write(self._sidecar(capture.id), to_json(capture))
        except BaseException:
            recording.unlink(missing_ok=True)
            raise

    def read(self) -> tuple[list[Capture], list[str]]:
        """Return the captures, oldest first, and what is wrong with the sidecars that cannot be read."""
        captures: list[Capture] = []
        problems: list[str] = []
        for held in self._listed():
            if self._sidecar(held.id) in held.paths:
                try:
                    captures.append(self.get(held.id))
                except DaemonError as error:
                    problems.append(str(error))
        return captures, problems

    def get(self, capture: str) -> Capture:
        """Return what the sidecar of an id says. Raises DaemonError when there is none, or it is malformed."""
        path = self._sidecar(capture)
        try:
            if not ID.fullmatch(capture):
                raise FileNotFoundError
            found = msgspec.json.decode(path.read_bytes(), type=Capture)
            if found.id != capture:
                raise ValueError(f"it speaks of {found.id}")
        except FileNotFoundError:
            near = difflib.get_close_matches(capture, [held.id for held in self._listed()], n=1)
            hint = f"did you mean {near[0]}?" if near else "see inherentd captures list"
            raise DaemonError(f"{self.folder}: there is no capture {capture!r}; {hint}") from None
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DaemonError(f"{path}: cannot be read as what is known of a capture: {error}") from None
        return found

    def find(self, which: str | Utterance) -> Capture:
        """Return the capture with this id, or of this utterance. Raises DaemonError when there is none."""
        if isinstance(which, str):
            return self.get(which)
        ending = f"-{stream_mark(which.stream)}-u{which.utterance}"
        for held in self._listed():
            if held.id.endswith(ending) and self._sidecar(held.id) in held.paths:
                found = self.get(held.id)
                if found.stream == which.stream:
                    return found
        raise DaemonError(f"{self.folder}: there is no capture {which}; it is written just after the gate closed")

    def label(self, which: str | Utterance, label: Label | None) -> Capture:
        """Note what a capture was; None takes the label back. Return it as it is now.

        Raises DaemonError when there is no such capture, when the label does not fit its heads (with the nearest name),
        and when it cannot be written.
        """
        capture = self.find(which)
        refused = label is not None and refusal(capture.heads, label)
        if refused:
            raise DaemonError(f"{capture.id}: {refused}")
        capture = msgspec.structs.replace(capture, label=label)
        try:
            self.write(self._sidecar(capture.id), to_json(capture))
        except OSError as error:
            raise DaemonError(f"{self._sidecar(capture.id)}: cannot be written: {error.strerror}") from None
        if not self.recording(capture.id).is_file():  # the daemon made room just now
            self._sidecar(capture.id).unlink(missing_ok=True)
            raise DaemonError(f"{capture.id}: its recording is gone: there was no more room for it")
        return capture

    def held(self) -> list[Held]:
        """Return the files of each capture, oldest first; none where there is no folder. OSError when it cannot be read."""
        sizes: dict[str, dict[Path, int]] = defaultdict(dict)
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    name = OURS.fullmatch(entry.name)
                    if name and entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):  # removed just now
                            sizes[name[1]][Path(entry.path)] = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            return []
        found = [_held(capture, files) for capture, files in sizes.items()]
        return sorted((one for one in found if one is not None), key=lambda one: one.id)

    def remove(self, held: Held) -> None:
        """Delete the files of a capture, the sidecar first."""
        for path in sorted(held.paths, key=lambda path: path.suffix != ".json"):
            path.unlink(missing_ok=True)

    def recording(self, capture: str) -> Path:
        """Return where the sound of a capture lies."""
        return self.folder / f"{capture}.wav"

    def _listed(self) -> list[Held]:
        try:
            return self.held()
        except OSError as error:
            raise DaemonError(f"{self.folder}: cannot be read: {error.strerror}") from None

    def _sidecar(self, capture: str) -> Path:
        return self.folder / f"{capture}.json"


def _held(capture: str, files: dict[Path, int]) -> Held | None:
    try:
        return Held(capture, id_time_ns(capture), sum(files.values()), tuple(files))
    except ValueError:  # digits, but no date: not ours
        return None
