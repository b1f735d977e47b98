"""The words that an answer tells something by: the names of its fields, and the values that they may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.resources.naming import pieces, stem

Stems = tuple[str, ...]
_DEEPEST = 3
_MOST = 400
"""Fields that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """Stems of the thing, or of each thing, that an operation answers with.

    `fields` are the names of its fields and `values` the choices of these, `inner` the names of the fields of things in
    it; `all` has every word, of inner fields too.
    """

    fields: frozenset[Stems]
    values: frozenset[Stems]
    inner: frozenset[Stems]
    all: frozenset[str]

    def names_field(self, stems: Stems) -> bool:
        """Whether stems are the whole name of a field, or its last words: code of status_code."""
        return bool(stems) and any(field[-len(stems) :] == stems for field in self.fields)


class _Words:
    """The words of the answers of one Spec, each worked out when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self._schemas = answer_schemas(spec)
        self._found: dict[Operation, AnswerWords] = {}

    def of(self, operation: Operation) -> AnswerWords:
        if operation not in self._found:
            levels = list(self._levels(self._schemas.entry_schema(operation)))
            fields, values = levels[0] if levels else ((), ())
            words = (word for level in levels for names in level for stems in names for word in stems)
            inner = levels[1][0] if len(levels) > 1 else ()
            self._found[operation] = AnswerWords(
                fields=frozenset(fields), values=frozenset(values), inner=frozenset(inner), all=frozenset(words)
            )
        return self._found[operation]

    def _levels(self, schema: Any) -> Iterator[tuple[list[Stems], list[Stems]]]:
        """The names of fields and the values of closed choices, one level of objects after the other."""
        level, reader, left = [schema], self._schemas.reader, _MOST
        for _ in range(_DEEPEST):
            pairs = [pair for one in level for pair in reader.properties(one).items()][:left]
            flat = [reader.flat(inner) for _, inner in pairs]
            flat += [reader.flat(one["items"]) for one in flat if isinstance(one.get("items"), Mapping)]
            values = [value for one in flat for value in one.get("enum") or () if isinstance(value, str)]
            yield [_stems(name) for name, _ in pairs], list(map(_stems, values))
            level = [held for _, inner in pairs if (held := self._schemas.inner(inner)) is not None]
            left -= len(pairs)


def answer_words(operation: Operation) -> AnswerWords:
    """Return the words of the answer of an operation, by its description."""
    return operation.spec.derive(_Words).of(operation)


def _stems(text: str) -> Stems:
    return tuple(map(stem, pieces(text)))
