"""What runs a model: what was asked for, what runs, and why the two differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inherentd.pipeline.errors import PipelineError


class DelegateError(PipelineError):
    """An accelerator that was asked for cannot run the model here; the message is the reason."""


@dataclass(frozen=True)
class Processor:
    """For logs, health, `inherentd bench` and `inherentd doctor`."""

    backend: str
    asked: str
    """the delegate that was asked for"""
    running: str
    """the delegate that runs"""
    reason: str = ""
    """why it is not the one that was asked for"""

    def noting(self, *reasons: str) -> Processor:
        """Return the same with further reasons; empty ones say nothing."""
        return replace(self, reason="; ".join(filter(None, [self.reason, *reasons])))

    def __str__(self) -> str:
        """Return one line: "litert on cpu", or with what was asked for and why it is not that."""
        line = f"{self.backend} on {self.running}"
        return f"{line} (asked for {self.asked}: {self.reason})" if self.reason else line
