"""Creates, updates and removes stored items, and changes their status after an action, as PUBLISHED after `publish`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from nlapi.english.command_verbs import STATES_AFTER
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import WRAPPERS, value_at
from nlapi.resources.grouping import Resource
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.samples import ABSENT, SampleContext
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import Scope, StoredItem, scopes_agree
from nlapi.sandbox.vocabulary import CREATED_WORDS, UPDATED_WORDS
from nlapi.workflows.chains import FAILED_STATES

# Statuses of a new item, the likeliest first.
NEW_STATUSES = ("draft", "pending", "created", "new", "queued", "open", "active", "enabled")


def _status_properties(schema: object, schemas: Schemas) -> Iterator[tuple[str, list[str]]]:
    """Yield the status properties of a schema, with their enum values."""
    for name, property_schema in schemas.properties(schema).items():
        if set(name_words(name)) & {"status", "state"}:
            flat = schemas.flat(property_schema)
            values = [value for value in flat.get("enum") or () if isinstance(value, str)]
            if values:
                yield name, values


def statuses_after(verb: str, schema: object, schemas: Schemas) -> dict[str, str]:
    """Return the status properties that an action sets, by name."""
    stem = name_words(verb)[0] if name_words(verb) else ""
    new_values = {}
    for name, values in _status_properties(schema, schemas):
        value = _status_after(stem, values)
        if value is not None:
            new_values[name] = value
    return new_values


def _status_after(verb: str, values: list[str]) -> str | None:
    if len(verb) < 3:
        return None
    stem = verb[:-1] if verb.endswith(("e", "y")) else verb
    by_word = {name_key(value): value for value in values}
    similar = [value for word, value in by_word.items() if word.startswith(stem) and len(word) <= len(verb) + 4]
    listed = [by_word[word] for word in STATES_AFTER.get(verb, ()) if word in by_word]
    return next(iter((*similar, *listed)), None)


def _new_status(name: str, schema: Mapping[str, Any]) -> object:
    """Return the status of a new item: the default, the likeliest value, or the first that is not a failure."""
    if "default" in schema:
        return schema["default"]
    values = [value for value in schema.get("enum") or () if isinstance(value, str)]
    by_word = {name_key(value): value for value in values}
    # What is new has not failed: the `ERROR` of an asset comes first in an enum that is sorted.
    sound = [value for value in values if name_key(value) not in FAILED_STATES] or values
    return next((by_word[word] for word in NEW_STATUSES if word in by_word), sound[0] if sound else None)


def create(
    state: SandboxState,
    resource: Resource,
    operation: Operation,
    body: Mapping[str, object],
    scope: Scope,
    *,
    key: object = None,
) -> StoredItem:
    """Create an item from the client's fields and those that a server sets. RequestProblem 409 for an id in use.

    Without `key` the id is the one in the body, where a client may choose it, else a new one.
    """
    # The samples come first: their ids, which count on, are the same whatever a client does before it lists them.
    state.fixtures.fill(resource, state.fixtures.own_scope(resource, scope))
    makers = [part.operations["POST"] for part in resource.collections if "POST" in part.operations]
    open_fields = {name: part for maker in (*makers, operation) for name, part in writable_fields(state, maker).items()}
    data = {name: value for name, value in body.items() if _is_storable(value) or name in resource.properties}
    item_scope = {**scope, **state.fixtures.references_in(resource, data)}
    required = {name for schema in resource.schemas for name in state.schemas.flat(schema).get("required") or ()}
    # A reference that the client could have sent, or that may be null, stays empty: only required ones are filled.
    optional_references = {
        name
        for name, part in resource.properties.items()
        if (name in open_fields and name not in required) or _may_be_null(state, part)
    }
    state.fixtures.add_references(resource, 0, item_scope, skip=optional_references)
    key = _choose_key(state, resource, data, open_fields, scope) if key is None else key
    known_values = {**state.fixtures.reference_values(resource, item_scope), **data}
    known_values = deep_merge(known_values, state.fixtures.id_values(resource, key))
    context = SampleContext(
        seed=state.seed,
        path=f"{resource.name}/made",
        noun=resource.label,
        index=state.store.count(resource.name),
        full=True,
        find_reference=state.fixtures.referrer(item_scope, excluded=resource),
    )
    item = _complete_fields(state, resource, context, known_values, open_fields)
    key = state.ids.nested_id(resource, item, key)
    row = StoredItem(entity=resource.name, key=str(key), index=context.index, scope=item_scope, data=item)
    return state.store.add(row)


def _complete_fields(
    state: SandboxState,
    resource: Resource,
    context: SampleContext,
    known_values: dict[str, object],
    open_fields: Mapping[str, Any],
) -> dict[str, object]:
    """Return the fields of a new item: those sent, and required, default and read-only fields that the server adds."""
    data = dict(known_values)
    for schema in resource.schemas:
        flat = state.schemas.flat(schema)
        required = set(flat.get("required") or ())
        full = state.sampler.sample(schema, context, data)
        for name, value in full.items() if isinstance(full, dict) else ():
            property_schema = state.schemas.flat(state.schemas.properties(schema).get(name, {}))
            if "default" in open_fields.get(name, {}):
                property_schema = {**property_schema, "default": open_fields[name]["default"]}
            if name in data or (name in open_fields and name not in required and "default" not in property_schema):
                continue
            data[name] = _server_value(state, name, property_schema, value)
    return data


def _server_value(state: SandboxState, name: str, schema: Mapping[str, Any], sampled: object) -> object:
    """Return the server's value of a field of a new item: the time, a first status, the default, null, or a sample."""
    parts = set(name_words(name))
    if parts & (CREATED_WORDS | UPDATED_WORDS) and schema.get("format") in ("date-time", "date"):
        return _current_time(schema["format"])
    if parts & {"status", "state"}:
        status = _new_status(name, schema)
        return sampled if status is None else status
    if "default" in schema:
        return schema["default"]
    return None if _may_be_null(state, schema) else sampled


