"""A planner that hands over to a workflow where a sentence means one, or where the planner below calls one."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nlapi.agent.events import Planner, PlannerChosen
from nlapi.client.masking import redact
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line
from nlapi.errors import ArgumentError, UsageError
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.plan import (
    Conversation,
    KnownValues,
    Outcome,
    Plan,
    Receiver,
    Round,
    Step,
    StoredState,
    Turn,
    WorkflowProposal,
    receiver_of,
)
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call
from nlapi.workflows.engine import RunState, WorkflowRun, with_defaults
from nlapi.workflows.outline import (
    WorkflowOutline,
    masked_outline,
    question_rule,
    secret_texts,
    tree_lines,
    unmaskable_name,
    unsendable,
    unstored_names,
    unstored_values,
)
from nlapi.workflows.planner import NAME, WorkflowPlanner, failure_lines, run_lines, run_record
from nlapi.workflows.sources import stored_location
from nlapi.workflows.workflow_tools import WorkflowTool, WorkflowTools

if TYPE_CHECKING:
    from nlapi.workflows.plain_match import PlainMatcher

# Characters of a value in the tree that is agreed to: consent is to what is shown.
TREE_WIDTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run under way. `origin` is the plan of the planner below that called it, None where the sentence did."""

    entry: WorkflowTool
    call: Call
    tree: WorkflowOutline
    planner: WorkflowPlanner
    conversation: str
    turn: int
    origin: Plan | None
    proposal: WorkflowProposal


