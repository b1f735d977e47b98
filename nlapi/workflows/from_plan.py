"""Makes a workflow of a plan before anything is sent, or of what was done in a conversation.

Of a plan of the embedded planner, its look-ups come before its calls. Of a conversation, ids of answers become
expressions, and the user's values inputs.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.agent.models.messages import model_state
from nlapi.agent.operations.tools import PLAN_TOOL, OperationTools
from nlapi.client.masking import redact
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line
from nlapi.english.words import split_words
from nlapi.errors import Issue, Level, MissingError, UsageError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.planner import OfflinePlanner
from nlapi.planner.slots.entities import ONLY_RESOURCE
from nlapi.planner.steps.followup import UnresolvedReference, resolve_references
from nlapi.planner.steps.goal_plan import item_read, plan_with_id
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.planner.steps.state import LookupState, clause_of, state_of
from nlapi.planner.steps.turn_end import answer_views, end_of_turn
from nlapi.resources.answers import AnswerPart, answer_schemas
from nlapi.resources.envelope import wrap
from nlapi.resources.identity import id_path, name_path
from nlapi.resources.nouns import singular_noun
from nlapi.tools.plan import Conversation, FollowingCall, Outcome, Plan, Round, Step
from nlapi.tools.repetition.ledger import key_argument
from nlapi.tools.tool import Call, Missing
from nlapi.workflows.answer_values import (
    Answered,
    InputRegister,
    ValueNodes,
    answered_before,
    answered_call,
    created_id,
    is_further_page,
)
from nlapi.workflows.check import check
from nlapi.workflows.draft import (
    AnswerValue,
    BuiltDocument,
    InputValue,
    ItemChoice,
    Keys,
    StepDraft,
    WorkflowDraft,
    build_document,
    input_schema,
    reads_as_expression,
)
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.expressions import parse_accessors, with_plain_values
from nlapi.workflows.model import WorkflowDocument
from nlapi.workflows.outline import outline, source_text
from nlapi.workflows.planner import WorkflowPlanner, exchange_of


def rehearse(built: BuiltDocument, calls: Sequence[Answered]) -> str:
    """Return why a workflow with the values of its conversation does not repeat `calls`; "" where it does.

    Nothing is sent: each call gets the answer that it had.
    """
    workflow = built.linked.document.workflow()
    run = WorkflowRun(linked=built.linked, workflow=workflow, inputs=built.examples)
    remaining = list(calls)
    while bound := run.next_calls():
        for item in bound:
            if not remaining:
                return f"{item.call.id} would be called once more"
            if fault := _repetition_fault(run, item.call, remaining.pop(0)):
                return fault
    if run.state is not RunState.DONE:
        return run.failure or "an answer lacks a value that a step needs"
    return f"{remaining[0].operation.id} would not be called" if remaining else ""


def _repetition_fault(run: WorkflowRun, call: Call, answered: Answered) -> str:
    """Give a run the answer that a call had; return why the next call is another one, or goes on otherwise."""
    before = answered.step.call
    if call.operation_id != before.operation_id:
        return f"{call.operation_id} would be called in place of {before.operation_id}"
    if name := _different_argument(call.arguments, answered):
        return f"{before.operation_id} would be called with another {name}"
    assert answered.step.result is not None
    report = run.finish(call, exchange_of(call, answered.step.request, answered.step.result))
    if reason := next(filter(None, (report.failure, *report.lost.values())), ""):
        return f"{before.operation_id}: {reason}"
    return ""


def _different_argument(arguments: Mapping[str, Any], answered: Answered) -> str:
    """Return the first argument that differs from that of a call; "" for none.

    A list that was filtered by a part of a name is filtered by the whole of it.
    """
    call = answered.step.call
    for name in dict.fromkeys((*call.arguments, *arguments)):
        node = answered.draft.arguments.get(name)
        is_name = isinstance(node, InputValue) and node in answered.names.values()
        if name == key_argument(call.tool) or is_name:
            continue
        if name not in arguments or name not in call.arguments or not _is_same(arguments[name], call.arguments[name]):
            return name
    return ""


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two values are one on the wire; a description may have an id as a text and as a number."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(map(_is_same, first.values(), map(second.get, first)))
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    are_plain = all(isinstance(value, (str, int, float)) for value in (first, second))
    return bool(first == second) or (are_plain and str(first) == str(second))


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedConversation:
    """A document made of a conversation; `issues` say what of the conversation it does not have, or has otherwise."""

    document: WorkflowDocument
    issues: tuple[Issue, ...] = ()


def workflow_of(
    conversation: Conversation, *, id: str = "", locations: Mapping[Spec, str] | None = None
) -> SavedConversation:
    """Return the workflow of the calls of a conversation that were answered with success.

    Reads whose answer no call uses are left out, unless they answer the last question. UsageError without a
    call, or where a value came from an answer that the transcript has only in part.
    """
    return _Recorder(without_name_rounds(conversation)).save(id, locations or {})


class _Recorder:
    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.inputs = InputRegister(conversation)
        self.answered: list[Answered] = []
        self.by_step: dict[int, Answered] = {}

    def save(self, id: str, locations: Mapping[Spec, str]) -> SavedConversation:
        self.answered = list(self._answered_calls())
        steps = self._resolve_all() if self.answered else []
        if not steps:
            raise UsageError(
                "nothing was changed or answered in the conversation, so there is nothing to save",
                hint="`nlapi log show` shows it",
            )
        for answered in steps:
            answered.draft.results = tuple(self._results(answered))
        turns = [self.conversation.turns[number] for number in sorted({answered.turn for answered in steps})]
        built = _built(self.inputs, steps, locations, [turn.question for turn in turns], id)
        # What is saved is proved before it is written: a value in the wrong place would change something else.
        if fault := rehearse(built, steps):
            raise UsageError(
                f"the conversation cannot be saved as a workflow: {fault}", hint="`nlapi log show` shows what was done"
            )
        return SavedConversation(document=built.linked.document, issues=tuple(built.issues))

    def _answered_calls(self) -> Iterator[Answered]:
        """Yield the calls that succeeded, with their accounts; the others are named."""
        turns = self.conversation.turns
        for number, turn in enumerate(turns):
            for index, round in enumerate(turn.rounds):
                for position, step in enumerate(round.steps):
                    if step.outcome is not Outcome.ANSWERED or step.result is None or not step.result.ok:
                        self._leave_out(step, "it did not succeed")
                        continue
                    if step.result.is_cut:
                        self._leave_out(step, "its answer was cut before its end")
                        continue
                    before = replace(turn, rounds=turn.rounds[:index])
                    so_far = replace(self.conversation, turns=(*turns[:number], before))
                    answered = answered_call(step, so_far, round.steps[:position], number)
                    pages = (other for other in self.by_step.values() if is_further_page(answered, other))
                    answered.page_of = next(pages, None)
                    self.by_step[id(step)] = answered
                    yield answered

    def _leave_out(self, step: Step, reason: str) -> None:
        if step.call.effect is not Effect.READ:
            self.inputs.issues.append(
                Issue(level=Level.INFO, where=step.call.operation_id, message=f"left out: {reason}")
            )

    def _resolve_all(self) -> list[Answered]:
        """Resolve the values of the calls that are saved, the last first, and return these in order."""
        needed = {answered.draft for answered in self.answered if answered.operation.effect is not Effect.READ}
        for answered in self._answers():
            answered.draft.is_answer = True
            needed.add(answered.draft)
        for number, answered in reversed(list(enumerate(self.answered))):
            if answered.draft in needed:
                nodes = ValueNodes(inputs=self.inputs, answered=answered, earlier=self.answered[:number])
                answered.draft.arguments = nodes.arguments()
                needed |= {value.step for value in nodes.used}
        return [answered for answered in self.answered if answered.draft in needed]

    def _answers(self) -> list[Answered]:
        """Return the reads that answer the last question: those after its last change, without look-ups."""
        last = self.answered[-1].turn
        rounds = self.conversation.turns[last].rounds
        lists = [[self.by_step[id(step)] for step in round.steps if id(step) in self.by_step] for round in rounds]
        reads: list[Answered] = []
        for round, calls in zip(rounds, lists, strict=True):
            if any(answered.operation.effect is not Effect.READ for answered in calls):
                reads = []
                continue
            # A model reads to decide its next call; it answers from its last reads.
            if model_state(round.plan) is not None and calls:
                reads = []
            if not isinstance(state_of(round.plan), LookupState):
                reads += calls
        pages = [answered for answered in reads if answered.page_of is not None]
        if pages:
            name = pages[0].operation.id
            self.inputs.issues.append(Issue.warning(name, f"the workflow reads the first of {len(pages) + 1} pages"))
        return [answered for answered in reads if answered.page_of is None]

    def _results(self, answered: Answered) -> Iterator[AnswerValue]:
        if answered.operation.effect is Effect.WRITE and (keys := created_id(answered)) is not None:
            noun = "_".join(singular_noun(answered.operation))
            name = str(keys[-1]) if not noun or noun in str(keys[-1]) else f"{noun}_id"
            yield AnswerValue(step=answered.draft, keys=keys, name="".join(c for c in name if c.isascii()) or "id")


# Look-ups for one call: a plan that has more runs in circles.
MAX_LOOKUPS = 8
# Levels of an answer in which the name or the id of an item may be.
_DEPTH = 2


def workflow_of_plan(
    planner: OfflinePlanner, conversation: Conversation, plan: Plan, *, locations: Mapping[Spec, str] | None = None
) -> BuiltDocument:
    """Return the workflow of the first plan for the last question of a conversation.

    An item that is called by its name is looked up by an input. What is missing is an input too. UsageError where a
    step depends on an answer in a way that no document can say.
    """
    return _Planned(planner, conversation).build(plan, locations or {})


def workflow_of_drafts(
    conversation: Conversation, drafts: Sequence[StepDraft], *, locations: Mapping[Spec, str] | None = None
) -> BuiltDocument:
    """Return the workflow of calls that answer the last question; the user's values in them become inputs."""
    register = InputRegister(conversation)
    others = tuple(answered_before(conversation))
    known_values: dict[str, AnswerValue] = {}
    entries = []
    for draft in drafts:
        arguments = with_plain_values(
            draft.arguments, lambda leaf: _stand_in(leaf, known_values) if isinstance(leaf, AnswerValue) else leaf
        )
        entry = _previewed(Call(tool=draft.tool, arguments=arguments), conversation)
        nodes = ValueNodes(inputs=register, answered=entry, earlier=(), others=others, known_values=known_values)
        draft.arguments, draft.description = nodes.arguments(), entry.draft.description
        entry.draft = draft
        entries.append(entry)
    entries[-1].draft.is_answer = entries[-1].operation.effect is Effect.READ
    return _built(register, entries, locations or {}, [conversation.question])


