"""Sample arguments for an operation, as a person would type them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation, as_list
from nlapi.patterns import bounded_pattern
from nlapi.resources.answers import answer_schemas
from nlapi.resources.nouns import is_id_argument
from nlapi.resources.schemas import SchemaReader, schema_types
from nlapi.tools.arguments import argument_schema, check
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.argument_text import stated_requirement
from nlapi.tools.tool import Tool

# Values that a shell, a client and a reader take literally.
PLAIN_VALUE = re.compile(r"[\w .,:@/+-]{1,60}")

FORMAT_SAMPLES = {
    "date": "2026-06-01",
    "date-time": "2026-06-01T09:00:00Z",
    "email": "ada@example.com",
    "uuid": "8f14e45f-ceea-467f-a0e6-f4a3c1b2d3e4",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "ipv4": "192.0.2.1",
}
# Nobody is shown how to type these arguments: a secret on a command line is in the history of the shell.
SECRET_ARGUMENT = re.compile(r"(?i)token|secret|passw|api_?key|credential")

# Keywords by which not every text is a value.
_TEXT_LIMITS = ("enum", "pattern", "format", "minLength", "maxLength")

MAX_ARGUMENTS = 8
MAX_DEPTH = 3
# A repetition of what repeats, or a long pattern: `(a+)+` may take exponential time on a short text.
_SLOW_PATTERN = re.compile(r'"pattern": "(?:[^"\\]|\\.)*[)\]][*+{](?:[^"\\]|\\.)*[*+{]|"pattern": "(?:[^"\\]|\\.){200}')


def sample_arguments(operation: Operation, *, blank: bool = False) -> dict[str, object] | None:
    """Return valid values for what an operation requires; None where some cannot be derived.

    With `blank`, a text that cannot be derived is the name of its argument in capitals, for a person to fill in.
    """
    tool = compile_tool(operation)
    if len(tool.required) > MAX_ARGUMENTS or any(map(SECRET_ARGUMENT.search, tool.required)):
        return None
    arguments = {name: sample_value(operation, name) for name in _sample_names(tool)}
    if accepts(tool, arguments):
        return arguments
    if not blank or not all(isinstance(value, str) for value in arguments.values()):
        return None
    return {name: placeholder(name) for name in arguments}


def accepts(tool: Tool, arguments: Mapping[str, object]) -> bool:
    """Return whether the description accepts these values; False where a pattern may be too slow to try."""
    properties = tool.input_schema["properties"]
    shapes = json.dumps([properties[name] for name in arguments], default=str)
    if "$ref" in shapes:
        shapes += json.dumps(tool.input_schema.get("$defs", {}), default=str)
    if _SLOW_PATTERN.search(shapes):
        return False
    try:
        check(tool, arguments)
    except NlapiError:
        return False
    return True


def needed_names(tool: Tool) -> list[str]:
    """Return the arguments that a call needs: those that the schema requires, then those that only texts require."""
    properties = tool.input_schema["properties"]
    texts = {name: str(properties[name].get("description", "")) for name in tool.places if name not in tool.required}
    stated = [name for name, text in texts.items() if stated_requirement(text)]
    return [*tool.required, *stated]


def _sample_names(tool: Tool) -> list[str]:
    """Return the arguments of a sample: those that are needed, and one for a body that would be empty."""
    names = needed_names(tool)
    in_body = [name for name, (location, _) in tool.places.items() if location == "body"]
    if in_body and not set(in_body) & set(names):
        names += [name for name in in_body if not SECRET_ARGUMENT.search(name)][:1]
    return names


def argument_words(arguments: Mapping[str, object]) -> str:
    """Return the arguments as typed after an operation."""
    return "".join(f" {_argument_word(name, value)}" for name, value in arguments.items())


def _argument_word(name: str, value: Any) -> str:
    is_plain = isinstance(value, str) and value not in ("true", "false", "null") and not re.fullmatch(r"[\d.-]+", value)
    if is_plain:
        return f"{name}={_quote(value)}"
    if isinstance(value, list) and all(isinstance(item, str) and "," not in item for item in value):
        return f"{name}={_quote(','.join(value))}"
    if isinstance(value, bool | int | float):
        return f"{name}={json.dumps(value)}"
    return f"{name}:={_quote(json.dumps(value))}"


def _quote(text: str) -> str:
    # shlex.quote writes '"'"' for an apostrophe, which is hard to read in an example.
    return shlex.quote(text) if re.fullmatch(r"[\w.,:@/+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def sample_value(operation: Operation, name: str) -> object:
    """Return a value for an argument: an example of the description, else one of its schema."""
    tool = compile_tool(operation)
    location, wire = tool.places.get(name, ("body", name))
    schema = argument_schema(tool, name)
    example = _described_example(schema)
    if example is not None:
        return example
    # An id that nobody has would read like a real one, so it is a placeholder.
    if (location == "path" or is_id_argument((location, wire))) and takes_placeholder(schema):
        return placeholder(wire)
    return _schema_value(answer_schemas(operation.spec).reader, schema, name, 0)


def takes_placeholder(schema: Mapping[str, object]) -> bool:
    """Return whether any text is a value of a schema."""
    return schema.get("type") == "string" and schema.keys().isdisjoint(_TEXT_LIMITS)


def placeholder(name: str) -> str:
    """Return the name of an argument as a placeholder: campaignId -> CAMPAIGN_ID."""
    return re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()).strip("_") or "VALUE"


def _described_example(schema: Mapping[str, object]) -> object:
    """Return an example from the description, if it is plain."""
    for example in (schema.get("example"), *as_list(schema.get("examples")), schema.get("default")):
        texts = example if isinstance(example, list) else [example]
        is_plain = bool(texts) and all(isinstance(item, str) and PLAIN_VALUE.fullmatch(item) for item in texts)
        if is_plain or isinstance(example, bool | int | float):
            return example
    return None


def _schema_value(reader: SchemaReader, schema: object, name: str, depth: int) -> object:
    """Return a value of a schema, or an arbitrary one where none can be derived; `accepts` rejects that."""
    schema = reader.flat(schema)
    if depth > MAX_DEPTH:
        return "x"
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return next((choice for choice in schema["enum"] if PLAIN_VALUE.fullmatch(str(choice))), None)
    if (example := _described_example(schema)) is not None:
        return example
    for key in ("oneOf", "anyOf"):
        if schema.get(key) and "properties" not in schema:
            return _schema_value(reader, schema[key][0], name, depth + 1)
    kinds = [kind for kind in schema_types(schema) if kind != "null"] or ["string"]
    return _typed_value(reader, kinds[0], schema, name, depth)


def _sample_text(schema: Mapping[str, object], name: str) -> str:
    """Return a text that fits a format, a pattern and a length, if one of a few does."""
    if (format_sample := FORMAT_SAMPLES.get(str(schema.get("format")))) is not None:
        return format_sample
    plain = re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()
    texts = "example Example EXAMPLE en example-1 1 a1b2c3d4".split()
    candidates = (f"Example {plain}".strip(), *texts, *FORMAT_SAMPLES.values())
    return next((candidate for candidate in candidates if _fits(candidate, schema)), candidates[0])


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or _SLOW_PATTERN.search(json.dumps({"pattern": pattern})):
        return pattern is None
    return bounded_pattern(pattern).matches(text)


def _typed_value(reader: SchemaReader, kind: str, schema: Mapping[str, Any], name: str, depth: int) -> Any:
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
        return max(int(minimum) + ("exclusiveMinimum" in schema), 1) if isinstance(minimum, int | float) else 1
    if kind == "array":
        return [_schema_value(reader, schema.get("items"), name, depth + 1)]
    if kind == "object":
        properties = schema.get("properties") or {}
        return {
            property_name: _schema_value(reader, properties[property_name], property_name, depth + 1)
            for property_name in schema.get("required", ())
            if property_name in properties
        }
    return _sample_text(schema, name)
