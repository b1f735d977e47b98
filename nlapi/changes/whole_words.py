"""Checks that a value is the whole text between two blanks or quotes, and ends where the text does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.mentions import QUOTED
from nlapi.changes.sentences import Case, shorten, has_closed_values
from nlapi.resources.naming import split_words, stem
from nlapi.tools.account import Origin, ValueSource

_QUOTES = "\"'`“”‘’«»"
_MARKS = "([{<)]}>,;:!?#@$€£¥=%&*~|\\"
_UNITS = re.compile(
    r"(?:ms|s|secs?|m|mins?|h|hrs?|d|k|kb|mb|gb|tb|kib|mib|gib|tib|px|kg|g|cm|mm|km|mi|lbs?|usd|eur|gbp|x|st|nd|rd|th"
    r"|°?[cf])",
    re.IGNORECASE,
)
_ENDING_WORDS = frozenset("please now there here too thanks thank immediately asap already again".split())
# Words behind a name that do not belong to it, if another word follows.
_LINK_WORDS = frozenset(
    """
        to for with in on at from of by as and or into onto using via under is are be has have that which it its the a
        an
        then right also where whose when who their this
    """.split()
)


def check_whole_words(case: Case) -> Iterator[str]:
    """Yield values that are a piece of the text between two blanks, or leave out a figure of it."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not 0 <= source.start < source.end:
            continue
        # Pieces of ids were among the 92 wrong changes of 800 commands that confidence alone let out.
        if full_text := _surrounding_text(case, source):
            yield f"{source.argument} has only {source.words!r} of {full_text!r}"
        elif source.origin is Origin.WORDS and isinstance(source.value, str) and _loses_figures(source):
            yield f"{source.argument}: {shorten(source.value)} leaves out a part of {source.words!r}"


def check_text_end(case: Case) -> Iterator[str]:
    """Yield a text that goes on into the name of another argument: `Launch with priority high` as a title."""
    names = {stem(word) for name in case.call.tool.places for word in split_words(name)[-1:]} - {stem("name"), stem("id")}
    for source in case.account.sources:
        text = unquoted_text(case, source)
        if text and text[-1:].isalpha() and (following := _following_word(case, source)):
            yield f"it is not plain where {source.argument} ends: {source.words} {following}"
            continue
        match = re.search(r"\b(?:with|and|as|for)\s+(?:a |an |the |its )?(\w+)", text)
        if match and stem(match.group(1).lower()) in names and not source.argument.endswith(match.group(1)):
            yield f"it is not plain where {source.argument} ends: {source.words!r}"


def _following_word(case: Case, source: ValueSource) -> str:
    """Return the word behind a text that may belong to it: rename it to Eating [out]; "" where there is none."""
    if has_closed_values(case.call, source.argument) or source.origin is not Origin.WORDS:
        return ""
    next_word = next((word for word in case.words if word.start >= source.end), None)
    if next_word is None or next_word.is_used or case.text[source.end : next_word.start].strip(" "):
        return ""
    if set(next_word.stems) <= case.operation_stems:
        return ""  # the summer campaign
    # `rename category 12 to Eating out` was the one wrong change of the fresh set (docs/design/027-what-stands.md).
    is_last = next_word is case.words[-1]
    return next_word.text if next_word.lower not in (_ENDING_WORDS if is_last else _ENDING_WORDS | _LINK_WORDS) else ""


def _surrounding_text(case: Case, source: ValueSource) -> str:
    """Return the text between blanks of which a value is only a piece; "" where the value is all of it.

    The remaining text may be another value (acme/web, 25-44), the argument's own name (limit=5), or the unit of a
    number.
    """
    text, start, end = case.text, source.start, source.end
    is_opened = text[start] in _QUOTES or text[start - 1 : start] in tuple(_QUOTES)
    is_closed = text[end - 1] in _QUOTES or text[end : end + 1] in tuple(_QUOTES)
    if is_opened and is_closed and not _is_quoted_in_part(source):
        return ""
    if is_opened and isinstance(source.value, str) and (quoted := _quoted_around(text, start)):
        return quoted
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    is_number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    place = case.location(source)
    before, after = text[start : source.start], text[source.end : end]
    if source.value is not None and str(source.value).endswith(".") and after[:1] == ".":
        after = after[1:]
    after = re.sub(r"^['’]s\b", "", after)
    before, after = _without_values(case, before, start), _without_values(case, after, end - len(after))
    if is_number and place != "path":
        unit = _UNITS.match(after)
        after = after[unit.end() :] if unit else after
        before, after = before.strip("+-–/"), after.strip("-–/")
    label = re.fullmatch(r"[\w.-]+[=:]", before)
    if label and set(map(stem, split_words(before))) <= case.operation_stems:
        before = ""
    is_inside_sentence = end < len(text) and after.rstrip(_QUOTES + _MARKS) == "." and text[end:].lstrip()[:1].islower()
    before, after = before.strip(_QUOTES + _MARKS), after.strip(_QUOTES + _MARKS)
    return text[start:end] if before or is_inside_sentence or after.strip(".") else ""


def _is_quoted_in_part(source: ValueSource) -> bool:
    """Return whether a text is less than the text between the quotes."""
    inner, value = source.words.strip(_QUOTES).strip(), str(source.value)
    return isinstance(source.value, str) and value != inner and value in inner


def _quoted_around(text: str, start: int) -> str:
    """Return the quoted text that begins at a position or right before it; "" where none does."""
    return next((match.group() for match in QUOTED.finditer(text) if match.start() in (start, start - 1)), "")


def _without_values(case: Case, piece: str, start: int) -> str:
    """Return a piece of text without the parts that are other values, and the marks between them."""
    letters = list(piece)
    for source in case.account.sources:
        for index in range(max(0, source.start - start), min(len(piece), source.end - start)):
            letters[index] = " "
    remaining = "".join(letters).replace(" ", "")
    return remaining.strip("/:-–.,") if len(remaining) < len(piece) else remaining


def _loses_figures(source: ValueSource) -> bool:
    """Return whether a text has none of the figures of its words."""
    return bool(re.search(r"\d", source.words)) and not re.search(r"\d", str(source.value))


def unquoted_text(case: Case, source: ValueSource) -> str:
    """Return the text of a value without quotes in the sentence; "" for any other value."""
    if not isinstance(source.value, str) or not 0 <= source.start < source.end:
        return ""
    text = case.text[source.start : source.end]
    return "" if text[:1] in _QUOTES or case.text[source.start - 1 : source.start] in tuple(_QUOTES) else text
