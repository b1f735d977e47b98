"""Operations that leave no choice beside the likeliest: they do the same, or show one thing and nothing says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.confidence import meant
from nlapi.planner.slots.entities import is_subject, noun_stems
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.operations.ranking import chances
from nlapi.resources.nouns import QUERY_WORDS, home_route, is_single, thing_words
from nlapi.resources.paths import Shape, segments, shape
from nlapi.resources.resource import resources_of

_LEAST_SURE = 0.3
"""A guess less sure than this does not say which thing is meant."""
_RIVAL_CONFIDENCE, _SURER = 0.5, 0.1
"""How sure it is which thing is meant, and how much surer than for another operation."""
_NOT_MEANT, _MEANT = 0.1, 0.5
"""An API is hardly about a sentence as far as one operation shows, and is about it as another does."""


def real_rivals(best: Candidate, others: Sequence[Candidate]) -> tuple[Candidate, list[Candidate]]:
    """Return the likeliest candidate, or its twin that needs fewer look-ups, and the others that leave a choice."""
    twins = [one for one in others if is_same(best.operation, one.operation)]
    rivals = [one for one in others if one not in twins and not _is_idle(one, best)]
    if meant(best) > _MEANT:
        rivals = [one for one in rivals if meant(one) > _NOT_MEANT]
    chance = chances([best.score, *(one.score for one in rivals)])[0]
    direct = next((one for one in twins if _is_more_direct(one, best)), None)
    direct = direct or next((one for one in others if _is_surer_of_which(one, best)), None)
    return replace(best if direct is None else direct, score=best.score, chance=chance), rivals


def is_same(one: Operation, other: Operation) -> bool:
    """Whether two operations do the same: by a name and by an id, or list the same things in another way."""
    if one.spec is not other.spec or one.effect is not other.effect:
        return False
    resources = resources_of(one.spec)
    lists = one.effect is Effect.READ and resources.is_list(one) and resources.is_list(other)
    return (lists or one.method == other.method) and _home(one, lists) == _home(other, lists)


def _home(operation: Operation, lists: bool) -> Shape:
    """The shape of the path without what says by which field, or of a list without what says how it is read."""
    route = home_route(operation.route).rstrip("/")
    above, _, last = route.rpartition("/")
    return shape(segments(above if lists and last in QUERY_WORDS else route))


def _is_more_direct(one: Candidate, best: Candidate) -> bool:
    """Does a twin take as it stands the very name that the likeliest would look up?"""
    wanted = [name for option in best.filling.options if (name := wanted_in(option.value)) is not None]
    values = [option.value for option in one.filling.options if is_subject(one.operation, option.slot)]
    return len(wanted) == 1 and not one.filling.missing and values == [wanted[0].name]


def _is_surer_of_which(one: Candidate, best: Candidate) -> bool:
    """Do both show one thing of a kind, and is only the other sure which one the sentence names?"""
    if not (best.operation.effect is one.operation.effect is Effect.READ):
        return False
    if thing_words(one.operation) != thing_words(best.operation) or not is_single(one.operation):
        return False
    if any(wanted_in(option.value) for option in best.filling.options if is_subject(best.operation, option.slot)):
        return False  # that is looked up, which tells
    lacks = bool(best.filling.missing) and not one.filling.missing
    return is_single(best.operation) and surety(one) > _RIVAL_CONFIDENCE and (lacks or surety(one) > surety(best) + _SURER)


def surety(one: Candidate) -> float:
    """How sure it is which thing is meant."""
    sure = (option.sure for option in one.filling.options if is_subject(one.operation, option.slot))
    return max(sure, default=0.0)


def _is_idle(one: Candidate, best: Candidate) -> bool:
    """Does it show one thing, where all are asked for and the sentence does not say which?"""
    if best.operation.effect is not Effect.READ or not resources_of(best.operation.spec).is_list(best.operation):
        return False
    if not set(noun_stems(best.operation)) <= best.scene.sentence.stem_set:
        return False
    about_one = any(is_subject(one.operation, slot) for slot in one.scene.slots)
    return about_one and not best.filling.missing and surety(one) < _LEAST_SURE
