"""Finds in names, of operations and of path segments, the verb that says what is done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from nlapi.resources.effect_verbs import (
    ACTIONS,
    RESULT_NOUNS,
    RUN_VERBS,
    RESOURCE_NOUNS,
    Action,
    is_strict,
)
from nlapi.resources.naming import split_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """The effect that a name or a text speaks of.

    `word` is the word with that meaning; `leading` is whether it is the verb, and no noun at the end as in `Contact
    search`.
    """

    action: Action
    word: str
    leading: bool = True


# Words before the verb of a name that say nothing: `postApiV2OrdersSearch`.
_HTTP_WORDS = frozenset(("post", "api", "v1", "v2", "v3", "http", "rest", "do", "bulk", "batch"))

# Verbs at the end of names: `accountsGet`.
_ENDING_VERBS = frozenset(
    "get list search find fetch query lookup count validate verify test convert preview estimate calculate".split()
)

_RUN_TO_READ = frozenset("query queries search searches lookup analysis report reports read".split())
# Verbs of reads in prose that name a change in a name: to return a payment, to display a text on a screen.
_CHANGES_IN_NAMES = frozenset(("return", "receive", "display", "show"))

# `obtainToken` of Square issues a token, so that this verb of a read is no clue in a name.
_UNRELIABLE_VERBS = frozenset(("obtain", "see"))

# `checkIn`, `logOut`, `signUp`: the particle makes a change of them.
_PARTICLE_VERBS = frozenset(("check", "log", "sign", "opt", "clock", "set", "book"))


@lru_cache(maxsize=16384)
def name_clue(name: str) -> Clue | None:
    """Return the clue in an operationId or a path segment; None where it names no verb.

    The verb is the first word (`searchContacts`), that of the last part (`Shares_ListKeys`, `orders.search`), or the
    last word (`accountsGet`). A verb of change counts in each of these places.
    """
    words = _verb_words(name)
    if not words:
        return None
    # POST /returns and POST /orders/new create, although neither word is a verb of change.
    if words in (["returns"], ["new"]):
        return Clue(action=Action.CHANGE, word=words[0])
    reads = ACTIONS.get(words[0]) is Action.RETRIEVE and words[-1] not in ("in", "out", "up", "off")
    for previous, word in pairwise(words):
        # getOrCreateUser creates.
        if previous in ("and", "or", "then") and ACTIONS.get(word) is Action.CHANGE:
            return Clue(action=Action.CHANGE, word=word)
        if previous in _PARTICLE_VERBS and word in ("in", "out", "up", "off") and not reads:
            return Clue(action=Action.CHANGE, word=f"{previous} {word}")
    part = _verb_words(_last_part(name))
    if part == ["post"]:
        part = []
    heads = (part[0], words[0]) if part else (words[0],)
    strict = next((word for word in (*heads, words[-1]) if is_strict(word)), "")
    if strict:
        return Clue(action=Action.CHANGE, word=strict)
    return _head_clue(heads, words) or _ending_clue(words)


def _head_clue(heads: Sequence[str], words: Sequence[str]) -> Clue | None:
    """Return the clue of the first word, or of the last part. A namespace, such as `compute.`, is no clue."""
    head, last = heads[0] if heads[0] in ACTIONS else "", words[-1]
    if not head and ACTIONS.get(heads[-1]) is Action.CHANGE and heads[-1] not in RESOURCE_NOUNS:
        head = heads[-1]
    if head in RESOURCE_NOUNS and len(words) > 1 and last in _ENDING_VERBS:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    if head in RUN_VERBS:
        return Clue(action=Action.RETRIEVE if _RUN_TO_READ & set(words) else Action.CHANGE, word=head)
    if not head or head in _UNRELIABLE_VERBS:
        return None
    return Clue(action=Action.CHANGE if head in _CHANGES_IN_NAMES else ACTIONS[head], word=head)


def _ending_clue(words: Sequence[str]) -> Clue | None:
    strict, last = next((word for word in words if is_strict(word)), ""), words[-1]
    if strict:
        return Clue(action=Action.CHANGE, word=strict)
    if last in _ENDING_VERBS:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    return Clue(action=Action.COMPUTE, word=last, leading=False) if last in RESULT_NOUNS else None


def _verb_words(name: str) -> list[str]:
    """Return the words of a name without its numbers and the words of HTTP around its verb."""
    words = [word for word in split_words(name) if not word.isdigit()]
    while len(words) > 1 and words[0] in _HTTP_WORDS:
        words = words[1:]
    while len(words) > 1 and words[-1] in ("post", "using"):
        words = words[:-1]
    return words


def _last_part(name: str) -> str:
    """Return the last part of a name such as `Shares_ListKeys` or `sessions.detectIntent`; "" where it has but one.

    Underscores divide a name only where its parts are in camel case: `list_all_keys` is one part.
    """
    for mark in (".", "/", ":", "_"):
        parts = [part for part in name.split(mark) if re.search(r"[A-Za-z]{2}", part)]
        if len(parts) > 1:
            return parts[-1] if mark != "_" or re.search(r"[A-Z]", parts[-1]) else ""
    return ""
