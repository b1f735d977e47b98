"""Reads answers of an operation: what they list, the thing that they hold, by the schema and else by the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import Media, Schema, may_be_json
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
from nlapi.resources.fields import Thing
from nlapi.resources.naming import name_words, singular, singular_words, stem
from nlapi.resources.nouns import is_single, thing_words
from nlapi.resources.schemas import SchemaReader, ref_of

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPart:
    """A part of an answer: the keys that lead to it, and the schema of the thing, or of each listed thing, there."""

    keys: Keys
    schema: Any
    is_list: bool = False
    is_map: bool = False


class AnswerSchemas:
    """What the schemas of the answers of one Spec say, each read when it is first asked for."""

    def __init__(self, spec: Spec) -> None:
        self.reader = SchemaReader(spec)
        self._lists: dict[Operation, ListEnvelope | None] = {}
        self._entries: dict[Operation, Any] = {}

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

    def list_part(self, operation: Operation) -> AnswerPart | None:
        """The list in the answer of an operation, with the schema of an entry as it stands there; None for none."""
        view, envelope = self.view(operation), self.list_of(operation)
        return self._part(view, envelope) if view is not None and envelope is not None else None

    def thing_part(self, operation: Operation, refs: Collection[str] = ()) -> AnswerPart | None:
        """The thing in the answer of an operation: what has one of the schemas `refs`, else what its envelope holds."""
        media, view = json_media(operation), self.view(operation)
        if view is None or ref_of(view.schema) in refs:
            return AnswerPart(keys=(), schema=media.schema) if media is not None else None
        described = self.reader.properties(view.schema).items() if refs else ()
        named = next((name for name, inner in described if ref_of(inner) in refs), None)
        keys = find_thing(view, noun(operation)) if named is None else (named,)
        return AnswerPart(keys=keys, schema=_inside(view, keys).schema)

    def searched_schema(self, operation: Operation, kind: tuple[str, ...]) -> Any:
        """The schema of what a general search lists of a kind of thing, in a list of its own; {} where it has none."""
        view = self.view(operation)
        name = next((name for name in view.names if singular_words(name) == kind), None) if view is not None else None
        inside = view.field(name) if view is not None and name is not None else None
        envelope = find_list(inside) if inside is not None else None
        return self._part(inside, envelope).schema if inside is not None and envelope is not None else {}

    def _part(self, view: SchemaView, envelope: ListEnvelope) -> AnswerPart:
        inside = _inside(view, envelope.keys)
        values = self.reader.flat(inside.schema).get("additionalProperties", {})
        schema = values if envelope.is_map else inside.items
        return AnswerPart(keys=envelope.keys, schema=schema, is_list=True, is_map=envelope.is_map)

    def entry_schema(self, operation: Operation) -> Any:
        """The schema of one entry of the list, else of the one thing, that an operation answers with; {} for none.

        It is that of the thing in the entry: of campaign in `{"campaign": {...}}`.
        """
        if operation not in self._entries:
            part = self.list_part(operation) or self.thing_part(operation)
            schema = part.schema if part is not None else {}
            inner = list(self.reader.properties(schema).values())
            wraps = len(inner) == 1 and "object" in self.reader.types(inner[0])
            self._entries[operation] = inner[0] if wraps else schema
        return self._entries[operation]


def _inside(view: SchemaView, keys: Keys) -> SchemaView:
    for key in keys:
        view = view.field(key)
    return view


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
    return next((media for media in response.media if may_be_json(media.content_type)), None) if response else None


def answer_schema(operation: Operation) -> Any:
    """Return the schema of the answer of success, of JSON if there is one in it; {} where none is described."""
    response, media = operation.response(), json_media(operation)
    first = media or (response.media[0] if response is not None and response.media else None)
    return first.schema if first is not None else {}


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
