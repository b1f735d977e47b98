"""How sure a plan is, from 0 to 1: one row of features and one table, fitted to be calibrated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nlapi.offline.choose import Candidate
from nlapi.offline.entities import collection_of
from nlapi.offline.option import Option
from nlapi.offline.sentence import Kind, Sentence
from nlapi.tools.words import STOPWORDS, VERBS

WEIGHTS: dict[str, float] = {
    "always": -5.2,
    "margin": 0.74,
    "covered": 2.8,
    "weakest": 1.08,
    "guessed": -0.77,
    "missing": -1.5,
    "unused": -0.37,
    "doubt": -1.86,
}
"""Feature -> weight of a logistic model. A fitted table takes the place of this one."""


def content_words(sentence: Sentence, things: frozenset[str]) -> list[int]:
    """Positions of the tokens that say what is wanted; a verb is one when it names a thing (books)."""
    return [
        at
        for at, token in enumerate(sentence.tokens)
        if token.word and token.lower not in STOPWORDS and (token.stem not in VERBS or token.stem in things)
    ]


def coverage(candidate: Candidate) -> float:
    """The part of the sentence's content words that the operation, its slots or their values account for."""
    sentence = candidate.scene.sentence
    words = content_words(sentence, frozenset(collection_of(candidate.operation)))
    if not words:
        return 0.0
    known = (
        candidate.scene.common
        | candidate.scene.talked
        | {word for slot in candidate.scene.slots for word in slot.prose}
    )
    used = candidate.filling.options
    good = sum(sentence.stems[at] in known or any(_in(sentence, at, option) for option in used) for at in words)
    return good / len(words)


def _in(sentence: Sentence, at: int, option: Option) -> bool:
    return option.start <= sentence.tokens[at].start < option.end


def features(candidate: Candidate, others: Sequence[Candidate], missing: int) -> Mapping[str, float]:
    """What the confidence is made of; each about 0 to 1, counts as they are."""
    options = candidate.filling.options
    guessed = [option for option in options if any(span.kind is Kind.PHRASE for span in option.spans)]
    return {
        "always": 1.0,
        "margin": min(3.0, candidate.score - others[0].score) if others else 3.0,
        "covered": coverage(candidate),
        "weakest": min((min(option.score, 2.0) for option in options), default=1.5),
        "guessed": float(len(guessed)),
        "missing": float(missing),
        "unused": float(len(candidate.filling.unused)),
        "doubt": sum(max(0.0, 1.7 - option.score) for option in options if not option.slot.required),
    }


def confidence(row: Mapping[str, float]) -> float:
    """The features as a probability."""
    return 1.0 / (1.0 + math.exp(-sum(WEIGHTS[name] * amount for name, amount in row.items())))
