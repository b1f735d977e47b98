"""Texts in a sentence that are written as programs write them: addresses, hosts, paths, codes and ids."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.english.lexicon import words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.tools.measures import find_unit

_ENDINGS = "com|org|net|edu|gov|io|dev|app|ai|co|info|biz|me|tv|uk|de|fr|eu|us|ca|in|jp"
_PADDING = r"(?:={1,2}(?![\w=]))?"  # the end of a text in base64
_LITERAL = (
    ("url", re.compile(r"\bhttps?://[^\s,\"'<>)]+[^\s,\"'<>).!?]")),
    ("email", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")),
    ("uuid", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    ("path", re.compile(r"(?<![\w/.])\d{1,3}(?:\.\d{1,3}){3}/\d{1,2}(?![\w/])")),
    (
        "host",
        re.compile(r"(?<![\w@/.:-])(?=[\w.-]*\d)(?:(?!\d+\.)[\w-]+\.){2,}[a-z]{2,}(?![\w/@:-]|\.\w)", re.IGNORECASE),
    ),
    (
        "id",
        re.compile(
            rf"(?<![\w/.])(?=[\w\-:.]*\d)(?=[\w\-:.]*[A-Za-z_])[A-Za-z0-9](?:\w|[-:.](?=\w))*\w(?!\w){_PADDING}"
        ),
    ),
    ("id", re.compile(r"(?<![\w/.])[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+(?!\w)|(?<![\w/.])\d+(?:\.\d+){2,}(?!\w)")),
    ("id", re.compile(r"(?<![\w/.+-])(?:\d+(?:-\d+){2,}|\d{4,}-\d{5,}|\d+@[A-Za-z]\w+)(?![\w-])")),
    ("host", re.compile(rf"(?<![\w@/.-])(?:[\w-]+\.)+(?:{_ENDINGS})\b(?![\w/@-])", re.IGNORECASE)),
    ("host", re.compile(r"(?<![\w@/.-])(?=[\w.-]*\w\w\.)(?:[\w-]+\.)+[a-z][\w-]*[a-z\d](?![\w/@-])")),
    ("path", re.compile(r"(?<![\w/])[\w.-]+/[\w.-]+(?:/[\w.-]+)*(?::[\w.-]*\w)?(?!\w)|(?<!\w)~?/[\w.-]+(?:/[\w.-]+)*")),
    ("tag", re.compile(r"(?<!\w)[#@](?!\d+\b)[\w-]+")),
)
# A label and a number, not an id that has a colon in it.
_LABELLED = lazy_pattern(r"(?:id|no|nr|number|identifier|code|key):\d+", re.IGNORECASE)
_UNIT_LIKE = lazy_pattern(
    r"\d+(?:\.\d+)?[^\W\d_]+/[^\W\d_]+|\d+(?:\.\d+)?(?:-[a-z]+)+|\d+(?:st|nd|rd|th)|\d+-\d+|v\d+",
    re.IGNORECASE,
)
_COUNTED = lazy_pattern(r"\d+(?:\.\d+)?([A-Za-z]{1,4})")
_SHORT_FORMS = words("planner/language/words", "unit_like")
_BEFORE_NUMBERS = words("planner/language/words", "before_numbers")
_AFTER_IDS = words("planner/language/words", "after_ids")
_POLITE = words("planner/language/words", "polite")
_ITEM_VERBS = words("planner/language/words", "item_verbs")


def find_literals(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the form, the start and the end of every literal, the most certain forms first; some may overlap."""
    for form, pattern in _LITERAL:  # in the order of certainty: the reader keeps the first of those that overlap
        for match in pattern.finditer(text):
            literal = match.group()
            if form in ("id", "path") and _is_number(literal) and not _stands_as_id(text, match.start(), match.end()):
                continue
            if form == "path" and literal.replace("/", "").strip(".").isdigit():
                continue
            yield form, match.start(), match.end()


def _stands_as_id(text: str, start: int, end: int) -> bool:
    """Return whether a number with a unit stands where an item is named by its id: delete the coupon [68w].

    It stands behind a noun, with nothing behind it that it could be the measure of (a `30-day plan`). A measure that
    is set (the timeout 30s) is told from an id by the verb.
    """
    before, after = text[:start].split(), text[end:].split()
    if len(before) < 2 or not before[-1].isalpha() or before[-1].lower() in _BEFORE_NUMBERS:
        return False
    if after and text[end : end + 1].isspace() and after[0].lower().strip(",.;") not in _AFTER_IDS:
        return False
    if _LABELLED.fullmatch(text[start:end]):
        return False
    hyphen = "-" in text[start:end] and not text[start:end].replace("-", "").isdigit()
    verb = next((word.lower() for word in before if word.lower() not in _POLITE), "")
    return hyphen or verb in _ITEM_VERBS


def _is_number(text: str) -> bool:
    """Return whether a text like an id is a number with its unit (30s, 128gb), a day or a version; 55aa is none."""
    counted = _COUNTED.fullmatch(text)
    if counted is not None:
        # One figure and letters (5aa) is more often a measure with a unit of its own than an id.
        return not text[:2].isdigit() or counted[1].lower() in _SHORT_FORMS or find_unit(counted[1]) is not None
    return _UNIT_LIKE.fullmatch(text) is not None or _LABELLED.fullmatch(text) is not None
