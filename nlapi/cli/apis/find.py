"""`nlapi find`: search for operations by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import target
from nlapi.cli.options import Exclude, Include, ListOutput, Overlays, Root, Source, argument, option
from nlapi.cli.render import console, table
from nlapi.cli.render.console import plain_text
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation

EPILOG = """nlapi find ads "pause a campaign"
nlapi find openapi.yaml invoices -n 3 -o json"""


def find(
    source: Source,
    words: Annotated[list[str], argument("WORDS", "What you want to do, in your own words.")],
    limit: Annotated[int, option("-n --limit N", "How many to show.", min=1)] = 10,
    output: ListOutput = None,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Find operations by what they do. Exits with 1 if nothing matches."""
    typed = " ".join(words)
    if not typed.strip():
        raise UsageError("there are no words to look for", hint='such as nlapi find ads "pause a campaign"')
    spec = target.load(source, overlays, root)
    _, results = matching_operations(target.select(spec, include, exclude), typed, limit)
    # JSON has the score as well; a table has no room for it, and its order says enough.
    if table.is_json(output):
        table.print_list(
            [{**operation_row(operation), "score": round(score, 2)} for operation, score in results], output, ()
        )
    else:
        rows = [operation_row(operation) for operation, _ in results]
        table_rows = [{**row, "request": f"{row['method']} {row['path']}"} for row in rows]
        empty = f"nothing in {spec.title} is about that (`nlapi tools {source}` shows all that it has)"
        table.print_list(table_rows, output, ("operation", "effect", "request", "summary"), empty=empty)
    if not results:
        raise typer.Exit(1)


def matching_operations(
    operations: Sequence[Operation], words: str, limit: int
) -> tuple[str, Sequence[tuple[Operation, float]]]:
    """Return the words, with their spelling corrected, and the operations that match them, the likeliest first."""
    from nlapi.agent.operations.search import OperationSearch

    search = OperationSearch(operations)
    # Misspelt words are corrected against the words of this description only, and the correction is shown.
    query = search.correct(words)
    if query != words:
        console.note(f"read as: {query}")
    return query, search.scored(query, limit)


def operation_row(operation: Operation) -> dict[str, str]:
    """Return what a list shows of an operation."""
    return {
        "operation": operation.id,
        "effect": operation.effect.value,
        "method": operation.method,
        "path": operation.path,
        "summary": plain_text(operation.summary or operation.description.partition("\n\n")[0]),
    }
