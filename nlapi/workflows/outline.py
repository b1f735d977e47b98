"""A workflow as a tree before it runs: what reads, what changes, and which values are known now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.errors import ArgumentError, UsageError
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Effect, Operation, Spec, gravest
from nlapi.resources.effect_arguments import UNKNOWN, possible_effect
from nlapi.tools.arguments import check
from nlapi.tools.units import to_wire_units
from nlapi.workflows.bind import BindError, StepCall, bind
from nlapi.workflows.engine import MAX_FRAMES, with_defaults
from nlapi.workflows.expressions import ExpressionError, Root, first_name, parse_expression
from nlapi.workflows.model import ArazzoWorkflow, StepAction, StepActionKind, WorkflowStep
from nlapi.workflows.read import MAX_STEPS
from nlapi.workflows.scope import ABSENT, Scope, UnresolvedError
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.syntax import syntax_fault

# Entries of one outline; a person reads some dozens.
MAX_ENTRIES = MAX_STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineEntry:
    """One step of the tree. `path` is the id of its call during the run.

    `bound` is the call as far as it is known, None where it cannot be built: `fault` says why. `flow` are its actions
    in words; `depth` is 0 for a step of the workflow itself.
    """

    path: str
    step: WorkflowStep
    depth: int
    operation: Operation | None = None
    workflow: ArazzoWorkflow | None = None
    bound: StepCall | None = None
    fault: str = ""
    flow: tuple[str, ...] = ()

    @property
    def effect(self) -> Effect | None:
        """The effect of the call; None for a step that runs a workflow, or calls nothing."""
        if self.operation is None:
            return None
        if self.bound is None:
            return possible_effect(self.operation)
        pending = {name: UNKNOWN for name, _ in self.bound.pending}
        return replace(self.bound.call, arguments={**self.bound.call.arguments, **pending}).effect


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowOutline:
    """The tree of a run: its entries in the order of the document, with those of nested workflows below their step."""

    workflow: ArazzoWorkflow
    entries: tuple[OutlineEntry, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """what the run starts with, its defaults included"""
    unread: tuple[Issue, ...] = ()
    """what could not be read of the workflows in the tree: a run would go on without it"""

    def up_to(self, step_id: str) -> WorkflowOutline:
        """Return the tree up to a step of the workflow and all that it calls; the whole tree for ""."""
        ends = [number for number, entry in enumerate(self.entries) if entry.path == step_id]
        if not ends:
            return self
        end = ends[0] + 1
        while end < len(self.entries) and self.entries[end].path.startswith(f"{step_id}/"):
            end += 1
        return replace(self, entries=self.entries[:end])

    def source_of(self, entry: OutlineEntry, expression: str) -> OutlineEntry | None:
        """Return the entry of the step whose output an expression in another is; None for any other expression."""
        try:
            parsed = parse_expression(expression)
        except ExpressionError:
            return None
        if parsed is None or parsed.root is not Root.STEPS:
            return None
        path = entry.path.removesuffix(entry.step.id) + parsed.owner
        return next((other for other in self.entries if other.path == path), None)

    @property
    def changes(self) -> tuple[OutlineEntry, ...]:
        """The entries that change something."""
        return tuple(entry for entry in self.entries if entry.effect in (Effect.WRITE, Effect.DESTROY))

    @property
    def effect(self) -> Effect:
        """The gravest effect of its calls."""
        return gravest(entry.effect for entry in self.entries if entry.effect is not None)

    def call_ids(self, run_id: str = "") -> frozenset[str]:
        """Return the ids of all calls of a run, without numbers of further attempts."""
        return frozenset(f"{run_id}{entry.path}" for entry in self.entries if entry.operation is not None)


@dataclass(slots=True, kw_only=True)
class _Outliner:
    defaults: Mapping[Spec, Mapping[str, Any]]
    strict: bool
    entries: list[OutlineEntry] = field(default_factory=list)
    unread: list[Issue] = field(default_factory=list)
    completed: list[ArazzoWorkflow] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """the ids of the dependencies on the way to the current workflow"""

    def walk(
        self, linked: LinkedDocument, workflow: ArazzoWorkflow, inputs: Mapping[str, Any], path: str, depth: int
    ) -> None:
        """Add the entries of a workflow and of those that it depends on, calls or goes on with.

        UsageError where they are more than a person reviews, or have no end.
        """
        if depth > MAX_FRAMES:
            raise UsageError(
                f"{path.rstrip('/')}: workflows stand in each other more than {MAX_FRAMES} deep",
                hint="`nlapi workflow check` names the circle",
            )
        if len(self.entries) + len(workflow.steps) > MAX_ENTRIES:
            raise UsageError(f"{workflow.id} has more than {MAX_ENTRIES:,} steps; no person reviews so many")
        self.unread += (issue for issue in _unread_parts(linked, workflow) if issue not in self.unread)
        for id in workflow.depends_on:
            target = linked.target(WorkflowStep(id="", workflow_id=id))
            if target.workflow is None or target.document is None:
                raise UsageError(f"{workflow.id} depends on the workflow {id}, which the document does not have")
            if id in self.waiting:
                raise UsageError(f"it runs in circles: the workflow {id} depends on itself")
            # What two workflows depend on is completed once.
            if not any(entry is target.workflow for entry in self.completed):
                self.waiting.append(id)
                self.walk(target.document, target.workflow, inputs, f"{path}{target.workflow.id}/", depth + 1)
                self.waiting.remove(id)
                self.completed.append(target.workflow)
        scope = Scope(workflow=workflow, document=linked.document, inputs=with_defaults(workflow, inputs))
        scope.strict = self.strict
        for step in workflow.steps:
            self._add(linked, workflow, step, scope, path, depth)
        followed = {
            action.workflow_id
            for step in workflow.steps
            for action in (*step.on_success, *step.on_failure, *workflow.success_actions, *workflow.failure_actions)
            if action.kind is StepActionKind.GOTO and action.workflow_id
        }
        for id in sorted(followed):
            target = linked.target(WorkflowStep(id="", workflow_id=id))
            if target.workflow is not None and target.document is not None and f"{id}/" not in path:
                self.walk(target.document, target.workflow, inputs, f"{path}{target.workflow.id}/", depth + 1)

    def _add(
        self, linked: LinkedDocument, workflow: ArazzoWorkflow, step: WorkflowStep, scope: Scope, path: str, depth: int
    ) -> None:
        target = linked.target(step)
        flow = tuple(_flow(step))
        syntax = syntax_fault(step)
        common: dict[str, Any] = {"path": path + step.id, "step": step, "depth": depth, "flow": flow}
        if target.workflow is not None and target.document is not None:
            given = {parameter.name for parameter in step.parameters}
            missing = [name for name in target.workflow.required_inputs if name not in given]
            lacking = f"the workflow {target.workflow.id} needs the input {missing[0]}" if missing else ""
            self.entries.append(OutlineEntry(workflow=target.workflow, fault=syntax or lacking, **common))
            nested = {parameter.name: _known(parameter.value, scope) for parameter in step.parameters}
            inputs = {name: value for name, value in nested.items() if value is not ABSENT}
            self.walk(target.document, target.workflow, inputs, f"{path}{step.id}/", depth + 1)
            return
        if target.operation is None:
            fault = str(target.issues[0]) if target.issues else "it calls nothing"
            self.entries.append(OutlineEntry(fault=fault, **common))
            return
        operation = target.operation
        try:
            defaults = self.defaults.get(operation.spec, {})
            bound = bind(operation, step, scope, id=path + step.id, defaults=defaults, partial=True)
        except BindError as error:
            fault = f"{error}{f' ({error.hint})' if error.hint else ''}"
            self.entries.append(OutlineEntry(operation=operation, fault=fault, **common))
            return
        self.entries.append(
            OutlineEntry(operation=operation, bound=bound, fault=syntax or _argument_fault(bound), **common)
        )


def outline(
    linked: LinkedDocument,
    workflow: ArazzoWorkflow,
    inputs: Mapping[str, Any],
    *,
    defaults: Mapping[Spec, Mapping[str, Any]] | None = None,
    strict: bool = False,
) -> WorkflowOutline:
    """Return the tree of a workflow with these inputs."""
    outliner = _Outliner(defaults=defaults or {}, strict=strict)
    outliner.walk(linked, workflow, inputs, "", 0)
    return WorkflowOutline(
        workflow=workflow,
        entries=tuple(outliner.entries),
        inputs=with_defaults(workflow, inputs),
        unread=tuple(outliner.unread),
    )


def _unread_parts(linked: LinkedDocument, workflow: ArazzoWorkflow) -> Iterator[Issue]:
    """Yield the errors of a document in what it says of a workflow: a criterion or a step that it was read without."""
    whole = f"workflows.{workflow.id}"
    # Ids may have dots: `a.b` is no part of `a`.
    others = [f"workflows.{id}." for id in linked.workflows if id.startswith(f"{workflow.id}.")]
    for issue in linked.document.issues:
        is_inside = issue.where == whole or issue.where.startswith(f"{whole}.")
        if issue.level is Level.ERROR and is_inside and not f"{issue.where}.".startswith(tuple(others)):
            yield issue


def source_text(expression: str) -> str:
    """Return in words where the value of an expression comes from: `id of find-account`."""
    try:
        parsed = parse_expression(expression)
    except ExpressionError:
        return expression
    if parsed is not None and parsed.root is Root.INPUTS:
        return f"the input {first_name(parsed.name)}"
    if parsed is None or parsed.root not in (Root.STEPS, Root.WORKFLOWS):
        return expression
    return f"{first_name(parsed.name)} of {parsed.owner}"


def _argument_fault(bound: StepCall) -> str:
    """Return what is wrong with the values that are known; "" where they fit."""
    tool = bound.call.tool
    known = {*bound.call.arguments, *(name for name, _ in bound.pending)}
    # A value that an answer will give does not excuse one that nothing gives.
    if "body" not in known and (missing := [name for name in tool.required if name not in known]):
        return f"{tool.operation.id} requires {missing[0]}, and nothing gives it"
    pending = [name for name, _ in bound.pending]
    try:
        check(tool, to_wire_units(tool, bound.call.arguments), partial=bool(pending), pending=pending)
    except ArgumentError as error:
        return str(error)
    return ""


def _known(node: Any, scope: Scope) -> Any:
    try:
        return scope.value(node)
    except UnresolvedError:
        return ABSENT


def _flow(step: WorkflowStep) -> Iterator[str]:
    """Yield in words what the step's own actions do."""
    yield from (f"on success: {action_text(action)}" for action in step.on_success)
    yield from (f"on failure: {action_text(action)}" for action in step.on_failure)


def action_text(action: StepAction) -> str:
    """Return in words what an action does."""
    condition = f" if {' and '.join(criterion.condition for criterion in action.criteria)}" if action.criteria else ""
    match action.kind:
        case StepActionKind.RETRY:
            times = f"{action.retry_limit} time{'' if action.retry_limit == 1 else 's'}"
            wait = f", {action.retry_after:g} s apart" if action.retry_after else ""
            return f"try again up to {times}{wait}{condition}"
        case StepActionKind.GOTO:
            return f"go to {action.step_id or action.workflow_id}{condition}"
    return f"end{condition}"
