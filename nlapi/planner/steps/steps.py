"""The steps to a goal: look-ups of the names in it, one after the other, then the call itself and the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import name_key, singular, singular_words, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.aggregates import items_at_ordinal
from nlapi.planner.answering.answers import failure_reason, pages_of
from nlapi.planner.answering.row_fields import singular_name
from nlapi.planner.commands import operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import all_flag
from nlapi.planner.slots.assignment import Assignment, assign_slots, nest_values
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import (
    DESCRIBED_RESOURCE,
    ONLY_RESOURCE,
    PendingLookup,
    accepts_name,
    is_subject,
    last_parameter,
    named_resource,
    operation_noun_stems,
    resource_stems,
    resource_words,
    takes_name_or_id,
)
from nlapi.planner.slots.preset_values import Values, argument_name, complete_values, missing_arguments, pending_lookup
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.planner.slots.values import is_dotted
from nlapi.planner.steps.goal_plan import (
    describe_call,
    describe_value,
    find_tool,
    gone_plan,
    missing_text,
    plan_goal,
    with_note,
)
from nlapi.planner.steps.multi_intent import (
    MAX_PAGES,
    answer_views,
    clauses_of,
    end_of_turn,
    next_page_plan,
    repeats_page,
)
from nlapi.planner.steps.state import (
    CallState,
    Goal,
    LookupStage,
    LookupState,
    ScoredItem,
    state_of,
    with_moved_arguments,
)
from nlapi.reading.clauses import opening_length
from nlapi.reading.names import NO_NAMES
from nlapi.reading.numbers import ORDINALS
from nlapi.reading.question_intent import read_intent
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import MentionKind
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.collection_index import collection_index, name_filter
from nlapi.resources.envelope import DataView, Noun, find_list, has_noun
from nlapi.resources.identity import Item, field_at, id_of, name_of
from nlapi.resources.paths import segments
from nlapi.tools.answer_view import AnswerView, lowercase_headers, next_arguments
from nlapi.tools.plan import Outcome, Plan, Step, Turn
from nlapi.tools.tool import Call, Missing, Tool

if TYPE_CHECKING:
    from nlapi.planner.answering.client_filter import FilteredItems
    from nlapi.resources.identity import Item


# A menu of more cannot be read at a prompt.
MAX_CHOICES = 12
# The path /me/albums fits a sentence with `my`.
_CALLER_SEGMENTS = frozenset(("me", "my", "mine", "self"))
_CALLER_WORDS = frozenset(("my", "mine", "i", "our"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """A listing that a look-up may call, with its arguments and the slots that nothing fills."""

    tool: Tool
    values: Values
    missing: tuple[Slot, ...]

    def misfit(self, question: str) -> tuple[bool, bool, int]:
        """Return the rank of the listing for a question, the lowest the best.

        One that lacks nothing goes first, then one of the caller's items where the question says `my`, then one that
        uses another name of the question.
        """
        of_caller = not _CALLER_SEGMENTS.isdisjoint(self.tool.operation.path.lower().split("/"))
        says_my = not _CALLER_WORDS.isdisjoint(split_words(question))
        return bool(self.missing), of_caller is not says_my, -sum(map(_is_pending, self.values.values()))


def _is_pending(value: object) -> bool:
    return pending_lookup(value) is not None


def look_up(
    goal: Goal,
    slot: Slot,
    target: PendingLookup,
    tool: Tool,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    *,
    filtered: bool,
) -> Plan | Goal:
    """Return the plan of the listing in which the next round finds the item that `slot` takes the id of.

    A Goal where that listing takes an id that has to be looked up first: the newest album of an artist. With
    `filtered` a listing that can be filtered by name is.
    """
    tools = (tool,) if target.field else (tool, *catalogue.other_list_tools(goal.tool, slot, tool))
    listings = [_listing(goal, slot, other, target, catalogue, known_values) for other in tools]
    listing = listings[0] if target.field else min(listings, key=lambda listing: listing.misfit(goal.question))
    tool, values, slots = listing.tool, listing.values, catalogue.slots(listing.tool)
    by_name = None if target.ordinal else name_parameter(slots)
    # Without its flag a listing may leave the item out: Docker lists running containers only.
    if (flag := all_flag(slots)) is not None and argument_name(flag) not in known_values:
        values.setdefault(flag.path, True)
    if by_name is not None and target.name and (filtered or by_name.required):
        values[by_name.path] = target.name
    state = LookupState(
        goal=goal,
        slot=slot.path,
        name=target.name,
        kind=singular_name(tool.operation) if target.field else resource_words(goal.tool, slot),
        field=target.field,
        id_field="" if target.field else catalogue.id_field(goal.tool, slot, tool),
        id_fields=() if target.field else tuple(catalogue.path_fields(goal.tool, tool)),
        via=target.detail_operation,
        place=target.ordinal,
        exact=target.exact,
        filtered=filtered and by_name is not None and not by_name.required,
    )
    if any(map(_is_pending, values.values())):
        return replace(goal, tool=tool, values=values, others=(), tried=(), outer=state)
    preview, reason = _texts(state)
    final = Call(
        tool=goal.tool, arguments={".".join(path): describe_value(value) for path, value in goal.values.items()}
    )
    missing = missing_arguments(tool, listing.missing)
    return Plan(
        calls=(Call(tool=tool, arguments=nest_values(values), id="lookup", reason=reason),),
        goal=goal.final_call,
        confidence=goal.confidence,
        missing=missing,
        understood=with_note(f"{preview}, then {describe_call(final)}", goal),
        text=missing_text(missing),
        raw=state,
    )


def _texts(state: LookupState) -> tuple[str, str]:
    """Return the preview of a look-up and the reason for its call."""
    if not state.name:
        return "find out who you are", "to find out who is calling"
    if state.place:
        return f"find {state.name}", f"to find {state.name}"
    return f"find the {state.kind} called {state.name!r}", f"to find the id of {state.name!r}"


def _listing(
    goal: Goal, slot: Slot, tool: Tool, target: PendingLookup, catalogue: Catalogue, known_values: Mapping[str, object]
) -> _Listing:
    """Return a listing with the arguments that the goal, the question and the known values have for it."""
    slots = catalogue.slots(tool)
    required = [other for other in slots if other.required]
    names = set(map(argument_name, required))
    hints = {name: value for name, value in known_values.items() if name in names}
    shared = {other.path: goal.values[other.path] for other in required if other.path in goal.values}
    plain = {path: value for path, value in shared.items() if not _is_pending(value)}
    values, missing = complete_values({**catalogue.search_filters(goal.tool, slot, tool), **plain}, slots, hints)
    by_name = name_parameter(slots)
    if by_name is not None and by_name.required and target.name and not target.ordinal:
        missing = tuple(other for other in missing if other is not by_name)
    # The question is read for one level of look-ups only: further up its names belong to the outer look-up.
    if missing and goal.outer is None:
        values, missing = complete_values(
            {**_read_values(goal, tool, missing, target, catalogue), **values}, slots, hints
        )
    return _Listing(tool=tool, values=values, missing=missing)


def _read_values(
    goal: Goal, tool: Tool, missing: Sequence[Slot], target: PendingLookup, catalogue: Catalogue
) -> Values:
    """Return the values that the question has for a listing, without the name that is looked up and those in use."""
    sentence = read_sentence(goal.question, date.today())
    listers = {slot: listing for slot in missing if (listing := catalogue.list_operation(tool, slot)) is not None}
    scene = SlotContext(
        sentence=sentence,
        tool=tool,
        slots=catalogue.slots(tool),
        list_operations=listers,
        is_api_noun=catalogue.index.is_entity,
    )
    lists = (value if isinstance(value, list) else [value] for value in goal.values.values())
    used = {target.name, *(str(entry) for entries in lists for entry in entries)}
    values: Values = {}
    for option in assign_slots(scene).candidates:
        pending = pending_lookup(option.value)
        text = pending.name if pending is not None else str(option.value)
        if option.slot in missing and text not in used:
            values[option.slot.path] = option.value
    return values


def name_parameter(slots: Iterable[Slot]) -> Slot | None:
    """Return the query parameter that limits a listing to a name; None where it has none."""
    texts = {
        slot.name: slot
        for slot in slots
        if slot.location == "query" and slot.family is Family.TEXT and not slot.is_array
    }
    name = name_filter(texts)
    return texts[name] if name is not None else None


def page_plan(call: Call, arguments: Mapping[str, object], state: LookupState, goal: Goal) -> Plan:
    """Return the plan that reads the next page of a look-up; `state` is that after the page."""
    call = replace(call, arguments=dict(arguments), reason=f"to look for {state.name!r} on the next page")
    text = f"look for {state.name!r} on page {state.pages}"
    return Plan(calls=(call,), goal=goal.final_call, confidence=goal.confidence, understood=text, raw=state)


def choice_plan(
    tool: Tool, slot: Slot, state: LookupState, items: Sequence[ScoredItem], *, matched: bool, unread: int = 0
) -> Plan:
    """Return the question which item is meant, or the message that none is.

    `items` are the matches, or all items where nothing `matched`; `unread` is the number of pages read where there are
    more of them.
    """
    choices = {str(item.id): item.name for item in items[:MAX_CHOICES] if item.id is not None}
    listing = ", ".join(f"{name} ({id})" if name else id for id, name in choices.items())
    start = _choice_reason(state, several=len(choices) > 1, matched=matched, unread=unread)
    text = f"{start}{f': {listing}' if listing else ''}."
    # A choice is an id for the slot, and a look-up of a field needs that field of the item instead.
    if not choices or state.field:
        return Plan(text=text, confidence=0.3)
    missing = Missing(
        tool=tool, argument=argument_name(slot), description=text, choices=tuple(choices), schema=slot.schema
    )
    return Plan(text=text, confidence=0.3, missing=(missing,))


def _choice_reason(state: LookupState, *, several: bool, matched: bool, unread: int) -> str:
    name, kind = state.name, state.kind
    if state.place == ONLY_RESOURCE:
        return f"There are several, and the question does not say which {kind} is meant"
    if state.place == DESCRIBED_RESOURCE:
        none = f"There is no {name}, as far as can be told; there are"
        return f"Several are described as {name!r}" if matched else none
    if state.place:
        refused = f"A change is made to what is called by its name or id, and not by its place; {name} may be"
        return refused if matched else f"Nothing in the answer tells which is {name}; there are"
    if matched and several:
        return f"Several answer to {name!r}"
    if unread:
        pages = "the first page" if unread == 1 else f"the first {unread} pages"
        text = f"No {kind} called {name!r} is on {pages}, and there are more that were not read"
    else:
        text = f"There is no {kind} called {name!r}"
    return f"{text}; near to it" if matched else text


_PROBABILITY = 0.6
# Words of a name in plain letters.
_MAX_WORDS = 3
_DESCRIBING = frozenset("with whose that which where having".split())
_PREPOSITIONS = frozenset("of from in inside within for to on by".split())
_ARTICLES = frozenset("the my our your this that".split())
_CONJUNCTIONS = frozenset((",", "and", "or", "&", "but"))
_COPULAS = frozenset("is was does did has".split())
_ADVERBS = frozenset("still now again already currently immediately gracefully please today once together".split())
_NOT_NAMES = STOPWORDS | _PREPOSITIONS | _ADVERBS | NO_NAMES


def filter_described(text: str, items: Sequence[Item], call: Call, today: date) -> FilteredItems:
    """Return the items that a description fits; none where a part of it cannot be applied."""
    from nlapi.planner.answering.client_filter import filter_items
    from nlapi.planner.answering.row_fields import RowFields

    fields = RowFields(items=tuple(items), operation=call.tool.operation)
    matches = filter_items(text, read_intent(text), fields, call, applied=(), structural=(), today=today)
    return matches if matches.conditions and not matches.unapplied else replace(matches, items=())


def with_leftover_name(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Assignment:
    """Return the assignment with a look-up of the item that the rest of a sentence names, where only its id lacks.

    The look-up tells whether there is such an item; a word that is no name of one leads to a question.
    """
    filling = best.assignment
    _, missing = complete_values(
        {option.slot.path: option.value for option in filling.candidates}, best.context.slots, known_values
    )
    ids = [slot for slot in missing if slot.location == "path" and not slot.is_array]
    listing = catalogue.list_operation(best.tool, ids[0]) if len(ids) == 1 else None
    if listing is None or last_parameter(best.operation) != ids[0].name:
        return filling
    if (described := _with_description(best.context, filling, ids[0], listing)) is not None:
        return described
    return _NameSearch(best=best, slot=ids[0], listing=listing).assignment() or filling


def _with_description(scene: SlotContext, filling: Assignment, slot: Slot, listing: Operation) -> Assignment | None:
    """Return the assignment with a look-up of what the sentence describes from the item's noun on; None for nothing."""
    tokens, kind = scene.sentence.tokens, resource_stems(scene.tool, slot)
    for first in range(len(tokens) - len(kind) - 1 if kind else 0):
        after = first + len(kind)
        is_singular = singular(tokens[after - 1].lower) == tokens[after - 1].lower
        if not is_singular or scene.sentence.stems[first:after] != kind:
            continue
        is_participle = tokens[after].lower.endswith("ed") and after + 2 < len(tokens)
        start, end = tokens[first].start, tokens[-1].end
        is_free = not any(option.start < end and start < option.end for option in filling.candidates)
        if is_free and (is_participle or tokens[after].lower in _DESCRIBING):
            target = PendingLookup(
                name=scene.sentence.text[start:end], list_operation=listing.id, ordinal=DESCRIBED_RESOURCE
            )
            return _with_lookup(filling, slot, target, start, end)
    return None


