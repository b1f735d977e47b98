"""`nlapi workflow`: Arazzo documents checked, shown, run and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import console, table
from nlapi.cli.options import (
    FLAG,
    Auth,
    BaseUrl,
    Deadline,
    ListFormat,
    ListOutput,
    NoAuth,
    NoLog,
    Yes,
    is_interactive,
    is_terminal,
    options_of,
    parse_pairs,
)
from nlapi.errors import ArgumentError, ConsentError, MissingError, NlapiError, UsageError
from nlapi.openapi.urls import redact_url

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Target
    from nlapi.workflows.engine import WorkflowRun
    from nlapi.workflows.model import Workflow, WorkflowDocument
    from nlapi.workflows.outline import Outline
    from nlapi.workflows.sources import LinkedDocument

app = typer.Typer(
    help="Check, show and run workflows: several calls as one document (Arazzo 1.0 and 1.1).", no_args_is_help=True
)


class RunOutput(StrEnum):
    """The output formats of a run."""

    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


class TreeFormat(StrEnum):
    """The output formats of a workflow before it runs."""

    TREE = "tree"
    MERMAID = "mermaid"
    JSON = "json"


File = Annotated[
    str, typer.Argument(metavar="FILE", help="An Arazzo document: a path, a URL, or - for standard input.")
]
WorkflowId = Annotated[
    str, typer.Argument(metavar="[ID]", help="Its workflowId; not needed where the document has one workflow.")
]
SourceOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="[NAME=]SOURCE",
        help="Where a description is: a path, a URL or a registered API. Without NAME for the only one.",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="NAME=VALUE", help="An input; NAME=@FILE reads a file, NAME=env:VAR too."),
]
Strict = Annotated[
    bool, typer.Option("--strict", metavar=FLAG, help="To the letter of the standard: what bends it fails.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run, one field each, in the order of the help text."""

    yes: Yes = False
    until: Annotated[str, typer.Option("--until", metavar="STEP", help="Stop after this step.")] = ""
    sources: SourceOverrides = None
    base_url: BaseUrl = None
    auth: Auth = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    strict: Strict = False
    no_log: NoLog = False
    output: Annotated[
        RunOutput | None, typer.Option("-o", "--output", help="text on a terminal, else json; ndjson has each event.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A document with its APIs: Targets, and the registered values of each by argument."""

    linked: LinkedDocument
    targets: Mapping[Spec, Target]
    defaults: Mapping[Spec, Mapping[str, Any]]

    @property
    def document(self) -> WorkflowDocument:
        return self.linked.document


def _open(
    file: str,
    sources: list[str] | None,
    *,
    base_url: str | None = None,
    auth: list[str] | None = None,
    no_auth: bool = False,
) -> _Opened:
    """Return a document with its sources opened. A source that cannot be is an Issue of it."""
    from nlapi.cli.target import open_target
    from nlapi.workflows.read import read_document
    from nlapi.workflows.sources import link

    targets: dict[Spec, Target] = {}
    defaults: dict[Spec, Mapping[str, Any]] = {}

    def load(source: str) -> Spec:
        target, values = open_target(source, base_url, auth, no_auth=no_auth)
        targets[target.spec], defaults[target.spec] = target, values
        return target.spec

    with console.show_progress("reading the workflow and its descriptions"):
        document = read_document(file)
        linked = link(document, sources=_overrides(document, sources), loader=load)
    if len(targets) > 1 and (base_url or auth or no_auth):
        raise UsageError(
            "--base-url, --auth and --no-auth go with one API",
            hint="register each with `nlapi api add`, then name them with --source NAME=API",
        )
    return _Opened(linked=linked, targets=targets, defaults=defaults)


def _overrides(document: WorkflowDocument, sources: list[str] | None) -> dict[str, str]:
    """Return where the sources of a document are, by name, as the user says."""
    overrides: dict[str, str] = {}
    names = [source.name for source in document.sources]
    for text in sources or ():
        name, mark, location = text.partition("=")
        if mark and name in names:
            overrides[name] = location
        elif len(names) == 1:
            overrides[names[0]] = text
        else:
            raise UsageError(f"--source {text} names none of the sources", hint=f"its sources: {', '.join(names)}")
    return overrides


CHECK = """nlapi workflow check onboarding.arazzo.yaml
nlapi workflow check onboarding.arazzo.yaml --source shop=openapi.yaml -o json
nlapi workflow check onboarding.arazzo.yaml --strict"""


@app.command(epilog=CHECK)
def check(file: File, sources: SourceOverrides = None, strict: Strict = False, output: ListOutput = None) -> None:
    """Check a document against its descriptions: operations, arguments, outputs, conditions, loops.

    Exits with 1 when a run would stop: at an error, or with --strict at what bends the standard.
    """
    from nlapi.issue import Level
    from nlapi.workflows.check import BEND
    from nlapi.workflows.check import check as check_document

    opened = _open(file, sources)
    issues = check_document(opened.linked)
    if table.is_json(output):
        console.write(console.format_json([asdict(issue) for issue in issues]))
    else:
        for issue in issues:
            console.write(str(issue))
    errors = [issue for issue in issues if issue.level is Level.ERROR or (strict and issue.rule == BEND)]
    warnings = len(issues) - len(errors)
    count = console.count_noun(len(opened.document.workflows), "workflow")
    console.note(f"{count}: {console.count_noun(len(errors), 'error')}, {console.count_noun(warnings, 'warning')}")
    if errors:
        raise typer.Exit(1)


SHOW = """nlapi workflow show onboarding.arazzo.yaml
nlapi workflow show onboarding.arazzo.yaml add-customer --input name=Ada
nlapi workflow show onboarding.arazzo.yaml add-customer -o mermaid"""


@app.command(epilog=SHOW)
def show(
    file: File,
    workflow_id: WorkflowId = "",
    inputs: Inputs = None,
    sources: SourceOverrides = None,
    output: Annotated[TreeFormat, typer.Option("-o", "--output", help="mermaid is a diagram.")] = TreeFormat.TREE,
) -> None:
    """Show a workflow as a tree: what reads, what changes, and what is known now. Without ID, list the workflows."""
    from nlapi.cli.workflow_view import mermaid, outline_record, tree_lines
    from nlapi.workflows.outline import outline

    opened = _open(file, sources)
    if not workflow_id and len(opened.document.workflows) > 1:
        rows = [
            {"id": workflow.id, "steps": len(workflow.steps), "summary": workflow.summary or workflow.description}
            for workflow in opened.document.workflows
        ]
        format = ListFormat.JSON if output is TreeFormat.JSON else None
        table.print_list(rows, format, ("id", "steps", "summary"))
        return
    workflow = opened.document.workflow(workflow_id)
    tree = outline(opened.linked, workflow, read_inputs(workflow, inputs), defaults=opened.defaults)
    if output is TreeFormat.MERMAID:
        console.write(mermaid(tree))
    elif output is TreeFormat.JSON:
        console.write(console.format_json(outline_record(tree)))
    else:
        for line in tree_lines(tree):
            console.write(line)


RUN = """nlapi workflow run onboarding.arazzo.yaml add-customer --input name=Ada --dry-run
nlapi workflow run onboarding.arazzo.yaml add-customer --input name=Ada --yes -o json
nlapi workflow run onboarding.arazzo.yaml add-customer --source shop=http://127.0.0.1:8000/openapi.json"""


@app.command(epilog=RUN)
@options_of(RunOptions, "options")
def run(
    file: File,
    options: RunOptions,
    workflow_id: WorkflowId = "",
    inputs: Inputs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar=FLAG, help="Show the requests as far as they are known; send nothing.")
    ] = False,
) -> None:
    """Run a workflow: show it as a tree, ask once before it changes anything, and send its calls.

    A run that was stopped goes on with `nlapi workflow resume`. Exits with 1 where a step failed, with 6 without
    consent, with 7 where an input is missing.
    """
    from nlapi.cli.workflow_view import dry_run_lines, outline_record, tree_lines
    from nlapi.workflows.engine import WorkflowRun
    from nlapi.workflows.outline import outline

    opened = _open(file, options.sources, base_url=options.base_url, auth=options.auth, no_auth=options.no_auth)
    workflow = opened.document.workflow(workflow_id)
    _require_sources(opened)
    if options.until and workflow.step(options.until) is None:
        raise UsageError(
            f"{workflow.id} has no step {options.until}", hint=f"its steps: {', '.join(s.id for s in workflow.steps)}"
        )
    values = _ask_for_inputs(workflow, read_inputs(workflow, inputs))
    tree = outline(opened.linked, workflow, values, defaults=opened.defaults, strict=options.strict)
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
    _require_sendable(tree, options.until)
    _require_consent(tree, yes=options.yes)
    workflow_run = WorkflowRun(
        linked=opened.linked,
        workflow=workflow,
        inputs=values,
        defaults=opened.defaults,
        until=options.until,
        strict=options.strict,
    )
    _execute(opened, workflow_run, tree, options, file)


