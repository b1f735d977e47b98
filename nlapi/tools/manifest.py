"""The JSON forms of tools for the model APIs and MCP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.strict import MAX_OPTIONAL, MAX_TOOLS, MAX_UNIONS
from nlapi.tools.strict import strict_schema as strict_schema
from nlapi.tools.terse import compact
from nlapi.tools.tool import Tool

FORMATS = ("anthropic", "openai", "openai-responses", "mcp", "gemini")


def render(tool: Tool, format: str, *, strict: bool = False) -> dict[str, Any]:
    """Return one tool in a manifest form; UsageError for a form that is not in FORMATS.

    With `strict`, in the strict form where the schema fits strict mode and the form has one.
    """
    strict_form = strict_schema(tool.input_schema) if strict else None
    common = {"name": tool.name, "description": tool.description}
    if format == "anthropic":
        return (
            {**common, "input_schema": compact(tool)}
            if strict_form is None
            else {**common, "strict": True, "input_schema": strict_form.schema}
        )
    if format in ("openai", "openai-responses"):
        function: dict[str, Any] = {**common, "parameters": tool.input_schema}
        # OpenAI's strict mode requires every argument.
        if strict_form is not None and not strict_form.optional:
            function |= {"strict": True, "parameters": strict_form.schema}
        if format == "openai":
            return {"type": "function", "function": function}
        # The Responses API takes a tool for strict unless told otherwise (docs/design/017-answers-to-a-model.md).
        return {"type": "function", "strict": False, **function}
    if format == "mcp":
        return {
            **common,
            "inputSchema": tool.input_schema,
            "annotations": {
                "readOnlyHint": tool.effect is Effect.READ,
                "destructiveHint": tool.effect is Effect.DESTROY,
                "idempotentHint": tool.operation.method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"),
                "openWorldHint": True,
            },
        }
    if format == "gemini":
        return {**common, "parametersJsonSchema": tool.input_schema}
    raise UsageError(f"no manifest format {format!r}", hint=f"one of {', '.join(FORMATS)}")


def manifest(tools: Iterable[Tool], format: str, *, strict: bool = False) -> list[dict[str, Any]]:
    """Return the tools in a manifest form, in their order.

    With `strict`, tools that change something become strict first, within the allowance of one request: 20 strict tools
    with 24 optional arguments and 16 unions in all.
    """
    tools = tuple(tools)
    strict_names: set[str] = set()
    optional = unions = 0
    # A wrong argument costs most in a change, so changes use the allowance before reads.
    for tool in sorted(tools, key=lambda tool: tool.effect is Effect.READ) if strict else ():
        strict_form = strict_schema(tool.input_schema)
        if strict_form is None or len(strict_names) == MAX_TOOLS:
            continue
        if optional + strict_form.optional <= MAX_OPTIONAL and unions + strict_form.unions <= MAX_UNIONS:
            strict_names.add(tool.name)
            optional, unions = optional + strict_form.optional, unions + strict_form.unions
    return [tool.as_dict(format, strict=tool.name in strict_names) for tool in tools]
