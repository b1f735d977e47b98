"""The reads that show what a change is about: the state of an item before an update, the contents of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nlapi.english.words import name_words
from nlapi.errors import ArgumentError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import UPDATE_METHODS, Effect, Operation
from nlapi.resources.ids import NATURAL_NAMES
from nlapi.resources.nouns import ID_WORDS
from nlapi.resources.paths import Place, segments, shape
from nlapi.tools.arguments import check, find_argument
from nlapi.tools.compile import compile_tool
from nlapi.tools.sending.request_changes import NO_CHANGES, RequestChanges
from nlapi.tools.tool import Call, Tool

# Texts in place of a secret: ********, [REDACTED].
_HIDDEN = lazy_pattern(r"[*•]{3,}|[<\[({]*(?:redacted|hidden|masked)[>\])}]*", re.IGNORECASE)


def updates_item(operation: Operation) -> bool:
    """Return whether an operation updates: by PUT or PATCH, or as Twilio's by a POST to the path of an item."""
    path = segments(operation.route)
    return operation.method in UPDATE_METHODS or (operation.method == "POST" and bool(path and path[-1].parameter))


def matching_read(change: Call) -> Call | None:
    """Return the READ that shows the resource of a change, with arguments of the change; None where there is none.

    It is the GET at the path of the change, or at the path of the resource that an action is on (`/jobs/{id}/stop`).
    """
    operation = change.tool.operation
    path = segments(operation.route)
    is_action = len(path) > 1 and path[-1].parameter is None and path[-2].parameter is not None
    for read_path in (path, path[:-1]) if is_action else (path,):
        for reader in operation.spec.operations:
            is_reader = reader.method == "GET" and reader.usable and shape(segments(reader.route)) == shape(read_path)
            if is_reader and (call := call_beside(reader, change)) is not None:
                return call
    return None


def call_beside(operation: Operation, change: Call, more: Mapping[Place, object] | None = None) -> Call | None:
    """Return a call of an operation with the ids in the path of a change; None where it requires more.

    The same path may name its parameters differently in each operation, so they are matched by position. Other
    arguments are those that it requires, of the change or `more`.
    """
    tool, sent = compile_tool(operation), change.values
    values = {place: value for place, value in sent.items() if place[0] != "path"}
    for part, other in zip(segments(operation.route), segments(change.tool.operation.route), strict=False):
        if part.parameter and ("path", other.parameter) in sent:
            values["path", part.parameter] = sent["path", str(other.parameter)]
    values |= more or {}
    needed = {name: place for name, place in tool.places.items() if place[0] == "path" or name in tool.required}
    arguments = {name: values[place] for name, place in needed.items() if place in values}
    return Call(tool=tool, arguments=arguments) if set(tool.required) <= arguments.keys() else None


def state_read(change: Call) -> Call | None:
    """Return the READ of the item that a change updates, deletes or acts on; None if no READ returns it."""
    operation = change.tool.operation
    path = segments(operation.route)
    if updates_item(operation):
        return read_without_effect(change)
    if operation.method == "DELETE":
        return read_without_effect(change) if path and path[-1].parameter else None
    # With a body it may as well create something in the item.
    read = read_without_effect(change) if operation.method == "POST" and not change.body_fields else None
    return read if read is not None and segments(read.tool.operation.route)[-1].parameter else None


def contents_read(change: Call) -> Call | None:
    """Return the READ that lists what a DELETE of a whole collection removes; None for any other change."""
    operation = change.tool.operation
    path = segments(operation.route)
    if operation.method != "DELETE" or not path or path[-1].parameter:
        return None
    return read_without_effect(change)


def read_without_effect(change: Call) -> Call | None:
    """Return the matching READ of a change; None also where that GET changes something itself."""
    call = matching_read(change)
    return call if call is not None and call.effect is Effect.READ else None