RESUME = """nlapi workflow resume
nlapi workflow resume 20261125T0014 --yes"""


@app.command(epilog=RESUME)
@options_of(RunOptions, "options", ("until", "strict", "sources"))
def resume(
    options: RunOptions,
    id: Annotated[
        str, typer.Argument(metavar="[ID]", help="The transcript of the run, as `nlapi log list` has it.")
    ] = "last",
    inputs: Inputs = None,
) -> None:
    """Go on with a run that was stopped or failed, where it was: no call that was answered is sent again.

    A change whose outcome is unknown asks, also with --yes. Secret inputs have to be given again.
    """
    from nlapi.agent.log import read_records
    from nlapi.agent.resume import resume as rebuild
    from nlapi.cli.log import find_transcript, tool_finder
    from nlapi.workflows.outline import outline
    from nlapi.workflows.planner import resume_planner

    path = find_transcript(id)
    records = read_records(path)
    asked = [record for record in records if record.get("event") == "asked" and "workflow" in record]
    if not asked:
        raise UsageError(f"the transcript {path.stem} has no run of a workflow", hint="`nlapi log list` shows them")
    stored = asked[-1]["workflow"]
    auth = [] if options.no_auth else [*asked[-1].get("auth", ()), *(options.auth or ())]
    opened = _open(
        stored["file"],
        [f"{name}={location}" for name, location in stored["sources"].items()],
        base_url=options.base_url or asked[-1].get("base_url"),
        auth=auth,
        no_auth=options.no_auth,
    )
    workflow = opened.document.workflow(stored["id"])
    given = read_inputs(workflow, inputs)
    values = {**stored["inputs"], **given}
    missing = [name for name in stored["secret_inputs"] if name not in given]
    if missing:
        raise MissingError(f"the input {missing[0]} is secret and not in the transcript", hint="give it with --input")
    earlier = rebuild(records, tool_finder(records, tuple(opened.targets)))
    planner = resume_planner(opened.linked, earlier, values, secret_names(workflow))
    planner.run.defaults = opened.defaults
    tree = outline(opened.linked, workflow, values, defaults=opened.defaults, strict=planner.run.strict)
    done = {report.path for report in planner.run.reports if not report.failure}
    left = replace(tree, entries=tuple(entry for entry in tree.entries if entry.path not in done))
    console.note(f"{len(done)} of {len(tree.entries)} steps are done; these are left:")
    _require_consent(left, yes=options.yes)
    _execute(
        opened,
        planner.run,
        tree,
        replace(options, until=planner.run.until),
        stored["file"],
        log_path=path,
        earlier=earlier,
    )


