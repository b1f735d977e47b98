"""The validation of arguments against the schema of their tool, before anything is sent."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from nlapi.errors import ArgumentError
from nlapi.tools.tool import Tool

# Characters of one fault in a message: a model repeats long values, and a terminal shows about two lines.
MAX_MESSAGE = 160

MAX_FAULTS = 3

# The validator recurses, also in parts that are not Python, where an overflow of the stack ends the process instead of
# raising RecursionError.
MAX_NESTED = 60


def check(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Raise ArgumentError with each wrong argument and what would be right, unless all of them fit the schema."""
    from nlapi.tools.validator import VALIDATOR

    # Unknown and absent arguments are looked for first, because the validator's own messages name no similar argument.
    faults = list(_unknown_arguments(tool, arguments)) + list(_missing_arguments(tool, arguments))
    if not faults and _is_too_deep(arguments):
        faults = [("the arguments are nested too deeply", f"at most {MAX_NESTED} levels")]
    if not faults:
        schema = VALIDATOR(tool.input_schema, format_checker=_format_checker())
        try:
            faults = [_fault(error) for error in schema.iter_errors(dict(arguments))] + _body_faults(tool, arguments)
        except RecursionError:
            faults = [("the arguments are nested too deeply", "")]
    if faults:
        text = "; ".join(message for message, _ in faults[:MAX_FAULTS])
        if len(faults) > MAX_FAULTS:
            text += f"; and {len(faults) - MAX_FAULTS} more"
        raise ArgumentError(f"{tool.operation.id}: {text}", hint=next((hint for _, hint in faults if hint), ""))


def _is_too_deep(arguments: Mapping[str, Any]) -> bool:
    level: list[Any] = [arguments]
    for _ in range(MAX_NESTED + 1):
        children = [node.values() if isinstance(node, Mapping) else node for node in level]
        level = [child for group in children for child in group if isinstance(child, Mapping | list)]
    return bool(level)


def _unknown_arguments(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    if tool.input_schema.get("additionalProperties") is not False:
        return []
    properties = tool.input_schema["properties"]
    faults = []
    for name in arguments:
        if name not in properties:
            folded = {property_name.lower(): property_name for property_name in properties}
            similar = difflib.get_close_matches(str(name).lower(), folded, n=1)
            hint = f"did you mean {folded[similar[0]]!r}?" if similar else f"it takes {', '.join(properties) or 'none'}"
            faults.append((f"there is no argument {name!r}"[:MAX_MESSAGE], hint[:400]))
    return faults


def _missing_arguments(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    properties = tool.input_schema["properties"]
    return [
        (f"argument {name!r} is missing", " ".join(properties[name].get("description", "").split())[:MAX_MESSAGE])
        for name in tool.required
        if name not in arguments
    ]


def _body_faults(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the faults of a body as a whole that is assembled from arguments (`Tool.body_rules`)."""
    from nlapi.tools.validator import VALIDATOR

    places = {name: tool.places.get(name, ("body", name)) for name in arguments}
    body = {place[1]: arguments[name] for name, place in places.items() if place[0] == "body"}
    is_required = tool.operation.body is not None and tool.operation.body.required
    if not tool.body_rules or not (body or is_required):
        return []
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


def _fault(error: Any) -> tuple[str, str]:
    """Return a jsonschema error as (message, hint); of a union, that of the branch which comes nearest."""
    while error.context:
        error = _nearest_error(error.context)
    location = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    message = error.message if len(error.message) <= MAX_MESSAGE else f"{error.message[:MAX_MESSAGE]}…"
    hint = ""
    if error.validator == "enum" and isinstance(error.instance, str):
        choices = [str(choice) for choice in error.validator_value]
        similar = difflib.get_close_matches(
            error.instance.upper(), [choice.upper() for choice in choices], n=1, cutoff=0.5
        )
        hint = next((f"did you mean {choice!r}?" for choice in choices if similar and choice.upper() == similar[0]), "")
        hint = hint or f"one of {', '.join(choices[:12])}"
        message = f"{error.instance!r} is not one of its choices"[:MAX_MESSAGE]
    if error.validator == "pattern" and len({"string", "integer", "number"} & set(error.schema.get("type", ()))) > 1:
        message = f"{error.instance!r} is neither a number nor an amount with its unit"[:MAX_MESSAGE]
        hint = str(error.schema.get("description", ""))[-MAX_MESSAGE:].partition(". ")[2]
    return f"{location or 'the arguments'}: {message}", hint


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


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
