"""Tools in the JSON forms that model APIs and MCP take."""

from __future__ import annotations

from typing import Any

from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.tool import Tool

FORMATS = ("anthropic", "openai", "mcp", "gemini")


def render(tool: Tool, format: str) -> dict[str, Any]:
    """One tool in a manifest form; see FORMATS. UsageError for another."""
    if format == "anthropic":
        return {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
    if format == "openai":
        function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
        return {"type": "function", "function": function}
    if format == "mcp":
        return {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "annotations": {
                "readOnlyHint": tool.effect is Effect.READ,
                "destructiveHint": tool.effect is Effect.DESTROY,
                "idempotentHint": tool.operation.method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"),
                "openWorldHint": True,
            },
        }
    if format == "gemini":
        return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.input_schema}
    raise UsageError(f"no manifest format {format!r}", hint=f"one of {', '.join(FORMATS)}")
