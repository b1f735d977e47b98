"""Makes a workflow of a plan of the embedded planner before anything is sent: its look-ups, then its calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.client.masking import redact
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line
from nlapi.errors import MissingError, UsageError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.planner import OfflinePlanner
from nlapi.planner.slots.entities import ONLY_RESOURCE
from nlapi.planner.steps.followup import UnresolvedReference, resolve_references
from nlapi.planner.steps.goal_plan import item_read, plan_with_id
from nlapi.planner.steps.state import LookupState, clause_of
from nlapi.resources.answers import AnswerPart, answer_schemas
from nlapi.resources.identity import id_path, name_path
from nlapi.resources.nouns import singular_noun
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step
from nlapi.tools.tool import Call, Missing
from nlapi.workflows.answer_values import Answered
from nlapi.workflows.draft import (
    AnswerValue,
    BuiltDocument,
    InputValue,
    ItemChoice,
    Keys,
    StepDraft,
    WorkflowDraft,
    build_document,
)
from nlapi.workflows.value_nodes import InputRegister, ValueNodes, answered_before, answered_call, input_schema

# Look-ups for one call: a plan that has more runs in circles.
MAX_LOOKUPS = 8
# Levels of an answer in which the name or the id of an item may be.
_DEPTH = 2


def workflow_of_plan(
    planner: OfflinePlanner,
    conversation: Conversation,
    plan: Plan,
    *,
    id: str = "",
    locations: Mapping[Spec, str] | None = None,
) -> BuiltDocument:
    """Return the workflow of the first plan for the last question of a conversation.

    An item that is called by its name is looked up by an input. What is missing is an input too. UsageError where a
    step depends on an answer in a way that no document can say.
    """
    return _Planned(planner, conversation).build(plan, id, locations or {})


def workflow_of_drafts(
    conversation: Conversation,
    drafts: Sequence[StepDraft],
    *,
    id: str = "",
    locations: Mapping[Spec, str] | None = None,
) -> BuiltDocument:
    """Return the workflow of calls that answer the last question; what the user said in them becomes inputs."""
    register, turn = InputRegister(conversation), len(conversation.turns) - 1
    others = tuple(answered_before(conversation))
    known_values: dict[str, AnswerValue] = {}
    entries = []
    for draft in drafts:
        arguments = {name: _with_stand_ins(node, known_values) for name, node in draft.arguments.items()}
        entry = answered_call(_previewed(Call(tool=draft.tool, arguments=arguments)), conversation, (), turn)
        nodes = ValueNodes(inputs=register, answered=entry, earlier=(), others=others, known_values=known_values)
        draft.arguments, draft.description = nodes.arguments(), entry.draft.description
        entry.draft = draft
        entries.append(entry)
    if entries[-1].operation.effect is Effect.READ:
        entries[-1].draft.is_answer = True
    return _built(register, entries, id, locations or {})


def _with_stand_ins(node: Any, known_values: dict[str, AnswerValue]) -> Any:
    """Return an argument with a text in place of each value of an answer."""
    if isinstance(node, AnswerValue):
        return _stand_in(node, known_values)
    if isinstance(node, Mapping):
        return {name: _with_stand_ins(value, known_values) for name, value in node.items()}
    return [_with_stand_ins(value, known_values) for value in node] if isinstance(node, list) else node


def _stand_in(value: AnswerValue, known_values: dict[str, AnswerValue]) -> str:
    # It reads as an id, so that the planner takes it for one wherever it stands.
    text = f"ref_{uuid.uuid4().hex[:12]}"
    known_values[text] = value
    return text


def _built(
    register: InputRegister, answered: Sequence[Answered], id: str, locations: Mapping[Spec, str]
) -> BuiltDocument:
    said = single_line(redact(register.conversation.question, tuple(register.secrets)))
    steps = [entry.draft for entry in answered]
    return build_document(
        WorkflowDraft(steps=steps, id=id, said=[said], locations=locations, issues=tuple(register.issues))
    )


def _previewed(call: Call) -> Step:
    return Step(call=call, outcome=Outcome.PREVIEWED)


@dataclass(slots=True)
class _Planned:
    """The steps of a plan; `known_values` has the part of an answer that each stand-in in their arguments is for."""

    planner: OfflinePlanner
    conversation: Conversation
    register: InputRegister = field(init=False)
    known_values: dict[str, AnswerValue] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.register = InputRegister(self.conversation)

    def build(self, plan: Plan, id: str, locations: Mapping[Spec, str]) -> BuiltDocument:
        clause = clause_of(plan)
        self._add_plan(plan)
        for sentence in clause.following if clause is not None else ():
            self._add_clause(sentence)
        if self.answered[-1].operation.effect is Effect.READ:
            self.answered[-1].draft.is_answer = True
        return _built(self.register, self.answered, id, locations)

    def _add_plan(self, plan: Plan) -> None:
        """Add the look-ups of a plan, then its own calls."""
        for _ in range(MAX_LOOKUPS):
            state = plan.raw
            if not isinstance(state, LookupState):
                break
            stand_in = self._look_up(plan.calls[-1], state)
            plan = plan_with_id(state, stand_in, self.planner.catalogue, self.conversation.known_values)
        else:
            raise UsageError("the plan has too many look-ups for a workflow", hint="ask for one thing at a time")
        if not plan.calls:
            raise MissingError(plan.text or "the question leads to no call", hint="say it in other words")
        for call in plan.calls:
            self._add_call(call, plan.missing)

    def _add_clause(self, sentence: str) -> None:
        """Add the calls of a further clause of the question, which may refer to the item of the one before."""
        last = self.answered[-1]
        try:
            sentence = resolve_references(sentence, self._so_far(last))
        except UnresolvedReference as error:
            raise UsageError(f"{sentence!r} depends on an answer: {error}", hint="name the item by its name") from None
        plan = self.planner.clause_plan(sentence, self.conversation)
        if not plan.calls:
            raise MissingError(f"{sentence!r}: {plan.text}", hint="say it in other words")
        self._add_plan(plan)

    def _so_far(self, last: Answered) -> Conversation:
        """Return the conversation with the last call as if it were answered by an item with a stand-in for its id."""
        keys = item_id(last.operation)
        step = last.step
        if keys is not None:
            stand_in = self._new_stand_in(AnswerValue(step=last.draft, keys=keys, name=_id_name(last.operation)))
            content: Any = stand_in
            for key in reversed(keys):
                content = {str(key): content}
            result = Result(status=200, content=json.dumps(content).encode())
            step = replace(step, outcome=Outcome.ANSWERED, result=result)
        return self.conversation.with_round(Round(plan=Plan(calls=(step.call,)), steps=(step,)))

    def _add_call(self, call: Call, missing: Sequence[Missing] = ()) -> Answered:
        answered = answered_call(_previewed(call), self.conversation, (), len(self.conversation.turns) - 1)
        self._resolve(answered)
        for item in missing:
            if item.tool is call.tool or item.tool.operation is call.tool.operation:
                _set_argument(answered.draft.arguments, item.argument, self._missing_input(item))
        self.answered.append(answered)
        return answered

    def _resolve(self, answered: Answered) -> None:
        others = tuple(answered_before(self.conversation))
        nodes = ValueNodes(
            inputs=self.register, answered=answered, earlier=(), others=others, known_values=self.known_values
        )
        answered.draft.arguments = nodes.arguments()

    def _missing_input(self, item: Missing) -> InputValue:
        name = item.argument.rpartition(".")[2]
        noun = "_".join(singular_noun(item.tool.operation))
        schema = input_schema(item.tool.operation.spec, item.schema)
        return InputValue(name=name, noun=noun, schema=schema)

    def _look_up(self, listing: Call, state: LookupState) -> str:
        """Add a look-up, and return the stand-in for what it finds."""
        if not state.name:
            return self._look_up_caller(listing, state)
        part = answer_schemas(listing.tool.operation.spec).list_part(listing.tool.operation)
        if part is None or part.is_map:
            raise _unsaid(
                state, f"the description of {listing.operation_id} does not say where its answer has the list"
            )
        if state.place and state.place != ONLY_RESOURCE:
            raise _unsaid(state, "it is told by its place in a list, which may change until the workflow runs")
        answered = answered_call(_previewed(listing), self.conversation, (), len(self.conversation.turns) - 1)
        choice = ItemChoice(keys=part.keys)
        if not state.place:
            name = self._name(state)
            answered.names[state.name.casefold()] = name
            choice = ItemChoice(keys=part.keys, field=self._name_keys(part, listing, state), name=name)
        self._resolve(answered)
        self.answered.append(answered)
        keys = self._wanted_keys(part, listing, state)
        noun = "_".join(state.kind.split()) or "item"
        output = f"{noun}_{keys[-1]}" if str(keys[-1]) in ("id", "name", "key") else str(keys[-1])
        value = AnswerValue(step=answered.draft, keys=keys, name=output if output.isascii() else "id", choice=choice)
        return self._read_item(state, value) if state.via else self._new_stand_in(value)

    def _read_item(self, state: LookupState, id: AnswerValue) -> str:
        """Add the read of an item whose list has not the field that is looked up, and return the stand-in for it."""
        read = item_read(state, self.planner.catalogue)
        if read is None:
            raise _unsaid(state, f"{state.via} takes no id")
        tool, argument = read
        answered = self._add_call(Call(tool=tool, arguments={argument: self._new_stand_in(id)}))
        keys = (*(item_keys(tool.operation) or ()), *_field_keys(state.field))
        return self._new_stand_in(AnswerValue(step=answered.draft, keys=keys, name=str(keys[-1])))

    def _look_up_caller(self, read: Call, state: LookupState) -> str:
        answered = self._add_call(read)
        base = item_keys(read.tool.operation)
        if base is None:
            raise _unsaid(state, f"the description of {read.operation_id} does not say what it answers")
        keys = (*base, *_field_keys(state.field)) if state.field else item_id(read.tool.operation)
        if keys is None:
            raise _unsaid(state, f"the description of {read.operation_id} has no id")
        return self._new_stand_in(AnswerValue(step=answered.draft, keys=keys, name=str(keys[-1])))

    def _new_stand_in(self, value: AnswerValue) -> str:
        return _stand_in(value, self.known_values)

    def _name(self, state: LookupState) -> InputValue:
        for answered in self.answered:
            if (known := answered.names.get(state.name.casefold())) is not None:
                return known
        noun = "_".join(state.kind.split())
        schema = {"type": "string", "description": f"The {state.kind or 'item'}, by its whole name."}
        return InputValue(name=noun or "item", noun=noun, schema=schema, said=state.name, example=state.name)

    def _name_keys(self, part: AnswerPart, listing: Call, state: LookupState) -> Keys:
        path = name_path(_sample(part.schema, listing.tool.operation.spec), tuple(state.kind.split()))
        if not path:
            raise _unsaid(state, f"the description of {listing.operation_id} has no name of its items")
        return _field_keys(path)

    def _wanted_keys(self, part: AnswerPart, listing: Call, state: LookupState) -> Keys:
        sample = _sample(part.schema, listing.tool.operation.spec)
        if state.field and not state.via:
            return _field_keys(state.field)
        path = state.id_field or id_path(sample, state.slot[-1], tuple(state.kind.split()))
        if not path:
            raise _unsaid(state, f"the description of {listing.operation_id} has no id of its items")
        return _field_keys(path)


def _unsaid(state: LookupState, reason: str) -> UsageError:
    subject = f"the look-up of {state.name!r}" if state.name else "the look-up of the caller"
    return UsageError(f"{subject} cannot be written as a workflow: {reason}", hint="say the id instead")


def _field_keys(path: str) -> Keys:
    return tuple(int(key) if key.isdecimal() else key for key in path.split("."))


def _sample(schema: object, spec: Spec, depth: int = _DEPTH) -> dict[str, Any]:
    """Return an object of a schema, with a text or a number in each field: names and ids are told from its fields."""
    reader = answer_schemas(spec).reader
    sample: dict[str, Any] = {}
    for name, inner in reader.properties(schema).items():
        types = reader.types(inner)
        if "string" in types:
            sample[name] = name
        elif "integer" in types or "number" in types:
            sample[name] = 1
        elif reader.properties(inner) and depth > 1:
            sample[name] = _sample(inner, spec, depth - 1)
        else:
            sample[name] = None
    return sample


def item_keys(operation: Operation) -> Keys | None:
    """Return the keys to the item in the answer of an operation, by its description; None where it has none."""
    part = answer_schemas(operation.spec).item_part(operation)
    return part.keys if part is not None and answer_schemas(operation.spec).reader.properties(part.schema) else None


def item_id(operation: Operation) -> Keys | None:
    """Return the keys to the id of the item in the answer of an operation, by its description."""
    part = answer_schemas(operation.spec).item_part(operation)
    path = id_path(_sample(part.schema, operation.spec), "id", singular_noun(operation)) if part is not None else ""
    return (*part.keys, *_field_keys(path)) if part is not None and path else None


def _id_name(operation: Operation) -> str:
    return "_".join((*singular_noun(operation), "id"))


def _set_argument(arguments: dict[str, Any], name: str, value: InputValue) -> None:
    """Set an argument, or a property inside of one: `budget.amount`."""
    first, *rest = name.split(".")
    if not rest:
        arguments[first] = value
        return
    inner = arguments.setdefault(first, {})
    if isinstance(inner, dict):
        _set_argument(inner, ".".join(rest), value)
