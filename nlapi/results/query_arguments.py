"""The arguments of the tool `result`: their schema, and the query that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.errors import UsageError
from nlapi.json_text import parse_json

QUERY_TOOL = "result"
MAX_CONDITIONS = 12

_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "contains", "in", "empty", "not empty")
_TEXT = {"type": "string"}

QUERY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "result": {**_TEXT, "description": "r1"},
        "select": {"type": "array", "items": _TEXT, "description": "fields: user.login"},
        "where": {
            "type": "array",
            "description": "conditions that all hold",
            "items": {
                "type": "object",
                "properties": {"field": _TEXT, "op": {"enum": list(_OPERATORS)}, "value": {}},
                "required": ["field", "op"],
            },
        },
        "sort": {**_TEXT, "description": "a field; -field: largest first"},
        "group": {**_TEXT, "description": "a field: its rows by value"},
        "sum": {**_TEXT, "description": "a field: its sum, also by group"},
        "list": {**_TEXT, "description": "a list inside: data.events"},
        "page": {"type": "integer"},
        "search": {**_TEXT, "description": "of a text: the lines with these words"},
        "lines": {**_TEXT, "description": "of a text: 100-150"},
    },
    "required": ["result"],
}
"""The arguments of a query as a JSON Schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCondition:
    """A condition on a field of a row. Where the field is a list, it holds when it holds for one of its values."""

    path: str
    operator: str
    value: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultQuery:
    """A query of one stored answer; the fields are those of QUERY_SCHEMA."""

    handle: str
    select: tuple[str, ...] = ()
    conditions: tuple[RowCondition, ...] = ()
    sort: str = ""
    group: str = ""
    sum: str = ""
    list_path: str = ""
    page: int = 1
    search: str = ""
    lines: str = ""

    @property
    def reads_fields(self) -> bool:
        """Whether it is about fields, which no text has."""
        return bool(self.select or self.conditions or self.sort or self.group or self.sum or self.list_path)


def parse_query(arguments: Mapping[str, object]) -> ResultQuery:
    """Return the query of the arguments of a model's call. UsageError for arguments that do not fit QUERY_SCHEMA."""
    unknown = arguments.keys() - QUERY_SCHEMA["properties"].keys()
    if unknown:
        raise UsageError(f"{QUERY_TOOL} has no argument {sorted(unknown)[0][:64]!r}", hint=_arguments_hint())
    page = arguments.get("page", 1)
    if not isinstance(page, int) or isinstance(page, bool) or page < 1:
        raise UsageError("page is not a number from 1 on")
    return ResultQuery(
        handle=_text(arguments, "result"),
        select=tuple(_select(arguments.get("select"))),
        conditions=tuple(_conditions(arguments.get("where"))),
        sort=_text(arguments, "sort"),
        group=_text(arguments, "group"),
        sum=_text(arguments, "sum"),
        list_path=_text(arguments, "list"),
        page=page,
        search=_text(arguments, "search"),
        lines=_text(arguments, "lines"),
    )


def _arguments_hint() -> str:
    return f"its arguments are {', '.join(QUERY_SCHEMA['properties'])}"


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{name} is not a text", hint=_arguments_hint())
    return value.strip()


def _select(value: object) -> list[str]:
    # Some models write a list as one text.
    fields = [part.strip() for part in value.split(",")] if isinstance(value, str) else value or []
    if not isinstance(fields, list) or not all(isinstance(entry, str) for entry in fields):
        raise UsageError("select is not a list of field names", hint='such as ["name", "user.login"]')
    return [entry for entry in fields if entry]


def _conditions(value: object) -> list[RowCondition]:
    # Some models write a single condition without the list around it, or the list as JSON text.
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except (ValueError, RecursionError):
            raise UsageError("where is not a list of conditions", hint=_WHERE_HINT) from None
    entries = [value] if isinstance(value, Mapping) else value or []
    if not isinstance(entries, list) or len(entries) > MAX_CONDITIONS:
        raise UsageError(f"where is not a list of at most {MAX_CONDITIONS} conditions", hint=_WHERE_HINT)
    return [_condition(entry) for entry in entries]


_WHERE_HINT = 'such as [{"field": "comments", "op": ">", "value": 5}]'


def _condition(entry: object) -> RowCondition:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("field"), str) or not entry["field"]:
        raise UsageError("a condition of where has no field", hint=_WHERE_HINT)
    operator = str(entry.get("op", "="))
    if operator not in _OPERATORS:
        raise UsageError(f"where has no op {operator[:20]!r}", hint=f"they are {', '.join(_OPERATORS)}")
    if operator == "in" and not isinstance(entry.get("value"), list):
        raise UsageError("the value of the op in is not a list", hint='such as ["open", "closed"]')
    return RowCondition(path=entry["field"], operator=operator, value=entry.get("value"))
