"""Tools in the JSON forms that model APIs and MCP take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.strict import MAX_OPTIONAL, MAX_TOOLS, MAX_UNIONS
from nlapi.tools.strict import strict as strict_schema
from nlapi.tools.terse import terse
from nlapi.tools.tool import Tool

FORMATS = ("anthropic", "openai", "openai-responses", "mcp", "gemini")


def render(tool: Tool, format: str, *, strict: bool = False) -> dict[str, Any]:
    """One tool in a manifest form; see FORMATS. UsageError for another.

    With `strict` in the form that makes a model keep to the schema, if the schema fits that and the format has it.
    """
    fit = strict_schema(tool.input_schema) if strict else None
    head = {"name": tool.name, "description": tool.description}
    if format == "anthropic":
        return (
            {**head, "input_schema": terse(tool)}
            if fit is None
            else {**head, "strict": True, "input_schema": fit.schema}
        )
    if format in ("openai", "openai-responses"):
        function: dict[str, Any] = {**head, "parameters": tool.input_schema}
        if fit is not None and not fit.optional:  # OpenAI's strict mode wants every argument required
            function |= {"strict": True, "parameters": fit.schema}
        if format == "openai":
            return {"type": "function", "function": function}
        return {"type": "function", "strict": False, **function}  # strict is what the Responses API takes for granted
    if format == "mcp":
        return {
            **head,
            "inputSchema": tool.input_schema,
            "annotations": {
                "readOnlyHint": tool.effect is Effect.READ,
                "destructiveHint": tool.effect is Effect.DESTROY,
                "idempotentHint": tool.operation.method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"),
                "openWorldHint": True,
            },
        }
    if format == "gemini":
        return {**head, "parametersJsonSchema": tool.input_schema}
    raise UsageError(f"no manifest format {format!r}", hint=f"one of {', '.join(FORMATS)}")


def manifest(tools: Iterable[Tool], format: str, *, strict: bool = False) -> list[dict[str, Any]]:
    """Tools in a manifest form, in their order.

    With `strict`, tools that change something are made strict first, as far as one request's allowance goes: 20 strict
    tools, with 24 optional arguments and 16 unions among them all.
    """
    tools = tuple(tools)
    chosen: set[str] = set()
    optional = unions = 0
    for tool in sorted(tools, key=lambda one: one.effect is Effect.READ) if strict else ():
        fit = strict_schema(tool.input_schema)
        if fit is None or len(chosen) == MAX_TOOLS:
            continue
        if optional + fit.optional <= MAX_OPTIONAL and unions + fit.unions <= MAX_UNIONS:
            chosen.add(tool.name)
            optional, unions = optional + fit.optional, unions + fit.unions
    return [tool.as_dict(format, strict=tool.name in chosen) for tool in tools]