def item_reader(tool: Tool) -> Operation | None:
    """Return the GET that shows the item of a PUT or PATCH with a body, None where there is none."""
    operation = tool.operation
    path = segments(operation.route)
    if operation.method not in UPDATE_METHODS or operation.body is None or not path or not path[-1].parameter:
        return None
    same = (entry for entry in operation.spec.operations if shape(segments(entry.route)) == shape(path))
    return next((reader for reader in same if reader.method == "GET" and reader.usable), None)


def with_current_fields(call: Call, item: Mapping[str, object]) -> Call:
    """Return the call of an update with the fields of its body that it does not set, as the item has them."""
    arguments = dict(call.arguments)
    body = ((name, wire) for name, (location, wire) in call.tool.places.items() if location == "body")
    for name, wire_name in body:
        is_needed = name in call.tool.required and name not in arguments
        named = named_by_path(call, wire_name) if is_needed else None
        current = item.get(wire_name, named if wire_name else item)
        if current is None and name in arguments:
            current = _fields_inside(call, name, item)
        if current is not None:
            value = _joined(arguments[name], current) if name in arguments else current
            # An answer has the owner whole whose id a request takes.
            id = value.get("id") if isinstance(value, Mapping) else None
            fits = [entry for entry in (value, id) if name in arguments or _fits(call.tool, name, entry)]
            arguments |= {name: fits[0]} if fits else {}
        elif is_needed and wire_name in item and _accepts(call.tool, name, None):
            arguments[name] = None
    return Call(tool=call.tool, arguments=arguments, id=call.id, reason=call.reason, account=call.account)


def _fields_inside(call: Call, name: str, item: Mapping[str, object]) -> dict[str, object] | None:
    """Return the fields of an item that are in the only object of a body, {"product": {...}}; None for another."""
    is_only = sum(location == "body" for location, _ in call.tool.places.values()) == 1
    if not is_only or not isinstance(call.arguments[name], Mapping):
        return None
    fields = ((field, find_argument(call.tool, f"{name}.{field}")) for field in item)
    return {field: item[field] for field, nested in fields if nested is not None and nested.accepts(item[field])}


def named_by_path(call: Call, name: str) -> object:
    """Return the value of the parameter that names the item of a path after a field: `pool_name` after `pool`."""
    parameter = next((part.parameter for part in reversed(segments(call.tool.operation.route)) if part.parameter), "")
    words, field_words = name_words(parameter or ""), name_words(name)
    if words != field_words and (words[:-1] != field_words or words[-1] not in ID_WORDS | NATURAL_NAMES):
        return None
    return call.values.get(("path", str(parameter)))


def hidden_field(value: object, path: str = "") -> str:
    """Return the path of the first text inside a value that an API shows in place of a secret; "" without one."""
    if isinstance(value, str):
        return path if _HIDDEN.fullmatch(value.strip()) else ""
    if isinstance(value, Mapping):
        return next(filter(None, (hidden_field(inner, f"{path}.{name}") for name, inner in value.items())), "")
    entries = value if isinstance(value, list) else ()
    return next(filter(None, (hidden_field(inner, path) for inner in entries)), "")


def _joined(value: object, current: object) -> object:
    """Return an object of a body with the fields that it does not set as they are."""
    if not isinstance(value, Mapping) or not isinstance(current, Mapping):
        return value
    return {**current, **{name: _joined(inner, current.get(name)) for name, inner in value.items()}}


def _fits(tool: Tool, name: str, value: object) -> bool:
    return value is not None and _accepts(tool, name, value)


def _accepts(tool: Tool, name: str, value: object) -> bool:
    try:
        check(tool, {name: value}, partial=True)
    except ArgumentError:
        return False
    return True


def precondition(etag: str | None) -> RequestChanges:
    """Return the header by which an API refuses an update of what has changed since it was read (RFC 9110 §13.1.1).

    A weak tag is equal to none.
    """
    return RequestChanges(headers=(("If-Match", etag),)) if etag and etag.startswith('"') else NO_CHANGES
