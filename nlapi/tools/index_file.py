"""The serialised form of an Index, as it is stored in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.tools.index_shape import ActionKind, OperationTerms

# Version of the stored form: raise it when the content changes, so that older files are rebuilt.
FORMAT_VERSION = 2
Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the operations that have it, and its part of the score of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexData:
    """The parts of an Index that take long to compute; `operations` has the terms of each of its operations."""

    operations: list[OperationTerms]
    postings: Postings


def serialize(data: IndexData) -> bytes:
    """Return the JSON form of `data`, with every word stored once."""
    import orjson

    words = sorted({word for terms in data.operations for part in _word_fields(terms) for word in part})
    numbers = {word: position for position, word in enumerate(words)}
    rows = [[_numeric_fields(terms), *([numbers[word] for word in part] for part in _word_fields(terms))] for terms in data.operations]
    return orjson.dumps({"words": words, "shapes": rows, "postings": data.postings})


def deserialize(data: bytes) -> IndexData | None:
    """Return the inverse of `serialize`; None where the data is anything else."""
    import orjson

    try:
        stored = orjson.loads(data)
        words = stored["words"]
        operations = [_read_terms(row, words) for row in stored["shapes"]]
        postings = stored["postings"]
        # A cache file may be damaged or written by another version: an index out of range must not surface in a search.
        fits = all(len(docs) == len(amounts) and max(docs) < len(operations) for docs, amounts in postings.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return IndexData(operations=operations, postings=postings) if fits else None


def _numeric_fields(terms: OperationTerms) -> list[int]:
    """Return the numeric parts of a Shape."""
    return [terms.kind, terms.length, terms.is_count, terms.is_about_caller, terms.is_possessive, terms.sets_state]


def _word_fields(terms: OperationTerms) -> tuple[Sequence[str], ...]:
    """Return the words of a Shape by field; sets are sorted, so that equal ones have equal bytes."""
    sets = (
        terms.name,
        terms.qualifiers,
        terms.inner,
        terms.verbs,
        terms.spoken,
        terms.nouns,
        terms.summary,
        terms.object,
    )
    return (terms.entities, *map(sorted, sets))


def _read_terms(row: list[Any], words: list[str]) -> OperationTerms:
    """Return the Shape in a row. ValueError for a row of another form."""
    (kind, length, is_count, is_about_caller, is_possessive, sets_state), entities, *set_columns = row
    sets = [frozenset([words[number] for number in part]) for part in set_columns]
    name, qualifiers, inner, verbs, spoken, nouns, summary, object_stems = sets
    return OperationTerms(
        kind=ActionKind(kind),
        entities=tuple([words[number] for number in entities]),
        name=name,
        qualifiers=qualifiers,
        inner=inner,
        verbs=verbs,
        spoken=spoken,
        nouns=nouns,
        summary=summary,
        object=object_stems,
        length=length,
        is_count=is_count,
        is_about_caller=is_about_caller,
        is_possessive=is_possessive,
        sets_state=sets_state,
    )
