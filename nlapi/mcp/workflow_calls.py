"""The call of a workflow's tool: shown as a tree, consented to as a whole, run, and answered with its outcome."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mcp_types as types

from nlapi.agent.events import CallProposed, ConsentReply, StepFinished
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.client.auth import header_secrets
from nlapi.client.masking import redact
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line, strip_all, strip_control
from nlapi.errors import NlapiError, UsageError
from nlapi.mcp.answers import answer_pages, answer_uri
from nlapi.mcp.consent import ConsentSubject, Context, request_consent, wrap_question
from nlapi.mcp.server_state import ServerState, answer_owner
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import registered_arguments
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.ledger import Ledger
from nlapi.tools.plan import Step, ask
from nlapi.tools.rules import Ruling
from nlapi.tools.run import Target
from nlapi.tools.tool import Call
from nlapi.workflows.engine import MAX_CALLS, RunState, WorkflowRun
from nlapi.workflows.outline import WorkflowOutline
from nlapi.workflows.planner import WorkflowPlanner
from nlapi.workflows.report import failure_lines, run_record
from nlapi.workflows.secret_inputs import masked_outline, secret_names, secret_texts
from nlapi.workflows.sendable import question_rule, rule_of, unsendable
from nlapi.workflows.snapshot import document_digest
from nlapi.workflows.tree_text import count_text, tree_lines
from nlapi.workflows.workflow_tools import WorkflowTool

ToolAnswer = types.CallToolResult | types.InputRequiredResult

# In seconds, as for the call of an operation.
PROGRESS_INTERVAL = 1.0

# Characters of a value in the tree that is consented to.
TREE_WIDTH = 2_000

# Characters of the outputs in an answer; longer ones are stored, and a part of them is shown.
MAX_OUTPUTS = 20_000

_EFFECT_TEXTS = {
    Effect.READ: "only reads",
    Effect.WRITE: "changes something",
    Effect.DESTROY: "takes something away",
}


@dataclass(slots=True, kw_only=True)
class _Progress:
    """What a client is told of a run while it waits."""

    total: int
    done: int = 0
    seconds: float = 0.0

    async def report(self, context: Context, name: str) -> None:
        with suppress(Exception):  # the transport notices a client that has gone
            while True:
                await asyncio.sleep(PROGRESS_INTERVAL)
                self.seconds += PROGRESS_INTERVAL
                message = f"{name}: {self.done} of {count_text(self.total, 'call')} answered ({self.seconds:g} s)"
                await context.session.report_progress(self.seconds, None, message)


@dataclass(slots=True, kw_only=True)
class _Execution:
    """One run for a client, and the steps of it so far."""

    entry: WorkflowTool
    tree: WorkflowOutline
    run: WorkflowRun
    targets: Mapping[Spec, Target]
    policy: Policy
    ledger: Ledger
    key: str
    steps: list[Step] = field(default_factory=list)


async def call_workflow(
    state: ServerState,
    context: Context,
    params: types.CallToolRequestParams,
    entry: WorkflowTool,
    arguments: Mapping[str, object],
) -> ToolAnswer:
    """Return the outcome of a run, or the question that the client has to put first.

    NlapiError where nothing is sent: inputs that do not fit, a step that cannot be sent, no consent.
    """
    targets, defaults = state.targets_for(context), state.catalogue.workflows.defaults
    call = Call(tool=entry.tool, arguments={**registered_arguments(entry.tool, state.settings), **arguments})
    policy = Policy(secrets=_secrets(targets))
    if refusal := policy.refusal(call):
        raise UsageError(f"{entry.operation.id} was not run: {refusal}", hint="leave it out")
    inputs = entry.inputs(call)
    tree = masked_outline(entry.linked, entry.workflow, inputs, defaults=defaults)
    if fault := next(unsendable(tree, targets), ""):
        raise UsageError(f"nothing was sent: {fault}")
    ledger, key = state.ledger(context), _run_key(entry, inputs)
    repetition = ledger.run_reason(key)
    if repetition or _needs_question(tree, targets, state.settings.consent):
        subject = _subject(state, entry, tree, inputs, targets, repetition)
        question = await request_consent(context, params, subject, state.pending_consents)
        if question is not None:
            return question
    run = WorkflowRun(
        linked=entry.linked,
        workflow=entry.workflow,
        inputs=inputs,
        defaults=defaults,
        id=f"{secrets.token_hex(4)}:",
    )
    agreed = Policy(secrets=policy.secrets, agreed=tree.call_ids(run.id))
    ledger.agree(agreed.agreed, run=key, repeats=bool(repetition))
    execution = _Execution(entry=entry, tree=tree, run=run, targets=targets, policy=agreed, ledger=ledger, key=key)
    await _execute(state, context, execution)
    return _answer(state, context, execution, call)


def _secrets(targets: Mapping[Spec, Target]) -> tuple[str, ...]:
    return tuple(
        secret
        for target in targets.values()
        for secret in (*target.credentials.values(), *header_secrets(target.headers))
    )


def _needs_question(tree: WorkflowOutline, targets: Mapping[Spec, Target], consent: Consent) -> bool:
    """Return whether the user has to be asked: about changes that no rule allows, or by a rule that wants it."""
    if question_rule(tree, targets):
        return True
    rules = {entry.path: rule_of(entry, targets) for entry in tree.entries}
    allowed = {path for path, rule in rules.items() if rule is not None and rule.verdict is Ruling.ALLOW}
    return consent is Consent.ELICIT and any(entry.path not in allowed for entry in tree.changes)


def _subject(
    state: ServerState,
    entry: WorkflowTool,
    tree: WorkflowOutline,
    inputs: Mapping[str, Any],
    targets: Mapping[Spec, Target],
    repetition: str,
) -> ConsentSubject:
    """Return the question about a workflow: its effect, then its tree with the values that are known."""
    name = single_line(entry.operation.id)
    effect = _EFFECT_TEXTS[tree.effect]
    head = (
        f"{single_line(state.spec.title)[:80]}: the workflow {name} {effect}: {count_text(len(tree.changes), 'change')}"
    )
    lines = [*([f"Run again? {repetition}"] if repetition else []), *tree_lines(tree, width=TREE_WIDTH)]
    secret = secret_names(entry.workflow)
    shown = {name: value for name, value in inputs.items() if name not in secret}
    options = [
        f"--input={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    ]
    file = entry.linked.document.location
    return ConsentSubject(
        name=name,
        question=wrap_question([head, *lines]),
        fingerprint=hashlib.sha256(
            "\n".join([_run_key(entry, inputs), *lines]).encode("utf-8", "surrogatepass")
        ).hexdigest(),
        command=shlex.join(["nlapi", "workflow", "run", file, entry.workflow.id, *options]),
        title="Run this workflow?",
        is_ruled=bool(question_rule(tree, targets)),
        repetition=repetition,
    )


def _run_key(entry: WorkflowTool, inputs: Mapping[str, Any]) -> str:
    """Return what two runs of a workflow with the same inputs have in common."""
    content = json.dumps(
        [document_digest(entry.linked.document), entry.workflow.id, inputs], default=str, sort_keys=True
    )
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


async def _execute(state: ServerState, context: Context, execution: _Execution) -> None:
    """Send the calls of a run. What was under way when the client cancelled is recorded for its next answer."""
    name = single_line(execution.entry.operation.id)
    progress = _Progress(total=len(execution.tree.call_ids()))
    reporting = asyncio.create_task(progress.report(context, name))
    events = converse(
        WorkflowPlanner(run=execution.run),
        ask(f"run the workflow {name}"),
        execution.targets,
        policy=execution.policy,
        consent=partial(_answer_within, execution),
        limits=state.settings.limits,
        max_rounds=MAX_CALLS,
        ledger=execution.ledger,
    )
    try:
        async for event in events:
            if isinstance(event, StepFinished):
                execution.steps.append(event.step)
                progress.done = len(execution.steps)
    except asyncio.CancelledError:
        if cancelled := _cancelled_text(execution):
            state.record_unknown_outcome(context, cancelled)
        raise
    except NlapiError as error:
        execution.run.state, execution.run.failure = RunState.FAILED, str(error)
    finally:
        reporting.cancel()
    if (missing := execution.run.missing) is not None:
        failure = f"{missing.argument}: an answer lacks the value that it wants"
        execution.run.state, execution.run.failure = RunState.FAILED, failure


async def _answer_within(execution: _Execution, proposed: tuple[CallProposed, ...]) -> ConsentReply:
    """Answer a question about a call inside a run, which the client cannot put.

    One that only the user's policy wants was answered with the tree; any other is a doubt, and nothing more is sent.
    When the workflow is called again, the user is asked about it.
    """
    is_ruled = all(call.reason.startswith("your policy says") and ";" not in call.reason for call in proposed)
    reasons = "; ".join(call.reason for call in proposed if call.reason)
    if not is_ruled:
        execution.ledger.contest(execution.key, reasons)
    return ConsentReply(is_agreed=is_ruled, reason="" if is_ruled else f"it needs a question of its own: {reasons}")


def _cancelled_text(execution: _Execution) -> str:
    """Return what a cancelled run has changed, or may have; "" for nothing."""
    changes = [step for step in execution.steps if step.call.effect is not Effect.READ]
    made = [step for step in changes if (step.result is not None and step.result.ok) or step.is_uncertain]
    if not made:
        return ""
    names = ", ".join(single_line(step.call.id.removeprefix(execution.run.id)) for step in made)
    return f"the workflow {single_line(execution.entry.operation.id)} was cancelled on its way, after or in {names}"


def _answer(state: ServerState, context: Context, execution: _Execution, call: Call) -> types.CallToolResult:
    """Return the outcome of a run: its outputs, or the step that failed with what was done before and what was not."""
    run = execution.run
    hidden = secret_texts(run.workflow, run.inputs)
    record = run_record(run, execution.tree)
    links: list[types.ResourceLink] = []
    outputs = json.dumps(run.outputs, ensure_ascii=False, default=str)
    if len(outputs) > MAX_OUTPUTS:
        headers = (("content-type", "application/json"),)
        result = Result(status=200, headers=headers, content=outputs.encode(), method="RUN")
        shown = state.answers.add(answer_owner(context, state.settings), result, call)
        record["outputs"] = json.loads(shown.view)
        if shown.stored is not None:
            pages = count_text(answer_pages(shown.stored), "page")
            name = f"{single_line(execution.entry.operation.id)} outputs"
            uri, description = answer_uri(shown.stored), f"All of them, in {pages}"
            links.append(types.ResourceLink(name=name, uri=uri, description=description, mime_type="text/plain"))
    text = redact(json.dumps(strip_all(record), ensure_ascii=False, default=str), hidden)
    failed = run.state is not RunState.DONE
    content: list[types.ContentBlock] = [types.TextContent(text=text), *links]
    if failed:
        failure = "\n".join(failure_lines(run, execution.tree))
        content.insert(0, types.TextContent(text=redact(strip_control(failure), hidden)))
    return types.CallToolResult(content=content, structured_content=json.loads(text), is_error=failed)