def _with_lookup(filling: Assignment, slot: Slot, target: PendingLookup, start: int, end: int) -> Assignment:
    option = SlotCandidate(slot=slot, value=target, probability=_PROBABILITY, start=start, end=end)
    return replace(
        filling,
        candidates=(*filling.candidates, option),
        missing=tuple(other for other in filling.missing if other is not slot),
        unused=tuple(span for span in filling.unused if span.end <= start or end <= span.start),
    )


@dataclass(frozen=True, kw_only=True)
class _NameSearch:
    """The search of a sentence for the plain words that may name the item of `slot`."""

    best: OperationCandidate
    slot: Slot
    listing: Operation

    def assignment(self) -> Assignment | None:
        """Return the assignment with a look-up of the name; None where there is no name, or several."""
        runs = list(self._runs())
        if len(runs) != 1:
            return None
        ((first, last),) = runs
        sentence = self.best.context.sentence
        # The item that an operation is below is named by one word behind a preposition: the logs of web.
        is_behind_preposition = last - first == 1 and sentence.tokens[first - 1].lower in _PREPOSITIONS
        if not is_subject(self.best.operation, self.slot) and not is_behind_preposition:
            return None
        start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
        # A literal (web-2.log) is several tokens.
        literals = [
            span for span in sentence.mentions if span.kind is MentionKind.LITERAL and span.start <= start < span.end
        ]
        start = min([start, *(span.start for span in literals)])
        end = max([end, *(span.end for span in literals)])
        name = sentence.text[start:end].removesuffix("'s").removesuffix("’s")
        target = PendingLookup(name=name, list_operation=self.listing.id, exact=True)
        return _with_lookup(self.best.assignment, self.slot, target, start, end)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Yield the runs of tokens that may be a name, as (first, after the last)."""
        tokens = self.best.context.sentence.tokens
        first = 0
        while first < len(tokens):
            last = first
            while last < len(tokens) and last != self._verb and self._is_free(last):
                last += 1
            if first < last < len(tokens) - 1 and tokens[last].lower in _CONJUNCTIONS and self._is_free(last + 1):
                # Two names in a row are two items, and the slot takes one.
                return
            if first < last <= first + _MAX_WORDS and self._is_led(first):
                yield first, last
            first = max(last, first + 1)

    @cached_property
    def _verb(self) -> int:
        """The index of the token that commands."""
        sentence = self.best.context.sentence
        begin = opening_length(sentence.text)
        return next((index for index, token in enumerate(sentence.tokens) if token.start >= begin and token.word), 0)

    @cached_property
    def _nouns(self) -> set[str]:
        return {*resource_stems(self.best.tool, self.slot), *operation_noun_stems(self.best.operation)}

    def _is_free(self, index: int) -> bool:
        """Return whether a word is no value of an argument, no function word and none of the operation's."""
        scene = self.best.context
        token = scene.sentence.tokens[index]
        if not token.word or token.lower in _NOT_NAMES:
            return False
        values = [span for span in scene.sentence.mentions if span.kind in (MentionKind.NUMBER, MentionKind.DATE)]
        used = [(option.start, option.end) for option in self.best.assignment.candidates]
        used += [(span.start, span.end) for span in values]
        return token.stem not in scene.operation_stems and not any(start <= token.start < end for start, end in used)

    def _is_led(self, first: int) -> bool:
        """Return whether a run stands behind the noun, the command, a copula or a preposition."""
        tokens = self.best.context.sentence.tokens
        before = first - 1
        while before > self._verb and tokens[before].lower in _ARTICLES:
            before -= 1
        if before < 0:
            return False
        token = tokens[before]
        if token.stem in self._nouns and singular(token.lower) == token.lower:
            return True
        if before == self._verb:
            return token.stem in operation_verbs(self.best.operation) or token.lower in _COPULAS
        return token.lower in _PREPOSITIONS | _COPULAS


