"""The list that a sentence asks for by the noun at its head: which [runs] are tagged x, list all [tenants]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.sentences import opening
from nlapi.openapi.spec import Effect
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.language.english.text import Sentence
from nlapi.resources.naming import STOPWORDS, VERBS, singular, stem
from nlapi.resources.resource import resources_of

_OPENS = frozenset(map(stem, "list show which what count get find give display see print".split()))
_LISTS = frozenset(map(stem, "list show display see print".split()))
_MOST_WORDS = 3
"""Words that tell something in a sentence that asks for all there are, and sets no condition."""
_ENDS = frozenset("of in on for from to with by at that is are was were has have do does did and or".split())
_LIST_NEAR = 6.0
"""How far the list that is asked for may be behind what is likeliest."""


def head_noun(sentence: Sentence, catalogue: Catalogue) -> str:
    """The stem of the noun in the plural that a sentence asks to be shown, where it is one of the API; else ""."""
    start = opening(sentence.text)
    tokens = [token for token in sentence.tokens if token.start >= start and token.word]
    if not tokens or tokens[0].stem not in _OPENS:
        return ""
    for at, token in enumerate(tokens[1:6], 1):
        if token.lower in _ENDS:
            return ""
        many = singular(token.lower) != token.lower and token.lower not in STOPWORDS
        last = at + 1 == len(tokens) or tokens[at + 1].lower in _ENDS or tokens[at + 1].stem in VERBS
        if many and last:
            return token.stem if catalogue.index.names(token.stem) else ""
    return ""


def list_asked_for(found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue) -> Sequence[Candidate]:
    """The candidates with the list of what is asked for first, where the likeliest reads something else."""
    best, head = found[0], head_noun(sentence, catalogue)
    if not head or best.operation.effect is not Effect.READ or head in noun_stems(best.operation):
        return found
    resources = resources_of(best.operation.spec)
    lists = (
        one
        for one in found
        if one.operation.effect is Effect.READ
        and noun_stems(one.operation)[-1:] == (head,)
        and not one.filling.missing
        and one.score > best.score - _LIST_NEAR
        and resources.is_list(one.operation)
    )
    listing = next(lists, None)
    if listing is None:
        return found
    return [replace(listing, score=best.score), *(one for one in found if one is not listing)]


def unlisted(best: Candidate, catalogue: Catalogue) -> str:
    """The noun of things that a sentence asks to list where the API has no list of them; "" where it has one."""
    sentence = best.scene.sentence
    head = head_noun(sentence, catalogue)
    if not head or best.operation.effect is not Effect.READ or head in noun_stems(best.operation):
        return ""
    words = [token for token in sentence.tokens if token.word and token.lower not in STOPWORDS]
    if words[0].stem not in _LISTS or words[-1].stem != head or len(words) > _MOST_WORDS:
        return ""
    spec = best.operation.spec
    every = (one for one in catalogue.operations_of(spec) if head in noun_stems(one))
    if any(resources_of(spec).is_list(one) for one in every):
        return ""
    return next(token.text for token in sentence.tokens if token.stem == head)
