"""Answers that are computed for a request and about no stored item: reports, estimates, availability."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.answers import AnswerPart, json_media
from nlapi.resources.envelope import wrap
from nlapi.resources.naming import name_key, name_words, singular, singular_words
from nlapi.resources.paths import segments
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.check import Checked
from nlapi.sandbox.filters import LOWER
from nlapi.sandbox.paging import Envelope, window
from nlapi.sandbox.parameters import MISSING
from nlapi.sandbox.stage import Stage
from nlapi.sandbox.store import Scope
from nlapi.sandbox.writes import merged

# Rows of a report without a number of its own; a sample to read, not a real size.
ROWS = 5
# Query parameters that choose the dimensions of a report; without one it has a single row of totals.
SPLITS = frozenset("dimension dimensions group groupby breakdown breakdowns by split".split())


def compute(stage: Stage, operation: Operation, checked: Checked, scope: Scope) -> Any:
    """Return the JSON answer from its schema and the values of the request; NOTHING without a described JSON answer."""
    media = json_media(operation)
    if media is None:
        return NOTHING
    asked = {**_acted_on(operation, checked), **_asked(checked)}
    # The request is a part of the sample's path: the same request has the same answer, another one another.
    at = At(
        seed=stage.seed,
        path=f"{operation.id} {json.dumps(asked, sort_keys=True, default=str)}",
        refer=_Referrer(stage, asked, scope).refer,
        full=True,
    )
    known = _echo(stage, media.schema, asked)
    found = stage.semantics.answers.list_part(operation)
    if found is None or found.is_map or "object" not in stage.schemas.types(found.schema):
        return stage.sampler.sample(media.schema, at, known) if known else stage.sampler.sample(media.schema, at)
    rows = _rows(stage, operation, checked, found, asked, at)
    if not found.keys:
        return stage.sampler.sample(media.schema, at, rows)
    part = replace(window(operation, checked.query, checked.body), offset=0)
    around = Envelope(stage.schemas, part, total=len(rows), shown=len(rows), url="", query={})
    known = merged(merged(known, around.fill(media.schema, skip=found.keys[0])), wrap(rows, found.keys))
    known = merged(known, _sums(stage, media.schema, rows))
    return stage.sampler.sample(media.schema, at, known)


def _acted_on(operation: Operation, checked: Checked) -> dict[str, Any]:
    """Return the id that an action names where its kind is not stored: 5 for `POST /loans/5/return`."""
    path = segments(operation.route)
    last = name_words(path[-1].text) if path else ()
    if operation.method in ("GET", "HEAD") or len(path) < 2 or path[-1].parameter or not path[-2].parameter:
        return {}
    # `POST /users/5/tokens` creates an item, whose id is another one.
    plural = bool(last) and singular(last[-1]) != last[-1]
    return {} if plural else {"id": checked.path.get(path[-2].parameter)}


def _asked(checked: Checked) -> dict[str, Any]:
    body = checked.body if checked.body is not MISSING and isinstance(checked.body, dict) else {}
    return {**checked.headers, **checked.cookies, **checked.path, **checked.query, **body}


def _echo(stage: Stage, schema: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the request that the answer repeats: properties of the same name that fit the schema."""
    by_plain = {name_key(name): value for name, value in asked.items()}
    return {
        name: by_plain[name_key(name)]
        for name, one in stage.schemas.properties(schema).items()
        if name_key(name) in by_plain and stage.schemas.valid(one, by_plain[name_key(name)])
    }


class _Referrer:
    """A source of ids and names of existing items for the rows of a report."""

    def __init__(self, stage: Stage, asked: Mapping[str, Any], scope: Scope) -> None:
        self.stage = stage
        self.asked = {singular_words(name): value for name, value in asked.items()}
        self.scope = scope

    def refer(self, name: str, index: int) -> Any:
        parts = singular_words(name)
        if len(parts) > 1 and parts[-1] in ("name", "title"):
            id = self.refer("_".join((*parts[:-1], "id")), index)
            resource = self.stage.semantics.named("_".join((*parts[:-1], "id")))
            row = (
                self.stage.seeds.get(resource, str(id), {})
                if resource and id is not NOTHING and not resource.is_open
                else None
            )
            return row.data.get(parts[-1], NOTHING) if row else NOTHING
        # What the request names comes first: a report for campaigns 1 and 2 is about these.
        given = self.asked.get(parts)
        if given and isinstance(given, list):
            return given[index % len(given)]
        if given is not None and not isinstance(given, list | dict):
            return given
        resource = self.stage.semantics.named(name)
        if resource is None or resource.is_open:
            return NOTHING
        rows = self.stage.seeds.rows(resource, {})
        rows = [row for row in rows if all(row.scope.get(one, value) == value for one, value in self.scope.items())]
        return self.stage.keys.typed(resource, rows[index % len(rows)].key) if rows else NOTHING


