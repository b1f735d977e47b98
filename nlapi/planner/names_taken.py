"""The name in the place of an id, where an operation says that it takes that, or does not know the id of a list."""

from __future__ import annotations

from dataclasses import replace

from nlapi.openapi.spec import Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import is_subject, says_name
from nlapi.planner.goal import CALL, understood
from nlapi.planner.slots import Family, Slot
from nlapi.resources.paths import segments
from nlapi.resources.resource import resources_of
from nlapi.tools.plan import Outcome, Plan, Turn

_NOT_FOUND = 404


def is_told_by_name(operation: Operation, slot: Slot) -> bool:
    """Whether what an operation is about may be told by its name, as it says of itself."""
    coded = slot.family is Family.NUMBER or slot.item.get("format") == "uuid"
    return not coded and is_subject(operation, slot) and says_name(operation)


def by_name_instead(turn: Turn, catalogue: Catalogue) -> Plan | None:
    """The same call with the name that was looked up, where the API does not know the id that its own list gave.

    Only where what shows the thing says that it takes a name, and nothing but a look-up said the id.
    """
    last = turn.rounds[-1]
    step = last.steps[-1] if last.steps else None
    looked_up = [one.plan.raw for one in turn.rounds if one.steps and one.plan.raw.get("stage") == "lookup"]
    if step is None or step.outcome is not Outcome.DONE or step.result is None or not looked_up:
        return None
    raw, call = looked_up[-1], step.call
    operation = call.tool.operation
    if step.result.status != _NOT_FOUND or raw["operation"] != operation.id or not raw["name"] or raw["place"]:
        return None
    slot = next((one for one in catalogue.slots(call.tool) if list(one.path) == raw["slot"]), None)
    path = segments(operation.route)
    shown = resources_of(operation.spec).shown_at(path[:-1]) if path and path[-1].parameter else None
    if slot is None or not is_subject(operation, slot) or not says_name(shown):
        return None
    if call.arguments.get(slot.name) == raw["name"]:
        return None
    again = replace(call, arguments={**call.arguments, slot.name: raw["name"]}, reason="which is told by its name")
    return Plan(
        calls=(again,), confidence=last.plan.confidence, understood=understood(again), raw={**CALL, "used": raw["used"]}
    )
