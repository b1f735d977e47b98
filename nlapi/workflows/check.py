"""Checks a workflow document against its descriptions, or against two versions of them: what does the later one break?

Each finding is an Issue with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from nlapi.english.words import name_key, name_words
from nlapi.errors import ArgumentError, Issue, Level
from nlapi.openapi.spec import Operation, gravest
from nlapi.resources.answers import answer_schemas
from nlapi.resources.paths import Place
from nlapi.suggestions import nearest, question
from nlapi.tools.arguments import check as check_arguments
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.units import to_wire_units
from nlapi.tools.tool import Origin
from nlapi.tools.versions.operation_changes import OperationChange, operation_changes
from nlapi.tools.versions.schema_compatibility import Impact
from nlapi.workflows.bind import ANY_INPUT, BindError, NotGivenError, Scope, StepCall, UnresolvedError, bind
from nlapi.workflows.engine import MAX_CALLS, MAX_DELAY
from nlapi.workflows.expressions import (
    Expression,
    ExpressionError,
    Root,
    describes_status,
    expressions_in,
    operands,
    parse_condition,
    parse_expression,
    read_expression,
    required_status,
    split_name,
    unknown_expressions,
)
from nlapi.workflows.model import ArazzoWorkflow, Criterion, CriterionKind, StepAction, StepActionKind, WorkflowStep
from nlapi.workflows.outline import criterion_fault, selector_faults
from nlapi.workflows.read import BEND
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.value_schemas import ValueSchemas


def check(linked: LinkedDocument) -> tuple[Issue, ...]:
    """Return what is wrong with a document, in its order: parts that cannot be read, sources, workflows and steps.

    An ERROR is what stops a run; a WARNING may stop it, or bends the standard (rule "bend").
    """
    schemas, cycles = ValueSchemas(linked=linked), _cycles(linked)
    issues = [*linked.document.issues, *linked.issues]
    for workflow in linked.document.workflows:
        issues += _WorkflowCheck(linked=linked, workflow=workflow, schemas=schemas, cycles=cycles).issues()
    return tuple(issues)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorkflowCheck:
    linked: LinkedDocument
    workflow: ArazzoWorkflow
    schemas: ValueSchemas
    cycles: Mapping[str, tuple[str, ...]]

    def issues(self) -> Iterator[Issue]:
        where = f"workflows.{self.workflow.id}"
        yield from self._dependencies(where)
        for parameter in self.workflow.parameters:
            place = f"{where}.parameters.{parameter.name}"
            yield from self._value(parameter.value, place, None, len(self.workflow.steps))
        for index, step in enumerate(self.workflow.steps):
            yield from self._step(step, index, f"{where}.steps.{step.id}")
        for action in (*self.workflow.success_actions, *self.workflow.failure_actions):
            yield from self._action(action, f"{where}.{action.name}")
        for name, node in self.workflow.outputs.items():
            yield from self._value(node, f"{where}.outputs.{name}", None, len(self.workflow.steps))

    def _dependencies(self, where: str) -> Iterator[Issue]:
        for id in self.workflow.depends_on:
            yield from self._no_workflow(id, f"{where}.dependsOn")
        if cycle := self.cycles.get(self.workflow.id):
            yield Issue.error(where, f"it runs in circles: {' -> '.join(cycle)}", "leave one of the steps out")

    def _no_workflow(self, id: str, where: str) -> Iterator[Issue]:
        """Yield why there is no workflow of an id."""
        yield from (replace(issue, where=where) for issue in self.linked.called(id).issues)

    def _step(self, step: WorkflowStep, index: int, where: str) -> Iterator[Issue]:
        target = self.linked.target(step)
        for issue in target.issues:
            yield replace(issue, where=where, rule=BEND if issue.level is Level.WARNING else issue.rule)
        yield from self._waited_for(step, index, f"{where}.dependsOn")
        for place, node in step.values:
            yield from self._value(node, f"{where}.{place}", None, index)
        if target.operation is not None:
            yield from self._call(step, target.operation, where)
        for criterion in step.criteria:
            yield from self._criterion(criterion, f"{where}.successCriteria", target.operation)
        for action in step.actions:
            yield from self._action(action, f"{where}.{action.name}", index, is_success=action in step.on_success)
        for name, node in step.outputs.items():
            yield from self._value(node, f"{where}.outputs.{name}", step, index)

    def _waited_for(self, step: WorkflowStep, index: int, where: str) -> Iterator[Issue]:
        for id in (text.removeprefix("$steps.") for text in step.depends_on):
            if self.workflow.step(id) is None:
                yield Issue.error(where, f"the workflow has no step {id}")
            elif self._runs_later(id, index):
                yield Issue.error(where, f"{id} runs later", "put the steps in their order")

    def _runs_later(self, id: str, index: int) -> bool:
        """Return whether a step does not run before the one at an index."""
        return any(step.id == id for step in self.workflow.steps[index:])

    def _call(self, step: WorkflowStep, operation: Operation, where: str) -> Iterator[Issue]:
        """Yield what is wrong with the arguments of a step, whatever the values of its inputs are."""
        # Each input is there: whether an optional one is given is known when the workflow is run.
        inputs = dict.fromkeys(self.workflow.input_schemas, ANY_INPUT)
        scope = _TypeScope(workflow=self.workflow, document=self.linked.document, inputs=inputs)
        try:
            bound = bind(operation, step, scope, id=step.id, partial=True)
        except BindError as error:
            yield Issue.error(f"{where}.{error.place}", error.message, error.hint, rule="argument")
            return
        yield from (Issue.warning(where, note, rule=BEND) for note in bound.notes)
        yield from self._missing(step, bound, where)
        yield from self._unknown_fields(step, bound, where)
        tool = bound.call.tool
        sources = bound.call.account.sources if bound.call.account is not None else ()
        constants = {source.argument for source in sources if source.origin is Origin.WORKFLOW} & tool.places.keys()
        constant_values = {name: value for name, value in bound.call.arguments.items() if name in constants}
        try:
            check_arguments(tool, to_wire_units(tool, constant_values), partial=True)
        except ArgumentError as error:
            yield Issue.error(where, error.message, error.hint, rule="argument")
        yield from self._whole_answers(step, operation, where)

    def _missing(self, step: WorkflowStep, bound: StepCall, where: str) -> Iterator[Issue]:
        """Yield the required arguments that nothing gives."""
        tool = bound.call.tool
        arguments = {*bound.call.arguments, *(name for name, _ in bound.pending)}
        if step.body is not None and not isinstance(step.body.payload, Mapping):
            # A payload that is handed on whole may have any field.
            arguments |= {name for name, place in tool.places.items() if place[0] == "body"}
        for name in tool.required:
            if name not in arguments:
                message = f"{tool.operation.id} requires {name}, and nothing gives it"
                yield Issue.error(where, message, "`nlapi workflow repair` makes it an input", rule="required")

    def _unknown_fields(self, step: WorkflowStep, bound: StepCall, where: str) -> Iterator[Issue]:
        """Yield the fields of a payload that the body does not have."""
        tool = bound.call.tool
        if tool.input_schema.get("additionalProperties") is not False:
            return
        nodes = step.arguments
        for name in bound.call.arguments:
            if name not in tool.places and ("body", name) in nodes:
                message = f"the body of {tool.operation.id} has no field {name}"
                yield Issue.error(f"{where}.payload.{name}", message, rule="field")

    def _whole_answers(self, step: WorkflowStep, operation: Operation, where: str) -> Iterator[Issue]:
        """Yield the objects and lists that stand where one value is wanted."""
        for (location, name), node in step.arguments.items():
            place, value = self.schemas.argument(operation, location, name), self.schemas.of(node, self.workflow)
            if (
                place is None
                or not place.is_scalar
                or not value.types
                or not {"object", "array"}.issuperset(value.types)
            ):
                continue
            kind = "a list" if "array" in value.types else "an object"
            yield Issue.warning(
                f"{where}.{'payload' if location == 'body' else 'parameters'}.{name}",
                f"{node} is {kind}, and {name} takes {' or '.join(place.types)}",
                "`nlapi workflow repair` takes the value out of it",
                rule="whole",
            )

    def _value(self, node: Any, where: str, step: WorkflowStep | None, index: int) -> Iterator[Issue]:
        """Yield what is wrong with the expressions in a value. `step` is the one whose answer `$response` is."""
        for fault in selector_faults(node):
            yield Issue.error(where, fault, rule="expression")
        if step is not None and isinstance(node, str) and not node.startswith("$"):
            yield Issue.warning(where, f"the output is the text {node[:60]!r}, and no expression", rule=BEND)
        for text in unknown_expressions(node):
            yield Issue.warning(where, f"{text} is not an expression, and goes out as a text", rule="expression")
        for text in expressions_in(node):
            yield from self._expression(text, where, step, index)

    def _expression(self, text: str, where: str, step: WorkflowStep | None, index: int) -> Iterator[Issue]:
        try:
            expression = parse_expression(text)
        except ExpressionError as error:
            yield Issue.error(where, str(error), rule="expression")
            return
        if expression is not None:
            yield from (Issue.warning(where, f"{text}: {bend}", rule=BEND) for bend in self._bends(expression))
            if expression.root is Root.STEPS and self._runs_later(expression.owner, index):
                hint = "put the steps in the order in which they run"
                yield Issue.error(where, f"{text}: {expression.owner} runs later", hint)
            value = self.schemas.of(text, self.workflow, step)
            if value.fault:
                is_undescribed = "in the description" in value.fault
                level = Level.WARNING if is_undescribed else Level.ERROR
                yield Issue(level=level, where=where, message=f"{text}: {value.fault}", rule="output")

    def _bends(self, expression: Expression) -> Iterator[str]:
        """Yield the deviations of an expression from the standard, those in the name of a step's output too."""
        yield from expression.bends
        source = self.workflow.step(expression.owner) if expression.root is Root.STEPS else None
        match = split_name(expression.name, source.outputs) if source is not None else None
        yield from filter(None, match[2:] if match is not None else ())

    def _criterion(self, criterion: Criterion, where: str, operation: Operation | None) -> Iterator[Issue]:
        if fault := criterion_fault(criterion):
            yield Issue.error(where, fault, rule="criterion")
        if fault or criterion.kind is not CriterionKind.SIMPLE:
            return
        condition = parse_condition(criterion.condition)
        for expression in operands(condition):
            for bend in expression.bends:
                yield Issue.warning(where, f"{expression.text}: {bend}", rule=BEND)
        status = required_status(criterion)
        if operation is not None and status is not None and not describes_status(operation, status):
            statuses = ", ".join(sorted(response.status.upper() for response in operation.responses))
            yield Issue.warning(where, f"{operation.id} does not describe {status}; it has {statuses}", rule=BEND)

    def _action(self, action: StepAction, where: str, index: int = 0, *, is_success: bool = False) -> Iterator[Issue]:
        if action.step_id and self.workflow.step(action.step_id) is None:
            yield Issue.error(where, f"the workflow has no step {action.step_id}")
        if action.workflow_id:
            yield from self._no_workflow(action.workflow_id, where)
        for criterion in action.criteria:
            yield from self._criterion(criterion, where, None)
        yield from _limits(action, where)
        is_endless = is_success and action.kind is StepActionKind.GOTO and not action.criteria
        if is_endless and action.step_id in [step.id for step in self.workflow.steps[: index + 1]]:
            hint = "give it criteria that end to hold"
            yield Issue.error(where, f"it goes back to {action.step_id} without end", hint, rule="loop")


