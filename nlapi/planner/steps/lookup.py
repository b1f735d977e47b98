"""The look-up of a name: the listing that has the item, its further pages, and the question which item is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile

from nlapi.english import lexicon
from nlapi.english.words import split_words
from nlapi.openapi.spec import Effect
from nlapi.planner.answering.row_fields import singular_name
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import all_flag
from nlapi.planner.slots.assignment import assign_slots, nest_values
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import ONLY_RESOURCE, PendingLookup, resource_words
from nlapi.planner.slots.preset_values import Values, argument_name, complete_values, missing_arguments, pending_lookup
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.steps.goal_plan import describe_call, describe_value, missing_text, rated_again, with_note
from nlapi.planner.steps.state import Goal, LookupStage, LookupState, ScoredItem, state_of
from nlapi.reading.reader import read_sentence
from nlapi.resources.collection_index import name_filter
from nlapi.tools.plan import Plan, Step, Turn
from nlapi.tools.tool import Call, Missing, Origin, Tool, ValueSource

# The confidence of a plan that ends a turn as an item was not found.
NOT_FOUND = 0.25
# A menu of more cannot be read at a prompt.
MAX_CHOICES = 12
# The path /me/albums fits a sentence with `my`.
_CALLER_SEGMENTS = lexicon.words("planner/steps/words", "caller_segments")
_CALLER_WORDS = lexicon.words("planner/steps/words", "caller_words")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """A listing that a look-up may call, with its arguments and the slots that nothing fills."""

    tool: Tool
    values: Values
    missing: tuple[Slot, ...]
    spans: tuple[tuple[int, int], ...] = ()
    """the characters of the question that its values come from, with the noun before them"""

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
    if listing.spans:
        goal = rated_again(_with_words_of(goal, slot, listing), catalogue, known_values)
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
        return replace(goal, tool=tool, values=values, outer=state)
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
    spans: tuple[tuple[int, int], ...] = ()
    if missing and goal.outer is None:
        read_values, spans = _read_values(goal, tool, missing, target, catalogue)
        values, missing = complete_values({**read_values, **values}, slots, hints)
    return _Listing(tool=tool, values=values, missing=missing, spans=spans)


def _with_words_of(goal: Goal, slot: Slot, listing: _Listing) -> Goal:
    """Return the goal with the words by which its listing is chosen as words of the item: of the project fraud."""
    argument = argument_name(slot)
    texts = [(goal.question[start:end], start, end) for start, end in listing.spans]
    words = (
        ValueSource(argument=argument, value=text, origin=Origin.LOOKUP, words=text, name=text, start=start, end=end)
        for text, start, end in texts
        if goal.sentence == goal.question
    )
    unused = tuple(entry for entry in goal.unused if not any(entry in text for text, *_ in texts))
    return replace(goal, sources=(*goal.sources, *words), unused=unused)


def _read_values(
    goal: Goal, tool: Tool, missing: Sequence[Slot], target: PendingLookup, catalogue: Catalogue
) -> tuple[Values, tuple[tuple[int, int], ...]]:
    """Return the values that the question has for a listing, without the name that is looked up and those in use, and
    the characters that they come from.
    """
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
    spans: list[tuple[int, int]] = []
    for option in assign_slots(scene).candidates:
        pending = pending_lookup(option.value)
        text = pending.name if pending is not None else str(option.value)
        if option.slot in missing and text not in used:
            values[option.slot.path] = option.value
            before = [token for token in sentence.tokens if token.end <= option.start][-1:]
            start = before[0].start if before and before[0].stem in option.slot.words else option.start
            spans.append((start, option.end))
    return values, tuple(spans)


def name_parameter(slots: Iterable[Slot]) -> Slot | None:
    """Return the query parameter that limits a listing to a name; None where it has none."""
    texts = {
        slot.name: slot
        for slot in slots
        if slot.location == "query" and slot.family is Family.TEXT and not slot.is_array
    }
    name = name_filter(texts)
    return texts[name] if name is not None else None


def page_plan(call: Call, state: LookupState, goal: Goal) -> Plan:
    """Return the plan that reads the next page of a look-up by `call`; `state` is that after the page."""
    call = replace(call, reason=f"to look for {state.name!r} on the next page")
    text = f"look for {state.name!r} on page {state.pages}"
    return Plan(calls=(call,), goal=goal.final_call, confidence=goal.confidence, understood=text, raw=state)


def stored_listing(plan: Plan, turn: Turn) -> Step | None:
    """Return the answer of a turn to the very listing that a look-up of a name would read; None after a change."""
    state = state_of(plan)
    if not isinstance(state, LookupState) or state.place or state.stage is not LookupStage.LISTING or not plan.calls:
        return None
    (call,) = plan.calls
    unchanged = takewhile(lambda step: step.effect is Effect.READ, reversed(turn.steps))
    same = (step for step in unchanged if step.call.tool.operation.id == call.tool.operation.id)
    return next((step for step in same if step.call.arguments == call.arguments and step.result is not None), None)


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
    confidence = 0.3 if matched else NOT_FOUND
    if not choices or state.field:
        return Plan(text=text, confidence=confidence)
    missing = Missing(
        tool=tool, argument=argument_name(slot), description=text, choices=tuple(choices), schema=slot.schema
    )
    return Plan(text=text, confidence=confidence, missing=(missing,))


def _choice_reason(state: LookupState, *, several: bool, matched: bool, unread: int) -> str:
    name, kind = state.name, state.kind
    if state.place == ONLY_RESOURCE:
        return f"There are several, and the question does not say which {kind} you mean"
    if state.place:
        refused = f"A change needs the name or id of its item, not its place; {name} may be"
        return refused if matched else f"Nothing in the answer tells which is {name}; there are"
    if matched and several:
        return f"Several answer to {name!r}"
    if unread:
        pages = "the first page" if unread == 1 else f"the first {unread} pages"
        text = f"No {kind} called {name!r} is on {pages}, and there are more that were not read"
    else:
        text = f"There is no {kind} called {name!r}"
    return f"{text}; near to it" if matched else text
