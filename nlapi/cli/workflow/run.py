"""`nlapi workflow run` and `resume`: the tree, the consent to it, the calls and their outcome."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.options import argument, flag, is_interactive, is_terminal, options_of, parse_pairs, plain_headers
from nlapi.cli.render import console
from nlapi.cli.workflow.inputs import (
    File,
    Inputs,
    RunOptions,
    RunOutput,
    WorkflowId,
    ask_for_inputs,
    read_inputs,
    require_maskable,
)
from nlapi.cli.workflow.registered import OpenedDocument, open_document, require_sources, with_repairs
from nlapi.credential_references import is_reference
from nlapi.errors import ArgumentError, ConsentError, MissingError, NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.agent.records.log import Log
    from nlapi.agent.records.receipts import ConsentReceipt
    from nlapi.openapi.spec import Spec
    from nlapi.tools.sending.run import Target
    from nlapi.workflows.engine import WorkflowRun
    from nlapi.workflows.model import ArazzoWorkflow
    from nlapi.workflows.outline import WorkflowOutline

RUN = """nlapi workflow run onboarding.arazzo.yaml add-customer --input name=Ada --dry-run
nlapi workflow run onboarding.arazzo.yaml add-customer --input name=Ada --yes -o json
nlapi workflow run shop add-customer --input name=Ada
nlapi workflow run onboarding.arazzo.yaml add-customer --source shop=http://127.0.0.1:8000/openapi.json"""


@options_of(RunOptions, "options")
def run(
    file: File,
    options: RunOptions,
    workflow_id: WorkflowId = "",
    inputs: Inputs = None,
    dry_run: Annotated[
        bool, flag("--dry-run", "Show the requests as far as they are known, and send nothing.")
    ] = False,
) -> None:
    """Run a workflow. It is shown as a tree, and asks once before it changes anything.

    `nlapi workflow resume` continues a stopped run. Exits with 1 if a step failed, with 6 without consent, with 7 if an
    input is missing.
    """
    opened = open_document(
        file,
        options.sources,
        workflow_id=workflow_id,
        base_url=options.base_url,
        auth=options.auth,
        headers=options.headers,
        no_auth=options.no_auth,
    )
    file = file if file == "-" else opened.document.location or file
    require_sources(opened)
    workflow = opened.document.workflow(workflow_id)
    if options.repair:
        opened = with_repairs(opened, only=workflow.id)
        workflow = opened.document.workflow(workflow.id)
    run_workflow(opened, workflow, read_inputs(workflow, inputs), options, file, dry_run=dry_run)


def run_workflow(
    opened: OpenedDocument,
    workflow: ArazzoWorkflow,
    inputs: Mapping[str, Any],
    options: RunOptions,
    file: str,
    *,
    dry_run: bool,
) -> None:
    """Run a workflow of an opened document, or show it; `file` is what a transcript stores of it."""
    from nlapi.cli.workflow.view import dry_run_lines, outline_record
    from nlapi.workflows.engine import WorkflowRun
    from nlapi.workflows.outline import tree_lines

    if options.until and workflow.step(options.until) is None:
        raise UsageError(
            f"{workflow.id} has no step {options.until}", hint=f"its steps: {', '.join(s.id for s in workflow.steps)}"
        )
    values = ask_for_inputs(workflow, dict(inputs))
    tree = _outline(opened, workflow, values, strict=options.strict)
    as_text = options.output is RunOutput.TEXT or (options.output is None and is_terminal())
    if dry_run:
        if as_text:
            for line in dry_run_lines(tree, opened.targets):
                console.write(line)
        else:
            console.write(console.format_json(outline_record(tree, opened.targets)))
        console.note("nothing was sent")
        return
    for line in tree_lines(tree):
        console.note(line)
    if not options.no_log or options.output is RunOutput.NDJSON:
        require_maskable(workflow, values)
    tree = tree.up_to(options.until)
    _require_sendable(tree, opened.targets)
    receipt = _require_consent(tree, opened.targets, options)
    workflow_run = WorkflowRun(
        linked=opened.linked,
        workflow=workflow,
        inputs=values,
        defaults=opened.defaults,
        until=options.until,
        strict=options.strict,
    )
    _execute(opened, workflow_run, tree, options, file, receipt=receipt)


RESUME = """nlapi workflow resume
nlapi workflow resume 20261125T0014 --yes"""


