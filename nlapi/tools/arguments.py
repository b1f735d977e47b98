"""Prepares the arguments of a call by the schemas of its tool: text converted, defaults filled in, values validated."""

from __future__ import annotations

import copy
import datetime
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from nlapi.client.safe_text import count_noun, shorten, single_line
from nlapi.english.words import name_words, singular
from nlapi.errors import ArgumentError
from nlapi.json_text import parse_json
from nlapi.openapi.spec import Effect, Operation, Spec, as_map, read_hints
from nlapi.resources.paths import position, segments
from nlapi.resources.schemas import json_type, schema_types
from nlapi.suggestions import nearest, suggestion
from nlapi.tools.tool import Place, Tool

# Types are tried from the strictest to the loosest: as an array any text can be read, so it comes last.
TYPE_ORDER = ("boolean", "integer", "number", "object", "array")

# Steps of `$ref`s, and of unions inside unions, that are followed to find a type; a schema may refer to itself.
MAX_TYPE_DEPTH = 8

TRUE_TEXTS, FALSE_TEXTS = frozenset(("true", "yes", "on", "1")), frozenset(("false", "no", "off", "0"))

# Levels of nested values that are transformed.
MAX_VALUE_DEPTH = 32

# Levels of nested `allOf`, `anyOf` and `oneOf` that are followed; a schema may contain itself.
MAX_COMBINER_DEPTH = 4

# Called with the schema and the value of each part; returns the new value.
Change = Callable[[Mapping[str, Any], Any], Any]

# Characters of one fault in a message: a model repeats long values, and a terminal shows about two lines.
MAX_MESSAGE, MAX_QUOTED = 160, 80

MAX_FAULTS = 3

# The validator recurses, also in parts that are not Python, where an overflow of the stack ends the process instead of
# raising RecursionError.
MAX_NESTED = 60
# Keywords of a schema that say nothing of what is valid, and those that `is_plainly_valid` reads.
_ANNOTATIONS = frozenset(("title", "description", "default", "example", "examples", "deprecated", "readOnly"))
_OBJECT_KEYWORDS = _ANNOTATIONS | {"type", "properties", "required", "additionalProperties", "$defs"}
_BOUNDS, _LENGTHS = ("minimum", "maximum"), ("minLength", "maxLength")
_VALUE_KEYWORDS = _ANNOTATIONS | {"type", "enum", *_BOUNDS, *_LENGTHS}

# Of a number; an API that takes a longer one has not been seen.
MAX_DIGITS = 1_000
MAX_BITS = 3_322


def coerce(text: str, schema: Mapping[str, object], definitions: Mapping[str, object] | None = None) -> object:
    """Return `text` as the type that `schema` asks for, or unchanged where it cannot be read so (`check` reports that).

    Lists are JSON or separated by commas; objects are JSON. Where the schema also allows a string, only JSON of one of
    the other types is converted.
    """
    definitions = definitions or {}
    schema = resolve_definition(schema, definitions)
    kinds = allowed_types(schema, definitions)
    if not kinds:
        return _parse_json(text, text)
    if text == "null" and "null" in kinds:
        return None
    if "string" in kinds:
        value = _parse_json(text, text)
        kind = json_type(value)
        fits = kind in kinds or (kind == "integer" and "number" in kinds)
        return value if fits and kind != "string" else text
    values = (_convert(text, kind, schema, definitions) for kind in TYPE_ORDER if kind in kinds)
    return next((value for value in values if value is not None), text)


def coerce_arguments(texts: Mapping[str, object], tool: Tool) -> dict[str, object]:
    """Return `texts` with each text converted to the type of its argument of `tool`; other values stay unchanged."""
    properties = tool.input_schema["properties"]
    definitions = tool.input_schema.get("$defs", {})
    return {
        name: coerce(value, properties.get(name, {}), definitions) if type(value) is str else value
        for name, value in texts.items()
    }


