"""The state of a run as JSON, and back: what a transcript keeps so that a run goes on where it was stopped."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nlapi.client.masking import NO_SECRETS, SecretMask
from nlapi.client.message import File
from nlapi.errors import UsageError
from nlapi.workflows.engine import Frame, RunState, StepReport, WorkflowRun
from nlapi.workflows.expressions import ExpressionPart
from nlapi.workflows.model import WorkflowDocument
from nlapi.workflows.scope import Scope
from nlapi.workflows.sources import LinkedDocument

# Bytes of a state that a transcript keeps with each plan: a run with larger outputs cannot be resumed.
MAX_STATE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstored:
    """The values that no transcript has: inputs by name (secrets, files), and the mask of secrets inside texts."""

    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    mask: SecretMask = field(default=NO_SECRETS, repr=False)

    def name_of(self, value: Any) -> str | None:
        """Return the input that a value is; "" for a text with a secret in it; None for any other value."""
        # Truth values and numbers are everywhere, and equal to an input by chance.
        if value is None or isinstance(value, (bool, int, float)) or value in ("", [], {}):
            return None
        # A file is a text too, its name; a text that is the same is no file.
        is_file = isinstance(value, File)
        name = next(
            (name for name, entry in self.inputs.items() if entry == value and isinstance(entry, File) is is_file), None
        )
        if name is None and isinstance(value, str) and self.mask.finds(value):
            return ""
        return name


NOTHING_UNSTORED: Final = Unstored()


def document_digest(document: WorkflowDocument) -> str:
    """Return a digest of the content of a document: a run is resumed with the same document only."""
    return hashlib.sha256(json.dumps(document.tree, sort_keys=True, default=str).encode()).hexdigest()[:32]


def snapshot(run: WorkflowRun, unstored: Unstored = NOTHING_UNSTORED) -> dict[str, Any]:
    """Return the state of a run between two calls; `{"too_large": true}` where it is over MAX_STATE.

    Where an input stands that no transcript has, the state has null, and `unstored` the place and the input's name.
    """
    places = dict(_documents(run.linked))
    state = {
        "workflow": run.workflow.id,
        "digest": document_digest(run.linked.document),
        "run": run.id,
        "until": run.until,
        "strict": run.strict,
        "count": run.count,
        "delay": run.delay,
        "finished": run.finished,
        "reports": [_encode_report(report) for report in run.reports],
        "frames": [_encode_frame(frame, places) for frame in run.frames],
    }
    found: list[tuple[list[str | int], str]] = []
    state = _without_unstored(state, unstored, (), found)
    state["unstored"] = [[list(place), name] for place, name in found]
    return state if len(json.dumps(state, default=str)) <= MAX_STATE else {"too_large": True, "run": run.id}


def restore(state: Mapping[str, Any], linked: LinkedDocument, inputs: Mapping[str, Any]) -> WorkflowRun:
    """Return the run of a state. UsageError where it is too large, or of another version of the document.

    `inputs` are given again: those that no transcript has are not in the state.
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
    state = copy.deepcopy(dict(state))
    for place, name in state["unstored"]:
        if name not in inputs:
            # The value is part of a text, or was an answer's: no input is the same.
            raise UsageError(
                "a value of the run has a secret in it, which no transcript has",
                hint="run the workflow again from its start",
            )
        holder: Any = state
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = inputs[name]
    run = WorkflowRun(
        linked=linked,
        workflow=linked.document.workflow(state["workflow"]),
        inputs=inputs,
        until=state["until"],
        strict=state["strict"],
        id=state.get("run", ""),
    )
    documents = {tuple(place): document for document, place in _documents(linked)}
    run.count, run.delay = state["count"], state["delay"]
    run.given = state["given"]
    run.finished |= {
        id: {ExpressionPart(part): values for part, values in fields.items()}
        for id, fields in state["finished"].items()
    }
    run.reports = [StepReport(**{**data, "notes": tuple(data["notes"])}) for data in state["reports"]]
    run.frames = []
    for data in state["frames"]:
        run.frames.append(_decode_frame(data, documents, run))
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


def _without_unstored(
    node: Any, unstored: Unstored, place: tuple[str | int, ...], found: list[tuple[list[str | int], str]]
) -> Any:
    """Return a value with null where it is, or has, what no transcript has; `found` gets each place with its input."""
    if (name := unstored.name_of(node)) is not None:
        found.append((list(place), name))
        return None
    if isinstance(node, Mapping):
        return {key: _without_unstored(item, unstored, (*place, key), found) for key, item in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_unstored(item, unstored, (*place, index), found) for index, item in enumerate(node)]
    return node


def _encode_frame(frame: Frame, places: Mapping[LinkedDocument, tuple[str, ...]]) -> dict[str, Any]:
    return {
        "document": list(places[frame.linked]),
        "workflow": frame.workflow.id,
        "path": frame.path,
        "step": frame.step.id if frame.step is not None else None,
        "position": frame.position,
        "visits": dict(frame.visits),
        "attempts": dict(frame.attempts),
        "is_ended": frame.is_ended,
        "inputs": dict(frame.scope.inputs),
        "steps": frame.scope.steps,
        "lost": [[*place, reason] for place, reason in frame.scope.lost.items()],
    }


def _decode_frame(
    data: Mapping[str, Any],
    documents: Mapping[tuple[str, ...], LinkedDocument],
    run: WorkflowRun,
) -> Frame:
    linked, below = documents[tuple(data["document"])], run.frames[-1] if run.frames else None
    workflow = linked.document.workflow(data["workflow"])
    scope = Scope(
        workflow=workflow,
        document=linked.document,
        inputs=data["inputs"],
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
        is_ended=data["is_ended"],
        visits=Counter(data["visits"]),
        attempts=Counter(data["attempts"]),
    )
