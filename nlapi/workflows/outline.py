"""A workflow as a tree before it runs: what reads, what changes, which values are known now, and which are secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.client.auth import secret_parts
from nlapi.client.masking import MASK, MIN_SECRET_LENGTH, redact, secret_mask
from nlapi.client.message import File
from nlapi.client.safe_text import MAX_VALUE, count_noun, json_line, single_line
from nlapi.errors import ArgumentError, Issue, Level, UsageError
from nlapi.openapi.jsonpath import compile_jsonpath
from nlapi.openapi.spec import Effect, Operation, Spec, gravest
from nlapi.patterns import pattern_fault
from nlapi.resources.effect_arguments import UNKNOWN, possible_effect
from nlapi.tools.arguments import check, plain_values
from nlapi.tools.quantities.units import to_wire_units
from nlapi.tools.rules import PolicyRule, Ruling, denial_message, is_denied
from nlapi.tools.sending.run import Target
from nlapi.tools.sending.run import rule_of as deciding_rule
from nlapi.workflows.bind import ABSENT, NO_XPATH, BindError, Scope, StepCall, UnresolvedError, bind
from nlapi.workflows.engine import MAX_FRAMES, Unstored, with_defaults
from nlapi.workflows.expressions import (
    ConditionError,
    ExpressionError,
    Root,
    expressions_in,
    first_name,
    parse_condition,
    parse_expression,
    read_expression,
)
from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Selector,
    StepAction,
    StepActionKind,
    WorkflowStep,
)
from nlapi.workflows.read import MAX_STEPS
from nlapi.workflows.sources import LinkedDocument


def syntax_fault(step: WorkflowStep) -> str:
    """Return the first text of a step that cannot be evaluated, whatever is answered; "" for none."""
    for place, node in step.values:
        if fault := next(selector_faults(node), ""):
            return f"{place}: {fault}"
        for text in expressions_in(node):
            try:
                parse_expression(text)
            except ExpressionError as error:
                return f"{place}: {error}"
    criteria = [*step.criteria, *(criterion for action in step.actions for criterion in action.criteria)]
    return next(filter(None, map(criterion_fault, criteria)), "")


def selector_faults(node: Any) -> Iterator[str]:
    """Yield what is wrong with the selectors in a value."""
    for selector in plain_values(node):
        match selector:
            case Selector(kind=CriterionKind.XPATH):
                yield NO_XPATH
            case Selector(kind=CriterionKind.JSONPATH, selector=text):
                try:
                    compile_jsonpath(text)
                except ValueError as error:
                    yield str(error)


def criterion_fault(criterion: Criterion) -> str:
    """Return why a criterion cannot be decided, whatever is answered; "" where it can."""
    try:
        if criterion.context:
            parse_expression(criterion.context)
        match criterion.kind:
            case CriterionKind.SIMPLE:
                parse_condition(criterion.condition)
            case CriterionKind.REGEX:
                return pattern_fault(criterion.condition)
            case CriterionKind.JSONPATH:
                compile_jsonpath(criterion.condition)
            case CriterionKind.XPATH:
                return NO_XPATH
    except (ExpressionError, ConditionError, ValueError) as error:
        return f"the criterion {criterion.condition[:60]!r}: {error}"
    return ""


# Entries of one outline; a person reads some dozens.
MAX_ENTRIES = MAX_STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineEntry:
    """One step of the tree. `path` is the id of its call during the run.

    `bound` is the call as far as it is known, None where it cannot be built: `fault` says why. `depth` is 0 for a step
    of the workflow itself.
    """

    path: str
    step: WorkflowStep
    depth: int
    operation: Operation | None = None
    workflow: ArazzoWorkflow | None = None
    bound: StepCall | None = None
    fault: str = ""

    @property
    def flow(self) -> tuple[str, ...]:
        """Its actions in words."""
        successes = [f"on success: {action_text(action)}" for action in self.step.on_success]
        return (*successes, *(f"on failure: {action_text(action)}" for action in self.step.on_failure))

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
        parsed = read_expression(expression)
        if parsed is None or parsed.root is not Root.STEPS:
            return None
        path = entry.path.removesuffix(entry.step.id) + parsed.owner
        return next((other for other in self.entries if other.path == path), None)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations of its calls, in order."""
        return tuple(entry.operation for entry in self.entries if entry.operation is not None)

    @property
    def changes(self) -> tuple[OutlineEntry, ...]:
        """The entries that change something."""
        return tuple(entry for entry in self.entries if entry.effect in (Effect.WRITE, Effect.DESTROY))

    @property
    def operations_of_changes(self) -> tuple[tuple[Operation, Effect], ...]:
        """The operation and the effect of each change."""
        return tuple(
            (entry.operation, entry.effect)
            for entry in self.changes
            if entry.operation is not None and entry.effect is not None
        )

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
        """Add the entries of a workflow and of those that it depends on, calls or continues with.

        UsageError where they are more than a person reviews, or have no end.
        """
        if depth > MAX_FRAMES:
            raise UsageError(
                f"{path.rstrip('/')}: workflows are nested more than {MAX_FRAMES} deep",
                hint="`nlapi workflow check` names the circle",
            )
        if len(self.entries) + len(workflow.steps) > MAX_ENTRIES:
            raise UsageError(f"{workflow.id} has more than {MAX_ENTRIES:,} steps; no person reviews so many")
        self.unread += (issue for issue in _unread_parts(linked, workflow) if issue not in self.unread)
        for id in workflow.depends_on:
            target = linked.called(id)
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
        values = with_defaults(workflow, inputs)
        scope = Scope(workflow=workflow, document=linked.document, inputs=values, strict=self.strict)
        for step in workflow.steps:
            self._add(linked, workflow, step, scope, path, depth)
        followed = {
            action.workflow_id
            for step in workflow.steps
            for action in (*step.actions, *workflow.success_actions, *workflow.failure_actions)
            if action.kind is StepActionKind.GOTO and action.workflow_id
        }
        for id in sorted(followed):
            target = linked.called(id)
            if target.workflow is not None and target.document is not None and f"{id}/" not in path:
                self.walk(target.document, target.workflow, inputs, f"{path}{target.workflow.id}/", depth + 1)

    def _add(
        self, linked: LinkedDocument, workflow: ArazzoWorkflow, step: WorkflowStep, scope: Scope, path: str, depth: int
    ) -> None:
        target = linked.target(step)
        operation, fault, bound = target.operation, target.fault or syntax_fault(step), None
        if operation is not None:
            try:
                defaults = self.defaults.get(operation.spec, {})
                bound = bind(operation, step, scope, id=path + step.id, defaults=defaults, partial=True)
                fault = fault or _argument_fault(bound)
            except BindError as error:
                fault = error.text
        self.entries.append(
            OutlineEntry(
                path=path + step.id,
                step=step,
                depth=depth,
                operation=operation,
                workflow=target.workflow,
                bound=bound,
                fault=fault,
            )
        )
        if target.workflow is not None and target.document is not None:
            nested = {parameter.name: _known(parameter.value, scope) for parameter in step.parameters}
            inputs = {name: value for name, value in nested.items() if value is not ABSENT}
            self.walk(target.document, target.workflow, inputs, f"{path}{step.id}/", depth + 1)


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
    """Yield the errors of a document about a workflow: a criterion or a step that it was read without."""
    whole = f"workflows.{workflow.id}"
    # Ids may have dots: `a.b` is not part of `a`.
    others = [f"workflows.{id}." for id in linked.workflows if id.startswith(f"{workflow.id}.")]
    for issue in linked.document.issues:
        is_inside = issue.where == whole or issue.where.startswith(f"{whole}.")
        if issue.level is Level.ERROR and is_inside and not f"{issue.where}.".startswith(tuple(others)):
            yield issue


