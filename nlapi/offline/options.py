"""Options for every slot of a tool: from single spans, from spans in a row, from names that can be looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nlapi.offline.bound_conditions import is_bound
from nlapi.offline.choices import choices, names_of
from nlapi.offline.entities import (
    ID_WORDS,
    OPAQUE,
    Wanted,
    id_like,
    is_subject,
    kind_of,
    names_for,
    noun_stems,
    takes_id,
)
from nlapi.offline.flags import flag
from nlapi.offline.labelled import labelled
from nlapi.offline.match import MONEYLIKE, counts_things, page_number, page_size, page_token
from nlapi.offline.option import HIGH, LOW, Option
from nlapi.offline.pairs import paired
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import LOOSE, Kind, Span
from nlapi.offline.slots import Family, Slot
from nlapi.offline.values import ASIDE, HOW, values_for
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import entry_fields
from nlapi.resources.naming import name_words, singular, stem
from nlapi.resources.paths import segments
from nlapi.tools.meaning import known

SUREST_NAME = 0.8
"""How sure a name to look up is at most: an id that was said goes before it."""
_BEFORE_ID = frozenset(("#", ".", ":", "=", "is", "equal", "equals", "to", "of"))
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")
_ADDRESSES = frozenset(map(stem, "ip address host".split()))
_BESIDE_NOUN = _BEFORE_ID | {"id", "ids", "called", "named", "the", "number", "no", "nr", "'", '"'}
_OF = frozenset("of in from for on under within to at by".split())
_NO_IDS = ID_WORDS | {"name", "number"}
"""Words that say that an id follows, and are none."""
LARGEST_PAGE = 10_000
"""No page is larger, nor is its number."""
MINE = 0.5
"""How well `me` fits for an id where the sentence says my; anything that is said fits better."""
_SAYS_ME = re.compile(r"[\"'`]me[\"'`]|<code>me</code>|\buse me for\b")
_ENCODED = re.compile(r"\bJSON[- ]encoded\b|\bencoded (?:as|in) (?:a )?JSON\b", re.IGNORECASE)
_UNIX = re.compile(r"\bunix\b|\bepoch\b|\btimestamp\b", re.IGNORECASE)
_WHEN = frozenset(map(stem, "since until before after from to start end time timestamp date at".split()))
_EARLIEST = 100_000_000
"""The least number that is a moment: in 1973, in seconds."""
_MINE = re.compile(r"\b(?:my|mine|myself|i|for me)\b", re.IGNORECASE)
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SIZES = frozenset(map(stem, "limit size per count take results rows".split()))
_SKIPS = frozenset(map(stem, ("skip", "offset")))
_BY = frozenset(("by", "per"))
_ORDERING = frozenset(map(stem, "sort sorting order ordering by group grouping field column".split()))
_AND = frozenset((",", "and", "or", "&", "+", "/", "then"))


def options(scene: Scene) -> Iterator[Option]:
    runs = tuple(_runs(scene))
    yield from paired(scene)
    yield from labelled(scene)
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
                    if not _in_a_name(scene, option):
                        yield replace(option, how="sample")
            yield from _plain(scene, slot, runs)
            if slot.required and takes_me(slot) and _MINE.search(scene.sentence.text):
                yield Option(slot=slot, value="me", sure=MINE, start=0, end=0)
            if slot in scene.listers:
                yield from _by_name(scene, slot, scene.listers[slot])


def is_encoded(slot: Slot) -> bool:
    """Does a slot take a text that is itself JSON, so that no words of a sentence are its value?"""
    return slot.family is Family.TEXT and _ENCODED.search(slot.description) is not None


def takes_me(slot: Slot) -> bool:
    """May the word me stand in the place of an id, by the description of the slot?"""
    return takes_id(slot) and not slot.many and _SAYS_ME.search(slot.description) is not None


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
        wanted = Wanted(name=named.name, lister=listing.id, place=named.place)
        value = [wanted] if slot.many else wanted
        sure = min(SUREST_NAME, max(0.0, (named.score - LOW) / (HIGH - LOW)))
        sure += 0.03 * (named.span is not None and named.span.kind is Kind.QUOTED)
        yield Option(slot=slot, value=value, sure=sure, start=named.start, end=named.end)


def _plain(scene: Scene, slot: Slot, runs: Sequence[tuple[Span, ...]]) -> Iterator[Option]:
    """Options from single spans, and for an array from runs of them."""
    for span in scene.sentence.spans:
        known_by_id = slot in scene.listers or (slot.where == "path" and bool(set(slot.words[-1:]) & OPAQUE))
        if (known_by_id and not _is_id(scene, slot, span)) or not _may_be_id(scene, slot, span):
            continue
        if slot in scene.listers and slot.where == "path" and not _is_addressed(scene, slot, span):
            continue
        if slot.family is Family.TEXT and span.kind is Kind.NUMBER and counts_things(scene, span):
            continue
        if _is_out_of_place(scene, slot, span) or _is_about_the_call(scene, slot, span):
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
    nouns = {*slot.words, *ID_WORDS, "number", "no", "nr", "code", *noun_stems(scene.operation)}
    if slot in scene.listers:
        nouns |= set(noun_stems(scene.listers[slot]))
    if at < 0:
        return False
    several = at > 0 and tokens[at].stem in scene.common and tokens[at - 1].stem in nouns  # pull request 7
    return tokens[at].stem in nouns or several


def _is_addressed(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span say which of the things in the path is meant that the operation is below?

    What it is about itself, or what there is one of in the path, may be said anywhere. What that is below has its noun
    beside it (in the database archive), or it is what the last of them is of: the zones of X, X's zones.
    """
    names = [segment.parameter for segment in segments(scene.operation.route) if segment.parameter]
    if is_subject(scene.operation, slot) or slot.name not in names or _is_opaque(span, slot):
        return True
    tokens, nouns = scene.sentence.tokens, {*kind_of(scene.tool, slot), *slot.words} - ID_WORDS
    before = span.first - 1
    while before >= 0 and tokens[before].lower in _BESIDE_NOUN:
        before -= 1
    after = tokens[span.last].stem if span.last < len(tokens) else ""
    inside = {token.stem for token in tokens[span.first : span.last]}
    if (before >= 0 and tokens[before].stem in nouns) or after in nouns or inside & nouns:
        return True
    before = span.first - 1
    while before >= 0 and tokens[before].lower in ("the", "a", "an", "my", "our"):
        before -= 1
    led = before >= 0 and tokens[before].lower in _OF
    owns = span.last < len(tokens) and tokens[span.last].text in ("'", "’", "'s", "’s")
    return slot.name == names[-1] and (led or owns) and tokens[span.first].stem not in scene.common


