"""Lists the English verbs of operations with the effect that each speaks of, and finds them in names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.words import split_words
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.paths import last_segment


class Action(StrEnum):
    """The effect of a verb. A RISKY one computes in one API and changes something in another: verify, test, convert."""

    RETRIEVE = "retrieve"
    COMPUTE = "compute"
    RISKY = "risky"
    CHANGE = "change"


class VerbForm(StrEnum):
    """The grammatical form of a verb: search, searches, searching, searched."""

    BASE = "base"
    THIRD = "third"
    ING = "ing"
    PAST = "past"


_IRREGULAR = lexicon.table("resources/words", "irregular")

ACTIONS: dict[str, Action] = {
    verb: action
    for action in (Action.CHANGE, Action.RISKY, Action.COMPUTE, Action.RETRIEVE)
    for verb in lexicon.text("resources/words", action).split()
}
"""A verb in its base form -> its effect."""

VERB_NOUNS = lexicon.words("resources/words", "verb_nouns")
"""Verbs that are also nouns, or parts of names: only their position tells them apart."""

RESOURCE_NOUNS = lexicon.words("resources/words", "resource_nouns")
"""Verbs among VERB_NOUNS that name resources: `transfersGet` gets transfers, where `updateEstimate` updates."""

STRICT_VERBS = frozenset(verb for verb, action in ACTIONS.items() if action is Action.CHANGE) - VERB_NOUNS
"""Verbs of a change at any position in a name."""

VAGUE_VERBS = lexicon.words("resources/words", "vague")
"""Verbs that the text of a read may have: they are evidence of a change only as the operation's own verb."""

COMPUTATION_NOUNS = lexicon.words("resources/words", "computation_nouns")
"""Nouns of computations."""

RESULT_NOUNS = COMPUTATION_NOUNS | lexicon.words("resources/words", "result_nouns")
"""Nouns of results that are only computed or looked up."""

HANDING_OUT = lexicon.words("resources/words", "handing_out")
"""Verbs of a change that a GET may have all the same: it authorizes by a redirect, or generates a report."""

_DESTROYING = lexicon.words("resources/words", "destroying")

RUN_VERBS = frozenset(("execute", "run", "perform"))
"""Verbs whose object decides: a query is run, and so is a job."""


_PREFIXES = ("re", "un", "dis", "de", "bulk", "auto", "pre", "multi", "mass")


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb in one of its forms."""

    base: str
    form: VerbForm

    @property
    def action(self) -> Action:
        return ACTIONS[self.base]


def parse_verb(word: str) -> Verb | None:
    """Return the verb of a word in lower case, of a verb of change also behind a prefix: resends, unassign."""
    verb = _FORMS.get(word)
    if verb is not None:
        return verb
    for prefix in _PREFIXES:
        inner = _FORMS.get(word.removeprefix(prefix)) if word.startswith(prefix) else None
        # Only with verbs of change: `research` is no form of search.
        if inner is not None and inner.base in STRICT_VERBS:
            return inner
    return None


def is_strict(word: str) -> bool:
    """Return whether a word is the base form of a verb of change."""
    verb = parse_verb(word)
    return verb is not None and verb.form is VerbForm.BASE and verb.base in STRICT_VERBS


def _forms() -> Iterator[tuple[str, Verb]]:
    for base in ACTIONS:
        stem = base.removesuffix("e")
        third = f"{base}es" if re.search(r"(s|x|z|ch|sh)$", base) else f"{base}s"
        past, ing = f"{stem}ed", f"{stem}ing"
        if re.search(r"[^aeiou]y$", base):
            third, past = f"{base[:-1]}ies", f"{base[:-1]}ied"
        elif re.search(r"(^|[^aeiou])[aeiou][bdgklmnprt]$", base):
            yield f"{base}{base[-1]}ing", Verb(base, VerbForm.ING)
            yield f"{base}{base[-1]}ed", Verb(base, VerbForm.PAST)
        yield ing, Verb(base, VerbForm.ING)
        yield past, Verb(base, VerbForm.PAST)
        yield _IRREGULAR.get(base, past), Verb(base, VerbForm.PAST)
        yield third, Verb(base, VerbForm.THIRD)
        # Last of all: `set` and `read` are base forms and past forms, and dict() keeps the last.
        yield base, Verb(base, VerbForm.BASE)


_FORMS: dict[str, Verb] = dict(_forms())


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
_ENDING_VERBS = lexicon.words("resources/words", "ending_verbs")

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


def _is_change_name(name: str) -> bool:
    """Return whether a name has a verb that a GET should not have: deletePad, auth.revoke."""
    clue = name_clue(name)
    return clue is not None and clue.action is Action.CHANGE and clue.word not in HANDING_OUT and is_strict(clue.word)


def may_have_evidence(operation: Operation) -> bool:
    """Return whether evidence may say another effect than the method: of a POST, and of a GET named like a change."""
    if operation.method == "GET":
        return any(map(_is_change_name, filter(None, (operation.id, last_segment(operation.path)))))
    return operation.method == "POST"


def effect_of_verb(base: str) -> Effect:
    """Return the effect of a verb of change: DESTROY for one after which something is gone."""
    return Effect.DESTROY if base in _DESTROYING else Effect.WRITE


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
