"""Operations and areas of an API described for a client, from the description alone, and bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nlapi.client.clean import one_line
from nlapi.mcp.catalogue import Catalogue
from nlapi.openapi.spec import Operation
from nlapi.tools.areas import Area
from nlapi.tools.fields import fields
from nlapi.tools.terse import terse
from nlapi.tools.text import plain
from nlapi.tools.tool import Tool

# In characters; of a longer schema only its top level is given. A model reads 60,000 at once.
MAX_SCHEMA = 60_000

MAX_LISTED = 400
MAX_SUMMARY = 120


def about(tool: Tool) -> dict[str, Any]:
    """Return an operation in full, for a model that is about to call it."""
    operation = tool.operation
    told: dict[str, Any] = {
        "operation": operation.id,
        "effect": operation.effect.value,
        "description": tool.description,
        "arguments": _bounded(terse(tool)),
    }
    if found := answers(operation):
        told["answers"] = found
    leads = dict.fromkeys(link.operation_id for link in operation.links)
    return {**told, "leads_to": list(leads)[:6]} if leads else told


def summary(operation: Operation) -> str:
    """Return the summary of an operation, on one line."""
    text = one_line(plain(operation.summary.strip() or operation.description.strip().partition("\n\n")[0]))
    text = text or f"{operation.method} {one_line(operation.path)}"
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 1].rstrip()}…"


def area(group: Area, catalogue: Catalogue) -> str:
    """Return an area of operations as Markdown, one operation a line."""
    lines = [f"# {one_line(group.label)[:80]}", ""]
    if group.about:
        lines += [one_line(plain(group.about))[:500], ""]
    lines += [listed(one, catalogue) for one in group.operations[:MAX_LISTED]]
    if (more := len(group.operations) - MAX_LISTED) > 0:
        lines.append(f"- and {more:,} more")
    return "\n".join(lines)


def listed(operation: Operation, catalogue: Catalogue) -> str:
    return f"- {catalogue.name(operation)} ({operation.effect.value}): {summary(operation)}"


def answers(operation: Operation) -> str:
    return fields(operation, lambda name: one_line(name)[:64])


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(schema, default=str)) <= MAX_SCHEMA:
        return schema
    properties = {name: _top(one) for name, one in schema.get("properties", {}).items()}
    return {**{key: one for key, one in schema.items() if key != "$defs"}, "properties": properties}


def _top(schema: Any) -> dict[str, Any]:
    # Keywords that need no definition elsewhere: `$defs` are left out with the nested schemas.
    kept = ("type", "description", "enum", "format", "default")
    return {key: schema[key] for key in kept if key in schema} if isinstance(schema, Mapping) else {}
