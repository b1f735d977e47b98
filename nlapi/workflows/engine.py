"""Runs a workflow as a state machine: which calls are next, and what their answers lead to. Nothing is sent here."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from nlapi.client.masking import NO_SECRETS, SecretMask
from nlapi.client.message import File, parse_retry_after
from nlapi.errors import UsageError
from nlapi.openapi.jsonpath import node_at
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.error_reasons import error_reason
from nlapi.tools.repetition.ledger import REFUSAL_STATUSES
from nlapi.tools.tool import Call, Missing
from nlapi.workflows.bind import ABSENT, BindError, LostValueError, Scope, StepCall, StepExchange, UnresolvedError, bind
from nlapi.workflows.expressions import ExpressionPart, Root, expressions_in, is_undescribed_success, read_expression
from nlapi.workflows.model import ArazzoWorkflow, StepAction, StepActionKind, WorkflowDocument, WorkflowStep
from nlapi.workflows.sources import LinkedDocument

# Calls of one run; a goto back is a loop, and some documents give it no limit.
MAX_CALLS = 1_000

# Workflows inside workflows.
MAX_FRAMES = 20

# Times that one step is reached by a goto; a retry has its own limit.
MAX_VISITS = 100

# Seconds that a retry waits at most: a document may say a day.
MAX_DELAY = 3_600.0

# READs of a run that are in one plan; they run side by side.
MAX_SIDE_BY_SIDE = 8


class RunState(StrEnum):
    """The state of a run. The values stand in the JSON of `nlapi workflow run`."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """The outcome of one call of a step: `failure` is "" where it succeeded, else the criterion, or what went wrong."""

    path: str
    call_id: str
    failure: str = ""
    status: int | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Frame:
    """One workflow in the run; `step` is the step of the frame below that runs it, None for the first."""

    linked: LinkedDocument
    workflow: ArazzoWorkflow
    scope: Scope
    path: str = ""
    step: WorkflowStep | None = None
    position: int = 0
    visits: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    is_ended: bool = False

    @property
    def current(self) -> WorkflowStep | None:
        is_past = self.is_ended or self.position >= len(self.workflow.steps)
        return None if is_past else self.workflow.steps[self.position]


@dataclass(slots=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow.

    `next_calls` gives the calls to send, `finish` takes each answer in the same order; that repeats until `state` is no
    longer RUNNING. `reports` grows by each call, `outputs` and `lost_outputs` are there at the end. With `until`, the
    run is DONE after that step. The order of calls depends on the document, the inputs and the answers alone, so that
    a run is repeated by giving it the same answers.
    """

    linked: LinkedDocument
    workflow: ArazzoWorkflow
    inputs: Mapping[str, Any]
    defaults: Mapping[Spec, Mapping[str, Any]] = field(default_factory=dict)
    """values by argument for each API, for required arguments that no step gives"""
    until: str = ""
    strict: bool = False
    id: str = ""
    """begins the ids of its calls, so that those of several runs in one conversation differ"""
    state: RunState = RunState.RUNNING
    failure: str = ""
    reports: list[StepReport] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    lost_outputs: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """seconds to wait before the next calls are sent"""
    frames: list[Frame] = field(default_factory=list)
    finished: dict[str, Mapping[ExpressionPart, Mapping[str, Any]]] = field(default_factory=dict)
    pending: list[StepCall] = field(default_factory=list)
    missing: Missing | None = None
    """a value that an answer lacks and a person may give; the run waits for it"""
    given: dict[str, Any] = field(default_factory=dict)
    """values by `STEP.ARGUMENT` in place of those that an answer lacks"""
    count: int = 0

    def __post_init__(self) -> None:
        self._push(self.linked, self.workflow, dict(self.inputs), "", None)

    def next_calls(self) -> tuple[StepCall, ...]:
        """Return the calls to send now, side by side; () when the run has ended, or waits for `missing`."""
        while self.state is RunState.RUNNING and not self.pending and self.missing is None:
            frame = self.frames[-1]
            if self._is_completed(frame):
                self.frames.pop()
            elif frame.current is None:
                self._pop()
            else:
                self._begin(frame, frame.current)
        return tuple(self.pending) if self.state is RunState.RUNNING else ()

    def _begin(self, frame: Frame, step: WorkflowStep) -> None:
        """Bind the call of a step, or start the workflow that it calls."""
        target = frame.linked.target(step)
        if self.strict and target.issues:
            self._fail_step(frame, step, target.issues[0].message)
        elif target.workflow is not None and target.document is not None:
            self._enter(frame, step, target.document, target.workflow)
        elif target.operation is None:
            self._fail_step(frame, step, target.fault)
        else:
            self._bind_group(frame, step, target.operation)

    def finish(
        self, call: Call, exchange: StepExchange | None, failure: str = "", *, is_unanswered: bool = False
    ) -> StepReport:
        """Take the answer to the first pending call; `failure` says why it is missing.

        Then nothing continues, but for a READ with `is_unanswered`: the step may have actions for its failure.
        """
        pending = self.pending.pop(0)
        assert pending.call.id == call.id, "answers come in the order of the calls"
        frame, step = self.frames[-1], pending.step
        if exchange is None:
            report = StepReport(path=frame.path + step.id, call_id=call.id, failure=failure, notes=pending.notes)
            self.reports.append(report)
            self.pending.clear()
            frame.scope.exchange = None
            # A READ that got no answer may be made again; a change may have been carried out.
            if is_unanswered and call.effect is Effect.READ:
                self._go_on(frame, step, report, is_repeatable=True)
            else:
                self._end(f"{report.path}: {failure}")
            return report
        frame.scope.exchange = exchange
        reason, notes = self._unmet(frame, step, call.tool.operation)
        report = self._report(frame, step, call.id, reason, (*pending.notes, *notes))
        self.reports.append(report)
        self._go_on(
            frame, step, report, is_repeatable=call.effect is Effect.READ or exchange.status in REFUSAL_STATUSES
        )
        return report

    def give(self, value: Any) -> None:
        """Give the value that is missing; the run continues with the step that wants it."""
        assert self.missing is not None, "nothing is missing"
        self.given[self.missing.argument] = value
        self.missing = None

    def _push(
        self,
        linked: LinkedDocument,
        workflow: ArazzoWorkflow,
        inputs: dict[str, Any],
        path: str,
        step: WorkflowStep | None,
    ) -> None:
        if len(self.frames) >= MAX_FRAMES:
            self._end(f"{path}: workflows are nested more than {MAX_FRAMES} deep")
            return
        scope = Scope(
            workflow=workflow,
            document=linked.document,
            inputs=with_defaults(workflow, inputs),
            workflows=self.finished,
            strict=self.strict,
        )
        self.frames.append(Frame(linked=linked, workflow=workflow, scope=scope, path=path, step=step))
        # What a workflow depends on is completed before it, the first of the list first.
        for id in reversed(workflow.depends_on):
            target = linked.called(id)
            if target.workflow is None or target.document is None:
                self._end(f"{workflow.id} depends on {id}, which the document does not have")
            elif target.workflow.id not in self.finished:
                self._push(target.document, target.workflow, inputs, f"{path}{target.workflow.id}/", None)

    def _is_completed(self, frame: Frame) -> bool:
        """Return whether a frame is a dependency that another workflow needed too, and that has run for that one."""
        is_dependency = frame.step is None and len(self.frames) > 1 and frame.position == 0 and not frame.is_ended
        return is_dependency and frame.workflow.id in self.finished

    def _pop(self) -> None:
        """End the last workflow, and hand its outputs to the step that called it."""
        frame = self.frames.pop()
        outputs, lost = _outputs(frame.workflow.outputs, frame.scope)
        self.finished[frame.workflow.id] = {ExpressionPart.INPUTS: frame.scope.inputs, ExpressionPart.OUTPUTS: outputs}
        if not self.frames:
            self.outputs, self.lost_outputs, self.state = outputs, lost, RunState.DONE
            return
        below = self.frames[-1]
        if frame.step is None:  # a workflow that the one below depends on
            return
        below.scope.exchange, below.scope.outputs = None, outputs
        reason, notes = self._unmet(below, frame.step, None)
        report = self._report(below, frame.step, "", reason, notes)
        below.scope.outputs = {}
        self.reports.append(report)
        self._go_on(below, frame.step, report, is_repeatable=False)

    def _enter(self, frame: Frame, step: WorkflowStep, linked: LinkedDocument, workflow: ArazzoWorkflow) -> None:
        """Start the workflow that a step calls."""
        try:
            inputs = frame.scope.value({entry.name: entry.value for entry in step.parameters})
        except UnresolvedError as error:
            self._fail_step(frame, step, str(error))
            return
        self._push(linked, workflow, inputs, f"{frame.path}{step.id}/", step)

    def _bind_group(self, frame: Frame, step: WorkflowStep, operation: Operation) -> None:
        """Bind a step, and with a READ the READs after it that use nothing of it."""
        bound = self._bind(frame, step, operation)
        names: set[str] = set()
        following = iter(frame.workflow.steps[frame.position + 1 :])
        while bound is not None:
            self.pending.append(bound)
            names.add(bound.step.id)
            # What follows the success of a step may be decided by its answer.
            changes_flow = bool(bound.step.on_success or frame.workflow.success_actions)
            is_read = bound.call.effect is Effect.READ
            if not is_read or changes_flow or bound.step.id == self.until or len(self.pending) >= MAX_SIDE_BY_SIDE:
                return
            after = next(following, None)
            bound = self._bind_beside(frame, after, names) if after is not None else None

    def _bind_beside(self, frame: Frame, step: WorkflowStep, names: Set[str]) -> StepCall | None:
        """Bind a READ that uses nothing of the steps that are sent beside it; None for any other step."""
        target = frame.linked.target(step)
        if target.operation is None or target.operation.effect is not Effect.READ or (self.strict and target.issues):
            return None
        if names & _dependencies(step, frame.workflow):
            return None
        try:
            bound = self._bound(target.operation, step, frame)
        except BindError:
            return None
        self.count += bound.call.effect is Effect.READ
        return bound if bound.call.effect is Effect.READ else None

    def _bind(self, frame: Frame, step: WorkflowStep, operation: Operation) -> StepCall | None:
        self.count += 1
        if self.count > MAX_CALLS:
            self._end(f"more than {MAX_CALLS:,} calls; the workflow may run in circles")
            return None
        try:
            return self._bound(operation, step, frame)
        except LostValueError as error:
            self.count -= 1
            self.missing = replace(error.missing, argument=f"{frame.path}{error.missing.argument}")
            return None
        except BindError as error:
            self._fail_step(frame, step, error.text)
            return None

    def _bound(self, operation: Operation, step: WorkflowStep, frame: Frame) -> StepCall:
        prefix = f"{frame.path}{step.id}."
        step_values = {
            label.removeprefix(prefix): value for label, value in self.given.items() if label.startswith(prefix)
        }
        defaults = self.defaults.get(operation.spec, {})
        return bind(operation, step, frame.scope, id=self._call_id(frame, step), defaults=defaults, given=step_values)

    def _call_id(self, frame: Frame, step: WorkflowStep) -> str:
        """Return the id of a step's call: its path, with the number of the attempt from the second on."""
        number = frame.attempts[step.id] + frame.visits[step.id] + 1
        return f"{self.id}{frame.path}{step.id}" + (f"#{number}" if number > 1 else "")

    def _unmet(self, frame: Frame, step: WorkflowStep, operation: Operation | None) -> tuple[str, tuple[str, ...]]:
        """Return the first criterion of a step that does not hold, with what was seen instead, and the notes."""
        scope, exchange = frame.scope, frame.scope.exchange
        notes: list[str] = []
        if not step.criteria and exchange is not None and not 200 <= exchange.status < 300:
            return f"the answer was {exchange.status}", ()
        for criterion in step.criteria:
            try:
                if scope.holds(criterion):
                    continue
            except UnresolvedError as error:
                return f"the criterion {criterion.condition!r} cannot be decided: {error}", tuple(notes)
            status = exchange.status if exchange is not None else 0
            if self.strict or not is_undescribed_success(criterion, operation, status):
                return f"the criterion {criterion.condition!r} does not hold{_answer_text(exchange)}", tuple(notes)
            notes.append(f"{criterion.condition!r} names a status that the operation does not describe")
        return "", tuple(notes)

    def _report(self, frame: Frame, step: WorkflowStep, call_id: str, failure: str, notes: Sequence[str]) -> StepReport:
        outputs, lost = _outputs(step.outputs, frame.scope)
        exchange = frame.scope.exchange
        return StepReport(
            path=frame.path + step.id,
            call_id=call_id,
            failure=failure,
            status=exchange.status if exchange is not None else None,
            outputs=outputs,
            lost=lost,
            notes=tuple(notes),
        )

    def _go_on(self, frame: Frame, step: WorkflowStep, report: StepReport, *, is_repeatable: bool) -> None:
        """Store the outputs of a step and move to what follows it."""
        self.delay = 0.0
        if report.failure:
            # READs beside it were sent for nothing: the step that failed decides what follows.
            self.pending.clear()
            self._after_failure(frame, step, report, is_repeatable=is_repeatable)
            return
        frame.scope.steps[step.id] = dict(report.outputs)
        for name in step.outputs:
            frame.scope.lost.pop((step.id, name), None)
        frame.scope.lost |= {(step.id, name): reason for name, reason in report.lost.items()}
        if step.id == self.until and len(self.frames) == 1:
            self._end("", is_done=True)
            return
        actions = (*step.on_success, *frame.workflow.success_actions)
        action = next((action for action in actions if self._applies(action, frame)), None)
        if action is None:
            frame.position = frame.workflow.steps.index(step) + 1
        else:
            self._take(frame, action)

    def _after_failure(self, frame: Frame, step: WorkflowStep, report: StepReport, *, is_repeatable: bool) -> None:
        for action in (*step.on_failure, *frame.workflow.failure_actions):
            if not self._applies(action, frame):
                continue
            if action.kind is StepActionKind.RETRY:
                if frame.attempts[step.id] >= action.retry_limit:
                    continue
                if not is_repeatable:
                    reason = "it is not tried again, as the change may have been carried out"
                    self._end(f"{report.path}: {report.failure}; {reason}")
                    return
                frame.attempts[step.id] += 1
                # What an answer asks to wait overrules the document (Arazzo 1.1, Failure Action).
                asked = frame.scope.exchange.header("retry-after") if frame.scope.exchange is not None else None
                self.delay = max(action.retry_after, parse_retry_after(asked or "") or 0.0)
                return
            if action.kind is StepActionKind.END:
                break
            self._take(frame, action)
            return
        self._end(f"{report.path}: {report.failure}")

    def _take(self, frame: Frame, action: StepAction) -> None:
        """Do what an action of success, or a goto after a failure, says."""
        if action.kind is not StepActionKind.GOTO:
            frame.is_ended = True
        elif action.workflow_id:
            target = frame.linked.called(action.workflow_id)
            if target.workflow is None or target.document is None:
                self._end(f"the action {action.name} leads to a workflow that there is not: {action.workflow_id}")
                return
            # The standard transfers to the other workflow and does not come back.
            values = frame.scope.value({entry.name: entry.value for entry in action.parameters})
            inputs = {**frame.scope.inputs, **values}
            self.frames.pop()
            self._push(target.document, target.workflow, inputs, f"{frame.path}{target.workflow.id}/", frame.step)
        else:
            step = frame.workflow.step(action.step_id)
            if step is None:
                self._end(f"the action {action.name} leads to a step that there is not: {action.step_id}")
                return
            frame.visits[step.id] += 1
            if frame.visits[step.id] > MAX_VISITS:
                self._end(f"the step {step.id} was reached {MAX_VISITS} times by the action {action.name}")
                return
            frame.position = frame.workflow.steps.index(step)

    def _applies(self, action: StepAction, frame: Frame) -> bool:
        try:
            return all(frame.scope.holds(criterion) for criterion in action.criteria)
        except UnresolvedError:
            return False

    def _fail_step(self, frame: Frame, step: WorkflowStep, failure: str) -> None:
        """End the run at a step that cannot be sent: no answer of the API is there to act on."""
        path = frame.path + step.id
        self.reports.append(StepReport(path=path, call_id="", failure=failure))
        self._end(f"{path}: {failure}")

    def _end(self, failure: str, *, is_done: bool = False) -> None:
        if self.state is not RunState.RUNNING:
            return
        self.state, self.failure = (RunState.DONE if is_done else RunState.FAILED), failure
        if self.frames:
            # After a goto the first frame is that of another workflow.
            first = self.frames[0]
            self.outputs, self.lost_outputs = _outputs(first.workflow.outputs, first.scope)


