"""Checks that a value is the whole text between two blanks or quotes, and ends where the text does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.mentions import QUOTED
from nlapi.changes.sentences import Case, short, takes_choice
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Origin, Source

_QUOTES = "\"'`“”‘’«»"
_MARKS = "([{<)]}>,;:!?#@$€£¥=%&*~|\\"
_UNITS = re.compile(
    r"(?:ms|s|secs?|m|mins?|h|hrs?|d|k|kb|mb|gb|tb|kib|mib|gib|tib|px|kg|g|cm|mm|km|mi|lbs?|usd|eur|gbp|x|st|nd|rd|th"
    r"|°?[cf])",
    re.IGNORECASE,
)
_ENDINGS = frozenset("please now there here too thanks thank immediately asap already again".split())
# Words behind a name that do not belong to it, if another word follows.
_LINKS = frozenset(
    """
        to for with in on at from of by as and or into onto using via under is are be has have that which it its the a
        an
        then right also where whose when who their this
    """.split()
)


def cut(case: Case) -> Iterator[str]:
    """Yield values that are a piece of the text between two blanks, or leave out a figure of it."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not 0 <= source.start < source.end:
            continue
        # Pieces of ids were among the 92 wrong changes of 800 commands that confidence alone let out.
        if left := _left_of(case, source):
            yield f"{source.argument} has only {source.words!r} of {left!r}"
        elif source.origin is Origin.WORDS and isinstance(source.value, str) and _loses_figures(source):
            yield f"{source.argument}: {short(source.value)} leaves out a part of {source.words!r}"


def turned(case: Case) -> Iterator[str]:
    """Yield a text that goes on into the name of another argument: `Launch with priority high` as a title."""
    names = {stem(word) for name in case.call.tool.places for word in pieces(name)[-1:]} - {stem("name"), stem("id")}
    for source in case.account.sources:
        inside = unquoted(case, source)
        if inside and inside[-1:].isalpha() and (more := _goes_on(case, source)):
            yield f"it is not plain where {source.argument} ends: {source.words} {more}"
            continue
        match = re.search(r"\b(?:with|and|as|for)\s+(?:a |an |the |its )?(\w+)", inside)
        if match and stem(match.group(1).lower()) in names and not source.argument.endswith(match.group(1)):
            yield f"it is not plain where {source.argument} ends: {source.words!r}"


def _goes_on(case: Case, source: Source) -> str:
    """Return the word behind a text that may belong to it: rename it to Eating [out]; "" where there is none."""
    if takes_choice(case.call, source.argument) or source.origin is not Origin.WORDS:
        return ""
    behind = next((word for word in case.words if word.start >= source.end), None)
    if behind is None or behind.covered or case.text[source.end : behind.start].strip(" "):
        return ""
    if set(behind.stems) <= case.own_words:
        return ""  # the summer campaign
    # `rename category 12 to Eating out` was the one wrong change of the fresh set (docs/design/027-what-stands.md).
    last = behind is case.words[-1]
    return behind.text if behind.lower not in (_ENDINGS if last else _ENDINGS | _LINKS) else ""


def _left_of(case: Case, source: Source) -> str:
    """Return the text between blanks of which a value is only a piece; "" where the value is all of it.

    The remaining text may be another value (acme/web, 25-44), the argument's own name (limit=5), or the unit of a
    number.
    """
    text, start, end = case.text, source.start, source.end
    opens = text[start] in _QUOTES or text[start - 1 : start] in tuple(_QUOTES)
    closes = text[end - 1] in _QUOTES or text[end : end + 1] in tuple(_QUOTES)
    if opens and closes and not _is_quoted_in_part(source):
        return ""
    if opens and isinstance(source.value, str) and (whole := _quoted_around(text, start)):
        return whole
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    place = case.place(source)
    before, after = text[start : source.start], text[source.end : end]
    if source.value is not None and str(source.value).endswith(".") and after[:1] == ".":
        after = after[1:]
    after = re.sub(r"^['’]s\b", "", after)
    before, after = _uncovered(case, before, start), _uncovered(case, after, end - len(after))
    if number and place != "path":
        unit = _UNITS.match(after)
        after = after[unit.end() :] if unit else after
        before, after = before.strip("+-–/"), after.strip("-–/")
    named = re.fullmatch(r"[\w.-]+[=:]", before)
    if named and set(map(stem, pieces(before))) <= case.own_words:
        before = ""
    inside = end < len(text) and after.rstrip(_QUOTES + _MARKS) == "." and text[end:].lstrip()[:1].islower()
    before, after = before.strip(_QUOTES + _MARKS), after.strip(_QUOTES + _MARKS)
    return text[start:end] if before or inside or after.strip(".") else ""


def _is_quoted_in_part(source: Source) -> bool:
    """Return whether a text is less than the text between the quotes."""
    inner, value = source.words.strip(_QUOTES).strip(), str(source.value)
    return isinstance(source.value, str) and value != inner and value in inner


def _quoted_around(text: str, start: int) -> str:
    """Return the quoted text that begins at a position or right before it; "" where none does."""
    return next((match.group() for match in QUOTED.finditer(text) if match.start() in (start, start - 1)), "")


def _uncovered(case: Case, piece: str, start: int) -> str:
    """Return a piece of text without the parts that are other values, and the marks between them."""
    letters = list(piece)
    for other in case.account.sources:
        for at in range(max(0, other.start - start), min(len(piece), other.end - start)):
            letters[at] = " "
    left = "".join(letters).replace(" ", "")
    return left.strip("/:-–.,") if len(left) < len(piece) else left


def _loses_figures(source: Source) -> bool:
    """Return whether a text has none of the figures of its words."""
    return bool(re.search(r"\d", source.words)) and not re.search(r"\d", str(source.value))


def unquoted(case: Case, source: Source) -> str:
    """Return the text of a value without quotes in the sentence; "" for any other value."""
    if not isinstance(source.value, str) or not 0 <= source.start < source.end:
        return ""
    written = case.text[source.start : source.end]
    return "" if written[:1] in _QUOTES or case.text[source.start - 1 : source.start] in tuple(_QUOTES) else written