def read_inputs(workflow: Workflow, texts: list[str] | None) -> dict[str, Any]:
    """Return the inputs of `NAME=VALUE` by the schemas of the workflow. UsageError for one that it does not have."""
    from nlapi.registry import resolve_credential
    from nlapi.tools.arguments import coerce

    values: dict[str, Any] = {}
    for name, text in parse_pairs(texts, "--input").items():
        if name not in workflow.input_schemas:
            known = ", ".join(workflow.input_schemas) or "none"
            raise UsageError(f"{workflow.id} has no input {name}", hint=f"its inputs: {known}")
        schema = workflow.input_schemas[name]
        if text.startswith("@"):
            values[name] = _file_input(name, text[1:], schema if isinstance(schema, Mapping) else {})
            continue
        text = resolve_credential(name, text) if text.startswith("env:") else text
        values[name] = coerce(text, schema if isinstance(schema, Mapping) else {})
    _check_inputs(workflow, values)
    return values


def _file_input(name: str, path: str, schema: Mapping[str, Any]) -> Any:
    """Return the content of a file as an input: JSON for an object or a list, text where it is one, else the file."""
    import json

    from nlapi.cli.arguments import read_file_argument
    from nlapi.resources.schemas import schema_types

    file = read_file_argument(path)
    types = schema_types(schema)
    if types and "string" not in types:
        try:
            return json.loads(file.data)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--input {name}: {path} is not JSON: {error}") from None
    try:
        text = file.data.decode("utf-8")
    except UnicodeDecodeError:
        return file
    return file if schema.get("format") == "binary" or "contentMediaType" in schema else text


