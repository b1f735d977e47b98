"""Says what keeps a workflow from being run to its end, before anything of it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nlapi.openapi.spec import Spec
from nlapi.tools.rules import PolicyRule, Ruling, denial_message, is_denied
from nlapi.tools.run import Target
from nlapi.tools.run import rule_of as deciding_rule
from nlapi.workflows.outline import OutlineEntry, WorkflowOutline


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
    for entry in tree.entries:
        rule = rule_of(entry, targets)
        if entry.operation is not None and rule is not None and is_denied(rule):
            yield denial_message(entry.operation, rule)


def question_rule(tree: WorkflowOutline, targets: Mapping[Spec, Target]) -> str:
    """Return the rule of the user's policy that wants a question about a step each time; "" for none."""
    rules = (rule_of(entry, targets) for entry in tree.entries)
    rule = next((rule for rule in rules if rule is not None and rule.verdict is Ruling.ASK), None)
    return f"your policy says {rule}" if rule is not None else ""


def rule_of(entry: OutlineEntry, targets: Mapping[Spec, Target]) -> PolicyRule | None:
    """Return the rule of the user's policy that decides on a step, if there is one."""
    target = targets.get(entry.operation.spec) if entry.operation is not None else None
    if entry.operation is None or target is None:
        return None
    return deciding_rule(entry.operation, target, entry.effect)
