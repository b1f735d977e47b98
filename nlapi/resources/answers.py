"""Reads answers of an operation: what they list, the thing that they hold, by the schema and else by the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import Media, Schema
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.envelope import (
    ANY,
    DataView,
    Form,
    Keys,
    ListEnvelope,
    Noun,
    SchemaView,
    find_list,
    find_thing,
    total_in,
    unwrap_entry,
    value_at,
)
from nlapi.resources.naming import name_words, singular, stem
from nlapi.resources.nouns import is_single, thing_words
from nlapi.resources.schemas import SchemaReader

Thing = Mapping[str, Any]

_HOLDER_DEPTH = 3
"""Objects inside each other in which a thing of another kind is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """What an answer lists: the entries without their wrappers, and the number over all pages, if it says that."""

    envelope: ListEnvelope
    entries: tuple[Any, ...]
    total: int | None = None

    @property
    def things(self) -> list[Thing]:
        """The entries that are objects."""
        return [entry for entry in self.entries if isinstance(entry, Mapping)]


class AnswerSchemas:
    """What the schemas of the answers of one Spec say, each read when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self.reader = SchemaReader(spec)
        self._lists: dict[Operation, ListEnvelope | None] = {}

    def view(self, operation: Operation) -> SchemaView | None:
        """The schema of the JSON answer of success; None where none is described."""
        media = json_media(operation)
        return SchemaView(media.schema, self.reader) if media is not None and media.schema else None

    def list_of(self, operation: Operation) -> ListEnvelope | None:
        """Where the list is in the answer of an operation, by its schema; None where it describes none."""
        if operation not in self._lists:
            view = self.view(operation)
            self._lists[operation] = find_list(view, noun(operation)) if view is not None else None
        return self._lists[operation]

    def field_schema(self, operation: Operation, path: str) -> Schema | None:
        """The schema of a field, by its path, of the things that an operation answers with; None for no such field."""
        schema: Any = self.entry_schema(operation)
        for depth, key in enumerate(path.split(".")):
            inner = self._property(schema, key)
            if inner is None and depth == 0:  # JSON:API has the fields of a thing in `attributes`
                held = self.reader.properties(schema).values()
                inner = next((found for one in held if (found := self._property(one, key)) is not None), None)
            if inner is None:
                return None
            schema = inner
        return self.reader.flat(schema)

    def inner(self, schema: Any) -> Schema | None:
        """The schema of the objects that a field holds: itself, or what its array is of; None for plain values."""
        flat = self.reader.flat(schema)
        held = self.reader.flat(flat["items"]) if isinstance(flat.get("items"), Mapping) else flat
        return held if self.reader.properties(held) else None

    def _property(self, schema: Any, name: str) -> Any:
        values = self.reader.flat(schema).get("additionalProperties")
        return self.reader.properties(schema).get(name, values if isinstance(values, Mapping) and values else None)

    def entry_schema(self, operation: Operation) -> Any:
        """The schema of one entry of the list, else of the one thing, that an operation answers with; {} for none."""
        view = self.view(operation)
        if view is None:
            return {}
        envelope = self.list_of(operation)
        keys = envelope.keys if envelope is not None else find_thing(view, noun(operation))
        for key in keys:
            view = view.field(key)
        if envelope is None:
            return view.schema
        return self.reader.flat(view.schema).get("additionalProperties", {}) if envelope.is_map else view.items


def answer_schemas(spec: Spec) -> AnswerSchemas:
    """Return the AnswerSchemas of a Spec, which live as long as it does."""
    return spec.derive(AnswerSchemas)


def field_schema(operation: Operation, path: str) -> Schema | None:
    """Return the schema of a field, by its path, of the things that an operation answers with; None for no such field.

    {} is that of a field of which nothing is said.
    """
    return answer_schemas(operation.spec).field_schema(operation, path)


def holder_of(operation: Operation, kind: Sequence[str]) -> str:
    """Return the field, in the singular, that holds a thing of a kind (stems) in an answer; "" where none does."""
    schemas = answer_schemas(operation.spec)
    level: list[Any] = [schemas.entry_schema(operation)]
    for _ in range(_HOLDER_DEPTH):
        properties = [pair for schema in level for pair in schemas.reader.properties(schema).items()]
        held = [(name, inner) for name, schema in properties if (inner := schemas.inner(schema)) is not None]
        for name, _ in held:
            if tuple(map(stem, name_words(name))) == tuple(kind):
                return singular(name.lower())
        level = [inner for _, inner in held]
    return ""


def json_media(operation: Operation) -> Media | None:
    """Return the JSON form of the answer of success; None where there is none."""
    response = operation.response()
    return next((media for media in response.media if is_json(media.content_type)), None) if response else None


def is_json(content_type: str) -> bool:
    """Whether a media type, or a range such as `*/*`, is JSON or may be: RFC 8259, RFC 6839 §3.1."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json", "*/*", "application/*") or essence.endswith("+json")