def _check_inputs(workflow: Workflow, values: Mapping[str, Any]) -> None:
    from nlapi.client.message import File
    from nlapi.tools.validator import VALIDATOR

    schema = {key: value for key, value in workflow.inputs.items() if key != "required"}
    checked = {name: value for name, value in values.items() if not isinstance(value, File)}
    error = next(iter(VALIDATOR(schema).iter_errors(checked)), None) if schema else None
    if error is not None:
        name = str(error.absolute_path[0]) if error.absolute_path else "inputs"
        raise UsageError(f"--input {name}: {error.message[:200]}")


def _ask_for_inputs(workflow: Workflow, values: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs with those that are required and missing, which a person is asked for."""
    from nlapi.cli.prompts import read_line
    from nlapi.tools.arguments import coerce

    schemas = workflow.input_schemas
    missing = [
        name for name in workflow.required_inputs if name not in values and "default" not in (schemas.get(name) or {})
    ]
    if missing and not is_interactive():
        options = " ".join(f"--input {name}=..." for name in missing)
        raise MissingError(f"{workflow.id} needs {', '.join(missing)}", hint=f"add {options}")
    for name in missing:
        schema = schemas.get(name) or {}
        if text := schema.get("description"):
            console.note(str(text))
        typed = (read_line(f"{name}: ") or "").strip()
        if not typed:
            raise MissingError(f"{workflow.id} needs {name}", hint=f"add --input {name}=...")
        values[name] = coerce(typed, schema)
    _check_inputs(workflow, values)
    return values


def secret_names(workflow: Workflow) -> frozenset[str]:
    """Return the inputs that are secret by their schema (`format: password`, `writeOnly`), in no transcript."""
    return frozenset(
        name
        for name, schema in workflow.input_schemas.items()
        if isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)
    )


def _unstored_names(workflow_run: WorkflowRun) -> frozenset[str]:
    """Return the inputs of a run that no transcript has: secrets, and files."""
    from nlapi.client.message import File

    files = {name for name, value in workflow_run.inputs.items() if isinstance(value, File)}
    return frozenset(name for name in secret_names(workflow_run.workflow) | files if name in workflow_run.inputs)


def _require_sources(opened: _Opened) -> None:
    if opened.linked.issues:
        raise NlapiError(str(opened.linked.issues[0]))


def _require_sendable(tree: Outline, until: str) -> None:
    """Refuse a run with a step that cannot be sent: what is before it would be changed for nothing."""
    for entry in tree.entries:
        if entry.fault:
            hint = "`nlapi workflow check` and `repair` help; --until STEP stops before it. Nothing was sent"
            raise ArgumentError(f"{entry.path} cannot be sent: {entry.fault}", hint=hint)
        if entry.path == until:
            return


def _require_consent(tree: Outline, *, yes: bool) -> None:
    """Ask once about all changes of a run. ConsentError where nobody agrees."""
    from nlapi.cli.prompts import YES, read_line
    from nlapi.openapi.spec import Effect

    if not tree.changes:
        return
    destroyed = sum(entry.effect is Effect.DESTROY for entry in tree.changes)
    warning = f", {destroyed} of them {'takes' if destroyed == 1 else 'take'} something away" if destroyed else ""
    text = f"{console.count_noun(len(tree.changes), 'change')}{warning}"
    if yes:
        return
    if not is_interactive():
        raise ConsentError(f"the workflow {tree.workflow.id} makes {text}; nothing was sent", hint="--yes consents")
    if (read_line(f"{text}. Run it? [y/N]: ") or "").strip().lower() not in YES:
        raise ConsentError("no consent was given; nothing was sent")


def _execute(
    opened: _Opened,
    workflow_run: WorkflowRun,
    tree: Outline,
    options: RunOptions,
    file: str,
    *,
    log_path: Path | None = None,
    earlier: Any = None,
) -> None:
    """Send the calls of a run, and print its outcome."""
    from nlapi.agent.log import Log
    from nlapi.agent.policy import Policy
    from nlapi.cli.events import json_lines
    from nlapi.cli.prompts import ConsentPrompt
    from nlapi.cli.session import Session, open_log
    from nlapi.cli.target import limits
    from nlapi.cli.workflow_view import StepRenderer, report_record, report_text
    from nlapi.tools.plan import ask
    from nlapi.workflows.engine import MAX_CALLS, RunState
    from nlapi.workflows.planner import WorkflowPlanner

    credentials = tuple(secret for target in opened.targets.values() for secret in target.credentials.values())
    names = _unstored_names(workflow_run)
    # A secret input goes into arguments, where a credential never may; the transcript has neither.
    secrets = (*credentials, *(str(workflow_run.inputs[name]) for name in names))
    policy = Policy(interactive=is_interactive(), secrets=credentials, agreed=tree.call_ids)
    planner = WorkflowPlanner(run=workflow_run, secret_inputs=names)
    session = Session(
        planner=planner,
        targets=opened.targets,
        render=json_lines(opened.targets) if options.output is RunOutput.NDJSON else StepRenderer(opened.targets),
        policy=policy,
        consent=ConsentPrompt(),
        limits=limits(options.timeout),
        max_rounds=MAX_CALLS,
        log_fields=_log_fields(opened, workflow_run, options, file, names),
    )
    question = f"run the workflow {workflow_run.workflow.id}"
    conversation = ask(question) if earlier is None else earlier.with_question(question)
    new_log = open_log(not options.no_log, replace(policy, secrets=secrets)) if log_path is None else None
    context = Log.open(log_path, secrets=secrets) if log_path is not None else new_log
    assert context is not None
    with context as session.log:
        try:
            asyncio.run(session.answer(conversation))
        except (NlapiError, KeyboardInterrupt) as error:
            if session.log is not None:
                hint = f"`nlapi workflow resume {session.log.path.stem}` goes on, and sends nothing twice"
                if isinstance(error, NlapiError):
                    error.hint = hint
                else:
                    console.note(f"\n{hint}")
            raise
        path = session.log.path if session.log is not None else None
    if options.output is RunOutput.NDJSON:
        pass
    elif options.output is RunOutput.TEXT or (options.output is None and is_terminal()):
        for line in report_text(workflow_run):
            console.write(line)
    else:
        console.write(console.format_json(report_record(workflow_run)))
    if workflow_run.state is not RunState.DONE:
        console.error(workflow_run.failure)
        if path is not None and any(not report.failure for report in workflow_run.reports):
            console.note(f"`nlapi workflow resume {path.stem}` goes on where it stopped, and sends nothing twice")
        raise typer.Exit(_failure_code(session))


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
    opened: _Opened, workflow_run: WorkflowRun, options: RunOptions, file: str, secret: frozenset[str]
) -> dict[str, object]:
    """Return what a transcript stores of a run, so that it can be resumed; no credential is in it."""
    references = [text for text in options.auth or () if text.partition("=")[2].startswith("env:")]
    stored = {
        "file": _stored_path(file),
        "id": workflow_run.workflow.id,
        "sources": {name: spec.registered or _stored_path(spec.source) for name, spec in opened.linked.specs.items()},
        "inputs": {name: value for name, value in workflow_run.inputs.items() if name not in secret},
        "secret_inputs": sorted(secret),
    }
    return {"workflow": stored, "base_url": options.base_url, "auth": references, "no_auth": options.no_auth}


def _stored_path(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).is_file() else redact_url(source)
