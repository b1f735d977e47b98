"""What a sentence means beyond its words: a noun alone asks to see it, a comparison needs a list, a name an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.choose import Candidate, candidate_of
from nlapi.offline.entities import Wanted, collection_of, entity_of, is_subject, named, takes_id
from nlapi.offline.fields import schema_at
from nlapi.offline.given import Values, complete, wanted_in
from nlapi.offline.links import Flows
from nlapi.offline.match import page_size
from nlapi.offline.option import Option
from nlapi.offline.sentence import Sentence
from nlapi.offline.slots import Slot
from nlapi.offline.wish import wish_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.tool import Tool
from nlapi.tools.words import VERBS, pieces, stem

_OPENINGS = frozenset("the my our all every some any a an please and".split())
_MOST_OTHERS = 4


def as_command(question: str, names: Callable[[str], bool]) -> str:
    """A question that is a noun with nothing but what follows it (ads of the campaign X) asks to be shown it."""
    words = pieces(question[:200])
    first = next((word for word in words if word not in _OPENINGS), "")
    noun = bool(first) and names(stem(first)) and stem(first) not in VERBS
    return f"show {question.lstrip()}" if noun else question


def listing_instead(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Candidate, list[Candidate]]:
    """The likeliest candidate and the others; the listing first where things are compared, counted or added up.

    `which campaign has the highest budget` names no campaign: it takes all of them to tell.
    """
    best, others = found[0], list(found[1:])
    if best.tool.effect is not Effect.READ or not wish_of(sentence.text).figures:
        return best, others
    subject = next((slot for slot in best.filling.missing if is_subject(best.operation, slot)), None)
    listing = catalogue.lister(best.tool, subject) if subject is not None else None
    if listing is None:
        return best, others
    instead = next((one for one in others if one.operation is listing), None)
    instead = instead or candidate_of(sentence, catalogue, known, listing, best.index_score)
    if instead is None:
        return best, others
    return instead, [best, *(one for one in others if one is not instead)]


def values_meant(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any], question: str) -> Values:
    """The values that the sentence gives, and in the place of an id that it does not, where that comes from."""
    values: Values = {option.slot.path: option.value for option in best.filling.options}
    if best.tool.effect is Effect.READ and wish_of(question).compares and not _sorted(best):
        values = {option.slot.path: option.value for option in best.filling.options if not page_size(option.slot)}
    _, missing = complete(values, best.scene.slots, known)
    flows = catalogue.flows(best.operation.spec)
    for slot in missing:
        if not takes_id(slot):
            continue
        source = next(_flow(best, slot, catalogue, flows), None)
        if source is not None:
            values[slot.path] = source
        elif not is_subject(best.operation, slot) and (me := flows.me(slot)) is not None:
            values[slot.path] = Wanted(name="", lister=me.id)
    return values


def _sorted(best: Candidate) -> bool:
    """Does the API itself put the list in the order that is asked for?"""
    return any({"sort", "order"} & set(option.slot.words) for option in best.filling.options)


def _flow(best: Candidate, slot: Slot, catalogue: Catalogue, flows: Flows) -> Iterator[Wanted]:
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
        name = names[0].name
        if field := flows.fields(listing, best.tool, slot):
            yield Wanted(name=name, lister=listing.id, field=field)
        elif shown := _shows(listing, best.tool, slot, flows):
            via, field = shown
            yield Wanted(name=name, lister=listing.id, field=field, via=via.id)


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
    best: Candidate, others: Sequence[Candidate], values: Values, catalogue: Catalogue
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
    found += [(one.operation.id, _values(one)) for one in others if _same(one, best, name.name, catalogue)]
    return tuple(found[:_MOST_OTHERS])


def _says_kind(candidate: Candidate, option: Option, catalogue: Catalogue) -> bool:
    """Does the sentence name the kind of thing that the name is of?"""
    wanted = wanted_in(option.value)
    listing = catalogue.find(wanted.lister, candidate.operation.spec) if wanted is not None else None
    kind = set(entity_of(option.slot)) or (set(collection_of(listing)) if listing is not None else set())
    return kind <= candidate.scene.sentence.stem_set


def _same(other: Candidate, best: Candidate, name: str, catalogue: Catalogue) -> bool:
    """Would another operation do the same to a thing of another kind with the same name?"""
    if other.operation.method != best.operation.method or other.operation.spec is not best.operation.spec:
        return False
    mine = {option.slot.name: option.value for option in best.filling.options if wanted_in(option.value) is None}
    theirs = {option.slot.name: option.value for option in other.filling.options if wanted_in(option.value) is None}
    names = [option for option in other.filling.options if wanted_in(option.value) is not None]
    same = len(names) == 1 and (wanted := wanted_in(names[0].value)) is not None and wanted.name == name
    return same and mine == theirs and not other.filling.missing and not _says_kind(other, names[0], catalogue)


def _values(candidate: Candidate) -> Values:
    return {option.slot.path: option.value for option in candidate.filling.options}