def _stand_in(value: AnswerValue, known_values: dict[str, AnswerValue]) -> str:
    """Return a text that stands for a value of an answer."""
    # It reads as an id, so that the planner takes it for one wherever it stands.
    text = f"ref_{uuid.uuid4().hex[:12]}"
    known_values[text] = value
    return text


def _built(
    register: InputRegister,
    answered: Sequence[Answered],
    locations: Mapping[Spec, str],
    questions: Sequence[str],
    id: str = "",
) -> BuiltDocument:
    said = [single_line(redact(text, tuple(register.secrets))) for text in dict.fromkeys(filter(None, questions))]
    steps = [entry.draft for entry in answered]
    return build_document(
        WorkflowDraft(steps=steps, id=id, said=said, locations=locations, issues=tuple(register.issues))
    )


def _previewed(call: Call, conversation: Conversation) -> Answered:
    """Return a call of the last turn that was only shown."""
    step = Step(call=call, outcome=Outcome.PREVIEWED)
    return answered_call(step, conversation, (), len(conversation.turns) - 1)


class _Planned:
    """The steps of a plan; `known_values` has the part of an answer that each stand-in in their arguments is for."""

    def __init__(self, planner: OfflinePlanner, conversation: Conversation) -> None:
        self.planner, self.conversation = planner, conversation
        self.register = InputRegister(conversation)
        self.known_values: dict[str, AnswerValue] = {}
        self.answered: list[Answered] = []

    def build(self, plan: Plan, locations: Mapping[Spec, str]) -> BuiltDocument:
        requests = clause_of(plan)
        for index, clause in enumerate(requests.clauses if requests is not None else (None,)):
            if clause is None or requests is None or index == requests.current:
                self._add_plan(plan)
            elif clause.is_ready:
                for call in clause.calls:
                    self._add_call(call)
            else:
                self._add_clause(clause.sentence)
        self.answered[-1].draft.is_answer = self.answered[-1].operation.effect is Effect.READ
        return _built(self.register, self.answered, locations, [self.conversation.question])

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
            name = "_".join((*singular_noun(last.operation), "id"))
            stand_in = _stand_in(AnswerValue(step=last.draft, keys=keys, name=name), self.known_values)
            result = Result(status=200, content=json.dumps(wrap(stand_in, tuple(map(str, keys)))).encode())
            step = replace(step, outcome=Outcome.ANSWERED, result=result)
        return self.conversation.with_round(Round(plan=Plan(calls=(step.call,)), steps=(step,)))

    def _add_call(self, call: Call, missing: Sequence[Missing] = ()) -> Answered:
        answered = _previewed(call, self.conversation)
        self._resolve(answered)
        for item in missing:
            if item.tool.operation is call.tool.operation:
                # An argument, or a property inside of one: `budget.amount`.
                *path, name = item.argument.split(".")
                holder = answered.draft.arguments
                for key in path:
                    holder = holder.setdefault(key, {}) if isinstance(holder, dict) else {}
                if isinstance(holder, dict):
                    holder[name] = _missing_input(item)
        self.answered.append(answered)
        return answered

    def _resolve(self, answered: Answered) -> None:
        others = tuple(answered_before(self.conversation))
        nodes = ValueNodes(
            inputs=self.register, answered=answered, earlier=(), others=others, known_values=self.known_values
        )
        answered.draft.arguments = nodes.arguments()

    def _look_up(self, listing: Call, state: LookupState) -> str:
        """Add a look-up, and return the stand-in for its result."""
        if state.each is not None:
            raise UsageError(
                f"{state.name!r} is each item of a list, for which a workflow has no step",
                hint="ask without --plan: all changes are shown before the question about them",
            )
        if not state.name:
            return self._look_up_caller(listing, state)
        part = answer_schemas(listing.tool.operation.spec).list_part(listing.tool.operation)
        if part is None or part.is_map:
            raise _unsaid(
                state, f"the description of {listing.operation_id} does not say where its answer has the list"
            )
        if state.place and state.place != ONLY_RESOURCE:
            raise _unsaid(state, "only its place in a list identifies it, and that may change before the workflow runs")
        answered = _previewed(listing, self.conversation)
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
        return self._read_item(state, value) if state.via else _stand_in(value, self.known_values)

    def _read_item(self, state: LookupState, id: AnswerValue) -> str:
        """Add the read of an item whose list has not the field that is looked up, and return the stand-in for it."""
        read = item_read(state, self.planner.catalogue)
        if read is None:
            raise _unsaid(state, f"{state.via} takes no id")
        tool, argument = read
        answered = self._add_call(Call(tool=tool, arguments={argument: _stand_in(id, self.known_values)}))
        keys = (*(item_keys(tool.operation) or ()), *_field_keys(state.field))
        return _stand_in(AnswerValue(step=answered.draft, keys=keys, name=str(keys[-1])), self.known_values)

    def _look_up_caller(self, read: Call, state: LookupState) -> str:
        answered = self._add_call(read)
        base = item_keys(read.tool.operation)
        if base is None:
            raise _unsaid(state, f"the description of {read.operation_id} does not describe its answer")
        keys = (*base, *_field_keys(state.field)) if state.field else item_id(read.tool.operation)
        if keys is None:
            raise _unsaid(state, f"the description of {read.operation_id} has no id")
        return _stand_in(AnswerValue(step=answered.draft, keys=keys, name=str(keys[-1])), self.known_values)

    def _name(self, state: LookupState) -> InputValue:
        for answered in self.answered:
            if (name := answered.names.get(state.name.casefold())) is not None:
                return name
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


