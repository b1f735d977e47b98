"""Which read answers a question: no change where something is asked, a list where things are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.commands import commands
from nlapi.planner.language.ordinals import LAST, ORDINALS
from nlapi.planner.language.question_intent import Want, wish_of
from nlapi.planner.language.text import Kind, Sentence
from nlapi.planner.operations.candidates import Candidate, candidate_of
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.confidence import meant
from nlapi.planner.operations.id_resolution import completed
from nlapi.planner.operations.ranking import chances
from nlapi.planner.slots.entities import is_subject, noun_stems
from nlapi.planner.slots.known_values import wanted_in
from nlapi.planner.slots.slot import Option, Slot
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import CollectionIndex, collection_index
from nlapi.resources.naming import STOPWORDS, VERBS, Intent, name_words, singular, split_words, stem
from nlapi.resources.nouns import QUERY_WORDS, home_route, is_single, singular_noun
from nlapi.resources.paths import Shape, segments, shape

_OPENS = frozenset(map(stem, "list show which what count get find give display see print".split()))
_LISTS = frozenset(map(stem, "list show display see print".split()))
_MOST_WORDS = 3
"""Words that tell something in a sentence that asks for all there are, and sets no condition."""
_ENDS = frozenset("of in on for from to with by at that is are was were has have do does did and or".split())
_LIST_NEAR = 6.0
"""How far the list that is asked for may be behind what is likeliest."""


def head_noun(sentence: Sentence, catalogue: Catalogue) -> str:
    """The stem of the noun in the plural that a sentence asks to be shown, where it is one of the API; else ""."""
    start = opening_length(sentence.text)
    tokens = [token for token in sentence.tokens if token.start >= start and token.word]
    if not tokens or tokens[0].stem not in _OPENS:
        return ""
    for at, token in enumerate(tokens[1:6], 1):
        if token.lower in _ENDS:
            return ""
        many = singular(token.lower) != token.lower and token.lower not in STOPWORDS
        last = at + 1 == len(tokens) or tokens[at + 1].lower in _ENDS or tokens[at + 1].stem in VERBS
        if many and last:
            return token.stem if catalogue.index.is_entity(token.stem) else ""
    return ""


def list_asked_for(found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue) -> Sequence[Candidate]:
    """The candidates with the list of what is asked for first, where the likeliest reads something else."""
    best, head = found[0], head_noun(sentence, catalogue)
    if not head or best.operation.effect is not Effect.READ or head in noun_stems(best.operation):
        return found
    resources = collection_index(best.operation.spec)
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
    if any(collection_index(spec).is_list(one) for one in every):
        return ""
    return next(token.text for token in sentence.tokens if token.stem == head)


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
    resources = collection_index(one.spec)
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
    if singular_noun(one.operation) != singular_noun(best.operation) or not is_single(one.operation):
        return False
    if any(wanted_in(option.value) for option in best.filling.options if is_subject(best.operation, option.slot)):
        return False  # that is looked up, which tells
    lacks = bool(best.filling.missing) and not one.filling.missing
    return (
        is_single(best.operation) and surety(one) > _RIVAL_CONFIDENCE and (lacks or surety(one) > surety(best) + _SURER)
    )


def surety(one: Candidate) -> float:
    """How sure it is which thing is meant."""
    sure = (option.sure for option in one.filling.options if is_subject(one.operation, option.slot))
    return max(sure, default=0.0)


def _is_idle(one: Candidate, best: Candidate) -> bool:
    """Does it show one thing, where all are asked for and the sentence does not say which?"""
    if best.operation.effect is not Effect.READ or not collection_index(best.operation.spec).is_list(best.operation):
        return False
    if not set(noun_stems(best.operation)) <= best.scene.sentence.stem_set:
        return False
    about_one = any(is_subject(one.operation, slot) for slot in one.scene.slots)
    return about_one and not best.filling.missing and surety(one) < _LEAST_SURE


_WHO_AM_I = re.compile(
    r"^\W*(?:show (?:me )?)?(?:who ?am ?i(?: (?:logg?ed|signed) in(?: as)?)?|my (?:user )?(?:profile|account|user)"
    r"|wh(?:o|ich user|at user|at account) (?:am i|is) (?:logg?ed|signed) in(?: as)?)\W*$",
    re.IGNORECASE,
)
_IS_UP = re.compile(
    r"^\W*(?:is|are) (?:(?:(?:the |this |your |my |our )?(?:\w+ )?(?:server|api|service|system|backend|instance)|it)"
    r"(?: (?:still|currently|now))? (?:healthy|alive|up|ok|okay|ready|online|reachable|live|responding|working|running)"
    r"|\w+(?: (?:still|currently|now))? (?:healthy|alive|up|online|reachable|responding))"
    r"(?: and running)?(?: right now| now)?\W*$",
    re.IGNORECASE,
)
_HEALTH = tuple(
    "health healthz healthcheck status heartbeat liveness livez live alive ping ready readyz readiness".split()
)
"""Last segments of the paths of what tells whether a server is there, the most telling first."""
_ASKS = re.compile(r"^\W*(?:what|which|who|whose|where|when|how many|how much)\b", re.IGNORECASE)
_COUNTED = re.compile(
    r"\b(?:how many|number of|count(?: up)?)\s+(?:(?:the|all|my|our|these|of)\s+)*(?P<noun>[a-z]+s)\b", re.IGNORECASE
)
_MOST_LISTINGS = 4
_NEAR = 2.0
"""How far a listing of what is compared may be behind what is likeliest."""
_MOST_SEARCHED = 40
_SURE_OF_WHICH = 0.5
"""How sure it has to be which thing is meant for what it holds to be counted."""
_OF_COUNTS = frozenset(
    map(stem, "count number total altogether exist there currently defined registered stored".split())
)


def asks(question: str) -> bool:
    """Does a sentence begin as a question does that asks for something to be told?"""
    return _ASKS.match(question) is not None


def asks_for_health(question: str) -> bool:
    """Is a question whether the server is there, and nothing else?"""
    return _IS_UP.match(question) is not None


def health_check(operations: Sequence[Operation]) -> Operation | None:
    """The operation that tells whether the server is there; None where there is none."""
    reads = [one for one in operations if one.method == "GET" and "{" not in one.path]
    ends = {"".join(name_words(one.path.rstrip("/").rpartition("/")[2])): one for one in reversed(reads)}
    found = (one for word in _HEALTH for end, one in ends.items() if end == word)
    return next((one for one in found if not any(p.required for p in one.parameters)), None)


def asks_who_i_am(question: str) -> bool:
    """Is a question about who is calling, and nothing else?"""
    return _WHO_AM_I.match(question) is not None


def read_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """The reads alone, where a question asks what is so (is it paused, who made it) and commands nothing."""
    found = _read_of_path(found, sentence, catalogue)
    wish = wish_of(sentence.text)
    told = wish.want is Want.CHECK or wish.figures
    if not asks(sentence.text) and (not told or any(map(commands, sentence.tokens))):
        return found
    reads = [one for one in found if one.tool.effect is Effect.READ]
    if reads or not found or not catalogue.index.is_change(found[0].operation):
        return reads or found
    more = catalogue.index.search(sentence.text, _MOST_SEARCHED)
    few = [(one, score) for one, score in more if one.effect is Effect.READ][:_MOST_LISTINGS]
    tries = (candidate_of(sentence, catalogue, known, operation, score) for operation, score in few)
    return sorted((one for one in tries if one is not None), key=lambda one: -one.score) or found


def _read_of_path(found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue) -> Sequence[Candidate]:
    """The read first where a change of the same path says the same of itself, and no change is commanded."""
    if not found or not catalogue.index.is_change(found[0].operation) or any(map(commands, sentence.tokens)):
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
    wish = wish_of(sentence.text)
    if best.tool.effect is not Effect.READ or not wish.figures:
        return best, others
    counts = (one for one in others if is_count(one.operation) and surety(one) > _SURE_OF_WHICH)
    if wish.want is Want.COUNT and is_single(best.operation) and (count := next(counts, None)) is not None:
        return replace(count, score=best.score), [best, *(one for one in others if one is not count)]
    if is_count(best.operation):
        listing = _listing_of_count(best, sentence, catalogue, known)
        return (best, others) if listing is None else (listing, [best, *others])
    counted = _counted(sentence)
    if not _lists_what_is_said(best, sentence) or best.filling.missing or (counted and not _ends_in(best, counted)):
        whole = [one for one in others if not one.filling.missing and _lists_what_is_said(one, sentence)]
        said = next((one for one in whole if one.score > best.score - _NEAR), None)
        if counted and counted not in noun_stems(best.operation)[-1:]:
            said = next((one for one in whole if noun_stems(one.operation) == (counted,)), said)
        elif counted and not _ends_in(best, counted):
            near = (one for one in whole if one.score > best.score - _NEAR and _ends_in(one, counted))
            said = next(near, said)
        if said is not None:
            return said, [best, *(one for one in others if one is not said)]
    many = _is_many(best)
    subject = next((slot for slot in best.scene.slots if is_subject(best.operation, slot)), None)
    guessed = wish.compares and surety(best) < _SURE_OF_WHICH
    if subject is None or not (many or guessed or subject in best.filling.missing or _is_at_an_end(best, subject)):
        return best, others
    listings = catalogue.listers(best.tool, subject) or _lists_of_same(best.operation)
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


def item_instead(
    best: Candidate, others: Sequence[Candidate], catalogue: Catalogue, known: Mapping[str, Any]
) -> Candidate:
    """The read of the one thing that a sentence names, in the place of a list that is filtered by its name.

    `show zone example.com`: the thing is found in the list, however its name is written there, and shown whole.
    """
    names = {option.value for option in best.filling.options if _is_name_filter(best, option)}
    if best.tool.effect is not Effect.READ or len(names) != 1 or _is_one(best.operation) or _is_many(best):
        return best
    shown = collection_index(best.operation.spec).item_read(best.operation)
    near = next((one for one in others if one.operation is shown), None)
    if near is None and shown is not None and shown in catalogue.operations:
        near = candidate_of(best.scene.sentence, catalogue, known, shown, best.score)
    found = (
        [wanted for option in near.filling.options if (wanted := wanted_in(option.value))] if near is not None else []
    )
    if near is None or not any(wanted.name in names and wanted.lister == best.operation.id for wanted in found):
        return best
    return replace(near, score=best.score, chance=best.chance, row=best.row)


def _is_name_filter(best: Candidate, option: Option) -> bool:
    """Does an option keep of a list only what is called so: by a filter `name`, or one called like the things?"""
    slot = option.slot
    named = slot.words == (stem("name"),) or slot.words == tuple(map(stem, singular_noun(best.operation)))
    return named and slot.where == "query" and not slot.many and isinstance(option.value, str)


def _is_many(best: Candidate) -> bool:
    """Does the sentence call what is listed by its noun in the plural?"""
    noun = set(noun_stems(best.operation))
    return any(one.stem in noun and singular(one.lower) != one.lower for one in best.scene.sentence.tokens)


def is_count(operation: Operation) -> bool:
    """Whether a read answers with how many things there are: /flows/count, /collections_count."""
    return operation.effect is Effect.READ and "count" in name_words(operation.path.rstrip("/").rpartition("/")[2])


def _listing_of_count(
    best: Candidate, sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Candidate | None:
    """The list of what is counted, where the sentence says more of that than the count was told; else None."""
    wish = wish_of(sentence.text)
    above, _, last = best.operation.path.rstrip("/").rpartition("/")
    if not (wish.by or _says_more(best)) or (name_words(last) == ("count",) and above.endswith("}")):
        return None
    lists = _lists_of_same(best.operation)
    tries = (candidate_of(sentence, catalogue, known, one, best.score) for one in lists[:_MOST_LISTINGS])
    return min((one for one in tries if one is not None), key=_misfit, default=None)


def _lists_of_same(operation: Operation) -> tuple[Operation, ...]:
    """The lists, each at the home of what it lists, of the things that an operation is about."""
    resources = collection_index(operation.spec)
    return tuple(one for one in resources.lists_for_noun(singular_noun(operation)) if resources.is_canonical(one))


def shown_instead(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any]) -> Candidate:
    """The candidate that shows the thing itself, where that has the field which is asked for: the limit of the pool x.

    One that shows another part of the thing has to be called for by its own words (the [status] of the limit).
    """
    operation, sentence = best.operation, best.scene.sentence
    item, inside, last = operation.route.rstrip("/").rpartition("}/")
    if operation.effect is not Effect.READ or not inside or best.filling.missing or "{" in last:
        return best
    if {stem(word) for word in name_words(last)} <= sentence.stem_set:
        return best
    every = catalogue.operations_of(operation.spec)
    shows = next((one for one in every if one.method == "GET" and one.route.rstrip("/") == f"{item}}}"), None)
    resources = collection_index(operation.spec)
    if shows is None or not _says_field(resources, shows, sentence):
        return best
    shown = candidate_of(sentence, catalogue, known, shows, best.score)
    return best if shown is None or shown.filling.missing else replace(shown, score=best.score)


def _says_field(resources: CollectionIndex, operation: Operation, sentence: Sentence) -> bool:
    """Does a sentence name a field of the thing that an operation shows, and not the thing itself by that?"""
    noun = set(map(stem, singular_noun(operation)))
    entry = resources.schemas.entry_schema(operation)
    names = (frozenset(map(stem, name_words(name))) for name in resources.schemas.reader.properties(entry))
    return any(words <= sentence.stem_set and not words <= noun for words in names if words)


def _says_more(best: Candidate) -> bool:
    """Does the sentence say anything of what is counted that no argument of the count takes?"""
    own = {stem(word) for text in (best.operation.path, best.operation.summary) for word in split_words(text)}
    tokens = [token for token in best.scene.sentence.tokens if token.word and token.lower not in STOPWORDS]
    return any(
        token.stem not in own | _OF_COUNTS
        and not any(one.start <= token.start < one.end for one in best.filling.options)
        for token in tokens
    )


def _counted(sentence: Sentence) -> str:
    """The stem of the noun in the plural that is to be counted: how many [containers], count the [containers]."""
    found = _COUNTED.search(sentence.text)
    return stem(found["noun"].lower()) if found is not None and singular(found["noun"].lower()) != found["noun"] else ""


def _ends_in(one: Candidate, noun: str) -> bool:
    """Is a path just where things of a noun are kept: /models rather than /model/info?"""
    last = split_words(one.operation.path.rstrip("/").rpartition("/")[2])
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


_NAMED = 0.6
"""How sure the name of a thing has to be."""


def telling_instead(best: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Return what shows the thing that a question names, where that tells of it what the likeliest read does not.

    `is the api container running` is told by its state, and not by the processes that run in it.
    """
    text = best.scene.sentence.text
    checks = wish_of(text).want is Want.CHECK
    if best.tool.effect is not Effect.READ or not (checks or asks(text)):
        return best
    most, instead = _told(best, _asked(best), only_answer=checks), best
    for one in others:
        if one.tool.effect is Effect.READ and not one.filling.missing and _names_one(one):
            asked = _asked(one)
            told = _told(one, asked, only_answer=True)
            if told > (most & asked):
                most, instead = told, one
    return replace(instead, score=best.score)


def _names_one(candidate: Candidate) -> bool:
    """Is the thing called by its name which a read shows?"""
    named = (option for option in candidate.filling.options if wanted_in(option.value) is not None)
    return any(option.sure > _NAMED for option in named)


def _told(candidate: Candidate, asked: frozenset[str], *, only_answer: bool) -> frozenset[str]:
    """What of a question an answer has a field or a value for, or the read says of itself."""
    words = answer_words(candidate.operation).all
    return asked & (words if only_answer else words | candidate.scene.common) - {*noun_stems(candidate.operation)}


def _asked(candidate: Candidate) -> frozenset[str]:
    """The stems of what a question asks of a thing: no little words, nor what is called or counted by a value."""
    sentence = candidate.scene.sentence
    spans = [one for one in sentence.spans if one.kind in (Kind.NAME, Kind.LITERAL, Kind.QUOTED, Kind.NUMBER)]
    hidden = [(one.start, one.end) for one in candidate.filling.options] + [(one.start, one.end) for one in spans]
    return frozenset(
        token.stem
        for token in sentence.tokens
        if token.word
        and token.lower not in STOPWORDS
        and VERBS.get(token.stem) is not Intent.READ
        and not any(start <= token.start < end for start, end in hidden)
    )
