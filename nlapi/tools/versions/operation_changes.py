"""Compares two versions of operations: what breaks for a caller, and what is merely otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from nlapi.client.auth import Alternative, alternatives
from nlapi.client.safe_text import code_span
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.tools.arguments import resolve_definition
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.tools.versions.schema_compatibility import (
    Impact,
    SchemaComparison,
    answer_differences,
    credential_differences,
    request_differences,
    server_differences,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationChange:
    """One difference between two versions of an operation; the message follows its id.

    `argument` is the one that it is about. `is_address` is true for where calls and credentials go, which many
    operations share.
    """

    message: str
    impact: Impact = Impact.SOME
    argument: str = ""
    is_address: bool = False


def operation_changes(old: Operation, new: Operation, *, with_servers: bool = True) -> Iterator[OperationChange]:
    """Yield what is otherwise in a later version of an operation, each once."""
    yield from dict.fromkeys(_operation_changes(old, new, with_servers))


def _operation_changes(old: Operation, new: Operation, with_servers: bool) -> Iterator[OperationChange]:
    for message in (*(server_differences(old, new) if with_servers else ()), *credential_differences(old, new)):
        yield OperationChange(message=message, impact=Impact.ALL, is_address=True)
    if (old.method, old.path) != (new.method, new.path):
        message = f"is {new.method} {new.path} now, where it was {old.method} {old.path}"
        yield OperationChange(message=message, impact=Impact.ALL)
    # No call breaks, but the effect decides whether nlapi asks for consent.
    if old.effect is not new.effect:
        yield OperationChange(message=f"is a {new.effect} now, where it was a {old.effect}", impact=Impact.NONE)
    if new.deprecated and not old.deprecated:
        yield OperationChange(message="is deprecated now", impact=Impact.NONE)
    if not _accepts_old_credentials(old, new):
        message = f"needs {'another' if old.security else 'a'} credential now"
        yield OperationChange(message=message, impact=Impact.ALL)
    tools = compile_tool(old), compile_tool(new)
    yield from _argument_changes(*tools)
    was_required, is_required = (side.body is not None and side.body.required for side in (old, new))
    has_named = any(side.places.get(name, ("",))[0] == "body" for side in tools for name in side.required)
    if is_required and not was_required and not has_named:
        yield OperationChange(message="requires a body now", impact=Impact.ALL)
    answers = answer_schema(old), answer_schema(new)
    if answers[0] and not answers[1]:
        yield OperationChange(message="no longer describes its answer", impact=Impact.NONE)
    comparison = SchemaComparison(old=answer_schemas(old.spec).reader.flat, new=answer_schemas(new.spec).reader.flat)
    for impact, message in answer_differences(*answers, "", comparison):
        yield OperationChange(message=message, impact=impact)


def _argument_changes(old: Tool, new: Tool) -> Iterator[OperationChange]:
    before, after = old.input_schema["properties"], new.input_schema["properties"]
    for name in before:
        if name not in after:
            yield OperationChange(message=f"no longer takes {code_span(name)}", impact=Impact.ALL, argument=name)
        elif name in new.required and name not in old.required:
            yield OperationChange(message=f"requires {code_span(name)} now", argument=name)
        elif old.places.get(name) != new.places.get(name):
            message = f"takes {code_span(name)} in another place"
            yield OperationChange(message=message, impact=Impact.NONE, argument=name)
    for name in after:
        if name not in before:
            is_required = name in new.required
            message = f"{'requires' if is_required else 'takes'} {code_span(name)}, which is new"
            yield OperationChange(message=message, impact=Impact.ALL if is_required else Impact.NONE, argument=name)
    for name in (argument for argument in before if argument in after):
        follow_old, follow_new = (
            partial(resolve_definition, definitions=side.input_schema.get("$defs", {})) for side in (old, new)
        )
        comparison = SchemaComparison(old=follow_old, new=follow_new)
        for impact, message in request_differences(before[name], after[name], name, comparison):
            yield OperationChange(message=message, impact=impact, argument=name)


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
