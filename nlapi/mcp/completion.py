"""Completion of what a user types into a prompt or an address: operations, arguments, their choices, ids, answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import mcp_types as types

from nlapi.errors import UsageError
from nlapi.mcp.answers import answer_pages
from nlapi.mcp.tool_listing import ToolCatalogue
from nlapi.resources.id_sources import IdSources
from nlapi.results.store import StoredResult
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Tool

MAX_VALUES = 100
"""Of one answer, as the protocol has it."""

# Things of one stored list that are looked at for ids.
MAX_ITEMS = 1_000


def complete(
    catalogues: Sequence[ToolCatalogue], stored: Iterable[StoredResult], params: types.CompleteRequestParams
) -> types.CompleteResult:
    """Return the values of an argument of a prompt or of an address that begin with what was typed, then those that
    have it elsewhere."""
    context = params.context.arguments if params.context and params.context.arguments else {}
    values = list(dict.fromkeys(_candidates(catalogues, tuple(stored), params.ref, params.argument.name, context)))
    typed = params.argument.value.casefold()
    begin = [value for value in values if value.casefold().startswith(typed)]
    matches = [*begin, *(value for value in values if typed in value.casefold() and value not in set(begin))]
    completion = types.Completion(values=matches[:MAX_VALUES], total=len(matches), has_more=len(matches) > MAX_VALUES)
    return types.CompleteResult(completion=completion)


def _candidates(
    catalogues: Sequence[ToolCatalogue],
    stored: tuple[StoredResult, ...],
    ref: types.ResourceTemplateReference | types.PromptReference,
    argument: str,
    context: dict[str, str],
) -> Iterator[str]:
    if not isinstance(ref, types.ResourceTemplateReference):
        return  # a prompt takes a goal in the user's own words
    match argument:
        case "operation":
            yield from (catalogue.name(operation) for catalogue in catalogues for operation in catalogue.operations)
        case "result":
            yield from (answer.handle for answer in stored)
        case "page":
            pages = (answer_pages(answer) for answer in stored if answer.handle == context.get("result"))
            yield from map(str, range(1, next(pages, 0) + 1))
        case "argument" | "value":
            tool = _tool(catalogues, context.get("operation", ""))
            if tool is not None and argument == "argument":
                yield from tool.places
            elif tool is not None and (name := context.get("argument", "")) in tool.places:
                yield from argument_choices(tool, name)
                yield from _known_ids(tool, name, stored)


def _tool(catalogues: Iterable[ToolCatalogue], name: str) -> Tool | None:
    for catalogue in catalogues:
        with suppress(UsageError):
            return catalogue.tool(name)
    return None


def argument_choices(tool: Tool, name: str) -> Iterator[str]:
    """Yield the values that an argument may have, where its schema names them all."""
    schema = argument_schema(tool, name)
    items = schema.get("items")
    for part in (schema, items if isinstance(items, dict) else {}):
        choices = part.get("enum", [part["const"]] if "const" in part else ())
        if isinstance(choices, (list, tuple)):
            yield from (str(choice) for choice in choices if isinstance(choice, (str, int, float)))
        if part.get("type") == "boolean":
            yield from ("true", "false")


def _known_ids(tool: Tool, name: str, stored: Iterable[StoredResult]) -> Iterator[str]:
    """Yield the ids of an argument's kind in the lists that the client was answered, the newest list first."""
    operation = tool.operation
    source = IdSources(operation.spec, operation.spec.operations).best_source(operation, tool.places[name])
    if source is None:
        return
    for answer in reversed(tuple(stored)):
        if answer.call.tool.operation is source.operation:
            yield from _field_values(answer.result.data, source.field, MAX_ITEMS)


def _field_values(value: object, field: str, limit: int) -> Iterator[str]:
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else ()
    for item in items[:limit]:
        if isinstance(item, dict) and isinstance(item.get(field), (str, int)):
            yield str(item[field])
        elif isinstance(item, list):
            yield from _field_values(item, field, limit)