@options_of(RunOptions, "options", ("until", "strict", "sources", "repair"))
def resume(
    options: RunOptions,
    id: Annotated[str, argument("ID", "The run's transcript id from `nlapi log list`.")] = "last",
    inputs: Inputs = None,
) -> None:
    """Continue a run that stopped or failed. Calls that were answered are not sent again.

    A change with an unknown outcome asks, even with --yes. Secret inputs must be given again.
    """
    from nlapi.agent.records.log import Log
    from nlapi.cli.log import find_transcript

    # It is read when nobody else writes to it.
    with Log.open(find_transcript(id)) as log:
        _resume_run(options, log, inputs)


def _resume_run(options: RunOptions, log: Log, inputs: Inputs) -> None:
    """Resume the run of a transcript that is open for writing."""
    from nlapi.agent.records.transcripts import read_records
    from nlapi.agent.records.transcripts import resume as rebuild
    from nlapi.cli.log import tool_finder
    from nlapi.openapi.fetch import STANDARD_INPUT
    from nlapi.workflows.outline import tree_lines, unstored_values
    from nlapi.workflows.planner import resume_planner

    path = log.path
    records = read_records(path)
    # The record of a separate run, or of a workflow that a question or a model started.
    found = [record for record in records if record.get("event") in ("asked", "workflow") and "workflow" in record]
    if not found:
        raise UsageError(f"the transcript {path.stem} has no run of a workflow", hint="`nlapi log list` shows them")
    stored = found[-1]["workflow"]
    if stored["file"] in ("-", STANDARD_INPUT):
        raise UsageError("the workflow came from standard input, and is not here any more", hint="run it from a file")
    asked = [record for record in records if record.get("event") == "asked"]
    # The resumed run's target is in its transcript again: a second resume goes to the same API as this one.
    options = replace(
        options,
        base_url=options.base_url or asked[-1].get("base_url"),
        auth=[] if options.no_auth else [*asked[-1].get("auth", ()), *(options.auth or ())],
        headers=[*(options.headers or asked[-1].get("headers", ()))],
        no_auth=options.no_auth or (bool(asked[-1].get("no_auth")) and not options.auth),
    )
    opened = open_document(
        stored["file"],
        [f"{name}={location}" for name, location in stored["sources"].items()],
        base_url=options.base_url,
        auth=options.auth,
        headers=options.headers,
        no_auth=options.no_auth,
    )
    if stored.get("repair"):
        opened = with_repairs(opened)
    workflow = opened.document.workflow(stored["id"])
    values = _stored_inputs(stored, read_inputs(workflow, inputs))
    earlier = rebuild(records, tool_finder(records, tuple(opened.targets)))
    planner = resume_planner(opened.linked, earlier, values, unstored_values(workflow, values, _credentials(opened)))
    planner.run.defaults = opened.defaults
    tree = _outline(opened, workflow, values, strict=planner.run.strict).up_to(planner.run.until)
    _require_readable(tree)
    done = {report.path for report in planner.run.reports if not report.failure}
    left = replace(tree, entries=tuple(entry for entry in tree.entries if entry.path not in done))
    console.note(f"{len(tree.entries) - len(left.entries)} of {len(tree.entries)} steps are done")
    for line in tree_lines(left) if left.entries else ():
        console.note(line)
    receipt = _require_consent(left, opened.targets, options)
    _execute(
        opened,
        planner.run,
        tree,
        replace(options, until=planner.run.until, repair=bool(stored.get("repair"))),
        stored["file"],
        receipt=receipt,
        log=log,
        earlier=earlier,
    )


def _outline(
    opened: OpenedDocument, workflow: ArazzoWorkflow, inputs: Mapping[str, Any], *, strict: bool
) -> WorkflowOutline:
    """Return the tree of a workflow, with `***` for secret inputs."""
    from nlapi.workflows.outline import masked_outline

    return masked_outline(opened.linked, workflow, inputs, defaults=opened.defaults, strict=strict)


def _credentials(opened: OpenedDocument) -> tuple[str, ...]:
    return tuple(secret for target in opened.targets.values() for secret in target.credentials.values())


