"""JSON Schema 2020-12 as nlapi checks by it, for arguments and for what the sandbox is sent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

PATTERN_SECONDS = 0.5
"""How long one value may take to be matched against a pattern; some would take for ever."""


@cache
def validator() -> Any:
    """jsonschema's class, but with `multipleOf` as people count (19.99 is a multiple of 0.01) and patterns in time."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def multiple_of(_: Any, step: float, value: Any, __: Any) -> Iterator[ValidationError]:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if is_number and Fraction(str(value)) % Fraction(str(step)):
            yield ValidationError(f"{value!r} is not a multiple of {step}")

    def pattern(_: Any, expression: str, value: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and (fault := _mismatch(expression, value)):
            yield ValidationError(fault)

    rules = {"multipleOf": multiple_of, "pattern": pattern}
    return extend(Draft202012Validator, rules)  # type: ignore[no-untyped-call]


def _mismatch(expression: str, value: str) -> str:
    """Why `value` does not match, or "". A pattern that takes too long is a fault: descriptions come from elsewhere."""
    import regex

    try:
        found = regex.search(expression, value, timeout=PATTERN_SECONDS)
    except TimeoutError:
        return f"{value!r} takes too long to check against {expression!r}"
    except regex.error:
        return ""
    return "" if found else f"{value!r} does not match {expression!r}"
