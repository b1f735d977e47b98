"""Reports the outcome of a run: what was done, the step that failed, and what was not reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.openapi.spec import Effect
from nlapi.workflows.engine import WorkflowRun
from nlapi.workflows.outline import OutlineEntry, WorkflowOutline
from nlapi.workflows.planner import summary


def run_record(run: WorkflowRun, tree: WorkflowOutline | None = None) -> dict[str, Any]:
    """Return the outcome of a run as JSON; with its tree, a run that failed names the steps that were not reached."""
    record: dict[str, Any] = {
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
    if run.failure and tree is not None:
        record["not_run"] = [entry.path for entry in unreached(run, tree)]
    return record


def run_lines(run: WorkflowRun) -> Iterator[str]:
    """Yield the outcome of a run for a person: its outputs, then a line."""
    for name, value in run.outputs.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
        yield f"{single_line(name)}: {text}" if "\n" not in text else f"{single_line(name)}:\n{text}"
    for name, reason in run.lost_outputs.items():
        yield f"{single_line(name)}: no value ({single_line(reason)})"
    if not run.failure:
        yield summary(run)


def failure_lines(run: WorkflowRun, tree: WorkflowOutline) -> Iterator[str]:
    """Yield why a run stopped, what of it was done before, and what was not."""
    yield summary(run)
    effects = {entry.path: entry.effect for entry in tree.entries}
    done = [report for report in run.reports if not report.failure and report.call_id]
    changes = [report.path for report in done if effects.get(report.path) in (Effect.WRITE, Effect.DESTROY)]
    reads = len(done) - len(changes)
    if changes:
        yield f"changed before: {', '.join(map(single_line, dict.fromkeys(changes)))}"
    elif done:
        yield f"nothing was changed before; {reads} read{'' if reads == 1 else 's'} answered"
    last = run.reports[-1] if run.reports else None
    is_change = last is not None and effects.get(last.path) in (Effect.WRITE, Effect.DESTROY)
    if is_change and last is not None and last.failure and last.status is not None and 200 <= last.status < 300:
        yield f"{single_line(last.path)} was answered with {last.status}: its change was carried out"
    if left := unreached(run, tree):
        yield f"not run: {', '.join(single_line(entry.path) for entry in left)}"


def unreached(run: WorkflowRun, tree: WorkflowOutline) -> tuple[OutlineEntry, ...]:
    """Return the calls of the tree that a run has made no attempt at."""
    reached = {report.path for report in run.reports}
    return tuple(entry for entry in tree.entries if entry.operation is not None and entry.path not in reached)
