"""The terms of an operation for the search, by its path, id and summary: its resource and its action."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import STOPWORDS, VERBS, Intent, name_words, pieces, singular, stem
from nlapi.resources.nouns import QUERY_WORDS, VERSION
from nlapi.resources.paths import FORMATS
from nlapi.tools.phrase import SearchIntent, WordRole, read_phrase

BRACED = re.compile(r"\{[^}]*\}")
"""Matches a parameter in a path."""
_QUALIFIED = re.compile(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
# Separators between a namespace and the name proper in ids such as `issues/create`.
_SPACES = "/.:"
_MARKUP = re.compile(r"<[^>]*>")
_SENTENCE = re.compile(r"\.\s|\n")
# Characters of a description that its first sentence is looked for in.
_LONGEST = 300
_READING = QUERY_WORDS - frozenset("count get info details detail batch bulk".split())
_LISTING = frozenset(map(stem, _READING))
# Last words of a path that name no resource: /containers/json lists containers.
_BESIDE_THINGS = QUERY_WORDS | FORMATS
CALLERS = frozenset(map(stem, "me self my mine authenticated viewer current own".split()))
"""Stems by which an operation refers to its caller."""
_OWN = frozenset(map(stem, "me self my".split()))
STATES = frozenset(map(stem, "state status".split()))
"""Stems by which an operation refers to a state."""


class DeedKind(IntEnum):
    """The kind of action of an operation on a resource. The order is that of the weights in relevance.KINDS."""

    COLLECTION = 0
    """lists or searches"""
    ITEM = 1
    """reads one item of a collection"""
    SINGLETON = 2
    """reads a resource that exists once"""
    CREATE = 3
    ACTION = 4
    UPDATE = 5
    DELETE = 6


_CHANGES = frozenset((DeedKind.CREATE, DeedKind.ACTION, DeedKind.UPDATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The stems of an operation by the part that they are from, and its kind of action."""

    # index_file.py stores these fields by position; change it, and its FORM, together with them.
    kind: DeedKind
    entities: tuple[str, ...]
    """the words of the last literal path segment that names a resource"""
    name: frozenset[str]
    """the words of the id, without verbs and without what follows `By` and `For`"""
    qualifiers: frozenset[str]
    """the words of the id that follow `By` and `For`"""
    inner: frozenset[str]
    """the words of the literal path before its last segment"""
    verbs: frozenset[str]
    """the verbs of the id; its first word counts as one, known or not"""
    spoken: frozenset[str]
    """all words of the id, and the verb of the summary"""
    nouns: frozenset[str]
    """the literal words of the path that look like verbs and are nouns there: ad sets, orders"""
    summary: frozenset[str]
    """the words of the summary, without its verb; of the description's first sentence where there is none"""
    object: frozenset[str]
    """the object of the summary"""
    length: int
    """the number of words in the literal path"""
    counts: bool
    """whether it returns a count"""
    callers: bool
    """whether it is about the caller's own resources"""
    own: bool
    """whether its path says so"""
    states: bool
    """whether it sets a state"""

    @property
    def entity(self) -> str:
        """The last word of the resource: campaign."""
        return self.entities[-1] if self.entities else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """The literal part of one path segment."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    nouns: tuple[str, ...]
    """stems that look like verbs and are nouns there"""
    plurals: frozenset[str]


@lru_cache(maxsize=16384)
def _segment(text: str) -> _Segment | None:
    """Return the literal part of a path segment; None where there is none, and for a version."""
    literal = BRACED.sub("", text) if "{" in text else text
    words = tuple(pieces(literal)) if literal and not VERSION.fullmatch(literal) else ()
    if not words:
        return None
    stems = tuple(map(stem, words))
    plural = [singular(word) != word for word in words]
    rest = zip(stems, plural, range(len(words)), strict=True)
    return _Segment(
        words=words,
        stems=stems,
        # A verb is a noun behind another word (`ad sets`) or in the plural (`orders`).
        nouns=tuple(root for root, many, at in rest if root in VERBS and (at or many)),
        plurals=frozenset(root for root, many in zip(stems, plural, strict=True) if many),
    )


def shape_of(operation: Operation) -> Shape:
    """Return the terms of an operation, read from its path, id and summary alone; its schemas are not parsed."""
    segments = [segment for segment in operation.path.split("/") if segment]
    literal = [found for segment in segments if (found := _segment(segment)) is not None]
    words = [segment.words for segment in literal]
    entities, acts, collects = _entities(words, operation.method)
    start = max(map(operation.id.rfind, _SPACES)) + 1
    own_words, space = pieces(operation.id[start:]), name_words(operation.id[:start])
    own = list(map(stem, own_words))
    id_words = [*map(stem, space), *own]
    # The first word of an id is nearly always its verb, so it counts as one even where the list of verbs lacks it.
    verbs = frozenset(word for at, word in enumerate(own) if (word in VERBS or at == 0) and word not in entities)
    name, *qualifiers = _QUALIFIED.split(operation.id)
    named = _nouns_of(name or operation.id) if qualifiers else _stems_of([*space, *own_words])
    said = read_phrase(_about(operation))
    path = [root for segment in literal for root in segment.stems]
    verb = next((word for word in own if word in verbs and word in VERBS), said.verb if said.verb in VERBS else "")
    one = "{" in next((one for one in reversed(segments) if one not in _BESIDE_THINGS), "")
    many = bool(entities) and any(entities[-1] in segment.plurals for segment in literal)
    listed = said.intent is SearchIntent.MANY or said.intent is SearchIntent.SEARCH
    kind = _kind(operation, verb, one=one, acts=acts, many=many or collects or listed, verbal=bool(verbs))
    calls = not CALLERS.isdisjoint([*path[:2], *id_words])
    spoken = frozenset((*id_words, said.verb))
    return Shape(
        kind=kind,
        entities=tuple(entities),
        name=frozenset(named) - verbs,
        qualifiers=frozenset(word for part in qualifiers for word in _nouns_of(part)),
        inner=frozenset([root for segment in literal[:-1] for root in segment.stems]).difference(entities),
        verbs=verbs,
        spoken=spoken,
        nouns=frozenset([noun for segment in literal for noun in segment.nouns]),
        summary=frozenset([word.stem for word in said.words if word.role is not WordRole.VERB]),
        object=said.object,
        length=len(path),
        counts="count" in spoken or path[-1:] == ["count"],
        callers=calls or _is_user(segments),
        own=not _OWN.isdisjoint(path),
        states=kind in _CHANGES and not STATES.isdisjoint((*path, *id_words)),
    )


def _about(operation: Operation) -> str:
    """Return the summary, or the first sentence of the description, without markup."""
    if operation.summary:
        return operation.summary
    return _SENTENCE.split(_MARKUP.sub(" ", operation.description[:_LONGEST]).strip(), maxsplit=1)[0]


def _nouns_of(name: str) -> list[str]:
    return _stems_of(pieces(name))


def _stems_of(words: Sequence[str]) -> list[str]:
    return [stem(word) for word in words if word not in STOPWORDS and word != "id" and not word.isdigit()]


def _entities(literal: Sequence[Sequence[str]], method: str) -> tuple[list[str], bool, bool]:
    """Return the stems of the resource that a path is about.

    With them: whether the last segment names an action on it (/runs/{id}/cancel), and whether the path reads many.
    """
    segments, collects = list(literal), False
    while len(segments) > 1 and segments[-1] and _BESIDE_THINGS.issuperset(segments[-1]):
        collects = not _READING.isdisjoint(segments.pop()) or collects
    words = segments[-1] if segments else ()
    if len(words) > 1 and words[-1] in _BESIDE_THINGS:
        words = words[:-1]
    if not words or stem(words[0]) not in VERBS:
        return list(map(stem, words)), False, collects
    if len(words) > 1:
        return list(map(stem, words[1:])), False, collects
    if singular(words[0]) != words[0] or method != "POST":
        return [stem(words[0])], False, collects
    return (list(map(stem, segments[-2])), True, collects) if len(segments) > 1 else ([], False, collects)


def _kind(
    operation: Operation,
    verb: str,
    *,
    one: bool,
    acts: bool,
    many: bool,
    verbal: bool,
) -> DeedKind:
    """Return the kind of action by the effect, the method and the verb."""
    intent = VERBS.get(verb)
    if operation.effect is Effect.READ:
        return DeedKind.ITEM if one else DeedKind.COLLECTION if many or verb in _LISTING else DeedKind.SINGLETON
    if operation.method == "DELETE" or (operation.method == "POST" and intent is Intent.DELETE):
        return DeedKind.DELETE
    if operation.method != "POST" or intent is Intent.UPDATE or one:
        return DeedKind.UPDATE
    # `POST /runs/{id}/rerun`: an unknown verb below an item is an action; under a collection it may create.
    acts = acts or (verbal and intent is None and not many and "{" in operation.path)
    return DeedKind.ACTION if acts else DeedKind.CREATE


def _is_user(segments: Sequence[str]) -> bool:
    """Return whether a path is about the one user who calls: /user/repos, not /user/{id}."""
    path = [segment for segment in segments if not VERSION.fullmatch(segment)] if "user" in segments else []
    return path[:1] == ["user"] and (len(path) == 1 or "{" not in path[1])