def _is_opaque(span: Span, slot: Slot) -> bool:
    """Is a span an id that nobody would take for a word, nor for an address?"""
    if span.kind is Kind.LITERAL and _IP.fullmatch(span.text):
        return not _ADDRESSES.isdisjoint(slot.words)
    return span.kind in (Kind.LITERAL, Kind.NUMBER) and span.form not in ("host", "url", "email", "path")


def _is_id(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span be the very id? An address may where the description says that it is taken.

    So may a word in small letters behind the noun (namespace dev), where nothing says that an id is wanted, or where it
    is no word at all (node ezcuj).
    """
    if id_like(span.text) or (span.form == "email" and "email" in slot.description.lower()):
        return True
    coded = slot.integer or slot.item.get("format") == "uuid"
    opaque = bool(set(slot.words[-1:]) & OPAQUE) and (span.last - span.first > 1 or known(stem(span.text)))
    if coded or opaque or slot.where != "path" or not span.first or not _SLUG.fullmatch(span.text):
        return False
    before = scene.sentence.tokens[span.first - 1]
    nouns = {*slot.words, *(noun_stems(scene.listers[slot]) if slot in scene.listers else ())}
    return before.stem in nouns and singular(before.lower) == before.lower


def _is_out_of_place(scene: Scene, slot: Slot, span: Span) -> bool:
    """A day is no id, a sum of money or the number of a thing (task 771220) no size of a page, a name no cursor.

    Nor is a bound (more than 20) an id, or the field of an order or of groups (by repo count) a value.
    """
    if span.kind is Kind.NUMBER and takes_id(slot) and is_bound(scene.sentence.text, span.start, span.end):
        return True
    if slot.family is Family.TEXT and _is_by_field(scene, slot, span):
        return True
    if span.kind is Kind.DATE:
        return takes_id(slot) and slot.family is not Family.DATE and (slot.family is Family.ID or slot.where == "path")
    if span.form == "money" and slot.family in (Family.TEXT, Family.ID) and slot.words[-1] not in MONEYLIKE:
        return True
    if slot.family in (Family.DATE, Family.TIME) and span.form in ("email", "url", "path", "uuid", "tag", "host"):
        return True
    if span.kind is Kind.NUMBER and slot.family is Family.NUMBER and _is_moment(slot) and span.value < _EARLIEST:
        return True
    if page_token(slot):
        return not set(slot.words) & scene.sentence.stem_set
    if slot.name.lower().startswith("page") and slot.where == "query" and span.kind is not Kind.NUMBER:
        return True
    if slot.name.lower() in ("offset", "skip") and slot.where == "query":
        return not ({*slot.words, *_SKIPS} & scene.sentence.stem_set)
    if span.kind is not Kind.NUMBER or not (page_number(slot) or (page_size(slot) and set(slot.words) & _SIZES)):
        return False
    if page_number(slot) and stem("page") not in scene.sentence.stem_set:
        return True
    return span.form in ("money", "percent") or span.value > LARGEST_PAGE or _numbers_a_thing(scene, span)


def _is_by_field(scene: Scene, slot: Slot, span: Span) -> bool:
    """Do the words behind `by` or `per` name a field of what is listed, where the slot does not take such a name?"""
    if (
        span.kind is not Kind.PHRASE
        or scene.operation.effect is not Effect.READ
        or not _ORDERING.isdisjoint(slot.words)
    ):
        return False
    tokens = scene.sentence.tokens
    by = next((at for at in range(span.first - 1, max(-1, span.first - 4), -1) if tokens[at].lower in _BY), None)
    if by is None:
        return False
    words = {token.stem for token in tokens[by + 1 : span.last] if token.word}
    return any(words <= set(map(stem, name_words(name))) for name in entry_fields(scene.operation))


def _is_moment(slot: Slot) -> bool:
    """Does a number say when: the seconds since 1970?"""
    return not _WHEN.isdisjoint(slot.words) and _UNIX.search(slot.description) is not None


def _is_about_the_call(scene: Scene, slot: Slot, span: Span) -> bool:
    """Is a span no value but the operation's own words where an id is wanted, or how many things are wanted?"""
    made = noun_stems(scene.operation) if scene.operation.method == "POST" and slot.required else ()
    if span.kind is Kind.PHRASE and not slot.choices and set(scene.sentence.stems[span.first : span.last]) <= set(made):
        return True  # create a silence
    if span.kind in (Kind.PHRASE, Kind.NAME) and takes_id(slot):
        words = {token.stem for token in scene.sentence.tokens[span.first : span.last] if token.word}
        if span.kind is Kind.PHRASE and _is_predicate(scene, span):
            return True
        return words <= _NO_IDS or (span.kind is Kind.NAME and words <= scene.common)
    counted = span.kind is Kind.NUMBER and not slot.required and counts_things(scene, span)
    return counted and not page_size(slot) and any(map(page_size, scene.slots))


def _is_predicate(scene: Scene, span: Span) -> bool:
    """Is a span what a question asks whether a thing is so: is the server [alive]?"""
    tokens = scene.sentence.tokens
    ends = all(not token.word for token in tokens[span.last :])
    return ends and span.first > 1 and tokens[0].lower in ("is", "are", "was", "were") and tokens[1].lower != "there"


def _is_said(scene: Scene, slot: Slot) -> bool:
    """Is a header, which is for programs (X-Request-Id), called by its name?"""
    return set(slot.words) - {"x", *ID_WORDS} <= scene.sentence.stem_set


def _numbers_a_thing(scene: Scene, span: Span) -> bool:
    """Does a number stand behind the noun of what the operation takes the id of: task 12?"""
    before = scene.sentence.tokens[span.first - 1] if span.first else None
    if before is None or singular(before.lower) != before.lower:
        return False
    nouns = {word for slot in scene.slots if slot.where == "path" for word in slot.words[:1]}
    return before.stem in nouns and before.stem not in ID_WORDS


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
