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


def kept(folder: Path) -> dict[str, dict[str, float]]:
    """Return the thresholds that were kept for the next start, by the training hash of the model that they were set for:
    they say nothing about another one. Raises DaemonError for a file that is not ours."""
    path = folder / FILE_NAME
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, float] | float])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DaemonError(f"{path}: kept thresholds cannot be read ({error}); mend or remove this file") from None
    # At first the thresholds stood here by themselves: nobody knows for which model, so they are passed over.
    return {model: thresholds for model, thresholds in content.items() if isinstance(thresholds, dict)}


def keep(folder: Path, by_model: Mapping[str, Mapping[str, float]]) -> None:
    """Write what `kept` returns at the next start, all or nothing. Raises DaemonError when that cannot be done."""
    path = folder / FILE_NAME
    try:
        private(folder)
        write_private(path, msgspec.json.encode(by_model))
    except OSError as error:
        raise DaemonError(f"{path}: thresholds cannot be kept: {error.strerror}; they are set until the stop") from None
