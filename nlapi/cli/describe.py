"""`nlapi describe`: the resources of an API, the operations of one, or one operation with its arguments."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import console, table, target
from nlapi.cli.options import FLAG, ListOutput, Overlays, Root, Source
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation, Spec

EPILOG = """nlapi describe ads
nlapi describe ads campaign
nlapi describe ads createCampaign
nlapi describe ads --graph > ads.mmd"""


def describe(
    source: Source,
    name: Annotated[
        str | None, typer.Argument(metavar="[OPERATION|RESOURCE]", help="An operationId, or the name of a resource.")
    ] = None,
    graph: Annotated[
        bool, typer.Option("--graph", metavar=FLAG, help="Draw the resources and the flow of their ids, as Mermaid.")
    ] = False,
    output: ListOutput = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Describe an API: its resources and what one can do with each, one resource, or one operation with an example."""
    from nlapi.cli.resource_view import find_resource, resource_graph, resource_records

    if graph and name is not None:
        raise UsageError("--graph draws the whole API", hint=f"nlapi describe {source} --graph")
    with console.show_progress("reading the description"):
        spec = target.load(source, overlays, root)
    if graph:
        console.write(resource_graph(spec))
    elif name is None:
        _print_resources(spec, source, resource_records(spec), output)
    elif spec.has(name):
        print_operation(spec.operation(name), source, as_json=table.is_json(output))
    else:
        match = find_resource(spec, name)
        if match is None:
            # The error names the nearest operations.
            spec.operation(name)
            return
        resource, operations = match
        console.note(f"{resource.label}, /{resource.name}")
        _print_operations(operations, output)


def print_operation(operation: Operation, source: str, *, as_json: bool) -> None:
    """Print the description of an operation."""
    from nlapi.cli.id_cache import stored_ids
    from nlapi.cli.operation_view import operation_lines, operation_record

    if not operation.usable:
        reasons = "; ".join(issue.message for issue in operation.details.issues)
        raise UsageError(f"{operation.id} cannot be called: {reasons}", hint=f"`nlapi check {source}` says more")
    record = operation_record(operation, source, stored_ids(operation.spec))
    if as_json:
        console.write(console.format_json(record))
        return
    for line in operation_lines(record, shutil.get_terminal_size().columns):
        console.write(line)


def _print_resources(spec: Spec, source: str, records: list[dict[str, Any]], output: ListOutput) -> None:
    from nlapi.cli.resource_view import resource_lines

    if table.is_json(output):
        api = {"api": spec.title, "version": spec.version, "operations": len(spec.visible_operations)}
        console.write(console.format_json({**api, "resources": records}))
        return
    count = console.count_noun(len(spec.visible_operations), "operation")
    console.note(f"{console.plain_text(spec.title)} {spec.version}: {count}")
    for line in resource_lines(records, shutil.get_terminal_size().columns):
        console.write(line)
    console.dim(f"`nlapi describe {source} RESOURCE` lists its operations, `nlapi describe {source} OPERATION` one")


def _print_operations(operations: list[Operation], output: ListOutput) -> None:
    from nlapi.cli.find import operation_row

    rows = [operation_row(operation) for operation in operations]
    shown = [{**row, "request": f"{row['method']} {row['path']}"} for row in rows]
    if table.is_json(output):
        table.print_list(rows, output, ())
    else:
        table.print_table(shown, ("operation", "effect", "request", "summary"))
