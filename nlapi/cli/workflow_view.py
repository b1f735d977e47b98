"""Shows workflows: as a tree or a diagram before they run, a line for each step while they do, and their outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.agent.events import CallProposed, Event, StepFinished
from nlapi.cli import console
from nlapi.cli.events import DiagnosisNotes
from nlapi.client.message import Request, as_dict
from nlapi.client.safe_text import redact, single_line
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.run import Target, build_partial
from nlapi.workflows.engine import WorkflowRun
from nlapi.workflows.model import ActionKind
from nlapi.workflows.outline import Outline, OutlineEntry, action_text, source_text
from nlapi.workflows.planner import summary

# Characters of one value in a line.
MAX_VALUE = 60

Targets = Mapping[Spec, Target]

_MARKS = {Effect.READ: "", Effect.WRITE: "! changes something", Effect.DESTROY: "! takes something away"}


def tree_lines(tree: Outline) -> Iterator[str]:
    """Yield the lines of the tree: a head with the counts, then each step with its values and actions."""
    workflow = tree.workflow
    reads = sum(entry.effect is Effect.READ for entry in tree.entries)
    counts = [console.count_noun(reads, "read")] if reads else []
    counts += [console.count_noun(len(tree.changes), "change")] if tree.changes else []
    yield f"{single_line(workflow.id)}: {single_line(workflow.summary or workflow.description) or 'no summary'}"
    for action in workflow.failure_actions:
        if action.kind is not ActionKind.END:
            yield f"    on failure of a step: {single_line(action_text(action))}"
    for number, entry in enumerate(tree.entries, 1):
        yield from _entry_lines(entry, number, is_last=number == len(tree.entries))
    yield f"  {' and '.join(counts) or 'no calls'}"


def _entry_lines(entry: OutlineEntry, number: int, *, is_last: bool) -> Iterator[str]:
    indent = "   " * entry.depth
    branch, rail = ("└─", "  ") if is_last else ("├─", "│ ")
    name = single_line(entry.step.id)
    if entry.operation is not None:
        mark = _MARKS[entry.operation.effect]
        route = f"{entry.operation.method} {single_line(entry.operation.path)}"
        yield f"  {indent}{branch} {number} {name}: {route}{f'  {mark}' if mark else ''}"
    elif entry.workflow is not None:
        yield f"  {indent}{branch} {number} {name}: the workflow {single_line(entry.workflow.id)}"
    else:
        yield f"  {indent}{branch} {number} {name}: {single_line(entry.step.target)}"
    prefix = f"  {indent}{rail}    "
    if entry.fault:
        yield f"{prefix}cannot be sent: {single_line(entry.fault)}"
    if values := _values(entry):
        yield f"{prefix}{', '.join(values)}"
    yield from (f"{prefix}{single_line(text)}" for text in entry.flow)


def _values(entry: OutlineEntry) -> list[str]:
    if entry.bound is None:
        return []
    known = [f"{name}={_value(value)}" for name, value in entry.bound.call.arguments.items()]
    pending = [f"{name} <- {single_line(source_text(text))}" for name, text in entry.bound.pending]
    return [*known, *pending]


def _value(value: object) -> str:
    return console.shorten(single_line(console.format_json(value).replace("\n", " ")), MAX_VALUE)


def mermaid(tree: Outline) -> str:
    """Return the tree as a flowchart of Mermaid, with an arrow for each value that is handed on."""
    lines = ["flowchart TD"]
    names = {entry.path: f"s{number}" for number, entry in enumerate(tree.entries)}
    for entry in tree.entries:
        target = entry.operation.id if entry.operation is not None else entry.step.target
        text = _mermaid_text(f"{entry.step.id}\\n{target}")
        left, right = ("([", "])") if entry.effect is Effect.READ else ("[", "]")
        lines.append(f'  {names[entry.path]}{left}"{text}"{right}')
    for before, after in zip(tree.entries, tree.entries[1:], strict=False):
        lines.append(f"  {names[before.path]} --> {names[after.path]}")
    for entry in tree.entries:
        folder = entry.path.rpartition("/")[0]
        for name, text in entry.bound.pending if entry.bound is not None else ():
            output, _, owner = source_text(text).rpartition(" of ")
            source = f"{folder}/{owner}" if folder else owner
            if source in names:
                lines.append(f'  {names[source]} -. "{_mermaid_text(f"{output} = {name}")}" .-> {names[entry.path]}')
    changes = ",".join(names[entry.path] for entry in tree.changes)
    if changes:
        lines += ["  classDef change stroke:#c00,stroke-width:2px", f"  class {changes} change"]
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    return "".join(char if char.isalnum() or char in " -_.=\\/:{}" else " " for char in text)


def outline_record(tree: Outline, targets: Targets | None = None) -> dict[str, Any]:
    """Return the tree as JSON; with `targets`, each step has its request as far as it is known."""
    return {
        "workflow": tree.workflow.id,
        "summary": tree.workflow.summary,
        "changes": len(tree.changes),
        "steps": [_entry_record(entry, targets) for entry in tree.entries],
    }


def _entry_record(entry: OutlineEntry, targets: Targets | None) -> dict[str, Any]:
    record: dict[str, Any] = {"step": entry.path, "calls": entry.step.target}
    if entry.operation is not None:
        record |= {"operation": entry.operation.id, "effect": entry.operation.effect}
    if entry.bound is not None:
        record |= {"arguments": dict(entry.bound.call.arguments), "pending": dict(entry.bound.pending)}
        if targets is not None and (request := _request(entry, targets)) is not None:
            record["request"] = as_dict(request)
    return record | ({"fault": entry.fault} if entry.fault else {})


def _request(entry: OutlineEntry, targets: Targets) -> Request | None:
    if entry.bound is None or entry.operation is None:
        return None
    try:
        return build_partial(entry.bound.call, targets[entry.operation.spec])
    except NlapiError:
        return None


def dry_run_lines(tree: Outline, targets: Targets) -> Iterator[str]:
    """Yield the request of each step as far as it is known."""
    for number, entry in enumerate(tree.entries, 1):
        if entry.workflow is not None:
            continue
        mark = _MARKS[entry.effect] if entry.effect is not None else ""
        request = _request(entry, targets)
        line = f"{request.method} {request.url}" if request is not None else single_line(entry.step.target)
        yield f"→ {number} {single_line(entry.path)}: {line}{f'  {mark}' if mark else ''}"
        if request is not None and request.content:
            yield "\n".join(f"    {text}" for text in console.preview_body(request).splitlines())
        if entry.fault:
            yield f"    cannot be sent: {single_line(entry.fault)}"
        for name, text in entry.bound.pending if entry.bound is not None else ():
            yield f"    {name} <- {single_line(source_text(text))}"


class StepRenderer:
    """A line on standard error for each step of a run: what is sent, and what came."""

    def __init__(self, targets: Targets, *, secrets: tuple[str, ...] = ()) -> None:
        self._notes = DiagnosisNotes(targets)
        self._secrets = secrets
        self._count = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallProposed):
            if event.asks:
                for line in _proposal_lines(event):
                    console.note(redact(line, self._secrets))
        elif isinstance(event, StepFinished):
            self._show(event.step)

    def _show(self, step: Step) -> None:
        self._count += 1
        name = f"{self._count} {single_line(step.call.id)}"
        if step.result is not None:
            result = step.result
            console.dim(f"{name}: {result.status} {console.status_phrase(result.status)} · {result.elapsed:.2f} s")
            self._notes(step)
        elif step.outcome is not Outcome.PREVIEWED:
            console.dim(redact(f"{name}: {single_line(step.message)}", self._secrets))


def _proposal_lines(event: CallProposed) -> Iterator[str]:
    yield f"→ {single_line(event.call.operation_id)}: {event.request.method} {event.request.url}"
    if event.request.content:
        yield "\n".join(f"    {line}" for line in console.preview_body(event.request).splitlines())
    if event.reason:
        yield f"  {event.reason}"


def report_record(run: WorkflowRun) -> dict[str, Any]:
    """Return the outcome of a run as JSON."""
    return {
        "workflow": run.workflow.id,
        "state": run.state,
        **({"failure": run.failure} if run.failure else {}),
        "outputs": run.outputs,
        **({"lost": run.lost_outputs} if run.lost_outputs else {}),
        "steps": [
            {
                "step": report.path,
                "status": report.status,
                **({"failure": report.failure} if report.failure else {}),
                **({"notes": list(report.notes)} if report.notes else {}),
            }
            for report in run.reports
        ],
    }


def report_text(run: WorkflowRun) -> Iterator[str]:
    """Yield the outcome of a run for a person: its outputs, then a line."""
    for name, value in run.outputs.items():
        text = value if isinstance(value, str) else console.format_json(value)
        yield f"{single_line(name)}: {text}" if "\n" not in text else f"{single_line(name)}:\n{text}"
    for name, reason in run.lost_outputs.items():
        yield f"{single_line(name)}: no value ({single_line(reason)})"
    if not run.failure:
        yield summary(run)
