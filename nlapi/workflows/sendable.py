"""Says what keeps a workflow from being run to its end, before anything of it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.rules import PolicyRule, Ruling, deciding_rule, denial_message, is_denied
from nlapi.tools.run import Target
from nlapi.workflows.outline import Outline


def unsendable(tree: Outline, targets: Mapping[Spec, Target]) -> Iterator[str]:
    """Yield the faults of a tree and its steps: what is before such a step would be changed for nothing.

    A step has a fault where its call cannot be built, or the user's policy denies it.
    """
    if tree.unread:
        yield f"a part of {tree.workflow.id} cannot be read: {tree.unread[0]}"
    for entry in tree.entries:
        if entry.fault:
            yield f"{entry.path} cannot be sent: {entry.fault}"
    if reason := denial(tree, targets):
        yield reason


def denial(tree: Outline, targets: Mapping[Spec, Target]) -> str:
    """Return why the user's policy denies a step; "" where it denies none."""
    operations = (entry.operation for entry in tree.entries if entry.operation is not None)
    rules = ((operation, rule_of(operation, targets)) for operation in operations)
    return next((denial_message(operation, rule) for operation, rule in rules if rule and is_denied(rule)), "")


def question_rule(tree: Outline, targets: Mapping[Spec, Target]) -> str:
    """Return the rule of the user's policy that wants a question about a step each time; "" for none."""
    rules = (rule_of(entry.operation, targets) for entry in tree.entries if entry.operation is not None)
    rule = next((rule for rule in rules if rule is not None and rule.verdict is Ruling.ASK), None)
    return f"your policy says {rule}" if rule is not None else ""


def rule_of(operation: Operation, targets: Mapping[Spec, Target]) -> PolicyRule | None:
    """Return the rule of the user's policy that decides on an operation, if there is one."""
    target = targets.get(operation.spec)
    return deciding_rule(target.rules, operation) if target is not None else None
