"""What another version of a description changes for whoever calls it: added, removed, breaking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Operation
from nlapi.plugin.flow import fields
from nlapi.plugin.names import callable_id
from nlapi.plugin.text import code, listed
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool

MAX_DEPTH = 6
MAX_NAMED = 6


def changes(before: Sequence[Operation], after: Sequence[Operation]) -> Iterator[Issue]:
    """What breaks (ERROR: a right call is refused, or an answer lacks what it had), and what else differs (INFO)."""
    old, new = ({callable_id(one): one for one in each if one.usable} for each in (before, after))
    moved = {(one.method, one.path): id for id, one in new.items()}
    for id, operation in old.items():
        if id in new:
            yield from _operation(id, operation, new[id])
            continue
        other = moved.get((operation.method, operation.path), "")
        hint = f"it is called {other} now" if other and other not in old else f"{operation.method} {operation.path}"
        yield _breaking(id, "is gone", hint)
    for id, operation in new.items():
        if id not in old:
            yield _told(id, f"is new: {operation.method} {operation.path}")


def _operation(id: str, old: Operation, new: Operation) -> Iterator[Issue]:
    if (old.method, old.path) != (new.method, new.path):
        yield _breaking(id, f"is {new.method} {new.path} now, where it was {old.method} {old.path}")
    if old.effect is not new.effect:
        yield _told(id, f"is a {new.effect} now, where it was a {old.effect}")
    if new.deprecated and not old.deprecated:
        yield _told(id, "is deprecated now")
    if not old.security and new.security:
        yield _breaking(id, "needs a credential now")
    yield from _arguments(id, compile_tool(old), compile_tool(new))
    if lost := [name for name in fields(old) if name not in (there := fields(new)) and there]:
        yield _breaking(id, f"no longer answers with {listed([code(one) for one in lost], MAX_NAMED)}")


def _arguments(id: str, old: Tool, new: Tool) -> Iterator[Issue]:
    before, after = old.input_schema["properties"], new.input_schema["properties"]
    for name in before:
        if name not in after:
            yield _breaking(id, f"no longer takes {code(name)}")
        elif name in new.required and name not in old.required:
            yield _breaking(id, f"requires {code(name)} now")
        elif old.places.get(name) != new.places.get(name):
            yield _told(id, f"takes {code(name)} in another place")
    for name in after:
        if name not in before:
            needed = name in new.required
            yield (_breaking if needed else _told)(
                id, f"{'requires' if needed else 'takes'} {code(name)}, which is new"
            )
    for name in (one for one in before if one in after):
        sides = _Sides(old.input_schema.get("$defs", {}), new.input_schema.get("$defs", {}))
        for breaking, message in sides.narrowed(before[name], after[name], name, 0):
            yield (_breaking if breaking else _told)(id, message)


class _Sides:
    """Two schemas with the definitions that each refers to."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self.old, self.new = old, new

    def narrowed(self, old: Any, new: Any, where: str, depth: int) -> Iterator[tuple[bool, str]]:
        """(Is it breaking?, what differs) in what a value may be."""
        old, new = _followed(old, self.old), _followed(new, self.new)
        if old == new or depth > MAX_DEPTH:
            return
        yield from _choices(old, new, where)
        yield from _types(old, new, where)
        yield from _bounds(old, new, where)
        before, after = _properties(old), _properties(new)
        required, was = set(_list(new.get("required"))), set(_list(old.get("required")))
        for name in before:
            if after and name not in after and new.get("additionalProperties") is False:
                yield True, f"no longer takes {code(f'{where}.{name}')}"
            elif name in after:
                yield from self.narrowed(before[name], after[name], f"{where}.{name}", depth + 1)
        for name in sorted(required - was) if before else ():
            yield True, f"requires {code(f'{where}.{name}')} now"
        for name in after if before else ():
            if name not in before and name not in required:
                yield False, f"takes {code(f'{where}.{name}')}, which is new"
        if "items" in old and "items" in new:
            yield from self.narrowed(old["items"], new["items"], f"{where}[]", depth + 1)


def _choices(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[tuple[bool, str]]:
    before, after = _list(old.get("enum")), _list(new.get("enum"))
    if after and not before:
        yield True, f"takes for {code(where)} only {listed([code(one, 40) for one in after], MAX_NAMED)} now"
    if not after:
        return
    if lost := [one for one in before if one not in after]:
        yield True, f"no longer takes {listed([code(one, 40) for one in lost], MAX_NAMED)} for {code(where)}"
    if added := [one for one in after if before and one not in before]:
        yield False, f"takes {listed([code(one, 40) for one in added], MAX_NAMED)} for {code(where)} as well"


def _types(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[tuple[bool, str]]:
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    wider = after | ({"integer"} if "number" in after else set())
    if after and (not before or not before <= wider) and "enum" not in new:
        was = " or ".join(sorted(before)) or "any value"
        yield True, f"wants {code(where)} as {' or '.join(sorted(after))}, where it was {was}"
    elif before != after:
        yield False, f"takes more kinds of value for {code(where)}"


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[tuple[bool, str]]:
    for key, tighter in (
        *((key, 1) for key in ("minimum", "exclusiveMinimum", "minLength", "minItems")),
        *((key, -1) for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems")),
    ):
        was, now = old.get(key), new.get(key)
        if isinstance(now, int | float) and (not isinstance(was, int | float) or tighter * (now - was) > 0):
            yield True, f"has a {key} of {now} for {code(where)}" + ("" if was is None else f", where it was {was}")
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield True, f"wants {code(where)} by another pattern"


def _followed(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            break
        schema = definitions.get(schema["$ref"].rpartition("/")[2])
    node = schema if isinstance(schema, Mapping) else {}
    return {key: value for key, value in node.items() if key not in ("description", "title", "examples", "default")}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _breaking(where: str, message: str, hint: str = "") -> Issue:
    return Issue(level=Level.ERROR, where=where, message=message, hint=hint, rule="breaking")


def _told(where: str, message: str) -> Issue:
    return Issue(level=Level.INFO, where=where, message=message, rule="change")