def source_text(expression: str) -> str:
    """Return in words where the value of an expression comes from: `id of find-account`."""
    parsed = read_expression(expression)
    if parsed is not None and parsed.root is Root.INPUTS:
        return f"the input {first_name(parsed.name)}"
    if parsed is None or parsed.root not in (Root.STEPS, Root.WORKFLOWS):
        return expression
    return f"{first_name(parsed.name)} of {parsed.owner}"


def _argument_fault(bound: StepCall) -> str:
    """Return what is wrong with the values that are known; "" where they fit."""
    tool = bound.call.tool
    arguments = {*bound.call.arguments, *(name for name, _ in bound.pending)}
    # A value that an answer will give does not excuse one that nothing gives.
    if "body" not in arguments and (missing := [name for name in tool.required if name not in arguments]):
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


EFFECT_MARKS = {Effect.READ: "", Effect.WRITE: "! changes something", Effect.DESTROY: "! takes something away"}


def tree_lines(tree: WorkflowOutline, *, width: int = MAX_VALUE) -> Iterator[str]:
    """Yield the lines of the tree: a head, then each step with its values and actions, and the counts.

    Values are cut to `width` characters.
    """
    workflow = tree.workflow
    yield f"{single_line(workflow.id)}: {single_line(workflow.summary or workflow.description) or 'no summary'}"
    if tree.inputs:
        inputs = [f"{single_line(name)}={json_line(value, width)}" for name, value in tree.inputs.items()]
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
    counts = [count_noun(reads, "read")] if reads else []
    counts += [count_noun(len(tree.changes), "change")] if tree.changes else []
    return " and ".join(counts) or "no calls"


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
    constants = [f"{name}={json_line(value, width)}" for name, value in entry.bound.call.arguments.items()]
    pending = [
        f"{name} <- {single_line(source_text(text))}{_crossing(entry, tree, text)}"
        for name, text in entry.bound.pending
    ]
    return [*constants, *pending]


