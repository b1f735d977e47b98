"""Answers that are computed for a request and about no stored item: reports, estimates, availability."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from nlapi.english.words import name_key, name_words, singular, singular_words
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import AnswerPart, json_media
from nlapi.resources.envelope import wrap
from nlapi.resources.paths import segments
from nlapi.sandbox.listing import LOWER, PageEnvelope, page_window
from nlapi.sandbox.parameters import MISSING
from nlapi.sandbox.samples import ABSENT, SampleContext
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import Scope
from nlapi.sandbox.validation import ValidRequest
from nlapi.sandbox.writes import deep_merge

# Rows of a report without a number of its own; a sample to read, not a real size.
ROWS = 5
# Query parameters that choose the dimensions of a report; without one it has a single row of totals.
DIMENSION_PARAMETERS = frozenset("dimension dimensions group groupby breakdown breakdowns by split".split())


def compute_report(state: SandboxState, operation: Operation, checked: ValidRequest, scope: Scope) -> Any:
    """Return the JSON answer from its schema and the values of the request; ABSENT without a described JSON answer."""
    media = json_media(operation)
    if media is None:
        return ABSENT
    request_values = {**_action_target(operation, checked), **_request_values(checked)}
    # The request is a part of the sample's path: the same request has the same answer, another one another.
    context = SampleContext(
        seed=state.seed,
        path=f"{operation.id} {json.dumps(request_values, sort_keys=True, default=str)}",
        find_reference=_References(state, request_values, scope).find,
        full=True,
    )
    known_values = _echoed_values(state, media.schema, request_values)
    list_part = state.semantics.answers.list_part(operation)
    if list_part is None or list_part.is_map or "object" not in state.schemas.types(list_part.entry_schema):
        return (
            state.sampler.sample(media.schema, context, known_values)
            if known_values
            else state.sampler.sample(media.schema, context)
        )
    rows = _rows(state, operation, checked, list_part, request_values, context)
    if not list_part.keys:
        return state.sampler.sample(media.schema, context, rows)
    part = replace(page_window(operation, checked.query, checked.body), offset=0)
    envelope = PageEnvelope(state.schemas, part, total=len(rows), item_count=len(rows), url="", query={})
    known_values = deep_merge(
        deep_merge(known_values, envelope.fill(media.schema, skip=list_part.keys[0])), wrap(rows, list_part.keys)
    )
    known_values = deep_merge(known_values, _totals(state, media.schema, rows))
    return state.sampler.sample(media.schema, context, known_values)


def _action_target(operation: Operation, checked: ValidRequest) -> dict[str, object]:
    """Return the id that an action names where its kind is not stored: 5 for `POST /loans/5/return`."""
    path = segments(operation.route)
    last = name_words(path[-1].text) if path else ()
    if operation.method in ("GET", "HEAD") or len(path) < 2 or path[-1].parameter or not path[-2].parameter:
        return {}
    # `POST /users/5/tokens` creates an item, whose id is another one.
    plural = bool(last) and singular(last[-1]) != last[-1]
    return {} if plural else {"id": checked.path.get(path[-2].parameter)}


def _request_values(checked: ValidRequest) -> dict[str, object]:
    body = checked.body if checked.body is not MISSING and isinstance(checked.body, dict) else {}
    return {**checked.headers, **checked.cookies, **checked.path, **checked.query, **body}


def _echoed_values(state: SandboxState, schema: object, request_values: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of the request that the answer repeats: properties of the same name that fit the schema."""
    by_plain = {name_key(name): value for name, value in request_values.items()}
    return {
        name: by_plain[name_key(name)]
        for name, property_schema in state.schemas.properties(schema).items()
        if name_key(name) in by_plain and state.schemas.valid(property_schema, by_plain[name_key(name)])
    }


class _References:
    """A source of ids and names of existing items for the rows of a report."""

    def __init__(self, state: SandboxState, request_values: Mapping[str, object], scope: Scope) -> None:
        self.stage = state
        self.request_values = {singular_words(name): value for name, value in request_values.items()}
        self.refer = state.fixtures.referrer(scope)

    def find(self, name: str, schema: object, index: int) -> object:
        parts = singular_words(name)
        if "object" in self.stage.schemas.types(schema):
            return self.refer(name, schema, index)
        if len(parts) > 1 and parts[-1] in ("name", "title"):
            id = self.find("_".join((*parts[:-1], "id")), {}, index)
            resource = self.stage.semantics.resource_by_name("_".join((*parts[:-1], "id")))
            row = (
                self.stage.fixtures.get(resource, str(id), {})
                if resource and id is not ABSENT and not resource.is_open
                else None
            )
            return row.data.get(parts[-1], ABSENT) if row else ABSENT
        # What the request names comes first: a report for campaigns 1 and 2 is about these.
        requested = self.request_values.get(parts)
        if requested and isinstance(requested, list):
            return requested[index % len(requested)]
        if requested is not None and not isinstance(requested, list | dict):
            return requested
        return self.refer(name, schema, index)


