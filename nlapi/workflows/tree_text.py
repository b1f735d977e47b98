"""Writes the tree of a workflow as lines of text: what reads, what changes, and the values that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nlapi.client.safe_text import single_line
from nlapi.openapi.spec import Effect
from nlapi.workflows.model import StepActionKind
from nlapi.workflows.outline import OutlineEntry, WorkflowOutline, action_text, source_text

# Characters of one value in a line.
MAX_VALUE = 60

EFFECT_MARKS = {Effect.READ: "", Effect.WRITE: "! changes something", Effect.DESTROY: "! takes something away"}


def tree_lines(tree: WorkflowOutline, *, width: int = MAX_VALUE) -> Iterator[str]:
    """Yield the lines of the tree: a head, then each step with its values and actions, and the counts.

    Values are cut to `width` characters.
    """
    workflow = tree.workflow
    yield f"{single_line(workflow.id)}: {single_line(workflow.summary or workflow.description) or 'no summary'}"
    if tree.inputs:
        inputs = [f"{single_line(name)}={_value(value, width)}" for name, value in tree.inputs.items()]
        yield f"    with {', '.join(inputs)}"
    for action in workflow.failure_actions:
        if action.kind is not StepActionKind.END:
            yield f"    on failure of a step: {single_line(action_text(action))}"
    for number, entry in enumerate(tree.entries, 1):
        yield from _entry_lines(entry, tree, number, width, is_last=number == len(tree.entries))
    yield f"  {effect_counts(tree)}"


def effect_counts(tree: WorkflowOutline) -> str:
    """Return how many calls of the tree read and how many change: `1 read and 2 changes`."""
    reads = sum(entry.effect is Effect.READ for entry in tree.entries)
    counts = [count_text(reads, "read")] if reads else []
    counts += [count_text(len(tree.changes), "change")] if tree.changes else []
    return " and ".join(counts) or "no calls"


def count_text(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _entry_lines(
    entry: OutlineEntry, tree: WorkflowOutline, number: int, width: int, *, is_last: bool
) -> Iterator[str]:
    indent = "   " * entry.depth
    branch, rail = ("└─", "  ") if is_last else ("├─", "│ ")
    name = single_line(entry.step.id)
    if entry.operation is not None:
        mark = EFFECT_MARKS[entry.operation.effect]
        route = f"{entry.operation.method} {single_line(entry.operation.path)}"
        yield f"  {indent}{branch} {number} {name}: {route}{f'  {mark}' if mark else ''}"
    elif entry.workflow is not None:
        yield f"  {indent}{branch} {number} {name}: the workflow {single_line(entry.workflow.id)}"
    else:
        yield f"  {indent}{branch} {number} {name}: {single_line(entry.step.target)}"
    prefix = f"  {indent}{rail}    "
    if entry.fault:
        yield f"{prefix}cannot be sent: {single_line(entry.fault)}"
    if values := _values(entry, tree, width):
        yield f"{prefix}{', '.join(values)}"
    yield from (f"{prefix}{single_line(text)}" for text in entry.flow)


def _values(entry: OutlineEntry, tree: WorkflowOutline, width: int) -> list[str]:
    if entry.bound is None:
        return []
    known = [f"{name}={_value(value, width)}" for name, value in entry.bound.call.arguments.items()]
    pending = [
        f"{name} <- {single_line(source_text(text))}{_crossing(entry, tree, text)}"
        for name, text in entry.bound.pending
    ]
    return [*known, *pending]


def _crossing(entry: OutlineEntry, tree: WorkflowOutline, expression: str) -> str:
    """Return in words that an answer of one API goes to another; "" where it stays."""
    source = tree.source_of(entry, expression)
    if source is None or source.operation is None or entry.operation is None:
        return ""
    before, after = source.operation.spec, entry.operation.spec
    return f" (from {single_line(before.title)} to {single_line(after.title)})" if before is not after else ""


def _value(value: object, width: int) -> str:
    text = single_line(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= width else f"{text[: width - 1]}…"