def _may_be_null(state: SandboxState, schema: object) -> bool:
    return "null" in state.schemas.types(schema)


def _choose_key(
    state: SandboxState, resource: Resource, data: Mapping[str, object], open_fields: Mapping[str, object], scope: Scope
) -> object:
    path = tuple(resource.id_path.split("."))
    sent_id = value_at(data, path) if path[0] in open_fields else None
    if sent_id is None:
        state.fixtures.fill(resource)
        key = state.fixtures.new_id(resource)
        return _taken_key(state, resource) if key is ABSENT else key
    row = state.store.find(resource.name, str(sent_id), scope)
    if row is not None and not row.sampled:
        raise RequestProblem(409, f"there is already a {resource.label} with {resource.id_path} {sent_id}")
    if row is not None:
        # A sample is replaced, so that the example request of a description works although its id is that of a sample.
        state.store.remove(row)
    return sent_id


def _taken_key(state: SandboxState, resource: Resource) -> str:
    """Return an id for a new item of a kind whose ids are all in use (an enum): that of a sample, which makes room."""
    if not state.semantics.id_parameters.get(resource):
        # No path takes the id, so that any will do.
        return str(state.store.count(resource.name) + 1)
    sample = next((row for row in state.store.rows(resource.name) if row.sampled), None)
    if sample is None:
        raise RequestProblem(409, f"there is no id left for another {resource.label}")
    state.store.remove(sample)
    return sample.key


def merge(
    state: SandboxState, resource: Resource, operation: Operation, row: StoredItem, body: Mapping[str, object]
) -> StoredItem:
    """Update some fields of an item as RFC 7396 (JSON Merge Patch) does; null stays where the schema allows it."""
    # The id in the path is the item's; an id in the body cannot move it.
    changes = {name: value for name, value in body.items() if name != resource.id_name}
    data = deep_merge(row.data, changes)
    for name, value in changes.items():
        if value is None and not _may_be_null(state, resource.properties.get(name, {"type": "null"})):
            del data[name]
    return _store_change(state, resource, operation, row, data)


