"""Filters listed items by the conditions of a question that the request did not apply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from nlapi.english.lexicon import words
from nlapi.english.words import split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.conditions import Condition, QuestionReading, bound_conditions
from nlapi.planner.answering.field_conditions import find_field, mention_conditions, value_conditions
from nlapi.planner.answering.row_fields import RowFields
from nlapi.planner.language.dates import find_dates
from nlapi.planner.language.english import foreign_language
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.numbers import find_numbers, is_compared
from nlapi.planner.language.question_intent import QuestionIntent
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.language.text import FILLER_STEMS, MentionKind
from nlapi.planner.slots.entities import ID_WORDS
from nlapi.resources.identity import Item
from nlapi.resources.naming import STOPWORDS, VERBS, Intent
from nlapi.resources.nouns import noun_of
from nlapi.resources.paging import PageRole, page_parameters
from nlapi.tools.tool import Call

# A little word at the end says a state: which servers are up?
_PREDICATES = frozenset(("up", "down", "on", "off", "out"))
_COPULAS = frozenset(("is", "are", "was", "were"))

_INTRODUCING = words("planner/answering/words", "introducing")

_PER_TIME = re.compile(r"\b(?:per|a|each|every)\s+(?:hour|day|week|month|year)\b", re.IGNORECASE)
# Items that are asked for besides the rest limit nothing: including stopped ones, running or not.
_INCLUDED = re.compile(
    r"\b(?:including|incl\.?|also|even|as well as)\s+(?:(?:the|those|all|any)\s+)*[\w-]+(?:\s+ones)?"
    r"|\b[\w-]+\s+or\s+(?:not|otherwise)\b",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"\b(?:do|does|did|can|could)\s+(?:i|we|you|they|it|there|(?:the|my|our|all)\s+\w+)\s+(?!not\b)"
    r"(?:all\s+|currently\s+)?(\w+)",
    re.IGNORECASE,
)
_SCALES = (1, 100, 1_000, 1_000_000)  # of units on the wire to those that people say: cents, milliseconds, micros


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredItems:
    """The items that a question is about. `unapplied` are texts of it that set a condition which was not applied.

    `fields` are those that it names without a condition on them, `requested` the places of the words that the request
    applied.
    """

    items: tuple[Item, ...]
    conditions: tuple[Condition, ...] = ()
    unapplied: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    requested: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The conditions in words."""
        return " and ".join(condition.text for condition in self.conditions)


def filter_items(
    question: str,
    intent: QuestionIntent,
    fields: RowFields,
    call: Call,
    *,
    applied: Sequence[str],
    structural: Sequence[str],
    today: date,
) -> FilteredItems:
    """Return the items that a question is about.

    `applied` are texts of the question that the request or a look-up applied already, `taken` those that group, order
    or compare.
    """
    sentence = read_sentence(question, today)
    noun = frozenset(map(stem, noun_of(call.tool.operation)))
    reading = QuestionReading(sentence=sentence, fields=fields, noun=noun)
    for start, end in intent.spans:
        reading.mark_text(start, end)
    for text in structural:
        _mark_text(reading, text)
    others = set(reading.understood)
    for text in applied:
        _mark_text(reading, text)
    _mark_arguments(reading, call)
    requested = tuple(reading.tokens[at].start for at in sorted(reading.understood - others))
    for match in _INCLUDED.finditer(sentence.text):
        reading.mark_text(*match.span())
    conditions = (*_located(reading, bound_conditions(reading)), *_located(reading, value_conditions(reading)))
    if not foreign_language(sentence):
        mentions = mention_conditions(reading, _operation_words(call.tool.operation))
        conditions = (*conditions, *_located(reading, mentions))
    rows = zip(fields.items, fields.rows, strict=True)
    items = tuple(item for item, row in rows if all(condition.holds_in(row) for condition in conditions))
    named_paths = tuple(_field_names(reading))
    unapplied = () if foreign_language(sentence) else tuple(_unapplied_texts(reading, call.tool.operation))
    return FilteredItems(
        items=items, conditions=conditions, unapplied=unapplied, fields=named_paths, requested=requested
    )


