"""Splits for recordings: speakers and sessions that belong together stay together, and every head is in each split.

Two rows belong together when they share a speaker or a session, directly or over others: what training has heard of a
voice, a room or a microphone never counts as new in evaluation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.label_checks import evaluation_split
from inherentd.inherent_model.labels import Label, Labels
from inherentd.inherent_model.manifest import SPLITS

EMPTY_COST = 10.0
"""of a wanted split without a group: more than any imbalance"""
PASSES = 50


def assign(labels: Labels, *, seed: int = 0, validation: float = 0.1, test: float = 0.15) -> Labels:
    """Return the labels with a split in every row; the same labels, in any order of rows, and seed give the same.

    A split that a row already has is kept and holds for its whole group. Raises ModelError when a group has two, and
    when there are too few groups to give every split one.
    """
    shares = np.array([1 - validation - test, validation, test])
    if not (validation >= 0 and test >= 0 and shares[0] > 0):
        raise ModelError(f"shares: got validation {validation} and test {test}, expected 0 or more, together below 1")
    members = groups(labels.rows)
    fixed = [_fixed(labels, group) for group in members]
    if None not in fixed:
        chosen = [str(split) for split in fixed]
    else:
        order = list(range(len(members)))
        random.Random(seed).shuffle(order)
        chosen = _balance(_amounts(labels, members), shares, fixed, order)
        wanted = {split for split, share in zip(SPLITS, shares, strict=True) if share > 0}
        if not wanted <= set(chosen):
            raise ModelError(_too_few(labels, len(members), len(wanted)))
    split_of = {index: split for group, split in zip(members, chosen, strict=True) for index in group}
    rows = tuple(dataclasses.replace(row, split=split_of[index]) for index, row in enumerate(labels.rows))
    return dataclasses.replace(labels, rows=rows)


def remembered(labels: Labels) -> dict[str, str]:
    """Return the split of every speaker and session of labels that are split, each under a digest of its name: what a
    checkpoint can keep of them without naming anybody."""
    return {_digest(name): row.split for row in labels.rows for name in _named(row)}


def as_before(labels: Labels, earlier: Mapping[str, str]) -> Labels:
    """Return the labels with the splits that earlier labels, `remembered`, gave the same speakers and sessions: whom a
    model has heard cannot evaluate its successor. ModelError for a row that says another split, and for rows that belong
    together of whom earlier labels had some in one split and some in another."""
    rows = list(labels.rows)
    for group in groups(labels.rows):
        had = {split: labels.rows[index] for index in group for name in _named(labels.rows[index])
               if (split := earlier.get(_digest(name)))}  # fmt: skip
        if len(had) > 1:
            told = " and ".join(f"{split} (line {row.line})" for split, row in sorted(had.items()))
            raise ModelError(
                f"speakers and sessions that belong together were in {told} when the checkpoint was made; leave the rows out that "
                "join them, or begin without the checkpoint"
            )
        for index, split in itertools.product(group, had):
            row = rows[index]
            if row.split not in ("", split):
                raise ModelError(
                    f"line {row.line}: speaker {row.speaker_id!r}, session {row.session_id!r}: got {row.split}, but the checkpoint "
                    f"had them, or whom they belong to, in {split}; leave their split empty, or begin without the checkpoint"
                )
            rows[index] = dataclasses.replace(row, split=split)
    return dataclasses.replace(labels, rows=tuple(rows))


def _named(row: Label) -> list[tuple[str, str]]:
    return [key for key in (("speaker", row.speaker_id), ("session", row.session_id)) if key[1]]


def _digest(name: tuple[str, str]) -> str:
    return hashlib.sha256("\n".join(name).encode()).hexdigest()[:16]


def groups(rows: tuple[Label, ...]) -> list[list[int]]:
    """Return the indices of the rows that belong together, in an order that does not depend on that of the rows."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    keys = []
    for row in rows:
        present = _named(row) or [("file", row.audio_path)]
        parent[root(present[-1])] = root(present[0])
        keys.append(present[0])
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[root(key)].append(index)
    return sorted(members.values(), key=lambda group: min(keys[index] for index in group))


def _fixed(labels: Labels, group: list[int]) -> str | None:
    """Return the split that a group has already, or must have because of a held-out voice."""
    lines = {row.split or evaluation_split(row): row.line for row in (labels.rows[index] for index in group)}
    lines.pop(None, None)
    if len(lines) > 1:
        told = " and ".join(f"{split} (line {line})" for split, line in lines.items())
        raise ModelError(f"speakers and sessions that belong together are in {told}; expected one split, or none yet")
    return next(iter(lines), None)


def _amounts(labels: Labels, members: list[list[int]]) -> np.ndarray:
    """Return what share each group has of all clips, of those not addressed and of each intent: [groups, kinds], each
    kind weighted so that the intents together count as much as the clips."""
    gate, *intents = labels.heads
    kinds = [
        [1.0, float(gate not in row.fired), *(float(head in row.fired) for head in intents)] for row in labels.rows
    ]
    amounts = np.array([np.sum([kinds[index] for index in group], axis=0) for group in members])
    totals = amounts.sum(0)
    weights = np.array([1.0, 1.0, *[1 / max(1, len(intents))] * len(intents)])
    return amounts[:, totals > 0] / totals[totals > 0] * np.sqrt(weights[totals > 0])


def _balance(amounts: np.ndarray, shares: np.ndarray, fixed: list[str | None], order: list[int]) -> list[str]:
    """Return a split a group: the largest first, each where it helps most, then moved as long as moving helps."""
    targets = shares[:, None] * amounts.sum(0)
    held = np.zeros_like(targets)
    counts = np.zeros(len(SPLITS), int)
    chosen: list[int | None] = [SPLITS.index(split) if split else None for split in fixed]
    for index, split in enumerate(chosen):
        if split is not None:
            held[split] += amounts[index]
            counts[split] += 1

    def cost_in(index: int, split: int, empty_cost: float) -> float:
        """Return the cost with the group, which is in no split now, in this one."""
        with_it, filled = held.copy(), counts.copy()
        with_it[split] += amounts[index]
        filled[split] += 1
        return float(((with_it - targets) ** 2).sum()) + empty_cost * float(((filled == 0) & (shares > 0)).sum())

    free = sorted((index for index in order if chosen[index] is None), key=lambda index: -amounts[index, 0])
    allowed = [split for split in range(len(SPLITS)) if shares[split] > 0]
    for round_ in range(PASSES):
        moved = False
        # The small groups fit best into a split that the first round left empty.
        for index in free if round_ == 0 else reversed(free):
            now = chosen[index]
            if now is not None:
                held[now] -= amounts[index]
                counts[now] -= 1
            costs = {split: cost_in(index, split, EMPTY_COST if round_ else 0.0) for split in allowed}
            best = min(costs, key=lambda split: costs[split])
            if now is not None and costs[now] <= costs[best] + 1e-9:
                best = now
            chosen[index], moved = best, moved or best != now
            held[best] += amounts[index]
            counts[best] += 1
        if not moved:
            break
    return [SPLITS[split] for split in chosen if split is not None]


def _too_few(labels: Labels, found: int, wanted: int) -> str:
    message = f"{found} groups of speakers and sessions, expected {wanted} or more, one a split; record more speakers"
    pairs = {(row.session_id, row.speaker_id) for row in labels.rows if row.session_id and row.speaker_id}
    shared = Counter(session for session, _ in pairs).most_common(1)
    if shared and shared[0][1] > 1:
        message += f", and check the session ids: session {shared[0][0]!r} joins {shared[0][1]} speakers"
    return message
