"""The call of a tool or a workflow: checked, consented to, sent and answered, with every failure an answer too."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shlex
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mcp_types as types

from nlapi.agent.current_state import current_changes
from nlapi.agent.events import CallProposed, ConsentReply, FieldChange, StepFinished, WorkEnded
from nlapi.agent.loop import converse
from nlapi.agent.operations.tools import CHANGE, DESCRIBE, FIND, PLAN_TOOL, READ, OperationTools, words_of
from nlapi.agent.policy import Policy, Verdict
from nlapi.agent.records.receipts import ConsentOutcome, run_receipt
from nlapi.client.masking import redact
from nlapi.client.message import Result
from nlapi.client.safe_text import count_noun, error_for_model, single_line, strip_all, strip_control
from nlapi.errors import ConsentError, NlapiError, OutcomeUnknownError, UsageError
from nlapi.mcp.answers import answer_pages, answer_uri
from nlapi.mcp.approval import APPROVAL_TOOLS, answer_approval
from nlapi.mcp.audit import CallOutcome, CallRecord, ConsentKind
from nlapi.mcp.consent import ConsentRequest, Context, request_consent
from nlapi.mcp.consent_subject import ConsentSubject, call_subject, wrap_question
from nlapi.mcp.plans import call_plan
from nlapi.mcp.progress import changes_made, progress_reports
from nlapi.mcp.server_state import ServerState, answer_owner, caller_of, session_id
from nlapi.mcp.settings import Consent
from nlapi.mcp.tickets import ApprovedCall
from nlapi.mcp.tool_listing import SEARCH_TOOLS, offered_tools, registered_arguments
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.long_running import WorkState
from nlapi.results.query import QUERY_TOOL
from nlapi.tools.plan import Step, ask
from nlapi.tools.plan import ask as conversation
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.rules import Ruling, denial_message, is_denied
from nlapi.tools.sending.run import Prepared, Target, authorize_call, finish_work, model_fields, perform, prepare
from nlapi.tools.sending.state_reads import state_read
from nlapi.tools.sending.waiting import WorkOutcome
from nlapi.tools.tool import Call, Tool
from nlapi.workflows.engine import MAX_CALLS, RunState, WorkflowRun, document_digest
from nlapi.workflows.outline import (
    WorkflowOutline,
    masked_outline,
    question_rule,
    rule_of,
    secret_names,
    secret_texts,
    tree_lines,
    unsendable,
)
from nlapi.workflows.planner import WorkflowPlanner, failure_lines, run_record
from nlapi.workflows.workflow_tools import WorkflowTool

ToolAnswer = types.CallToolResult | types.InputRequiredResult

# Characters of a value in the tree that is consented to.
TREE_WIDTH = 2_000

# Characters of the outputs in an answer; longer ones are stored, and a part of them is shown.
MAX_OUTPUTS = 20_000


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
    record: CallRecord,
) -> ToolAnswer:
    """Return the outcome of a run, or the question that the client has to put first.

    NlapiError where nothing is sent: inputs that do not fit, a step that cannot be sent, no consent.
    """
    targets, defaults = state.targets_for(context), state.catalogue.workflows.defaults
    call = Call(tool=entry.tool, arguments={**registered_arguments(entry.tool, state.settings), **arguments})
    policy = Policy(secrets=tuple(secret for target in targets.values() for secret in target.credentials.values()))
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
        question = await request_consent(_consent_request(state, context, params, record), subject)
        if question is not None:
            record.outcome = CallOutcome.ASKED
            return question
    record.outcome = CallOutcome.FAILED
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
    if run.state is RunState.DONE:
        record.outcome = CallOutcome.ANSWERED
    elif any(step.is_uncertain for step in execution.steps):
        record.outcome = CallOutcome.UNKNOWN
    return _answer(state, context, execution, call)


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
    changes = count_noun(len(tree.changes), "change")
    head = f"{single_line(state.spec.title)[:80]}: the workflow {name} {tree.effect.phrase}: {changes}"
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
        receipt=run_receipt("mcp", state.spec, name, _run_key(entry, inputs)),
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
    total = count_noun(len(execution.tree.call_ids()), "call")
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
        async with progress_reports(context, lambda: f"{name}: {len(execution.steps)} of {total} answered"):
            async for event in events:
                if isinstance(event, WorkEnded):
                    execution.steps[-1:] = [event.step]
                elif isinstance(event, StepFinished):
                    execution.steps.append(event.step)
    except asyncio.CancelledError:
        made = changes_made(
            f"the workflow {name}", execution.steps, lambda step: step.call.id.removeprefix(execution.run.id)
        )
        if made:
            state.record_unknown_outcome(context, made)
        raise
    except NlapiError as error:
        execution.run.state, execution.run.failure = RunState.FAILED, str(error)
    if (missing := execution.run.missing) is not None:
        failure = f"{missing.argument}: an answer lacks the value that it wants"
        execution.run.state, execution.run.failure = RunState.FAILED, failure


async def _answer_within(execution: _Execution, proposed: tuple[CallProposed, ...]) -> ConsentReply:
    """Answer a question about a call inside a run, which the client cannot put.

    One that only the user's policy wants was answered with the tree; any other is a doubt, and nothing more is sent.
    When the workflow is called again, the user has to confirm it.
    """
    is_ruled = all(call.reason.startswith("your policy says") and ";" not in call.reason for call in proposed)
    reasons = "; ".join(call.reason for call in proposed if call.reason)
    if not is_ruled:
        execution.ledger.contest(execution.key, reasons)
    return ConsentReply(is_agreed=is_ruled, reason="" if is_ruled else f"it needs a question of its own: {reasons}")


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
            pages = count_noun(answer_pages(shown.stored), "page")
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


# A question of 20,000 characters and the ways to send the request fit.
MAX_MESSAGE = 24_000


async def call_tool(states: Sequence[ServerState], context: Context, params: types.CallToolRequestParams) -> ToolAnswer:
    """Return the answer to a call, never an error of the protocol, so that a model can read what was wrong.

    The call is counted, limited and written to the log as the oversight of its API says.
    """
    if params.name in APPROVAL_TOOLS:
        # What is sent by it is counted and limited as the call that it was.
        owner, send = answer_owner(context, states[0].settings), partial(call_tool, states, context)
        try:
            return await answer_approval(states[0].tickets, owner, params, send)
        except NlapiError as error:
            return error_answer(str(error))
    tools = offered_tools(tuple(state.catalogue for state in states)).operation_tools
    state = _state_of(states, tools, params)
    record = _open_record(state, context, params)
    started = time.monotonic()
    if state.oversight.metrics is not None:
        state.oversight.metrics.running.inc()
    try:
        answer = await _answer_call(state, tools, context, params, record)
    finally:
        record.milliseconds = round((time.monotonic() - started) * 1000)
        _close_record(state, record)
    # A client's own call tells what was cancelled earlier, and not the one that a person has agreed to.
    if isinstance(answer, types.CallToolResult) and not isinstance(params, ApprovedCall):
        answer.content[:0] = [types.TextContent(text=message) for message in state.take_unknown_outcomes(context)]
    return answer


def _open_record(state: ServerState, context: Context, params: types.CallToolRequestParams) -> CallRecord:
    caller, session, ticket = caller_of(context), session_id(context), None
    if isinstance(params, ApprovedCall):
        # Whatever stops the call from here on, the receipt of the yes says so.
        ticket = state.tickets.find(params.ticket_id, answer_owner(context, state.settings))
    return CallRecord(
        client=caller.name,
        role=caller.role or state.oversight.role,
        session=hashlib.sha256(session.encode()).hexdigest()[:12] if session else "",
        tool=params.name,
        api=state.api_name,
        ticket=ticket,
        secrets=state.secrets,
    )


# What the receipt of a yes says of a call; of any other one, that nothing was sent.
_RECEIPT_OUTCOMES = {
    CallOutcome.ANSWERED: ConsentOutcome.DONE,
    CallOutcome.FAILED: ConsentOutcome.FAILED,
    CallOutcome.CANCELLED: ConsentOutcome.UNKNOWN,
    CallOutcome.UNKNOWN: ConsentOutcome.UNKNOWN,
}


def _close_record(state: ServerState, record: CallRecord) -> None:
    """Count a call that has ended, and write what came of it to its receipt and to the log."""
    oversight = state.oversight
    if oversight.metrics is not None:
        oversight.metrics.running.dec()
        oversight.metrics.observe(record)
    if record.ticket is not None:
        outcome = _RECEIPT_OUTCOMES.get(record.outcome, ConsentOutcome.REFUSED)
        state.tickets.record_outcome(record.ticket, outcome, record.status)
    if oversight.audit is not None and (fault := oversight.audit.write_call(record)):
        state.report(fault)


async def _answer_call(
    state: ServerState,
    tools: OperationTools,
    context: Context,
    params: types.CallToolRequestParams,
    record: CallRecord,
) -> ToolAnswer:
    """Return the answer to a call, also where it ends in an error."""
    oversight = state.oversight
    try:
        with oversight.limiter.admit(caller_of(context), oversight.calls_per_minute, oversight.concurrency):
            return await _dispatch(state, tools, context, params, record)
    except NlapiError as error:
        record.reason = error.message
        if isinstance(error, OutcomeUnknownError):
            record.outcome = CallOutcome.UNKNOWN
        return error_answer(str(error))
    except asyncio.CancelledError:
        record.outcome = CallOutcome.CANCELLED
        raise
    # The error's own text may hold a credential or a path of this machine, so only its type is given.
    except Exception as error:
        record.reason = type(error).__name__
        if record.outcome is CallOutcome.FAILED:
            record.outcome = CallOutcome.UNKNOWN
        state.report(f"{params.name}: {type(error).__name__} in nlapi")
        return error_answer(f"{type(error).__name__}: this is a fault of nlapi; nothing more is known of the call")


def _state_of(states: Sequence[ServerState], tools: OperationTools, params: types.CallToolRequestParams) -> ServerState:
    """Return the API that a call is of; the first one for what is of all, or of none."""
    name = (params.arguments or {}).get("operation") if params.name in SEARCH_TOOLS else params.name
    with suppress(UsageError):
        spec = tools.resolve(str(name)).operation.spec
        return next((state for state in states if state.spec is spec), states[0])
    return states[0]


def error_answer(message: str) -> types.CallToolResult:
    """Return an error as the answer of a tool."""
    text = error_for_model(message, MAX_MESSAGE)
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content={"status": None, "error": text}, is_error=True
    )


async def _dispatch(
    state: ServerState,
    tools: OperationTools,
    context: Context,
    params: types.CallToolRequestParams,
    record: CallRecord,
) -> ToolAnswer:
    arguments = params.arguments or {}
    if params.name == QUERY_TOOL:
        record.outcome = CallOutcome.ANSWERED
        return _structured_answer(state.answers.query(answer_owner(context, state.settings), arguments))
    if params.name in (FIND, DESCRIBE):
        text = tools.find(words_of(arguments)) if params.name == FIND else tools.describe(arguments)
        record.outcome = CallOutcome.ANSWERED
        return types.CallToolResult(content=[types.TextContent(text=strip_control(text))])
    if params.name == PLAN_TOOL:
        return await call_plan(state, tools, _consent_request(state, context, params, record))
    # `read` refuses a change although `change` would ask: a user may have allowed the tool `read` to run without a
    # question.
    if params.name in (READ, CHANGE):
        return await _call_operation(state, context, params, *tools.call(params.name, arguments), record)
    return await _call_operation(state, context, params, tools.resolve(params.name), arguments, record)


async def _call_operation(
    state: ServerState,
    context: Context,
    params: types.CallToolRequestParams,
    tool: Tool,
    arguments: Mapping[str, object],
    record: CallRecord,
) -> ToolAnswer:
    record.take_tool(tool, state.api_name)
    if (entry := state.catalogue.workflow(tool)) is not None:
        answer = await call_workflow(state, context, params, entry, arguments, record)
        return answer if params.name == tool.name else _framed(answer)
    call = Call(tool=tool, arguments={**registered_arguments(tool, state.settings), **arguments})
    target = state.target_for(context, call.effect)
    record.secrets = (*state.secrets, *target.credentials.values())
    policy = Policy(secrets=record.secrets)
    if refusal := policy.refusal(call):
        raise UsageError(f"{tool.operation.id} was not sent: {refusal}", hint="leave it out")
    prepared = prepare(call, target)
    if prepared.effect is not Effect.READ and (params.name == READ or state.settings.consent is Consent.NEVER):
        # An argument makes a change of an operation that reads.
        hint = f"the tool {CHANGE} calls it" if params.name == READ else "leave that argument out"
        raise UsageError(f"{tool.operation.id} would {prepared.effect} something", hint=hint)
    record.take_request(prepared, model_fields(tool.operation, target))
    if prepared.rule is not None and is_denied(prepared.rule):  # without the hint, which names a file of the server
        raise ConsentError(denial_message(tool.operation, prepared.rule), hint="do not try again")
    authorize_call(prepared, target)
    decision = policy.decide(prepared, conversation(""))
    allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    must_ask = decision.verdict is Verdict.ASK and state.settings.consent is Consent.ELICIT and not allowed
    record.consent = _consent_without_question(decision.verdict, is_allowed=allowed)
    if prepared.requires_question or must_ask:
        record.consent = ConsentKind.NONE
        changes = await _current_changes(state, prepared, target)
        subject = call_subject(prepared, changes)
        question = await request_consent(_consent_request(state, context, params, record), subject)
        if question is not None:
            record.outcome = CallOutcome.ASKED
            return question
        record.consent = ConsentKind.USER
    if prepared.effect is not Effect.READ and state.oversight.audit is not None:
        state.oversight.audit.write_sending(record)
    record.outcome = CallOutcome.FAILED
    works: list[WorkOutcome] = []
    result = await _perform_with_progress(state, context, prepared, target, works.append)
    record.outcome, record.status = CallOutcome.ANSWERED, result.status
    return _api_answer(state, context, call, result, works[0] if works else None)


def _consent_request(
    state: ServerState, context: Context, params: types.CallToolRequestParams, record: CallRecord
) -> ConsentRequest:
    return ConsentRequest(
        context=context,
        params=params,
        tickets=state.tickets,
        owner=answer_owner(context, state.settings),
        send=partial(call_tool, (state,), context),
        record=record,
    )


async def _current_changes(state: ServerState, prepared: Prepared, target: Target) -> tuple[FieldChange, ...]:
    """Return the fields that an update changes, where the operation that reads them is offered."""
    read = state_read(prepared.call)
    is_offered = read is not None and read.tool.operation in state.catalogue.operations
    return await current_changes(prepared, target) if is_offered else ()


def _consent_without_question(verdict: Verdict, *, is_allowed: bool) -> ConsentKind:
    """Return who agreed to a call that asks nobody."""
    if verdict is not Verdict.ASK:
        return ConsentKind.READ
    return ConsentKind.RULE if is_allowed else ConsentKind.CLIENT


def _framed(answer: ToolAnswer) -> ToolAnswer:
    """Return the outcome of a workflow as an answer of `read` or `change`; it has no status."""
    if not isinstance(answer, types.CallToolResult):
        return answer
    record: dict[str, Any] = answer.structured_content or {}
    failure = {"error": record["failure"]} if "failure" in record else {}
    return answer.model_copy(update={"structured_content": {"status": None, "data": record, **failure}})


async def _perform_with_progress(
    state: ServerState, context: Context, prepared: Prepared, target: Target, on_work: Callable[[WorkOutcome], None]
) -> Result:
    """Return the answer of the API, with progress reported to the client while it waits."""
    waiting = f"{prepared.call.operation_id} waits for an answer"
    limits, client = state.settings.limits, state.client
    try:
        async with progress_reports(context, lambda: waiting):
            result = await perform(prepared, target, limits=limits, client=client, for_model=True)
            return await finish_work(prepared, result, target, limits, on_work=on_work, for_model=True)
    except asyncio.CancelledError:
        # Both protocols forbid an answer to a cancelled call (docs/design/016).
        if prepared.effect is not Effect.READ:
            request = prepared.request
            sent = f"{request.method} {single_line(request.url)[:300]}"
            state.record_unknown_outcome(context, f"{prepared.call.operation_id} was cancelled on its way ({sent})")
        raise


def _api_answer(
    state: ServerState, context: Context, call: Call, result: Result, work: WorkOutcome | None = None
) -> types.CallToolResult:
    """Return the answer of the API as a model is shown it; the whole is stored where that is a part of it.

    `work` is the outcome of the API's work after its answer.
    """
    shown = state.answers.add(answer_owner(context, state.settings), result, call)
    if fault := state.answers.take_fault():
        state.report(f"{fault}; only the last answers are stored")
    view, is_failed = shown.view, result.status >= 400
    if work is not None:
        view = json.dumps({"work": work.message, **json.loads(view)}, ensure_ascii=False)
        is_failed = is_failed or work.state is WorkState.FAILED
    answer = _structured_answer(view, is_error=is_failed)
    answer.content.extend(_media(result))
    if shown.stored is not None:
        pages = answer_pages(shown.stored)
        description = f"All of it, in {count_noun(pages, 'page')}"
        uri, name = answer_uri(shown.stored), f"{call.operation_id} answer"
        answer.content.append(types.ResourceLink(name=name, uri=uri, description=description, mime_type="text/plain"))
    return answer


# What models and clients take; of other media the text says what they are.
_IMAGES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_SOUNDS = frozenset(("audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/webm", "audio/flac"))
MAX_MEDIA_BYTES = 2**20


def _media(result: Result) -> Iterator[types.ContentBlock]:
    """Yield an answer that is a picture or a sound as one, if it is whole and not long."""
    kind = result.content_type
    if not result.ok or result.is_cut or len(result.content) > MAX_MEDIA_BYTES:
        return
    if kind in _IMAGES:
        yield types.ImageContent(data=b64encode(result.content).decode(), mime_type=kind)
    elif kind in _SOUNDS:
        yield types.AudioContent(data=b64encode(result.content).decode(), mime_type=kind)


def _structured_answer(view: str, *, is_error: bool = False) -> types.CallToolResult:
    """Return an answer whose text and whose structured content are the same JSON object."""
    return types.CallToolResult(
        content=[types.TextContent(text=view)], structured_content=json.loads(view), is_error=is_error
    )
