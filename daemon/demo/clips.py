"""The demo's clips: what is said in them, and what should be heard."""

from __future__ import annotations

from pathlib import Path

import msgspec

from inherentd.daemon.errors import DaemonError

BUNDLED = Path(__file__).parent / "clips.jsonl"


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One line of clips.jsonl. `path` is relative to that file."""

    path: str
    text: str
    addressed: bool
    heads: tuple[str, ...] = ()  # the intents that should fire; the gate may stand among them
    voice: str = ""

    @property
    def name(self) -> str:
        """Return the file's name without folder and ending."""
        return Path(self.path).stem


def load_clips(index: Path) -> list[Clip]:
    """Return the clips that a .jsonl file lists, with whole paths. Raises DaemonError when it cannot be used."""
    if not index.is_file():
        raise DaemonError(f"{index}: the demo's list of clips is not there; give another with --clips FILE")
    clips: list[Clip] = []
    for number, line in enumerate(index.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            clip = msgspec.json.decode(line, type=Clip)
        except msgspec.DecodeError as error:
            raise DaemonError(f"{index}:{number}: {error}; expected path, text, addressed, heads") from None
        clips.append(msgspec.structs.replace(clip, path=str(index.parent / clip.path)))
    if not clips:
        raise DaemonError(f"{index}: lists no clips")
    return clips
