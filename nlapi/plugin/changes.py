"""Differences between two versions of a description for its callers: added, removed, breaking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from nlapi.client.credentials import Alternative, alternatives
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Operation
from nlapi.plugin.names import callable_id
from nlapi.plugin.narrower import Follow, Sides, answered, sent
from nlapi.plugin.text import code
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool

# `$ref`s that are followed in a row at the top of a schema: a cycle of them would never end.
MAX_REFS = 6


def changes(before: Sequence[Operation], after: Sequence[Operation]) -> Iterator[Issue]:
    """Yield breaking changes (ERROR: a valid call is refused, an answer lacks what it had) and all others (INFO)."""
    old, new = ({callable_id(one): one for one in each if one.usable} for each in (before, after))
    moved = {(one.method, one.path): id for id, one in new.items()}
    for id, operation in old.items():
        if id in new:
            yield from _operation(id, operation, new[id])
            continue
        # An operation that is found at the old method and path was renamed, which is a hint worth more than "is gone".
        other = moved.get((operation.method, operation.path), "")
        hint = f"it is called {other} now" if other and other not in old else f"{operation.method} {operation.path}"
        yield _breaking(id, "is gone", hint)
    for id, operation in new.items():
        if id not in old:
            yield _told(id, f"is new: {operation.method} {operation.path}")


def _operation(id: str, old: Operation, new: Operation) -> Iterator[Issue]:
    if (old.method, old.path) != (new.method, new.path):
        yield _breaking(id, f"is {new.method} {new.path} now, where it was {old.method} {old.path}")
    # No call breaks, but the effect decides whether nlapi asks for consent.
    if old.effect is not new.effect:
        yield _told(id, f"is a {new.effect} now, where it was a {old.effect}")
    if new.deprecated and not old.deprecated:
        yield _told(id, "is deprecated now")
    if not _still_authorised(old, new):
        yield _breaking(id, f"needs {'another' if old.security else 'a'} credential now")
    tools = compile_tool(old), compile_tool(new)
    yield from _arguments(id, *tools)
    had_to, has_to = (one.body is not None and one.body.required for one in (old, new))
    if (
        has_to
        and not had_to
        and not any(one.places.get(name, ("",))[0] == "body" for one in tools for name in one.required)
    ):
        yield _breaking(id, "requires a body now")
    answers = answer_schema(old), answer_schema(new)
    if answers[0] and not answers[1]:
        yield _told(id, "no longer says what it answers")
    sides = Sides(old=answer_schemas(old.spec).reader.flat, new=answer_schemas(new.spec).reader.flat)
    yield from _issues(id, answered(*answers, "", sides))


def _still_authorised(old: Operation, new: Operation) -> bool:
    """Return whether every set of credentials that was sufficient still is, under any of its ids."""
    before = [product(*(one.ids for one in needed)) for needed in _enough(old)]
    return all(
        any(all(one.given_ids(ids) for one in needed) for needed in _enough(new)) for given in before for ids in given
    )


def _enough(operation: Operation) -> tuple[Alternative, ...]:
    """Return the sets of credentials that are sufficient to call an operation."""
    return alternatives(operation) if operation.security else ((),)


def _issues(id: str, found: Iterator[tuple[bool, str]]) -> Iterator[Issue]:
    for breaking, message in dict.fromkeys(found):
        yield (_breaking if breaking else _told)(id, message)


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
        sides = Sides(old=_following(old), new=_following(new))
        yield from _issues(id, sent(before[name], after[name], name, sides))


def _following(tool: Tool) -> Follow:
    """Return a function that follows the `$ref`s into a tool's own definitions."""
    definitions = tool.input_schema.get("$defs", {})

    def follow(schema: Any) -> Any:
        for _ in range(MAX_REFS):
            if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                break
            schema = definitions.get(schema["$ref"].rpartition("/")[2])
        return schema

    return follow


def _breaking(where: str, message: str, hint: str = "") -> Issue:
    return Issue.error(where, message, hint, "breaking")


def _told(where: str, message: str) -> Issue:
    return Issue(level=Level.INFO, where=where, message=message, rule="change")