def _missing_input(item: Missing) -> InputValue:
    name = "_".join(split_words(item.argument.rpartition(".")[2]))
    schema = input_schema(answer_schemas(item.tool.operation.spec).reader, item.schema)
    return InputValue(name=name, noun="_".join(singular_noun(item.tool.operation)), schema=schema)


def _unsaid(state: LookupState, reason: str) -> UsageError:
    subject = f"the look-up of {state.name!r}" if state.name else "the look-up of the caller"
    return UsageError(f"{subject} cannot be written as a workflow: {reason}", hint="say the id instead")


def _field_keys(path: str) -> Keys:
    return tuple(int(key) if key.isdecimal() else key for key in path.split("."))


def _sample(schema: object, spec: Spec, depth: int = _DEPTH) -> dict[str, Any]:
    """Return an object of a schema, with a text or a number in each field: names and ids come from its fields."""
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


# Steps of one plan; a person agrees to all of them with one question.
MAX_STEPS = 30

_REFERENCE = re.compile(r"\$steps\.(?P<step>[\w-]+)\.outputs(?P<path>[.#\[].+)")
# Errors in the answer to the model; the first ones are corrected before the others make sense.
_MAX_ERRORS = 5


def plan_steps(plan: Mapping[str, Any], tools: OperationTools) -> list[StepDraft]:
    """Return the steps of a model's plan, with the arguments as they are written. UsageError for what is none."""
    nodes = plan.get("steps")
    if not isinstance(nodes, list) or not nodes:
        raise UsageError(f"{PLAN_TOOL} needs steps", hint='[{"id": "a", "operation": "...", "arguments": {}}]')
    return [
        _plan_step(node if isinstance(node, Mapping) else {}, number, tools) for number, node in enumerate(nodes, 1)
    ]