# Fields whose whole text identifies an item.
_NAME_FIELDS = lexicon.words("planner/steps/words", "name_fields")
# A name that is equal but for the final dot of the DNS: below an equal one, above every other.
DOT_SCORE = 0.99
_MIN_SCORE = 0.6
# Items this near to the best are offered beside it.
_MARGIN = 0.12
# `summer` scores 0.85 for Summer Sale: from 0.75 for a small part of a name up to 0.95 for nearly all of it.
_PART_SCORE, _PART_RANGE = 0.75, 0.2
# A code: web-2 is not web-1, and example.edu not example.net, however alike they are.
_CODE = lazy_pattern(r"\S[\d@_/:]|\w\.\w")
_MAX_DEPTH = 4


def name_similarity(text: str, name: str) -> float:
    """Return how well a name matches a text, from 0 to 1; `summer` matches Summer Sale at 0.85."""
    lower, name_lower = text.lower().strip(), name.lower().strip()
    if lower == name_lower:
        return 1.0
    if lower == name_lower.removesuffix("."):
        return DOT_SCORE
    all_stems = {stem(word) for word in split_words(text)}
    stems = {stem(word) for word in split_words(text) if word not in STOPWORDS} or all_stems
    name_stems = {stem(word) for word in split_words(name)}
    if stems and stems <= name_stems:
        return _PART_SCORE + _PART_RANGE * len(stems) / len(name_stems)
    if _CODE.search(text):
        return 0.0
    shared = len(stems & name_stems) / len(stems) if stems else 0.0
    return max(0.6 * shared, 0.9 * SequenceMatcher(None, lower, name_lower).ratio() - 0.1)


