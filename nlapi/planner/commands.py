"""Whether a sentence commands a change or only wants to see something."""

from __future__ import annotations

from nlapi.changes.sentences import opening
from nlapi.openapi.spec import Operation
from nlapi.planner.language.english.text import Sentence, Token
from nlapi.resources.naming import IMPERATIVES, VERBS, Intent, pieces, singular, stem
from nlapi.tools.phrase_words import BEHIND_NOUNS

_TELLS = frozenset(("give", "tell", "bring", "let"))
_US = frozenset(("me", "us", "the", "all", "a", "an"))
_ASKING = frozenset(map(stem, "what which who whose where when why how is are does did has have was were".split()))


def only_reads(sentence: Sentence, operation: Operation) -> bool:
    """Does the sentence begin with a verb that reads, or have no verb that `operation` could be commanded by?

    A verb of the operation's own (return, lend) commands it, known or not.
    """
    start = opening(sentence.text)
    rest = [token for token in sentence.tokens if token.start >= start and token.word]
    if not rest:
        return True
    own = own_verbs(operation)
    first = rest[0]
    if first.stem in own and not _plural(first):
        return False
    if _imperative(first, next(iter(rest[1:]), None)):
        return False
    if first.stem in _ASKING or VERBS.get(first.stem) is Intent.READ:
        return True
    return not any(map(commands, rest))


def _imperative(first: Token, after: Token | None) -> bool:
    """May a sentence that begins so command a change: [refund 10] EUR, but no [note on] contact 5, no [give me]?"""
    if first.stem not in IMPERATIVES or after is None or _plural(first):
        return False
    told = first.lower in _TELLS and after.lower in _US
    return not told and after.lower not in BEHIND_NOUNS


def own_verbs(operation: Operation) -> frozenset[str]:
    """The words that an operation is commanded by: the first of its id and its summary, and /runs/{id}/[cancel]."""
    first = [words[0] for words in (pieces(operation.id), pieces(operation.summary)) if words]
    _, inside, last = operation.path.rstrip("/").rpartition("}/")
    return frozenset(map(stem, (*first, *pieces(last if inside else "")[:1])))


def commands(token: Token) -> bool:
    """May the token be a verb in the imperative that changes something?"""
    known = VERBS.get(token.stem, Intent.READ) is not Intent.READ
    return known and not _plural(token) and token.lower != "active" and not token.lower.endswith(("ed", "ing", "ion"))


def _plural(token: Token) -> bool:
    return singular(token.lower) != token.lower