def _plan_step(node: Mapping[str, Any], number: int, tools: OperationTools) -> StepDraft:
    id, name, arguments = str(node.get("id") or f"step{number}"), node.get("operation"), node.get("arguments") or {}
    if not isinstance(name, str):
        raise UsageError(f"the step {id[:40]} needs an operation")
    if not isinstance(arguments, Mapping):
        raise UsageError(f"the arguments of {id[:40]} are not an object")
    tool = tools.resolve(name)
    if tools.is_workflow(tool):
        raise UsageError(f"{name} is a workflow, and no step of a plan", hint="call it in an answer by itself")
    return StepDraft(id=id, tool=tool, arguments=dict(arguments), each=node.get("each") or None)


def chain_of(steps: Sequence[StepDraft], conversation: Conversation) -> ModelChain:
    """Return the chain of the steps of a plan. UsageError with what is wrong in them: nothing is sent then."""
    _link_steps(steps)
    for draft in steps:
        # Consent is to the steps of this plan alone, so no call of another has their ids.
        draft.id = f"{draft.id}-{uuid.uuid4().hex[:8]}"
    linked = build_document(WorkflowDraft(steps=steps, id=PLAN_TOOL)).linked
    errors = [issue for issue in check(linked) if issue.level is Level.ERROR or issue.rule != "bend"]
    if errors:
        lines = "\n".join(_without_nonce(f"{issue.where.partition('.steps.')[2]}: {issue.message}") for issue in errors)
        raise UsageError("\n".join(["nothing was sent; correct the plan:", *lines.splitlines()[:_MAX_ERRORS]]))
    run = WorkflowRun(linked=linked, workflow=linked.document.workflow(), inputs={})
    return ModelChain(planner=WorkflowPlanner(run=run, taken=len(conversation.current.rounds)))