def _crossing(entry: OutlineEntry, tree: WorkflowOutline, expression: str) -> str:
    """Return in words that an answer of one API goes to another; "" where it stays."""
    source = tree.source_of(entry, expression)
    if source is None or source.operation is None or entry.operation is None:
        return ""
    before, after = source.operation.spec, entry.operation.spec
    return f" (from {single_line(before.title)} to {single_line(after.title)})" if before is not after else ""


def unsendable(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> Iterator[str]:
    """Yield the faults of a tree and its steps: what is before such a step would be changed for nothing."""
    if tree.unread:
        yield f"a part of {tree.workflow.id} cannot be read: {tree.unread[0]}"
    for entry in tree.entries:
        if entry.fault:
            yield f"{entry.path} cannot be sent: {entry.fault}"
    yield from denials(tree, targets)


def denials(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> Iterator[str]:
    """Yield the steps that the user's policy denies, with the rule that does."""
    yield from (denial_message(operation, rule) for operation, rule in _rules(tree, targets) if is_denied(rule))


def question_rule(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> str:
    """Return the rule of the user's policy that wants a question about a step each time; "" for none."""
    rules = (f"your policy says {rule}" for _, rule in _rules(tree, targets) if rule.verdict is Ruling.ASK)
    return next(rules, "")


def _rules(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> Iterator[tuple[Operation, PolicyRule]]:
    """Yield the rules of the user's policy that decide on the steps."""
    for entry in tree.entries:
        rule = rule_of(entry, targets)
        if entry.operation is not None and rule is not None:
            yield entry.operation, rule


def rule_of(entry: OutlineEntry, targets: Mapping[Spec, Target]) -> PolicyRule | None:
    """Return the rule of the user's policy that decides on a step, if there is one."""
    target = targets.get(entry.operation.spec) if entry.operation is not None else None
    if entry.operation is None or target is None:
        return None
    return deciding_rule(entry.operation, target, entry.effect)


def secret_names(workflow: ArazzoWorkflow) -> frozenset[str]:
    """Return the inputs that are secret by their schema (`format: password`, `writeOnly`)."""
    return frozenset(
        name
        for name, schema in workflow.input_schemas.items()
        if isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)
    )


def unstored_names(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return those of `inputs` that no transcript has: secrets, and files."""
    files = {name for name, value in inputs.items() if isinstance(value, File)}
    return frozenset(name for name in secret_names(workflow) | files if name in inputs)


def secret_texts(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of the secret inputs that were given, those inside an object or a list too."""
    values = plain_values([inputs[name] for name in secret_names(workflow) if name in inputs])
    return tuple(str(value) for value in values if not isinstance(value, (File, bool, type(None))))


def unmaskable_name(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> str:
    """Return a secret input that is too short to be masked in a transcript or in events; "" for none."""
    for name in secret_names(workflow):
        texts = secret_texts(workflow, {name: inputs[name]}) if name in inputs else ()
        if any(len(text) < MIN_SECRET_LENGTH for text in texts):
            return name
    return ""


def masked_texts(workflow: ArazzoWorkflow, inputs: Mapping[str, Any], credentials: Iterable[str]) -> tuple[str, ...]:
    """Return what is masked in all that is written of a run: credentials, and secret inputs."""
    parts = (part for credential in credentials for part in secret_parts(credential))
    return (*parts, *secret_texts(workflow, inputs))


def unstored_values(workflow: ArazzoWorkflow, inputs: Mapping[str, Any], credentials: Iterable[str]) -> Unstored:
    """Return the values of a run that no transcript has."""
    names = unstored_names(workflow, inputs)
    mask = secret_mask(masked_texts(workflow, inputs, credentials))
    return Unstored(inputs={name: inputs[name] for name in names}, mask=mask)


def masked_outline(
    linked: LinkedDocument,
    workflow: ArazzoWorkflow,
    inputs: Mapping[str, Any],
    *,
    defaults: Mapping[Spec, Mapping[str, Any]] | None = None,
    strict: bool = False,
) -> WorkflowOutline:
    """Return the tree of a workflow, with `***` for secret inputs."""
    tree = outline(linked, workflow, inputs, defaults=defaults, strict=strict)
    secrets = secret_texts(workflow, inputs)
    if not secrets:
        return tree
    masked_inputs = {**inputs, **{name: MASK for name in secret_names(workflow) if name in inputs}}
    shown = outline(linked, workflow, masked_inputs, defaults=defaults, strict=strict)

    def mask(fault: str) -> str:
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            fault = fault.replace(secret, MASK)
        return redact(fault, secrets)

    # The faults are those of the values themselves: `***` may fit where they do not, and the other way round.
    pairs = zip(shown.entries, tree.entries, strict=True)
    return replace(shown, entries=tuple(replace(entry, fault=mask(real.fault)) for entry, real in pairs))