def _stored_inputs(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a run that is resumed: those of its transcript, and those that no transcript has."""
    for name, value in given.items():
        if name not in stored["secret_inputs"] and stored["inputs"].get(name) != value:
            raise UsageError(f"the input {name} of a run does not change", hint="run the workflow again with another")
    missing = [name for name in stored["secret_inputs"] if name not in given]
    if missing:
        raise MissingError(
            f"the input {missing[0]} is a secret or a file, and not in the transcript", hint="give it with --input"
        )
    return {**stored["inputs"], **given}


def _require_readable(tree: WorkflowOutline) -> None:
    """Refuse a run of which a part cannot be read: a criterion, a step, or an action would be left out of it."""
    if tree.unread:
        raise UsageError(
            f"a part of {tree.workflow.id} cannot be read, and nothing was sent: {tree.unread[0]}",
            hint="`nlapi workflow check` has each",
        )


def _require_sendable(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> None:
    """Refuse a run with a step that cannot be sent: what is before it would be changed for nothing."""
    from nlapi.workflows.outline import denials, unsendable

    _require_readable(tree)
    if denial := next(denials(tree, targets), ""):
        raise ConsentError(f"{denial}; nothing was sent", hint="`nlapi policy` shows the rules")
    if fault := next(unsendable(tree, targets), ""):
        hint = "`nlapi workflow check` and `repair` help; --until STEP ends after an earlier one. Nothing was sent"
        raise ArgumentError(fault, hint=hint)


def _require_consent(
    tree: WorkflowOutline, targets: Mapping[Spec, Target], options: RunOptions
) -> ConsentReceipt | None:
    """Ask once about all changes of a run; return the receipt of the yes. ConsentError where nobody agrees."""
    from nlapi.agent.events import ConsentReply
    from nlapi.agent.records.receipts import reply_of, run_receipt
    from nlapi.cli.ask.prompts import ask_for_run
    from nlapi.openapi.spec import Effect
    from nlapi.workflows.outline import question_rule

    if not tree.changes:
        return None
    destroyed = sum(entry.effect is Effect.DESTROY for entry in tree.changes)
    warning = f", {destroyed} of them {'takes' if destroyed == 1 else 'take'} something away" if destroyed else ""
    text = f"{console.count_noun(len(tree.changes), 'change')}{warning}"
    rule = question_rule(tree, targets)
    # At a terminal the question about that step comes at its turn.
    if options.yes and (not rule or is_interactive()):
        return None
    if not is_interactive():
        hint = f"{rule}: run it in a terminal, where you are asked" if rule else "--yes consents"
        raise ConsentError(f"the workflow {tree.workflow.id} makes {text}; nothing was sent", hint=hint)
    is_agreed, _ = ask_for_run(tree.operations_of_changes, text)
    spec = next((operation.spec for operation, _ in tree.operations_of_changes), next(iter(targets)))
    receipt = reply_of(run_receipt("workflow", spec, tree.workflow.id), ConsentReply(is_agreed=is_agreed))
    if not is_agreed:
        if not options.no_log:
            console.write_receipt(receipt)
        raise ConsentError("no consent was given; nothing was sent")
    return receipt


def _execute(
    opened: OpenedDocument,
    workflow_run: WorkflowRun,
    tree: WorkflowOutline,
    options: RunOptions,
    file: str,
    *,
    receipt: ConsentReceipt | None,
    log: Log | None = None,
    earlier: Any = None,
) -> None:
    """Send the calls of a run, and print its outcome. `log` is the transcript of one that is resumed."""
    from nlapi.agent.policy import Policy
    from nlapi.cli.ask.events import json_lines
    from nlapi.cli.ask.prompts import ConsentPrompt
    from nlapi.cli.ask.session import Session, open_log
    from nlapi.cli.target import limits, waiting_limits
    from nlapi.cli.workflow.view import StepRenderer
    from nlapi.client.masking import redact
    from nlapi.tools.plan import ask
    from nlapi.workflows.engine import MAX_CALLS, RunState
    from nlapi.workflows.outline import masked_texts, unstored_names, unstored_values
    from nlapi.workflows.planner import WorkflowPlanner, failure_lines, run_lines, run_record

    workflow, inputs = workflow_run.workflow, workflow_run.inputs
    credentials = _credentials(opened)
    # A secret input goes into arguments, where a credential never may; the transcript has neither.
    secrets = masked_texts(workflow, inputs, credentials)
    policy = Policy(interactive=is_interactive(), secrets=credentials, agreed=tree.call_ids(workflow_run.id))
    planner = WorkflowPlanner(run=workflow_run, unstored=unstored_values(workflow, inputs, credentials))
    as_events = options.output is RunOutput.NDJSON
    renderer = json_lines if as_events else StepRenderer
    session = Session(
        planner=planner,
        targets=opened.targets,
        render=renderer(opened.targets, secrets=secrets),
        policy=policy,
        consent=ConsentPrompt(),
        face="workflow",
        receipt=receipt,
        limits=waiting_limits(limits(options.timeout), options.wait, no_wait=options.no_wait),
        max_rounds=MAX_CALLS,
        hints_at_resume=False,
        log_fields=_log_fields(opened, workflow_run, options, file, unstored_names(workflow, inputs)),
    )
    question = f"run the workflow {workflow_run.workflow.id}"
    known_values = parse_pairs(options.values, "--set")
    _require_known_arguments(known_values, tree)
    conversation = ask(question) if earlier is None else earlier.with_question(question)
    conversation = conversation.with_replies(known_values)
    if log is not None:
        log.hide(secrets)
    context = nullcontext(log) if log is not None else open_log(not options.no_log, replace(policy, secrets=secrets))
    with _claim(workflow_run), context as session.log:
        try:
            asyncio.run(session.answer(conversation))
        except (NlapiError, KeyboardInterrupt) as error:
            if isinstance(error, MissingError) and workflow_run.missing is not None:
                error.hint = f"--set {workflow_run.missing.argument}=... gives it"
            if session.log is not None:
                hint = f"`nlapi workflow resume {session.log.path.stem}` goes on, and sends nothing twice"
                if isinstance(error, NlapiError):
                    error.message = redact(error.message, secrets)
                    error.hint = "; ".join(filter(None, (error.hint, hint)))
                else:
                    console.note(f"\n{hint}")
            raise
        path = session.log.path if session.log is not None else None
    if as_events:
        pass
    elif options.output is RunOutput.TEXT or (options.output is None and is_terminal()):
        for line in run_lines(workflow_run):
            console.write(redact(line, secrets))
    else:
        console.write(redact(console.format_json(run_record(workflow_run, tree)), secrets))
    if workflow_run.state is not RunState.DONE:
        console.error(redact(workflow_run.failure, secrets))
        for line in [*failure_lines(workflow_run, tree)][1:]:
            console.note(redact(line, secrets))
        # Also where the first step failed: the outcome of a change may be unknown, and resuming asks about it.
        if path is not None and workflow_run.reports:
            console.note(f"`nlapi workflow resume {path.stem}` goes on where it stopped, and sends nothing twice")
        raise typer.Exit(_failure_code(session))


def _claim(workflow_run: WorkflowRun) -> AbstractContextManager[None]:
    """Return the context in which no other process runs the workflow with the same inputs."""
    from nlapi.cli.ask.planners import only_process
    from nlapi.workflows.engine import document_digest

    workflow = workflow_run.workflow
    content = [document_digest(workflow_run.linked.document), workflow.id, workflow_run.inputs]
    name = json.dumps(content, default=repr, sort_keys=True)
    return only_process((name,), f"the workflow {workflow.id} with these inputs", "wait for it, or end it")


def _require_known_arguments(values: Iterable[str], tree: WorkflowOutline) -> None:
    """Refuse a value for a step or an argument that there is not: it would be left out unseen."""
    from nlapi.tools.compile import compile_tool

    for name in values:
        names = {
            f"{entry.step.id}.{argument}"
            for entry in tree.entries
            if entry.operation is not None
            for argument in compile_tool(entry.operation).places
        }
        if not any(name == known or name.startswith(f"{known}.") for known in names):
            known = ", ".join(sorted(names)[:12])
            raise UsageError(f"--set {name}: no step has such an argument", hint=f"STEP.ARGUMENT: {known}")


def _failure_code(session: Any) -> int:
    """Return 6 for a call that was refused, 3 to 5 for the API's last status, else 1."""
    from nlapi.tools.plan import Outcome

    steps: Sequence[Any] = session.conversation.current.steps if session.conversation.turns else ()
    if not steps:
        return 1
    if steps[-1].outcome is Outcome.REFUSED:
        return 6
    status = steps[-1].result.status if steps[-1].result is not None else 0
    return min(status // 100, 5) if status >= 300 else 1


def _log_fields(
    opened: OpenedDocument, workflow_run: WorkflowRun, options: RunOptions, file: str, secret: frozenset[str]
) -> dict[str, object]:
    """Return what a transcript stores of a run, so that it can be resumed; no credential is in it."""
    from nlapi.workflows.sources import stored_location

    references = [text for text in options.auth or () if is_reference(text.partition("=")[2])]
    stored = {
        "file": stored_location(file),
        "id": workflow_run.workflow.id,
        "sources": opened.linked.stored_sources,
        "inputs": {name: value for name, value in workflow_run.inputs.items() if name not in secret},
        "secret_inputs": sorted(secret),
        "repair": options.repair,
    }
    return {
        "workflow": stored,
        "base_url": options.base_url,
        "auth": references,
        "no_auth": options.no_auth,
        "headers": plain_headers(options.headers),
    }