def noun(operation: Operation) -> Noun:
    """Return what the answer of an operation is expected to be of."""
    return Noun(words=thing_words(operation), single=is_single(operation))


def list_schema(operation: Operation) -> ListEnvelope | None:
    """Return where the list is in the answer of an operation, as its schema says; None where it describes none."""
    return answer_schemas(operation.spec).list_of(operation)


def list_in(
    data: Any, operation: Operation | None = None, headers: Mapping[str, str] | None = None
) -> ListAnswer | None:
    """Return what an answer lists: where the schema says, else where the data shows it; None where it lists nothing.

    A list that is left out, or null, where the schema has one is empty. An answer that reports an error lists nothing.
    """
    if is_failure(data):
        return None
    described = list_schema(operation) if operation is not None else None
    envelope, entries = described, described.entries(data) if described is not None else None
    if entries is None and described is not None and _is_left_out(data, described.keys):
        entries = []
    if entries is None:
        envelope = find_list(DataView(data), noun(operation) if operation is not None else ANY)
        if operation is not None and described is None and envelope is not None and envelope.keys:
            envelope = None if _is_described(operation, envelope.keys[0]) else envelope
        entries = envelope.entries(data) if envelope is not None else None
    if envelope is None or entries is None:
        return None
    return ListAnswer(envelope=envelope, entries=tuple(entries), total=total_in(data, envelope.keys, headers))


def thing_in(data: Any, operation: Operation | None = None) -> Thing | None:
    """Return the one thing that an answer holds, without the envelope around it; None where it is no object."""
    if not isinstance(data, Mapping):
        return None
    keys: Keys = () if is_failure(data) else find_thing(DataView(data), noun(operation) if operation else ANY)
    inside = unwrap_entry(value_at(data, keys)) if keys or "_source" in data else data
    return inside if isinstance(inside, Mapping) else data


def is_failure(data: Any) -> bool:
    """Whether an answer says by itself that the call failed: `{"ok": false}`, `{"errors": [...]}` and nothing else."""
    if not isinstance(data, Mapping):
        return False
    if data.get("ok") is False or data.get("success") is False:
        return True
    errors = data.get("errors") or data.get("error")
    carried = any(
        isinstance(data.get(key), list | Mapping) and data[key] for key in data if key not in ("errors", "error")
    )
    return bool(errors) and not carried


def _is_left_out(data: Any, keys: Keys) -> bool:
    """Whether an answer has nothing where its schema has a list: null, or no such property on the way."""
    inside = data
    for key in keys:
        if not isinstance(inside, Mapping):
            return False
        if inside.get(key) is None:
            return key in inside or not inside or len(keys) == 1
        inside = inside[key]
    return inside is None


def _is_described(operation: Operation, name: str) -> bool:
    """Whether the schema of an answer, which lists nothing, has a property of that name: then it is part of a thing."""
    view = answer_schemas(operation.spec).view(operation)
    return view is not None and view.form is Form.OBJECT and name in view.names
