"""Shows workflows: as a tree or a diagram before they run, a line for each step while they do, and their outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.agent.events import CallProposed, Event, StepFinished, WorkEnded
from nlapi.cli.ask.events import DiagnosisNotes
from nlapi.cli.render import console
from nlapi.client.masking import redact
from nlapi.client.message import Request, as_dict
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.sending.run import Target, build_partial
from nlapi.workflows.outline import EFFECT_MARKS, OutlineEntry, WorkflowOutline, source_text

Targets = Mapping[Spec, Target]


def mermaid(tree: WorkflowOutline) -> str:
    """Return the tree as a flowchart of Mermaid, with an arrow for each value that is handed on."""
    lines = ["flowchart TD"]
    names = {entry.path: f"s{number}" for number, entry in enumerate(tree.entries)}
    for entry in tree.entries:
        target = entry.operation.id if entry.operation is not None else entry.step.target
        text = mermaid_text(f"{entry.step.id}\\n{target}")
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
                lines.append(f'  {names[source]} -. "{mermaid_text(f"{output} = {name}")}" .-> {names[entry.path]}')
    changes = ",".join(names[entry.path] for entry in tree.changes)
    if changes:
        lines += ["  classDef change stroke:#c00,stroke-width:2px", f"  class {changes} change"]
    return "\n".join(lines)


def mermaid_text(text: str) -> str:
    """Return a text without the characters that have a meaning in a label of Mermaid."""
    return "".join(char if char.isalnum() or char in " -_.=\\/:{}" else " " for char in text)


def outline_record(tree: WorkflowOutline, targets: Targets | None = None) -> dict[str, Any]:
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


def dry_run_lines(tree: WorkflowOutline, targets: Targets) -> Iterator[str]:
    """Yield the request of each step as far as it is known."""
    for number, entry in enumerate(tree.entries, 1):
        if entry.workflow is not None:
            continue
        mark = EFFECT_MARKS[entry.effect] if entry.effect is not None else ""
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
        elif isinstance(event, WorkEnded):
            console.note(redact(event.step.message or f"{event.step.call.operation_id} is done", self._secrets))

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
