"""Chooses the operation that a sentence asks for: the likeliest, or what its words say plainly in the place of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import Sentence
from nlapi.planner.operations.candidates import Candidate, candidate_of, candidates
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.commanded import (
    act_instead,
    change_instead,
    creation_instead,
    named_instead,
    update_instead,
)
from nlapi.planner.operations.confidence import is_meant
from nlapi.planner.operations.intent_rewrites import named_changes
from nlapi.planner.operations.reads import (
    asks_for_health,
    asks_who_i_am,
    health_check,
    item_instead,
    list_asked_for,
    listing_instead,
    owned_instead,
    read_instead,
    real_rivals,
    shown_instead,
    telling_instead,
)
from nlapi.resources.naming import stem

CLEAR = 6.0
"""Index score from which a part of a sentence clearly names an operation by itself."""
_WHETHER = frozenset(map(stem, "exist exists whether there check verify available taken head".split()))
"""Words that ask whether a thing is there, which is all that HEAD tells: it shows nothing."""


def likeliest(
    sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], chosen: Operation | None
) -> list[Candidate]:
    """The operations that a sentence may mean, the likeliest first; the one that the user has chosen alone."""
    if chosen is not None:
        return [one for one in (candidate_of(sentence, catalogue, known, chosen, CLEAR),) if one is not None]
    if (caller := _caller(sentence, catalogue, known)) is not None:
        return [caller]
    found = candidates(sentence, catalogue, known)
    if _WHETHER.isdisjoint(sentence.stem_set):
        found = [one for one in found if one.operation.method != "HEAD"] or found
    return found if found and is_meant(found) else named_changes(sentence, catalogue, known) or found


def best_of(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], *, free: bool
) -> tuple[Candidate, list[Candidate]]:
    """The candidate to plan and its rivals: by what is commanded, listed or named; not `free` where one was chosen."""
    if free:
        commanded = update_instead(change_instead(found, sentence, catalogue), sentence)
        commanded = named_instead(commanded, catalogue)
        found = act_instead(creation_instead(commanded, sentence, catalogue, known), sentence, catalogue, known)
        found = list_asked_for(read_instead(found, sentence, catalogue, known), sentence, catalogue)
    best, others = listing_instead(read_instead(found, sentence, catalogue, known), sentence, catalogue, known)
    if free:
        best = item_instead(best, others, catalogue, known)
    best = telling_instead(owned_instead(best, catalogue, known, sentence.text), others)
    best = shown_instead(best, catalogue, known) if free else best
    return real_rivals(best, others)


def _caller(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> Candidate | None:
    """Who am I, is the server up? The read that tells who is calling, or how the server is, where the API has one."""
    operation = None
    if asks_who_i_am(sentence.text):
        operation = next((one for one in map(catalogue.caller, catalogue.specs) if one is not None), None)
    elif asks_for_health(sentence.text):
        operation = health_check(catalogue.operations)
    return candidate_of(sentence, catalogue, known, operation, CLEAR) if operation is not None else None
