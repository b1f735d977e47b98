"""The second try of a question: the next reading of the same words, where the first one leads to nothing.

One try with other values, which may be a change, follows an answer that nothing was done (400, 404, 422), or an empty
list, and never another outcome. Where the answer names fields that the request lacks, it has these: values that are
known by then, the mask of an update, a value of the sentence that was not used; the others are asked for, and so is a
value that the answer refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nlapi.client.safe_text import single_line
from nlapi.english.words import name_key
from nlapi.openapi.spec import Effect
from nlapi.planner.answering.answers import list_of_step
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.preset_values import argument_name, coerce, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.goal_plan import DOUBTED, call_plan, describe_value, find_tool, plan_goal
from nlapi.planner.steps.lookup import NOT_FOUND
from nlapi.planner.steps.state import (
    CallState,
    Goal,
    LookupState,
    Rival,
    state_of,
    with_completed,
)
from nlapi.reading.question_intent import is_yes_no_question
from nlapi.resources.answers import field_schema
from nlapi.resources.error_reasons import error_reason
from nlapi.resources.refusals import is_refused, refused_fields
from nlapi.tools.plan import Outcome, Plan, Round, Step, Turn
from nlapi.tools.sending.state_reads import item_reader, named_by_path
from nlapi.tools.tool import Account, Call, Origin, Tool, ValueSource

# The least probability of a value that its words surely mean, so that there may well be no items with it.
_SURE = 0.85

# Statuses by which an API says that it did not take the request as it is.
_REFUSED = (400, 404, 422)
# Statuses of an answer that says what is wrong with a request.
_TEACHING = (400, 422)
# Names of the argument that says which fields an update has.
_MASKS = ("updatemask", "fieldmask")
# Characters of what an API says of a field.
_MAX_REASON = 200
# The least probability of a reading that is tried. Of two names, `patients named Smith` has 0.69 and 0.26, and the
# city 0.18.
_MIN_PROBABILITY = 0.2


def attempts_of(turn: Turn) -> list[Turn]:
    """Return the tries of a turn, each with its rounds as a separate turn, in order."""
    attempts: list[list[Round]] = [[]]
    text = ""
    for round in turn.rounds:
        if (new := _try_text(round)) and new != text:
            text = new
            attempts.append([])
        attempts[-1].append(round)
    return [replace(turn, rounds=tuple(rounds)) for rounds in attempts]


def tried(turn: Turn) -> str:
    """Return the results of the readings before that of a turn, and its number; "" for the first one."""
    return next(filter(None, map(_try_text, turn.rounds)), "")


def _try_text(round: Round) -> str:
    state = state_of(round.plan)
    goal = state.goal if isinstance(state, CallState | LookupState) else None
    return goal.second_try if goal is not None else ""


def is_answered(attempt: Turn, end: Plan) -> bool:
    """Return whether the `end` of a second try is an answer to its question, and not that nothing was found."""
    step = attempt.rounds[-1].steps[-1]
    if _failure(step) or (step.result is not None and not step.result.ok):
        return False
    if not end.views:
        return end.confidence > NOT_FOUND
    view = end.views[0]
    if view.rows and is_yes_no_question(attempt.question):
        return view.text.startswith(("Yes", "No"))
    return bool(view.rows) and view.is_certain


def second_try(turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object]) -> Plan | None:
    """Return the plan of another value of a turn whose call led to nothing; None where it did, or was tried."""
    step = turn.rounds[-1].steps[-1] if turn.rounds and turn.rounds[-1].steps else None
    failure = _failure(step) if step is not None else ""
    if step is None or not failure or tried(turn):
        return None
    tool = find_tool(catalogue, step.call.operation_id, step.call.tool.operation.spec)
    if tool is None:
        return None
    refused = _named_slots(catalogue.slots(tool), step)
    if lacking := {slot: reason for slot, reason in refused.items() if slot.path[0] not in step.call.arguments}:
        return _taught_try(step, lacking, tool, catalogue, known_values)
    plan = _rival_try(turn, tool, catalogue, step, failure, known_values)
    return _taught_try(step, refused, tool, catalogue, known_values) if plan is None and refused else plan


def _rival_try(
    turn: Turn, tool: Tool, catalogue: Catalogue, step: Step, failure: str, known_values: Mapping[str, object]
) -> Plan | None:
    """Return the plan with another reading of the words of one value; None where no other may be meant."""
    goal = _goal(turn)
    if goal is None or goal.tool.operation.id != step.call.operation_id:
        return None
    goal = replace(goal, tool=tool)
    others = (rival for rival in goal.rivals if _may_be_meant(rival, goal, step))
    if (rival := next(others, None)) is None:
        return None
    plan = plan_goal(_with_rival(goal, rival, failure, step), catalogue, known_values)
    return plan if plan.calls and not plan.missing else None


def _taught_try(
    step: Step, refused: Mapping[Slot, str], tool: Tool, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Plan:
    """Return the plan with what an API says that a request lacks, or asks for in place of what it has."""
    slots, account = catalogue.slots(tool), step.call.account or Account()
    lacking = [slot for slot in refused if slot.path[0] not in step.call.arguments]
    # An update of the stated fields lacks what its item has besides, and the mask that says so.
    rest = [slot for slot in lacking if slot.location == "body" and _has_field(step.call, slot)]
    mask = next((slot for slot in slots if lacking and _update_mask(slot, step.call)), None)
    refused = {mask: ""} if mask is not None else {slot: refused[slot] for slot in refused if slot not in rest}
    values: dict[tuple[str, ...], object] = {(name,): value for name, value in step.call.arguments.items()}
    sources, unset, confidence = list(account.sources), [], 1.0
    unused = account.unused if len(refused) == 1 else ()
    for slot, reason in refused.items():
        name = argument_name(slot)
        refused_value = values.pop(slot.path, None)
        if name in known_values and (value := coerce(known_values[name], slot)) != refused_value:
            values[slot.path] = value
            # The words of the value that was refused are not left over.
            sources = [
                replace(source, value=value, origin=Origin.REPLY, name="") if source.argument == name else source
                for source in sources
            ]
        elif slot is mask:
            values[slot.path] = _update_mask(slot, step.call)
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.DESCRIPTION))
        elif refused_value is None and (named := _named_by_path(step.call, slot)) is not None:
            values[slot.path] = coerce(named, slot)
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.CURRENT))
        elif len(unused) == 1 and refused_value is None:
            values[slot.path], confidence = coerce(unused[0], slot), DOUBTED
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.WORDS, words=unused[0]))
        else:
            unset.append(replace(slot, description=reason or slot.description))
    names = ", ".join(".".join(slot.path) for slot in (*rest, *refused))
    status = step.result.status if step.result is not None else ""
    goal = Goal(
        tool=tool,
        values=values,
        confidence=confidence,
        question=account.sentence,
        sentence=account.sentence,
        sources=with_completed(sources, values, slots, known_values),
        unused=() if confidence < 1 else account.unused,
        second_try=f"{status} for want of {names}",
    )
    plan = call_plan(goal, tuple(unset))
    return replace(plan, calls=tuple(replace(call, keeps_rest=call.keeps_rest or bool(rest)) for call in plan.calls))


def _has_field(call: Call, slot: Slot) -> bool:
    """Return whether the item of an update has the field of a slot, as the GET that shows it says."""
    reader = item_reader(call.tool)
    return reader is not None and field_schema(reader, slot.name) is not None


def _named_by_path(call: Call, slot: Slot) -> object:
    """Return the name of an update's item, which its path has under another name: `pool` in /pools/{pool_name}."""
    is_field = slot.location == "body" and len(slot.path) == 1 and item_reader(call.tool) is not None
    return named_by_path(call, slot.name) if is_field else None