def best_matches(items: Sequence[ScoredItem]) -> list[ScoredItem]:
    """Return the items that the name may be of, best first: all that are nearly as good; none where all are too bad."""
    ranked = sorted(items, key=lambda item: -item.score)
    best = ranked[0].score if ranked else 0.0
    if best < _MIN_SCORE:
        return []
    threshold = best if best >= DOT_SCORE else best - _MARGIN
    return [item for item in ranked if item.score >= threshold]


def items_of(step: Step, kind: str) -> list[Item]:
    """Return the items that an answer lists; where it lists several kinds, those under a name like `kind`."""
    if step.result is None:
        return []
    data, words = step.result.data, singular_words(kind)
    envelope = find_list(DataView(data), Noun(words=words))
    if envelope is not None and any(has_noun(key, words) for key in envelope.keys):
        return [entry for entry in envelope.entries(data) or () if isinstance(entry, Mapping)]
    listed = extract_list(data, step.call.tool.operation, lowercase_headers(step.result))
    return listed.object_entries if listed is not None else []


def score_items(state: LookupState, slot: Slot, items: Sequence[Item], question: str = "") -> list[ScoredItem]:
    """Return the items of a list with their ids, each scored by its match with the name of the look-up."""
    # At the end of a sentence nobody can tell a full stop from the final dot of the DNS.
    names = (state.name, f"{state.name}.") if is_dotted(question, state.name) else (state.name,)
    scored: list[ScoredItem] = []
    for item in items:
        id = _id_for(state, slot, item)
        ids = () if state.field else (id, *(nested_field(item, path) for path in state.id_fields))
        is_id = any(str(value).lower() == state.name.lower() for value in ids)
        score = 1.0 if is_id else max(_item_score(name, item) for name in names)
        scored.append(ScoredItem(score=score, id=id, name=name_of(item)))
    return scored


