"""Compares two versions of a description for their callers: operations added, removed and changed, schemas included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from nlapi.client.auth import Alternative, alternatives
from nlapi.client.safe_text import code_span
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Operation
from nlapi.plugin.names import callable_id
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.tools.compile import compile_tool
from nlapi.tools.schema_compatibility import (
    RefFollower,
    SchemaComparison,
    answer_differences,
    credential_differences,
    request_differences,
    server_differences,
)
from nlapi.tools.tool import Tool

# `$ref`s that are followed in a row at the top of a schema: a cycle of them would never end.
MAX_REFS = 6


def changes(before: Sequence[Operation], after: Sequence[Operation], *, with_servers: bool = True) -> Iterator[Issue]:
    """Yield breaking changes (ERROR: a valid call is refused, an answer lacks what it had) and all others (INFO).

    Without `with_servers`, not where calls are sent: the user has named the place.
    """
    old, new = (
        {callable_id(candidate): candidate for candidate in operations if candidate.usable}
        for operations in (before, after)
    )
    id_by_path = {(candidate.method, candidate.path): id for id, candidate in new.items()}
    yield from _address_issues({id: (old[id], new[id]) for id in old if id in new}, with_servers=with_servers)
    for id, operation in old.items():
        if id in new:
            yield from _compare_operations(id, operation, new[id])
            continue
        # An operation that is found at the old method and path was renamed, which is a hint worth more than "is gone".
        new_id = id_by_path.get((operation.method, operation.path), "")
        hint = f"it is called {new_id} now" if new_id and new_id not in old else f"{operation.method} {operation.path}"
        yield _breaking_issue(id, "is gone", hint)
    for id, operation in new.items():
        if id not in old:
            yield _change_issue(id, f"is new: {operation.method} {operation.path}")


def _address_issues(pairs: Mapping[str, tuple[Operation, Operation]], *, with_servers: bool) -> Iterator[Issue]:
    """Yield where calls and credentials go elsewhere, once for all operations of which it is true."""
    ids_by_message: dict[str, list[str]] = {}
    for id, pair in pairs.items():
        servers = server_differences(*pair) if with_servers else ()
        for message in (*servers, *credential_differences(*pair)):
            ids_by_message.setdefault(message, []).append(id)
    for message, ids in ids_by_message.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        yield _breaking_issue("every operation" if len(ids) == len(pairs) else f"{ids[0]}{more}", message)


def _compare_operations(id: str, old: Operation, new: Operation) -> Iterator[Issue]:
    if (old.method, old.path) != (new.method, new.path):
        yield _breaking_issue(id, f"is {new.method} {new.path} now, where it was {old.method} {old.path}")
    # No call breaks, but the effect decides whether nlapi asks for consent.
    if old.effect is not new.effect:
        yield _change_issue(id, f"is a {new.effect} now, where it was a {old.effect}")
    if new.deprecated and not old.deprecated:
        yield _change_issue(id, "is deprecated now")
    if not _accepts_old_credentials(old, new):
        yield _breaking_issue(id, f"needs {'another' if old.security else 'a'} credential now")
    tools = compile_tool(old), compile_tool(new)
    yield from _compare_arguments(id, *tools)
    was_required, is_required = (side.body is not None and side.body.required for side in (old, new))
    if (
        is_required
        and not was_required
        and not any(side.places.get(name, ("",))[0] == "body" for side in tools for name in side.required)
    ):
        yield _breaking_issue(id, "requires a body now")
    answers = answer_schema(old), answer_schema(new)
    if answers[0] and not answers[1]:
        yield _change_issue(id, "no longer says what it answers")
    comparison = SchemaComparison(old=answer_schemas(old.spec).reader.flat, new=answer_schemas(new.spec).reader.flat)
    yield from _difference_issues(id, answer_differences(*answers, "", comparison))


def _accepts_old_credentials(old: Operation, new: Operation) -> bool:
    """Return whether every set of credentials that was sufficient still is, under any of its ids."""
    before = [product(*(credential.ids for credential in alternative)) for alternative in _sufficient_credentials(old)]
    return all(
        any(
            all(credential.matching_ids(ids) for credential in alternative)
            for alternative in _sufficient_credentials(new)
        )
        for id_sets in before
        for ids in id_sets
    )


def _sufficient_credentials(operation: Operation) -> tuple[Alternative, ...]:
    """Return the sets of credentials that are sufficient to call an operation."""
    return alternatives(operation) if operation.security else ((),)


def _difference_issues(id: str, differences: Iterator[tuple[bool, str]]) -> Iterator[Issue]:
    for is_breaking, message in dict.fromkeys(differences):
        yield (_breaking_issue if is_breaking else _change_issue)(id, message)


def _compare_arguments(id: str, old: Tool, new: Tool) -> Iterator[Issue]:
    before, after = old.input_schema["properties"], new.input_schema["properties"]
    for name in before:
        if name not in after:
            yield _breaking_issue(id, f"no longer takes {code_span(name)}")
        elif name in new.required and name not in old.required:
            yield _breaking_issue(id, f"requires {code_span(name)} now")
        elif old.places.get(name) != new.places.get(name):
            yield _change_issue(id, f"takes {code_span(name)} in another place")
    for name in after:
        if name not in before:
            is_required = name in new.required
            yield (_breaking_issue if is_required else _change_issue)(
                id, f"{'requires' if is_required else 'takes'} {code_span(name)}, which is new"
            )
    for name in (argument for argument in before if argument in after):
        comparison = SchemaComparison(old=_ref_follower(old), new=_ref_follower(new))
        yield from _difference_issues(id, request_differences(before[name], after[name], name, comparison))


def _ref_follower(tool: Tool) -> RefFollower:
    """Return a function that follows the `$ref`s into a tool's own definitions."""
    definitions = tool.input_schema.get("$defs", {})

    def follow(schema: object) -> Any:
        for _ in range(MAX_REFS):
            if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                break
            schema = definitions.get(schema["$ref"].rpartition("/")[2])
        return schema

    return follow


def _breaking_issue(location: str, message: str, hint: str = "") -> Issue:
    return Issue.error(location, message, hint, "breaking")


def _change_issue(location: str, message: str) -> Issue:
    return Issue(level=Level.INFO, where=location, message=message, rule="change")
