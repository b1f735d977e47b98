"""The terms of an operation for the search, by its path, id and summary: its resource and its action."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import STOPWORDS, VERBS, Intent, name_words, split_words, singular, stem
from nlapi.resources.nouns import QUERY_WORDS, VERSION
from nlapi.resources.paths import FORMATS
from nlapi.tools.phrase import SearchIntent, WordRole, read_phrase

PATH_PARAMETER = re.compile(r"\{[^}]*\}")
"""Matches a parameter in a path."""
_QUALIFIER = re.compile(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
# Separators between a namespace and the name proper in ids such as `issues/create`.
_NAMESPACE_SEPARATORS = "/.:"
_MARKUP = re.compile(r"<[^>]*>")
_SENTENCE = re.compile(r"\.\s|\n")
# Characters of a description that its first sentence is looked for in.
_MAX_SUMMARY = 300
_LIST_WORDS = QUERY_WORDS - frozenset("count get info details detail batch bulk".split())
_LIST_STEMS = frozenset(map(stem, _LIST_WORDS))
# Last words of a path that name no resource: /containers/json lists containers.
_NON_RESOURCES = QUERY_WORDS | FORMATS
CALLER_STEMS = frozenset(map(stem, "me self my mine authenticated viewer current own".split()))
"""Stems by which an operation refers to its caller."""
_POSSESSIVE_STEMS = frozenset(map(stem, "me self my".split()))
STATE_STEMS = frozenset(map(stem, "state status".split()))
"""Stems by which an operation refers to a state."""


class ActionKind(IntEnum):
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


_CHANGE_KINDS = frozenset((ActionKind.CREATE, ActionKind.ACTION, ActionKind.UPDATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTerms:
    """The stems of an operation by the part that they are from, and its kind of action."""

    # index_file.py stores these fields by position; change it, and its FORM, together with them.
    kind: ActionKind
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
    is_count: bool
    """whether it returns a count"""
    is_about_caller: bool
    """whether it is about the caller's own resources"""
    is_possessive: bool
    """whether its path says so"""
    sets_state: bool
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
    literal = PATH_PARAMETER.sub("", text) if "{" in text else text
    words = tuple(split_words(literal)) if literal and not VERSION.fullmatch(literal) else ()
    if not words:
        return None
    stems = tuple(map(stem, words))
    plural = [singular(word) != word for word in words]
    rooted = zip(stems, plural, range(len(words)), strict=True)
    return _Segment(
        words=words,
        stems=stems,
        # A verb is a noun behind another word (`ad sets`) or in the plural (`orders`).
        nouns=tuple(root for root, is_plural, position in rooted if root in VERBS and (position or is_plural)),
        plurals=frozenset(root for root, is_plural in zip(stems, plural, strict=True) if is_plural),
    )


def operation_terms(operation: Operation) -> OperationTerms:
    """Return the terms of an operation, read from its path, id and summary alone; its schemas are not parsed."""
    segments = [segment for segment in operation.path.split("/") if segment]
    literal = [literal_segment for segment in segments if (literal_segment := _segment(segment)) is not None]
    words = [segment.words for segment in literal]
    entities, is_action, is_listing = _path_entities(words, operation.method)
    start = max(map(operation.id.rfind, _NAMESPACE_SEPARATORS)) + 1
    id_pieces, namespace_words = split_words(operation.id[start:]), name_words(operation.id[:start])
    name_stems = list(map(stem, id_pieces))
    id_words = [*map(stem, namespace_words), *name_stems]
    # The first word of an id is nearly always its verb, so it counts as one even where the list of verbs lacks it.
    verbs = frozenset(word for position, word in enumerate(name_stems) if (word in VERBS or position == 0) and word not in entities)
    name, *qualifiers = _QUALIFIER.split(operation.id)
    name_terms = _name_stems(name or operation.id) if qualifiers else _content_stems([*namespace_words, *id_pieces])
    phrase = read_phrase(_summary_text(operation))
    path = [root for segment in literal for root in segment.stems]
    verb = next((word for word in name_stems if word in verbs and word in VERBS), phrase.verb if phrase.verb in VERBS else "")
    is_item = "{" in next((is_item for is_item in reversed(segments) if is_item not in _NON_RESOURCES), "")
    is_list = bool(entities) and any(entities[-1] in segment.plurals for segment in literal)
    is_list_phrase = phrase.intent is SearchIntent.LIST or phrase.intent is SearchIntent.SEARCH
    kind = _action_kind(operation, verb, is_item=is_item, is_action=is_action, is_list=is_list or is_listing or is_list_phrase, has_verb=bool(verbs))
    names_caller = not CALLER_STEMS.isdisjoint([*path[:2], *id_words])
    spoken = frozenset((*id_words, phrase.verb))
    return OperationTerms(
        kind=kind,
        entities=tuple(entities),
        name=frozenset(name_terms) - verbs,
        qualifiers=frozenset(word for part in qualifiers for word in _name_stems(part)),
        inner=frozenset([root for segment in literal[:-1] for root in segment.stems]).difference(entities),
        verbs=verbs,
        spoken=spoken,
        nouns=frozenset([noun for segment in literal for noun in segment.nouns]),
        summary=frozenset([word.stem for word in phrase.words if word.role is not WordRole.VERB]),
        object=phrase.object,
        length=len(path),
        is_count="count" in spoken or path[-1:] == ["count"],
        is_about_caller=names_caller or _is_current_user(segments),
        is_possessive=not _POSSESSIVE_STEMS.isdisjoint(path),
        sets_state=kind in _CHANGE_KINDS and not STATE_STEMS.isdisjoint((*path, *id_words)),
    )