def _located(reading: QuestionReading, conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield conditions with the place of the first word that each marks as understood."""
    before = set(reading.understood)
    for condition in conditions:
        marked = reading.understood - before
        yield replace(condition, start=reading.tokens[min(marked)].start) if marked else condition
        before = set(reading.understood)


def _mark_text(reading: QuestionReading, text: str) -> None:
    """Mark a text of the question, as it stands there or word by word."""
    at = reading.sentence.text.lower().find(text.lower()) if text else -1
    if at >= 0:
        reading.mark_text(at, at + len(text))
    elif text:
        reading.mark_words(split_words(text))


def _mark_arguments(reading: QuestionReading, call: Call) -> None:
    """Mark the values of the arguments of the request, and the words of their names."""
    names: set[str] = set()
    sizes = {parameter.name for parameter in page_parameters(call.tool.operation) if parameter.role is PageRole.SIZE}
    for name, value in _leaves(call.arguments):
        if value is True and _is_default(call, name):
            continue
        name_words = split_words(name.rpartition(".")[2])
        if stem(name_words[-1]) in ID_WORDS:
            reading.mark_words(name_words[:-1])
        names |= {stem(word) for word in name_words if word not in ("is", "has")}
        for entry in value if isinstance(value, list) else (value,):
            if isinstance(entry, bool):
                if any(cell is not entry for path in _flags(reading, name) for cell in reading.fields.values(path)):
                    # The items differ in a field of this name, so the argument did not filter by it.
                    reading.understood -= {at for at, token in enumerate(reading.tokens) if token.stem in names}
                    continue
                reading.mark_words([word for word in split_words(name) if word not in ("is", "has", "include", "only")])
            elif isinstance(entry, int | float):
                _mark_number(reading, entry, is_size=call.tool.places.get(name, ("", name))[1] in sizes)
            elif isinstance(entry, str):
                _mark_value(reading, entry)
    for at, token in enumerate(reading.tokens):
        if token.stem in names and any(position in reading.understood for position in (at - 1, at + 1, at + 2)):
            reading.mark(at, at + 1)


def _flags(reading: QuestionReading, name: str) -> Iterator[str]:
    """Return the boolean fields of this name."""
    return (path for path in reading.fields.paths if path == name and reading.fields.is_flag(path))


def _is_default(call: Call, name: str) -> bool:
    """Return whether a flag is true by default, so that it does not narrow the request."""
    schema = call.tool.input_schema.get("properties", {}).get(name, {})
    return schema.get("default") is True


def _leaves(arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", inner_value) for inner, inner_value in _leaves(value))
        else:
            yield name, value


def _mark_number(reading: QuestionReading, amount: float, *, is_size: bool) -> None:
    """Mark the numbers that are an argument; the length of a page is none that something is more or less than."""
    text = reading.sentence.text
    for number in find_numbers(text):
        if is_size and is_compared(text, number.start):
            continue
        if any(abs(number.value * scale - amount) < 1e-9 for scale in _SCALES):
            reading.mark_text(number.start, number.end)


def _mark_value(reading: QuestionReading, value: str) -> None:
    """Mark the words of a value, the days that it is, or its synonyms: `running` of ACTIVE."""
    for moment in find_dates(reading.sentence.text, reading.sentence.today):
        days = moment.value if isinstance(moment.value, tuple) else (moment.value,)
        if any(str(day)[:10] in value for day in days):
            reading.mark_text(moment.start, moment.end)
    if reading.mark_words(split_words(value)) or not value:
        return
    value_stems = [stem(piece) for piece in split_words(value)]
    positions = [
        at
        for at, token in enumerate(reading.tokens)
        if any(token.stem in SYNONYMS.get(word, ()) for word in value_stems)
    ]
    # A value of more words is a text, whose single words are no synonyms of the question's.
    if value_stems and len(value_stems) <= 2:
        reading.understood.update(positions)


def _field_names(reading: QuestionReading) -> Iterator[str]:
    """Yield the fields that words not yet understood name: the name and the status of the zones."""
    at = 0
    while at < len(reading.tokens):
        path, last = find_field(reading, at) if reading.tokens[at].word else ("", at)
        if path and not all(_is_filler(reading, position) for position in range(at, last)):
            reading.mark(at, last)
            yield path
        at = max(last, at + 1)


def _unapplied_texts(reading: QuestionReading, operation: Operation) -> Iterator[str]:
    """Yield the texts of a question that nothing has understood, with the little words that lead to them."""
    operation_words = _operation_words(operation)
    for match in _AUXILIARY.finditer(reading.sentence.text):
        reading.mark_text(match.start(1), match.end(1))
    for match in _PER_TIME.finditer(reading.sentence.text):
        reading.mark_text(*match.span())
    ignored = [
        at in reading.understood
        or (
            not reading.is_quoted(at, at + 1)
            and (not token.word or token.stem in operation_words or _is_filler(reading, at))
        )
        for at, token in enumerate(reading.tokens)
    ]
    first: int | None = None
    for at in range(len(reading.tokens) + 1):
        open_here = at < len(reading.tokens) and not ignored[at]
        if open_here and first is None:
            first = at
        elif not open_here and first is not None:
            while first > 0 and first - 1 not in reading.understood and reading.tokens[first - 1].lower in _INTRODUCING:
                first -= 1
            yield reading.text(first, at)
            first = None


def _is_filler(reading: QuestionReading, at: int) -> bool:
    """Return whether a word sets no condition: little words and verbs of reading."""
    token = reading.tokens[at]
    if any(
        mention.kind in (MentionKind.QUOTED, MentionKind.LITERAL) and mention.first <= at < mention.last
        for mention in reading.sentence.mentions
    ):
        return False
    after = reading.tokens[at + 1] if at + 1 < len(reading.tokens) else None
    if token.lower in _PREDICATES and at and reading.tokens[at - 1].lower in _COPULAS:
        return after is not None and after.word and after.lower not in ("and", "or")
    return token.lower in STOPWORDS or token.stem in FILLER_STEMS or VERBS.get(token.stem) is Intent.READ


def _operation_words(operation: Operation) -> frozenset[str]:
    """Return the stems of the names of an operation, its summary, path and tags, and of its API."""
    texts = (operation.id, operation.summary, operation.path, operation.spec.title, *operation.tags)
    return frozenset(map(stem, (piece for text in texts for piece in split_words(text))))
