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
MAX_SHOWN = 160

MAX_FAULTS = 3

# The validator recurses, also in parts that are not Python, where an overflow of the stack ends the process instead of
# raising RecursionError.
MAX_NESTED = 60


def check(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Raise ArgumentError with each wrong argument and what would be right, unless all of them fit the schema."""
    from nlapi.tools.validator import VALIDATOR

    # Unknown and absent arguments are looked for first, because the validator's own messages name no similar argument.
    faults = list(_unknown(tool, arguments)) + list(_absent(tool, arguments))
    if not faults and _too_deep(arguments):
        faults = [("the arguments are nested too deeply", f"at most {MAX_NESTED} levels")]
    if not faults:
        schema = VALIDATOR(tool.input_schema, format_checker=_formats())
        try:
            faults = [_told(error) for error in schema.iter_errors(dict(arguments))] + _of_the_body(tool, arguments)
        except RecursionError:
            faults = [("the arguments are nested too deeply", "")]
    if faults:
        text = "; ".join(message for message, _ in faults[:MAX_FAULTS])
        if len(faults) > MAX_FAULTS:
            text += f"; and {len(faults) - MAX_FAULTS} more"
        raise ArgumentError(f"{tool.operation.id}: {text}", hint=next((hint for _, hint in faults if hint), ""))


def _too_deep(arguments: Mapping[str, Any]) -> bool:
    level: list[Any] = [arguments]
    for _ in range(MAX_NESTED + 1):
        children = [node.values() if isinstance(node, Mapping) else node for node in level]
        level = [one for group in children for one in group if isinstance(one, Mapping | list)]
    return bool(level)


def _unknown(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    if tool.input_schema.get("additionalProperties") is not False:
        return []
    known = tool.input_schema["properties"]
    faults = []
    for name in arguments:
        if name not in known:
            folded = {one.lower(): one for one in known}
            near = difflib.get_close_matches(str(name).lower(), folded, n=1)
            hint = f"did you mean {folded[near[0]]!r}?" if near else f"it takes {', '.join(known) or 'none'}"
            faults.append((f"there is no argument {name!r}"[:MAX_SHOWN], hint[:400]))
    return faults


def _absent(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    properties = tool.input_schema["properties"]
    return [
        (f"argument {name!r} is missing", " ".join(properties[name].get("description", "").split())[:MAX_SHOWN])
        for name in tool.required
        if name not in arguments
    ]


def _of_the_body(tool: Tool, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the faults of a body as a whole that is assembled from arguments (`Tool.body_rules`)."""
    from nlapi.tools.validator import VALIDATOR

    places = {name: tool.places.get(name, ("body", name)) for name in arguments}
    body = {place[1]: arguments[name] for name, place in places.items() if place[0] == "body"}
    needed = tool.operation.body is not None and tool.operation.body.required
    if not tool.body_rules or not (body or needed):
        return []
    faults = []
    for error in VALIDATOR(tool.body_rules).iter_errors(body):
        if error.validator == "required":
            absent = [name for name in error.validator_value if name not in body]
            faults.append((f"the body also needs {', '.join(map(repr, absent))}", ""))
        elif error.validator == "minProperties":
            choices = [name for name, place in tool.places.items() if place[0] == "body"]
            faults.append(("there is nothing to send in the body", f"give some of {', '.join(choices[:12])}"))
        else:
            faults.append((f"the body: {error.message}"[:MAX_SHOWN], ""))
    return list(dict.fromkeys(faults))


def _told(error: Any) -> tuple[str, str]:
    """Return a jsonschema error as (message, hint); of a union, that of the branch which comes nearest."""
    while error.context:
        error = _nearest(error.context)
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    message = error.message if len(error.message) <= MAX_SHOWN else f"{error.message[:MAX_SHOWN]}…"
    hint = ""
    if error.validator == "enum" and isinstance(error.instance, str):
        choices = [str(choice) for choice in error.validator_value]
        near = difflib.get_close_matches(
            error.instance.upper(), [choice.upper() for choice in choices], n=1, cutoff=0.5
        )
        hint = next((f"did you mean {choice!r}?" for choice in choices if near and choice.upper() == near[0]), "")
        hint = hint or f"one of {', '.join(choices[:12])}"
        message = f"{error.instance!r} is not one of its choices"[:MAX_SHOWN]
    if error.validator == "pattern" and len({"string", "integer", "number"} & set(error.schema.get("type", ()))) > 1:
        message = f"{error.instance!r} is neither a number nor an amount with its unit"[:MAX_SHOWN]
        hint = str(error.schema.get("description", ""))[-MAX_SHOWN:].partition(". ")[2]
    return f"{where or 'the arguments'}: {message}", hint


def _nearest(errors: list[Any]) -> Any:
    """Return the first error of the union branch with the fewest errors; branches of another type come last."""
    branches: dict[Any, list[Any]] = {}
    for error in errors:
        branches.setdefault(error.relative_schema_path[0], []).append(error)
    another = {
        branch: any(one.validator == "type" and not one.relative_path for one in found)
        for branch, found in branches.items()
    }
    return branches[min(branches, key=lambda branch: (another[branch], len(branches[branch])))][0]


@cache
def _formats() -> Any:
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
