"""Sanitizes the values of schema keywords: a value that is not valid is corrected or dropped."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nlapi.openapi.parts import as_list

TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
TYPE_ALIASES = {
    "int": "integer", "int32": "integer", "int64": "integer", "long": "integer", "float": "number",
    "double": "number", "decimal": "number", "bool": "boolean", "str": "string", "text": "string",
    "date": "string", "datetime": "string", "date-time": "string", "file": "string", "list": "array",
    "dict": "object", "map": "object",
}  # fmt: skip
"""Type names that descriptions use and JSON Schema does not have, with the type that is meant."""

COUNT_KEYWORDS = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
BOUND_KEYWORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
# Syntax of ECMA-262 patterns (JSON Schema 2020-12 §6.3.3) that Python's `re` rejects or reads in another way.
ECMA_ONLY = re.compile(r"\\[pPuc]|\\x\{|\(\?<[a-zA-Z]")
# Characters; a longer pattern takes `re` too long to compile (tests/openapi/test_parse_hostile.py).
MAX_PATTERN = 20_000

# Python warns that it may read these as set operations one day; the warning is turned into a refusal.
MAYBE_NESTED_SET = re.compile(r"\[\[|--|&&|~~|\|\|")


def _sanitize_required(value: Any) -> Any:
    names = [as_name(name) for name in value if as_name(name)] if isinstance(value, list) else []
    return list(dict.fromkeys(names)) or None


def as_name(value: Any) -> str:
    """Return a name, also one that YAML read as a number or boolean; "" for any other value."""
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool | int) else ""


def _sanitize_dependent_required(value: Any) -> Any:
    names = {key: _sanitize_required(entry) for key, entry in value.items()} if isinstance(value, dict) else {}
    return {key: entry for key, entry in names.items() if entry} or None


def _sanitize_enum(value: Any) -> Any:
    return unique_values(value) or None if isinstance(value, list) else None


def unique_values(values: list[Any]) -> list[Any]:
    """Return the values without duplicates, in order."""
    if all(type(value) is str for value in values):
        return list(dict.fromkeys(values))
    # By type and repr: 1, 1.0 and True are equal in Python and distinct in JSON, and maps are not hashable.
    unique: dict[tuple[type, str], Any] = {}
    for value in values:
        unique.setdefault((type(value), repr(value)), value)
    return list(unique.values())


def _sanitize_count(value: Any) -> Any:
    number = _finite_number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def _finite_number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value) if isinstance(value, str) else value
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _sanitize_bound(value: Any) -> Any:
    return value if isinstance(value, bool) else _finite_number(value)


def _sanitize_multiple(value: Any) -> Any:
    number = _finite_number(value)
    return number if number is not None and number > 0 else None


def sanitize_pattern(value: Any) -> Any:
    """Return an ECMA-262 pattern, or None for one that Python reads in another way: it must not refuse valid values."""
    if not isinstance(value, str) or len(value) > MAX_PATTERN or ECMA_ONLY.search(value):
        return None
    try:
        if MAYBE_NESTED_SET.search(value):
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                re.compile(value)
        else:
            re.compile(value)
    except (re.error, OverflowError, RecursionError, FutureWarning):
        return None
    return value


def _sanitize_text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _sanitize_flag(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def convert_to_type(value: Any, types: list[str]) -> Any:
    """Return a choice or default in the type of its schema: YAML reads `enum: [1, 2]` of strings as integers."""
    is_scalar, is_text = not {"boolean", "integer", "number"}.isdisjoint(types), "string" in types
    if isinstance(value, bool | int | float) and is_text and not is_scalar:
        return json.dumps(value)
    if isinstance(value, str) and is_scalar and not is_text:
        with suppress(ValueError, RecursionError):
            parsed = json.loads(value)
            return parsed if isinstance(parsed, bool) or _finite_number(parsed) is not None else value
    return value


def normalize_types(declared: Any) -> list[str]:
    """Return the JSON Schema types meant by an unknown `type`, or by a list of types."""
    names = [declared] if isinstance(declared, str) else as_list(declared)
    types = [TYPE_ALIASES.get(str(name).lower(), str(name).lower()) for name in names]
    return list(dict.fromkeys(name for name in types if name in TYPES))


SANITIZERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(COUNT_KEYWORDS, _sanitize_count),
    **dict.fromkeys(BOUND_KEYWORDS, _sanitize_bound),
    **dict.fromkeys(("title", "description", "format", "$comment", "contentEncoding", "contentMediaType"), _sanitize_text),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), _sanitize_flag),
    "dependentRequired": _sanitize_dependent_required,
    "required": _sanitize_required,
    "enum": _sanitize_enum,
    "pattern": sanitize_pattern,
    "multipleOf": _sanitize_multiple,
}


def sanitize_keyword(keyword: str, value: Any) -> Any:
    """Return the sanitized value of a keyword, or None when it has no meaning."""
    sanitize = SANITIZERS.get(keyword)
    return sanitize(value) if sanitize else value
