"""Reads conditions that name a field: archived, unassigned, without an owner, merged, name contains web, size is L."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nlapi.planner.condition import Condition, QuestionReading
from nlapi.planner.phrasing import field_stems, field_words, joined, value_word
from nlapi.planner.row_fields import texts_of
from nlapi.planner.language.english.text import Kind
from nlapi.resources.fields import is_empty
from nlapi.resources.naming import STOPWORDS, name_words, stem

_SHORTEST_VERB = 5
"""Letters of a verb that the name of a field may begin with: `assign` of assignee."""
_OPPOSITES = dict(
    pair
    for one, other in (("public", "private"), ("open", "closed"), ("online", "offline"), ("enabled", "disabled"))
    for pair in ((stem(one), stem(other)), (stem(other), stem(one)))
)
_DENYING = ("un", "in", "dis", "non")
_CONTAINS: dict[tuple[str, ...], Callable[[str, str], bool]] = {
    ("contain",): str.__contains__,
    ("match",): str.__contains__,
    ("lik",): str.__contains__,
    ("start", "with"): str.startswith,
    ("begin", "with"): str.startswith,
    ("end", "with"): str.endswith,
}
_SETS = frozenset(("is", "are", "=", "==", ":", "equals", "of"))
_ENDS = frozenset(("or", "and", ",", "?", ".", "in", "of", "by"))
_OPENS = frozenset(("with", "whose", "where", "having", "has", "have"))


def value_condition(path: str, values: Sequence[str], *, denied: bool) -> Condition:
    """Return the condition that a field is one of some values, or with `denied` that it is none of them."""
    wanted = {value.lower() for value in values}
    text = f"{field_words(path)} {'not ' if denied else ''}{joined(map(value_word, values), 'or')}"

    def holds(cell: Any) -> bool:
        return denied is wanted.isdisjoint(text.lower() for text in texts_of(cell))

    return Condition(path=path, text=text, holds=holds)


def flag_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Fields that are so or not: archived, not archived, unarchived, private of a field `public`."""
    for path in filter(reading.fields.is_flag, reading.fields.paths):
        words = field_stems(path)
        if len(words) > 2 or words & reading.noun:
            continue
        for at, token in enumerate(reading.tokens):
            if at in reading.understood or not token.word:
                continue
            run = reading.tokens[at : at + len(words)]
            said = frozenset(one.stem for one in run)
            denied = len(words) == 1 and _denies(token.stem, next(iter(words)))
            if said == words or denied:
                wanted = (not denied) is not reading.is_negated(at)
                reading.take(at, at + len(run) if not denied else at + 1)
                yield _flag(path, wanted)
                break


def _denies(word: str, field: str) -> bool:
    return _OPPOSITES.get(field) == word or any(word == f"{start}{field}" for start in _DENYING)


def _flag(path: str, wanted: bool) -> Condition:
    text = f"{field_words(path)} {'yes' if wanted else 'no'}"
    return Condition(path=path, text=text, holds=lambda cell: (cell is True) is wanted)


