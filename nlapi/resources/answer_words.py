"""The words that an answer tells something by: the names of its fields, and the values that they may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.resources.naming import name_words, stem

_DEEPEST = 3
_MOST = 400
"""Fields that are looked at."""


class AnswerWords:
    """The words of the answers of one Spec, each worked out when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self._schemas = answer_schemas(spec)
        self._words: dict[Operation, frozenset[str]] = {}

    def of(self, operation: Operation) -> frozenset[str]:
        """Return the stems of the fields of the thing, or of each thing, that an operation answers with."""
        if operation not in self._words:
            schema = self._schemas.entry_schema(operation)
            self._words[operation] = frozenset(word for text in self._texts(schema) for word in _stems(text))
        return self._words[operation]

    def _texts(self, schema: Any) -> Iterator[str]:
        level, count = [schema], 0
        for _ in range(_DEEPEST):
            pairs = [pair for one in level for pair in self._schemas.reader.properties(one).items()]
            level = []
            for name, inner in pairs:
                count += 1
                if count > _MOST:
                    return
                flat = self._schemas.reader.flat(inner)
                yield name
                yield from (value for value in flat.get("enum") or () if isinstance(value, str))
                if (held := self._schemas.inner(inner)) is not None:
                    level.append(held)


def answer_words(operation: Operation) -> frozenset[str]:
    """Return the stems of the fields, and of their possible values, that an answer of an operation has."""
    return operation.spec.derive(AnswerWords).of(operation)


def _stems(text: str) -> list[str]:
    return [stem(word) for word in name_words(text)]
