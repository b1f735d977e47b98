"""The candidates for the slots of an operation: values made of mentions, choices, flags, pairs and names to look up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import LOOSE, Kind, Span
from nlapi.planner.slots.choices import choices, flag, names_of
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import ID_WORDS, OPAQUE, SLUG, Wanted, id_like, is_subject, noun_stems
from nlapi.planner.slots.exclusions import BEFORE_ID, is_about_the_call, is_out_of_place
from nlapi.planner.slots.features import counts_things
from nlapi.planner.slots.pairs import filters, labelled, paired
from nlapi.planner.slots.slot import HIGH, LOW, Family, Option, Slot
from nlapi.planner.slots.thing_names import ADDRESSES, IP, is_meant_in_path, is_owner, names_for
from nlapi.planner.slots.values import ASIDE, HOW, values_for
from nlapi.resources.naming import singular, stem
from nlapi.tools.word_similarity import has_vector

# Probability of a name to look up at most, so that an id in the sentence goes before it.
SUREST_NAME = 0.8
_ENCODED = re.compile(r"\bJSON[- ]encoded\b|\bencoded (?:as|in) (?:a )?JSON\b", re.IGNORECASE)
_SAYS_UUID = re.compile(r"\buuid\b(?! or\b)(?<!or uuid)", re.IGNORECASE)
_AND = frozenset((",", "and", "or", "&", "+", "/", "then"))


def options(scene: Scene) -> Iterator[Option]:
    """Return the candidates for all slots of an operation."""
    runs = tuple(_runs(scene))
    yield from paired(scene)
    yield from labelled(scene)
    yield from filters(scene)
    for slot in scene.slots:
        if (slot.where == "header" and not _is_said(scene, slot)) or is_encoded(slot):
            continue
        if slot.family is Family.CHOICE:
            yield from choices(scene, slot, names_of(scene.sentence, slot))
        elif slot.family is Family.BOOLEAN:
            yield from flag(scene, slot)
        else:
            if slot.glossary:
                yield from choices(scene, slot, slot.glossary)
            if slot.samples and slot.family is Family.TEXT:
                for option in choices(scene, slot, {sample: sample for sample in slot.samples}, literal=True):
                    yield replace(option, how="sample")
            yield from _plain(scene, slot, runs)
            if slot in scene.listers:
                yield from _by_name(scene, slot, scene.listers[slot])


def is_encoded(slot: Slot) -> bool:
    """Return whether a slot takes a text that is itself JSON, so that no words of a sentence are its value."""
    return slot.family is Family.TEXT and _ENCODED.search(slot.description) is not None


def _by_name(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Option]:
    """Return candidates where the sentence has a name for a resource whose id the slot takes."""
    subject = is_subject(scene.operation, slot)
    for name in names_for(scene, slot, listing):
        first = next(at for at, token in enumerate(scene.sentence.tokens) if token.end > name.start)
        if subject and is_owner(scene, slot, first):
            continue
        lookup = Wanted(name=name.name, lister=listing.id, place=name.place)
        sure = min(SUREST_NAME, max(0.0, (name.score - LOW) / (HIGH - LOW)))
        sure += 0.03 * (name.span is not None and name.span.kind is Kind.QUOTED)
        yield Option(slot=slot, value=[lookup] if slot.many else lookup, sure=sure, start=name.start, end=name.end)


def _plain(scene: Scene, slot: Slot, runs: Sequence[tuple[Span, ...]]) -> Iterator[Option]:
    """Return candidates made of single mentions, and for an array of runs of them."""
    # An id that a list gives is never sent as a plain word: that is a name to look up (docs/design/023).
    takes_code = slot in scene.listers or (slot.where == "path" and not OPAQUE.isdisjoint(slot.words[-1:]))
    for span in scene.sentence.spans:
        if (takes_code and not _is_id(scene, slot, span)) or not _may_be_id(scene, slot, span):
            continue
        # `add 2 members` names no member 2: a wrong change would be planned.
        if slot.family is Family.TEXT and span.kind is Kind.NUMBER and counts_things(scene, span):
            continue
        if not is_meant_in_path(scene, slot, span):
            continue
        if is_out_of_place(scene, slot, span) or is_about_the_call(scene, slot, span):
            continue
        shared = span.kind is Kind.DATE and isinstance(span.value, tuple)
        for value, conversion in values_for(span, slot, scene.sentence):
            items = value if isinstance(value, list) or not slot.many else [value]
            yield _option(slot, items, (span,), conversion, shared=shared or conversion == "calendar")
    if not slot.many:
        return
    for run in (_trimmed(scene, slot, run) for run in runs if _may_be_id(scene, slot, run[0])):
        by_span = [_by_conversion(scene, slot, span) for span in run]
        for conversion in ("", *HOW):
            values = [converted.get(conversion) for converted in by_span]
            if not any(value is None or isinstance(value, list) for value in values):
                yield _option(slot, values, run, conversion)


def _by_conversion(scene: Scene, slot: Slot, span: Span) -> dict[str, object]:
    """Return the first value of a mention by each conversion."""
    values: dict[str, object] = {}
    for value, conversion in values_for(span, slot, scene.sentence):
        values.setdefault(conversion, value)
    return values


def _option(slot: Slot, value: object, spans: tuple[Span, ...], conversion: str, *, shared: bool = False) -> Option:
    end = spans[-1].end
    start = end if conversion in ASIDE else spans[0].start
    return Option(
        slot=slot, value=value, start=start, end=end, span=spans[0], spans=spans, how=conversion, shared=shared
    )


def _may_be_id(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention may be an id, as any but a bare number may.

    A number is an id behind the noun (book 4), `id`, `number` or a #; elsewhere it is part of a name.
    """
    if span.kind is not Kind.NUMBER or not (slot in scene.listers or (slot.words and slot.words[-1] in ID_WORDS)):
        return True
    tokens, at = scene.sentence.tokens, span.first - 1
    while at >= 0 and tokens[at].lower in BEFORE_ID:
        at -= 1
    if at + 1 < span.first and tokens[at + 1].text == "#":
        return True
    nouns = {*slot.words, *ID_WORDS, "number", "no", "nr", "code", *scene.noun}
    if slot in scene.listers:
        nouns |= set(noun_stems(scene.listers[slot]))
    if at < 0:
        return False
    several = at > 0 and tokens[at].stem in scene.common and tokens[at - 1].stem in nouns  # pull request 7
    return tokens[at].stem in nouns or several


