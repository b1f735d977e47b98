"""Checks a request's context against the fields that an objective declares."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import words
from nlapi.routing.nouns import CLIENT, Field, FieldType, Objective


def check_context(objective: Objective, context: Mapping[str, Any]) -> list[Issue]:
    """Return the faults of a request's context. Rules: unknown-field, wrong-type, wrong-value."""
    declared = {field.name: field for field in objective.context}
    found = []
    for name, value in context.items():
        if name not in declared:
            found.append(unknown_field(f"context.{name}", name, objective, declared))
        elif issue := wrong_value(f"context.{name}", declared[name], value):
            found.append(issue)
    return found


def unknown_field(where: str, name: str, objective: Objective, known: Collection[str]) -> Issue:
    """Return the Issue of a field that an objective does not declare."""
    message = f"objective {objective.name!r} has no context field {name!r}"
    return Issue.error(where, message, nearest(name, known), "unknown-field")


def nearest(name: str, known: Collection[str]) -> str:
    """Return a hint with the name that was perhaps meant, or the names that exist."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {words.listed(sorted(known), 'and')}" if known else "there are none yet"


def wrong_value(where: str, field: Field, value: Any) -> Issue | None:
    """Return an Issue when a value is not of the field's type or not one of its values, else None."""
    if not of_type(field.type, value):
        shown = "null" if value is None else words.value(value)
        message = f"{shown} is not of type {field.type}, which {field.name!r} is"
        return Issue.error(where, message, _allowed(field), "wrong-type")
    if field.values and value not in field.values:
        message = f"{words.value(value)} is not a value of {field.name!r}"
        return Issue.error(where, message, _allowed(field), "wrong-value")
    return None


def of_type(kind: FieldType, value: Any) -> bool:
    """Return whether a value has the JSON type: 7.0 is an integer, true is no number (JSON Schema 2020-12 §6.1.1)."""
    if kind is FieldType.STRING:
        return isinstance(value, str)
    if kind is FieldType.BOOLEAN:
        return isinstance(value, bool)
    # `bool` is a subclass of `int` in Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return kind is FieldType.NUMBER or float(value).is_integer()


def _allowed(field: Field) -> str:
    if not field.values:
        return ""
    close = [words.value(value) for value in field.values]
    return f"it takes {words.listed(close, 'or')}"


# Undeclared, but rules may match it, so the checks need a declaration.
CLIENT_FIELD = Field(name=CLIENT, description="the name of the client that asks")
"""The field that every objective has."""