def _item_score(name: str, item: Item) -> float:
    texts = (value for key, value in item.items() if isinstance(value, str) and name_key(str(key)) in _NAME_FIELDS)
    return 1.0 if any(text.lower() == name.lower().strip() for text in texts) else name_similarity(name, name_of(item))


def _id_for(state: LookupState, slot: Slot, item: Item) -> object:
    """Return what the slot takes of an item; its own id where another call reads the field."""
    if state.field:
        return id_of(item) if state.via else nested_field(item, state.field)
    id = nested_field(item, state.id_field) if state.id_field else None
    return id_of(item, slot.name, named_resource(slot)) if id is None else id


def nested_field(item: Item, field: str) -> object:
    """Return a field of an item; for `artist.id` the id of the artist in it, alone or the first of several."""
    if (value := field_at(item, field)) is not None:
        return value
    entity, _, name = field.rpartition(".")
    if not entity:
        return None
    level: list[Any] = [item]
    for _ in range(_MAX_DEPTH):
        pairs = [(key, value) for entry in level if isinstance(entry, Mapping) for key, value in entry.items()]
        for key, value in pairs:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Mapping) and singular(key.lower()) == entity and first.get(name) is not None:
                return first[name]
        level = [entry for _, value in pairs for entry in (value if isinstance(value, list) else (value,))]
    return None