def workflow_of_model_plan(
    conversation: Conversation, plan: Plan, specs: Sequence[Spec], *, locations: Mapping[Spec, str] | None = None
) -> BuiltDocument:
    """Return the workflow of the first plan of a model: of a whole chain, or of its first calls.

    The values that the user said are inputs.
    """
    state = model_state(plan)
    blocks = [block for message in state.messages[-1:] for block in message["content"]] if state is not None else []
    written = next((block["input"] for block in blocks if block.get("name") == PLAN_TOOL), None)
    if written is None:
        drafts = [StepDraft(tool=call.tool, arguments=dict(call.arguments)) for call in plan.calls]
    else:
        drafts = plan_steps(written, OperationTools(specs))
        _link_steps(drafts)
    return workflow_of_drafts(conversation, drafts, locations=locations)


def _without_nonce(text: str) -> str:
    return re.sub(r"-[0-9a-f]{8}\b", "", text)


def _link_steps(steps: Sequence[StepDraft]) -> None:
    """Put the parts of earlier answers in the place of the texts that refer to them. UsageError for a wrong step."""
    if len(steps) > MAX_STEPS:
        raise UsageError(f"{len(steps)} steps; {MAX_STEPS} are the most of one plan")
    drafts: dict[str, StepDraft] = {}
    for number, step in enumerate(steps, 1):
        if not re.fullmatch(r"\w{1,40}", step.id, re.A) or step.id in drafts:
            raise UsageError(f"the step {number} needs its own id", hint="letters, digits and _")
        if step.each is not None:
            message = f"the step {step.id} is repeated for each entry of a list, which no workflow can do"
            raise UsageError(message, hint="ask without --plan: nothing is sent before you agree")
        step.arguments = {str(key): _node(value, step.id, str(key), drafts) for key, value in step.arguments.items()}
        drafts[step.id] = step


