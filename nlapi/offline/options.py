"""Options for every slot of a tool: from single spans, from spans in a row, from names that can be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nlapi.offline.choices import choices, names_of
from nlapi.offline.entities import ID_WORDS, Wanted, collection_of, id_like, names_for
from nlapi.offline.flags import flag
from nlapi.offline.match import counts_things
from nlapi.offline.option import HIGH, LOW, Option
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import LOOSE, Kind, Span
from nlapi.offline.slots import Family, Slot
from nlapi.offline.values import ASIDE, HOW, values_for
from nlapi.openapi.spec import Operation

SUREST_NAME = 0.8
"""How sure a name to look up is at most: an id that was said goes before it."""
_BEFORE_ID = frozenset(("#", ".", ":", "=", "is", "equal", "equals", "to", "of"))
_AND = frozenset((",", "and", "or", "&", "+", "/", "then"))


def options(scene: Scene) -> Iterator[Option]:
    runs = tuple(_runs(scene))
    for slot in scene.slots:
        if slot.family is Family.CHOICE:
            yield from choices(scene, slot, names_of(scene.sentence, slot))
        elif slot.family is Family.BOOLEAN:
            yield from flag(scene, slot)
        else:
            if slot.glossary:
                yield from choices(scene, slot, slot.glossary)
            if slot.samples and slot.family is Family.TEXT:
                for option in choices(scene, slot, {sample: sample for sample in slot.samples}, literal=True):
                    if not _in_a_name(scene, option):
                        yield replace(option, how="sample")
            yield from _plain(scene, slot, runs)
            if slot in scene.listers:
                yield from _by_name(scene, slot, scene.listers[slot])


def _in_a_name(scene: Scene, option: Option) -> bool:
    """Is it only a part of what is called or quoted something: the sale of Summer Sale?"""
    names = (span for span in scene.sentence.spans if span.kind in (Kind.NAME, Kind.QUOTED) and span.form != "part")
    return any(
        name.start <= option.start and option.end <= name.end and option.end - option.start < name.end - name.start
        for name in names
    )


def _by_name(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Option]:
    """Options where the sentence gives a name for a thing whose id is wanted."""
    for named in names_for(scene, slot, listing):
        wanted = Wanted(name=named.name, lister=listing.id)
        value = [wanted] if slot.many else wanted
        sure = min(SUREST_NAME, max(0.0, (named.score - LOW) / (HIGH - LOW)))
        yield Option(slot=slot, value=value, sure=sure, start=named.start, end=named.end)


def _plain(scene: Scene, slot: Slot, runs: Sequence[tuple[Span, ...]]) -> Iterator[Option]:
    """Options from single spans, and for an array from runs of them."""
    for span in scene.sentence.spans:
        if (slot in scene.listers and not id_like(span.text)) or not _may_be_id(scene, slot, span):
            continue
        if slot.family is Family.TEXT and span.kind is Kind.NUMBER and counts_things(scene, span):
            continue
        shared = span.kind is Kind.DATE and isinstance(span.value, tuple)
        for value, how in values_for(span, slot, scene.sentence):
            whole = value if isinstance(value, list) or not slot.many else [value]
            yield _option(slot, whole, (span,), how, shared=shared or how == "calendar")
    if not slot.many:
        return
    for run in (_trimmed(scene, slot, run) for run in runs if _may_be_id(scene, slot, run[0])):
        for how in ("", *HOW):
            values = [_one(span, slot, scene, how) for span in run]
            if not any(value is None or isinstance(value, list) for value in values):
                yield _option(slot, values, run, how)


def _option(slot: Slot, value: Any, spans: tuple[Span, ...], how: str, *, shared: bool = False) -> Option:
    start, end = spans[0].start, spans[-1].end
    if how in ASIDE:
        start = end
    return Option(slot=slot, value=value, start=start, end=end, span=spans[0], spans=spans, how=how, shared=shared)


def _one(span: Span, slot: Slot, scene: Scene, how: str) -> Any:
    return next((value for value, one in values_for(span, slot, scene.sentence) if one == how), None)


def _may_be_id(scene: Scene, slot: Slot, span: Span) -> bool:
    """A bare number is an id right after the noun (book 4), `id`, `number` or a #; elsewhere it is part of a name."""
    if span.kind is not Kind.NUMBER or not (slot in scene.listers or (slot.words and slot.words[-1] in ID_WORDS)):
        return True
    tokens, at = scene.sentence.tokens, span.first - 1
    while at >= 0 and tokens[at].lower in _BEFORE_ID:
        at -= 1
    if at + 1 < span.first and tokens[at + 1].text == "#":
        return True
    nouns = {*slot.words, *ID_WORDS, "number", "no", "nr", "code", *collection_of(scene.operation)}
    if slot in scene.listers:
        nouns |= set(collection_of(scene.listers[slot]))
    return at >= 0 and tokens[at].stem in nouns


def _runs(scene: Scene) -> Iterator[tuple[Span, ...]]:
    """Spans of one kind that stand in a row: a, b and c."""
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
    """The run without the slot's own name at its front: [tags red], green and blue."""
    first = run[0]
    stems = scene.sentence.stems
    named = [at for at in range(first.first, first.last - 1) if stems[at] in slot.words]
    start = named[-1] + 1 if named else first.first
    shorter = (span for span in scene.sentence.spans if span.kind is first.kind and span.last == first.last)
    return (next((span for span in shorter if span.first == start), first), *run[1:])


def _joined(between: Sequence[str]) -> bool:
    return 0 < len(between) <= 3 and all(word in _AND or word in ("the", "a", "an") for word in between)
