"""Operations and areas of an API described for a client, from the description alone, and bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.mcp.tool_listing import ToolCatalogue
from nlapi.openapi.spec import Operation
from nlapi.tools.areas import Area
from nlapi.tools.fields import answer_fields
from nlapi.tools.terse import compact
from nlapi.tools.text import plain_text
from nlapi.tools.tool import Tool

# In characters; of a longer schema only its top level is given. A model reads 60,000 at once.
MAX_SCHEMA = 60_000

MAX_LISTED_OPERATIONS = 400
MAX_SUMMARY = 120


def describe_operation(tool: Tool) -> dict[str, Any]:
    """Return an operation in full, for a model that is about to call it."""
    operation = tool.operation
    description: dict[str, Any] = {
        "operation": operation.id,
        "effect": operation.effect.value,
        "description": tool.description,
        "arguments": _bound_schema(compact(tool)),
    }
    if field_names := safe_answer_fields(operation):
        description["answers"] = field_names
    linked_ids = dict.fromkeys(link.operation_id for link in operation.links)
    return {**description, "leads_to": list(linked_ids)[:6]} if linked_ids else description


def summarize_operation(operation: Operation) -> str:
    """Return the summary of an operation, on one line."""
    text = single_line(plain_text(operation.summary.strip() or operation.description.strip().partition("\n\n")[0]))
    text = text or f"{operation.method} {single_line(operation.path)}"
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 1].rstrip()}…"


def describe_area(group: Area, catalogue: ToolCatalogue) -> str:
    """Return an area of operations as Markdown, one operation a line."""
    lines = [f"# {single_line(group.label)[:80]}", ""]
    if group.about:
        lines += [single_line(plain_text(group.about))[:500], ""]
    lines += [operation_line(operation, catalogue) for operation in group.operations[:MAX_LISTED_OPERATIONS]]
    if (more := len(group.operations) - MAX_LISTED_OPERATIONS) > 0:
        lines.append(f"- and {more:,} more")
    return "\n".join(lines)


def operation_line(operation: Operation, catalogue: ToolCatalogue) -> str:
    return f"- {catalogue.name(operation)} ({operation.effect.value}): {summarize_operation(operation)}"


def safe_answer_fields(operation: Operation) -> str:
    return answer_fields(operation, lambda name: single_line(name)[:64])


def _bound_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(schema, default=str)) <= MAX_SCHEMA:
        return schema
    properties = {name: _schema_outline(value) for name, value in schema.get("properties", {}).items()}
    return {**{key: value for key, value in schema.items() if key != "$defs"}, "properties": properties}


def _schema_outline(schema: Any) -> dict[str, Any]:
    # Keywords that need no definition elsewhere: `$defs` are left out with the nested schemas.
    keywords = ("type", "description", "enum", "format", "default")
    return {key: schema[key] for key in keywords if key in schema} if isinstance(schema, Mapping) else {}
