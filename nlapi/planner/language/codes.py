"""What in a sentence is written as programs write it: addresses, hosts, paths, codes and ids of all kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.planner.language.measures import unit

_ENDINGS = "com|org|net|edu|gov|io|dev|app|ai|co|info|biz|me|tv|uk|de|fr|eu|us|ca|in|jp"
_PADDING = r"(?:={1,2}(?![\w=]))?"
"""What base64 ends in."""
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
_LABELLED = re.compile(r"(?:id|no|nr|number|identifier|code|key):\d+", re.IGNORECASE)
"""A label and a number, not an id that has a colon in it."""
_UNIT_LIKE = re.compile(
    r"\d+(?:\.\d+)?[^\W\d_]+/[^\W\d_]+|\d+(?:\.\d+)?(?:-[a-z]+)+|\d+(?:st|nd|rd|th)|\d+-\d+|v\d+",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"\d+(?:\.\d+)?([A-Za-z]{1,4})")
_SHORT_FORMS = frozenset(
    "k m b bn mn x px em am pm y yr yrs w wk mo fps rpm kbps mbps gbps bps kwh mph kph cal d st nd rd th".split()
)
_BEFORE_NUMBERS = frozenset(
    """
        a an the for in within of to by at about over under every each last past next first is are and with than set per
        after before since until from or only just exactly around roughly nearly top
    """.split()
)
"""Words before a number that counts or measures something."""
_AFTER_IDS = frozenset("in of from to for with and or on at by as into is was please now right".split())
_POLITE = frozenset("please can could would you kindly the a now just go ahead and hey".split())
_OF_THINGS = frozenset(
    """
        delete remove destroy drop erase purge cancel abort pause resume stop start restart lock unlock block unblock
        archive unarchive restore close reopen approve reject enable disable activate deactivate revoke suspend show get
        open kill trash discard follow unfollow star unstar pin unpin mute unmute ban unban protect unprotect promote
    """.split()
)
"""Verbs that are said of a thing, and of no amount."""


def literals(text: str) -> Iterator[tuple[str, int, int]]:
    """The form of each, with where it begins and ends; the surest forms first, and some may overlap."""
    for form, pattern in _LITERAL:
        for match in pattern.finditer(text):
            found = match.group()
            if form in ("id", "path") and _is_number(found) and not _stands_as_id(text, match.start(), match.end()):
                continue
            if form == "path" and found.replace("/", "").strip(".").isdigit():
                continue
            yield form, match.start(), match.end()


def _stands_as_id(text: str, start: int, end: int) -> bool:
    """Whether what may be a number with its unit stands where a thing is told by its id: delete the coupon [68w].

    Behind a noun, and with nothing behind it that it could be the measure of: of a `30-day plan` it is one. A measure
    that is set (the timeout 30s) is told from an id by the verb.
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
    return hyphen or verb in _OF_THINGS


def _is_number(text: str) -> bool:
    """Is what looks like an id a number with its unit (30s, 128gb), a day or a version? 55aa is none of them."""
    counted = _COUNTED.fullmatch(text)
    if counted is not None:
        long = text[:2].isdigit()
        return not long or counted[1].lower() in _SHORT_FORMS or unit(counted[1]) is not None
    return _UNIT_LIKE.fullmatch(text) is not None or _LABELLED.fullmatch(text) is not None