def resolve_definition(schema: object, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the target of a schema's `$ref` among the definitions of a tool, or the schema itself without one.

    {} for what is not a schema.
    """
    target = as_map(schema)
    steps = 0
    while isinstance(target.get("$ref"), str) and steps < MAX_TYPE_DEPTH:
        target = as_map(definitions.get(target["$ref"].rpartition("/")[2]))
        steps += 1
    return target


def plain_values(value: object) -> Iterator[object]:
    """Yield the values inside of an object or a list, or the value itself."""
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from plain_values(item)
    else:
        yield value


def allowed_types(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """Return the types that a schema allows; an empty set where it restricts none."""
    if depth > MAX_TYPE_DEPTH or not isinstance(schema, Mapping):
        return frozenset()
    schema = resolve_definition(schema, definitions)
    declared = schema.get("type") or ()
    types = {declared} if isinstance(declared, str) else set(declared)
    for combiner in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(combiner, ()) if not declared else ():
            types |= allowed_types(part, definitions, depth + 1)
    return frozenset(types or {json_type(value) for value in schema.get("enum", ())})


def _convert(text: str, kind: str, schema: Mapping[str, object], definitions: Mapping[str, object]) -> object:
    if kind == "boolean":
        folded = text.strip().lower()
        return True if folded in TRUE_TEXTS else False if folded in FALSE_TEXTS else None
    if kind in ("integer", "number"):
        return _parse_number(text, kind)
    if kind == "object":
        value = _parse_json(text, None)
        return value if isinstance(value, dict) else None
    if kind == "array":
        value = _parse_json(text, None) if text.lstrip().startswith("[") else None
        if isinstance(value, list):
            return value
        items = schema.get("items", {})
        if "array" in allowed_types(items, definitions):  # commas cannot say where an inner list ends
            return None
        # Commas are the separator that people know from URLs (OpenAPI's style `form` without `explode`).
        pieces = text.split(",") if text else []
        return [coerce(piece.strip(), as_map(items), definitions) for piece in pieces]
    return None


def _parse_number(text: str, kind: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    if kind == "integer":
        return int(number) if number.is_integer() else None
    return number if math.isfinite(number) else None


def _parse_json(text: str, default: object) -> object:
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return default


def coerce_nested(tool: Tool, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments with each plain value, nested ones included, as the type that the description has there.

    One value stands for a list of one. An id that one answer has as a number and another operation takes as a text is
    the same id.
    """
    spec = tool.operation.spec

    def convert(schema: Mapping[str, object], value: Any) -> Any:
        types = set(schema_types(schema)) - {"null"}
        if isinstance(value, str):
            return coerce(value, schema) if types and "string" not in types else value
        if isinstance(value, (int, float)) and types == {"string"}:
            return json.dumps(value)
        return [value] if isinstance(value, (int, float)) and types == {"array"} else value

    texts = coerce_arguments(arguments, tool)
    return {name: _transform(spec, argument_schema(tool, name), value, convert, 0) for name, value in texts.items()}


def with_defaults(operation: Operation, values: dict[Place, Any]) -> dict[Place, Any]:
    """Return values by location, with the defaults of values that are required and hidden (`x-nlapi: {hide:
    true}`).
    """
    spec, body = operation.spec, operation.body

    def complete(schema: Mapping[str, object], value: object) -> Any:
        return {**_hidden_defaults(spec, schema, value), **value} if isinstance(value, Mapping) else value

    defaults = {
        (parameter.location, parameter.name): schema["default"]
        for parameter in operation.parameters
        if parameter.required and read_hints(schema := spec.follow(parameter.schema)).hide and "default" in schema
    }
    result = {**defaults, **values}
    if body is None:
        return result
    if ("body", "") in result:
        return {**result, ("body", ""): _transform(spec, body.schema, result["body", ""], complete, 0)}
    body_values = {name: value for (location, name), value in result.items() if location == "body"}
    if body_values or body.required:
        completed = _transform(spec, body.schema, body_values, complete, 0)
        result |= {("body", name): value for name, value in completed.items()}
    return result


def _hidden_defaults(spec: Spec, schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {}
    parts = list(combined_schemas(spec, schema))
    required = {name for part in parts for name in part.get("required", ())}
    for part in parts:
        for name, property_schema in part.get("properties", {}).items():
            if name in required and name not in value:
                property_schema = spec.follow(property_schema)
                if read_hints(property_schema).hide and "default" in property_schema:
                    defaults[name] = property_schema["default"]
    return defaults


def _transform(spec: Spec, schema: object, value: object, change: Change, depth: int) -> Any:
    """Return `value` with `change` applied to every part of it, innermost first."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_VALUE_DEPTH:
        return value
    if isinstance(value, Mapping):
        value = {
            name: _transform(spec, property_schema(spec, schema, name), item, change, depth + 1)
            for name, item in value.items()
        }
    elif isinstance(value, list):
        items: Any = next(
            (part["items"] for part in combined_schemas(spec, schema, any_of=True) if "items" in part), {}
        )
        value = [_transform(spec, items, item, change, depth + 1) for item in value]
    for part in combined_schemas(spec, schema, any_of=True):
        value = change(part, value)
    return value


def combined_schemas(
    spec: Spec, schema: object, *, any_of: bool = False, depth: int = 0
) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and the schemas in its `allOf`; with `any_of`, also those of `anyOf` and `oneOf`."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_COMBINER_DEPTH:
        return
    yield schema
    for key in ("allOf", "anyOf", "oneOf") if any_of else ("allOf",):
        for part in schema.get(key, ()):
            yield from combined_schemas(spec, part, any_of=any_of, depth=depth + 1)


def property_schema(spec: Spec, schema: Any, name: str) -> Mapping[str, Any]:
    """Return the schema of a property, `$ref`s at its top followed; {} where the schema does not declare it."""
    for part in combined_schemas(spec, schema, any_of=True):
        declared = spec.follow(part.get("properties", {}).get(name))
        if isinstance(declared, Mapping):
            return declared
    return {}


def argument_schema(tool: Tool, argument: str, *path: str) -> Mapping[str, object]:
    """Return the description's schema (not `input_schema`) for an argument, or for a property inside it."""
    operation = tool.operation
    location, wire_name = tool.places.get(argument, ("body", argument))
    if location != "body":
        parameter = operation.parameter(location, wire_name)
        schema: Any = parameter.schema if parameter else {}
    else:
        schema = operation.body.schema if operation.body else {}
        path = (wire_name, *path) if wire_name else path
    for name in path:
        schema = property_schema(operation.spec, schema, name)
    return operation.spec.schema(schema)


def check(tool: Tool, arguments: Mapping[str, Any], *, partial: bool = False, pending: Collection[str] = ()) -> None:
    """Raise ArgumentError with each wrong argument and what would be right, unless all of them fit the schema.

    With `partial` arguments may be missing, as in a preview. `pending` are dotted places of values that come later: the
    objects around them may be incomplete, and what stands beside them may not be wrong.
    """
    # Unknown and absent arguments are looked for first, because the validator's own messages name no similar argument.
    faults = list(_unknown_arguments(tool, arguments))
    if not partial:
        faults += _missing_arguments(tool, arguments)
    if not faults and (fault := _unwritable(arguments)):
        faults = [fault]
    if not faults:
        input_schema = {**tool.input_schema, "required": []} if partial else tool.input_schema
        try:
            errors = () if is_plainly_valid(input_schema, arguments) else _errors(input_schema, arguments)
            faults = [_fault(error) for error in errors if not _is_incomplete(error, pending)]
            faults += [] if partial else _body_faults(tool, arguments)
        except RecursionError:
            faults = [("the arguments are nested too deeply", "")]
    if faults:
        text = "; ".join(message for message, _ in faults[:MAX_FAULTS])
        if len(faults) > MAX_FAULTS:
            text += f"; and {len(faults) - MAX_FAULTS} more"
        raise ArgumentError(f"{tool.operation.id}: {text}", hint=next((hint for _, hint in faults if hint), ""))


def is_plainly_valid(schema: Mapping[str, Any], arguments: Mapping[str, object]) -> bool:
    """Return whether types, choices and bounds alone show that arguments fit a schema; False leaves it open."""
    # The import of the validator takes 50 ms, more than all else of a call that is only shown.
    if not schema.keys() <= _OBJECT_KEYWORDS or schema.get("type") != "object":
        return False
    properties = schema.get("properties", {})
    is_whole = all(name in arguments for name in schema.get("required", ()))
    return is_whole and all(_is_plainly_valid(properties.get(name), value) for name, value in arguments.items())


def _is_plainly_valid(schema: object, value: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= _VALUE_KEYWORDS or type(value) not in (str, int, bool):
        return False
    kind, types = json_type(value), schema_types(schema)
    if types and kind not in types and not (kind == "integer" and "number" in types):
        return False
    choices = schema.get("enum", [value])
    if not isinstance(choices, list) or not any(type(choice) is type(value) and choice == value for choice in choices):
        return False
    if kind == "boolean":
        return True
    size, bounds = (len(value), _LENGTHS) if isinstance(value, str) else (value, _BOUNDS)
    low, high = (schema.get(name, size) for name in bounds)
    return isinstance(low, int | float) and isinstance(high, int | float) and low <= size <= high


def _errors(schema: Mapping[str, Any], arguments: Mapping[str, object]) -> Iterator[Any]:
    from nlapi.schema_validator import VALIDATOR

    return iter(VALIDATOR(schema, format_checker=_format_checker()).iter_errors(dict(arguments)))


def _unwritable(arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the fault of arguments that have no text in JSON; None where they have one."""
    level: list[Any] = [arguments]
    for _ in range(MAX_NESTED + 1):
        children = [child for node in level for child in (node.values() if isinstance(node, Mapping) else node)]
        # Python writes no longer number (CVE-2020-10735), in a message neither.
        if any(isinstance(child, int) and child.bit_length() > MAX_BITS for child in children):
            return f"a number has more than {MAX_DIGITS:,} digits", "give it as a text, where the API takes one"
        level = [child for child in children if isinstance(child, Mapping | list)]
    return ("the arguments are nested too deeply", f"at most {MAX_NESTED} levels") if level else None


def _unknown_arguments(tool: Tool, arguments: Mapping[str, object]) -> list[tuple[str, str]]:
    if tool.input_schema.get("additionalProperties") is not False:
        return []
    properties = tool.input_schema["properties"]
    faults = []
    for name in arguments:
        if name not in properties:
            hint = suggestion(name, properties, otherwise=f"it takes {', '.join(properties) or 'none'}")
            faults.append((f"there is no argument {name!r}"[:MAX_MESSAGE], hint[:400]))
    return faults


def _missing_arguments(tool: Tool, arguments: Mapping[str, object]) -> list[tuple[str, str]]:
    properties = tool.input_schema["properties"]
    return [
        (f"argument {name!r} is missing", shorten(single_line(properties[name].get("description", "")), MAX_MESSAGE))
        for name in tool.required
        if name not in arguments
    ]


def _body_faults(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the faults of a body as a whole that is assembled from arguments (`Tool.body_rules`)."""
    places = {name: tool.places.get(name, ("body", name)) for name in arguments}
    body = {place[1]: arguments[name] for name, place in places.items() if place[0] == "body"}
    is_required = tool.operation.body is not None and tool.operation.body.required
    if not tool.body_rules or not (body or is_required):
        return []
    from nlapi.schema_validator import VALIDATOR

    faults = []
    for error in VALIDATOR(tool.body_rules).iter_errors(body):
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in body]
            faults.append((f"the body also needs {', '.join(map(repr, missing))}", ""))
        elif error.validator == "minProperties":
            choices = [name for name, place in tool.places.items() if place[0] == "body"]
            faults.append(("there is nothing to send in the body", f"give some of {', '.join(choices[:12])}"))
        else:
            faults.append((f"the body: {error.message}"[:MAX_MESSAGE], ""))
    return list(dict.fromkeys(faults))


def _unknown_property_hint(error: Any) -> str:
    """Return a hint with the property nearest to the unknown one of an error, or with all that the object takes."""
    names = list(error.schema.get("properties", ()))
    unknown = next((name for name in error.instance if error.message.startswith(f"{name!r} ")), "")
    return suggestion(unknown, names, otherwise=f"it takes {', '.join(names[:20]) or 'none'}")


_SIZES = {
    "maxLength": ("at most", "character"),
    "minLength": ("at least", "character"),
    "maxItems": ("at most", "item"),
    "minItems": ("at least", "item"),
}


def _size_hint(error: Any) -> str:
    """Return the bound that a text or a list breaks; "" for another fault."""
    if error.validator not in _SIZES:
        return ""
    bound, noun = _SIZES[error.validator]
    return f"{bound} {count_noun(int(error.validator_value), noun)}"


def _fault(error: Any) -> tuple[str, str]:
    """Return a jsonschema error as (message, hint); of a union, that of the branch which comes nearest."""
    while error.context:
        error = _nearest_error(error.context)
    location = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    # The message begins with the value: a long one must not push out what is wrong with it.
    quoted = repr(error.instance)
    value, reason = shorten(quoted, MAX_QUOTED), shorten(error.message.removeprefix(quoted), MAX_MESSAGE)
    message = value + reason if error.message.startswith(quoted) else reason
    hint = _size_hint(error)
    if error.validator == "enum" and isinstance(error.instance, str):
        choices = [str(choice) for choice in error.validator_value]
        hint = suggestion(error.instance, choices, otherwise=f"one of {', '.join(choices[:12])}")
        message = f"{value} is not one of its choices"
    if error.validator == "additionalProperties":
        hint = _unknown_property_hint(error)
    if error.validator == "pattern" and len({"string", "integer", "number"} & set(error.schema.get("type", ()))) > 1:
        message = f"{value} is neither a number nor an amount with its unit"
        hint = str(error.schema.get("description", ""))[-MAX_MESSAGE:].partition(". ")[2]
    return f"{location or 'the arguments'}: {message}", hint


def _is_incomplete(error: Any, pending: Collection[str]) -> bool:
    """Return whether a jsonschema error is about an object as a whole, inside of which a value comes later."""
    place = ".".join(map(str, error.absolute_path))
    is_whole = bool(place) and error.validator != "additionalProperties"
    return is_whole and any(name.startswith(f"{place}.") for name in pending)


def _nearest_error(errors: list[Any]) -> Any:
    """Return the first error of the union branch with the fewest errors; branches of another type come last."""
    branches: dict[Any, list[Any]] = {}
    for error in errors:
        branches.setdefault(error.relative_schema_path[0], []).append(error)
    has_type_error = {
        branch: any(fault.validator == "type" and not fault.relative_path for fault in faults)
        for branch, faults in branches.items()
    }
    return branches[min(branches, key=lambda branch: (has_type_error[branch], len(branches[branch])))][0]


@cache
def _format_checker() -> Any:
    """Return a checker for the formats that constrain the value itself (`int32`, `date`)."""
    from jsonschema import FormatChecker

    # `email`, `uri` and the like stay unchecked: descriptions use them loosely, and the API is the judge of its own
    # values.
    checker = FormatChecker(formats=())
    rules: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("int32", lambda value: not _is_integer(value) or -(2**31) <= value < 2**31),
        ("int64", lambda value: not _is_integer(value) or -(2**63) <= value < 2**63),
        ("date", lambda value: not isinstance(value, str) or str(datetime.date.fromisoformat(value)) == value),
        ("date-time", lambda value: not isinstance(value, str) or bool(datetime.datetime.fromisoformat(value))),
    )
    for name, rule in rules:
        checker.checks(name, raises=ValueError)(rule)
    return checker


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def setting_arguments(tool: Tool, settings: Mapping[str, str], given: Collection[str] = ()) -> dict[str, object]:
    """Return the arguments of a call that its settings fill in, typed by the schema. `given` are those that it has.

    A filter is never filled in, as a list would silently be shorter. The caller has to name the item of a change.
    """
    texts = {name: settings[name] for name in settings if name not in given and may_fill(tool, name, settings)}
    return coerce_arguments(texts, tool) if texts else {}


def may_fill(tool: Tool, name: str, settings: Collection[str]) -> bool:
    """Return whether a setting of this name may fill an argument of a tool; `settings` are the names of all."""
    if name not in settings or name not in tool.places:
        return False
    location, wire_name = tool.places[name]
    if tool.effect is Effect.READ:
        return location == "path" or name in tool.required
    path = segments(tool.operation.route)
    is_creation = tool.operation.method == "POST" and bool(path) and _is_plural(path[-1].text, path[-1].parameter)
    if location != "path":
        return is_creation and name in tool.required
    rest = path[position(path, wire_name) + 1 :]
    # Of PUT /repos/{owner}/{repo}/issues/{number} the caller gives the number; of DELETE /repos/{owner}/{repo} nothing.
    names_item = any(segment.parameter and segment.parameter not in settings for segment in rest)
    return names_item or (is_creation and bool(rest))


def _is_plural(text: str, parameter: str | None) -> bool:
    words = name_words(text)
    return parameter is None and bool(words) and singular(words[-1]) != words[-1]


def setting_lines(arguments: Mapping[str, object]) -> Iterator[str]:
    """Yield the line of each argument that a setting has filled in, for a preview."""
    for name, value in arguments.items():
        yield f"{single_line(name)}={single_line(str(value))} (setting)"


_COMBINERS = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedArgument:
    """A value of a tool by its `path`: an argument, and the properties inside it. `schema` is that of the value."""

    path: tuple[str, ...]
    schema: Mapping[str, object]
    definitions: Mapping[str, object]

    def coerce(self, text: str) -> object:
        """Return a text in the type of the value."""
        return coerce(text, self.schema, self.definitions)

    def accepts(self, value: object) -> bool:
        """Return whether a value fits the schema."""
        from nlapi.schema_validator import VALIDATOR

        validator = VALIDATOR({**self.schema, "$defs": self.definitions}, format_checker=_format_checker())
        return bool(validator.is_valid(value))


def find_argument(tool: Tool, name: str) -> NestedArgument | None:
    """Return the value that a name such as `limit` or `input.currency` means; None when the tool takes none.

    The name of an argument or of a property may have dots itself. A map takes any property.
    """
    definitions = as_map(tool.input_schema.get("$defs"))
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        argument = ".".join(parts[:count])
        if argument in tool.input_schema["properties"]:
            schema = as_map(tool.input_schema["properties"][argument])
            match = _find_property(schema, parts[count:], definitions)
            if match is not None:
                path, inner = match
                return NestedArgument(path=(argument, *path), schema=inner, definitions=definitions)
    return None


def nearest_names(tool: Tool, name: str) -> list[str]:
    """Return the names of values of a tool that are near to a name which it does not take, the nearest first."""
    definitions = as_map(tool.input_schema.get("$defs"))
    names = list(tool.input_schema["properties"])
    argument, dot, _ = name.partition(".")
    if dot and argument in names:
        schema = as_map(tool.input_schema["properties"][argument])
        names = [f"{argument}.{inner}" for part in _parts(schema, definitions) for inner in _properties(part)]
    return nearest(name, names, 3)


def with_nested(arguments: Mapping[str, Any], values: Mapping[tuple[str, ...], object]) -> dict[str, Any]:
    """Return the arguments with the values set inside them. ValueError with the name of what is not an object."""
    result = dict(arguments)
    copied: set[str] = set()
    for path, value in values.items():
        if path[0] in result and path[0] not in copied:
            result[path[0]] = copy.deepcopy(result[path[0]])
        copied.add(path[0])
        parent: Any = result
        for depth, step in enumerate(path[:-1], 1):
            parent = parent.setdefault(step, {})
            if not isinstance(parent, dict):
                raise ValueError(".".join(path[:depth]))
        parent[path[-1]] = value
    return result


def _find_property(
    schema: Mapping[str, Any], parts: list[str], definitions: Mapping[str, Any]
) -> tuple[tuple[str, ...], Mapping[str, object]] | None:
    """Return the path and the schema of a property by the parts of its name, or None."""
    if not parts:
        return (), schema
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        for part in _parts(schema, definitions):
            declared = _properties(part).get(name)
            match = _find_property(as_map(declared), parts[count:], definitions) if declared is not None else None
            if match is not None:
                return (name, *match[0]), match[1]
    # The keys of a map are anybody's: the first dot ends a key where the value is an object, else the key has dots.
    for extra in _additional_schemas(schema, definitions):
        for count in range(1, len(parts) + 1) if "object" not in allowed_types(extra, definitions) else (1,):
            match = _find_property(extra, parts[count:], definitions)
            if match is not None:
                return (".".join(parts[:count]), *match[0]), match[1]
    return None


def _additional_schemas(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of properties that a schema does not name; nothing for one that takes no others."""
    types = allowed_types(schema, definitions)
    if types and "object" not in types:
        return
    parts = list(_parts(schema, definitions))
    if any(part.get("additionalProperties") is False for part in parts):
        return
    declared = [part["additionalProperties"] for part in parts if "additionalProperties" in part]
    yield from (as_map(node) for node in declared if isinstance(node, Mapping))
    # JSON Schema takes any property by default; beside named ones a description hardly ever means that.
    if not any(isinstance(node, Mapping) for node in declared) and not any(map(_properties, parts)):
        yield {}


def _parts(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema, its references followed, and those that it combines."""
    schema = resolve_definition(schema, definitions)
    yield schema
    for combiner in _COMBINERS if depth < MAX_TYPE_DEPTH else ():
        for part in schema.get(combiner, ()):
            if isinstance(part, Mapping):
                yield from _parts(part, definitions, depth + 1)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, object]:
    return as_map(schema.get("properties"))