def _limits(action: StepAction, where: str) -> Iterator[Issue]:
    """Yield where a retry is more than a run does."""
    if action.kind is not StepActionKind.RETRY:
        return
    if action.retry_limit > MAX_CALLS:
        limit = f"{action.retry_limit:,} attempts; a run ends after {MAX_CALLS:,} calls"
        yield Issue.warning(where, limit, rule="loop")
    if action.retry_after > MAX_DELAY:
        wait = f"it waits {action.retry_after:g} s; {MAX_DELAY:g} s are the longest that a run waits"
        yield Issue.warning(where, wait, rule="loop")


class _TypeScope(Scope):
    """The scope of a check, in which no value is known; an input that there cannot be has an Issue of its own."""

    def value(self, node: Any) -> Any:
        try:
            return super().value(node)
        except UnresolvedError as error:
            expression = read_expression(error.expression)
            if expression is not None and expression.root is not Root.INPUTS:
                raise
            raise NotGivenError(error.expression, error.reason) from None


def _cycles(linked: LinkedDocument) -> dict[str, tuple[str, ...]]:
    """Return the circles of workflows that call or depend on each other, by the workflow in which each begins."""
    # Each workflow is entered once, however many ways lead to it.
    cycles: dict[str, tuple[str, ...]] = {}
    entered: set[str] = set()
    for workflow in linked.document.workflows:
        if workflow.id in entered:
            continue
        entered.add(workflow.id)
        path, open_calls = [workflow.id], [iter(_called_workflows(workflow, linked))]
        while open_calls:
            called = next(open_calls[-1], None)
            if called is None:
                open_calls.pop()
                path.pop()
            elif called.id in path:
                cycles[called.id] = (*path[path.index(called.id) :], called.id)
            elif called.id not in entered:
                entered.add(called.id)
                path.append(called.id)
                open_calls.append(iter(_called_workflows(called, linked)))
    return cycles


