"""Classifies the verbs of operations and sentences by their intent."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from nlapi.english import lexicon
from nlapi.english.words import stem


class Intent(StrEnum):
    """The intent of a verb; each is carried by some HTTP methods."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class SpeechAct(StrEnum):
    """What a text does."""

    QUESTION = "question"
    WISH = "wish"
    """says what somebody wants, or what has happened: she can't come on Monday"""
    COMMAND = "command"
    """begins with a verb of a change"""
    OTHER = "other"


METHODS: dict[Intent, tuple[str, ...]] = {
    Intent.READ: ("GET", "HEAD", "QUERY"),
    Intent.CREATE: ("POST",),
    Intent.UPDATE: ("PATCH", "PUT"),
    Intent.DELETE: ("DELETE",),
}

ARTICLES = lexicon.words("english/words", "articles")

STOPWORDS = lexicon.words("english/words", "stopwords")
"""Words without meaning for the subject of a sentence."""


VERBS: dict[str, Intent] = {
    stem(word): Intent(intent)
    for intent, words in lexicon.table("english/words", "intents").items()
    for word in words.split()
}
"""Stem of a verb -> its intent."""


IMPERATIVES = lexicon.stems("english/words", "imperatives")
"""Verbs that may command a change besides those in VERBS; many are nouns as well."""


ACTION_KINDS = {
    stem(word): kind
    for kind, words in reversed(lexicon.table("english/words", "actions").items())
    for word in words.split()
}
"""Stem of a word -> the kind of action, finer than an Intent: to buy is not to make."""


PLAIN_VERBS = lexicon.stems("english/words", "plain_verbs")
"""Stems of the verbs that any operation may have; other verbs identify an operation by themselves."""


def intents(stems: Iterable[str]) -> dict[Intent, float]:
    """Return the weight of each Intent in a sentence; the first verb counts most."""
    weights: dict[Intent, float] = {}
    weight = 1.0
    for word in stems:
        intent = VERBS.get(word)
        if intent is None:
            continue
        weights[intent] = max(weights.get(intent, 0.0), weight)
        # In `show me how to delete a pet` the first verb is the intent.
        weight *= 0.6
    return weights
