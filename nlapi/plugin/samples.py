"""Sample arguments for an operation, as a person would type them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from nlapi.errors import NlapiError
from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schemas
from nlapi.resources.id_fields import takes_id
from nlapi.resources.schemas import SchemaReader
from nlapi.tools.check import check
from nlapi.tools.compile import compile_tool
from nlapi.tools.patterns import bounded
from nlapi.tools.tool import Tool
from nlapi.tools.walk import schema_at

# Values that a shell, a client and a reader take literally.
PLAIN = re.compile(r"[\w .,:@/+-]{1,60}")

FORMATS = {
    "date": "2026-06-01",
    "date-time": "2026-06-01T09:00:00Z",
    "email": "ada@example.com",
    "uuid": "8f14e45f-ceea-467f-a0e6-f4a3c1b2d3e4",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "ipv4": "192.0.2.1",
}
# Nobody is shown how to type these arguments: a secret on a command line is in the history of the shell.
SECRET = re.compile(r"(?i)token|secret|passw|api_?key|credential")

MAX_ARGUMENTS = 8
MAX_DEPTH = 3
# A repetition of what repeats, or a long pattern: `(a+)+` may take exponential time on a short text.
_SLOW = re.compile(r'"pattern": "(?:[^"\\]|\\.)*[)\]][*+{](?:[^"\\]|\\.)*[*+{]|"pattern": "(?:[^"\\]|\\.){200}')


def sample(operation: Operation, *, blank: bool = False) -> dict[str, Any] | None:
    """Return valid values for what an operation requires; None where some cannot be derived.

    With `blank`, a text that cannot be derived is the name of its argument in capitals, for a person to fill in.
    """
    tool = compile_tool(operation)
    if len(tool.required) > MAX_ARGUMENTS or any(map(SECRET.search, tool.required)):
        return None
    given = {name: _value(operation, name) for name in _given(tool)}
    if _fitting(tool, given):
        return given
    if not blank or not all(isinstance(value, str) for value in given.values()):
        return None
    return {name: _capitals(name) for name in given}


def _fitting(tool: Tool, given: Mapping[str, Any]) -> bool:
    """Return whether the description accepts these values; False where a pattern may be too slow to try."""
    known = tool.input_schema["properties"]
    shapes = json.dumps([known[name] for name in given], default=str)
    if "$ref" in shapes:
        shapes += json.dumps(tool.input_schema.get("$defs", {}), default=str)
    if _SLOW.search(shapes):
        return False
    try:
        check(tool, given)
    except NlapiError:
        return False
    return True


def _given(tool: Tool) -> list[str]:
    """Return the arguments of a sample: the required ones, and one for a body that would be empty."""
    names = list(tool.required)
    in_body = [name for name, (where, _) in tool.places.items() if where == "body"]
    if in_body and not set(in_body) & set(names):
        names += [name for name in in_body if not SECRET.search(name)][:1]
    return names


def words(given: Mapping[str, Any]) -> str:
    """Return the arguments as typed after an operation."""
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
    # shlex.quote writes '"'"' for an apostrophe, which is hard to read in an example.
    return shlex.quote(text) if re.fullmatch(r"[\w.,:@/+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _value(operation: Operation, name: str) -> Any:
    tool = compile_tool(operation)
    where, wire = tool.places.get(name, ("body", name))
    described = schema_at(tool, name)
    told = _told(described)
    if told is not None:
        return told
    # An id that nobody has would read like a real one, so it is a placeholder.
    if where == "path" or takes_id((where, wire)):
        kind = described.get("type")
        if kind == "string" and not described.keys() & {"enum", "pattern", "format", "minLength", "maxLength"}:
            return _capitals(wire)
    return _made(answer_schemas(operation.spec).reader, described, name, 0)


def _capitals(name: str) -> str:
    """Return the name of an argument as a placeholder: campaignId -> CAMPAIGN_ID."""
    return re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()).strip("_") or "VALUE"


def _told(schema: Mapping[str, Any]) -> Any:
    """Return an example from the description, if it is plain."""
    for one in (schema.get("example"), *as_list(schema.get("examples")), schema.get("default")):
        if isinstance(one, bool | int | float) or (isinstance(one, str) and PLAIN.fullmatch(one)):
            return one
        if isinstance(one, list) and one and all(isinstance(each, str) and PLAIN.fullmatch(each) for each in one):
            return one
    return None


def _made(reader: SchemaReader, schema: Any, name: str, depth: int) -> Any:
    """Return a value of a schema, or an arbitrary one where none can be derived; `_fitting` rejects that."""
    schema = reader.flat(schema)
    if depth > MAX_DEPTH:
        return "x"
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return next((one for one in schema["enum"] if not isinstance(one, str) or PLAIN.fullmatch(one)), None)
    if (told := _told(schema)) is not None:
        return told
    for key in ("oneOf", "anyOf"):
        if schema.get(key) and "properties" not in schema:
            return _made(reader, schema[key][0], name, depth + 1)
    kinds = schema.get("type")
    kind = kinds if isinstance(kinds, str) else next((one for one in kinds or () if one != "null"), "string")
    return _of_type(reader, kind, schema, name, depth)


def _text(schema: Mapping[str, Any], name: str) -> str:
    """Return a text that fits a format, a pattern and a length, if one of a few does."""
    if (known := FORMATS.get(str(schema.get("format")))) is not None:
        return known
    plain = re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()
    likely = (
        f"Example {plain}".strip(),
        "example",
        "Example",
        "EXAMPLE",
        "en",
        "example-1",
        "1",
        "a1b2c3d4",
        *FORMATS.values(),
    )
    return next((one for one in likely if _fits(one, schema)), likely[0])


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or _SLOW.search(json.dumps({"pattern": pattern})):
        return pattern is None
    return bounded(pattern).matches(text)


def _of_type(reader: SchemaReader, kind: str, schema: Mapping[str, Any], name: str, depth: int) -> Any:
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        return max(int(least) + ("exclusiveMinimum" in schema), 1) if isinstance(least, int | float) else 1
    if kind == "array":
        return [_made(reader, schema.get("items"), name, depth + 1)]
    if kind == "object":
        properties = schema.get("properties") or {}
        return {
            one: _made(reader, properties[one], one, depth + 1)
            for one in schema.get("required", ())
            if one in properties
        }
    return _text(schema, name)
