"""How long? "an hour and a half", "two minutes thirty", "a quarter of an hour", "90-second" -> seconds."""

from __future__ import annotations

import re

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {
    **{word: number for number, word in enumerate(ONES.split())},
    **{word: number * 10 for number, word in enumerate(TENS.split(), start=2)},
    "a": 1, "an": 1, "hundred": 100,
}  # fmt: skip
SIMPLER = (
    (r"([2-9])0 ([1-9])\b", r"\1\2"),  # 40 5 -> 45
    (r"([1-9]) 100\b", r"\g<1>00"),
    (r"([1-9])00 (?:and )?([1-9]\d)", r"\1\2"),  # 100 and 20 -> 120
    (r"([1-9])00 (?:and )?([1-9])\b(?! half)", r"\g<1>0\2"),
    (r"(\d+) and 1 half (?=hour|minute|second)", r"\1.5 "),
    (r"1 second (?=timer|alarm)", ""),  # another timer, not one of a second
    (r"3 quarters (?:of )?(?:1 )?(?=hour|minute)", "0.75 "),
    (r"(?:1 )?quarter (?:of )?(?:1 )?(?=hour|minute)", "0.25 "),
    (r"(?:1 )?half (?:of )?(?:1 )?(?=hour|minute)", "0.5 "),
)
PART = r"(?P<number>\d+(?:\.\d+)?) (?P<unit>hour|hr|minute|min|second|sec)s?\b(?P<more> and 1 (?:half|quarter)\b)?"
ONE = re.sub(r"\?P<\w+>", "?:", PART)
DURATION = re.compile(rf"\b{ONE}(?: (?:and )?{ONE})*(?P<rest> (?:and )?\d+(?= please$|$))?")
SECONDS = {"hour": 3600, "hr": 3600, "minute": 60, "min": 60, "second": 1, "sec": 1}


def duration_seconds(text: str) -> float | None:
    """Return the duration that a text names; None when it names none, or several ("five, no, ten minutes, no, an hour")."""
    words = re.sub(r"[^\w.]|\.(?!\d)", " ", text.lower())
    words = re.sub(r"(\d)([a-z])", r"\1 \2", words)  # 10min
    words = " ".join(str(NUMBERS.get(word, word)) for word in words.split())
    for pattern, replacement in SIMPLER:
        words = re.sub(rf"\b{pattern}", replacement, words)
    found = list(DURATION.finditer(words))
    if len(found) != 1:
        return None
    seconds = unit = 0.0
    for part in re.finditer(PART, found[0][0]):
        unit = SECONDS[part["unit"]]
        more = 0.0 if part["more"] is None else 0.5 if part["more"].endswith("half") else 0.25
        seconds += (float(part["number"]) + more) * unit
    if found[0]["rest"]:  # two minutes thirty
        seconds += int(found[0]["rest"].split()[-1]) * unit / 60
    return seconds or None
