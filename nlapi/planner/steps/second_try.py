"""The one second try of a question: the next reading of the same words, where the first one leads to nothing.

It follows an answer which says that nothing was done (400, 404, 422), or an empty list, and never another outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from nlapi.openapi.spec import Effect
from nlapi.planner.answering.answers import list_of_step
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import accepts_name, is_subject
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.steps.goal_plan import DOUBTED, describe_value, find_tool, plan_goal
from nlapi.planner.steps.state import CallState, Goal, LookupStage, LookupState, Rival, state_of
from nlapi.resources.collection_index import collection_index
from nlapi.resources.paths import segments
from nlapi.tools.plan import Outcome, Plan, Step, Turn
from nlapi.tools.tool import Origin, ValueSource

_NOT_FOUND = 404
# Statuses by which an API says that it did not take the request as it is.
_REFUSED = (400, _NOT_FOUND, 422)
# The least probability of a reading that is tried. Of two names, `patients named Smith` has 0.69 and 0.26, and the
# city 0.18.
_MIN_PROBABILITY = 0.2


def second_try(turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object]) -> Plan | None:
    """Return the plan of the next reading of a turn whose call led to nothing; None where it did, or was tried."""
    step = turn.rounds[-1].steps[-1] if turn.rounds and turn.rounds[-1].steps else None
    failure = _failure(step) if step is not None else ""
    if step is None or not failure or tried(turn):
        return None
    goal = _goal(turn)
    tool = find_tool(catalogue, step.call.operation_id, step.call.tool.operation.spec)
    if goal is None or tool is None or goal.tool.operation.id != step.call.operation_id:
        return None
    goal = replace(goal, tool=tool)
    rival = _by_name(turn, goal, catalogue, step) or next(
        (r for r in goal.rivals if _may_be_meant(r, goal, step)), None
    )
    if rival is None:
        return None
    plan = plan_goal(_with_rival(goal, rival, failure, step), catalogue, known_values)
    return plan if plan.calls and not plan.missing else None


def tried(turn: Turn) -> str:
    """Return what the first reading of a turn found, and the second one that was tried; "" where there was one only."""
    goals = (goal for round in turn.rounds if (goal := _state_goal(state_of(round.plan))) is not None)
    return next((goal.second_try for goal in goals if goal.second_try), "")


def _state_goal(state: object) -> Goal | None:
    return state.goal if isinstance(state, CallState | LookupState) else None


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
    # An empty list of what is in an item that was found is no doubt about the item, nor is a value about its own form.
    names_item = any(source.argument == ".".join(rival.replaced) and source.name for source in goal.sources)
    if is_listed:
        return rival.path != rival.replaced and isinstance(first, str) and not names_item
    return rival.path != rival.replaced or rival.value != first


def _by_name(turn: Turn, goal: Goal, catalogue: Catalogue, step: Step) -> Rival | None:
    """Return the name that was looked up in place of its id, where the API answers that it does not know the id.

    Only where the read of the item says that it takes a name, and the id comes from a look-up alone.
    """
    states = [state_of(round.plan) for round in turn.rounds if round.steps]
    lookups = [state for state in states if isinstance(state, LookupState) and state.stage is LookupStage.LISTING]
    if not lookups or not lookups[-1].name or lookups[-1].place or step.result is None:
        return None
    state, operation = lookups[-1], goal.tool.operation
    slot = next((slot for slot in catalogue.slots(goal.tool) if slot.path == state.slot), None)
    path = segments(operation.route)
    read = collection_index(operation.spec).item_read_at(path[:-1]) if path and path[-1].parameter else None
    is_unknown = step.result.status == _NOT_FOUND and slot is not None and is_subject(operation, slot)
    if not is_unknown or not accepts_name(read) or step.call.arguments.get(state.slot[0]) == state.name:
        return None
    return Rival(words=state.name, replaced=state.slot, path=state.slot, value=state.name, sure=1.0)


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
        others=(),
        confidence=goal.confidence if is_read or rival.sure == 1.0 else min(DOUBTED, goal.confidence),
        second_try=f"{failure} with {old}={first}; tried {new}={describe_value(rival.value)}",
    )


def _read_again(source: ValueSource, rival: Rival) -> ValueSource:
    is_pending = pending_lookup(rival.value) is not None
    origin = Origin.LOOKUP if is_pending else Origin.WORDS
    value = describe_value(rival.value) if is_pending else rival.value
    return replace(source, argument=".".join(rival.path), value=value, origin=origin, name="", sure=rival.sure)
