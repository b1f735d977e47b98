"""The goal of a question: the call that it leads to in the end, with names in it that are still to be looked up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nlapi.planner.operations.accounts import looked_up
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest
from nlapi.planner.slots.entities import Wanted
from nlapi.planner.slots.known_values import Values, argument_name, missing_of, wanted_in
from nlapi.planner.slots.slot import Slot, type_of
from nlapi.planner.steps.state import CallState, GoalState, LookupState
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Account, Call, Missing, Tool, ValueSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The call to make in the end.

    `note` says what of the sentence no value uses, `used` has the words that the values come from, and `unused` the
    names, numbers and quotations of the sentence that are in no value. `others` are (operation id, values) of goals
    that the same words may mean, where only a look-up can tell; `tried` are the kinds of items that a look-up has not
    found the name among. `sentence` is the question, or the clause of it that the call is for.

    Where the call only prepares another one, `outer` is the state of the look-up that it is part of, and `leads_to`
    the call that the question leads to.
    """

    tool: Tool
    values: Values
    confidence: float
    question: str
    note: str = ""
    used: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    others: tuple[tuple[str, Values], ...] = ()
    outer: LookupState | None = None
    leads_to: Call | None = None
    sentence: str = ""
    sources: tuple[ValueSource, ...] = ()
    unused: tuple[str, ...] = ()

    @classmethod
    def restore(cls, state: GoalState, question: str, catalogue: Catalogue) -> Goal | None:
        """Return the goal of a state; None where its operation is no longer among the operations."""
        operation = catalogue.find(state.operation, catalogue.spec(state.source))
        tool = catalogue.tool(operation) if operation is not None else None
        if tool is None:
            return None
        outer = None if state.outer is None else cls.restore(state.outer.goal, question, catalogue)
        return cls(
            tool=tool,
            values=state.values,
            confidence=state.confidence,
            question=question,
            note=state.note,
            used=state.used,
            tried=state.tried,
            others=state.others,
            outer=state.outer,
            leads_to=None if outer is None else outer.final_call,
            sentence=state.sentence,
            sources=state.sources,
            unused=state.unused,
        )

    @property
    def state(self) -> GoalState:
        """The goal as the next round gets it."""
        return GoalState(
            source=self.tool.operation.spec.source,
            operation=self.tool.operation.id,
            values=self.values,
            confidence=self.confidence,
            note=self.note,
            used=self.used,
            others=self.others,
            tried=self.tried,
            sentence=self.sentence,
            sources=self.sources,
            unused=self.unused,
            outer=self.outer,
        )

    @property
    def final_call(self) -> Call:
        """The call that the question leads to, without the values that are still to be looked up."""
        if self.leads_to is not None:
            return self.leads_to
        values = {path: value for path, value in self.values.items() if wanted_in(value) is None}
        return Call(tool=self.tool, arguments=nest(values))

    @property
    def account(self) -> Account:
        return Account(sources=self.sources, unused=self.unused, sentence=self.sentence)

    def with_id(self, slot: Slot, id: Any, name: str = "") -> Goal:
        """Return the goal with an id, of the item called `name`, in place of the look-up in a slot."""
        value = self.values[slot.path]
        # A list may have the id as a number where the path of the same API declares a text.
        if isinstance(id, int) and type_of(slot.item or slot.schema) == "string":
            id = str(id)
        resolved = [id if isinstance(entry, Wanted) else entry for entry in value] if isinstance(value, list) else id
        sources = looked_up(self.sources, argument_name(slot), resolved, name)
        return replace(self, values={**self.values, slot.path: resolved}, sources=sources)


def call_plan(goal: Goal, missing: tuple[Slot, ...]) -> Plan:
    """Return the plan of the goal's own call; `missing` are the slots that the user has to fill."""
    id = "call" if goal.outer is None else "lookup"
    call = Call(tool=goal.tool, arguments=nest(goal.values), id=id, account=goal.account)
    required = missing_of(goal.tool, missing)
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=required,
        understood=with_note(describe_call(call), goal),
        text=missing_text(required),
        goal=goal.leads_to,
        raw=goal.outer or CallState(used=goal.used),
    )


def describe_call(call: Call) -> str:
    """Return what a call does, on one line: Update a campaign (status=PAUSED)."""
    operation = call.tool.operation
    head = operation.summary.strip().rstrip(".") or operation.id
    arguments = ", ".join(f"{name}={describe_value(value)}" for name, value in call.arguments.items())
    return f"{head} ({arguments})" if arguments else head


def describe_value(value: Any) -> str:
    """Return a value as a text; of a pending look-up, the words for what is looked up."""
    if isinstance(value, list):
        return ",".join(map(describe_value, value))
    if not isinstance(value, Wanted):
        return str(value)
    if not (value.name or value.place):
        return "your own id"
    return f"the {value.field or 'id'} of {value.name if value.place else repr(value.name)}"


def with_note(text: str, goal: Goal) -> str:
    return f"{text}; {goal.note}" if goal.note else text


def missing_text(missing: tuple[Missing, ...]) -> str:
    """Return the sentence that asks for missing arguments; "" for none."""
    names = (f"{item.argument} ({item.description.rstrip('.')})".removesuffix(" ()") for item in missing)
    return f"Still needed: {', '.join(names)}." if missing else ""
