"""The state of a run as JSON, and back: what a transcript keeps so that a run goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.errors import UsageError
from nlapi.workflows.engine import Frame, RunState, StepReport, WorkflowRun
from nlapi.workflows.expressions import Part
from nlapi.workflows.model import WorkflowDocument
from nlapi.workflows.scope import Scope
from nlapi.workflows.sources import LinkedDocument

# Bytes of a state that a transcript keeps with each plan: a run with larger outputs cannot be resumed.
MAX_STATE = 2_000_000


def document_digest(document: WorkflowDocument) -> str:
    """Return a digest of the content of a document: a run is resumed with the same document only."""
    return hashlib.sha256(json.dumps(document.tree, sort_keys=True, default=str).encode()).hexdigest()[:32]


def snapshot(run: WorkflowRun, secret_inputs: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the state of a run between two calls; `{"too_large": true}` where it is over MAX_STATE."""
    places = dict(_documents(run.linked))
    state = {
        "workflow": run.workflow.id,
        "digest": document_digest(run.linked.document),
        "until": run.until,
        "strict": run.strict,
        "count": run.count,
        "finished": run.finished,
        "reports": [_encode_report(report) for report in run.reports],
        "frames": [_encode_frame(frame, places, secret_inputs) for frame in run.frames],
    }
    return state if len(json.dumps(state, default=str)) <= MAX_STATE else {"too_large": True}


def restore(state: Mapping[str, Any], linked: LinkedDocument, inputs: Mapping[str, Any]) -> WorkflowRun:
    """Return the run of a state. UsageError where it is too large, or of another version of the document.

    `inputs` are given again: those that are secret are not in the state.
    """
    if state.get("too_large"):
        raise UsageError(
            "the outputs of the run were too large for its transcript", hint="run the workflow again from its start"
        )
    if state["digest"] != document_digest(linked.document):
        raise UsageError(
            f"{linked.document.location or 'the document'} has changed since the run was stopped",
            hint="run the workflow again, with --until or from its start",
        )
    run = WorkflowRun(
        linked=linked,
        workflow=linked.document.workflow(state["workflow"]),
        inputs=inputs,
        until=state["until"],
        strict=state["strict"],
    )
    documents = {tuple(place): document for document, place in _documents(linked)}
    run.count = state["count"]
    run.finished |= {
        id: {Part(part): values for part, values in fields.items()} for id, fields in state["finished"].items()
    }
    run.reports = [StepReport(**{**data, "notes": tuple(data["notes"])}) for data in state["reports"]]
    run.frames = []
    for data in state["frames"]:
        run.frames.append(_decode_frame(data, documents, run, inputs))
    run.state = RunState.RUNNING
    return run


def _documents(linked: LinkedDocument, place: tuple[str, ...] = ()) -> Iterator[tuple[LinkedDocument, tuple[str, ...]]]:
    """Yield a document and those that it refers to, each with the names of the sources that lead to it."""
    yield linked, place
    for name, nested in linked.documents.items():
        yield from _documents(nested, (*place, name))


def _encode_report(report: StepReport) -> dict[str, Any]:
    # The values of outputs stand in the frames, once.
    return {
        "path": report.path,
        "call_id": report.call_id,
        "failure": report.failure,
        "status": report.status,
        "notes": list(report.notes),
    }


def _encode_frame(
    frame: Frame, places: Mapping[LinkedDocument, tuple[str, ...]], secret_inputs: frozenset[str]
) -> dict[str, Any]:
    return {
        "document": list(places[frame.linked]),
        "workflow": frame.workflow.id,
        "path": frame.path,
        "step": frame.step.id if frame.step is not None else None,
        "position": frame.position,
        "visits": dict(frame.visits),
        "attempts": dict(frame.attempts),
        "inputs": {name: value for name, value in frame.scope.inputs.items() if name not in secret_inputs},
        "steps": frame.scope.steps,
        "lost": [[*place, reason] for place, reason in frame.scope.lost.items()],
    }


def _decode_frame(
    data: Mapping[str, Any],
    documents: Mapping[tuple[str, ...], LinkedDocument],
    run: WorkflowRun,
    inputs: Mapping[str, Any],
) -> Frame:
    linked, below = documents[tuple(data["document"])], run.frames[-1] if run.frames else None
    workflow = linked.document.workflow(data["workflow"])
    own_inputs = {name: value for name, value in inputs.items() if name in workflow.input_schemas}
    scope = Scope(
        workflow=workflow,
        document=linked.document,
        inputs={**own_inputs, **data["inputs"]},
        steps={id: dict(outputs) for id, outputs in data["steps"].items()},
        lost={(step, name): reason for step, name, reason in data["lost"]},
        workflows=run.finished,
        strict=run.strict,
    )
    return Frame(
        linked=linked,
        workflow=workflow,
        scope=scope,
        path=data["path"],
        step=below.workflow.step(data["step"]) if below is not None and data["step"] else None,
        position=data["position"],
        visits=Counter(data["visits"]),
        attempts=Counter(data["attempts"]),
    )
