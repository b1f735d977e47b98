"""Tells whether two operations of an API do the same kind of thing, to the same kind of thing."""

from __future__ import annotations

import re

from nlapi.english.words import singular_last, singular_words, split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.resources.lexicon import are_synonyms, is_verb, leading_verbs
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paths import segments

_VERSION = re.compile(r"v?\d+")


def have_same_noun(first: Operation, second: Operation) -> bool:
    """Return whether two operations are about the same kind of thing, by their paths or ids, versions left out."""
    return not _nouns(first).isdisjoint(_nouns(second))


def have_same_kind(first: Operation, second: Operation) -> bool:
    """Return whether two operations have verbs that may stand for one another, or both create."""
    if _creates(first) and _creates(second):
        return True
    return any(are_synonyms(verb, other) for verb in leading_verbs(first) for other in leading_verbs(second))


def _nouns(operation: Operation) -> frozenset[tuple[str, ...]]:
    words = (word for word in split_words(operation.id) if not is_verb(stem(word)))
    nouns = (_without_version(singular_noun(operation)), _without_version(tuple(words)))
    return frozenset(map(singular_last, filter(None, nouns)))


def _without_version(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if not _VERSION.fullmatch(word))


def _creates(operation: Operation) -> bool:
    """Return whether an operation is a POST to what is named for the things in it: /campaigns, and not /jobs/5/run."""
    path = segments(operation.route)
    if operation.method != "POST" or not path or path[-1].parameter is not None:
        return False
    return singular_words(path[-1].text)[-1:] == singular_noun(operation)[-1:]