def _named_slots(slots: Sequence[Slot], step: Step) -> dict[Slot, str]:
    """Return the slots that the answer to a call names as missing or wrong, with what it says of each."""
    result = step.result
    if result is None or result.status not in _TEACHING:
        return {}
    by_path = {tuple(map(name_key, slot.path)): slot for slot in slots}
    refused: dict[Slot, str] = {}
    for field in refused_fields(result.data):
        path = tuple(map(name_key, field.path))
        ends = [entry for key, entry in by_path.items() if path and key[-1] == path[-1]]
        slot = by_path.get(path) or (ends[0] if len(ends) == 1 else None)
        if slot is not None:
            refused.setdefault(slot, single_line(field.reason)[:_MAX_REASON])
    text = error_reason(result.data if result.data is not None else result.text)
    return refused or {
        slot: text for slot in slots if is_refused(text, slot.name, step.call.arguments.get(argument_name(slot)))
    }


def _update_mask(slot: Slot, call: Call) -> object:
    """Return the mask of an update: the names of the fields that its body has (AIP-134); None for another slot."""
    if name_key(slot.path[-1]) not in _MASKS or slot.path[0] in call.arguments:
        return None
    names = list(call.body_fields)
    return (names if slot.is_array else ",".join(names)) if names else None


def _goal(turn: Turn) -> Goal | None:
    """Return the goal of the call of a turn, of which the values are known; None where nothing else was meant."""
    state = state_of(turn.rounds[-1].plan)
    if isinstance(state, CallState) and state.goal is not None:
        return state.goal
    lookups = (state_of(round.plan) for round in reversed(turn.rounds[:-1]))
    return next((state.goal for state in lookups if isinstance(state, LookupState)), None)


