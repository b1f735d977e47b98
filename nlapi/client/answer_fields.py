"""The fields of an answer that a model may see: some are hidden, or some alone are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from nlapi.client.message import Result
from nlapi.errors import UsageError
from nlapi.openapi.jsonpath import compile_jsonpath, node_paths

WITHHELD = "withheld: the policy is about fields, and this answer is no JSON"
UNDECIDED = "withheld: a JSONPath of the policy cannot be applied to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFilter:
    """The fields of JSON answers that are hidden, and those that are shown where not all are.

    Each is the name of a field at any depth, a glob in any case of letters, or, beginning with `$`, a JSONPath (RFC
    9535). What is shown is shown whole; objects and lists around it stay.
    """

    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hidden or self.shown)

    def apply(self, result: Result) -> Result:
        """Return an answer without what a model may not see. What is no JSON is withheld whole."""
        if not self or not (result.content or result.items):
            return result
        if result.items is not None:
            items = tuple(self.value(item) if isinstance(item, (dict, list)) else WITHHELD for item in result.items)
            return replace(result, items=items, content=json.dumps(list(items), default=str).encode())
        data = result.data
        if not isinstance(data, (dict, list)):
            return replace(result, content=json.dumps({"error": WITHHELD}).encode(), headers=_json_headers(result))
        return replace(result, content=json.dumps(self.value(data), ensure_ascii=False).encode())

    def value(self, value: Any) -> Any:
        """Return a JSON value without the hidden fields, and with the shown ones alone."""
        try:
            names, paths = _split(self.shown)
            if self.shown:
                value = _project(value, names, _locations(value, paths), ())
            names, paths = _split(self.hidden)
            return _without(value, names, _locations(value, paths), ()) if self.hidden else value
        except ValueError:
            return {"error": UNDECIDED}


_Location = tuple[str | int, ...]


def check_field(field: str) -> None:
    """UsageError for a JSONPath that cannot be read."""
    if field.startswith("$"):
        try:
            compile_jsonpath(field, strict=False)
        except ValueError as error:
            raise UsageError(str(error)) from None


def _split(fields: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the globs of names, in lower case, and the JSONPaths."""
    fields = tuple(fields)
    # `fnmatch` reads brackets as a set of characters, and names such as `tags[]` have none.
    names = tuple(field.casefold().replace("[", "[[]") for field in fields if not field.startswith("$"))
    return names, tuple(field for field in fields if field.startswith("$"))


def _locations(value: Any, paths: Iterable[str]) -> frozenset[_Location]:
    return frozenset(location for path in paths for location in node_paths(value, path, strict=False))


def _is_named(key: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(key.casefold(), name) for name in names)


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def _without(value: Any, names: tuple[str, ...], locations: frozenset[_Location], at: _Location) -> Any:
    if not isinstance(value, (Mapping, list)):
        return value
    fields = {
        key: _without(child, names, locations, (*at, key))
        for key, child in _children(value)
        if not (isinstance(key, str) and _is_named(key, names)) and (*at, key) not in locations
    }
    return fields if isinstance(value, Mapping) else list(fields.values())


_NOTHING = object()


def _project(value: Any, names: tuple[str, ...], locations: frozenset[_Location], at: _Location) -> Any:
    """Return what is shown of a value; an object or a list around it stays, also when it is empty."""
    if not isinstance(value, (Mapping, list)):
        return _NOTHING if at else None
    fields: dict[str | int, Any] = {}
    for key, child in _children(value):
        place = (*at, key)
        if (isinstance(key, str) and _is_named(key, names)) or place in locations:
            fields[key] = child
        elif (inner := _project(child, names, locations, place)) is not _NOTHING and (inner or isinstance(child, list)):
            fields[key] = inner
    return fields if isinstance(value, Mapping) else list(fields.values())


def _json_headers(result: Result) -> tuple[tuple[str, str], ...]:
    others = tuple(pair for pair in result.headers if pair[0].lower() not in ("content-type", "content-length"))
    return (*others, ("content-type", "application/json"))