def _node(value: Any, id: str, place: str, drafts: Mapping[str, StepDraft]) -> Any:
    """Return an argument with the parts of earlier answers in place of the texts that refer to them."""
    if isinstance(value, Mapping):
        return {str(key): _node(item, id, f"{place}.{key}", drafts) for key, item in value.items()}
    if isinstance(value, list):
        return [_node(item, id, place, drafts) for item in value]
    return _reference(value, id, place, drafts) if isinstance(value, str) and reads_as_expression(value) else value


def _reference(value: str, id: str, place: str, drafts: Mapping[str, StepDraft]) -> AnswerValue:
    """Return the part of an earlier answer that a text refers to. UsageError where it refers to none."""
    match = _REFERENCE.fullmatch(value)
    if match is None:
        raise UsageError(
            f"{id}: {place} is {value[:80]!r}, which is not a value of an answer", hint='write "$steps.a.outputs.id"'
        )
    draft = drafts.get(match["step"])
    if draft is None:
        hint = f"before it are {', '.join(drafts) or 'none'}"
        raise UsageError(f"{id}: {place} needs the step {match['step']}, which is not before it", hint=hint)
    keys = _keys(match["path"])
    if not keys:
        raise UsageError(f"{id}: {place}: {value[:80]!r} names no field of the answer")
    return AnswerValue(step=draft, keys=keys, name="_".join(map(str, keys)) if _is_plain(keys) else "value")


def _keys(path: str) -> Keys:
    accessors, _ = parse_accessors(path)
    return tuple(int(key) if isinstance(key, str) and key.isdecimal() else key for key in accessors or ())


def _is_plain(keys: Keys) -> bool:
    return all(re.fullmatch(r"[\w-]+", str(key), re.A) for key in keys)


@dataclass(slots=True, kw_only=True)
class ModelChain:
    """A chain that is being carried out, round by round."""

    planner: WorkflowPlanner
    steps: list[Step] = field(default_factory=list)

    def next_plan(self, conversation: Conversation) -> Plan | None:
        """Return the next calls with those that follow them, the answer at the end, or None after a failure."""
        run = self.planner.run
        self.steps += self.planner.take_rounds(conversation)
        bound = run.next_calls()
        # Also where an answer lacks a value: the model asks for it, or finds it elsewhere.
        if run.state is RunState.FAILED or run.missing is not None:
            return None
        if not bound:
            return self._answer(conversation.question)
        # As of every call that a model wrote, the sources of the values are traced, and not those of a document.
        calls = tuple(replace(item.call, account=None) for item in bound)
        names = ", ".join(_without_nonce(call.id) for call in calls)
        return Plan(calls=calls, understood=f"plan: {names}", following=tuple(self._following()))

    def _following(self) -> Iterator[FollowingCall]:
        """Yield the calls after the next ones, as far as they are known."""
        run = self.planner.run
        begun = {report.path for report in run.reports} | {item.call.id for item in run.pending}
        tree = outline(run.linked, run.workflow, {})
        change_paths = {entry.path for entry in tree.changes}
        for entry in tree.entries:
            if (bound := entry.bound) is None or entry.path in begun:
                continue
            sources = {name: source_text(text) for name, text in bound.pending}
            yield FollowingCall(
                call=replace(bound.call, account=None),
                pending=tuple((name, _without_nonce(source)) for name, source in sources.items()),
                uses_reads=not change_paths.issuperset(source.rpartition(" of ")[2] for source in sources.values()),
            )

    def _answer(self, question: str) -> Plan:
        """Return the end of the turn: the outcome of each change, and the results of the last reads."""
        views = []
        last = len(self.steps) - 1
        for number, step in enumerate(self.steps):
            if step.outcome is Outcome.ANSWERED and (step.call.tool.operation.method != "GET" or number == last):
                rounds = [Round(plan=Plan(calls=(step.call,)), steps=(step,))]
                views += answer_views(question, rounds, several=False, today=None)
        return replace(end_of_turn(views), confidence=1.0)