def deep_merge(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, Any]:
    result = dict(old)
    for name, value in new.items():
        old_value = result.get(name)
        result[name] = (
            deep_merge(old_value, value) if isinstance(old_value, dict) and isinstance(value, dict) else value
        )
    return result


def replace(
    state: SandboxState, resource: Resource, operation: Operation, row: StoredItem, body: Mapping[str, object]
) -> StoredItem:
    """Replace every field of an item that a client can send; fields that only the server sets stay."""
    open_fields = writable_fields(state, operation)
    server_fields = {
        name: value for name, value in row.data.items() if name not in open_fields or name == resource.id_name
    }
    return _store_change(
        state, resource, operation, row, {**server_fields, **{k: v for k, v in body.items() if k != resource.id_name}}
    )


def _store_change(
    state: SandboxState, resource: Resource, operation: Operation, row: StoredItem, data: dict[str, object]
) -> StoredItem:
    open_fields = writable_fields(state, operation)
    for name, schema in resource.properties.items():
        flat = state.schemas.flat(schema)
        # `updated_at` is the server's unless the client can set it.
        if set(name_words(name)) & UPDATED_WORDS and flat.get("format") == "date-time" and name not in open_fields:
            data[name] = _current_time("date-time")
    scope = {**row.scope, **state.fixtures.references_in(resource, data)}
    return state.store.change(row, data, scope)


def remove(state: SandboxState, resource: Resource, row: StoredItem) -> None:
    """Delete an item, and with it all items that can only be created below it."""
    state.store.remove(row)
    for dependent in state.semantics.resources:
        if dependent is not resource and _only_below(state, dependent, resource):
            for dependent_row in state.store.rows(dependent.name, {resource.name: row.key}):
                if scopes_agree(row.scope, dependent_row.scope):
                    remove(state, dependent, dependent_row)


def _only_below(state: SandboxState, resource: Resource, parent: Resource) -> bool:
    makers = [collection for collection in resource.collections if "POST" in collection.operations]
    return bool(makers) and all(
        any(above.name == parent.name for above in state.semantics.parents(collection.path)) for collection in makers
    )


def writable_fields(state: SandboxState, operation: Operation) -> dict[str, object]:
    """Return the fields that a client can send with an operation, with their flat schemas."""
    fields: dict[str, Any] = {}
    for media in operation.body.media if operation.body else ():
        items = state.schemas.flat(media.schema).get("items")
        for name, schema in state.schemas.properties(items or media.schema).items():
            flat = state.schemas.flat(schema)
            if flat.get("readOnly") is not True:
                fields[name] = flat
    return fields


def items_in(resource: Resource, body: object) -> list[Any]:
    """Return the items of a body that is a list or wraps one (`{"quotes": [{...}]}`), else the body as the only one."""
    if isinstance(body, dict) and len(body) == 1:
        name, inner = next(iter(body.items()))
        if singular_words(name) == resource.noun and isinstance(inner, list) and all(map(_is_object, inner)):
            return inner
    return body if isinstance(body, list) else [body]


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def item_fields(resource: Resource, body: object) -> dict[str, Any]:
    """Return the fields of a body that is an item or wraps one (`{"campaign": {...}}`); {} for any other body."""
    if isinstance(body, dict) and len(body) == 1:
        name, inner = next(iter(body.items()))
        wraps = singular_words(name) == resource.noun or name_key(name) in WRAPPERS
        if wraps and isinstance(inner, dict) and name not in resource.properties:
            return _as_shown(resource, inner)
    return _as_shown(resource, body) if isinstance(body, dict) else {}


def _as_shown(resource: Resource, fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields under the names that the item shows them by: FriendlyName of a form is its friendly_name."""
    by_key = {name_key(name): name for name in resource.properties}
    return {name if name in resource.properties else by_key.get(name_key(name), name): fields[name] for name in fields}


def _is_storable(value: object) -> bool:
    """Return whether a value is small enough to store and show again; the bytes of a file are not."""
    return not isinstance(value, str) or len(value) < 10_000


def _current_time(format: str = "date-time") -> str:
    moment = datetime.now(UTC)
    return moment.date().isoformat() if format == "date" else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
