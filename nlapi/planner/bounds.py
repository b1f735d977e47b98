"""The ends of ranges in a sentence: more than 20, 5 or more, between 1 and 5."""

from __future__ import annotations

import re

_OVER = r"over|above|more than|greater than|higher than|larger than|bigger than|longer than|exceeding|>(?!=)"
_LEAST = r"at least|no less than|minimum|min|>=|≥"
_UNDER = r"under|below|less than|fewer than|lower than|smaller than|shorter than|cheaper than|<(?!=)"
_MOST = r"at most|up to|no more than|not more than|maximum|max|<=|≤"
_EQUAL = r"exactly|equal to|equals|=="
BOUND = re.compile(
    rf"(?<!\w)(?:(?P<over>{_OVER})|(?P<least>{_LEAST})|(?P<under>{_UNDER})|(?P<most>{_MOST})|(?P<equal>{_EQUAL}))"
    r"(?:\s+(?:of|a|an))?\s*$",
    re.IGNORECASE,
)
BOUND_BEHIND = re.compile(
    r"\s*(?:(?P<least>or more|or above|or higher|\+)|(?P<most>or less|or fewer|or below|or lower))", re.I
)
BETWEEN = re.compile(r"\bbetween\s*$", re.IGNORECASE)


def is_bound(text: str, start: int, end: int) -> bool:
    """Whether the number from `start` to `end` in `text` is the end of a range: more than 20, 5 or more."""
    bound = BOUND.search(text[:start])
    ends = bound is not None and bound.lastgroup != "equal"
    return ends or bool(BETWEEN.search(text[:start]) or BOUND_BEHIND.match(text, end))
