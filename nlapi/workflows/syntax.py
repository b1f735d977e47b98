"""Finds texts of a step that begin as an expression, a condition or a pattern and are none."""

from __future__ import annotations

from nlapi.openapi.jsonpath import compile_jsonpath
from nlapi.patterns import pattern_fault
from nlapi.workflows.conditions import ConditionError, parse_condition
from nlapi.workflows.expressions import ExpressionError, expressions_in, parse_expression
from nlapi.workflows.model import Criterion, CriterionKind, WorkflowStep


def syntax_fault(step: WorkflowStep) -> str:
    """Return the first text of a step that cannot be evaluated, whatever is answered; "" for none."""
    nodes = [(f"parameters.{entry.name}", entry.value) for entry in step.parameters]
    if step.body is not None:
        nodes += [("payload", step.body.payload)]
        nodes += [(f"replacements.{entry.target}", entry.value) for entry in step.body.replacements]
    for place, node in nodes:
        for text in expressions_in(node):
            try:
                parse_expression(text)
            except ExpressionError as error:
                return f"{place}: {error}"
    actions = (*step.on_success, *step.on_failure)
    criteria = [*step.criteria, *(criterion for action in actions for criterion in action.criteria)]
    return next(filter(None, map(_criterion_fault, criteria)), "")


def _criterion_fault(criterion: Criterion) -> str:
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
    except (ExpressionError, ConditionError, ValueError) as error:
        return f"the criterion {criterion.condition[:60]!r}: {error}"
    return ""