def _called_workflows(workflow: ArazzoWorkflow, linked: LinkedDocument) -> list[ArazzoWorkflow]:
    """Return the workflows of the same document that a workflow depends on, or calls."""
    ids = [*workflow.depends_on, *(step.workflow_id for step in workflow.steps if step.workflow_id)]
    called = [linked.called(id).workflow for id in ids]
    return [entry for entry in called if entry is not None and linked.workflows.get(entry.id) is entry]


RULE = "breaking"


# The similarity of names from which one is likely the other renamed: `ad_set_id` and `adSetId`, `name` and `title` not.
_MIN_LIKENESS = 0.7


def compare(before: LinkedDocument, after: LinkedDocument) -> tuple[Issue, ...]:
    """Return the faults that the descriptions of `after` cause in a document that is linked twice, in its order.

    An ERROR stops a run that went through before, or changes more than it did; a WARNING may. What was wrong already
    is left out.
    """
    old, new = ValueSchemas(linked=before), ValueSchemas(linked=after)
    comparison = _DocumentComparison(before=before, after=after, old=old, new=new)
    issues = list(chain.from_iterable(map(comparison.workflow_issues, after.document.workflows)))
    old_findings = {(issue.where, issue.message) for issue in check(before)}
    reported = {issue.where for issue in issues}
    for issue in check(after):
        is_new = (issue.where, issue.message) not in old_findings
        if is_new and not any(issue.where == where or issue.where.startswith(f"{where}.") for where in reported):
            # What was described and is no longer is gone, even where an answer may have more than is described.
            is_lost = issue.rule == "output"
            issues.append(replace(issue, level=Level.ERROR, rule=RULE) if is_lost else issue)
    return tuple(sorted(dict.fromkeys(issues), key=lambda issue: _position(issue.where, after)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _DocumentComparison:
    before: LinkedDocument
    after: LinkedDocument
    old: ValueSchemas
    new: ValueSchemas

    def workflow_issues(self, workflow: ArazzoWorkflow) -> Iterator[Issue]:
        for step in workflow.steps:
            where = f"workflows.{workflow.id}.steps.{step.id}"
            old, new = self.before.target(step), self.after.target(step)
            if old.operation is not None and new.operation is None:
                yield self._lost_operation(old.operation, where)
            elif old.operation is not None and new.operation is not None:
                yield from self._step_issues(step, workflow, old.operation, new.operation, where)
            elif old.workflow is not None and new.workflow is None:
                yield Issue.error(where, f"the workflow {step.workflow_id} is gone", rule=RULE)

    def _lost_operation(self, old: Operation, where: str) -> Issue:
        candidates = [operation for spec in self.after.all_specs for operation in spec.operations]
        same = [entry for entry in candidates if (entry.method, entry.path) == (old.method, old.path)]
        if same:
            return Issue.error(where, f"{old.id} is gone", f"{old.method} {old.path} is called {same[0].id} now", RULE)
        ids = [entry.id for entry in candidates if entry.method == old.method]
        hint = question(_nearest(old.id, ids)) or "`nlapi find` searches the description"
        return Issue.error(where, f"{old.id} is gone", hint, RULE)

    def _step_issues(
        self, step: WorkflowStep, workflow: ArazzoWorkflow, old: Operation, new: Operation, where: str
    ) -> Iterator[Issue]:
        if new.effect is not old.effect and gravest((old.effect, new.effect)) is new.effect:
            hint = "read its new description before you run the workflow"
            yield Issue.error(where, f"{new.id} is a {new.effect} now, where it was a {old.effect}", hint, RULE)
        nodes = step.arguments
        places = compile_tool(old).places
        for change in operation_changes(old, new):
            if change.is_address:
                yield Issue.error(where, f"{new.id} {change.message}", rule=RULE)
            elif change.argument in places and (place := places[change.argument]) in nodes:
                yield from _argument_issues(change, nodes[place], place, new, where)
        yield from _status_issues(step, old, new, where)
        yield from self._output_issues(step, workflow, where)

    def _output_issues(self, step: WorkflowStep, workflow: ArazzoWorkflow, where: str) -> Iterator[Issue]:
        for name, node in step.outputs.items():
            types, other = self.new.of(node, workflow, step).types, self.old.of(node, workflow, step).types
            if types and other and set(types).isdisjoint(other):
                text = f"{node} is {' or '.join(types)} now, where it was {' or '.join(other)}"
                yield Issue.warning(f"{where}.outputs.{name}", text, rule=RULE)


def _argument_issues(change: OperationChange, node: Any, place: Place, new: Operation, where: str) -> Iterator[Issue]:
    """Yield what a change of an argument breaks for the value that a step has for it."""
    location, name = place
    part = f"{where}.{'payload' if location == 'body' else 'parameters'}.{name}"
    if place not in compile_tool(new).places.values():
        taker = "the body of " if location == "body" else ""
        yield Issue.error(part, f"{taker}{new.id} no longer takes {name}", _argument_hint(new, name, location), RULE)
    elif change.impact and any(True for _ in expressions_in(node)):
        # Whether a constant still fits is a finding of the check.
        level = Level.ERROR if change.impact is Impact.ALL else Level.WARNING
        hint = "" if level is Level.ERROR else "whether a value still fits shows when it runs"
        yield Issue(level=level, where=part, message=f"{new.id} {change.message}", hint=hint, rule=RULE)


def _argument_hint(operation: Operation, name: str, location: str) -> str:
    """Return the present place of an argument, or its possible new name."""
    body = operation.body
    fields = answer_schemas(operation.spec).reader.properties(body.schema) if body is not None else ()
    places = [(parameter.location, parameter.name) for parameter in operation.parameters]
    places += [("body", field) for field in fields]
    elsewhere = next((place for place, entry in places if entry == name and place != location), "")
    if elsewhere:
        return f"it is in the {elsewhere} now"
    return question(_nearest(name, [entry for place, entry in places if place == location]))


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return the name that is likely another one written differently, if there is one."""
    by_key = {name_key(entry): entry for entry in names}
    near = nearest(name_key(name), by_key, least=_MIN_LIKENESS)
    words = set(name_words(name))
    longer = [entry for entry in by_key.values() if words < set(name_words(entry))]
    return [by_key[near[0]]] if near else longer if len(longer) == 1 else []


def _status_issues(step: WorkflowStep, old: Operation, new: Operation, where: str) -> Iterator[Issue]:
    """Yield an error for each status that a criterion requires and only the earlier description has."""
    for criterion in step.criteria:
        status = required_status(criterion)
        if status is None:
            continue
        if describes_status(old, status) and not describes_status(new, status):
            response = new.response()
            hint = f"it answers success with {response.status} now" if response is not None else ""
            yield Issue.error(f"{where}.successCriteria", f"{new.id} no longer answers with {status}", hint, RULE)


def _position(where: str, linked: LinkedDocument) -> tuple[int, int, str]:
    """Return the place of an Issue in its document, for sorting."""
    for number, workflow in enumerate(linked.document.workflows):
        for index, step in enumerate(workflow.steps):
            prefix = f"workflows.{workflow.id}.steps.{step.id}"
            if where == prefix or where.startswith(f"{prefix}."):
                return number, index, ""
        if where.startswith(f"workflows.{workflow.id}"):
            return number, len(workflow.steps), where
    return -1, 0, where
