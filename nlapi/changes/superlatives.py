"""Finds the one item of a list that the user names by a superlative: the largest file, the team with most users."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nlapi.changes.mentions import Mention
from nlapi.changes.sentences import opening_length
from nlapi.english.words import name_words, singular, stem

_SIZES = frozenset(map(stem, "size bytes filesize".split()))
_PRICES = frozenset(map(stem, "price cost fare".split()))
# A superlative -> whether it is the greatest, and the words of the fields that it may be about; none for a date.
_ADJECTIVES = {
    "largest": (True, _SIZES),
    "biggest": (True, _SIZES),
    "smallest": (False, _SIZES),
    "cheapest": (False, _PRICES),
    "most expensive": (True, _PRICES),
    "newest": (True, frozenset[str]()),
    "latest": (True, frozenset[str]()),
    "most recent": (True, frozenset[str]()),
    "oldest": (False, frozenset[str]()),
    "earliest": (False, frozenset[str]()),
}
_DEGREES = {"highest": True, "greatest": True, "most": True, "lowest": False, "fewest": False, "least": False}
# Words of a field that counts others: num_members, member_count.
_COUNT_WORDS = frozenset(map(stem, "num number count total of".split()))
_ARTICLE = r"(?:the|my|our)"
_BARE = re.compile(rf"\b{_ARTICLE} (?P<word>{'|'.join(_ADJECTIVES)}) (?P<kind>[a-z]+)\b", re.IGNORECASE)
_WITH_FIELD = re.compile(
    rf"\b(?:{_ARTICLE}|an?) (?P<kind>[a-z]+) with the (?P<word>{'|'.join(_DEGREES)}) (?P<field>[a-z]+)\b", re.IGNORECASE
)
# What may stand behind: the end, a new value, another command. Any other word may narrow what is meant.
_END = re.compile(r"\s*(?:$|[.,;!?]|(?:and|then|to|as)\b)")
_PLACE = re.compile(r"\s+(?:in|on|of|from) (?:the|my|our) (?P<word>[a-z]+)", re.IGNORECASE)
# Words before that may narrow it: in the folder reports, delete the largest file.
_NARROWING = re.compile(
    r"\b(?:in|of|from|for|on|at|with|by|under|over|among|except|but|other|second|third|last|next|\d\w*)\b",
    re.IGNORECASE,
)
MAX_ITEMS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Superlative:
    """The greatest, or the least, of a kind by a field; `fields` are stems of its name, () for a date."""

    kind: str
    is_greatest: bool
    fields: frozenset[str]
    mention: Mention


def find_superlatives(text: str, api_words: Iterable[str]) -> Iterator[Superlative]:
    """Yield the superlatives of a sentence that nothing else narrows; `api_words` may stand for the whole API."""
    stems = frozenset(map(stem, api_words))
    for pattern in (_BARE, _WITH_FIELD):
        for match in pattern.finditer(text):
            place = _PLACE.match(text, match.end())
            end = place.end() if place is not None and stem(place["word"].lower()) in stems else match.end()
            start = opening_length(text) if opening_length(text) <= match.start() else 0
            clause = re.split(r"[.;!?]\s|\n", text[start : match.start()])[-1]
            if not _END.match(text, end) or _NARROWING.search(clause):
                continue
            word, groups = match["word"].lower(), match.groupdict()
            is_greatest, fields = (
                (_DEGREES[word], frozenset((stem(singular(groups["field"].lower())),)))
                if groups.get("field")
                else _ADJECTIVES[word]
            )
            # The kind stays a word of its own, by which the change is about it.
            begin, stop = match.start("word"), match.end("field" if groups.get("field") else "word")
            mention = Mention(words=text[begin:stop], start=begin, end=stop)
            yield Superlative(
                kind=singular(match["kind"].lower()), is_greatest=is_greatest, fields=fields, mention=mention
            )


def find_extreme(items: Sequence[Mapping[str, object]], superlative: Superlative) -> Mapping[str, object] | None:
    """Return the item that alone is the greatest or the least; None for a tie, and where the field is not clear.

    Exactly one field of the items fits, and each item has it.
    """
    if not 0 < len(items) <= MAX_ITEMS:
        return None
    names = [str(name) for name in items[0] if _is_field(str(name), items[0][name], superlative.fields)]
    if len(names) != 1:
        return None
    values = [_measure(item.get(names[0]), superlative.fields) for item in items]
    measured = [value for value in values if value is not None]
    if len(measured) != len(items):
        return None
    extreme = max(measured) if superlative.is_greatest else min(measured)
    return items[measured.index(extreme)] if measured.count(extreme) == 1 else None


def _is_field(name: str, value: object, fields: frozenset[str]) -> bool:
    if _measure(value, fields) is None:
        return False
    return not fields or {stem(singular(word)) for word in name_words(name)} - _COUNT_WORDS <= fields


def _measure(value: object, fields: frozenset[str]) -> float | None:
    """Return a value as a number: a date in seconds where no field is named, the length of a list, a number."""
    if not fields:
        return _seconds(value)
    if isinstance(value, list):
        return float(len(value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    # Without an offset from UTC all are compared as they stand.
    return (moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta()) - datetime.min).total_seconds()
