"""What the path and the id of an operation say of it: the thing it is about, and what it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nlapi.openapi.spec import Operation
from nlapi.resources.naming import STOPWORDS, VERBS, pieces, singular, stem

BRACED = re.compile(r"\{[^}]*\}")
"""A parameter in a path."""
_QUALIFIED = re.compile(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
_SPACE = re.compile(r".*[/.:]")
"""What stands before the name proper in ids such as `issues/create`."""
_VERSION = re.compile(r"v\d+(\.\d+)*|api|rest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the path of an operation says of it: the thing it is about, and whether that is one thing or many."""

    entity: str
    """stem of the last literal word of the path: campaign"""
    named: frozenset[str]
    """stems of the words of the id and the literal path, without verbs"""
    entities: tuple[str, ...]
    """stems of the words of the last literal segment of the path"""
    inner: frozenset[str]
    """stems of the literal words of the path before its last segment"""
    verbs: frozenset[str]
    """stems of the verbs of the id; its first word is taken for one, known or not"""
    nouns: frozenset[str]
    """stems of the literal words of the path that look like verbs and are none there: ad sets, orders"""
    one: bool
    """the path ends in a parameter"""


def _entities(literal: Sequence[str], method: str) -> tuple[list[str], bool]:
    """The stems of what a path is about, and whether its last segment says what is done to it (/runs/{id}/cancel)."""
    words = pieces(literal[-1]) if literal else []
    if not words or stem(words[0]) not in VERBS:
        return list(map(stem, words)), False
    if len(words) > 1:
        return list(map(stem, words[1:])), False
    if singular(words[0]) != words[0] or method != "POST":
        return [stem(words[0])], False
    return (list(map(stem, pieces(literal[-2]))), True) if len(literal) > 1 else ([], False)


def shape_of(operation: Operation) -> Shape:
    segments = [segment for segment in operation.path.split("/") if segment]
    literal = [BRACED.sub("", segment) for segment in segments]
    literal = [segment for segment in literal if segment and not _VERSION.fullmatch(segment)]
    entities, acts = _entities(literal, operation.method)
    said = _QUALIFIED.split(operation.id, maxsplit=1)[0] or operation.id
    named = {stem(word) for word in pieces(said) if word not in STOPWORDS} | set(entities)
    own = list(map(stem, pieces(_SPACE.sub("", operation.id))))
    verbs = {word for at, word in enumerate(own) if (word in VERBS or at == 0) and word not in entities}
    return Shape(
        entity=entities[-1] if entities else "",
        named=frozenset(word for word in named if word not in verbs and word != "id"),
        entities=tuple(entities),
        nouns=frozenset(noun for segment in literal for noun in _nouns(segment)),
        inner=frozenset(stem(word) for segment in literal[:-1] for word in pieces(segment)) - set(entities),
        verbs=frozenset(verbs),
        one=bool(segments) and (acts or "{" in segments[-1]),
    )


def _nouns(segment: str) -> list[str]:
    words = pieces(segment)
    return [stem(word) for at, word in enumerate(words) if stem(word) in VERBS and (at or singular(word) != word)]