def chosen_id(reply: object, items: Sequence[ScoredItem]) -> object:
    """Return the id that a reply of the user is, or that of the item which the reply names; else the reply."""
    with_ids = [item for item in items if item.id is not None]
    for item in with_ids:
        if reply in (item.id, str(item.id), item.name):
            return item.id
    scored = [ScoredItem(score=name_similarity(str(reply), item.name), id=item.id, name=item.name) for item in with_ids]
    matches = best_matches(scored)
    return matches[0].id if len(matches) == 1 else reply


_NOT_FOUND = 404
# The least match that counts while the same name may be that of an item of another kind.
_CLEAR_SCORE = 0.8
# A question that begins so is a read, so that "there is none" answers it.
_READ = lazy_pattern(
    r"\W*(?:please )?(?:show|get|list|find|view|display|describe|look|tell|give|what|which|who|whose|when|where|how"
    r"|is|are|was|were|does|do|did|has|have)\b",
    re.IGNORECASE,
)


def next_plan(
    turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object], *, today: date | None = None
) -> Plan:
    """Return the plan after the last round of a turn: the next step of a look-up, the next page, or the answer."""
    last = next(round for round in reversed(turn.rounds) if round.steps)
    step, state = last.steps[-1], state_of(last.plan)
    if isinstance(state, LookupState) and step.outcome is Outcome.ANSWERED and step.result is not None:
        return _continue_lookup(turn, step, state, catalogue, known_values)
    if (plan := _retry_by_name(turn, catalogue) or next_page_plan(turn, today)) is not None:
        return plan
    question, rounds = clauses_of(turn)[-1]
    return end_of_turn(answer_views(question, rounds, several=catalogue.several, today=today))


def _retry_by_name(turn: Turn, catalogue: Catalogue) -> Plan | None:
    """Return the same call with the name that was looked up, where the API answers that it does not know the id.

    Only where the read of the item says that it takes a name, and the id comes from a look-up alone.
    """
    last = turn.rounds[-1]
    step = last.steps[-1] if last.steps else None
    states = [state_of(round.plan) for round in turn.rounds if round.steps]
    lookups = [state for state in states if isinstance(state, LookupState) and state.stage is LookupStage.LISTING]
    if step is None or step.outcome is not Outcome.ANSWERED or step.result is None or not lookups:
        return None
    state, call, operation = lookups[-1], step.call, step.call.tool.operation
    is_unknown = step.result.status == _NOT_FOUND and state.goal.tool.operation.id == operation.id
    if not is_unknown or not state.name or state.place:
        return None
    slot = next((slot for slot in catalogue.slots(call.tool) if slot.path == state.slot), None)
    path = segments(operation.route)
    read = collection_index(operation.spec).item_read_at(path[:-1]) if path and path[-1].parameter else None
    if slot is None or not is_subject(operation, slot) or not accepts_name(read):
        return None
    if call.arguments.get(slot.name) == state.name:
        return None
    again = replace(call, arguments={**call.arguments, slot.name: state.name}, reason="which is told by its name")
    return Plan(
        calls=(again,),
        confidence=last.plan.confidence,
        understood=describe_call(again),
        raw=CallState(used=state.goal.used),
    )


def _slot_accepts_name(operation: Operation, slot: Slot) -> bool:
    """Return whether the description of an operation says that it takes its item by name."""
    is_coded = slot.family is Family.NUMBER or slot.item.get("format") == "uuid"
    return not is_coded and is_subject(operation, slot) and accepts_name(operation)