def _rows(
    stage: Stage, operation: Operation, checked: Checked, found: AnswerPart, asked: Mapping[str, Any], at: At
) -> list[Any]:
    limit = window(operation, checked.query, checked.body).limit
    known = _echo(stage, found.schema, {name: value for name, value in asked.items() if not isinstance(value, list)})
    dropped, whole = _unselected(stage, operation, checked, found.schema)
    ids = [value for name, value in asked.items() if isinstance(value, list) and singular_words(name)[-1:] == ("id",)]
    count = 1 if whole else max(map(len, ids), default=ROWS)
    rows = []
    for index in range(min(count, limit)):
        place = At(seed=at.seed, path=at.path, thing="row", index=index, depth=1, refer=at.refer, full=True)
        row = stage.sampler.sample(found.schema, place, {**known, **_day(stage, operation, checked, found, index)})
        required = stage.schemas.flat(found.schema).get("required") or ()
        kept = {name: one for name, one in row.items() if name not in dropped or name in required}
        rows.append(kept if stage.schemas.valid(found.schema, kept) else row)
    return rows


def _unselected(stage: Stage, operation: Operation, checked: Checked, schema: Any) -> tuple[set[str], bool]:
    """Return the columns that a request excludes by naming others, and whether the report is one row of totals."""
    dropped: set[str] = set()
    whole = False
    names = stage.schemas.properties(schema)
    for parameter in operation.parameters:
        flat = stage.schemas.flat(parameter.schema)
        choices = stage.schemas.flat(flat.get("items", {})).get("enum") or ()
        owned = {name: _owner(name, choices) for name in names}
        owned = {name: owner for name, owner in owned.items() if owner is not None}
        if parameter.where != "query" or not owned:
            continue
        splits = bool(set(name_words(parameter.name)) & SPLITS)
        chosen = checked.query.get(parameter.name, flat.get("default", [] if splits else None))
        if chosen is not None:
            dropped |= {name for name, owner in owned.items() if owner not in chosen}
            whole = whole or (splits and not chosen)
    return dropped, whole


def _owner(name: str, choices: Any) -> Any:
    """Return the choice that a column belongs to: `campaign` for `campaign_id`, `clicks` for `clicks`; else None."""
    parts = name_words(name)
    fitting = [
        one
        for one in choices
        if isinstance(one, str) and name_words(one) and parts[: len(name_words(one))] == name_words(one)
    ]
    best = max(fitting, key=lambda one: len(name_words(one)), default=None)
    exact = best is not None and (
        name_words(best) == parts or parts[len(name_words(best)) :] in (("id",), ("name",), ("title",))
    )
    return best if exact else None


def _day(stage: Stage, operation: Operation, checked: Checked, found: AnswerPart, index: int) -> dict[str, str]:
    """Return the date of a row, counted from the first day in the request."""
    for parameter in operation.parameters:
        value = checked.query.get(parameter.name)
        if isinstance(value, str) and set(name_words(parameter.name)) & LOWER:
            try:
                day = date.fromisoformat(value[:10]) + timedelta(days=index)
            except (ValueError, OverflowError):
                continue
            for name, schema in stage.schemas.properties(found.schema).items():
                if name_key(name) in ("date", "day") and stage.schemas.flat(schema).get("format") == "date":
                    return {name: day.isoformat()}
    return {}


def _sums(stage: Stage, schema: Any, rows: list[Any]) -> dict[str, Any]:
    """Return the totals object of a report, with the sum of each numeric column."""
    for name, one in stage.schemas.properties(schema).items():
        if name_key(name) in ("total", "totals", "summary", "sum") and "object" in stage.schemas.types(one):
            columns = stage.schemas.properties(one)
            sums = {
                column: sum(row[column] for row in rows)
                for column in columns
                if rows and all(_number(row.get(column)) for row in rows)
            }
            return {name: sums} if sums else {}
    return {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