def _rows(
    state: SandboxState,
    operation: Operation,
    checked: ValidRequest,
    list_part: AnswerPart,
    request_values: Mapping[str, Any],
    context: SampleContext,
) -> list[Any]:
    limit = page_window(operation, checked.query, checked.body).limit
    known_values = _echoed_values(
        state,
        list_part.entry_schema,
        {name: value for name, value in request_values.items() if not isinstance(value, list)},
    )
    dropped, is_total = _excluded_columns(state, operation, checked, list_part.entry_schema)
    ids = [
        value
        for name, value in request_values.items()
        if isinstance(value, list) and singular_words(name)[-1:] == ("id",)
    ]
    count = 1 if is_total else max(map(len, ids), default=ROWS)
    rows = []
    for index in range(min(count, limit)):
        row_context = SampleContext(
            seed=context.seed,
            path=context.path,
            noun="row",
            index=index,
            depth=1,
            find_reference=context.find_reference,
            full=True,
        )
        row = state.sampler.sample(
            list_part.entry_schema,
            row_context,
            {**known_values, **_row_date(state, operation, checked, list_part, index)},
        )
        required = state.schemas.flat(list_part.entry_schema).get("required") or ()
        selected = {name: cell for name, cell in row.items() if name not in dropped or name in required}
        rows.append(selected if state.schemas.valid(list_part.entry_schema, selected) else row)
    return rows


def _excluded_columns(
    state: SandboxState, operation: Operation, checked: ValidRequest, schema: Any
) -> tuple[set[str], bool]:
    """Return the columns that a request excludes by naming others, and whether the report is one row of totals."""
    dropped: set[str] = set()
    is_total = False
    names = state.schemas.properties(schema)
    for parameter in operation.parameters:
        flat = state.schemas.flat(parameter.schema)
        choices = state.schemas.flat(flat.get("items", {})).get("enum") or ()
        choice_by_column = {name: _choice_of_column(name, choices) for name in names}
        choice_by_column = {name: choice for name, choice in choice_by_column.items() if choice is not None}
        if parameter.location != "query" or not choice_by_column:
            continue
        is_dimension = bool(set(name_words(parameter.name)) & DIMENSION_PARAMETERS)
        chosen = checked.query.get(parameter.name, flat.get("default", [] if is_dimension else None))
        if chosen is not None:
            dropped |= {name for name, choice in choice_by_column.items() if choice not in chosen}
            is_total = is_total or (is_dimension and not chosen)
    return dropped, is_total


def _choice_of_column(name: str, choices: Any) -> Any:
    """Return the choice that a column belongs to: `campaign` for `campaign_id`, `clicks` for `clicks`; else None."""
    parts = name_words(name)
    fitting = [
        choice
        for choice in choices
        if isinstance(choice, str) and name_words(choice) and parts[: len(name_words(choice))] == name_words(choice)
    ]
    best = max(fitting, key=lambda choice: len(name_words(choice)), default=None)
    exact = best is not None and (
        name_words(best) == parts or parts[len(name_words(best)) :] in (("id",), ("name",), ("title",))
    )
    return best if exact else None


def _row_date(
    state: SandboxState, operation: Operation, checked: ValidRequest, list_part: AnswerPart, index: int
) -> dict[str, str]:
    """Return the date of a row, counted from the first day in the request."""
    for parameter in operation.parameters:
        value = checked.query.get(parameter.name)
        if isinstance(value, str) and set(name_words(parameter.name)) & LOWER:
            try:
                day = date.fromisoformat(value[:10]) + timedelta(days=index)
            except (ValueError, OverflowError):
                continue
            for name, schema in state.schemas.properties(list_part.entry_schema).items():
                if name_key(name) in ("date", "day") and state.schemas.flat(schema).get("format") == "date":
                    return {name: day.isoformat()}
    return {}


def _totals(state: SandboxState, schema: object, rows: list[Any]) -> dict[str, object]:
    """Return the totals object of a report, with the sum of each numeric column."""
    for name, property_schema in state.schemas.properties(schema).items():
        if name_key(name) in ("total", "totals", "summary", "sum") and "object" in state.schemas.types(property_schema):
            columns = state.schemas.properties(property_schema)
            sums = {
                column: sum(row[column] for row in rows)
                for column in columns
                if rows and all(_is_number(row.get(column)) for row in rows)
            }
            return {name: sums} if sums else {}
    return {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
