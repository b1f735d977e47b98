"""Arguments with which an operation may be shown at work, as somebody would type them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation
from nlapi.plugin.flow import Flow
from nlapi.tools.check import check
from nlapi.tools.compile import compile_tool
from nlapi.tools.walk import schema_at

PLAIN = re.compile(r"[\w .,:@/+-]{1,60}")
"""A value that a shell, a client and a reader take as it is."""

FORMATS = {
    "date": "2026-06-01",
    "date-time": "2026-06-01T09:00:00Z",
    "email": "ada@example.com",
    "uuid": "8f14e45f-ceea-467f-a0e6-f4a3c1b2d3e4",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "ipv4": "192.0.2.1",
}
SECRET = re.compile(r"(?i)token|secret|passw|api_?key|credential")
"""Arguments that nobody is shown to type."""

MAX_ARGUMENTS = 5
MAX_DEPTH = 3


def sample(operation: Operation, flow: Flow) -> dict[str, Any] | None:
    """Values for what an operation requires, which its description takes; None where some cannot be made up."""
    tool = compile_tool(operation)
    if len(tool.required) > MAX_ARGUMENTS or any(map(SECRET.search, tool.required)):
        return None
    given = {name: _value(operation, name, flow) for name in tool.required}
    if not given and operation.body is not None:
        return None
    try:
        check(tool, given)
    except NlapiError:
        return None
    return given


def words(given: Mapping[str, Any]) -> str:
    """The arguments as they are typed behind an operation."""
    return "".join(f" {_word(name, value)}" for name, value in given.items())


def _word(name: str, value: Any) -> str:
    plain = isinstance(value, str) and value not in ("true", "false", "null") and not re.fullmatch(r"[\d.-]+", value)
    if plain:
        return f"{name}={_quoted(value)}"
    if isinstance(value, list) and all(isinstance(one, str) and "," not in one for one in value):
        return f"{name}={_quoted(','.join(value))}"
    if isinstance(value, bool | int | float):
        return f"{name}={json.dumps(value)}"
    return f"{name}:={_quoted(json.dumps(value))}"


def _quoted(text: str) -> str:
    return shlex.quote(text) if re.fullmatch(r"[\w.,:@/+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _value(operation: Operation, name: str, flow: Flow) -> Any:
    tool = compile_tool(operation)
    where, wire = tool.places.get(name, ("body", name))
    schema = tool.input_schema["properties"][name]
    described = schema_at(tool, name)
    told = _told(described)
    if told is not None:
        return told
    if name in flow.needs(operation) or where == "path":
        kind = described.get("type")
        if kind == "string" and not described.keys() & {"enum", "pattern", "format", "minLength", "maxLength"}:
            return f"{re.sub(r'[^A-Z0-9]+', '_', re.sub(r'(?<=[a-z])(?=[A-Z])', '_', wire).upper()).strip('_')}"
    return _made(schema, tool.input_schema.get("$defs", {}), name, 0)


def _told(schema: Mapping[str, Any]) -> Any:
    """An example that the description gives, if it is plain."""
    examples = schema.get("examples")
    for one in (schema.get("example"), *(examples if isinstance(examples, list) else ()), schema.get("default")):
        if isinstance(one, bool | int | float) or (isinstance(one, str) and PLAIN.fullmatch(one)):
            return one
        if isinstance(one, list) and one and all(isinstance(each, str) and PLAIN.fullmatch(each) for each in one):
            return one
    return None


def _made(schema: Any, definitions: Mapping[str, Any], name: str, depth: int) -> Any:
    """A value of a schema; anything at all where it cannot be told, which is then found not to fit."""
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return "x"
    if isinstance(ref := schema.get("$ref"), str):
        return _made(definitions.get(ref.rpartition("/")[2]), definitions, name, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return next((one for one in schema["enum"] if not isinstance(one, str) or PLAIN.fullmatch(one)), None)
    if (told := _told(schema)) is not None:
        return told
    for key in ("oneOf", "anyOf"):
        if schema.get(key) and "properties" not in schema:
            return _made(schema[key][0], definitions, name, depth + 1)
    kinds = schema.get("type")
    kind = kinds if isinstance(kinds, str) else next((one for one in kinds or () if one != "null"), "string")
    return _of_type(kind, schema, definitions, name, depth)


def _of_type(kind: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str, depth: int) -> Any:
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        return max(int(least) + ("exclusiveMinimum" in schema), 1) if isinstance(least, int | float) else 1
    if kind == "array":
        return [_made(schema.get("items"), definitions, name, depth + 1)]
    if kind == "object":
        properties = schema.get("properties") or {}
        return {
            one: _made(properties[one], definitions, one, depth + 1)
            for one in schema.get("required", ())
            if one in properties
        }
    return FORMATS.get(str(schema.get("format")), f"Example {re.sub(r'[^a-z0-9]+', ' ', name.lower()).strip()}".strip())
