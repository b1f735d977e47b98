"""Applies what a question asks of the things of a list and the API was not asked: conditions, order, the first few."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.answering.conditions import FILLER, Condition, QuestionReading, bound_conditions
from nlapi.planner.answering.field_conditions import mention_conditions, named_field, value_conditions
from nlapi.planner.answering.row_fields import RowFields
from nlapi.planner.language.dates import find_dates
from nlapi.planner.language.english import foreign
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.numbers import find_numbers
from nlapi.planner.language.question_intent import Wish
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.language.text import Kind
from nlapi.planner.slots.entities import ID_WORDS
from nlapi.resources.identity import Item
from nlapi.resources.naming import STOPWORDS, VERBS, Intent, split_words, stem
from nlapi.resources.nouns import noun_of
from nlapi.tools.tool import Call

_PREDICATES = frozenset(("up", "down", "on", "off", "out"))
_COPULAS = frozenset(("is", "are", "was", "were"))
"""Which servers are up? A little word at the end says how something is."""

_INTRODUCING = frozenset(
    "under over above below since before after until by in from with without near like for at least most than of more "
    "less fewer between on to".split()
)
"""What leads to a condition, and is quoted with one that was not applied."""

_PER_TIME = re.compile(r"\b(?:per|a|each|every)\s+(?:hour|day|week|month|year)\b", re.IGNORECASE)
_INCLUDED = re.compile(
    r"\b(?:including|incl\.?|also|even|as well as)\s+(?:(?:the|those|all|any)\s+)*[\w-]+(?:\s+ones)?"
    r"|\b[\w-]+\s+or\s+(?:not|otherwise)\b",
    re.IGNORECASE,
)
"""What is wanted besides the rest, and so limits nothing: including stopped ones, running or not."""
_AUXILIARY = re.compile(
    r"\b(?:do|does|did|can|could)\s+(?:i|we|you|they|it|there|(?:the|my|our|all)\s+\w+)\s+(?!not\b)"
    r"(?:all\s+|currently\s+)?(\w+)",
    re.IGNORECASE,
)
_SCALES = (1, 100, 1_000, 1_000_000)
"""How many of an amount on the wire may be one of what people say: cents, milliseconds, micros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """The things that a question is about. `unapplied` is what it says that nothing could be applied of.

    `named` are fields that it names without a condition on them.
    """

    things: tuple[Item, ...]
    conditions: tuple[Condition, ...] = ()
    unapplied: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the things have in common, in words."""
        return " and ".join(condition.text for condition in self.conditions)


def filter_things(
    question: str,
    wish: Wish,
    fields: RowFields,
    call: Call,
    *,
    applied: Sequence[str],
    taken: Sequence[str],
    today: date,
) -> Filtered:
    """Return those of the things that a question is about.

    `applied` are texts of the question that the request or a look-up took care of, `taken` those that say by what the
    answer is grouped, ordered or compared.
    """
    sentence = read_sentence(question, today)
    noun = frozenset(map(stem, noun_of(call.tool.operation)))
    reading = QuestionReading(sentence=sentence, fields=fields, noun=noun)
    for start, end in wish.spans:
        reading.take_text(start, end)
    for text in (*taken, *applied):
        _take_said(reading, text)
    _take_arguments(reading, call)
    for found in _INCLUDED.finditer(sentence.text):
        reading.take_text(*found.span())
    conditions = (*bound_conditions(reading), *value_conditions(reading))
    if not foreign(sentence):
        conditions = (*conditions, *mention_conditions(reading, _operation_words(call.tool.operation)))
    rows = zip(fields.things, fields.rows, strict=True)
    things = tuple(thing for thing, row in rows if all(one.holds_in(row) for one in conditions))
    named = tuple(_named_fields(reading))
    unapplied = () if foreign(sentence) else tuple(_left_over(reading, call.tool.operation))
    return Filtered(things=things, conditions=conditions, unapplied=unapplied, named=named)


def _take_said(reading: QuestionReading, text: str) -> None:
    """Mark a text of the question, as it stands there or word by word."""
    at = reading.sentence.text.lower().find(text.lower()) if text else -1
    if at >= 0:
        reading.take_text(at, at + len(text))
    elif text:
        reading.take_words(split_words(text))


def _take_arguments(reading: QuestionReading, call: Call) -> None:
    """Mark what the arguments of the request say: their values, and the words of their names."""
    names: set[str] = set()
    for name, value in _leaves(call.arguments):
        if value is True and _is_default(call, name):
            continue
        words = split_words(name.rpartition(".")[2])
        if stem(words[-1]) in ID_WORDS:
            reading.take_words(words[:-1])
        names |= {stem(word) for word in words if word not in ("is", "has")}
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, bool):
                if any(cell is not one for path in _flags(reading, name) for cell in reading.fields.values(path)):
                    # A field of this name tells them apart, so that the argument has not.
                    reading.understood -= {at for at, token in enumerate(reading.tokens) if token.stem in names}
                    continue
                reading.take_words([word for word in split_words(name) if word not in ("is", "has", "include", "only")])
            elif isinstance(one, int | float):
                _take_number(reading, one)
            elif isinstance(one, str):
                _take_value(reading, one)
    for at, token in enumerate(reading.tokens):
        if token.stem in names and any(place in reading.understood for place in (at - 1, at + 1, at + 2)):
            reading.take(at, at + 1)


def _flags(reading: QuestionReading, name: str) -> Iterator[str]:
    """The fields of this name that are so or not in all things."""
    return (path for path in reading.fields.paths if path == name and reading.fields.is_flag(path))


def _is_default(call: Call, name: str) -> bool:
    """Whether a flag that is set is set by default, so that the request is none the narrower for it."""
    schema = call.tool.input_schema.get("properties", {}).get(name, {})
    return schema.get("default") is True


def _leaves(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in _leaves(value))
        else:
            yield name, value


def _take_number(reading: QuestionReading, amount: float) -> None:
    for number in find_numbers(reading.sentence.text):
        if any(abs(number.value * scale - amount) < 1e-9 for scale in _SCALES):
            reading.take_text(number.start, number.end)


def _take_value(reading: QuestionReading, value: str) -> None:
    """Mark the words of a value, the days that it is, or words that mean the same: `running` of ACTIVE."""
    for found in find_dates(reading.sentence.text, reading.sentence.today):
        days = found.value if isinstance(found.value, tuple) else (found.value,)
        if any(str(day)[:10] in value for day in days):
            reading.take_text(found.start, found.end)
    if reading.take_words(split_words(value)) or not value:
        return
    words = [stem(piece) for piece in split_words(value)]
    meant = [
        at for at, token in enumerate(reading.tokens) if any(token.stem in SYNONYMS.get(word, ()) for word in words)
    ]
    if words and len(words) <= 2:
        reading.understood.update(meant)


def _named_fields(reading: QuestionReading) -> Iterator[str]:
    """The fields that the words which are left name: the name and the status of the zones."""
    at = 0
    while at < len(reading.tokens):
        path, last = named_field(reading, at) if reading.tokens[at].word else ("", at)
        if path and not all(_is_filler(reading, place) for place in range(at, last)):
            reading.take(at, last)
            yield path
        at = max(last, at + 1)


def _left_over(reading: QuestionReading, operation: Operation) -> Iterator[str]:
    """What nothing has understood of a question: words in a row are one, with the little words that lead to them."""
    words = _operation_words(operation)
    for found in _AUXILIARY.finditer(reading.sentence.text):
        reading.take_text(found.start(1), found.end(1))
    for found in _PER_TIME.finditer(reading.sentence.text):
        reading.take_text(*found.span())
    dull = [
        at in reading.understood
        or (not reading.is_quoted(at, at + 1) and (not token.word or token.stem in words or _is_filler(reading, at)))
        for at, token in enumerate(reading.tokens)
    ]
    first: int | None = None
    for at in range(len(reading.tokens) + 1):
        open_here = at < len(reading.tokens) and not dull[at]
        if open_here and first is None:
            first = at
        elif not open_here and first is not None:
            while first > 0 and first - 1 not in reading.understood and reading.tokens[first - 1].lower in _INTRODUCING:
                first -= 1
            yield reading.text(first, at)
            first = None


def _is_filler(reading: QuestionReading, at: int) -> bool:
    """Whether a word sets no condition: little words, verbs that ask to be shown something, the verb that opens it."""
    token = reading.tokens[at]
    if any(
        span.kind in (Kind.QUOTED, Kind.LITERAL) and span.first <= at < span.last for span in reading.sentence.spans
    ):
        return False
    after = reading.tokens[at + 1] if at + 1 < len(reading.tokens) else None
    if token.lower in _PREDICATES and at and reading.tokens[at - 1].lower in _COPULAS:
        return after is not None and after.word and after.lower not in ("and", "or")
    return token.lower in STOPWORDS or token.stem in FILLER or VERBS.get(token.stem) is Intent.READ


def _operation_words(operation: Operation) -> frozenset[str]:
    """The stems of what an operation and its API are called."""
    said = (operation.id, operation.summary, operation.path, operation.spec.title, *operation.tags)
    return frozenset(map(stem, (piece for text in said for piece in split_words(text))))
