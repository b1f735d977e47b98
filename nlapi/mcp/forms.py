"""The definitions of tools for `tools/list`: one for each operation, and the four that search a large API."""

from __future__ import annotations

from typing import Any

from nlapi.mcp.catalogue import CALL, DESCRIBE, FIND, READ, Catalogue
from nlapi.mcp.reference import answers
from nlapi.mcp.settings import Consent
from nlapi.tools.tool import Tool

# Results of `find`. A summary has at most 120 characters, so that 25 results are a page of some 4,000.
MOST_FOUND = 25
FOUND = 8

_OPERATION = {"type": "string", "description": "The id of an operation, as `find` gives it."}
_ARGUMENTS = {
    "type": "object",
    "description": "Its arguments by name, as `describe` gives them.",
    "additionalProperties": True,
}


def forms(catalogue: Catalogue) -> list[dict[str, Any]]:
    own = [*_own(catalogue)] if catalogue.searched else []
    return [*own, *(form(tool, catalogue) for tool in catalogue.listed)]


def form(tool: Tool, catalogue: Catalogue) -> dict[str, Any]:
    """Return the definition of the tool of one operation."""
    # Values that the user registered with the API are not required of a model.
    shown = tool.as_dict("mcp")
    known = catalogue.settings.known
    if known and set(tool.required) & known.keys():
        required = [name for name in tool.required if name not in known]
        shown["inputSchema"] = {**tool.input_schema, "required": required}
    return {**shown, "outputSchema": answer_schema(answers(tool.operation))}


def answer_schema(about: str = "") -> dict[str, Any]:
    """Return the output schema of every tool: the frame of an answer, with data of any kind."""
    # Real answers break their descriptions, and a client then shows an error in place of the answer. So the fields that
    # a description promises are only named in a text; their schemas would take 17 times the room for GitHub's
    # (design/016).
    data = {"description": f"As described: {about}"} if about else {}
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


def _own(catalogue: Catalogue) -> list[dict[str, Any]]:
    count = len(catalogue.operations)
    text = {"type": "string"}
    words = {**text, "description": "a few English words: the action and the thing, `pause campaign`"}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": FOUND}
    call = {"operation": _OPERATION, "arguments": _ARGUMENTS}
    listed = [
        _tool(FIND, f"Find the operations, of {count:,}, that do something.", {"words": words, "limit": limit}),
        _tool(DESCRIBE, "Tell what an operation does and takes, as JSON Schema.", {"operation": _OPERATION}),
        _tool(READ, "Call an operation that only reads.", call, answers=True),
    ]
    if catalogue.settings.consent is not Consent.NEVER:
        listed.append(_tool(CALL, "Call any operation, also one that changes something.", call, answers=True))
    return listed


def _tool(name: str, about: str, properties: dict[str, Any], *, answers: bool = False) -> dict[str, Any]:
    only_reads = name != CALL
    hints = {"readOnlyHint": only_reads, "destructiveHint": not only_reads, "idempotentHint": only_reads}
    needed = [key for key in properties if key not in ("limit", "arguments")]
    schema = {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    return {
        "name": name,
        "description": about,
        "inputSchema": schema,
        "annotations": {**hints, "openWorldHint": answers},
        **({"outputSchema": answer_schema()} if answers else {}),
    }
