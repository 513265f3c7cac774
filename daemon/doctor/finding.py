"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "failure", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. A failure means that the daemon would not start as configured, or would be deaf."""

    name: str
    verdict: Verdict
    text: str
    advice: str = ""
    """what to do about it; empty where there is nothing to do"""
