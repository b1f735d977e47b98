"""Handlers: the change that each kind of operation makes to the sandbox, and its answer, stored or computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from nlapi.english.words import name_key, name_words, singular, singular_words
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import AnswerPart, json_media
from nlapi.resources.effect_arguments import ACTIONS, Action
from nlapi.resources.envelope import value_at, wrap
from nlapi.resources.grouping import Resource
from nlapi.resources.identity import fields_of
from nlapi.resources.paging import PageRole
from nlapi.resources.paths import segments
from nlapi.resources.schemas import ref_of
from nlapi.resources.semantics import OperationKind, OperationSemantics
from nlapi.results.contents import is_number
from nlapi.sandbox import writes
from nlapi.sandbox.listing import LOWER, PageEnvelope, PageWindow, filter_rows, page_window, sort_rows
from nlapi.sandbox.parameters import MISSING
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.samples import ABSENT, SampleContext
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import SINGLETON_KEY, Scope, StoredItem
from nlapi.sandbox.validation import ValidRequest
from nlapi.sandbox.writes import deep_merge, statuses_after
from nlapi.workflows.chains import ValueFlow

# Rows of a report without a stated number; a sample to read, not a real size.
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
        # Items in the request come first: a report for campaigns 1 and 2 is about these.
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
                if rows and all(is_number(row.get(column)) for row in rows)
            }
            return {name: sums} if sums else {}
    return {}


def finish_work(state: SandboxState, resource: Resource, operation: Operation, row: StoredItem) -> None:
    """Store the state in which the work on an item is done, once a client has read the one before.

    A sample stays as it is; so does a state that people bring about, or that says that the work failed.
    """
    wait = None if row.sampled else state.spec.derive(ValueFlow).state_wait(resource, operation)
    if wait is None:
        return
    name = str(wait.keys[-1])
    current: Any = row.data.get(name)
    if isinstance(current, str) and current not in (wait.done, *wait.failures):
        state.store.change(row, {**row.data, name: wait.done})


NO_FIELDS: Mapping[str, object] = {}
# Body fields whose value is the verb of an action: `POST /orders/5/actions {"action": "cancel"}`.
ACTION_FIELDS = frozenset("action operation command mode event transition".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerResult:
    """The result of a handler: the answer's value (ABSENT for none), the created row, and the total of a list."""

    value: Any = ABSENT
    created: StoredItem | None = None
    total: int | None = None


def handle(state: SandboxState, operation: Operation, checked: ValidRequest, url: str) -> HandlerResult:
    """Carry out an operation and return its HandlerResult. RequestProblem 404 when the item or a parent is missing."""
    role = state.semantics.classify(operation)
    scope = _scope(state, role, checked)
    if role.resource is None:
        return HandlerResult(value=compute_report(state, operation, checked, scope))
    handling = _Handling(state=state, role=role, resource=role.resource, checked=checked, scope=scope, url=url)
    handlers: dict[OperationKind, Callable[[], HandlerResult]] = {
        OperationKind.CREATE: handling.create,
        OperationKind.READ: handling.read,
        OperationKind.MERGE: handling.merge,
        OperationKind.REPLACE: handling.replace,
        OperationKind.DELETE: handling.delete,
        OperationKind.CLEAR: handling.clear,
        OperationKind.ACT: handling.act,
        OperationKind.LIST: handling.list_items,
    }
    return handlers[role.kind]()


def _scope(state: SandboxState, role: OperationSemantics, checked: ValidRequest) -> Scope:
    """Return the parents in a path, by kind. RequestProblem 404 for a parent that does not exist."""
    scope: dict[str, str] = {}
    for parent in role.parents:
        value = checked.path.get(parent.parameter, "")
        key = str(value[0] if isinstance(value, list) and value else value)
        if parent.resource is not None and not state.fixtures.exists(parent.resource, key, scope):
            raise _not_found(parent.resource, key)
        scope[parent.name] = key
    return scope


def _not_found(resource: Resource, key: str) -> RequestProblem:
    return RequestProblem(404, f"there is no {resource.label}{f' {key!r}' if key != SINGLETON_KEY else ''} here")