def _summary_text(operation: Operation) -> str:
    """Return the summary, or the first sentence of the description, without markup."""
    if operation.summary:
        return operation.summary
    return _SENTENCE.split(_MARKUP.sub(" ", operation.description[:_MAX_SUMMARY]).strip(), maxsplit=1)[0]


def _name_stems(name: str) -> list[str]:
    return _content_stems(split_words(name))


def _content_stems(words: Sequence[str]) -> list[str]:
    return [stem(word) for word in words if word not in STOPWORDS and word != "id" and not word.isdigit()]


def _path_entities(literal: Sequence[Sequence[str]], method: str) -> tuple[list[str], bool, bool]:
    """Return the stems of the resource that a path is about.

    With them: whether the last segment names an action on it (/runs/{id}/cancel), and whether the path reads many.
    """
    segments, is_listing = list(literal), False
    while len(segments) > 1 and segments[-1] and _NON_RESOURCES.issuperset(segments[-1]):
        is_listing = not _LIST_WORDS.isdisjoint(segments.pop()) or is_listing
    words = segments[-1] if segments else ()
    if len(words) > 1 and words[-1] in _NON_RESOURCES:
        words = words[:-1]
    if not words or stem(words[0]) not in VERBS:
        return list(map(stem, words)), False, is_listing
    if len(words) > 1:
        return list(map(stem, words[1:])), False, is_listing
    if singular(words[0]) != words[0] or method != "POST":
        return [stem(words[0])], False, is_listing
    return (list(map(stem, segments[-2])), True, is_listing) if len(segments) > 1 else ([], False, is_listing)


def _action_kind(
    operation: Operation,
    verb: str,
    *,
    is_item: bool,
    is_action: bool,
    is_list: bool,
    has_verb: bool,
) -> ActionKind:
    """Return the kind of action by the effect, the method and the verb."""
    intent = VERBS.get(verb)
    if operation.effect is Effect.READ:
        return ActionKind.ITEM if is_item else ActionKind.COLLECTION if is_list or verb in _LIST_STEMS else ActionKind.SINGLETON
    if operation.method == "DELETE" or (operation.method == "POST" and intent is Intent.DELETE):
        return ActionKind.DELETE
    if operation.method != "POST" or intent is Intent.UPDATE or is_item:
        return ActionKind.UPDATE
    # `POST /runs/{id}/rerun`: an unknown verb below an item is an action; under a collection it may create.
    is_action = is_action or (has_verb and intent is None and not is_list and "{" in operation.path)
    return ActionKind.ACTION if is_action else ActionKind.CREATE


def _is_current_user(segments: Sequence[str]) -> bool:
    """Return whether a path is about the one user who calls: /user/repos, not /user/{id}."""
    path = [segment for segment in segments if not VERSION.fullmatch(segment)] if "user" in segments else []
    return path[:1] == ["user"] and (len(path) == 1 or "{" not in path[1])
