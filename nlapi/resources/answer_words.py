"""Collects the words of the answers of an operation: the names of their fields and the values of closed choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.resources.naming import split_words, stem

Stems = tuple[str, ...]
# Levels of objects: `spec.template.spec` of Kubernetes is the third. Deeper words are seldom about the item itself.
_MAX_WORD_DEPTH = 3
# Fields that are read, so that the recursive schemas of Kubernetes and Stripe cost no more than others.
_MAX_FIELDS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """The stems of the words in the description of what an operation answers, or of each entry that it lists.

    `fields` are the names of its fields and `values` the choices of these, `inner` the names of the fields of objects
    in it; `all` has every word, also of inner fields.
    """

    fields: frozenset[Stems]
    values: frozenset[Stems]
    inner: frozenset[Stems]
    all: frozenset[str]

    def names_field(self, stems: Stems) -> bool:
        """Return whether stems are the whole name of a field, or its last words: code of status_code."""
        return bool(stems) and any(field[-len(stems) :] == stems for field in self.fields)


class _AnswerWordsCache:
    """A cache of the answer words of the operations of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self._schemas = answer_schemas(spec)
        self._words: dict[Operation, AnswerWords] = {}

    def of(self, operation: Operation) -> AnswerWords:
        if operation not in self._words:
            levels = list(self._levels(self._schemas.entry_schema(operation)))
            fields, values = levels[0] if levels else ((), ())
            words = (word for level in levels for names in level for stems in names for word in stems)
            inner = levels[1][0] if len(levels) > 1 else ()
            self._words[operation] = AnswerWords(
                fields=frozenset(fields), values=frozenset(values), inner=frozenset(inner), all=frozenset(words)
            )
        return self._words[operation]

    def _levels(self, schema: Any) -> Iterator[tuple[list[Stems], list[Stems]]]:
        """Yield the names of fields and the values of closed choices, one level of objects after the other."""
        level, reader, remaining = [schema], self._schemas.reader, _MAX_FIELDS
        for _ in range(_MAX_WORD_DEPTH):
            pairs = [pair for item_schema in level for pair in reader.properties(item_schema).items()][:remaining]
            flat = [reader.flat(inner) for _, inner in pairs]
            flat += [reader.flat(item_schema["items"]) for item_schema in flat if isinstance(item_schema.get("items"), Mapping)]
            values = [value for item_schema in flat for value in item_schema.get("enum") or () if isinstance(value, str)]
            yield [_stems(name) for name, _ in pairs], list(map(_stems, values))
            level = [object_schema for _, inner in pairs if (object_schema := self._schemas.object_schema(inner)) is not None]
            remaining -= len(pairs)


def answer_words(operation: Operation) -> AnswerWords:
    """Return the words in the description of an operation's answer."""
    return operation.spec.derive(_AnswerWordsCache).of(operation)


def _stems(text: str) -> Stems:
    return tuple(map(stem, split_words(text)))
