"""Things that a sentence calls by what they are like: the silence created by priya, the book with the title Emma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.client_filter import Filtered, filter_things
from nlapi.planner.answering.row_fields import RowFields
from nlapi.planner.language.commands import own_verbs
from nlapi.planner.language.names import NO_NAMES
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.text import Kind
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import DESCRIBED, Wanted, is_subject, kind_of, last_parameter, noun_stems
from nlapi.planner.slots.known_values import complete
from nlapi.planner.slots.slot import Option, Slot
from nlapi.resources.identity import Item
from nlapi.resources.naming import STOPWORDS, singular
from nlapi.tools.tool import Call

_SURE = 0.6
_LEADING = frozenset("with whose that which where having".split())


def with_description(scene: Scene, filling: Filling, slot: Slot, listing: Operation) -> Filling:
    """Return the filling with the thing looked up that the rest of the sentence describes, from its noun on."""
    tokens, kind = scene.sentence.tokens, kind_of(scene.tool, slot)
    for at in range(len(tokens) - len(kind) - 1):
        last = at + len(kind)
        one = singular(tokens[last - 1].lower) == tokens[last - 1].lower
        if not kind or not one or scene.sentence.stems[at:last] != kind:
            continue
        led = tokens[last].lower in _LEADING or (tokens[last].lower.endswith("ed") and last + 2 < len(tokens))
        start, end = tokens[at].start, tokens[-1].end
        if not led or any(option.start < end and start < option.end for option in filling.options):
            continue
        wanted = Wanted(name=scene.sentence.text[start:end], lister=listing.id, place=DESCRIBED)
        option = Option(slot=slot, value=wanted, sure=_SURE, start=start, end=end)
        return replace(
            filling,
            options=(*filling.options, option),
            missing=tuple(one for one in filling.missing if one is not slot),
            unused=tuple(span for span in filling.unused if span.start < start),
        )
    return filling


def described(text: str, things: Sequence[Item], call: Call, today: date) -> Filtered:
    """Return the things that a description is of; none where a part of it could not be applied."""
    fields = RowFields(things=tuple(things), operation=call.tool.operation)
    found = filter_things(text, wish_of(text), fields, call, applied=(), taken=(), today=today)
    return found if found.conditions and not found.unapplied else replace(found, things=())


_LONGEST = 3
"""Words that a name in plain letters may have."""
_LEADING_WORDS = frozenset("of from in inside within for to on by".split())
_ARTICLES = frozenset("the my our your this that".split())
_JOINS = frozenset((",", "and", "or", "&", "but"))
_COPULAS = frozenset("is was does did has".split())
_ADVERBS = frozenset("still now again already currently immediately gracefully please today once together".split())


def with_leftover_name(best: Candidate, catalogue: Catalogue, known: Mapping[str, Any]) -> Filling:
    """Return the filling with the thing looked up that a word in plain letters may name, where its id alone lacks.

    The look-up tells whether there is such a thing; a word that is no name of one leads to a question.
    """
    filling = best.filling
    _, missing = complete({one.slot.path: one.value for one in filling.options}, best.scene.slots, known)
    ids = [slot for slot in missing if slot.where == "path" and not slot.many]
    listing = catalogue.lister(best.tool, ids[0]) if len(ids) == 1 else None
    if listing is None or last_parameter(best.operation) != ids[0].name:
        return filling
    told = with_description(best.scene, filling, ids[0], listing)
    runs = list(_names(best, ids[0]))
    if told is not filling or len(runs) != 1:
        return told
    ((first, last),) = runs
    tokens, text = best.scene.sentence.tokens, best.scene.sentence.text
    if not is_subject(best.operation, ids[0]) and (last - first > 1 or tokens[first - 1].lower not in _LEADING_WORDS):
        return told  # what a thing is below is told by one word that `of` leads to: the logs of web
    start, end = tokens[first].start, tokens[last - 1].end
    written = [
        span for span in best.scene.sentence.spans if span.kind is Kind.LITERAL and span.start <= start < span.end
    ]
    start, end = min([start, *(one.start for one in written)]), max([end, *(one.end for one in written)])
    name = text[start:end].removesuffix("'s").removesuffix("’s")
    option = Option(
        slot=ids[0], value=Wanted(name=name, lister=listing.id, exact=True), sure=_SURE, start=start, end=end
    )
    return replace(
        filling,
        options=(*filling.options, option),
        missing=tuple(slot for slot in filling.missing if slot is not ids[0]),
        unused=tuple(span for span in filling.unused if not (start < span.end and span.start < end)),
    )


def _names(best: Candidate, slot: Slot) -> Iterator[tuple[int, int]]:
    """The runs of free words, each from a token to before another, that stand where a name does."""
    tokens = best.scene.sentence.tokens
    begin = opening_length(best.scene.sentence.text)
    verb = next((at for at, token in enumerate(tokens) if token.start >= begin and token.word), 0)
    nouns = {*kind_of(best.tool, slot), *noun_stems(best.operation)}
    at = 0
    while at < len(tokens):
        last = at
        while last < len(tokens) and last != verb and _is_free(best, last):
            last += 1
        if at < last and last < len(tokens) - 1 and tokens[last].lower in _JOINS and _is_free(best, last + 1):
            return  # two of them
        if at < last <= at + _LONGEST and _is_led(best, at, verb, nouns):
            yield at, last
        at = max(last, at + 1)


def _is_free(best: Candidate, at: int) -> bool:
    """Whether a word is no value of an argument, no little word and none of the operation's own."""
    token = best.scene.sentence.tokens[at]
    if not token.word or token.lower in STOPWORDS or token.lower in _LEADING_WORDS | _ADVERBS | NO_NAMES:
        return False
    spans = [span for span in best.scene.sentence.spans if span.kind in (Kind.NUMBER, Kind.DATE)]
    taken = [(one.start, one.end) for one in best.filling.options] + [(one.start, one.end) for one in spans]
    return token.stem not in best.scene.common and not any(start <= token.start < end for start, end in taken)


def _is_led(best: Candidate, at: int, verb: int, nouns: set[str]) -> bool:
    """Whether a run stands behind the noun, the command or a little word that leads to a name."""
    tokens = best.scene.sentence.tokens
    before = at - 1
    while before > verb and tokens[before].lower in _ARTICLES:
        before -= 1
    if before < 0:
        return False
    token = tokens[before]
    if token.stem in nouns and singular(token.lower) == token.lower:
        return True
    if before == verb:
        return token.stem in own_verbs(best.operation) or token.lower in _COPULAS
    return token.lower in _LEADING_WORDS | _COPULAS
