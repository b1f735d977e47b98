"""Compares a workflow document against two versions of its descriptions, and tells what the later one breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from nlapi.english.words import name_key, name_words
from nlapi.issue import Issue, Level
from nlapi.openapi.spec import Operation, gravest
from nlapi.resources.answers import answer_schemas
from nlapi.tools.schema_compatibility import (
    SchemaComparison,
    credential_differences,
    request_differences,
    server_differences,
)
from nlapi.workflows.check import argument_nodes, check
from nlapi.workflows.expressions import expressions_in
from nlapi.workflows.model import ArazzoWorkflow, WorkflowStep
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.statuses import describes_status, required_status
from nlapi.workflows.value_schemas import ValueSchemas

RULE = "breaking"


# The similarity of names from which one is likely the other renamed: `ad_set_id` and `adSetId`, `name` and `title` not.
_MIN_LIKENESS = 0.7


def compare(before: LinkedDocument, after: LinkedDocument) -> tuple[Issue, ...]:
    """Return what the descriptions of `after` break in a document that is linked twice, in its order.

    An ERROR stops a run that went through before, or changes more than it did; a WARNING may. What was wrong already
    is left out.
    """
    comparison = _DocumentComparison(
        before=before,
        after=after,
        old=ValueSchemas(linked=before),
        new=ValueSchemas(linked=after),
    )
    issues = [issue for workflow in after.document.workflows for issue in comparison.workflow_issues(workflow)]
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
        near = _nearest(old.id, ids)
        hint = f"did you mean {near}?" if near else "`nlapi find` searches the description"
        return Issue.error(where, f"{old.id} is gone", hint, RULE)

    def _step_issues(
        self, step: WorkflowStep, workflow: ArazzoWorkflow, old: Operation, new: Operation, where: str
    ) -> Iterator[Issue]:
        if new.effect is not old.effect and gravest((old.effect, new.effect)) is new.effect:
            hint = "read what it does now before you run the workflow"
            yield Issue.error(where, f"{new.id} is a {new.effect} now, where it was a {old.effect}", hint, RULE)
        for message in (*server_differences(old, new), *credential_differences(old, new)):
            yield Issue.error(where, f"{new.id} {message}", rule=RULE)
        for name, node, location in argument_nodes(step):
            yield from self._argument_issues(name, node, location, (old, new), where)
        yield from _status_issues(step, old, new, where)
        for name, node in step.outputs.items():
            yield from self._output_issues(node, step, workflow, f"{where}.outputs.{name}")

    def _argument_issues(
        self, name: str, node: Any, location: str, operations: tuple[Operation, Operation], where: str
    ) -> Iterator[Issue]:
        old, new = operations
        place = f"{where}.{'payload' if location == 'body' else 'parameters'}.{name}"
        old_schema, new_schema = self.old.argument(old, location, name), self.new.argument(new, location, name)
        if old_schema is None:
            return
        if new_schema is None:
            taker = "the body of " if location == "body" else ""
            yield Issue.error(
                place, f"{taker}{new.id} no longer takes {name}", _argument_hint(new, name, location), RULE
            )
            return
        if not any(True for _ in expressions_in(node)):
            return  # whether the constant still fits is a finding of the check
        if old_schema.types and new_schema.types and set(old_schema.types).isdisjoint(new_schema.types):
            # Every integer is a number.
            if not (old_schema.types == ("integer",) and new_schema.types == ("number",)):
                was, now = " or ".join(old_schema.types), " or ".join(new_schema.types)
                yield Issue.error(place, f"{new.id} takes {name} as {now} now, where it was {was}", rule=RULE)
            return
        readers = SchemaComparison(old=self.old.reader(old.spec).flat, new=self.new.reader(new.spec).flat)
        for is_breaking, message in request_differences(old_schema.schema, new_schema.schema, name, readers):
            if is_breaking:
                yield Issue.warning(place, f"{new.id} {message}", "whether a value still fits shows when it runs", RULE)

    def _output_issues(self, node: Any, step: WorkflowStep, workflow: ArazzoWorkflow, where: str) -> Iterator[Issue]:
        old, new = self.old.of(node, workflow, step), self.new.of(node, workflow, step)
        if not old.fault and not new.fault and old.types and new.types and set(old.types).isdisjoint(new.types):
            now, was = " or ".join(new.types), " or ".join(old.types)
            yield Issue.warning(where, f"{node} is {now} now, where it was {was}", rule=RULE)
        elif new.fault and not old.fault:
            yield Issue.error(where, f"{node}: {new.fault}", self._field_hint(node, step), RULE)

    def _field_hint(self, node: Any, step: WorkflowStep) -> str:
        """Return the nearest name in the later answer for the last name of an expression."""
        operation = self.after.target(step).operation
        if operation is None or not isinstance(node, str) or "#" not in node:
            return ""
        parent, _, name = node.rpartition("/")
        workflow = ArazzoWorkflow(id="", steps=(step,))
        holder = self.new.of(parent.removesuffix("#"), workflow, step)
        names = holder.reader.properties(holder.schema) if holder.reader is not None and not holder.fault else {}
        near = _nearest(name, names)
        return f"did you mean {near}?" if near else ""


def _argument_hint(operation: Operation, name: str, location: str) -> str:
    """Return where an argument is now, or what it may be called now."""
    body = operation.body
    fields = answer_schemas(operation.spec).reader.properties(body.schema) if body is not None else ()
    places = [(parameter.location, parameter.name) for parameter in operation.parameters]
    places += [("body", field) for field in fields]
    elsewhere = next((place for place, entry in places if entry == name and place != location), "")
    if elsewhere:
        return f"it is in the {elsewhere} now"
    near = _nearest(name, [entry for place, entry in places if place == location])
    return f"did you mean {near}?" if near else ""


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return the name that is likely another one written differently; "" for none."""
    by_key = {name_key(entry): entry for entry in names}
    near = get_close_matches(name_key(name), by_key, n=1, cutoff=_MIN_LIKENESS)
    words = set(name_words(name))
    longer = [entry for entry in by_key.values() if words < set(name_words(entry))]
    return by_key[near[0]] if near else longer[0] if len(longer) == 1 else ""


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
