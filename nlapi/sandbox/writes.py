"""Creation, update and removal of stored items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import WRAPPERS, value_at
from nlapi.resources.grouping import Resource
from nlapi.resources.naming import name_key, name_words, singular_words
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.problem import Problem
from nlapi.sandbox.stage import Stage
from nlapi.sandbox.store import SINGLE, Row, Scope, agree
from nlapi.sandbox.verbs import fresh
from nlapi.sandbox.vocabulary import MADE, UPDATED


def create(
    stage: Stage, resource: Resource, operation: Operation, body: Mapping[str, Any], scope: Scope, *, key: Any = None
) -> Row:
    """Create an item from the fields that a client sent and those that a server sets. Problem 409 for an id in use.

    Without `key` the id is the one in the body, where a client may choose it, else a new one.
    """
    makers = [one.at["POST"] for one in resource.collections if "POST" in one.at]
    open_fields = {name: one for maker in (*makers, operation) for name, one in requested(stage, maker).items()}
    data = {name: value for name, value in body.items() if _readable(value) or name in resource.properties}
    below = {**scope, **stage.seeds.relations(resource, data)}
    required = {name for schema in resource.schemas for name in stage.schemas.flat(schema).get("required") or ()}
    # A reference that the client could have sent, or that may be null, stays empty: only required ones are filled.
    hidden = {
        name
        for name, one in resource.properties.items()
        if (name in open_fields and name not in required) or _may_be_null(stage, one)
    }
    stage.seeds.relate(resource, 0, below, skip=hidden)
    key = _key(stage, resource, data, open_fields, scope) if key is None else key
    known = {**stage.seeds.related(resource, below), **data}
    if resource.id_name and key != SINGLE:
        known[resource.id_name] = key
    at = At(
        seed=stage.seed,
        path=f"{resource.name}/made",
        thing=resource.label,
        index=stage.store.count(resource.name),
        full=True,
    )
    made = _made(stage, resource, at, known, open_fields)
    key = stage.keys.inner(resource, made, key)
    row = Row(entity=resource.name, key=str(key), place=at.index, scope=below, data=made)
    return stage.store.add(row)


def _made(
    stage: Stage, resource: Resource, at: At, known: dict[str, Any], open_fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a new item: those sent, and required, default and read-only fields that the server adds."""
    data = dict(known)
    for schema in resource.schemas:
        flat = stage.schemas.flat(schema)
        required = set(flat.get("required") or ())
        full = stage.sampler.sample(schema, at, data)
        for name, value in full.items() if isinstance(full, dict) else ():
            one = stage.schemas.flat(stage.schemas.properties(schema).get(name, {}))
            if "default" in open_fields.get(name, {}):
                one = {**one, "default": open_fields[name]["default"]}
            if name in data or (name in open_fields and name not in required and "default" not in one):
                continue
            data[name] = _first_value(stage, name, one, value)
    return data


def _first_value(stage: Stage, name: str, schema: Mapping[str, Any], sampled: Any) -> Any:
    """Return the server's value of a field of a new item: the time, a first status, the default, null, or a sample."""
    parts = set(name_words(name))
    if parts & (MADE | UPDATED) and schema.get("format") in ("date-time", "date"):
        return now(schema["format"])
    if parts & {"status", "state"}:
        status = fresh(name, schema)
        return sampled if status is None else status
    if "default" in schema:
        return schema["default"]
    return None if _may_be_null(stage, schema) else sampled


def _may_be_null(stage: Stage, schema: Any) -> bool:
    return "null" in stage.schemas.types(schema)


def _key(
    stage: Stage, resource: Resource, data: Mapping[str, Any], open_fields: Mapping[str, Any], scope: Scope
) -> Any:
    path = tuple(resource.id_path.split("."))
    given = value_at(data, path) if path[0] in open_fields else None
    if given is None:
        stage.seeds.fill(resource)
        key = stage.seeds.new_key(resource)
        if key is NOTHING:
            raise Problem(409, f"there is no id left for another {resource.label}")
        return key
    row = stage.store.find(resource.name, str(given), scope)
    if row is not None and not row.sampled:
        raise Problem(409, f"there is already a {resource.label} with {resource.id_path} {given}")
    if row is not None:
        # A sample is replaced, so that the example request of a description works although its id is that of a sample.
        stage.store.remove(row)
    return given