def _failure(step: Step) -> str:
    """Return how the answer to a call says that nothing was done or found; "" for any other outcome."""
    if step.outcome is not Outcome.ANSWERED or step.result is None or step.result.is_cut:
        return ""
    if step.result.status in _REFUSED:
        return f"{step.result.status}"
    listed = list_of_step(step) if step.result.ok and step.effect is Effect.READ else None
    return "nothing" if listed is not None and not listed.entries and not listed.total else ""


def _may_be_meant(rival: Rival, goal: Goal, step: Step) -> bool:
    """Return whether a reading may have an answer where the first one of its words has none."""
    is_listed = step.result is not None and step.result.ok
    first = goal.values.get(rival.replaced)
    if rival.sure < _MIN_PROBABILITY or rival.replaced not in goal.values:
        return False
    if rival.path != rival.replaced and rival.path in goal.values:
        return False
    # A code that the API does not know is the name of nothing either.
    if pending_lookup(rival.value) is not None and re.fullmatch(r"\S*\d\S*", str(first)):
        return False
    # An empty list is not a doubt about an item that was found, or a value that is what its words mean.
    sources = (source for source in goal.sources if source.argument == ".".join(rival.replaced))
    if is_listed:
        is_plain = any(source.name or source.sure >= _SURE for source in sources)
        return rival.path != rival.replaced and isinstance(first, str) and not is_plain
    return rival.path != rival.replaced or rival.value != first


def _with_rival(goal: Goal, rival: Rival, failure: str, step: Step) -> Goal:
    """Return the goal with another reading of the words of one value; a change is one that nobody agreed to yet."""
    values = {path: value for path, value in goal.values.items() if path != rival.replaced}
    old, new = ".".join(rival.replaced), ".".join(rival.path)
    first = describe_value(step.call.arguments.get(old, goal.values.get(rival.replaced)))
    sources = tuple(_read_again(source, rival) if source.argument == old else source for source in goal.sources)
    is_read = goal.tool.effect is Effect.READ
    return replace(
        goal,
        values={**values, rival.path: rival.value},
        sources=sources,
        rivals=(),
        confidence=goal.confidence if is_read else min(DOUBTED, goal.confidence),
        second_try=f"{failure} with {old}={first}; tried {new}={describe_value(rival.value)}",
    )


def _read_again(source: ValueSource, rival: Rival) -> ValueSource:
    is_pending = pending_lookup(rival.value) is not None
    origin = Origin.LOOKUP if is_pending else Origin.WORDS
    value = describe_value(rival.value) if is_pending else rival.value
    return replace(source, argument=".".join(rival.path), value=value, origin=origin, name="", sure=rival.sure)
