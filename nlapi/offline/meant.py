"""What a sentence means beyond its words: a noun alone asks to see it, a comparison needs a list, a name an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidate_of
from nlapi.offline.commands import commands
from nlapi.offline.entities import Wanted, collection_of, entity_of, is_subject, kind_of, named, takes_id
from nlapi.offline.fields import part_of, schema_at
from nlapi.offline.fill import Filling
from nlapi.offline.given import Values, argument_name, complete, wanted_in
from nlapi.offline.links import Flows
from nlapi.offline.match import page_size
from nlapi.offline.option import Option
from nlapi.offline.placed import LAST, ORDINALS
from nlapi.offline.sentence import Kind, Sentence
from nlapi.offline.slots import Slot
from nlapi.offline.wish import Want, wish_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.tool import Tool
from nlapi.tools.words import METHODS, STOPWORDS, VERBS, Intent, pieces, singular, stem

_OPENINGS = frozenset("the my our all every some any a an please and".split())
_HAS = re.compile(
    r"^\W*(?:do|does)\s+(?P<owner>.+?)\s+(?:have|contain|hold)\s+(?:any\s+|some\s+)?(?P<things>[a-z][a-z ]*?)\s*\?*$",
    re.IGNORECASE,
)
DETERMINERS = frozenset("the a an my our your this that all every each some any me it them".split())
"""What stands after a verb, known or not, and after no noun."""
_WHO_AM_I = re.compile(
    r"^\W*(?:show (?:me )?)?(?:who(?:'s| is)? ?am ?i(?: (?:logg?ed|signed) in(?: as)?)?|whoami|my (?:user )?(?:profile|account|user)"
    r"|wh(?:o|ich user|at user|at account) (?:am i|is) (?:logg?ed|signed) in(?: as)?)\W*$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^\W*(?:what|which|who|whose|where|when|how many|how much)\b", re.IGNORECASE)
_NAMES = frozenset(("name", "title", "label", "display_name"))
_GIVES_NAME = frozenset(
    ("to", "as", "into", "name", "named", "called", "title", "titled", "label", "is", "=", ":", "be")
)
_MOST_OTHERS = 6
_MOST_TRIED = 40
_MOST_LISTINGS = 4
NAMED = 0.6
"""How well a name fits of which nothing tells the kind."""
SOLID = 0.94
"""How well a look-up fits that the description itself leads to."""


def as_command(question: str, names: Callable[[str], bool], operations: Iterable[Operation] = ()) -> str:
    """A question that is a noun with nothing but what follows it (ads of the campaign X) asks to be shown it.

    So does one whether something has such things: does the campaign X have ads? A noun that one of the `operations`
    begins its summary with as a verb (limit a client) is one.
    """
    has = _HAS.match(question[:200])
    things = pieces(has["things"])[-1] if has is not None else ""
    if has is not None and names(stem(things)) and singular(things) != things:
        return f"show {has['things']} of {has['owner']}"
    words = pieces(question[:200])
    at = next((at for at, word in enumerate(words) if word not in _OPENINGS), len(words))
    first, after = (*words[at : at + 2], "", "")[:2]
    verb = stem(first) in VERBS and singular(first) == first
    noun = bool(first) and names(stem(first)) and not verb and after not in DETERMINERS
    return f"show {question.lstrip()}" if noun and not _is_deed(first, after, operations) else question


def asks_who_i_am(question: str) -> bool:
    """Is a question about who is calling, and nothing else?"""
    return _WHO_AM_I.match(question) is not None


def _is_deed(word: str, after: str, operations: Iterable[Operation]) -> bool:
    """Is the word a verb: begins the summary of a change with it and an article, or ends the path of one that is
    called so (resizeVolume, /volumes/{id}/resize), or before the noun of its path (refund charge 5)?
    """
    every = list(operations)
    begun = (one.summary.lower().split() for one in every if one.summary[: len(word)].lower() == word)
    if any(len(words) > 1 and words[0] == word and words[1] in DETERMINERS for words in begun):
        return True
    deeds = (one for one in every if one.method != "GET" and one.path.rstrip("/").lower().endswith(f"}}/{word}"))
    return any(
        word in (*pieces(one.id)[:1], *pieces(one.summary)[:1]) or (after and after in map(singular, pieces(one.path)))
        for one in deeds
    )


def asks(question: str) -> bool:
    """Does a sentence begin as a question does that asks for something to be told?"""
    return _ASKS.match(question) is not None


def read_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> Sequence[Candidate]:
    """The reads alone, where a question asks what is so (is it paused, who made it, on average) and commands nothing."""
    wish = wish_of(sentence.text)
    told = wish.want is Want.CHECK or wish.figures or asks(sentence.text) or (bool(found) and found[0].unasked)
    if not told or any(map(commands, sentence.tokens)):
        return found
    reads = [one for one in found if one.tool.effect is Effect.READ]
    if reads or not found or not catalogue.index.changes(found[0].operation):
        return reads or found
    more = catalogue.index.search(sentence.text, _MOST_TRIED)
    few = [(one, score) for one, score in more if one.effect is Effect.READ][:_MOST_LISTINGS]
    tries = (candidate_of(sentence, catalogue, known, operation, score) for operation, score in few)
    return sorted((one for one in tries if one is not None), key=lambda one: -one.score) or found


def listing_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Candidate, list[Candidate]]:
    """The likeliest candidate and the others; the listing first where things are compared, counted or added up.

    `which campaign has the highest budget` names no campaign: it takes all of them to tell.
    """
    best, others = found[0], list(found[1:])
    if best.tool.effect is not Effect.READ or not wish_of(sentence.text).figures:
        return best, others
    tokens, noun = sentence.tokens, set(collection_of(best.operation))
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
    stems, kind = best.scene.sentence.stems, collection_of(best.operation)
    of = next((at for at, token in enumerate(best.scene.sentence.tokens) if token.lower == "of"), len(stems))
    for operation in catalogue.flows(best.operation.spec).operations:
        noun = collection_of(operation)
        one = operation.method == "GET" and operation.path.rstrip("/").endswith("}") and noun != kind
        if one and noun and set(noun) <= set(stems[:of]) and set(kind) <= set(stems[of:]):
            owned = candidate_of(best.scene.sentence, catalogue, known, operation, best.score)
            owned = completed(owned, catalogue, known, question) if owned is not None else None
            if owned is not None and not owned.filling.missing:
                return replace(owned, score=best.score)
    return best


def completed(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any], question: str) -> Candidate:
    """The candidate with look-ups in the place of ids that the sentence does not give, where they can be had so.

    The N of `the top N` is not the size of a page, unless the API itself puts its list in that order.
    """
    filling = best.filling
    if best.tool.effect is Effect.READ and wish_of(question).compares and not _sorted(best):
        filling = replace(filling, options=tuple(one for one in filling.options if not page_size(one.slot)))
    filling = _named_subject(replace(best, filling=filling), catalogue)
    _, missing = complete({one.slot.path: one.value for one in filling.options}, best.scene.slots, known)
    flows = catalogue.flows(best.operation.spec)
    for slot in missing:
        if not takes_id(slot):
            continue
        option = next(_flow(best, slot, catalogue, flows), None)
        if option is None and best.tool.effect is Effect.READ:
            option = _qualified(best, slot, catalogue, flows) or _only_name(replace(best, filling=filling), slot, catalogue)
        if option is None and not is_subject(best.operation, slot) and (me := flows.me(slot)) is not None:
            option = Option(slot=slot, value=Wanted(name="", lister=me.id), sure=SOLID, start=0, end=0)
        if option is not None:
            filling = _with(filling, option)
    return replace(best, filling=filling)


def _only_name(best: Candidate, slot: Slot, catalogue: Catalogue) -> Option | None:
    """The one name that the sentence has left over, where the id of a thing is all that a read lacks."""
    listing = catalogue.lister(best.tool, slot)
    loose = [one for one in best.filling.options if not one.slot.required and one.sure < NAMED]
    spans = (*best.filling.unused, *(span for one in loose for span in one.spans[:1]))
    unused = [span for span in spans if span.kind in (Kind.QUOTED, Kind.NAME)]
    quoted = [span for span in unused if span.kind is Kind.QUOTED]
    names = quoted or [span for span in unused if " " in span.text or span.first > 0]
    if listing is None or len(names) != 1 or best.filling.missing != (slot,) or slot.many:
        return None
    (span,) = names
    if {token.stem for token in best.scene.sentence.tokens[span.first : span.last]} <= best.scene.common:
        return None
    name = span.text.rstrip(" .,;:!?")
    return Option(slot=slot, value=Wanted(name=name, lister=listing.id), sure=NAMED, start=span.start, end=span.end)


def _qualified(best: Candidate, slot: Slot, catalogue: Catalogue, flows: Flows) -> Option | None:
    """The first thing of a read that lists, or shows, what the sentence says of it: the most [popular] movie.

    Such a read needs nothing, and its path ends in those words: /movie/popular, /me/player/currently-playing. What is
    wanted may be in the things: the artist of the song currently playing.
    """
    kind = kind_of(best.operation, slot)
    said, found = best.scene.sentence.stem_set, list[tuple[int, Operation, str]]()
    for operation in flows.operations:
        last = operation.path.rstrip("/").rpartition("/")[2]
        words = {stem(word) for word in pieces(last) if word not in STOPWORDS} - set(kind)
        if operation.method != "GET" or operation is best.operation or "{" in operation.path or not words <= said:
            continue
        if not words or words <= best.scene.common or any(one.required for one in operation.parameters):
            continue
        path = set(map(stem, pieces(operation.path)))
        if kind and set(kind) <= path:
            found.append((len(words) + 1, operation, ""))
        elif kind and (part := part_of(operation, kind)):
            found.append((len(words), operation, f"{part}.id"))
    if not kind or not set(kind) <= said or not found:
        return None
    _, operation, field = max(found, key=lambda one: one[0])
    name = f"the first of {(operation.summary.strip().rstrip('.') or operation.id)!r}"
    wanted = Wanted(name=name, lister=operation.id, field=field, place="first")
    return Option(slot=slot, value=wanted, sure=SOLID, start=0, end=0)


def _named_subject(best: Candidate, catalogue: Catalogue) -> Filling:
    """`pause Summer Sale` does not give a thing a name but says which: its name stands behind no `to` or `called`."""
    filling, tokens = best.filling, best.scene.sentence.tokens
    subject = next((slot for slot in filling.missing if is_subject(best.operation, slot)), None)
    listing = catalogue.lister(best.tool, subject) if subject is not None else None
    naming = next((one for one in filling.options if one.slot.name in _NAMES and one.spans), None)
    if subject is None or listing is None or naming is None or len(filling.options) < 2:
        return filling
    first = naming.spans[0].first
    if not first or tokens[first - 1].lower in _GIVES_NAME:
        return filling
    wanted = Wanted(name=str(naming.value), lister=listing.id)
    rest = tuple(one for one in filling.options if one is not naming)
    return _with(replace(filling, options=rest), replace(naming, slot=subject, value=wanted))


def _with(filling: Filling, option: Option) -> Filling:
    """The filling with one more option; what was taken from the same words gives way to it."""
    kept = (one for one in filling.options if one.start == one.end or not one.collides(option))
    return Filling(
        options=(*kept, option),
        missing=tuple(slot for slot in filling.missing if slot is not option.slot),
        unused=tuple(span for span in filling.unused if not (option.start < span.end and span.start < option.end)),
    )


def _sorted(best: Candidate) -> bool:
    """Does the API itself put the list in the order that is asked for?"""
    return any({"sort", "order"} & set(option.slot.words) for option in best.filling.options)


def _flow(best: Candidate, slot: Slot, catalogue: Catalogue, flows: Flows) -> Iterator[Option]:
    """From a thing of another kind that the sentence names to the id that `slot` wants: campaign of the ad set X."""
    entity = entity_of(slot)
    said = best.scene.sentence.stem_set
    made = collection_of(best.operation) if best.operation.method == "POST" else ()
    for listing in flows.operations:
        kind = collection_of(listing)
        lists = listing.method == "GET" and not listing.path.rstrip("/").endswith("}")
        if not lists or not kind or kind in (entity, made) or not set(kind) <= said:
            continue
        names = sorted(named(best.scene, kind, coded=False), key=lambda one: -one.score)
        if not names:
            continue
        via, field = "", flows.fields(listing, best.tool, slot)
        if not field and (shown := _shows(listing, best.tool, slot, flows)):
            via, field = shown[0].id, shown[1]
        if field:
            wanted = Wanted(name=names[0].name, lister=listing.id, field=field, via=via)
            yield Option(slot=slot, value=wanted, sure=SOLID, start=names[0].start, end=names[0].end)


def _shows(listing: Operation, tool: Tool, slot: Slot, flows: Flows) -> tuple[Operation, str] | None:
    """The operation that shows one of the things listed, when its answer holds what `slot` wants, and the field."""
    inside = f"{listing.path.rstrip('/')}/{{"
    for operation in flows.operations:
        one = operation.method == "GET" and operation.path.startswith(inside) and operation.path.endswith("}")
        if not one or "/" in operation.path.removeprefix(inside):
            continue
        linked = (source.field for source in flows.linked(tool, slot) if source.operation is operation)
        field = next((one for one in linked if one != "id"), "")
        field = field or (slot.name if slot.name != "id" and schema_at(operation, slot.name) is not None else "")
        if field:
            return operation, field
    return None


def other_goals(
    best: Candidate, values: Values, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[tuple[str, Values], ...]:
    """What else a name may be the name of, where the sentence does not say of what kind it is: pause Summer Sale."""
    by_name = [option for option in best.filling.options if wanted_in(option.value) is not None]
    if (
        len(by_name) != 1
        or wanted_in(values.get(by_name[0].slot.path)) is None
        or _says_kind(best, by_name[0], catalogue)
    ):
        return ()
    option = by_name[0]
    name = wanted_in(option.value)
    assert name is not None
    found: list[tuple[str, Values]] = []
    if option.slot.where != "path":
        for slot, listing in best.scene.listers.items():
            if slot.where == option.slot.where and slot.path not in values and slot is not option.slot:
                wanted = Wanted(name=name.name, lister=listing.id)
                rest = {path: value for path, value in values.items() if path != option.slot.path}
                found.append((best.operation.id, {**rest, slot.path: [wanted] if slot.many else wanted}))
    rest = {path: value for path, value in values.items() if path != option.slot.path}
    every = catalogue.flows(best.operation.spec).operations
    alike = [one for one in every if one.method == best.operation.method and one is not best.operation]
    for operation in alike[:_MOST_TRIED]:
        if len(found) < _MOST_OTHERS and (other := _same(operation, rest, name.name, catalogue, known)):
            found.append((operation.id, other))
    return tuple(found)


def _says_kind(candidate: Candidate, option: Option, catalogue: Catalogue) -> bool:
    """Does the sentence name the kind of thing that the name is of?"""
    wanted = wanted_in(option.value)
    listing = catalogue.find(wanted.lister, candidate.operation.spec) if wanted is not None else None
    kind = set(entity_of(option.slot)) or (set(collection_of(listing)) if listing is not None else set())
    return kind <= candidate.scene.sentence.stem_set


def _same(
    operation: Operation, rest: Values, name: str, catalogue: Catalogue, known: Mapping[str, Any]
) -> Values | None:
    """The values by which another operation does the same to a thing of another kind with the same name."""
    tool = catalogue.tool(operation)
    if tool is None or not operation.path.rstrip("/").endswith("}"):
        return None
    slots = catalogue.slots(tool)
    subject = next((slot for slot in slots if is_subject(operation, slot)), None)
    listing = catalogue.lister(tool, subject) if subject is not None else None
    if subject is None or listing is None or any(slot.required for slot in slots if slot is not subject):
        return None
    if argument_name(subject) in known:  # which one is meant was said beforehand, by its id
        return None
    by_path = {slot.path: slot for slot in slots}
    fits = all(
        path in by_path and (not by_path[path].choices or value in by_path[path].choices)
        for path, value in rest.items()
    )
    return {**rest, subject.path: Wanted(name=name, lister=listing.id)} if fits else None


def tells(best: Candidate, missing: Sequence[Slot]) -> bool:
    """Is it plain that a listing tells what is asked about its things: the highest budget, how many, the total?

    The words that say so are about the answer and not about the call, so that they take nothing from its confidence.
    """
    sentence = best.scene.sentence
    listed = best.operation.method == "GET" and not best.operation.path.rstrip("/").endswith("}")
    plain = listed and not missing and not best.filling.unused and wish_of(sentence.text).figures
    return plain and set(collection_of(best.operation)) <= sentence.stem_set


def named_changes(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> list[Candidate]:
    """Updates of a thing that is called by nothing but its name (rename Argo to Nostos), though no word tells its kind.

    Only what says which thing and what shall become of it, and leaves out nothing, is one.
    """
    if not any(map(commands, sentence.tokens)):
        return []
    found: list[Candidate] = []
    updates = [one for one in catalogue.operations if one.method in METHODS[Intent.UPDATE]]
    for operation in [one for one in updates if one.path.rstrip("/").endswith("}")][:_MOST_TRIED]:
        one = candidate_of(sentence, catalogue, known, operation, 0.0)
        one = completed(one, catalogue, known, sentence.text) if one is not None else None
        if one is None or one.filling.missing or one.filling.unused or len(one.filling.options) < 2:
            continue
        if any(wanted_in(option.value) is not None for option in one.filling.options):
            found.append(one)
    return sorted(found, key=lambda one: -one.score)


def says_all(best: Candidate) -> bool:
    """Is every word that tells something in a value, or does it name the operation or one of its slots?"""
    known = best.scene.common | best.scene.talked
    options = best.filling.options
    return all(
        token.stem in known
        or token.stem in VERBS
        or token.lower in STOPWORDS
        or any(option.start <= token.start < option.end for option in options)
        for token in best.scene.sentence.tokens
        if token.word
    )
