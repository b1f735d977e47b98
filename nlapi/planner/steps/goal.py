"""The call that a question leads to in the end, with names in it that are still to be looked up, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.operations.accounts import looked_up
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest
from nlapi.planner.slots.entities import Wanted, is_subject, says_name
from nlapi.planner.slots.known_values import Values, argument_name, missing_of, wanted_in
from nlapi.planner.slots.slot import Family, Slot, type_of
from nlapi.resources.collection_index import collection_index
from nlapi.resources.paths import segments
from nlapi.tools.plan import Outcome, Plan, Turn
from nlapi.tools.tool import Account, Call, Missing, Tool, ValueSource

CALL: dict[str, Any] = {"planner": "offline", "stage": "call"}
"""The raw form of a Plan of the very call that a question leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The call to be made in the end. `others` are what else the same words may mean, where only a look-up can tell."""

    tool: Tool
    values: Values
    confidence: float
    question: str
    note: str = ""
    """what of the sentence is in none of the values"""
    used: tuple[str, ...] = ()
    """what of the sentence the values were read from"""
    tried: tuple[str, ...] = ()
    """kinds of things among which the name was looked for in vain"""
    others: tuple[tuple[str, Values], ...] = ()
    """(operation id, values) of goals in whose place the name may have been meant"""
    outer: Mapping[str, Any] | None = None
    """the state of the look-up that this call makes, where the call is not what the question leads to in the end"""
    leads_to: Call | None = None
    """what it leads to then"""
    sentence: str = ""
    """the words that the call is for: the question, or a clause of it"""
    sources: tuple[ValueSource, ...] = ()
    """where each of the values came from"""
    unused: tuple[str, ...] = ()
    """the names, figures and quotations of the sentence that are in none of the values"""

    @property
    def known(self) -> Call:
        """The call as far as it is known: without what is still to be looked up."""
        if self.leads_to is not None:
            return self.leads_to
        plain = {path: value for path, value in self.values.items() if wanted_in(value) is None}
        return Call(tool=self.tool, arguments=nest(plain))

    def with_id(self, slot: Slot, id: Any, name: str = "") -> Goal:
        """The goal with the id of the thing called `name` in the place of a name."""
        value = self.values[slot.path]
        if isinstance(id, int) and type_of(slot.item or slot.schema) == "string":
            id = str(id)  # an id that lists give as a number, and paths take as a text
        filled = [id if isinstance(one, Wanted) else one for one in value] if isinstance(value, list) else id
        sources = looked_up(self.sources, argument_name(slot), filled, name)
        return replace(self, values={**self.values, slot.path: filled}, sources=sources)

    @property
    def account(self) -> Account:
        """The account of the goal's call."""
        return Account(sources=self.sources, unused=self.unused, sentence=self.sentence)


def final(goal: Goal, missing: tuple[Slot, ...]) -> Plan:
    """The Plan of the goal's own call."""
    id = "call" if goal.outer is None else "lookup"
    call = Call(tool=goal.tool, arguments=nest(goal.values), id=id, account=goal.account)
    needs = missing_of(goal.tool, missing)
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=needs,
        understood=noted(understood(call), goal),
        text=asking(needs),
        goal=goal.leads_to,
        raw=dict(goal.outer) if goal.outer is not None else {**CALL, "used": list(goal.used)},
    )


def understood(call: Call) -> str:
    """What a call means, on one line: Update a campaign: status=PAUSED."""
    operation = call.tool.operation
    head = operation.summary.strip().rstrip(".") or operation.id
    told = ", ".join(f"{name}={said(value)}" for name, value in call.arguments.items())
    return f"{head} ({told})" if told else head


def noted(text: str, goal: Goal) -> str:
    return f"{text}; {goal.note}" if goal.note else text


def said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(said, value))
    if not isinstance(value, Wanted):
        return str(value)
    if value.place:
        return f"the {value.field or 'id'} of {value.name}"
    if not value.name:
        return "your own id"
    return f"the {value.field or 'id'} of {value.name!r}"


def asking(missing: tuple[Missing, ...]) -> str:
    if not missing:
        return ""
    names = ", ".join(
        f"{one.argument} ({one.description.rstrip('.')})" if one.description else one.argument for one in missing
    )
    return f"Still needed: {names}."


def rows(values: Values) -> list[list[Any]]:
    """Values as JSON."""
    return [[list(path), _plain(value)] for path, value in values.items()]


def values_of(rows: list[Any]) -> Values:
    """What `rows` made, back."""
    return {tuple(path): _wanting(value) for path, value in rows}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, Wanted):
        return value
    more = {"lister": value.lister, "field": value.field, "via": value.via, "place": value.place, "exact": value.exact}
    return {"$wanted": value.name, **more}


def _wanting(value: Any) -> Any:
    if isinstance(value, list):
        return [_wanting(one) for one in value]
    if isinstance(value, Mapping) and "$wanted" in value:
        return Wanted(
            name=value["$wanted"],
            lister=value["lister"],
            field=value.get("field", ""),
            via=value.get("via", ""),
            place=value.get("place", ""),
            exact=value.get("exact", False),
        )
    return value


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
    if step is None or step.outcome is not Outcome.ANSWERED or step.result is None or not looked_up:
        return None
    raw, call = looked_up[-1], step.call
    operation = call.tool.operation
    if step.result.status != _NOT_FOUND or raw["operation"] != operation.id or not raw["name"] or raw["place"]:
        return None
    slot = next((one for one in catalogue.slots(call.tool) if list(one.path) == raw["slot"]), None)
    path = segments(operation.route)
    shown = collection_index(operation.spec).item_read_at(path[:-1]) if path and path[-1].parameter else None
    if slot is None or not is_subject(operation, slot) or not says_name(shown):
        return None
    if call.arguments.get(slot.name) == raw["name"]:
        return None
    again = replace(call, arguments={**call.arguments, slot.name: raw["name"]}, reason="which is told by its name")
    return Plan(
        calls=(again,), confidence=last.plan.confidence, understood=understood(again), raw={**CALL, "used": raw["used"]}
    )
