"""The plan of a goal's own call, and the texts that describe a call."""

from __future__ import annotations

from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.entities import PendingLookup
from nlapi.planner.slots.preset_values import missing_arguments
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.state import CallState, Goal
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call, Missing


def call_plan(goal: Goal, missing: tuple[Slot, ...]) -> Plan:
    """Return the plan of the goal's own call; `missing` are the slots that the user has to fill."""
    outer = goal.outer
    id = "call" if outer is None else "lookup"
    call = Call(tool=goal.tool, arguments=nest_values(goal.values), id=id, account=goal.account)
    required = missing_arguments(goal.tool, missing)
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=required,
        understood=with_note(describe_call(call), goal),
        text=missing_text(required),
        goal=None if outer is None else goal.final_call,
        raw=outer or CallState(used=goal.used),
    )


def describe_call(call: Call) -> str:
    """Return what a call does, on one line: Update a campaign (status=PAUSED)."""
    operation = call.tool.operation
    head = operation.summary.strip().rstrip(".") or operation.id
    arguments = ", ".join(f"{name}={describe_value(value)}" for name, value in call.arguments.items())
    return f"{head} ({arguments})" if arguments else head


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
    return f"{text}; {goal.note}" if goal.note else text


def missing_text(missing: tuple[Missing, ...]) -> str:
    """Return the sentence that asks for missing arguments; "" for none."""
    names = (f"{item.argument} ({item.description.rstrip('.')})".removesuffix(" ()") for item in missing)
    return f"Still needed: {', '.join(names)}." if missing else ""
