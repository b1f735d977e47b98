"""The next plan on the way to a goal, which needs no answer of the API: a look-up, or the call itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

from nlapi.changes.checks import reasons_against, rival_of
from nlapi.english.words import stems_of
from nlapi.openapi.spec import Operation, Spec
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.entities import PendingLookup, resource_words
from nlapi.planner.slots.overrides import OVERRIDE_PROBABILITY
from nlapi.planner.slots.preset_values import (
    argument_name,
    coerce,
    complete_arguments,
    keeps_rest,
    missing_arguments,
    pending_lookup,
)
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.state import CallState, EachItem, Goal, LookupState, Rival, with_completed
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.tool import Account, Call, Missing, Origin, Tool

if TYPE_CHECKING:
    from nlapi.planner.steps.each import ListedItems


def call_plan(goal: Goal, missing: tuple[Slot, ...]) -> Plan:
    """Return the plan of the goal's own call; `missing` are the slots that the user has to fill."""
    outer = goal.outer
    id = "lookup" if outer is not None else "second try" if goal.second_try else "call"
    arguments, is_partial = nest_values(goal.values), keeps_rest(goal.tool, goal.values)
    # The list of what a change is for is no request of its own.
    account = goal.account if outer is None or outer.each is None else None
    call = Call(tool=goal.tool, arguments=arguments, id=id, account=account, keeps_rest=is_partial)
    required = missing_arguments(goal.tool, missing)
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=required,
        understood=with_note(describe_call(call), goal)
        if outer is None or outer.each is None
        else _for_each(call, outer),
        text=missing_text(required),
        goal=None if outer is None else goal.final_call,
        raw=outer or CallState(used=goal.used, goal=goal if goal.rivals or goal.second_try else None),
    )


def _for_each(listing: Call, state: LookupState) -> str:
    """Return what a change of each item of a list does: List campaigns, then Update a campaign for all campaigns."""
    return f"{describe_call(listing)}, then {describe_call(state.goal.final_call)} for {state.name}"


def describe_call(call: Call) -> str:
    """Return what a call does, on one line: Update a campaign (status=PAUSED)."""
    operation = call.tool.operation
    head = operation.summary.strip().rstrip(".") or operation.id
    return f"{head} ({describe_arguments(call)})" if call.arguments else head


def describe_arguments(call: Call) -> str:
    """Return the arguments of a call, on one line."""
    return ", ".join(f"{name}={describe_value(value)}" for name, value in call.arguments.items())


def describe_value(value: object) -> str:
    """Return a value as a text; of a pending look-up, the words for what is looked up."""
    if isinstance(value, list):
        return ",".join(map(describe_value, value))
    if not isinstance(value, PendingLookup):
        return str(value)
    if not (value.name or value.ordinal):
        return "your own id"
    return f"the {value.field or 'id'} of {value.name if value.ordinal else repr(value.name)}"


def with_note(text: str, goal: Goal) -> str:
    return "; ".join(filter(None, (goal.second_try, text, goal.note)))


def missing_text(missing: tuple[Missing, ...]) -> str:
    """Return the sentence that asks for missing arguments; "" for none."""
    names = (f"{item.argument} ({item.description.rstrip('.')})".removesuffix(" ()") for item in missing)
    return f"Still needed: {', '.join(names)}." if missing else ""


def plan_goal(goal: Goal, catalogue: Catalogue, known_values: Mapping[str, object], *, filtered: bool = True) -> Plan:
    """Return the next plan on the way to a goal: a look-up while a name is left in it, then the call itself."""
    slots = catalogue.slots(goal.tool)
    values, missing = complete_arguments(goal.tool, goal.values, slots, known_values)
    goal = replace(goal, values=values, sources=with_completed(goal.sources, values, slots, known_values))
    pending = [(slot, target) for slot in slots if (target := pending_lookup(values.get(slot.path))) is not None]
    # What is done to each item of a list is known before the list is read.
    for slot, target in sorted(pending, key=lambda entry: isinstance(entry[1], EachItem)):
        if isinstance(target, EachItem):
            return plan_goal(_each_listing(goal, slot, target, catalogue), catalogue, known_values)
        tool = find_tool(catalogue, target.list_operation, goal.tool.operation.spec)
        if tool is None:
            return gone_plan(target.list_operation)
        from nlapi.planner.steps.lookup import look_up

        step = look_up(goal, slot, target, tool, catalogue, known_values, filtered=filtered)
        return plan_goal(step, catalogue, known_values) if isinstance(step, Goal) else step
    secrets = catalogue.credentials(goal.tool)
    names = {slot: argument_name(slot) for slot in secrets}
    credentials = {slot.path: coerce(known_values[name], slot) for slot, name in names.items() if name in known_values}
    values = {**goal.values, **credentials}
    sources = with_completed(goal.sources, values, (*slots, *secrets), known_values)
    unset = (slot for slot in secrets if slot.required and slot.path not in credentials)
    return call_plan(replace(goal, values=values, sources=sources), (*missing, *unset))


def _each_listing(goal: Goal, slot: Slot, target: EachItem, catalogue: Catalogue) -> Goal:
    """Return the list of the items that a change is for, as a goal on the way to that change."""
    state = LookupState(
        goal=goal,
        slot=slot.path,
        name=target.name,
        kind=resource_words(goal.tool, slot),
        id_field=catalogue.id_field(goal.tool, slot, target.listing.tool),
        each=target,
    )
    return replace(target.listing, outer=state, confidence=goal.confidence)


def plan_with_id(state: LookupState, id: object, catalogue: Catalogue, known_values: Mapping[str, object]) -> Plan:
    """Return the plan that follows a look-up which finds `id`; the plan of a workflow stands before any answer."""
    slot = next(slot for slot in catalogue.slots(state.goal.tool) if slot.path == state.slot)
    return plan_goal(state.goal.with_id(slot, id), catalogue, known_values)


