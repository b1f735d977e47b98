"""Handlers: the change that each kind of operation makes to the sandbox, and the value of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import AnswerPart, json_media
from nlapi.resources.envelope import wrap
from nlapi.resources.grouping import Resource
from nlapi.resources.naming import name_key, name_words
from nlapi.resources.paging import PageRole
from nlapi.resources.schemas import ref_of
from nlapi.resources.semantics import OperationKind, OperationSemantics
from nlapi.sandbox import writes
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.check import Checked
from nlapi.sandbox.filters import ordered, select
from nlapi.sandbox.paging import Envelope, Window, window
from nlapi.sandbox.parameters import MISSING
from nlapi.sandbox.problem import Problem
from nlapi.sandbox.reports import compute
from nlapi.sandbox.stage import Stage
from nlapi.sandbox.store import SINGLE, Row, Scope
from nlapi.sandbox.verbs import after

MORE: Mapping[str, Any] = {}
# Body fields whose value is the verb of an action: `POST /orders/5/actions {"action": "cancel"}`.
COMMANDS = frozenset("action operation command mode event transition".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a handler: the answer's value (NOTHING for none), the created row, and the total of a list."""

    value: Any = NOTHING
    made: Row | None = None
    total: int | None = None


def answer(stage: Stage, operation: Operation, checked: Checked, url: str) -> Outcome:
    """Carry out an operation and return its Outcome. Problem 404 when the item or one of its parents does not exist."""
    role = stage.semantics.of(operation)
    scope = _scope(stage, role, checked)
    if role.resource is None:
        return Outcome(value=compute(stage, operation, checked, scope))
    handlers: dict[OperationKind, Callable[[Stage, OperationSemantics, Resource, Checked, Scope], Outcome]] = {
        OperationKind.CREATE: _create,
        OperationKind.READ: _read,
        OperationKind.MERGE: _merge,
        OperationKind.REPLACE: _replace,
        OperationKind.DELETE: _delete,
        OperationKind.CLEAR: _clear,
        OperationKind.ACT: _act,
    }
    if role.kind is OperationKind.LIST:
        return _list(stage, role, role.resource, checked, scope, url)
    return handlers[role.kind](stage, role, role.resource, checked, scope)


def _scope(stage: Stage, role: OperationSemantics, checked: Checked) -> Scope:
    """Return the parents in a path, by kind. Problem 404 for a parent that does not exist."""
    scope: dict[str, str] = {}
    for parent in role.parents:
        key = str(checked.path.get(parent.parameter, ""))
        if parent.resource is not None and not stage.seeds.exists(parent.resource, key, scope):
            raise _gone(parent.resource, key)
        scope[parent.name] = key
    return scope


def _gone(resource: Resource, key: str) -> Problem:
    return Problem(404, f"there is no {resource.label}{f' {key!r}' if key != SINGLE else ''} here")


