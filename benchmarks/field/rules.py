"""Text rules, as a hobby assistant has them: a request begins like one, and words tell its kind. Written once, tuned on nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from inherentd.inherent_model.heads import GATE

_POLITE = r"^(?:(?:hey|okay|ok|um|uh|so|right|alright|oh|well|please|can you|could you|would you|will you|i want you to|i'd like you to|go ahead and|computer|assistant)\b[ ,]*)*"
_REQUEST = re.compile(
    _POLITE
    + r"(?:add|put|set|start|find|show|pull|look|search|google|call|phone|ring|dial|draft|write|create|make|schedule|"
    r"move|cancel|book|order|buy|research|investigate|tell|remind|give|check|compare|play|turn|stop|pause|open|close|lock|dim|get|"
    r"explain|define|help|jot|note|bring|dig|go|wake|count|read|send|navigate|skip|switch|summari[sz]e|list|"
    r"what|what's|who|who's|when|when's|where|where's|why|how|which|do i|am i|is there|did i|should i)\b"
)
_KINDS: dict[str, re.Pattern[str]] = {
    head: re.compile(pattern)
    for head, pattern in {
        "hasAddToListIntent": r"\b(add|put|jot|stick|throw)\b.*\blist\b|\bshopping list|to ?do list",
        "hasTermSearchQuery": r"\b(define|definition|meaning of|what does .* mean|what (is|are|was)|who (is|was)|look up|search for|how (many|tall|far|old|big))\b",
        "hasPhotoQuery": r"\b(photos?|pictures?|pics?|screenshots?|snapshots?|selfies?|images?)\b",
        "hasCalendarEvent": r"\b(calendar|appointments?|schedule|reschedule|agenda|meeting (on|at|for|with)|book .* for)\b",
        "hasCreateDocIntent": r"\b(draft|write|create|compose|type up)\b.*\b(documents?|docs?|notes?|letters?|reports?|memos?|emails?|outlines?|proposals?|essays?)\b",
        "hasPersonContext": r"\bwhat did \w+ (say|tell|want|think)|what do (i|we) know about|remind me (what|who) \w+",
        "hasEventContext": r"\b(what (happened|was decided|did we (decide|agree|discuss))|last (meeting|call|session)|(meeting|standup|retro|call) (notes|yesterday|last))\b",
        "hasDeepResearchIntent": r"\b(research|deep dive|investigate|dig into|literature|sources|in[- ]depth|study)\b",
        "hasInsightIntent": r"\b(should i|advise|advice|pros and cons|pattern|trends?|help me (decide|think|choose)|what do you think|weigh)\b",
        "hasBrowsingAgentIntent": r"\b(website|online|web ?page|order|buy|book (me )?(a|the) (flight|table|hotel|room|ticket)|check out|log ?in|fill (in|out)|browse)\b",
        "hasCallingAgentIntent": r"\b(call|phone|ring|dial)\b",
        "hasStartTimerIntent": r"\b(timer|alarm|countdown|count down|wake me)\b",
    }.items()
}


def rules(text: str) -> Mapping[str, float]:
    """Return 1.0 or 0.0 for the gate and each kind of request."""
    plain = re.sub(r"[^\w' -]+", " ", text.lower()).strip()
    addressed = bool(_REQUEST.match(plain))
    return {GATE: float(addressed)} | {
        head: float(addressed and bool(pattern.search(plain))) for head, pattern in _KINDS.items()
    }
