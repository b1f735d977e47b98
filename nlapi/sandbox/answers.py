"""What the sandbox does for each allowed request, and the value it answers with."""

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
COMMANDS = frozenset("action operation command mode event transition".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The value of an answer (NOTHING for none), the thing that was made by it, and the size of a whole list."""

    value: Any = NOTHING
    made: Row | None = None
    total: int | None = None


def answer(stage: Stage, operation: Operation, checked: Checked, url: str) -> Outcome:
    """Does what an operation is for. Problem 404 for a thing, or a parent of one, that is not there."""
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
    """The parents that a path names; 404 for one that is not there."""
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
    """The answer about one thing, or several: what is shown in its wrapper, and whatever else the schema requires."""
    media = json_media(role.operation)
    if media is None:
        return NOTHING
    part = role.part or AnswerPart(keys=(), schema=media.schema)
    types = stage.schemas.types(part.schema)
    if types and "object" not in types:
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
    """Replaces a thing; makes it when it is not there and its collection creates none by POST (RFC 9110 §9.3.4)."""
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
    more: dict[str, Any] = {}
    for name, schema in described.items():
        types = stage.schemas.types(schema)
        if "boolean" in types and name_key(name) in ("deleted", "success", "ok"):
            more[name] = True
        elif "integer" in types and name_words(name)[-1:] == ("count",) and name not in row.data:
            more[name] = 1
    return Outcome(value=_show(stage, role, row, more=more))


def _clear(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    """Deletes every thing of a collection that the query lets through."""
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
    if len(role.part.keys) > 1:
        outer = around.fill(stage.schemas.properties(media.schema)[role.part.keys[0]], skip=role.part.keys[1])
        known = writes.merged({role.part.keys[0]: outer}, known)
    at = At(seed=stage.seed, path=role.operation.id)
    return Outcome(value=_over(stage, media.schema, at, known), total=len(chosen))


def _listed(stage: Stage, resource: Resource, row: Row, schema: Any) -> Any:
    """A thing in a list: as the schema shows it, or its id alone in a list of ids."""
    key = stage.keys.typed(resource, row.key)
    plain_ids = "object" not in stage.schemas.types(schema) and stage.schemas.valid(schema, key)
    return key if plain_ids and stage.schemas.types(schema) else stage.view(row, schema)


def _over(stage: Stage, schema: Any, at: At, known: Any) -> Any:
    """The envelope around things that are known to be valid; mended only when it is not."""
    value = stage.sampler.make(schema, at, known)
    return value if stage.schemas.valid(schema, value) else stage.sampler.sample(schema, at, known)


def _defaults(stage: Stage, operation: Operation) -> dict[str, Any]:
    """The defaults of the query parameters, of which only those that sort have an effect."""
    flat = {one.name: stage.schemas.flat(one.schema) for one in operation.parameters if one.where == "query"}
    return {name: schema["default"] for name, schema in flat.items() if "default" in schema}


def _resumed(part: Window, rows: list[Row]) -> Window:
    """The window after the thing whose id was given as a cursor."""
    if part.after is None:
        return part
    place = next((place for place, row in enumerate(rows) if row.key == part.after), None)
    if place is None:
        where = ".".join(part.parameters[PageRole.CURSOR].place)
        raise Problem(400, f"{where}: there is nothing {part.after!r} to go on after")
    return part.moved(place + 1)


def _act(stage: Stage, role: OperationSemantics, resource: Resource, checked: Checked, scope: Scope) -> Outcome:
    """Does something to a thing: its status follows the verb, its fields the body, and it may bring forth another."""
    row = _row(stage, role, resource, checked, scope)
    body = writes.fields(resource, checked.body)
    verb = next((str(value) for name, value in body.items() if name_key(name) in COMMANDS and value), role.verb)
    if role.operation.effect is Effect.READ:
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
    """Is the answer of an action the thing itself: by its schema, by most of its properties, or for want of any?"""
    if role.part is None or ref_of(role.part.schema) in resource.refs:
        return True
    described = stage.schemas.properties(role.part.schema).keys()
    own = described & resource.properties.keys()
    return not ref_of(role.part.schema) and len(own) * 2 >= len(described)


def _result(stage: Stage, role: OperationSemantics, row: Row, checked: Checked) -> Any:
    """The answer of an action: the thing, or what the answer has in common with it and the rest made up.

    An id in it is the thing's own.
    """
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
    """Makes a thing of another kind out of this one, as publishing a draft makes a campaign."""
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
    """Does a field go over from one thing to the thing made of it? Not its state, nor what a server sets."""
    return stage.schemas.flat(schema).get("readOnly") is not True and not set(name_words(name)) & {"status", "state"}
