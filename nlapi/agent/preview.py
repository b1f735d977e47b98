"""What an update changes: each field of it before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nlapi.client.message import Result
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import thing_in
from nlapi.tools.run import place
from nlapi.tools.tool import Call


class FieldState(StrEnum):
    """What is known of a field before an update."""

    CHANGES = "changes"
    SAME = "same"
    """it has the value already"""
    UNKNOWN = "unknown"
    """the API does not show it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of an update. `field` is dotted where it is inside of another; `before` is None where it is unknown."""

    field: str
    state: FieldState
    after: Any
    before: Any = None


def field_changes(call: Call, current: Result, reader: Operation) -> tuple[FieldChange, ...]:
    """Return the fields in the body of an update as `reader` answers them and as they would be, in the body's order.

    () where the answer shows none of them, or the body is no object.
    """
    if not current.ok or not isinstance(current.data, Mapping):
        return ()
    shown = thing_in(current.data, reader)
    body = _body(call)
    if body is None:
        return ()
    before: Mapping[str, Any] = shown if isinstance(shown, Mapping) else current.data
    if len(body) == 1:  # {"card": {...}}: an envelope of the request
        (inner,) = body.values()
        if isinstance(inner, Mapping) and not set(body) & set(before):
            body = inner
    fields = tuple(_compared(body, before, ""))
    return fields if any(field.state is not FieldState.UNKNOWN for field in fields) else ()


def _body(call: Call) -> Mapping[str, Any] | None:
    """The fields in the body of a call, by their names on the wire."""
    values = place(call.tool, call.arguments)
    whole = values.get(("body", ""))
    if isinstance(whole, Mapping):
        return whole
    return {name: value for (where, name), value in values.items() if where == "body" and name} or None


def _compared(body: Mapping[str, Any], before: Mapping[str, Any], prefix: str) -> Iterator[FieldChange]:
    for name, after in body.items():
        field = f"{prefix}{name}"
        if name not in before:
            yield FieldChange(field=field, state=FieldState.UNKNOWN, after=after)
        elif isinstance(after, Mapping) and isinstance(before[name], Mapping) and after:
            yield from _compared(after, before[name], f"{field}.")
        else:
            state = FieldState.SAME if _equal(after, before[name]) else FieldState.CHANGES
            yield FieldChange(field=field, state=state, after=after, before=before[name])


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: a number is no truth value."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)