def is_undescribed(operation: Operation) -> bool:
    """Return whether a description is silent about the content of an answer that has some."""
    if operation.method not in ("GET", "POST"):
        return False
    successes = [response for response in operation.responses if response.status.startswith(("2", "d"))]
    return not any(response.media or response.status in ("204", "205") for response in successes)


def _resolve_cursor(part: PageWindow, rows: list[StoredItem]) -> PageWindow:
    """Return the window behind the item whose id is the cursor, as in Stripe's `starting_after`."""
    if part.after_id is None:
        return part
    position = next((position for position, row in enumerate(rows) if row.key == part.after_id), None)
    if position is None:
        location = ".".join(part.parameters[PageRole.CURSOR].place)
        raise RequestProblem(400, f"{location}: there is no item {part.after_id!r} to continue after")
    return part.at_offset(position + 1)


def _only_computes(verb: str) -> bool:
    """Return whether an action of this name changes nothing: `{"action": "VALIDATE"}` beside PUBLISH."""
    words = name_words(verb)
    return bool(words) and ACTIONS.get(words[0]) is Action.COMPUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handling:
    """One request on the items of a kind."""

    state: SandboxState
    role: OperationSemantics
    resource: Resource
    checked: ValidRequest
    scope: Scope
    url: str

    @property
    def operation(self) -> Operation:
        return self.role.operation

    def _stored_row(self) -> StoredItem:
        key = self._key_text()
        row = self._find_row(key)
        if row is None:
            raise _not_found(self.resource, key)
        return row

    def _key_text(self) -> str:
        """Return the text by which the path identifies its item; of a list of ids the first."""
        value = self.checked.path.get(self.role.key, "") if self.role.key else SINGLETON_KEY
        return str(value[0] if isinstance(value, list) and value else value)

    def _find_row(self, key: str) -> StoredItem | None:
        field, fixtures = self.role.key_field, self.state.fixtures
        row = fixtures.find_by_field(self.resource, field, key, self.scope) if field else None
        return row if row is not None else fixtures.get(self.resource, key, self.scope)

    def _view(self, row: StoredItem, *further_rows: StoredItem, extra: Mapping[str, Any] = NO_FIELDS) -> object:
        """Return the answer for one or several items, in its envelope, with what else the schema requires."""
        media = json_media(self.operation)
        if media is None:
            return self.state.whole_view(row) if is_undescribed(self.operation) else ABSENT
        part = self.role.part or AnswerPart(keys=(), schema=media.schema)
        types = self.state.schemas.types(part.schema)
        if types and "object" not in types:
            # A text, a number or a boolean about the item: its id may be all that fits.
            key = self._typed_key(row)
            is_id = self.role.kind is OperationKind.CREATE and self.state.schemas.valid(part.schema, key)
            value = wrap(key, part.keys) if is_id and not part.is_list else ABSENT
            return self.state.sampler.sample(media.schema, self._row_context(row), value)
        items = [self._list_entry(item_row, part) for item_row in (row, *further_rows)]
        content = items if part.is_list else items[0]
        if not part.keys:
            data = {**row.data, **extra}
            return self.state.sampler.sample(media.schema, self._row_context(row), data) if extra else content
        known_values = {**extra, **wrap(content, part.keys)}
        return self.state.sampler.sample(media.schema, self._row_context(row), known_values)

    def _typed_key(self, row: StoredItem) -> object:
        resource = next(
            (candidate for candidate in self.state.semantics.resources if candidate.name == row.entity), None
        )
        return row.key if resource is None else self.state.ids.typed_id(resource, row.key)

    def _row_context(self, row: StoredItem) -> SampleContext:
        return SampleContext(seed=self.state.seed, path=f"{row.entity}/{row.key}", index=row.index)

    def create(self) -> HandlerResult:
        bodies = writes.items_in(self.resource, self.checked.body if self.checked.body is not MISSING else {})
        rows = [
            writes.create(
                self.state, self.resource, self.operation, writes.item_fields(self.resource, item), self.scope
            )
            for item in bodies or [{}]
        ]
        value = self._view(*rows)
        return HandlerResult(value=self._with_id(rows[0], value), created=rows[0])

    def _with_id(self, row: StoredItem, answer: object) -> object:
        """Return the answer of a creation with the id of the new item, where its schema forgets it and allows more."""
        part, media = self.role.part, json_media(self.operation)
        item = value_at(answer, part.keys) if part is not None and not part.is_list else answer
        if not isinstance(item, dict) or media is None or row.key == SINGLETON_KEY:
            return answer
        if any(str(field) == row.key for field in fields_of(item).values()):
            return answer
        name = self.resource.id_name or self.resource.id_path.rpartition(".")[2] or "id"
        keys = part.keys if part is not None else ()
        extended = writes.deep_merge(answer, wrap({name: self.state.ids.typed_id(self.resource, row.key)}, keys))  # type: ignore[arg-type]
        return extended if name not in item and self.state.schemas.valid(media.schema, extended) else answer

    def read(self) -> HandlerResult:
        row = self._stored_row()
        result = HandlerResult(value=self._view(row))
        finish_work(self.state, self.resource, self.operation, row)
        return result

    def merge(self) -> HandlerResult:
        row = self._stored_row()
        body = writes.item_fields(self.resource, self.checked.body)
        return HandlerResult(value=self._view(writes.merge(self.state, self.resource, self.operation, row, body)))

    def replace(self) -> HandlerResult:
        """Replace an item, or create it where its collection has no POST (RFC 9110 §9.3.4)."""
        key = self._key_text()
        row = self._find_row(key)
        body = writes.item_fields(self.resource, self.checked.body)
        if row is not None:
            return HandlerResult(value=self._view(writes.replace(self.state, self.resource, self.operation, row, body)))
        if any("POST" in collection.operations for collection in self.resource.collections):
            raise _not_found(self.resource, key)
        key_value = self.state.ids.typed_id(self.resource, key) if self.role.key else key
        created = writes.create(self.state, self.resource, self.operation, body, self.scope, key=key_value)
        return HandlerResult(value=self._view(created), created=created)

    def delete(self) -> HandlerResult:
        row = self._stored_row()
        writes.remove(self.state, self.resource, row)
        media = json_media(self.operation)
        described = self.state.schemas.properties(media.schema) if media else {}
        # Answers of a deletion often confirm it: `{"deleted": true, "id": ...}`, `{"deleted_count": 1}`.
        extra: dict[str, object] = {}
        for name, schema in described.items():
            types = self.state.schemas.types(schema)
            if "boolean" in types and name_key(name) in ("deleted", "success", "ok"):
                extra[name] = True
            elif "integer" in types and name_words(name)[-1:] == ("count",) and name not in row.data:
                extra[name] = 1
        return HandlerResult(value=self._view(row, extra=extra))

    def clear(self) -> HandlerResult:
        """Delete every item of a collection that the query's filters match."""
        rows = self.state.fixtures.rows(self.resource, self.scope)
        chosen = filter_rows([row.data for row in rows], self.checked.query, self.resource.label, self.resource.id_name)
        for row in rows:
            if any(row.data is match for match in chosen):
                writes.remove(self.state, self.resource, row)
        return HandlerResult(value=compute_report(self.state, self.operation, self.checked, self.scope))

    def list_items(self) -> HandlerResult:
        media, part = json_media(self.operation), self.role.part
        if part is None if media is not None else not is_undescribed(self.operation):
            return HandlerResult(value=compute_report(self.state, self.operation, self.checked, self.scope))
        window, page, total = self._page()
        if media is None or part is None:
            return HandlerResult(value=[self.state.whole_view(row) for row in page], total=total)
        if not part.is_list:
            # The schema has one item where the path has a list.
            return HandlerResult(value=self._view(page[0]) if page else ABSENT, total=total)
        items = [self._list_entry(row, part, self._id_alone(row, part.schema)) for row in page]
        content: Any = dict(zip((row.key for row in page), items, strict=True)) if part.is_map else items
        if not part.keys:
            return HandlerResult(value=content, total=total)
        schemas = self.state.schemas
        envelope = PageEnvelope(
            schemas, window, total=total, item_count=len(page), url=self.url, query=self.checked.query
        )
        known_values = writes.deep_merge(envelope.fill(media.schema, skip=part.keys[0]), wrap(content, part.keys))
        # The envelope may be two levels deep, as GraphQL's `data.campaigns`: both levels may have totals and cursors.
        if len(part.keys) > 1:
            outer = envelope.fill(schemas.properties(media.schema)[part.keys[0]], skip=part.keys[1])
            known_values = writes.deep_merge({part.keys[0]: outer}, known_values)
        context = SampleContext(seed=self.state.seed, path=self.operation.id)
        return HandlerResult(value=self._fill_envelope(media.schema, context, known_values), total=total)

    def _page(self) -> tuple[PageWindow, list[StoredItem], int]:
        """Return the window of a page, its items, and how many there are in all."""
        query, body = self.checked.query, self.checked.body
        window = page_window(self.operation, query, body)
        parameters = {**query, **(body if isinstance(body, dict) else {})}
        # Paging parameters are not filters, although an item may have a property called `limit` or `page`.
        filters = {name: value for name, value in parameters.items() if name not in window.parameter_names}
        rows = {id(row.data): row for row in self._listed_rows()}
        chosen = sort_rows(self._filter(list(rows.values()), filters), {**self._defaults(), **filters})
        matches = [rows[id(data)] for data in chosen]
        window = _resolve_cursor(window, matches)
        return window, matches[window.offset : window.offset + window.limit], len(matches)

    def _listed_rows(self) -> list[StoredItem]:
        """Return the items of a list before its filters: those with the ids in its path, or all."""
        ids = self.checked.path.get(self.role.key) if self.role.key else None
        if not isinstance(ids, list):
            return self.state.fixtures.rows(self.resource, self.scope, is_listed=True)
        rows = [row for id in ids if (row := self.state.fixtures.get(self.resource, str(id), self.scope)) is not None]
        if not rows:
            raise _not_found(self.resource, ",".join(map(str, ids)))
        return rows

    def _filter(self, rows: list[StoredItem], filters: Mapping[str, object]) -> list[Mapping[str, Any]]:
        """Return the rows that pass the filters.

        The client cannot leave out a required filter: where no sample fits its value (a workspace that nothing here
        lists), it leaves the samples, unless it names an item that a client made.
        """
        data = [row.data for row in rows]
        chosen = filter_rows(data, filters, self.resource.label, self.resource.id_name)
        required = {parameter.name for parameter in self.operation.parameters if parameter.required}
        if chosen or not rows or required.isdisjoint(filters):
            return chosen
        for name in required & filters.keys():
            target = self.state.semantics.resource_by_name(name) or self.state.semantics.resource_by_noun(name)
            row = self.state.store.find(target.name, str(filters[name])) if target is not None else None
            if row is not None and not row.sampled:
                return chosen
        optional = {name: value for name, value in filters.items() if name not in required}
        # A client's item without the field at all is as good as a sample with another value.
        candidates = [
            row.data
            for row in rows
            if row.sampled or filter_rows([row.data], filters, self.resource.label, self.resource.id_name)
        ]
        return filter_rows(candidates, optional, self.resource.label, self.resource.id_name)

    def _list_entry(self, row: StoredItem, part: AnswerPart, id_alone: object = ABSENT) -> object:
        """Return an item as an entry of a list, in the wrapper that its schema has; `id_alone` in a list of ids."""
        item = self.state.view(row, part.schema) if id_alone is ABSENT else id_alone
        if not part.entry_keys:
            return item
        return self.state.sampler.sample(part.entry_schema, self._row_context(row), wrap(item, part.entry_keys))

    def _id_alone(self, row: StoredItem, schema: object) -> object:
        """Return the id of an item where the list has ids alone, else ABSENT."""
        key, types = self.state.ids.typed_id(self.resource, row.key), self.state.schemas.types(schema)
        return key if types and "object" not in types and self.state.schemas.valid(schema, key) else ABSENT

    def _fill_envelope(self, schema: object, context: SampleContext, known_values: object) -> object:
        """Return the envelope around items that are already valid."""
        # Checked once as a whole, and repaired only when that fails: a list may have a hundred items.
        sampler = self.state.sampler
        value = sampler.generate(schema, context, known_values)
        return value if self.state.schemas.valid(schema, value) else sampler.sample(schema, context, known_values)

    def _defaults(self) -> dict[str, object]:
        """Return the defaults of the query parameters, for the order of a list."""
        flat = {
            parameter.name: self.state.schemas.flat(parameter.schema)
            for parameter in self.operation.parameters
            if parameter.location == "query"
        }
        return {name: schema["default"] for name, schema in flat.items() if "default" in schema}

    def act(self) -> HandlerResult:
        """Carry out an action: it sets the status by its verb and fields by the body, and may create another item."""
        row = self._stored_row()
        body = writes.item_fields(self.resource, self.checked.body)
        verb = next(
            (str(value) for name, value in body.items() if name_key(name) in ACTION_FIELDS and value), self.role.verb
        )
        if self.operation.effect is Effect.READ or _only_computes(verb):
            # A POST that only computes or previews (docs/design/020-effects.md) changes nothing here either.
            return HandlerResult(value=self._action_answer(row))
        changes = {
            name: value
            for schema in self.resource.schemas
            for name, value in statuses_after(verb, schema, self.state.schemas).items()
        }
        if self.role.created_resource is not None:
            return self._create_from(self.role.created_resource, row, changes)
        if self._answers_with_item():
            described = self.resource.properties
            changes = {**{name: value for name, value in body.items() if name in described}, **changes}
        if changes:
            row = writes.merge(self.state, self.resource, self.operation, row, changes)
        return HandlerResult(value=self._action_answer(row))

    def _answers_with_item(self) -> bool:
        """Return whether an action answers with the item: by its `$ref`, by most properties, or without a schema."""
        if self.role.part is None or ref_of(self.role.part.schema) in self.resource.refs:
            return True
        described = self.state.schemas.properties(self.role.part.schema).keys()
        shared = described & self.resource.properties.keys()
        return not ref_of(self.role.part.schema) and len(shared) * 2 >= len(described)

    def _action_answer(self, row: StoredItem) -> Any:
        """Return the answer of an action: the item, or a sample that has the item's id and the fields they share."""
        media = json_media(self.operation)
        part = self.role.part
        if media is None or part is None:
            return ABSENT
        described = self.state.schemas.properties(part.schema)
        names = ("id", self.role.key or "", f"{self.resource.label} id") if row.key != SINGLETON_KEY else ()
        ids, key = set(map(name_key, names)), self.state.ids.typed_id(self.resource, row.key)
        known_values = {**{name: key for name in described if name_key(name) in ids}, **self.checked.path, **row.data}
        if self._answers_with_item():
            types = self.state.schemas.types(part.schema)
            is_free_form = not types or (types == ("object",) and not described)
            return wrap(row.data, part.keys) if is_free_form else self._view(replace(row, data=known_values))
        known_values = {name: value for name, value in known_values.items() if name in described}
        context = SampleContext(
            seed=self.state.seed,
            path=f"{self.operation.id}/{row.key}",
            noun="result",
            index=row.index,
            full=True,
            find_reference=self.state.fixtures.referrer(row.scope, excluded=self.resource),
        )
        if not part.keys:
            return self.state.sampler.sample(media.schema, context, known_values)
        result = self.state.sampler.sample(part.schema, context, known_values)
        return self.state.sampler.sample(media.schema, context, wrap(result, part.keys))

    def _create_from(self, new_resource: Resource, row: StoredItem, changes: Mapping[str, object]) -> HandlerResult:
        """Create an item of another kind from this one, as publishing a draft creates a campaign."""
        described = new_resource.properties
        data = {
            name: value
            for name, value in row.data.items()
            if name in described and self._is_copied(name, described[name])
        }
        data.pop(new_resource.id_name or "", None)
        scope = {**row.scope, self.resource.name: row.key}
        created = writes.create(self.state, new_resource, self.operation, data, scope)
        references = {
            name: self.state.ids.typed_id(new_resource, created.key)
            for name, target in self.state.semantics.references(self.resource)
            if target is new_resource
        }
        if changes or references:
            writes.merge(self.state, self.resource, self.operation, row, {**changes, **references})
        return HandlerResult(value=self._view(created), created=created)

    def _is_copied(self, name: str, schema: object) -> bool:
        """Return whether a field is copied to an item of another kind: not its state, nor one that the server sets."""
        is_state = {"status", "state"} & set(name_words(name))
        return not is_state and self.state.schemas.flat(schema).get("readOnly") is not True
