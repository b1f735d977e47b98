"""Carries out the chain of calls that a model plans at once, as a workflow: the model is not asked between them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.agent.call_chains import PLAN_TOOL
from nlapi.agent.messages import model_state
from nlapi.agent.operation_tools import OperationTools
from nlapi.errors import UsageError
from nlapi.issue import Level
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner.steps.multi_intent import answer_views, end_of_turn
from nlapi.tools.plan import Conversation, FollowingCall, Outcome, Plan, Round, Step
from nlapi.workflows.check import check
from nlapi.workflows.draft import (
    AnswerValue,
    BuiltDocument,
    Keys,
    StepDraft,
    WorkflowDraft,
    build_document,
    reads_as_expression,
)
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.expressions import parse_accessors
from nlapi.workflows.from_plan import workflow_of_drafts
from nlapi.workflows.outline import outline, source_text
from nlapi.workflows.planner import WorkflowPlanner

# Steps of one plan; a person agrees to all of them with one question.
MAX_STEPS = 30

_REFERENCE = re.compile(r"\$steps\.(?P<step>[\w-]+)\.outputs(?P<path>[.#\[].+)")
# Errors in the answer to the model; the first ones are corrected before the others make sense.
_MAX_ERRORS = 5


def write_chain(arguments: Mapping[str, Any], tools: OperationTools, conversation: Conversation) -> ModelChain:
    """Return the chain of a model's plan. UsageError with what is wrong in it: nothing of it is sent then."""
    steps = list(_drafts(arguments.get("steps"), tools))
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
    drafts = (
        [StepDraft(tool=call.tool, arguments=dict(call.arguments)) for call in plan.calls]
        if written is None
        else list(_drafts(written.get("steps"), OperationTools(specs)))
    )
    return workflow_of_drafts(conversation, drafts, locations=locations)


def _without_nonce(text: str) -> str:
    return re.sub(r"-[0-9a-f]{8}\b", "", text)


def _drafts(nodes: object, tools: OperationTools) -> Iterator[StepDraft]:
    if not isinstance(nodes, list) or not nodes:
        raise UsageError(f"{PLAN_TOOL} needs steps", hint='[{"id": "a", "operation": "...", "arguments": {}}]')
    if len(nodes) > MAX_STEPS:
        raise UsageError(f"{len(nodes)} steps; {MAX_STEPS} are the most of one plan")
    drafts: dict[str, StepDraft] = {}
    for number, node in enumerate(nodes, 1):
        node = node if isinstance(node, Mapping) else {}
        id, name = str(node.get("id") or f"step{number}"), node.get("operation")
        if not re.fullmatch(r"\w{1,40}", id, re.A) or id in drafts:
            raise UsageError(f"the step {number} needs an id of its own", hint="letters, digits and _")
        if not isinstance(name, str):
            raise UsageError(f"the step {id} needs an operation")
        arguments = node.get("arguments") or {}
        if not isinstance(arguments, Mapping):
            raise UsageError(f"the arguments of {id} are no object")
        tool = tools.resolve(name)
        if tools.is_workflow(tool):
            raise UsageError(f"{name} is a workflow, and no step of a plan", hint="call it in an answer by itself")
        draft = StepDraft(tool=tool, id=id)
        draft.arguments = {str(key): _node(value, id, str(key), drafts) for key, value in arguments.items()}
        drafts[id] = draft
    yield from drafts.values()


def _node(value: Any, id: str, place: str, drafts: Mapping[str, StepDraft]) -> Any:
    """Return an argument with the parts of earlier answers in place of the texts that refer to them."""
    if isinstance(value, Mapping):
        return {str(key): _node(item, id, f"{place}.{key}", drafts) for key, item in value.items()}
    if isinstance(value, list):
        return [_node(item, id, place, drafts) for item in value]
    if not isinstance(value, str) or not reads_as_expression(value):
        return value
    found = _REFERENCE.fullmatch(value)
    if found is None:
        raise UsageError(
            f"{id}: {place} is {value[:80]!r}, which is no value of an answer", hint='write "$steps.a.outputs.id"'
        )
    draft = drafts.get(found["step"])
    if draft is None:
        hint = f"before it are {', '.join(drafts) or 'none'}"
        raise UsageError(f"{id}: {place} needs the step {found['step']}, which is not before it", hint=hint)
    keys = _keys(found["path"])
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
    plans: int = 0
    steps: list[Step] = field(default_factory=list)

    def next_plan(self, conversation: Conversation) -> Plan | None:
        """Return the next calls with those that follow them, the answer at the end, or None after a failure."""
        run = self.planner.run
        for round in conversation.current.rounds[self.planner.taken :]:
            for step in round.steps:
                self.steps.append(step)
                self.planner.take(step)
        self.planner.taken = len(conversation.current.rounds)
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
        entries = outline(run.linked, run.workflow, {}).entries
        made = {entry.path for entry in entries if entry.effect is not Effect.READ}
        for entry in entries:
            if entry.path not in begun and entry.bound is not None:
                sources = [(name, source_text(text)) for name, text in entry.bound.pending]
                yield FollowingCall(
                    call=replace(entry.bound.call, account=None),
                    pending=tuple((name, _without_nonce(source)) for name, source in sources),
                    uses_reads=not {source.rpartition(" of ")[2] for _, source in sources} <= made,
                )

    def _answer(self, question: str) -> Plan:
        """Return the end of the turn: what each change did, and what the last reads found."""
        views = []
        last = len(self.steps) - 1
        for number, step in enumerate(self.steps):
            if step.outcome is Outcome.ANSWERED and (step.call.tool.operation.method != "GET" or number == last):
                rounds = [Round(plan=Plan(calls=(step.call,)), steps=(step,))]
                views += answer_views(question, rounds, several=False, today=None)
        return replace(end_of_turn(views), confidence=1.0)