def with_defaults(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with the defaults that the workflow has for those that are not given."""
    defaults = {
        name: schema["default"]
        for name, schema in workflow.input_schemas.items()
        if isinstance(schema, Mapping) and "default" in schema
    }
    return {**defaults, **inputs}


def _outputs(nodes: Mapping[str, Any], scope: Scope) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the outputs that have a value, and for each other the reason why it has none."""
    values: dict[str, Any] = {}
    lost: dict[str, str] = {}
    for name, node in nodes.items():
        try:
            value = scope.value(node)
        except UnresolvedError as error:
            lost[name] = str(error)
            continue
        if value is ABSENT:
            lost[name] = f"{node}: the input was not given"
        else:
            values[name] = value
    return values, lost


def _dependencies(step: WorkflowStep, workflow: ArazzoWorkflow) -> frozenset[str]:
    """Return the ids of the steps that a step uses, or has to wait for."""
    nodes = [*(parameter.value for parameter in workflow.parameters), *(node for _, node in step.values)]
    expressions = map(read_expression, expressions_in(nodes))
    owners = {entry.owner for entry in expressions if entry is not None and entry.root is Root.STEPS}
    return frozenset(owners | {id.removeprefix("$steps.") for id in step.depends_on})


def _answer_text(exchange: StepExchange | None) -> str:
    """Return the clause on the status of an answer, with the reason that an error gives; "" without an answer."""
    if exchange is None:
        return ""
    reason = error_reason(exchange.body) if exchange.status >= 400 else ""
    return f"; the answer was {exchange.status}{f': {reason}' if reason else ''}"


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
        # A file is a text too, its name; a text that is the same is not a file.
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
        # The values of outputs stand in the frames, once.
        "reports": [
            {name: getattr(report, name) for name in ("path", "call_id", "failure", "status", "notes")}
            for report in run.reports
        ],
        "frames": [_encode_frame(frame, places) for frame in run.frames],
    }
    omitted: list[tuple[list[str | int], str]] = []
    state = _without_unstored(state, unstored, (), omitted)
    state["unstored"] = [[list(place), name] for place, name in omitted]
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
    state = _with_unstored(state, inputs)
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


def _without_unstored(
    node: Any, unstored: Unstored, place: tuple[str | int, ...], omitted: list[tuple[list[str | int], str]]
) -> Any:
    """Return a value with null where it is, or has, what no transcript has; `omitted` gets these places."""
    if (name := unstored.name_of(node)) is not None:
        omitted.append((list(place), name))
        return None
    if isinstance(node, Mapping):
        return {key: _without_unstored(item, unstored, (*place, key), omitted) for key, item in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_unstored(item, unstored, (*place, index), omitted) for index, item in enumerate(node)]
    return node


def _with_unstored(state: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state with the inputs that no transcript has in their places. UsageError where one is none of them."""
    filled: dict[str, Any] = copy.deepcopy(dict(state))
    for place, name in filled["unstored"]:
        if name not in inputs:
            # The value is part of a text, or was an answer's: no input is the same.
            raise UsageError(
                "a value of the run has a secret in it, which no transcript has",
                hint="run the workflow again from its start",
            )
        node_at(filled, place[:-1])[place[-1]] = inputs[name]
    return filled


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
    data: Mapping[str, Any], documents: Mapping[tuple[str, ...], LinkedDocument], run: WorkflowRun
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
