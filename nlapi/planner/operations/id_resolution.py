"""Ways to ids that a sentence does not give: look-ups by a name, by a field of another thing, by what a list is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.text import Kind
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.entities import (
    ONLY,
    Wanted,
    entity_of,
    is_subject,
    kind_of,
    noun_stems,
    place_of,
    takes_id,
    thing_of,
)
from nlapi.planner.slots.features import page_size
from nlapi.planner.slots.known_values import complete, wanted_in
from nlapi.planner.slots.slot import Option, Slot
from nlapi.planner.slots.thing_names import named
from nlapi.resources.answers import parent_field
from nlapi.resources.collection_index import collection_index
from nlapi.resources.id_sources import id_sources
from nlapi.resources.naming import STOPWORDS, singular, split_words, stem

_NAMES = frozenset(("name", "title", "label", "display_name"))
_GIVES_NAME = frozenset(
    ("to", "as", "into", "name", "named", "called", "title", "titled", "label", "is", "=", ":", "be")
)
_MOST = frozenset(map(stem, ("most", "the")))
_PEOPLE = frozenset(map(stem, "user account member owner person customer profile".split()))
_THE = frozenset(("the", "my", "our", "this"))
PAGE = 100
"""How many things a read asks for where it must say a number."""
NAMED = 0.6
"""How well a name fits of which nothing tells the kind."""
SOLID = 0.94
"""How well a look-up fits that the description itself leads to."""


def completed(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any], question: str) -> Candidate:
    """The candidate with look-ups in the place of ids that the sentence does not give, where they can be had so.

    The N of `the top N` is not the size of a page, unless the API itself puts its list in that order.
    """
    filling = best.filling
    if best.tool.effect is Effect.READ and wish_of(question).compares and not _sorted(best):
        filling = replace(filling, options=tuple(one for one in filling.options if not page_size(one.slot)))
    filling = _with_page_size(replace(best, filling=filling))
    filling = _named_subject(replace(best, filling=filling), catalogue)
    filling = _requalified(replace(best, filling=filling), catalogue)
    _, missing = complete({one.slot.path: one.value for one in filling.options}, best.scene.slots, known)
    for slot in (slot for slot in missing if takes_id(slot)):
        option = _way(replace(best, filling=filling), slot, catalogue)
        filling = filling if option is None else _with(filling, option)
    return replace(best, filling=filling)


def with_only_parents(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any]) -> Candidate:
    """The candidate with a look-up of each thing that its own is below, where nothing says which and one may be all.

    Whether there is one only the list of them tells: it must want nothing itself.
    """
    filling = best.filling
    _, missing = complete({one.slot.path: one.value for one in filling.options}, best.scene.slots, known)
    for slot in (slot for slot in missing if slot.where == "path" and _may_be_only(best, slot)):
        sources = (one for one in catalogue.sources(best.tool, slot) if not _wants_anything(one.operation))
        source = next(sources, None)
        if source is None:
            continue
        name, place = (f"the only {thing_of(best.tool, slot)}", ONLY) if source.is_listed else ("", "")
        field = "" if source.is_listed else source.field
        wanted = Wanted(name=name, lister=source.operation.id, field=field, place=place)
        filling = _with(filling, Option(slot=slot, value=wanted, sure=SOLID, start=0, end=0))
    return replace(best, filling=filling)


def _wants_anything(operation: Operation) -> bool:
    return any(one.required for one in operation.parameters)


def _way(best: Candidate, slot: Slot, catalogue: Catalogue) -> Option | None:
    """Where an id that is missing may be had from; None when nowhere."""
    option = _mate(best, slot, catalogue) or next(_flow(best, slot, catalogue), None)
    if option is None and best.tool.effect is Effect.READ:
        option = _qualified(best, slot, catalogue) or _only_name(best, slot, catalogue)
    if option is None and not is_subject(best.operation, slot) and (me := _caller(best, slot, catalogue)) is not None:
        option = Option(slot=slot, value=Wanted(name="", lister=me.id), sure=SOLID, start=0, end=0)
    return option


def _may_be_only(best: Candidate, slot: Slot) -> bool:
    """May a thing that nothing names be the only one of its kind: what all else is below, or what is called `the X`?

    A change is made to no thing because there is but one (rename it); it may be made to what is in that, as its other
    arguments say (flush the cache of the only server).
    """
    operation = best.operation
    if not is_subject(operation, slot):
        return True
    if best.tool.effect is not Effect.READ:
        inside = operation.path.rpartition("}")[2].strip("/")
        return "/" in inside and any(other.required and other.where != "path" for other in best.scene.slots)
    tokens, kind = best.scene.sentence.tokens, kind_of(best.tool, slot)
    one = (at for at, token in enumerate(tokens) if token.stem in kind[-1:] and singular(token.lower) == token.lower)
    said = any(at and tokens[at - 1].lower in _THE for at in one)
    return said or not operation.path.rstrip("/").endswith("}")


def _with_page_size(best: Candidate) -> Filling:
    """The filling of a read with a large page where the API wants to be told how large, and the sentence does not."""
    filling = best.filling
    for slot in filling.missing if best.tool.effect is Effect.READ else ():
        if page_size(slot) and slot.where == "query" and not slot.has_default:
            most = slot.schema.get("maximum")
            value = min(PAGE, most) if isinstance(most, int) else PAGE
            filling = _with(filling, Option(slot=slot, value=value, sure=SOLID, start=0, end=0))
    return filling


def _mate(best: Candidate, slot: Slot, catalogue: Catalogue) -> Option | None:
    """The second of two ids that tell one thing together, from the look-up of the first: both are in what is listed."""
    listings = set(catalogue.listers(best.tool, slot))
    for option in best.filling.options if slot.where == "path" else ():
        wanted = wanted_in(option.value)
        if option.slot.where != "path" or (wanted is not None and (wanted.place or wanted.field)):
            continue
        shared = next((one for one in catalogue.listers(best.tool, option.slot) if one in listings), None)
        if shared is not None and (wanted is None or wanted.lister == shared.id):
            name = wanted.name if wanted is not None else str(option.value)
            return replace(option, slot=slot, value=Wanted(name=name, lister=shared.id), sure=SOLID, end=option.start)
    return None


def _requalified(best: Candidate, catalogue: Catalogue) -> Filling:
    """The [most popular] film is no film of that name, nor one to be compared, where the API lists popular films."""
    filling = best.filling
    for option in filling.options if best.tool.effect is Effect.READ else ():
        wanted = wanted_in(option.value)
        found = _qualified(best, option.slot, catalogue) if wanted is not None and option.slot.required else None
        source = wanted_in(found.value) if found is not None else None
        if found is None or wanted is None or source is None:
            continue
        named_for = next(_last_words(one) for one in _same_api(best, catalogue) if one.id == source.lister)
        words = {*_MOST, *kind_of(best.tool, option.slot), *named_for}
        if {stem(word) for word in split_words(wanted.place or wanted.name)} <= words:
            filling = _with(filling, replace(found, start=option.start, end=option.end))
    return filling


def _only_name(best: Candidate, slot: Slot, catalogue: Catalogue) -> Option | None:
    """The one name that the sentence has left over, where the id of a thing is all that a read lacks."""
    listing = catalogue.lister(best.tool, slot)
    loose = [one for one in best.filling.options if not one.slot.required and one.sure < NAMED]
    spans = (*best.filling.unused, *(span for one in loose for span in one.spans[:1]))
    unused = [span for span in spans if span.kind in (Kind.QUOTED, Kind.NAME)]
    quoted = [span for span in unused if span.kind is Kind.QUOTED]
    said = set(kind_of(best.tool, slot)) <= best.scene.sentence.stem_set
    if not quoted and not said and not is_subject(best.operation, slot):
        return None  # what the thing is below is not named in passing
    names = quoted or [span for span in unused if " " in span.text or span.first > 0]
    if listing is None or len(names) != 1 or best.filling.missing != (slot,) or slot.many:
        return None
    (span,) = names
    if {token.stem for token in best.scene.sentence.tokens[span.first : span.last]} <= best.scene.common:
        return None
    name = span.text.rstrip(" .,;:!?")
    return Option(slot=slot, value=Wanted(name=name, lister=listing.id), sure=NAMED, start=span.start, end=span.end)


def _qualified(best: Candidate, slot: Slot, catalogue: Catalogue) -> Option | None:
    """The first thing of a read that lists, or shows, what the sentence says of it: the most [popular] movie.

    Such a read needs nothing, and its path ends in those words: /movie/popular, /me/player/currently-playing. What is
    wanted may be in the things: the artist of the song currently playing.
    """
    kind = kind_of(best.tool, slot)
    said, found = best.scene.sentence.stem_set, list[tuple[int, Operation, str]]()
    for operation in _same_api(best, catalogue):
        words = _last_words(operation) - set(kind)
        if operation.method != "GET" or operation is best.operation or "{" in operation.path or not words <= said:
            continue
        if not words or words <= best.scene.common or any(one.required for one in operation.parameters):
            continue
        path = set(map(stem, split_words(operation.path)))
        if kind and set(kind) <= path:
            found.append((len(words) + 1, operation, ""))
        elif kind and (part := parent_field(operation, kind)):
            found.append((len(words), operation, f"{part}.id"))
    if not kind or not set(kind) <= said or not found:
        return None
    _, operation, field = max(found, key=lambda one: one[0])
    name = f"the first of {(operation.summary.strip().rstrip('.') or operation.id)!r}"
    wanted = Wanted(name=name, lister=operation.id, field=field, place="first")
    return Option(slot=slot, value=wanted, sure=SOLID, start=0, end=0)


def _last_words(operation: Operation) -> set[str]:
    """What a path ends in: /film/top_rated -> top, rat."""
    return {stem(word) for word in split_words(operation.path.rstrip("/").rpartition("/")[2]) if word not in STOPWORDS}


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


def _flow(best: Candidate, slot: Slot, catalogue: Catalogue) -> Iterator[Option]:
    """From a thing of another kind that the sentence names to the id that `slot` wants: campaign of the ad set X."""
    entity = entity_of(slot)
    said = best.scene.sentence.stem_set
    made = noun_stems(best.operation) if best.operation.method == "POST" else ()
    resources, ids = collection_index(best.operation.spec), id_sources(best.operation.spec)
    place = place_of(best.tool, slot)
    for listing in _same_api(best, catalogue):
        kind = noun_stems(listing)
        if not kind or kind in (entity, made) or not set(kind) <= said or not resources.is_list(listing):
            continue
        if f"{{{slot.name}}}" in listing.path:
            continue  # it wants the very id itself
        names = sorted(named(best.scene, kind, coded=False), key=lambda one: -one.score)
        if not names:
            continue
        via, field = "", ids.reference_field(listing, best.operation, place)
        if not field and (shown := resources.item_read(listing)) is not None:
            via, field = shown.id, ids.reference_field(shown, best.operation, place)
        if field:
            wanted = Wanted(name=names[0].name, lister=listing.id, field=field, via=via)
            yield Option(slot=slot, value=wanted, sure=SOLID, start=names[0].start, end=names[0].end)


def _same_api(best: Candidate, catalogue: Catalogue) -> tuple[Operation, ...]:
    return catalogue.operations_of(best.operation.spec)


def _caller(best: Candidate, slot: Slot, catalogue: Catalogue) -> Operation | None:
    """The operation that tells who is calling, where `slot` takes the id of a user."""
    entity = entity_of(slot)
    return catalogue.caller(best.operation.spec) if entity and set(entity) <= _PEOPLE else None
