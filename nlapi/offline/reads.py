"""Which read answers a question: no change where something is asked, a list where things are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidate_of
from nlapi.offline.commands import commands
from nlapi.offline.entities import is_subject, noun_stems
from nlapi.offline.given import wanted_in
from nlapi.offline.placed import LAST, ORDINALS
from nlapi.offline.sentence import Sentence
from nlapi.offline.slots import Slot
from nlapi.offline.ways import completed
from nlapi.offline.wish import Want, wish_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import pieces, singular, stem

_WHO_AM_I = re.compile(
    r"^\W*(?:show (?:me )?)?(?:who ?am ?i(?: (?:logg?ed|signed) in(?: as)?)?|my (?:user )?(?:profile|account|user)"
    r"|wh(?:o|ich user|at user|at account) (?:am i|is) (?:logg?ed|signed) in(?: as)?)\W*$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^\W*(?:what|which|who|whose|where|when|how many|how much)\b", re.IGNORECASE)
_EXISTS = re.compile(r"^\W*(?:is|are|was|were)\s+there\b", re.IGNORECASE)
_COUNTED = re.compile(
    r"\b(?:how many|number of|count(?: up)?)\s+(?:(?:the|all|my|our|these|of)\s+)*(?P<noun>[a-z]+s)\b", re.IGNORECASE
)
_MOST_LISTINGS = 4
_NEAR = 2.0
"""How far a listing of what is compared may be behind what is likeliest."""
_MOST_SEARCHED = 40


def asks(question: str) -> bool:
    """Does a sentence begin as a question does that asks for something to be told?"""
    return _ASKS.match(question) is not None


def asks_who_i_am(question: str) -> bool:
    """Is a question about who is calling, and nothing else?"""
    return _WHO_AM_I.match(question) is not None


def read_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """The reads alone, where a question asks what is so (is it paused, who made it) and commands nothing."""
    found = _read_of_path(found, sentence, catalogue)
    wish = wish_of(sentence.text)
    told = wish.want is Want.CHECK or wish.figures or asks(sentence.text)
    if not told or any(map(commands, sentence.tokens)):
        return found
    reads = [one for one in found if one.tool.effect is Effect.READ]
    if reads or not found or not catalogue.index.changes(found[0].operation):
        return reads or found
    more = catalogue.index.search(sentence.text, _MOST_SEARCHED)
    few = [(one, score) for one, score in more if one.effect is Effect.READ][:_MOST_LISTINGS]
    tries = (candidate_of(sentence, catalogue, known, operation, score) for operation, score in few)
    return sorted((one for one in tries if one is not None), key=lambda one: -one.score) or found


def _read_of_path(found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue) -> Sequence[Candidate]:
    """The read first where a change of the same path says the same of itself, and no change is commanded."""
    if not found or not catalogue.index.changes(found[0].operation) or any(map(commands, sentence.tokens)):
        return found
    best = found[0].operation
    near = (one for one in found if one.score > found[0].score - _NEAR and one.tool.effect is Effect.READ)
    same = next((one for one in near if (one.operation.path, one.operation.summary) == (best.path, best.summary)), None)
    return found if same is None else [same, *(one for one in found if one is not same)]


def listing_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Candidate, list[Candidate]]:
    """The likeliest candidate and the others; the listing first where things are compared, counted or added up.

    `which campaign has the highest budget` names no campaign: it takes all of them to tell.
    """
    best, others = found[0], list(found[1:])
    if (listing := _listing_of_named(best, sentence, catalogue, known)) is not None:
        return listing, [best, *(one for one in others if one.operation is not listing.operation)]
    if best.tool.effect is not Effect.READ or not wish_of(sentence.text).figures:
        return best, others
    counted = _counted(sentence)
    if not _lists_what_is_said(best, sentence) or best.filling.missing or (counted and not _ends_in(best, counted)):
        whole = [one for one in others if not one.filling.missing and _lists_what_is_said(one, sentence)]
        said = next((one for one in whole if one.score > best.score - _NEAR), None)
        counts = stem("count") in map(stem, pieces(f"{best.operation.id} {best.operation.path}"))
        if counted and not counts and counted not in noun_stems(best.operation)[-1:]:
            said = next((one for one in whole if noun_stems(one.operation) == (counted,)), said)
        elif counted and not counts and not _ends_in(best, counted):
            near = (one for one in whole if one.score > best.score - _NEAR and _ends_in(one, counted))
            said = next(near, said)
        if said is not None:
            return said, [best, *(one for one in others if one is not said)]
    tokens, noun = sentence.tokens, set(noun_stems(best.operation))
    many = any(token.stem in noun and singular(token.lower) != token.lower for token in tokens)
    subject = next((slot for slot in best.scene.slots if is_subject(best.operation, slot)), None)
    if subject is None or not (many or subject in best.filling.missing or _is_at_an_end(best, subject)):
        return best, others
    listings = catalogue.listers(best.tool, subject)
    tries = (
        next((one for one in others if one.operation is listing), None)
        or candidate_of(sentence, catalogue, known, listing, best.score)
        for listing in listings[:_MOST_LISTINGS]
    )
    found_listings = [one for one in tries if one is not None]
    if not found_listings:
        return best, others
    instead = min(found_listings, key=_misfit)
    return instead, [best, *(one for one in others if one is not instead)]


def _listing_of_named(
    best: Candidate, sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Candidate | None:
    """The listing that tells whether there is such a thing: is there a model called Argo?"""
    if best.tool.effect is not Effect.READ or not _EXISTS.match(sentence.text):
        return None
    named = (one.slot for one in best.filling.options if wanted_in(one.value) is not None)
    listing = next((found for slot in named if (found := catalogue.lister(best.tool, slot)) is not None), None)
    return candidate_of(sentence, catalogue, known, listing, best.score) if listing is not None else None


def _counted(sentence: Sentence) -> str:
    """The stem of the noun in the plural that is to be counted: how many [containers], count the [containers]."""
    found = _COUNTED.search(sentence.text)
    return stem(found["noun"].lower()) if found is not None and singular(found["noun"].lower()) != found["noun"] else ""


def _ends_in(one: Candidate, noun: str) -> bool:
    """Is a path just where things of a noun are kept: /models rather than /model/info?"""
    last = pieces(one.operation.path.rstrip("/").rpartition("/")[2])
    return bool(last) and stem(last[-1]) == noun and singular(last[-1]) != last[-1]


def _lists_what_is_said(one: Candidate, sentence: Sentence) -> bool:
    """Does it list things that the sentence calls by their name: top 3 [campaigns]?"""
    operation = one.operation
    return operation.method == "GET" and not _is_one(operation) and set(noun_stems(operation)) <= sentence.stem_set


def _is_one(operation: Operation) -> bool:
    return operation.path.rstrip("/").endswith("}")


def _misfit(listing: Candidate) -> tuple[bool, int]:
    """How badly a listing fits: it lacks something, or what it leaves unused of the sentence."""
    return bool(listing.filling.missing), len(listing.filling.unused)


def _is_at_an_end(best: Candidate, subject: Slot) -> bool:
    """Is the thing itself the most or the least of its kind: the cheapest event?"""
    found = (wanted_in(option.value) for option in best.filling.options if option.slot is subject)
    return any(one is not None and one.place != "" and one.place not in (LAST, *ORDINALS) for one in found)


def owned_instead(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any], question: str) -> Candidate:
    """The candidate for what belongs to the thing named, where that is asked for: the campaign of the ad set X."""
    by_name = next((option for option in best.filling.options if wanted_in(option.value) is not None), None)
    if best.tool.effect is not Effect.READ or by_name is None or not is_subject(best.operation, by_name.slot):
        return best
    stems, kind = best.scene.sentence.stems, noun_stems(best.operation)
    of = next((at for at, token in enumerate(best.scene.sentence.tokens) if token.lower == "of"), len(stems))
    for operation in catalogue.operations_of(best.operation.spec):
        noun = noun_stems(operation)
        one = operation.method == "GET" and operation.path.rstrip("/").endswith("}") and noun != kind
        if one and noun and set(noun) <= set(stems[:of]) and set(kind) <= set(stems[of:]):
            owned = candidate_of(best.scene.sentence, catalogue, known, operation, best.score)
            owned = completed(owned, catalogue, known, question) if owned is not None else None
            if owned is not None and not owned.filling.missing:
                return replace(owned, score=best.score)
    return best
