"""Answers yes or no: whether a thing is what a question asks about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.phrasing import field_stems, field_words, label
from nlapi.planner.language.english.lexicon import SYNONYMS
from nlapi.planner.language.english.question_intent import Wish
from nlapi.resources.answers import field_schema
from nlapi.resources.fields import Thing, fields_of, is_empty, text_of
from nlapi.resources.identity import id_of, name_of
from nlapi.resources.naming import pieces, stem
from nlapi.resources.nouns import noun_of
from nlapi.tools.display import format_value

_LITTLE = frozenset(("by",))


def boolean_answer(wish: Wish, operation: Operation, thing: Thing) -> str:
    """Return `Yes: ...` or `No: ...` by the field that a question is about; "" when none of the fields tells."""
    asked = wish.words - set(map(stem, pieces(name_of(thing)))) - set(map(stem, noun_of(operation)))
    identity = (name_of(thing), id_of(thing))
    fields = {path: text_of(value) or value for path, value in fields_of(thing).items()}
    fields = {path: value for path, value in fields.items() if value not in identity}
    for path, value in fields.items():
        if isinstance(value, bool) and field_stems(path) & asked:
            return _sentence(value, operation, thing, path, value)
    for path, value in fields.items():
        if isinstance(value, str) and _means(value, asked):
            return _sentence(True, operation, thing, path, value)
    for path, value in fields.items():
        if isinstance(value, str) and any(_means(other, asked) for other in _others(operation, path, value)):
            return _sentence(False, operation, thing, path, value)
    for path, value in fields.items():
        words = field_stems(path) - _LITTLE  # silenced, of a field `silencedBy`
        if words and words <= asked:
            return _sentence(not is_empty(value) and bool(value), operation, thing, path, value)
    return ""


def _means(value: str, asked: frozenset[str]) -> bool:
    """Whether the question says the value, or a word that means it."""
    words = set(map(stem, pieces(value)))
    return 0 < len(words) <= 3 and all(asked & SYNONYMS.get(word, frozenset((word,))) for word in words)


def _others(operation: Operation, path: str, value: str) -> Iterator[str]:
    """What else the field might have been, by its schema."""
    listed: Any = (field_schema(operation, path) or {}).get("enum")
    yield from (one for one in listed or () if isinstance(one, str) and one != value)


def _sentence(yes: bool, operation: Operation, thing: Thing, path: str, value: Any) -> str:
    name = label(operation, thing)
    if is_empty(value):
        return f"No: {name[0].lower()}{name[1:]} has no {field_words(path)}."
    what = f"{len(value)} of them" if isinstance(value, list) else format_value(operation, path, value, thing)
    return f"{'Yes' if yes else 'No'}: {name[0].lower()}{name[1:]} has {field_words(path)} {what}."
