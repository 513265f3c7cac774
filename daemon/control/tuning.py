"""What is set at run time: thresholds, and the context that makes speech to the assistant more or less likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from inherentd.daemon.config import Config
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.places import private
from inherentd.daemon.private_files import write_private
from inherentd.pipeline.artifact import ArtifactMetadata, threshold_key

FILE_NAME = "thresholds.json"


@dataclass(frozen=True)
class Tuning:
    """Over the configuration's own. Times are monotonic seconds."""

    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])
    assistant_speaking: bool = False
    reply_until: float | None = None

    def with_thresholds(self, changes: Mapping[str, float | None]) -> Tuning:
        """Return it with these thresholds set, and those that are None left to the configuration again."""
        merged = {**self.thresholds, **changes}
        return replace(self, thresholds={key: value for key, value in merged.items() if value is not None})

    def at(self, now: float) -> Tuning:
        """Return it without what is over by now."""
        return replace(self, reply_until=None) if self.reply_until is not None and now >= self.reply_until else self


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """Thresholds for the next start. A threshold says something about the model that it was found with, and nothing about
    another one."""

    model: str
    """its training hash"""
    thresholds: dict[str, float]

    def of(self, model: str) -> dict[str, float]:
        """Return the thresholds if they are for this model, else none."""
        return self.thresholds if self.model == model else {}


def tuned(config: Config, tuning: Tuning, metadata: ArtifactMetadata) -> Config:
    """Return the configuration as it holds now: thresholds replaced, the gate's own raised while the assistant speaks and
    lowered while a reply is expected."""
    thresholds = {**config.gate.thresholds, **tuning.thresholds}
    key = threshold_key(metadata.head_order[0])
    shift = config.control.speaking_raises if tuning.assistant_speaking else 0.0
    shift -= config.control.reply_lowers if tuning.reply_until is not None else 0.0
    gate = config.gate
    if shift:
        opens = thresholds.get(key, metadata.default_thresholds[key])
        thresholds[key] = min(1.0, max(0.0, opens + shift))
        if gate.close_threshold is not None:  # never above the one that opens
            gate = msgspec.structs.replace(gate, close_threshold=min(gate.close_threshold, thresholds[key]))
    return msgspec.structs.replace(config, gate=msgspec.structs.replace(gate, thresholds=thresholds))


def kept(folder: Path) -> Kept:
    """Return what was kept for the next start. Raises DaemonError for a file that is not ours."""
    path = folder / FILE_NAME
    try:
        content = msgspec.json.decode(path.read_bytes())
        if "thresholds" not in content:  # as it was written at first: nobody knows for which model
            content = {"model": "", "thresholds": content}
        return msgspec.convert(content, Kept)
    except FileNotFoundError:
        return Kept(model="", thresholds={})
    except (OSError, TypeError, msgspec.MsgspecError) as error:
        raise DaemonError(f"{path}: kept thresholds cannot be read ({error}); mend or remove this file") from None


def keep(folder: Path, kept: Kept) -> None:
    """Write the thresholds for the next start, all or nothing. Raises DaemonError when that cannot be done."""
    path = folder / FILE_NAME
    try:
        private(folder)
        write_private(path, msgspec.json.encode(kept))
    except OSError as error:
        raise DaemonError(f"{path}: thresholds cannot be kept: {error.strerror}; they are set until the stop") from None