def _is_id(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention may be the very id. An address may where the description says that it is taken.

    So may a word in small letters behind the noun (namespace dev), where nothing says that an id is required, or where
    it is no word at all (node ezcuj).
    """
    address = span.kind is not Kind.QUOTED and IP.fullmatch(span.text)
    if span.form == "host" or (address and ADDRESSES.isdisjoint(slot.prose | set(slot.words))):
        return False
    if slot.item.get("format") == "uuid" or (slot in scene.listers and _SAYS_UUID.search(slot.description)):
        return span.form == "uuid"
    if id_like(span.text) or (span.form == "email" and "email" in slot.description.lower()):
        return True
    if slot in scene.opaque:
        return False
    coded = slot.integer
    opaque = bool(set(slot.words[-1:]) & OPAQUE) and (span.last - span.first > 1 or has_vector(stem(span.text)))
    if coded or opaque or slot.where != "path" or not span.first or not SLUG.fullmatch(span.text):
        return False
    before = scene.sentence.tokens[span.first - 1]
    nouns = {*slot.words, *(noun_stems(scene.listers[slot]) if slot in scene.listers else ())}
    return before.stem in nouns and singular(before.lower) == before.lower


def _is_said(scene: Scene, slot: Slot) -> bool:
    """Return whether the sentence names a header, which otherwise is for programs (X-Request-Id)."""
    return set(slot.words) - {"x", *ID_WORDS} <= scene.sentence.stem_set


def _runs(scene: Scene) -> Iterator[tuple[Span, ...]]:
    """Return the mentions of one kind that stand in a row: a, b and c."""
    tokens = scene.sentence.tokens
    for kind in (Kind.QUOTED, Kind.NUMBER, Kind.LITERAL, Kind.NAME, Kind.DATE, Kind.PHRASE):
        spans = [span for span in scene.sentence.spans if span.kind is kind and span.form not in LOOSE]
        if kind is Kind.PHRASE:
            spans = [span for span in spans if span.form == "whole"]
        run: list[Span] = []
        for span in spans:
            if run and not _joined([token.lower for token in tokens[run[-1].last : span.first]]):
                if len(run) > 1:
                    yield tuple(run)
                run = []
            run.append(span)
        if len(run) > 1:
            yield tuple(run)


def _trimmed(scene: Scene, slot: Slot, run: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return a run without the name of the slot at its front: [tags red], green and blue."""
    first = run[0]
    stems = scene.sentence.stems
    labels = [at for at in range(first.first, first.last - 1) if stems[at] in slot.words]
    start = labels[-1] + 1 if labels else first.first
    shorter = (span for span in scene.sentence.spans if span.kind is first.kind and span.last == first.last)
    return (next((span for span in shorter if span.first == start), first), *run[1:])


def _joined(between: Sequence[str]) -> bool:
    return 0 < len(between) <= 3 and all(word in _AND or word in ("the", "a", "an") for word in between)
