"""Findings -> lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from inherentd.daemon.doctor.finding import Finding, Verdict

MARKS: dict[Verdict, str] = {"ok": "ok", "warning": "warn", "failure": "FAIL", "unknown": "?"}


def line(finding: Finding, *, as_json: bool) -> str:
    """Return a finding as it is printed, its advice below it."""
    if as_json:
        return json.dumps(asdict(finding))
    text = f"{MARKS[finding.verdict]:<4}  {finding.name}: {finding.text}"
    return f"{text}\n      -> {finding.advice}" if finding.advice else text


def summary(findings: Sequence[Finding]) -> str:
    """Return the numbers of each verdict."""
    counts = Counter(finding.verdict for finding in findings)
    words = {"ok": "ok", "warning": "to look at", "failure": "failed", "unknown": "not checked"}
    return ", ".join(f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict])