@dataclass(slots=True, kw_only=True)
class WorkflowDelegate:
    """A planner over `base` that runs workflows with WorkflowPlanner, each agreed to as a whole.

    `find` returns the workflow that a sentence plainly means; without it sentences are left to `base`. A call of a
    workflow by `base` is answered with its outcome: to `base` the run is one call, to the loop and the transcript each
    call of it is one. `defaults` are the registered values by argument of each API.
    """

    base: Planner
    workflows: WorkflowTools
    targets: Mapping[Spec, Target] = field(default_factory=dict)
    defaults: Mapping[Spec, Mapping[str, Any]] = field(default_factory=dict)
    find: PlainMatcher | None = None
    name: str = field(init=False)
    _run: _Run | None = None
    _waited: bool = False
    """whether the last plan asked the user for a value"""
    _rounds: dict[str, Round] = field(default_factory=dict)
    """by the id of a run, the round that it is to `base`"""
    _chosen: PlannerChosen = field(init=False)
    """the planner that `base` has chosen in this turn"""
    _asked: tuple[int, frozenset[str]] = (0, frozenset())
    """the turn, and the inputs that its user was asked for"""

    def __post_init__(self) -> None:
        self.name = self.base.name
        self._chosen = PlannerChosen(planner=self.base.name, why="")

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner whose turn it is."""
        turn = conversation.current
        if (run := self._run) is not None:
            if (run.conversation, run.turn) == (conversation.id, len(conversation.turns)) and turn.rounds:
                next_plan = await _plan_of(run.planner, conversation)
                if next_plan.calls or next_plan.missing:
                    # Where the user was asked for a value, the loop begins anew, and has to know what he agreed to.
                    again = run.proposal if self._waited else None
                    self._waited = bool(next_plan.missing)
                    yield replace(next_plan, proposal=again) if next_plan.calls else next_plan
                    return
                self._run = None
                if run.origin is None:
                    yield _end_plan(run)
                    return
                self._rounds[run.planner.run.id] = _answered_round(run, run.origin, turn)
                why = f"the workflow {_name(run.entry)} has ended"
                chosen = self._chosen
                yield PlannerChosen(planner=chosen.planner, model=chosen.model, why=why)
            self._run = None
        if self.find is not None and not turn.rounds and turn.chosen is None:
            meant = await self._plan_sentence(conversation, self.find)
            if meant is not None:
                yield PlannerChosen(planner=NAME, why="the sentence means a workflow")
                yield meant
                return
        if not turn.rounds:
            self._chosen = PlannerChosen(planner=self.base.name, why="")
        async for piece in self.base.next(self._folded(conversation)):
            self._chosen = piece if isinstance(piece, PlannerChosen) else self._chosen
            if not isinstance(piece, Plan) or piece.missing:
                yield piece
                continue
            call = next((call for call in piece.calls if self.workflows.of(call) is not None), None)
            entry = self.workflows.of(call) if call is not None else None
            if call is None or entry is None:
                yield self._with_hint(piece, conversation)
                continue
            plan = await self._propose(entry, call, conversation, piece)
            if plan.proposal is not None and not plan.proposal.fault:
                yield PlannerChosen(planner=NAME, why=f"{self.base.name} calls the workflow {_name(entry)}")
            yield plan

    def _with_hint(self, plan: Plan, conversation: Conversation) -> Plan:
        """Return a plan that found nothing to call with the workflow that the sentence may mean."""
        if self.find is None or plan.calls or plan.raw is not None or conversation.current.rounds:
            return plan
        entry = self.find.likely(conversation.question)
        if entry is None:
            return plan
        api = next((spec.registered for spec in entry.specs if spec.registered), entry.linked.document.location)
        hint = f"The workflow {_name(entry)} may be meant: `nlapi workflow run {api} {single_line(entry.workflow.id)}`"
        return replace(plan, text=f"{plan.text}\n{hint}".lstrip())

    async def _plan_sentence(self, conversation: Conversation, find: PlainMatcher) -> Plan | None:
        """Return the plan of the workflow that the sentence plainly means, or its missing inputs; None for none."""
        entry = find(conversation.question)
        if entry is None:
            return None
        # The embedded planner takes long to import, and a conversation with a model does without it.
        from nlapi.workflows.plain_match import read_inputs

        said = read_inputs(conversation.question, entry, self._known_values(conversation))
        if said is None:
            return None
        about = single_line(entry.workflow.summary or entry.workflow.description)
        understood = f"{_name(entry)}: {about}" if about else _name(entry)
        if said.missing:
            asked = frozenset(item.argument for item in said.missing)
            earlier = self._asked[1] if self._asked[0] == len(conversation.turns) else frozenset()
            self._asked = len(conversation.turns), earlier | asked
            text = f"The workflow {_name(entry)} needs {', '.join(item.argument for item in said.missing)}."
            return Plan(missing=said.missing, understood=understood, confidence=said.confidence, text=text)
        plan = await self._propose(entry, said.calls[0], conversation, None, confidence=said.confidence)
        return replace(plan, understood=understood)

    def _known_values(self, conversation: Conversation) -> Mapping[str, Any]:
        """Return the values that the user set by name, and the replies to what this turn asked for."""
        values = conversation.known_values
        turn, asked = self._asked
        if not isinstance(values, KnownValues):
            return values
        # A reply to another question is not said here: a workflow is not run with it.
        names = values.remembered.keys() & asked if turn == len(conversation.turns) else ()
        return {**{name: values.remembered[name] for name in names}, **values.fixed}

    async def _propose(
        self,
        entry: WorkflowTool,
        call: Call,
        conversation: Conversation,
        origin: Plan | None,
        *,
        confidence: float = 1.0,
    ) -> Plan:
        """Return the first plan of a run, with the proposal to agree to; for one that cannot run, its fault."""
        workflow = entry.workflow
        try:
            inputs = entry.inputs(call)
            tree = masked_outline(entry.linked, workflow, inputs, defaults=self.defaults)
        except (ArgumentError, UsageError) as error:
            return _fault_plan(entry, call, str(error), origin)
        fault = next(unsendable(tree, self.targets), "")
        if not fault and (short := unmaskable_name(workflow, inputs)):
            fault = f"the secret input {short} is too short to be masked in the transcript"
        if fault:
            return _fault_plan(entry, call, fault, origin)
        run = WorkflowRun(
            linked=entry.linked, workflow=workflow, inputs=inputs, defaults=self.defaults, id=f"{secrets.token_hex(4)}:"
        )
        unstored = unstored_names(workflow, inputs)
        credentials = [secret for target in self.targets.values() for secret in target.credentials.values()]
        values = unstored_values(workflow, inputs, credentials)
        planner = WorkflowPlanner(run=run, unstored=values, taken=len(conversation.current.rounds))
        plan = await _plan_of(planner, conversation)
        if not plan.calls:
            return _fault_plan(entry, call, run.failure or plan.text, origin)
        proposal = WorkflowProposal(
            call=call,
            lines=tuple(tree_lines(tree, width=TREE_WIDTH)),
            call_ids=tree.call_ids(run.id),
            changes=tree.operations_of_changes,
            receivers=frozenset(map(self._receiver, tree.operations)),
            reason=_repetition_reason(entry, inputs, unstored, conversation) or question_rule(tree, self.targets),
            record=_record(entry, inputs, unstored),
            secrets=secret_texts(workflow, inputs),
        )
        self._run = _Run(
            entry=entry,
            call=call,
            tree=tree,
            planner=planner,
            conversation=conversation.id,
            turn=len(conversation.turns),
            origin=origin,
            proposal=proposal,
        )
        self._waited = False
        state = plan.raw
        if origin is not None and isinstance(state, StoredState):
            state = replace(state, origin=origin.raw)
        text = origin.text if origin is not None else ""
        return replace(plan, proposal=proposal, confidence=confidence, raw=state, text=text)

    def _receiver(self, operation: Operation) -> Receiver:
        """Return the API that a call goes to."""
        target = self.targets.get(operation.spec)
        return receiver_of(operation, base_url=target.base_url if target is not None else None)

    def _folded(self, conversation: Conversation) -> Conversation:
        """Return the conversation as `base` knows it: each run that it called is one call with one answer."""
        if not self._rounds:
            return conversation
        return replace(conversation, turns=tuple(map(self._folded_turn, conversation.turns)))

    def _folded_turn(self, turn: Turn) -> Turn:
        rounds: list[Round] = []
        for round in turn.rounds:
            stored = self._rounds.get(_run_id(round.plan), round)
            if not rounds or rounds[-1] is not stored:
                rounds.append(stored)
        return replace(turn, rounds=tuple(rounds)) if rounds != list(turn.rounds) else turn


def _name(entry: WorkflowTool) -> str:
    return single_line(entry.tool.operation.id)


def _run_id(plan: Plan) -> str:
    """Return the id of the run that a plan is a part of; "" for any other plan."""
    raw = plan.raw
    return str(raw.data.get("run", "")) if isinstance(raw, StoredState) and raw.planner == NAME else ""


async def _plan_of(planner: WorkflowPlanner, conversation: Conversation) -> Plan:
    return [plan async for plan in planner.next(conversation)][-1]


def _fault_plan(entry: WorkflowTool, call: Call, fault: str, origin: Plan | None) -> Plan:
    """Return the plan of a workflow that cannot run: for the planner that called it, or for the user."""
    if origin is None:
        text = f"The workflow {_name(entry)} cannot run: {single_line(fault)}"
        return Plan(text=text, failure=fault)
    return replace(origin, proposal=WorkflowProposal(call=call, fault=fault))


def _end_plan(run: _Run) -> Plan:
    """Return the plan that ends a turn after the run that the sentence meant."""
    ended = run.planner.run
    lines = run_lines(ended) if ended.state is RunState.DONE else failure_lines(ended, run.tree)
    secrets = secret_texts(ended.workflow, ended.inputs)
    return Plan(text=redact("\n".join(lines), secrets), failure=redact(ended.failure, secrets))


def _answered_round(run: _Run, origin: Plan, turn: Turn) -> Round:
    """Return the plan that called a workflow, with the outcome of the run as the answer to the call."""
    ended = run.planner.run
    last = turn.rounds[-1].steps[-1] if turn.rounds[-1].steps else None
    if ended.state is RunState.DONE:
        content = json.dumps(run_record(ended), ensure_ascii=False, default=str).encode()
        headers = (("content-type", "application/json"),)
        result = Result(status=200, headers=headers, content=content, method="RUN")
        step = Step(call=run.call, outcome=Outcome.ANSWERED, result=result)
    else:
        refused = last is not None and last.outcome is Outcome.REFUSED
        outcome = Outcome.REFUSED if refused else Outcome.FAILED
        # An API may repeat the request in its reason.
        message = redact("; ".join(failure_lines(ended, run.tree)), secret_texts(ended.workflow, ended.inputs))
        step = Step(call=run.call, outcome=outcome, message=message)
    return Round(plan=origin, steps=(step,))


def _repetition_reason(
    entry: WorkflowTool, inputs: Mapping[str, Any], secret: frozenset[str], conversation: Conversation
) -> str:
    """Return the reason that a workflow ran with the same inputs earlier in the conversation; "" where it did not."""
    current = {name: value for name, value in with_defaults(entry.workflow, inputs).items() if name not in secret}
    for round in (round for turn in conversation.turns for round in turn.rounds):
        raw = round.plan.raw
        if not isinstance(raw, StoredState) or not _run_id(round.plan) or raw.data.get("workflow") != entry.workflow.id:
            continue
        inputs_before = (raw.data.get("frames") or [{}])[0].get("inputs", {})
        stored = {name: value for name, value in inputs_before.items() if name not in secret}
        if stored == current and any(step.outcome is not Outcome.REFUSED for step in round.steps):
            return "it ran before in this conversation, with the same inputs"
    return ""


def _record(entry: WorkflowTool, inputs: Mapping[str, Any], secret: frozenset[str]) -> dict[str, Any]:
    """Return the record of a run in a transcript, so that `nlapi workflow resume` continues it."""
    return {
        "file": stored_location(entry.linked.document.location),
        "id": entry.workflow.id,
        "sources": entry.linked.stored_sources,
        "inputs": {name: value for name, value in inputs.items() if name not in secret},
        "secret_inputs": sorted(secret),
        "repair": False,
    }
