"""Rehearses a workflow against the answers of a conversation: it has to make the very calls that were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlapi.tools.ledger import key_argument
from nlapi.workflows.answer_values import Answered
from nlapi.workflows.draft import BuiltDocument, InputValue
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.planner import exchange_of


def rehearse(built: BuiltDocument, calls: Sequence[Answered]) -> str:
    """Return why a workflow with the values of its conversation does not repeat `calls`; "" where it does.

    Nothing is sent: each call gets the answer that it had.
    """
    workflow = built.linked.document.workflow()
    run = WorkflowRun(linked=built.linked, workflow=workflow, inputs=built.examples)
    remaining = list(calls)
    while bound := run.next_calls():
        for item in bound:
            if not remaining:
                return f"{item.call.id} would be called once more"
            answered = remaining.pop(0)
            before = answered.step.call
            if item.call.operation_id != before.operation_id:
                return f"{item.call.operation_id} would be called in place of {before.operation_id}"
            if name := _different_argument(item.call.arguments, answered):
                return f"{before.operation_id} would be called with another {name}"
            assert answered.step.result is not None
            report = run.finish(item.call, exchange_of(item.call, answered.step.request, answered.step.result))
            if report.failure or report.lost:
                return f"{before.operation_id}: {report.failure or next(iter(report.lost.values()))}"
    if run.state is not RunState.DONE:
        return run.failure or "an answer lacks a value that a step needs"
    return f"{remaining[0].operation.id} would not be called" if remaining else ""


def _different_argument(arguments: Mapping[str, Any], answered: Answered) -> str:
    """Return the first argument that differs from that of a call; "" for none.

    A list that was filtered by a part of a name is filtered by the whole of it.
    """
    call = answered.step.call
    for name in dict.fromkeys((*call.arguments, *arguments)):
        node = answered.draft.arguments.get(name)
        is_name = isinstance(node, InputValue) and node in answered.names.values()
        if name == key_argument(call.tool) or is_name:
            continue
        if name not in arguments or name not in call.arguments or not _is_same(arguments[name], call.arguments[name]):
            return name
    return ""


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two values are one on the wire; a description may have an id as a text and as a number."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_is_same(first[name], second[name]) for name in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    return bool(first == second) or (
        isinstance(first, (str, int, float)) and isinstance(second, (str, int, float)) and str(first) == str(second)
    )
