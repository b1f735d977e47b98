"""Checks a request's context against the fields that an objective declares."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import describe
from nlapi.routing.nouns import CLIENT_NAME_FIELD, Field, FieldType, Objective


def check_context(objective: Objective, context: Mapping[str, Any]) -> list[Issue]:
    """Return the faults of a request's context. Rules: unknown-field, wrong-type, wrong-value."""
    declared = {field.name: field for field in objective.context}
    issues = []
    for name, value in context.items():
        if name not in declared:
            issues.append(unknown_field_issue(f"context.{name}", name, objective, declared))
        elif issue := value_issue(f"context.{name}", declared[name], value):
            issues.append(issue)
    return issues


def unknown_field_issue(location: str, name: str, objective: Objective, known_names: Collection[str]) -> Issue:
    """Return the Issue of a field that an objective does not declare."""
    message = f"objective {objective.name!r} has no context field {name!r}"
    return Issue.error(location, message, nearest_hint(name, known_names), "unknown-field")


def nearest_hint(name: str, known_names: Collection[str]) -> str:
    """Return a hint with the name that was perhaps meant, or the names that exist."""
    near = difflib.get_close_matches(name, known_names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {describe.join_items(sorted(known_names), 'and')}" if known_names else "there are none yet"


def value_issue(location: str, field: Field, value: Any) -> Issue | None:
    """Return an Issue when a value is not of the field's type or not one of its values, else None."""
    if not has_type(field.type, value):
        text = "null" if value is None else describe.format_value(value)
        message = f"{text} is not of type {field.type}, which {field.name!r} is"
        return Issue.error(location, message, _allowed_values_hint(field), "wrong-type")
    if field.values and value not in field.values:
        message = f"{describe.format_value(value)} is not a value of {field.name!r}"
        return Issue.error(location, message, _allowed_values_hint(field), "wrong-value")
    return None


def has_type(kind: FieldType, value: Any) -> bool:
    """Return whether a value has the JSON type: 7.0 is an integer, true is no number (JSON Schema 2020-12 §6.1.1)."""
    if kind is FieldType.STRING:
        return isinstance(value, str)
    if kind is FieldType.BOOLEAN:
        return isinstance(value, bool)
    # `bool` is a subclass of `int` in Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return kind is FieldType.NUMBER or float(value).is_integer()


def _allowed_values_hint(field: Field) -> str:
    if not field.values:
        return ""
    texts = [describe.format_value(value) for value in field.values]
    return f"it takes {describe.join_items(texts, 'or')}"


# Undeclared, but rules may match it, so the checks need a declaration.
CLIENT_FIELD = Field(name=CLIENT_NAME_FIELD, description="the name of the client that asks")
"""The field that every objective has."""
