"""Finds the noun that an operation is about: that of its path, else that of its id.

The noun of `GET /accounts/{id}/ad_sets`, of `POST /ad_sets/filter` and of `/ad_sets/{id}:pause` is ("ad", "sets").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from nlapi.openapi.spec import READ_METHODS, Operation
from nlapi.resources.naming import PLAIN_VERBS, STOPWORDS, VERBS, name_words, singular, singular_last, stem
from nlapi.resources.paths import EXTENSION, FORMATS

QUERY_WORDS = frozenset(
    "search filter query find lookup list count all get paginate paginated paged info details detail batch bulk".split()
)
"""Segments that name a way of reading a collection, and no resource: /flows/filter, /conversations.info."""

VERSION = re.compile(r"v?\d+(?:[.\w-]*)?|apis?|rest", re.IGNORECASE)
"""A segment that every path of an API may begin with: v1, 2010-04-01, api, rest."""

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
# The segment before a placeholder that names its field: /variables/name/{name}, /users/by-username/{username}.
_FIELD_SEGMENT = re.compile(
    r"(?<=[^/{}])/(?:by[-_]?)?(?:name|slug|key|id|uuid|code|email|login|username|handle|tag)(?=/\{[^{}]*\})",
    re.IGNORECASE,
)
# Verbs that begin a segment as a command: `getStatus`. `viewSettings` and `new_leads` name resources.
_IMPERATIVES = PLAIN_VERBS - frozenset(map(stem, ("view", "set", "new", "see", "use", "need", "want", "read")))


def noun_of(operation: Operation) -> tuple[str, ...]:
    """Return the words of the noun of an operation, in the number of the path; () without one."""
    return path_noun(operation) or id_noun(operation.id)


def path_noun(operation: Operation) -> tuple[str, ...]:
    """Return the noun of the path alone; () where the path has none: /search."""
    verb = next(iter(name_words(operation.id)), "")
    return _path_noun(operation.route, operation.method in READ_METHODS, verb)


def home_route(route: str) -> str:
    """Return a route without the segments that name the field of a placeholder: /variables[/name]/{name}."""
    return _FIELD_SEGMENT.sub("", route)


def singular_noun(operation: Operation) -> tuple[str, ...]:
    """Return the noun of an operation in the singular: ("ad", "set")."""
    return singular_last(noun_of(operation))


@lru_cache(maxsize=16384)
def _path_noun(route: str, reads: bool, verb: str) -> tuple[str, ...]:
    """Return the noun of a path; `verb` is the first word of the id, with which `/shelves/{id}/resolve` may end."""
    parts = list(_literal_parts(home_route(route)))
    for index in range(len(parts) - 1, -1, -1):
        words = name_words(parts[index])
        if not words or set(words) <= FORMATS or VERSION.fullmatch(parts[index]):
            continue
        if words == (verb,) and singular(verb) == verb and 0 < index == len(parts) - 1:
            continue
        noun = _without_verb(words, reads=reads, is_first=index == 0)
        if noun:
            return noun
    return ()


def _literal_parts(route: str) -> Iterator[str]:
    """Yield the literal parts of a path in order, also divided at dots and colons: /chat.post, /runs/{id}:cancel."""
    for segment in route.split("/"):
        literal = EXTENSION.sub("", _PLACEHOLDER.sub("", segment))
        yield from (part for part in re.split(r"[.:()]", literal) if part)


def _without_verb(words: Sequence[str], *, reads: bool, is_first: bool) -> tuple[str, ...]:
    """Return the words of a segment without its leading verb; () for a segment that is a verb."""
    first = words[0]
    if len(words) == 1:
        is_plural_word = singular(first) != first
        # A GET has the verb of its method, so that /{id}/schedule ends in a noun there.
        is_verb = first in QUERY_WORDS or (stem(first) in VERBS and not is_plural_word and not reads)
        return () if is_verb and not is_first else tuple(words)
    if words[-1] == "count" and singular(words[-2]) != words[-2]:
        words = words[:-1]  # collections_count
    if stem(first) in _IMPERATIVES:
        noun_words = words[1:]
        end = next((index for index, word in enumerate(noun_words) if word in ("by", "for", "with", "from")), len(noun_words))
        return tuple(noun_words[:end])
    return tuple(words)


def id_noun(id: str) -> tuple[str, ...]:
    """Return the noun of an operation id such as `ListBuckets` or `buckets/list`; () where it is only a verb."""
    parts = [part for part in re.split(r"[/.:]", id) if part]
    words = [word for part in parts[-1:] for word in name_words(part) if word.isalpha()]
    while words and (stem(words[0]) in VERBS or words[0] in STOPWORDS):
        words = words[1:]
    end = next((index for index, word in enumerate(words) if word in ("by", "for", "with", "from")), len(words))
    return tuple(words[:end]) or (name_words(parts[-2]) if len(parts) > 1 else ())


def is_single(operation: Operation) -> bool:
    """Return whether the path ends in a placeholder, so that the operation is about one item."""
    return EXTENSION.sub("", operation.route.rstrip("/")).endswith("}")