def item_read(state: LookupState, catalogue: Catalogue) -> tuple[Tool, str] | None:
    """Return the read of an item whose list has not the field of a look-up, and the argument that takes its id."""
    tool = find_tool(catalogue, state.via, state.goal.tool.operation.spec)
    slots = catalogue.slots(tool) if tool is not None else ()
    slot = next((slot for slot in reversed(slots) if slot.location == "path"), None)
    return (tool, argument_name(slot)) if tool is not None and slot is not None else None


def find_tool(catalogue: Catalogue, id: str, spec: Spec | None) -> Tool | None:
    """Return the tool of an operation by its id; None if the operation does not exist."""
    operation = catalogue.find(id, spec)
    return catalogue.tool(operation) if operation is not None else None


def gone_plan(id: str) -> Plan:
    """Return the plan that ends a turn whose operation is not there any more."""
    return Plan(text=f"{id} is not among the operations any more.", confidence=0.0)


# The least likelihood of a change that has nothing against it.
_LIKELY = 0.5
# The likelihood from which on such a change is as good where no other operation fits the words.
_NEARLY_LIKELY = 0.3
# The confidence that a change needs under `--yes`: CHANGE_BELOW of the command line, set by `benchmarks.changes`.
_STANDS = 0.8
# The share of the probability of a reading from which on another one of the same words is as good: a patient "named
# Smith" has 0.27 and 0.71 for the last and the first name, one "with the last name Smith" 0.14 and 0.68.
_EQUAL = 0.33
# The most confidence in a change that has something against it.
DOUBTED = 0.35


def rated_change(
    goal: Goal,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    others: Iterable[tuple[Call, Account]] | None = None,
) -> Goal:
    """Return the goal of a change with the confidence in it.

    An unlikely one is as sure as another where none of the `others` that were considered fits the words as well.
    """
    slots = catalogue.slots(goal.tool)
    values, missing = complete_arguments(goal.tool, goal.values, slots, known_values)
    sources = with_completed(goal.sources, values, slots, known_values)
    # Whether the words name an item its list tells, which is compared with them before the change is sent.
    sources = tuple(replace(entry, sure=1.0) if entry.origin is Origin.LOOKUP else entry for entry in sources)
    account = replace(goal.account, sources=sources)
    call = Call(tool=goal.tool, arguments=nest_values(values))
    # The policy asks for consent to a deletion later on, so that a deletion alone is not a reason against it here.
    if reasons_against(call, account, goal.sentence, destroy=True):
        return replace(goal, confidence=min(DOUBTED, goal.confidence))
    # A name whose kind is not said may be that of an item of each of several kinds. One that is far from likely may be
    # the nearest to what no operation does: `stop token web` is revokeToken with 0.2.
    is_near = _NEARLY_LIKELY <= goal.likelihood < _LIKELY
    if missing or (goal.likelihood < _LIKELY and (others is None or not is_near)):
        return goal
    if goal.likelihood < _LIKELY and (rival := rival_of(call, account, goal.sentence, others or ())):
        note = f"{rival} may be meant as well"
        return replace(goal, note=f"{note}; {goal.note}" if goal.note else note)
    likelihood = max(_LIKELY, goal.likelihood)
    return replace(goal, confidence=round(_STANDS + (1 - _STANDS) * likelihood, 3), likelihood=likelihood)


def asked_by_rival(goal: Goal) -> Goal:
    """Return the goal of a change as a question that names both, where another argument may as well have a text."""
    sure = {source.argument: source.sure for source in goal.sources}
    for rival in goal.rivals:
        chosen = ".".join(rival.replaced)
        is_near = _EQUAL * sure.get(chosen, 1.0) <= rival.sure and sure.get(chosen, 1.0) < OVERRIDE_PROBABILITY
        if is_near and isinstance(rival.value, str) and _are_siblings(rival, goal.sentence):
            note = f"{rival.words!r} may be {'.'.join(rival.path)} as well as {chosen}"
            notes = dict.fromkeys((note, *filter(None, goal.note.split("; "))))
            return replace(goal, confidence=min(DOUBTED, goal.confidence), note="; ".join(notes))
    return goal


def _are_siblings(rival: Rival, sentence: str) -> bool:
    """Return whether two arguments share a word, and the sentence says none that tells them apart: first name, name."""
    first, second, spoken = (stems_of(text) for text in (rival.replaced[-1], rival.path[-1], sentence))
    return bool(first & second) and spoken.isdisjoint(first ^ second) and first != second


def rated_again(goal: Goal, catalogue: Catalogue, known_values: Mapping[str, object]) -> Goal:
    """Return a goal whose words are used otherwise now, or found; a change with the confidence in it anew."""
    if not catalogue.index.is_change(goal.tool.operation):
        return goal
    return asked_by_rival(rated_change(goal, catalogue, known_values))


class PlanFunction(Protocol):
    """`OfflinePlanner.plan`."""

    def __call__(
        self,
        question: str,
        *,
        known: Mapping[str, object] | None = None,
        chosen: Operation | None = None,
        listed: ListedItems | None = None,
    ) -> Plan: ...


def plan_question(conversation: Conversation, catalogue: Catalogue, plan: PlanFunction, today: date) -> Plan:
    """Return the first plan for the last question of a conversation, read with the turns before it."""
    turn = conversation.current
    if turn.chosen is not None or len(conversation.turns) < 2:
        return plan(turn.question, known=conversation.known_values, chosen=turn.chosen)
    from nlapi.planner.steps.followup import plan_follow_up

    return plan_follow_up(conversation, catalogue, plan, today)
