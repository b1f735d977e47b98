"""What a sentence means beyond its words: a noun alone asks to see it, a comparison needs a list, a name an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidate_of
from nlapi.offline.commands import commands, opening
from nlapi.offline.entities import Wanted, collection_of, entity_of, is_subject, named, takes_id
from nlapi.offline.fields import schema_at
from nlapi.offline.fill import Filling
from nlapi.offline.given import Values, complete, wanted_in
from nlapi.offline.links import Flows
from nlapi.offline.match import page_size
from nlapi.offline.option import Option
from nlapi.offline.sentence import Sentence
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
_DETERMINERS = frozenset("the a an my our your this that all every each some any me it them".split())
"""What stands after a verb, known or not, and after no noun."""
_NAMES = frozenset(("name", "title", "label", "display_name"))
_GIVES_NAME = frozenset(
    ("to", "as", "into", "name", "named", "called", "title", "titled", "label", "is", "=", ":", "be")
)
_MOST_OTHERS = 6
_MOST_TRIED = 40
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
    noun = bool(first) and names(stem(first)) and not verb and after not in _DETERMINERS
    return f"show {question.lstrip()}" if noun and not _is_deed(first, operations) else question


def noun_as_verb(sentence: Sentence, names: Callable[[str], bool]) -> bool:
    """Does the sentence command by a noun of the API (note the plumber)? What that does is anybody's guess."""
    first, after = (*pieces(sentence.text[opening(sentence.text) :][:200])[:2], "", "")[:2]
    plain = singular(first) == first and stem(first) not in VERBS
    return plain and names(stem(first)) and after in _DETERMINERS


def _is_deed(word: str, operations: Iterable[Operation]) -> bool:
    """Does the summary of a change begin with the word as a verb, with what it is done to behind an article?"""
    begun = (one.summary.lower().split() for one in operations if one.summary[: len(word)].lower() == word)
    return any(len(words) > 1 and words[0] == word and words[1] in _DETERMINERS for words in begun)


def read_instead(found: Sequence[Candidate], sentence: Sentence) -> Sequence[Candidate]:
    """The reads alone, where a question asks whether something is so (is it paused?) and commands nothing."""
    if wish_of(sentence.text).want is not Want.CHECK or any(map(commands, sentence.tokens)):
        return found
    return [one for one in found if one.tool.effect is Effect.READ] or found


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
    if subject is None or not (many or subject in best.filling.missing):
        return best, others
    listing = catalogue.lister(best.tool, subject)
    if listing is None:
        return best, others
    instead = next((one for one in others if one.operation is listing), None)
    instead = instead or candidate_of(sentence, catalogue, known, listing, best.score)
    if instead is None:
        return best, others
    return instead, [best, *(one for one in others if one is not instead)]


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
        if option is None and not is_subject(best.operation, slot) and (me := flows.me(slot)) is not None:
            option = Option(slot=slot, value=Wanted(name="", lister=me.id), sure=SOLID, start=0, end=0)
        if option is not None:
            filling = _with(filling, option)
    return replace(best, filling=filling)


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
    return Filling(
        options=(*filling.options, option),
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
    for listing in flows.operations:
        kind = collection_of(listing)
        lists = listing.method == "GET" and not listing.path.rstrip("/").endswith("}")
        if not lists or not kind or kind == entity or not set(kind) <= said:
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


def other_goals(best: Candidate, values: Values, catalogue: Catalogue) -> tuple[tuple[str, Values], ...]:
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
        if len(found) < _MOST_OTHERS and (other := _same(operation, rest, name.name, catalogue)):
            found.append((operation.id, other))
    return tuple(found)


def _says_kind(candidate: Candidate, option: Option, catalogue: Catalogue) -> bool:
    """Does the sentence name the kind of thing that the name is of?"""
    wanted = wanted_in(option.value)
    listing = catalogue.find(wanted.lister, candidate.operation.spec) if wanted is not None else None
    kind = set(entity_of(option.slot)) or (set(collection_of(listing)) if listing is not None else set())
    return kind <= candidate.scene.sentence.stem_set


def _same(operation: Operation, rest: Values, name: str, catalogue: Catalogue) -> Values | None:
    """The values by which another operation does the same to a thing of another kind with the same name."""
    tool = catalogue.tool(operation)
    if tool is None or not operation.path.rstrip("/").endswith("}"):
        return None
    slots = catalogue.slots(tool)
    subject = next((slot for slot in slots if is_subject(operation, slot)), None)
    listing = catalogue.lister(tool, subject) if subject is not None else None
    if subject is None or listing is None or any(slot.required for slot in slots if slot is not subject):
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