def absence_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Without an owner; with no assignee; unassigned; that have a description, of a field that some have not."""
    for at, token in enumerate(reading.tokens):
        none = token.lower in ("without", "no", "missing", "lacking", "empty")
        if at in reading.understood or not token.word:
            continue
        if not none and token.lower not in _OPENS:
            if path := _undone(reading, token.lower):
                reading.take(at, at + 1)
                yield _absence(path, not reading.is_negated(at))
            continue
        first = at + 1
        while first < len(reading.tokens) and reading.tokens[first].lower in ("a", "an", "any", "the"):
            first += 1
        path, last = named_field(reading, first)
        if not path or reading.fields.is_flag(path):
            continue
        some = any(is_empty(cell) or cell == 0 for cell in reading.fields.values(path))
        ends = last >= len(reading.tokens) or reading.tokens[last].lower in _ENDS
        counts = reading.fields.is_numeric(path) and not reading.fields.is_temporal(path)
        if ends and (none or (some and (first > at + 1 or counts))):
            reading.take(at - (at > 0 and reading.tokens[at - 1].lower in _OPENS), last)
            yield _absence(path, none)


def _undone(reading: QuestionReading, word: str) -> str:
    """The field that a word such as `unassigned` says is empty: `assignee`."""
    verb = stem(word.removeprefix("un"))
    if not word.startswith("un") or len(verb) < _SHORTEST_VERB:
        return ""
    paths = (path for path in reading.fields.paths if not reading.fields.is_flag(path))
    return next((path for path in paths if name_words(path.rpartition(".")[2])[0].startswith(verb)), "")


def _absence(path: str, none: bool) -> Condition:
    text = f"{'no ' if none else ''}{field_words(path)}"
    return Condition(path=path, text=text, holds=lambda cell: (is_empty(cell) or cell == 0) is none)


def event_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """What has happened to some of the things, as a time says: merged, of a field `merged_at`."""
    for path in reading.fields.paths:
        words = name_words(path.rpartition(".")[2])
        happened = len(words) == 2 and words[0].endswith("ed") and words[1] in ("at", "on", "date", "time")
        if not happened or not any(map(is_empty, reading.fields.values(path))):
            continue
        for at, token in enumerate(reading.tokens):
            if at not in reading.understood and token.lower.removeprefix("un") == words[0]:
                none = token.lower.startswith("un") is not reading.is_negated(at)
                reading.take(at, at + 1)
                yield _absence(path, none)


def named_field(reading: QuestionReading, first: int) -> tuple[str, int]:
    """Return the field that the free tokens from `first` on name, the longest name first, and where that ends."""
    for last in range(min(first + 3, len(reading.tokens)), first, -1):
        words = [token.stem for token in reading.tokens[first:last]]
        if reading.is_free(first, last) and not set(words) <= reading.noun and (path := reading.fields.path_of(words)):
            return path, last
    return "", first


def text_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Name contains web; title starting with Draft."""
    for at in range(len(reading.tokens)):
        for words, test in _CONTAINS.items():
            own = tuple(reading.tokens[place].stem for place in range(at, min(at + len(words), len(reading.tokens))))
            last = at + len(words)
            if own != words or last >= len(reading.tokens) or not reading.is_free(at, last + 1):
                continue
            if reading.tokens[last].lower in STOPWORDS or reading.tokens[at].stem in reading.noun:
                continue
            path = _field_before(reading, at) or next(iter(reading.fields.paths), "")
            span = next((one for one in reading.sentence.spans if one.first == last and one.kind is Kind.QUOTED), None)
            part = span.text if span is not None else reading.tokens[last].text
            denied = reading.is_negated(at)
            reading.take(at, span.last if span is not None else last + 1)
            yield _part(path, reading.text(at, last), part, test, denied=denied)


def text_in_field_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """'web' in the name."""
    for at, token in enumerate(reading.tokens):
        first = at + 1
        if token.lower != "in" or at == 0 or not reading.is_free(at - 1, at + 1):
            continue
        while first < len(reading.tokens) and reading.tokens[first].lower in ("the", "its", "their"):
            first += 1
        path, last = named_field(reading, first)
        span = next((one for one in reading.sentence.spans if one.last == at and one.kind is Kind.QUOTED), None)
        if path and first > at + 1 and (span is not None or reading.tokens[at - 1].lower not in STOPWORDS):
            start = span.first if span is not None else at - 1
            part = span.text if span is not None else reading.tokens[at - 1].text
            reading.take(start, last)
            yield _part(path, "contains", part, str.__contains__, denied=reading.is_negated(start))


def _field_before(reading: QuestionReading, at: int) -> str:
    for first in range(max(0, at - 3), at):
        path, last = named_field(reading, first)
        if path and last == at:
            reading.take(first - (first > 0 and reading.tokens[first - 1].lower in _OPENS), at)
            return path
    return ""


def _part(path: str, verb: str, part: str, test: Callable[[str, str], bool], *, denied: bool) -> Condition:
    lower = part.lower()
    return Condition(
        path=path,
        text=f"{field_words(path)} {'not ' if denied else ''}{verb} {part}",
        holds=lambda cell: any(test(text.lower(), lower) for text in texts_of(cell)) is not denied,
    )


def unknown_value_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Severity is blue, of things none of which is: what is set by `is` or behind `with` is a condition too."""
    for at in range(len(reading.tokens)):
        path, last = named_field(reading, at)
        if not path or reading.fields.is_numeric(path) or reading.fields.is_temporal(path):
            continue
        opened = at > 0 and reading.tokens[at - 1].lower in _OPENS
        after = last
        while after < len(reading.tokens) and reading.tokens[after].lower in (*_SETS, "not"):
            after += 1
        if after >= len(reading.tokens) or not (after > last or opened) or not reading.is_free(after, after + 1):
            continue
        token = reading.tokens[after]
        if not token.word or token.lower in STOPWORDS or reading.fields.path_of([token.stem]):
            continue
        span = next((one for one in reading.sentence.spans if one.first == after and one.kind is Kind.QUOTED), None)
        denied = any(one.lower == "not" for one in reading.tokens[last:after])
        reading.take(at - opened, span.last if span is not None else after + 1)
        yield value_condition(path, (span.text if span is not None else token.text,), denied=denied)
