"""The figures of the reports, written into the model card and the README: nobody copies a number by hand.

A table stands between `<!-- figures: NAME -->` and the next `<!-- end -->`; whatever stood there before is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.inherent_model.errors import ModelError

Report = dict[str, Any]
MAKE = "make it with `inherent eval`, `eval-events` or `thresholds`"
END = "<!-- end -->"
RATE = "false_accepts_per_hour"
BUDGETS_PER_HOUR = (0.1, 0.5, 1, 2.5, 5, 10, 20, 90, 180)
LONG_ENOUGH_HOURS = 0.25
"""of a source, for a rate of its own"""
PLACE = re.compile(rf"<!-- figures:(.*?)-->(.*?)({END}|<!-- figures:|\Z)", re.DOTALL)


def fill(text: str, folder: Path) -> str:
    """Return `text` with every table made anew from the reports in `folder` (report.json of `inherent eval`,
    events.json of `inherent eval-events`, thresholds.json); ModelError for a missing report, figure or end, an unknown
    table, or a text without any."""

    def table(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in TABLES:
            raise ModelError(f"figures: {name}: no such table; expected one of {', '.join(TABLES)}")
        if found[3] != END:
            raise ModelError(f"figures: {name}: no end; expected {END} before the next table")
        file, make = TABLES[name]
        report = _read(folder / file)
        try:
            made = make(report, folder)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(f"{folder / file}: lacks what table {name} needs: {error!r}; {MAKE}") from error
        return f"<!-- figures: {name} -->\n{made}\n{END}"

    filled, tables = PLACE.subn(table, text)
    if not tables:
        raise ModelError(f"no table; expected `<!-- figures: NAME -->` and `{END}`, with a NAME of {', '.join(TABLES)}")
    return filled


def _read(path: Path) -> Report:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: {error}; {MAKE}") from error


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _spread(figures: Report, key: str, form: str) -> str:
    """Return a figure with its interval where there is one."""
    interval = (figures.get("intervals") or {}).get(key)
    spread = f" ({format(interval[0], form)} to {format(interval[1], form)})" if interval else ""
    return _number(figures[key], form) + spread


def _with_interval(point: Report, key: str, form: str) -> str:
    return _spread(point | {"intervals": {key: point["interval"]}}, key, form)


def _mean(figures: Sequence[Report], key: str) -> float | None:
    known = [each[key] for each in figures if each[key] is not None]
    return float(np.mean(known)) if known else None


def _delay(figures: Report) -> str:
    if figures["p50"] is None:
        return "never came"
    return f"median {figures['p50']} ms, 90% within {figures['p90']} ms, of the {figures['share']:.0%} where it came"


def _heads(report: Report, folder: Path) -> str:
    thresholds = _read(folder / "thresholds.json")
    far = {each["head"]: each for each in report["far_from_training"]["heads"]}
    rows = [
        [each["head"], str(each["positives"]), _number(each["auc"]), _number(each["eer"], ".0%"),
         _number(each["auc_addressed"]), _number(far[each["head"]]["auc"]), _number(thresholds["thresholds"][each["head"]]),
         _number(thresholds["record"]["recall"][each["head"]], ".0%")]
        for each in report["heads"]
    ]  # fmt: skip
    intents = report["heads"][1:]
    rows.append(["mean of the intents", "", _number(_mean(intents, "auc")), _number(_mean(intents, "eer"), ".0%"),
                 _number(_mean(intents, "auc_addressed")), _number(_mean(report["far_from_training"]["heads"][1:], "auc")),
                 "", ""])  # fmt: skip
    header = ["head", "clips with it", "AUC", "EER", "AUC among requests", "AUC far from training", "threshold",
              "recall there (validation)"]  # fmt: skip
    return _table(header, rows)


def _clips(report: Report, folder: Path) -> str:
    far = report["far_from_training"]["clips"]
    voices = len(report["voices"])
    engines = sorted({voice.split(":")[0] for voice in report["voices"]})
    return (
        f"{report['clips']} clips of {report['sentences']} sentences by {voices} voices (blends counted apart) of "
        f"{len(engines)} engines ({', '.join(engines)}); {far} of the clips are far from every training sentence."
    )


def _groups(report: Report, folder: Path) -> str:
    rows = [
        [name, str(each["positives"]), str(each["negatives"]), _number(each["auc"]), _number(each["eer"], ".0%")]
        for name, each in report["gate_by_group"].items()
        if each["auc"] is not None
    ]
    return _table(["gate", "addressed", "not addressed", "AUC", "EER"], rows)


def _conditions(report: Report, folder: Path) -> str:
    rows = [
        [name, _spread(each["heads"][0], "auc", ".3f"), _spread(each["heads"][0], "eer", ".0%"),
         _number(_mean(each["heads"][1:], "auc"))]
        for name, each in report["conditions"].items()
    ]  # fmt: skip
    return _table(["condition", "gate AUC (95% interval over speakers)", "gate EER", "intents, mean AUC"], rows)


def _doubt(figures: Report) -> str:
    # One false accept in so few hours is already more than that rate.
    return "" if figures["hours_suffice"] else " (too few hours to say)"


def _events(report: Report, folder: Path) -> str:
    own, delay = report["at_own_threshold"], report["delay"]
    quiet = report["unaddressed"]
    own_rate = f"{_with_interval(own, RATE, '.1f')} false accepts an hour"
    own_recall = _spread(own | {"intervals": {"recall": own["recall_interval"]}}, "recall", ".0%")
    sources = sorted(quiet["by_source"].items(), key=lambda source: -source[1]["per_hour"])
    by_source = ", ".join(
        f"{name} {each['per_hour']:.0f}" for name, each in sources if each["hours"] >= LONG_ENOUGH_HOURS
    )
    clips = f"{quiet['different_clips']} clips, {quiet['clips_of_the_training_split']} of them in training"
    before = f"{_number(delay['opened_before_their_end'], '.0%')} of {delay['phrases_over_1500_ms']} phrases over 1.5 s"
    rows = [
        [f"at the shipped threshold, {own['threshold']:.3g}", f"{own_rate} at {own_recall} recall"],
        ["the same by source", by_source or "-"],
        *([f"at {float(recall):.0%} recall", f"{_with_interval(each, RATE, '.1f')} false accepts an hour"]
          for recall, each in report["at_recall"].items()),
        *([f"at {rate} false accepts an hour", f"{_with_interval(each, 'recall', '.0%')} recall" + _doubt(each)]
          for rate, each in report["at_false_accepts_per_hour"].items()),
        ["unaddressed audio", f"{quiet['hours']:.1f} h with the pauses between clips; {clips}"],
        ["requests", f"{report['addressed']['clips']} clips"],
        ["end of the phrase to gate.opened", _delay(delay["end_of_phrase_to_gate_ms"])],
        ["end of the phrase to the first intent", _delay(delay["end_of_phrase_to_first_intent_ms"])],
        ["end of the phrase to the right intent", _delay(delay["end_of_phrase_to_right_intent_ms"])],
        ["gate open before the phrase ends", before],
    ]  # fmt: skip
    return _table(["the gate as it runs", ""], rows)


def _curve(report: Report, folder: Path) -> str:
    """Return points of the gate's curve: the lowest measured threshold that keeps each budget, and the shipped one."""
    own = report["at_own_threshold"]
    shipped = [f"{own['threshold']:.3f} (shipped)", f"{own[RATE]:.1f}", f"{own['recall']:.0%}"]
    by_threshold = {own["threshold"]: shipped}
    for budget in BUDGETS_PER_HOUR:
        within = [point for point in report["det"] if point[RATE] <= budget]
        if not within:
            continue  # even the highest threshold has more
        kept = min(within, key=lambda point: point["threshold"])
        row = [f"{kept['threshold']:.3f}", f"{kept[RATE]:.1f}", f"{1 - kept['false_rejects']:.0%}"]
        by_threshold.setdefault(kept["threshold"], row)
    rows = [by_threshold[threshold] for threshold in sorted(by_threshold, reverse=True)]
    return _table(["is_interesting", "false accepts an hour", "requests that open it"], rows)


TABLES: dict[str, tuple[str, Callable[[Report, Path], str]]] = {
    "clips": ("report.json", _clips),
    "heads": ("report.json", _heads),
    "groups": ("report.json", _groups),
    "conditions": ("report.json", _conditions),
    "events": ("events.json", _events),
    "curve": ("events.json", _curve),
}
