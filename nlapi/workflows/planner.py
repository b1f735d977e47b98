"""A workflow as a planner of the agent's loop: each round has the next calls of the run, and no model is asked.

So a workflow goes the way of every other plan: check, build, policy, send, transcript (docs/design/060-workflows.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.agent.records.log import MAX_BODY
from nlapi.client.masking import MASK
from nlapi.client.message import Request, Result, body_size
from nlapi.client.safe_text import count_noun, single_line
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, StoredState
from nlapi.tools.sending.run import locate_arguments
from nlapi.tools.tool import Call
from nlapi.workflows.bind import StepExchange
from nlapi.workflows.engine import MAX_DELAY, NOTHING_UNSTORED, RunState, Unstored, WorkflowRun, restore, snapshot
from nlapi.workflows.model import WorkflowStep
from nlapi.workflows.outline import OutlineEntry, WorkflowOutline
from nlapi.workflows.sources import LinkedDocument

NAME = "workflow"
"""The name of the planner in transcripts and events."""


@dataclass(slots=True, kw_only=True)
class WorkflowPlanner:
    """The planner of one run. After the turn `run` has its state, its outputs and a report of each step."""

    run: WorkflowRun
    unstored: Unstored = NOTHING_UNSTORED
    name: str = NAME
    taken: int = 0
    """rounds of the conversation whose answers the run has"""

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        """Yield the plan with the next calls, or the one that ends the turn."""
        self.take_rounds(conversation)
        known = conversation.known_values
        if self.run.delay and self.run.state is RunState.RUNNING:
            await asyncio.sleep(min(self.run.delay, MAX_DELAY))
        state = snapshot(self.run, self.unstored)
        calls = self.run.next_calls()
        # A value that an answer lacks: said beforehand with --set, or the reply to the question for it.
        while self.run.missing is not None and self.run.missing.argument in known:
            self.run.give(known[self.run.missing.argument])
            calls = self.run.next_calls()
        state["given"] = dict(self.run.given)
        if self.run.missing is not None:
            yield Plan(missing=(self.run.missing,), understood=f"step {self.run.missing.argument}")
            return
        if not calls:
            yield Plan(text=summary(self.run), understood="")
            return
        names = ", ".join(bound.call.id.removeprefix(self.run.id) for bound in calls)
        yield Plan(
            calls=tuple(bound.call for bound in calls),
            understood=f"step {self._position(calls[0].step)}: {names}",
            raw=StoredState(planner=NAME, data=state),
        )

    def take_rounds(self, conversation: Conversation) -> list[Step]:
        """Take the answers of the rounds that the run does not have yet, and return their steps."""
        steps = [step for round in conversation.current.rounds[self.taken :] for step in round.steps]
        for step in steps:
            self.take(step)
        self.taken = len(conversation.current.rounds)
        return steps

    def _position(self, step: WorkflowStep) -> str:
        """Return the place of a step in its workflow: 2 of 5."""
        steps = self.run.frames[-1].workflow.steps
        return f"{steps.index(step) + 1} of {len(steps)}"

    def take_stored(self, step: Step) -> bool:
        """Take an answer of a transcript; return False where it has to come again, as the run failed at it, or as what
        it is needed for is masked. UsageError for a change with a masked value.
        """
        count = len(self.run.reports)
        self.take(step)
        if self.run.state is RunState.FAILED:
            return False
        outputs = [report.outputs for report in self.run.reports[count:]]
        if self.unstored.mask.is_empty or MASK not in json.dumps(outputs, default=str):
            return True
        if step.call.effect is not Effect.READ:
            raise UsageError(
                f"the answer to {step.call.id} has a secret in it, which no transcript has: the run cannot continue"
            )
        return False

    def take(self, step: Step) -> None:
        """Give the run the answer to a call; after the failure of an earlier one the others are of no use."""
        if not self.run.pending or self.run.pending[0].call.id != step.call.id:
            return
        if step.outcome is Outcome.PREVIEWED:
            self.run.finish(step.call, None, "a dry run: nothing was sent")
        elif step.outcome is not Outcome.ANSWERED or step.result is None:
            is_unanswered = step.outcome is Outcome.FAILED and step.request is not None
            self.run.finish(step.call, None, step.message or "it was not sent", is_unanswered=is_unanswered)
        elif step.result.is_cut:
            self.run.finish(step.call, None, "the answer was cut before its end")
        else:
            self.run.finish(step.call, exchange_of(step.call, step.request, step.result))


def resume_planner(
    linked: LinkedDocument, conversation: Conversation, inputs: Mapping[str, Any], unstored: Unstored = NOTHING_UNSTORED
) -> WorkflowPlanner:
    """Return the planner that continues the run of a conversation, in a new turn of it.

    Calls of its last plan that were answered are not sent again, but for one at which the run failed. That one, and one
    whose outcome is unknown, is planned again, and the policy asks about a change that may have been carried out.
    UsageError where the run cannot continue.
    """
    rounds = [round for turn in conversation.turns for round in turn.rounds]
    stored = [(round, state) for round in rounds if (state := _state_of(round)) is not None]
    if not stored:
        raise UsageError("the transcript has no run of a workflow")
    last, state = stored[-1]
    steps = _answered(last)
    while True:
        planner = WorkflowPlanner(run=restore(state, linked, inputs), unstored=unstored)
        planner.run.next_calls()
        unusable = next((index for index, step in enumerate(steps) if not planner.take_stored(step)), None)
        if unusable is None:
            return planner
        # The answers before it are taken again, and it is sent again.
        steps = steps[:unusable]


def _state_of(round: Round) -> Mapping[str, Any] | None:
    raw = round.plan.raw
    return raw.data if isinstance(raw, StoredState) and raw.planner == NAME else None


def _answered(round: Round) -> list[Step]:
    """Return the steps of a round up to the first that has to be sent again.

    UsageError for the answer of a change that the transcript does not have whole.
    """
    steps = []
    for step in round.steps:
        if step.outcome is not Outcome.ANSWERED or step.result is None:
            break
        # A character that the cut went through is dropped.
        if step.result.is_cut or body_size(step.result) >= MAX_BODY - 3:
            if step.call.effect is Effect.READ:
                break
            raise UsageError(f"the answer to {step.call.id} was too long for the transcript: the run cannot continue")
        steps.append(step)
    return steps


def exchange_of(call: Call, request: Request | None, result: Result) -> StepExchange:
    """Return a request and its answer as expressions see them."""
    values = locate_arguments(call.tool, call.arguments)
    whole = values.get(("body", ""))
    fields = {name: value for (location, name), value in values.items() if location == "body" and name}
    data, sent = result.data, request or result
    return StepExchange(
        method=sent.method,
        url=sent.url,
        status=result.status,
        headers=result.headers,
        body=data if data is not None or not result.content else result.text,
        request_headers=request.headers if request is not None else (),
        arguments=values,
        request_body=whole if whole is not None else fields or None,
    )


def summary(run: WorkflowRun) -> str:
    """Return the outcome of a run in a line or two."""
    sent = sum(1 for report in run.reports if report.call_id)
    if run.state is RunState.FAILED:
        return f"{run.workflow.id} stopped: {run.failure}"
    return f"{run.workflow.id} is done{f' up to {run.until}' if run.until else ''}: {count_noun(sent, 'call')}"


def run_record(run: WorkflowRun, tree: WorkflowOutline | None = None) -> dict[str, Any]:
    """Return the outcome of a run as JSON; with its tree, a run that failed names the steps that were not reached."""
    record: dict[str, Any] = {
        "workflow": run.workflow.id,
        "state": run.state,
        **({"failure": run.failure} if run.failure else {}),
        "outputs": run.outputs,
        **({"lost": run.lost_outputs} if run.lost_outputs else {}),
        "steps": [
            {
                "step": report.path,
                "status": report.status,
                **({"failure": report.failure} if report.failure else {}),
                **({"notes": list(report.notes)} if report.notes else {}),
            }
            for report in run.reports
        ],
    }
    if run.failure and tree is not None:
        record["not_run"] = [entry.path for entry in unreached(run, tree)]
    return record


def run_lines(run: WorkflowRun) -> Iterator[str]:
    """Yield the outcome of a run for a person: its outputs, then a line."""
    for name, value in run.outputs.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
        yield f"{single_line(name)}: {text}" if "\n" not in text else f"{single_line(name)}:\n{text}"
    for name, reason in run.lost_outputs.items():
        yield f"{single_line(name)}: no value ({single_line(reason)})"
    if not run.failure:
        yield summary(run)


def failure_lines(run: WorkflowRun, tree: WorkflowOutline) -> Iterator[str]:
    """Yield why a run stopped, what of it was done before, and what was not."""
    yield summary(run)
    done = [report for report in run.reports if not report.failure and report.call_id]
    paths = {entry.path for entry in tree.changes}
    changes = [report.path for report in done if report.path in paths]
    if changes:
        yield f"changed before: {', '.join(map(single_line, dict.fromkeys(changes)))}"
    elif done:
        yield f"nothing was changed before; {count_noun(len(done), 'read')} answered"
    for last in run.reports[-1:]:
        if last.path in paths and last.failure and 200 <= (last.status or 0) < 300:
            yield f"{single_line(last.path)} was answered with {last.status}: its change was carried out"
    if left := unreached(run, tree):
        yield f"not run: {', '.join(single_line(entry.path) for entry in left)}"


def unreached(run: WorkflowRun, tree: WorkflowOutline) -> tuple[OutlineEntry, ...]:
    """Return the calls of the tree that a run has made no attempt at."""
    reached = {report.path for report in run.reports}
    return tuple(entry for entry in tree.entries if entry.operation is not None and entry.path not in reached)
