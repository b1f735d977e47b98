"""The final dot of a host name: of a fully qualified name (RFC 9499 §2) it is a part, else it ends the sentence."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from nlapi.planner.slots import Slot
from nlapi.tools.patterns import bounded

_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]*[^\W\d_][\w-]*")
"""A name of several labels whose last has a letter in it: no sentence ends in one by chance, as `delete foo.` does."""

_STATED = re.compile(
    r"\b(?:trailing|final|terminating|ending) (?:dot|period)\b"
    r"|\b(?:ends?|ending|terminated?) (?:with|in|by) a (?:dot|period)\b"
    r"|\bcanonical\b[^.]{0,20}\b(?:domain|dns|zone|host)\b|\b(?:domain|dns|zone|host)\b[^.]{0,20}\bcanonical\b",
    re.IGNORECASE,
)
_HOST_EXAMPLE = re.compile(rf"[\"'“‘`]{_HOST.pattern}\.[\"'”’`]")


@lru_cache(maxsize=4096)
def ends_in_dot(slot: Slot) -> bool:
    """Do the names that a slot takes end in a dot, by its description, its examples or its pattern?"""
    schema = slot.item or slot.schema
    examples = schema.get("examples")
    shown = [schema.get("example"), schema.get("default"), *(examples if isinstance(examples, list) else ())]
    if any(isinstance(one, str) and one.endswith(".") and _HOST.fullmatch(one[:-1]) for one in shown):
        return True
    return bool(_HOST_EXAMPLE.search(slot.description)) or wants_dot(slot)


@lru_cache(maxsize=4096)
def wants_dot(slot: Slot) -> bool:
    """Must the names that a slot takes end in a dot, as its description says or its pattern demands?"""
    return states_dot(slot.description) or _pattern_wants(slot.item or slot.schema)


def states_dot(description: str) -> bool:
    """Does a description say that names end in a dot?"""
    return _STATED.search(description) is not None


def _pattern_wants(schema: Any) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or "." not in pattern:
        return False
    fits = bounded(pattern).matches
    return fits("www.example.com.") and not fits("www.example.com")


def is_dotted(text: str, name: str) -> bool:
    """Is `name` a host name that stands in `text` with a dot behind it, at the end of a sentence or before a space?"""
    return bool(_HOST.fullmatch(name)) and bool(re.search(rf"(?<![\w.-]){re.escape(name)}\.(?![\w.-])", text))
