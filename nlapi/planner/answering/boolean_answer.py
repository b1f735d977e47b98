"""Answers a question for yes or no: about items that it names, by their fields, or by how many items there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nlapi.english.words import split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.client_filter import FilteredItems
from nlapi.planner.answering.conditions import NEGATIONS, Condition
from nlapi.planner.answering.list_question import ListQuestion
from nlapi.planner.answering.row_fields import field_stems, field_words, full_item_label, join_words, texts_of
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.question_intent import is_yes_no_question
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, field_at, fields_of, id_of, is_empty, name_of, text_of
from nlapi.resources.naming import STOPWORDS
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.tool import Call
from nlapi.tools.value_format import format_value

_SUFFIX_STEMS = frozenset(("by",))
_ALTERNATIVE = re.compile(r"\bor\b", re.IGNORECASE)


def count_verdict(question: ListQuestion, count: int | None) -> str:
    """Return Yes or No by what the question says of the number of items; "" where it says nothing or cannot be told."""
    is_counted = question.is_whole or question.has_total
    if question.bound is None or count is None or question.filtered.unapplied or not is_counted:
        return ""
    return "Yes" if question.bound.holds(count) else "No"


def named_items(question: ListQuestion) -> list[Item]:
    """Return the listed items whose names or ids stand in the question."""
    words, text = singular_noun(question.call.tool.operation), question.text.lower()
    return [
        item
        for item in question.fields.items
        if ((name := name_of(item, words).lower()) and name in text) or _has_word(text, str(id_of(item) or "").lower())
    ]


def _has_word(text: str, id: str) -> bool:
    """Return whether an id stands in a text; one of digits alone may as well be a number."""
    return not id.isdigit() and bool(id) and re.search(rf"(?<![\w-]){re.escape(id)}(?![\w-])", text) is not None


def about_item(question: ListQuestion, item: Item) -> ListQuestion:
    """Return a question about listed items as one about `item`, without what only names it."""
    name = name_of(item, singular_noun(question.call.tool.operation))
    conditions = tuple(condition for condition in question.filtered.conditions if not _is_name(condition, item, name))
    unapplied = tuple(text for text in question.filtered.unapplied if text.lower() not in name.lower())
    return replace(question, filtered=FilteredItems(items=(item,), conditions=conditions, unapplied=unapplied))


def compared_items(question: ListQuestion, item: Item) -> FilteredItems:
    """Return the items that `item` is compared with: those that the question is about, whatever their name is."""
    name = name_of(item, singular_noun(question.call.tool.operation))
    conditions = tuple(condition for condition in question.filtered.conditions if not _is_name(condition, item, name))
    pairs = zip(question.fields.items, question.fields.rows, strict=True)
    items = tuple(entry for entry, row in pairs if all(condition.holds_in(row) for condition in conditions))
    return replace(question.filtered, items=items, conditions=conditions)


def _is_name(condition: Condition, item: Item, name: str) -> bool:
    """Return whether a condition is that an item is called what it is called."""
    if not condition.path:
        return bool(name) and name.lower() in condition.text.lower()
    value = field_at(item, condition.path)
    return value == id_of(item) or name in texts_of(value)


def items_verdict(question: ListQuestion, items: Sequence[Item]) -> str:
    """Return `Yes: ...` or `No: ...` to a question about all of `items`; "" where it cannot be told of each."""
    verdicts = [item_verdict(about_item(question, item)) for item in items]
    if len(items) > 1 and _ALTERNATIVE.search(question.text):
        return ""
    denied = next((text for text in verdicts if text.startswith("No")), "")
    if denied or not all(verdicts) or len(items) == 1:
        return denied or ("" if not all(verdicts) else verdicts[0])
    return f"Yes: {join_words([text.removeprefix('Yes: ').rstrip('.') for text in verdicts])}."


def item_verdict(question: ListQuestion) -> str:
    """Return `Yes: ...` or `No: ...` to a question about one item, by the field that it is about; "" where none tells.

    A field tells only where it, and what the request applied, is all that the question says.
    """
    (item,), (row,), operation = question.selected.items, question.selected.rows, question.call.tool.operation
    if not is_yes_no_question(question.text) or question.compares or _has_guess(question, row):
        return ""
    conditions = [condition for condition in question.filtered.conditions if condition.path]
    silent = {*STOPWORDS, *map(stem, split_words(name_of(item))), *map(stem, noun_of(operation))}
    unexplained = {stem(word) for text in question.filtered.unapplied for word in split_words(text)} - silent
    # Conditions know what a negation denies, single words do not: is it not paused?
    stems = frozenset() if NEGATIONS & set(question.text.lower().split()) else question.intent.words - silent
    for evidence in _evidence(operation, item, stems, _identity(question.call, item)):
        others = [condition for condition in conditions if condition.path != evidence.path]
        # That a field is set is no answer to whether it is over a bound.
        if not unexplained <= evidence.stems or (evidence.is_presence and len(others) < len(conditions)):
            continue
        if evidence.answer and others:
            return _condition_verdict(question, item, others)
        return _sentence(evidence.answer, operation, item, evidence.path, evidence.value)
    return "" if unexplained or not conditions else _condition_verdict(question, item, conditions)


def _has_guess(question: ListQuestion, row: dict[str, Any]) -> bool:
    """Return whether a condition may be about something else than a field: active [last week], [in Berlin]."""
    return any(
        not (field_stems(condition.path) & question.intent.words or not question.fields.is_temporal(condition.path))
        if condition.path
        else not condition.holds_in(row)
        for condition in question.filtered.conditions
    )


def _condition_verdict(question: ListQuestion, item: Item, conditions: Sequence[Condition]) -> str:
    """Return `Yes: ...` or `No: ...` by the conditions that a question sets on one item."""
    (row,), operation = question.selected.rows, question.call.tool.operation
    failed = [condition for condition in conditions if not condition.holds(row.get(condition.path))]
    path = (failed or conditions)[0].path
    return _sentence(not failed, operation, item, path, row.get(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """A field that answers a question with yes or no, and the stems of the question that it is about."""

    path: str
    value: object
    answer: bool
    stems: frozenset[str]
    is_presence: bool = False
    """whether it answers by being set at all"""


def _evidence(
    operation: Operation, item: Item, stems: frozenset[str], identity: Collection[str]
) -> Iterator[_Evidence]:
    """Yield the fields that the stems of a question are about, the most certain first."""
    fields = {path: text_of(value) or value for path, value in fields_of(item).items()}
    fields = {path: value for path, value in fields.items() if str(value).lower() not in identity}
    # A boolean, the value, another value of the enum, a field that is set.
    for path, value in fields.items():
        if isinstance(value, bool) and field_stems(path) & stems:
            yield _Evidence(path=path, value=value, answer=value, stems=field_stems(path))
    for path, value in fields.items():
        if isinstance(value, str) and (words := _words_of_value(value, stems)):
            yield _Evidence(path=path, value=value, answer=True, stems=words | field_stems(path))
    for path, value in fields.items():
        choices = _other_choices(operation, path, value) if isinstance(value, str) else ()
        for words in filter(None, (_words_of_value(choice, stems) for choice in choices)):
            yield _Evidence(path=path, value=value, answer=False, stems=words | field_stems(path))
    for path, value in fields.items():
        words = field_stems(path) - _SUFFIX_STEMS  # silenced, of a field `silencedBy`
        if words and words <= stems:
            answer = not is_empty(value) and bool(value)
            yield _Evidence(path=path, value=value, answer=answer, stems=words, is_presence=True)


def _identity(call: Call, item: Item) -> frozenset[str]:
    """Return the values by which an item was found, which say nothing more of it, in lower case."""
    in_path = (value for name, value in call.arguments.items() if call.tool.places.get(name, ("",))[0] == "path")
    return frozenset(str(value).lower() for value in (name_of(item), id_of(item), *in_path))


def _words_of_value(value: str, stems: frozenset[str]) -> frozenset[str]:
    """Return the stems of a question that are a value or its synonyms; none where a word of the value is not there."""
    words = set(map(stem, split_words(value)))
    matches = [stems & SYNONYMS.get(word, frozenset((word,))) for word in words]
    return frozenset().union(*matches) if 0 < len(words) <= 3 and all(matches) else frozenset()


def _other_choices(operation: Operation, path: str, value: str) -> Iterator[str]:
    """Yield the other values that the field may have by its schema."""
    listed: Any = (field_schema(operation, path) or {}).get("enum")
    yield from (choice for choice in listed or () if isinstance(choice, str) and choice != value)


def _sentence(yes: bool, operation: Operation, item: Item, path: str, value: object) -> str:
    """Return the answer with the field that gives it: `Yes: the campaign Summer Sale has status ACTIVE.`"""
    name = full_item_label(operation, item)
    subject = f"{'Yes' if yes else 'No'}: {name[0].lower()}{name[1:]} has"
    if is_empty(value):
        return f"{subject} no {field_words(path)}."
    value_text = f"{len(value)} of them" if isinstance(value, list) else format_value(operation, path, value, item)
    return f"{subject} {field_words(path)} {value_text}."