def _continue_lookup(
    turn: Turn, step: Step, state: LookupState, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Plan:
    """Return the plan after an answered call of a look-up."""
    if step.result is not None and (reason := failure_reason(step.call, step.result)):
        subject = f"Looking up {state.name!r}" if state.name else "Finding out who you are"
        return Plan(text=f"{subject} failed. {reason}", confidence=0.3)
    # The state may be from a transcript, and the description have changed since.
    operation = state.goal.tool.operation
    tool = find_tool(catalogue, operation.id, catalogue.spec(operation.spec.source))
    slots = catalogue.slots(tool) if tool is not None else ()
    slot = next((slot for slot in slots if slot.path == state.slot), None)
    if tool is None or slot is None:
        return gone_plan(operation.id)
    goal = replace(state.goal, tool=tool)
    lookup = _Lookup(
        turn=turn, step=step, state=state, goal=goal, slot=slot, catalogue=catalogue, known_values=known_values
    )
    return lookup.next_plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lookup:
    """A look-up whose last call, `step`, was answered; `slot` of the goal takes the id that it is for."""

    turn: Turn
    step: Step
    state: LookupState
    goal: Goal
    slot: Slot
    catalogue: Catalogue
    known_values: Mapping[str, Any]

    def next_plan(self) -> Plan:
        if self.state.stage is LookupStage.ITEM or not self.state.name:
            return self._plan_from_item()
        return self._plan_by_order() if self.state.place else self._plan_by_name()

    @property
    def _reads(self) -> bool:
        return self.goal.final_call.effect is Effect.READ

    def _next_page(self, pages: int) -> Mapping[str, object] | None:
        """Return the arguments of the page after `pages`; None where there is none, {} where the API takes none."""
        if self.step.result is None or (pages > 1 and repeats_page(self.turn)):
            return None
        return next_arguments(self.step.call, self.step.result)

    def _reply_plan(self, items: list[ScoredItem]) -> Plan | None:
        """Return the plan with the item that the user has chosen; None where he has not."""
        reply = self.known_values.get(argument_name(self.slot))
        return None if reply is None else self._plan_with(self.goal.with_id(self.slot, chosen_id(reply, items)))

    def _plan_with(self, goal: Goal, *, filtered: bool = True) -> Plan:
        return plan_goal(goal, self.catalogue, self.known_values, filtered=filtered)

    def _plan_by_name(self) -> Plan:
        """Return the plan after a page of a listing: with the match, for the next page, or a question."""
        state, goal = self.state, self.goal
        page = score_items(state, self.slot, items_of(self.step, state.kind), self.turn.question)
        items = [*state.scored, *page]
        if (plan := self._reply_plan(items)) is not None:
            return plan
        matches, next_page = best_matches(items), self._next_page(state.pages)
        is_exact, unread = bool(matches) and matches[0].score == 1.0, next_page is not None
        if not is_exact and next_page and state.pages < MAX_PAGES:
            stored = [item for item in items if item in matches][:MAX_CHOICES] + items[:MAX_CHOICES]
            after = replace(state, pages=state.pages + 1, scored=tuple(dict.fromkeys(stored)))
            return page_plan(self.step.call, next_page, after, goal)
        is_clear = bool(matches) and (not goal.others or matches[0].score >= _CLEAR_SCORE)
        if len(matches) == 1 and (is_exact or (not unread and is_clear and (self._reads or not state.exact))):
            return self._plan_with_item(matches[0])
        if goal.others and not is_exact:
            return self._plan_elsewhere()
        if goal.tried and not matches:
            *kinds, last = (*goal.tried, state.kind)
            absent = f"There is {', '.join(f'no {kind}' for kind in kinds)} and no {last} called {state.name!r}."
            return Plan(text=absent, confidence=0.3)
        if not matches and state.filtered:
            # Some APIs filter by the whole name only, and the question may have a part of it.
            return self._plan_with(goal, filtered=False)
        if not matches and not unread and self._reads and self._asks_for_kind():
            absent = f"There is no {state.kind} called {state.name!r}."
            return end_of_turn([AnswerView(text=absent, operation=self.step.call.tool.operation)])
        matched = bool(matches)
        return choice_plan(
            goal.tool, self.slot, state, matches or items, matched=matched, unread=state.pages if unread else 0
        )

    def _asks_for_kind(self) -> bool:
        """Return whether the question reads items of the look-up's kind, so that their absence answers it."""
        stems = set(map(stem, split_words(self.turn.question)))
        return bool(_READ.match(self.turn.question)) and stems.issuperset(map(stem, split_words(self.state.kind)))

    def _plan_by_order(self) -> Plan:
        """Return the plan after a page of a listing from which an item is selected by order or description."""
        state, goal, place = self.state, self.goal, self.state.place
        pages = pages_of(self.turn.steps)
        items = [item for page in pages for item in items_of(page, state.kind)]
        if (plan := self._reply_plan(score_items(state, self.slot, items))) is not None:
            return plan
        next_page = None if place == ONLY_RESOURCE else self._next_page(len(pages))
        is_on_page = place in ORDINALS and ORDINALS[place] < len(items)
        if next_page and len(pages) < MAX_PAGES and not is_on_page:
            return page_plan(self.step.call, next_page, replace(state, pages=state.pages + 1), goal)
        if place == DESCRIBED_RESOURCE:
            matches = list(filter_described(state.name, items, self.step.call, date.today()).items)
        else:
            matches = items_at_ordinal(place, self.step.call.tool.operation, items)
        # A list may be in any order, so for a change the user has to confirm an item selected by order.
        is_certain = place == ONLY_RESOURCE or (place == DESCRIBED_RESOURCE and not next_page)
        if len(matches) == 1 and (is_certain or self._reads):
            return self._plan_with_item(*score_items(state, self.slot, matches))
        if not items:
            return Plan(text=f"There is no {state.kind}.", confidence=0.3)
        choices = score_items(state, self.slot, matches or items)
        return choice_plan(goal.tool, self.slot, state, choices, matched=bool(matches))

    def _plan_with_item(self, item: ScoredItem) -> Plan:
        """Return the plan with the id of an item, or first the read of the item where only that has the field."""
        state, goal, operation = self.state, self.goal, self.goal.tool.operation
        if item.id is None:
            text = f"{item.name} was found, but the answer gives no {state.field or 'id'} for it."
            return Plan(text=text, confidence=0.2)
        id = item.id
        if item.score == 1.0 and takes_name_or_id(self.slot) and not (state.field or state.place):
            # An item may have several names, and the user has chosen one of them.
            id = state.name
        elif item.name and not state.field and _slot_accepts_name(operation, self.slot):
            id = item.name
        tool = find_tool(self.catalogue, state.via, operation.spec) if state.via else None
        if tool is None:
            name = state.name if item.score >= DOT_SCORE or state.place else item.name
            return self._plan_with(goal.with_id(self.slot, id, name))
        id_slot = next((slot for slot in reversed(self.catalogue.slots(tool)) if slot.location == "path"), None)
        if id_slot is None:
            return Plan(text=f"{tool.operation.id} takes no id.", confidence=0.2)
        values, _ = complete_values({id_slot.path: id}, self.catalogue.slots(tool), self.known_values)
        text = f"read the {state.field} of {item.name!r}"
        return Plan(
            calls=(Call(tool=tool, arguments=nest_values(values), id="lookup", reason=f"to {text}"),),
            goal=goal.final_call,
            confidence=goal.confidence,
            understood=text,
            raw=replace(state, stage=LookupStage.ITEM),
        )

    def _plan_from_item(self) -> Plan:
        """Return the plan with the id, or the field, of the item that was read."""
        data = self.step.result.data if self.step.result is not None else None
        item: Item = extract_item(data, self.step.call.tool.operation) or {}
        field = self.state.field
        value = field_at(item, field) if field else id_of(item, self.slot.name)
        if isinstance(value, list) and not self.slot.is_array:
            if len(value) > 1 and all(isinstance(entry, str | int) for entry in value):
                choices = [ScoredItem(score=1.0, id=entry, name="") for entry in value]
                state = replace(self.state, place=ONLY_RESOURCE, field="")
                return choice_plan(self.goal.tool, self.slot, state, choices, matched=True)
            value = value[0] if value else None
        if value is None:
            return Plan(text=f"The answer gives no {field or 'id'}.", confidence=0.2)
        return self._plan_with(self.goal.with_id(self.slot, value))

    def _plan_elsewhere(self) -> Plan:
        """Return the plan of the next goal that the same words may mean: the name among items of another kind."""
        (id, values), *others = self.goal.others
        tool = find_tool(self.catalogue, id, self.goal.tool.operation.spec)
        if tool is None:
            return gone_plan(id)
        goal = replace(
            self.goal,
            tool=tool,
            values=values,
            others=tuple(others),
            tried=(*self.goal.tried, self.state.kind),
            sources=with_moved_arguments(self.goal.sources, values),
        )
        return self._plan_with(goal)