def _row(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Row:
    key = str(checked.path.get(role.key, "")) if role.key else SINGLE
    row = stage.seeds.get(resource, key, scope)
    if row is None:
        raise _gone(resource, key)
    return row


def _show(stage: Stage, role: OperationSemantics, row: Row, *others: Row, more: Mapping[str, Any] = MORE) -> Any:
    """Return the answer for one or several items, in its envelope, with the other fields that the schema requires."""
    media = json_media(role.operation)
    if media is None:
        return NOTHING
    part = role.part or AnswerPart(keys=(), schema=media.schema)
    types = stage.schemas.types(part.schema)
    if types and "object" not in types:
        # A text, a number or a boolean about the item: nothing of what is stored fits it.
        return stage.sampler.sample(media.schema, _at(stage, row))
    things = [stage.view(one, part.schema) for one in (row, *others)]
    shown = things if part.is_list else things[0]
    if not part.keys:
        return shown if not more else stage.sampler.sample(media.schema, _at(stage, row), {**row.data, **more})
    known = {**more, **wrap(shown, part.keys)}
    return stage.sampler.sample(media.schema, _at(stage, row), known)


def _at(stage: Stage, row: Row) -> At:
    return At(seed=stage.seed, path=f"{row.entity}/{row.key}", index=row.place)


def _create(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    body = checked.body if checked.body is not MISSING else {}
    bodies = body if isinstance(body, list) else [body]
    rows = [
        writes.create(stage, resource, role.operation, writes.fields(resource, one), scope) for one in bodies or [{}]
    ]
    return Outcome(value=_show(stage, role, *rows), made=rows[0])


def _read(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    return Outcome(value=_show(stage, role, _row(stage, role, resource, checked, scope)))


def _merge(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    row = _row(stage, role, resource, checked, scope)
    body = writes.fields(resource, checked.body)
    return Outcome(value=_show(stage, role, writes.merge(stage, resource, role.operation, row, body)))


def _replace(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    """Replace an item, or create it where its collection has no POST (RFC 9110 §9.3.4)."""
    key = str(checked.path.get(role.key, "")) if role.key else SINGLE
    row = stage.seeds.get(resource, key, scope)
    body = writes.fields(resource, checked.body)
    if row is not None:
        return Outcome(value=_show(stage, role, writes.replace(stage, resource, role.operation, row, body)))
    if any("POST" in one.at for one in resource.collections):
        raise _gone(resource, key)
    key_value = stage.keys.typed(resource, key) if role.key else key
    made = writes.create(stage, resource, role.operation, body, scope, key=key_value)
    return Outcome(value=_show(stage, role, made), made=made)


def _delete(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    row = _row(stage, role, resource, checked, scope)
    writes.remove(stage, resource, row)
    media = json_media(role.operation)
    described = stage.schemas.properties(media.schema) if media else {}
    # Answers of a deletion often confirm it beside the item: `{"deleted": true, "id": ...}`, `{"deleted_count": 1}`.
    more: dict[str, Any] = {}
    for name, schema in described.items():
        types = stage.schemas.types(schema)
        if "boolean" in types and name_key(name) in ("deleted", "success", "ok"):
            more[name] = True
        elif "integer" in types and name_words(name)[-1:] == ("count",) and name not in row.data:
            more[name] = 1
    return Outcome(value=_show(stage, role, row, more=more))


def _clear(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    """Delete every item of a collection that the query's filters match."""
    rows = stage.seeds.rows(resource, scope)
    chosen = select([row.data for row in rows], checked.query, resource.label, resource.id_name)
    for row in rows:
        if any(row.data is one for one in chosen):
            writes.remove(stage, resource, row)
    return Outcome(value=compute(stage, role.operation, checked, scope))


def _list(
    stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope, url: str
) -> Outcome:
    media = json_media(role.operation)
    if media is None or role.part is None:
        return Outcome(value=compute(stage, role.operation, checked, scope))
    part = window(role.operation, checked.query, checked.body)
    asked = {**checked.query, **(checked.body if isinstance(checked.body, dict) else {})}
    # Paging parameters are no filters, although an item may have a property called `limit` or `page`.
    wanted = {name: value for name, value in asked.items() if name not in part.used}
    rows = {id(row.data): row for row in stage.seeds.rows(resource, scope)}
    chosen = select([row.data for row in rows.values()], wanted, resource.label, resource.id_name)
    chosen = ordered(chosen, {**_defaults(stage, role.operation), **wanted})
    part = _resumed(part, [rows[id(data)] for data in chosen])
    page = [rows[id(data)] for data in chosen[part.offset : part.offset + part.limit]]
    things = [_listed(stage, resource, row, role.part.schema) for row in page]
    shown: Any = dict(zip((row.key for row in page), things, strict=True)) if role.part.is_map else things
    if not role.part.keys:
        return Outcome(value=shown, total=len(chosen))
    around = Envelope(stage.schemas, part, total=len(chosen), shown=len(page), url=url, query=checked.query)
    known = writes.merged(around.fill(media.schema, skip=role.part.keys[0]), wrap(shown, role.part.keys))
    # The envelope may be two levels deep, as GraphQL's `data.campaigns`: both levels may have totals and cursors.
    if len(role.part.keys) > 1:
        outer = around.fill(stage.schemas.properties(media.schema)[role.part.keys[0]], skip=role.part.keys[1])
        known = writes.merged({role.part.keys[0]: outer}, known)
    at = At(seed=stage.seed, path=role.operation.id)
    return Outcome(value=_over(stage, media.schema, at, known), total=len(chosen))


def _listed(stage: Stage, resource: Resource, row: Row, schema: Any) -> Any:
    """Return an item of a list by the list's schema, or its id alone in a list of ids."""
    key = stage.keys.typed(resource, row.key)
    plain_ids = "object" not in stage.schemas.types(schema) and stage.schemas.valid(schema, key)
    return key if plain_ids and stage.schemas.types(schema) else stage.view(row, schema)


def _over(stage: Stage, schema: Any, at: At, known: Any) -> Any:
    """Return the envelope around items that are already valid."""
    # Checked once as a whole, and repaired only when that fails: a list may have a hundred items.
    value = stage.sampler.make(schema, at, known)
    return value if stage.schemas.valid(schema, value) else stage.sampler.sample(schema, at, known)


def _defaults(stage: Stage, operation: Operation) -> dict[str, Any]:
    """Return the defaults of the query parameters, for the order of a list."""
    flat = {one.name: stage.schemas.flat(one.schema) for one in operation.parameters if one.where == "query"}
    return {name: schema["default"] for name, schema in flat.items() if "default" in schema}


def _resumed(part: Window, rows: list[Row]) -> Window:
    """Return the window behind the item whose id is the cursor, as in Stripe's `starting_after`."""
    if part.after is None:
        return part
    place = next((place for place, row in enumerate(rows) if row.key == part.after), None)
    if place is None:
        where = ".".join(part.parameters[PageRole.CURSOR].place)
        raise Problem(400, f"{where}: there is nothing {part.after!r} to go on after")
    return part.moved(place + 1)


def _act(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    """Carry out an action: it sets the status by its verb and fields by the body, and may create another item."""
    row = _row(stage, role, resource, checked, scope)
    body = writes.fields(resource, checked.body)
    verb = next((str(value) for name, value in body.items() if name_key(name) in COMMANDS and value), role.verb)
    if role.operation.effect is Effect.READ:
        # A POST that only computes or previews (docs/design/020-effects.md) changes nothing here either.
        return Outcome(value=_result(stage, role, row, checked))
    changes = {name: value for schema in resource.schemas for name, value in after(verb, schema, stage.schemas).items()}
    if role.makes is not None:
        return _bring_forth(stage, role, resource, role.makes, row, changes)
    if _is_whole(stage, role, resource):
        described = resource.properties
        changes = {**{name: value for name, value in body.items() if name in described}, **changes}
    if changes:
        row = writes.merge(stage, resource, role.operation, row, changes)
    return Outcome(value=_result(stage, role, row, checked))


def _is_whole(stage: Stage, role: OperationSemantics, resource: Resource) -> bool:
    """Return whether an action answers with the item itself: by its `$ref`, by most properties, or without a schema."""
    if role.part is None or ref_of(role.part.schema) in resource.refs:
        return True
    described = stage.schemas.properties(role.part.schema).keys()
    own = described & resource.properties.keys()
    return not ref_of(role.part.schema) and len(own) * 2 >= len(described)


def _result(stage: Stage, role: OperationSemantics, row: Row, checked: Checked) -> Any:
    """Return the answer of an action: the item, or a sample that has the item's id and the fields they share."""
    media = json_media(role.operation)
    if media is None or role.resource is None or role.part is None:
        return NOTHING
    described = stage.schemas.properties(role.part.schema)
    ids = {"id", name_key(role.key or ""), name_key(f"{role.resource.label} id")} if row.key != SINGLE else set()
    key = stage.keys.typed(role.resource, row.key)
    known = {**{name: key for name in described if name_key(name) in ids}, **checked.path, **row.data}
    if _is_whole(stage, role, role.resource):
        types = stage.schemas.types(role.part.schema)
        bare = not types or (types == ("object",) and not described)
        return wrap(row.data, role.part.keys) if bare else _show(stage, role, replace(row, data=known))
    known = {name: value for name, value in known.items() if name in described}
    at = At(seed=stage.seed, path=f"{role.operation.id}/{row.key}", thing="result", index=row.place, full=True)
    return stage.sampler.sample(media.schema, at, wrap(known, role.part.keys))


def _bring_forth(
    stage: Stage, role: OperationSemantics, resource: Resource, makes: Resource, row: Row, changes: dict[str, Any]
) -> Outcome:
    """Create an item of another kind from this one, as publishing a draft creates a campaign."""
    described = makes.properties
    data = {
        name: value for name, value in row.data.items() if name in described and _carries(stage, name, described[name])
    }
    data.pop(makes.id_name or "", None)
    scope = {**row.scope, resource.name: row.key}
    made = writes.create(stage, makes, role.operation, data, scope)
    back = {
        name: stage.keys.typed(makes, made.key)
        for name, target in stage.semantics.references(resource)
        if target is makes
    }
    if changes or back:
        writes.merge(stage, resource, role.operation, row, {**changes, **back})
    return Outcome(value=_show(stage, role, made), made=made)


def _carries(stage: Stage, name: str, schema: Any) -> bool:
    """Return whether a field is copied to an item of another kind: not its state, nor fields that the server sets."""
    return stage.schemas.flat(schema).get("readOnly") is not True and not set(name_words(name)) & {"status", "state"}