def merge(stage: Stage, resource: Resource, operation: Operation, row: Row, body: Mapping[str, Any]) -> Row:
    """Update some fields of an item as RFC 7396 (JSON Merge Patch) does; null stays where the schema allows it."""
    # The id in the path is the item's; an id in the body cannot move it.
    sent = {name: value for name, value in body.items() if name != resource.id_name}
    data = merged(row.data, sent)
    for name, value in sent.items():
        if value is None and not _may_be_null(stage, resource.properties.get(name, {"type": "null"})):
            del data[name]
    return _changed(stage, resource, operation, row, data)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        result[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def replace(stage: Stage, resource: Resource, operation: Operation, row: Row, body: Mapping[str, Any]) -> Row:
    """Replace every field of an item that a client can send; fields that only the server sets stay."""
    open_fields = requested(stage, operation)
    kept = {name: value for name, value in row.data.items() if name not in open_fields or name == resource.id_name}
    return _changed(
        stage, resource, operation, row, {**kept, **{k: v for k, v in body.items() if k != resource.id_name}}
    )


def _changed(stage: Stage, resource: Resource, operation: Operation, row: Row, data: dict[str, Any]) -> Row:
    open_fields = requested(stage, operation)
    for name, schema in resource.properties.items():
        flat = stage.schemas.flat(schema)
        # `updated_at` is the server's unless the client can set it.
        if set(name_words(name)) & UPDATED and flat.get("format") == "date-time" and name not in open_fields:
            data[name] = now("date-time")
    scope = {**row.scope, **stage.seeds.relations(resource, data)}
    return stage.store.change(row, data, scope)


def remove(stage: Stage, resource: Resource, row: Row) -> None:
    """Delete an item, and with it all items that can only be created below it."""
    stage.store.remove(row)
    for other in stage.semantics.resources:
        if other is not resource and _only_below(stage, other, resource):
            for one in stage.store.rows(other.name, {resource.name: row.key}):
                if agree(row.scope, one.scope):
                    remove(stage, other, one)


def _only_below(stage: Stage, resource: Resource, parent: Resource) -> bool:
    makers = [one for one in resource.collections if "POST" in one.at]
    return bool(makers) and all(
        any(above.name == parent.name for above in stage.semantics.parents(one.path)) for one in makers
    )


def requested(stage: Stage, operation: Operation) -> dict[str, Any]:
    """Return the fields that a client can send with an operation, with their flat schemas."""
    found: dict[str, Any] = {}
    for media in operation.body.media if operation.body else ():
        items = stage.schemas.flat(media.schema).get("items")
        for name, schema in stage.schemas.properties(items or media.schema).items():
            flat = stage.schemas.flat(schema)
            if flat.get("readOnly") is not True:
                found[name] = flat
    return found


def fields(resource: Resource, body: Any) -> dict[str, Any]:
    """Return the fields of a body that is an item or wraps one (`{"campaign": {...}}`); {} for any other body."""
    if isinstance(body, dict) and len(body) == 1:
        name, inner = next(iter(body.items()))
        wraps = singular_words(name) == resource.noun or name_key(name) in WRAPPERS
        if wraps and isinstance(inner, dict) and name not in resource.properties:
            return inner
    return body if isinstance(body, dict) else {}


def _readable(value: Any) -> bool:
    """Return whether a value is small enough to store and show again; the bytes of a file are not."""
    return not isinstance(value, str) or len(value) < 10_000


def now(format: str = "date-time") -> str:
    moment = datetime.now(UTC)
    return moment.date().isoformat() if format == "date" else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
