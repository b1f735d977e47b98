"""The fields that an update changes, before and after; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nlapi.client.message import Result
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import extract_item
from nlapi.tools.run import locate_arguments
from nlapi.tools.tool import Call


class FieldState(StrEnum):
    """The relation of a field's state before an update to the value that the update sets."""

    CHANGES = "changes"
    SAME = "same"
    """it has the value already"""
    UNKNOWN = "unknown"
    """the API does not return it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of an update; `field` is dotted where it is nested, `before` is None where it is unknown."""

    field: str
    state: FieldState
    after: Any
    before: Any = None


def field_changes(call: Call, current: Result, reader: Operation) -> tuple[FieldChange, ...]:
    """Return the fields in the body of an update with their values before and after, in the body's order.

    `current` is the answer of `reader`. () where it has none of them, or the body is no object.
    """
    if not current.ok or not isinstance(current.data, Mapping):
        return ()
    item = extract_item(current.data, reader)
    body = _body(call)
    if body is None:
        return ()
    before: Mapping[str, Any] = item if isinstance(item, Mapping) else current.data
    # {"card": {...}}: some APIs wrap the resource in the request and not in the answer.
    if len(body) == 1:
        (inner,) = body.values()
        if isinstance(inner, Mapping) and not set(body) & set(before):
            body = inner
    # An answer without any of the fields is of another form, and "unknown" for each would only be noise.
    fields = tuple(_compare_fields(body, before, ""))
    return fields if any(field.state is not FieldState.UNKNOWN for field in fields) else ()


def _body(call: Call) -> Mapping[str, Any] | None:
    """Return the fields in the body of a call, by their names on the wire."""
    values = locate_arguments(call.tool, call.arguments)
    body = values.get(("body", ""))
    if isinstance(body, Mapping):
        return body
    return {name: value for (location, name), value in values.items() if location == "body" and name} or None


def _compare_fields(body: Mapping[str, Any], before: Mapping[str, Any], prefix: str) -> Iterator[FieldChange]:
    for name, after in body.items():
        field = f"{prefix}{name}"
        if name not in before:
            yield FieldChange(field=field, state=FieldState.UNKNOWN, after=after)
        elif isinstance(after, Mapping) and isinstance(before[name], Mapping) and after:
            yield from _compare_fields(after, before[name], f"{field}.")
        else:
            state = FieldState.SAME if _is_json_equal(after, before[name]) else FieldState.CHANGES
            yield FieldChange(field=field, state=state, after=after, before=before[name])


def _is_json_equal(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, 1 and true differ."""
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    return bool(first == second)
