"""`nlapi workflow`: Arazzo documents checked, shown, run and resumed."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nlapi.cli.options import ListFormat, ListOutput, Source, argument, option
from nlapi.cli.render import console, table
from nlapi.cli.workflow import run as workflow_run
from nlapi.cli.workflow.inputs import File, Inputs, SourceOverrides, Strict, WorkflowId, read_inputs
from nlapi.cli.workflow.registered import open_document, require_sources, source_overrides
from nlapi.errors import UsageError
from nlapi.local_files import write_output

app = typer.Typer(help="Check, show and run workflows: several calls in one Arazzo document.", no_args_is_help=True)


class TreeFormat(StrEnum):
    """The output formats of a workflow before it runs."""

    TREE = "tree"
    MERMAID = "mermaid"
    JSON = "json"


LIST = """nlapi workflow list
nlapi workflow list shop -o json"""


@app.command("list", epilog=LIST)
def list_(
    apis: Annotated[list[str] | None, argument("API", "Registered APIs. Default: all of them.")] = None,
    output: ListOutput = None,
) -> None:
    """Show the workflows that are registered with APIs; `nlapi api add --workflows FILE` registers them."""
    from nlapi.cli.workflow.registered import list_registered

    rows = list_registered(apis)
    columns = ("api", "id", "effect", "inputs", "summary")
    if not table.is_json(output):
        rows = [{**row, "inputs": " ".join(row["inputs"])} for row in rows]
    table.print_list(rows, output, columns, empty="no workflow is registered: `nlapi api add --workflows FILE` does it")


CHECK = """nlapi workflow check onboarding.arazzo.yaml
nlapi workflow check onboarding.arazzo.yaml --source shop=openapi.yaml -o json
nlapi workflow check onboarding.arazzo.yaml --strict"""


@app.command(epilog=CHECK)
def check(file: File, sources: SourceOverrides = None, strict: Strict = False, output: ListOutput = None) -> None:
    """Check a document against its descriptions: operations, arguments, outputs, conditions, loops.

    Exits with 1 if a run would stop at an error, or, with --strict, at a deviation from the standard.
    """
    from nlapi.errors import Level
    from nlapi.workflows.check import check as check_document
    from nlapi.workflows.read import BEND

    opened = open_document(file, sources)
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
    output: Annotated[TreeFormat, option("-o --output", "Default: text; mermaid draws a diagram.")] = TreeFormat.TREE,
) -> None:
    """Show a workflow as a tree of reads and changes. Without ID, list the workflows."""
    from nlapi.cli.workflow.view import mermaid, outline_record
    from nlapi.workflows.outline import masked_outline, tree_lines

    opened = open_document(file, sources, workflow_id=workflow_id)
    if not workflow_id and len(opened.document.workflows) > 1:
        rows = [
            {"id": workflow.id, "steps": len(workflow.steps), "summary": workflow.summary or workflow.description}
            for workflow in opened.document.workflows
        ]
        format = ListFormat.JSON if output is TreeFormat.JSON else None
        table.print_list(rows, format, ("id", "steps", "summary"))
        return
    workflow = opened.document.workflow(workflow_id)
    tree = masked_outline(opened.linked, workflow, read_inputs(workflow, inputs), defaults=opened.defaults)
    if output is TreeFormat.MERMAID:
        console.write(mermaid(tree))
    elif output is TreeFormat.JSON:
        console.write(console.format_json(outline_record(tree)))
    else:
        for line in tree_lines(tree):
            console.write(line)


app.command(epilog=workflow_run.RUN)(workflow_run.run)
app.command(epilog=workflow_run.RESUME)(workflow_run.resume)


REPAIR = """nlapi workflow repair onboarding.arazzo.yaml
nlapi workflow repair onboarding.arazzo.yaml -o mended.arazzo.yaml
nlapi workflow repair onboarding.arazzo.yaml -o - | nlapi workflow check -"""


@app.command(epilog=REPAIR)
def repair(
    file: File,
    sources: SourceOverrides = None,
    target: Annotated[str, option("-o --output FILE", "Write the repaired document; - is standard output.")] = "",
) -> None:
    """Propose repairs of a document, each with its place and reason. -o writes the result.

    A repair picks one value from an answer, finds a moved output, wraps a payload, drops an unknown argument, passes on
    an id, or turns a required value into an input.
    """
    from nlapi.workflows.repair import repair as repair_document
    from nlapi.workflows.repair import with_source_urls
    from nlapi.workflows.write import format_of, render

    opened = open_document(file, sources)
    require_sources(opened)
    mended, repairs = repair_document(opened.linked)
    show_line = console.note if target == "-" else console.write
    for entry in repairs:
        show_line(str(entry))
    if target:
        overrides = {name: _beside(text, target) for name, text in source_overrides(opened.document, sources).items()}
        _write_document(render(with_source_urls(mended.document.tree, overrides), format_of(target)), target)
    elif repairs:
        console.note(f"{console.count_noun(len(repairs), 'repair')}; -o FILE writes the mended document")
    if not repairs:
        console.note("nothing needs repair")


def _write_document(text: str, target: str) -> None:
    if target == "-":
        console.write(text.rstrip("\n"))
        return
    try:
        write_output(Path(target), text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None
    console.note(f"written: {target}")


SUGGEST = """nlapi workflow suggest openapi.yaml
nlapi workflow suggest shop -o shop.arazzo.yaml"""


@app.command(epilog=SUGGEST)
def suggest(
    source: Source,
    target: Annotated[str, option("-o --output FILE", "Write the document to a file.")] = "-",
    limit: Annotated[int | None, option("--limit N", "The most workflows to propose.", min=1)] = None,
) -> None:
    """Propose workflows from a description, as a document to edit.

    It looks for creates that need each other's ids, drafts to publish, uploads to use, and items to find and change.
    """
    from nlapi.cli.target import load
    from nlapi.workflows.suggest import MAX_WORKFLOWS
    from nlapi.workflows.suggest import suggest as suggest_workflows
    from nlapi.workflows.write import format_of, render

    if target != "-" and Path(target).exists():
        raise UsageError(f"{target} is there already, and may be edited", hint="name another file, or remove it")
    spec = load(source)
    with console.show_progress(f"looking for chains in {len(spec.operations)} operations"):
        url = spec.registered or _beside(source, target)
        tree = suggest_workflows(spec, url=url, limit=limit or MAX_WORKFLOWS)
    _write_document(render(tree, format_of(target)), target)
    console.note(f"{console.count_noun(len(tree['workflows']), 'workflow')}: read them before you run them")


def _beside(source: str, target: str) -> str:
    """Return the path of a description from the folder of a document; a URL or a name as it is."""
    if target == "-" or not Path(source).is_file():
        return source
    folder, file = Path(target).resolve().parent, Path(source).resolve()
    # A description on another drive has no relative path.
    return Path(os.path.relpath(file, folder)).as_posix() if folder.anchor == file.anchor else str(file)


DIFF = """nlapi workflow diff onboarding.arazzo.yaml --against openapi.v2.yaml
nlapi workflow diff onboarding.arazzo.yaml --against shop=openapi.v2.yaml -o json"""


@app.command(epilog=DIFF)
def diff(
    file: File,
    against: Annotated[list[str], option("--against [NAME=]SOURCE", "A source's changed description.")],
    sources: SourceOverrides = None,
    output: ListOutput = None,
) -> None:
    """Show how a changed description breaks a document. Exits with 1 if a run would stop or change more."""
    from nlapi.errors import Level
    from nlapi.workflows.check import compare

    before = open_document(file, sources)
    after = open_document(file, [*(sources or ()), *against])
    require_sources(before)
    require_sources(after)
    issues = compare(before.linked, after.linked)
    if table.is_json(output):
        console.write(console.format_json([asdict(issue) for issue in issues]))
    else:
        for issue in issues:
            console.write(str(issue))
        if not issues:
            console.note("nothing breaks")
    if any(issue.level is Level.ERROR for issue in issues):
        raise typer.Exit(1)
