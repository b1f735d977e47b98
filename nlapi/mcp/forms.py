"""The definitions of tools for `tools/list`: one for each operation, and the four that search a large API."""

from __future__ import annotations

from typing import Any

from nlapi.mcp.tool_listing import CALL, DESCRIBE, FIND, READ, ToolCatalogue
from nlapi.mcp.reference import safe_answer_fields
from nlapi.mcp.settings import Consent
from nlapi.tools.tool import Tool

# Results of `find`. A summary has at most 120 characters, so that 25 results are a page of some 4,000.
MAX_RESULTS = 25
DEFAULT_RESULTS = 8

_OPERATION = {"type": "string", "description": "The id of an operation, as `find` gives it."}
_ARGUMENTS = {
    "type": "object",
    "description": "Its arguments by name, as `describe` gives them.",
    "additionalProperties": True,
}


def tool_definitions(catalogue: ToolCatalogue) -> list[dict[str, Any]]:
    search_tools = [*_search_tool_definitions(catalogue)] if catalogue.uses_search else []
    return [*search_tools, *(tool_definition(tool, catalogue) for tool in catalogue.listed_tools)]


def tool_definition(tool: Tool, catalogue: ToolCatalogue) -> dict[str, Any]:
    """Return the definition of the tool of one operation."""
    # Values that the user registered with the API are not required of a model.
    definition = tool.as_dict("mcp")
    registered = catalogue.settings.registered
    if registered and set(tool.required) & registered.keys():
        required = [name for name in tool.required if name not in registered]
        definition["inputSchema"] = {**tool.input_schema, "required": required}
    return {**definition, "outputSchema": answer_schema(safe_answer_fields(tool.operation))}


def answer_schema(field_names: str = "") -> dict[str, Any]:
    """Return the output schema of every tool: the frame of an answer, with data of any kind."""
    # Real answers break their descriptions, and a client then shows an error in place of the answer. So the fields that
    # a description promises are only named in a text; their schemas would take 17 times the room for GitHub's
    # (design/016).
    data = {"description": f"As described: {field_names}"} if field_names else {}
    return {
        "type": "object",
        "properties": {
            "status": {"type": ["integer", "null"]},
            "data": data,
            "next": {"type": "object"},
            "whole": {"type": "string"},
            "error": {"type": "string"},
            "reason": {"type": "string"},
        },
        "required": ["status"],
    }


def _search_tool_definitions(catalogue: ToolCatalogue) -> list[dict[str, Any]]:
    count = len(catalogue.operations)
    text = {"type": "string"}
    words = {**text, "description": "a few English words: the action and the thing, `pause campaign`"}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_RESULTS}
    call = {"operation": _OPERATION, "arguments": _ARGUMENTS}
    definitions = [
        _search_tool_definition(FIND, f"Find the operations, of {count:,}, that do something.", {"words": words, "limit": limit}),
        _search_tool_definition(DESCRIBE, "Tell what an operation does and takes, as JSON Schema.", {"operation": _OPERATION}),
        _search_tool_definition(READ, "Call an operation that only reads.", call, calls_api=True),
    ]
    if catalogue.settings.consent is not Consent.NEVER:
        definitions.append(_search_tool_definition(CALL, "Call any operation, also one that changes something.", call, calls_api=True))
    return definitions


def _search_tool_definition(name: str, description: str, properties: dict[str, Any], *, calls_api: bool = False) -> dict[str, Any]:
    only_reads = name != CALL
    hints = {"readOnlyHint": only_reads, "destructiveHint": not only_reads, "idempotentHint": only_reads}
    required = [key for key in properties if key not in ("limit", "arguments")]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {
        "name": name,
        "description": description,
        "inputSchema": schema,
        "annotations": {**hints, "openWorldHint": calls_api},
        **({"outputSchema": answer_schema()} if calls_api else {}),
    }
