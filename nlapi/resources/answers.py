"""Finds the list, the item, the fields and their words in an answer, by its schema and otherwise by its data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nlapi.english.words import singular_words, split_words, stem
from nlapi.openapi.spec import Media, Operation, Schema, Spec, may_be_json
from nlapi.resources.envelope import (
    ANY_NOUN,
    DataView,
    Keys,
    ListEnvelope,
    Noun,
    SchemaView,
    ViewForm,
    extract_total,
    find_item,
    find_list,
    unwrap_entry,
    value_at,
)
from nlapi.resources.nouns import is_single, singular_noun
from nlapi.resources.schemas import SchemaReader, ref_of

if TYPE_CHECKING:
    from nlapi.resources.identity import Item


Stems = tuple[str, ...]
# Levels of objects: `spec.template.spec` of Kubernetes is the third. Deeper words are seldom about the item itself.
_MAX_WORD_DEPTH = 3
# Fields that are read, so that the recursive schemas of Kubernetes and Stripe cost no more than others.
_MAX_FIELDS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """The entries of a list without their wrappers, and the total over all pages where the answer has it."""

    envelope: ListEnvelope
    entries: tuple[Any, ...]
    total: int | None = None

    @property
    def object_entries(self) -> list[Item]:
        """The entries that are objects."""
        return [entry for entry in self.entries if isinstance(entry, Mapping)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPart:
    """A part of an answer: the keys that lead to it, and the schema of the item there, or of each item of the list.

    The entries of a list may be wrappers with the schema `entry_schema`: `entry_keys` lead from each to its item.
    """

    keys: Keys
    schema: Any
    is_list: bool = False
    is_map: bool = False
    entry_keys: Keys = ()
    entry_schema: Any = None


class AnswerSchemas:
    """A cache of the schemas of the answers of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.reader = SchemaReader(spec)
        self._lists: dict[Operation, ListEnvelope | None] = {}
        self._entries: dict[Operation, object] = {}

    def schema_view(self, operation: Operation) -> SchemaView | None:
        """Return the schema of the JSON answer of success; None where none is described."""
        media = json_media(operation)
        return SchemaView(media.schema, self.reader) if media is not None and media.schema else None

    def list_envelope(self, operation: Operation) -> ListEnvelope | None:
        """Return the envelope of the list in an operation's answer, by its schema; None where it describes none."""
        if operation not in self._lists:
            view = self.schema_view(operation)
            self._lists[operation] = find_list(view, _expected_noun(operation)) if view is not None else None
        return self._lists[operation]

    def field_schema(self, operation: Operation, path: str) -> Schema | None:
        """Return the schema of a field, by its path, of the items in an operation's answer; None for no such field."""
        schema: Any = self.entry_schema(operation)
        for depth, key in enumerate(path.split(".")):
            inner = self._property(schema, key)
            if inner is None and depth == 0:  # JSON:API has the fields of a thing in `attributes`
                objects = self.reader.properties(schema).values()
                matches = (self._property(candidate, key) for candidate in objects)
                inner = next((match for match in matches if match is not None), None)
            if inner is None:
                return None
            schema = inner
        return self.reader.flat(schema)

    def object_schema(self, schema: object) -> Schema | None:
        """Return the schema of the objects in a field: of itself or of its array's items; None for plain values."""
        flat = self.reader.flat(schema)
        items = self.reader.flat(flat["items"]) if isinstance(flat.get("items"), Mapping) else flat
        return items if self.reader.properties(items) else None

    def _property(self, schema: object, name: str) -> object:
        values = self.reader.flat(schema).get("additionalProperties")
        return self.reader.properties(schema).get(name, values if isinstance(values, Mapping) and values else None)

    def list_part(self, operation: Operation) -> AnswerPart | None:
        """Return the list in an operation's answer, with the schema of the item in an entry; None without a list."""
        view, envelope = self.schema_view(operation), self.list_envelope(operation)
        if view is None or envelope is None:
            return None
        part = self._part(view, envelope)
        entry = SchemaView(part.schema, self.reader)
        # Spotify's saved tracks are `{"added_at": ..., "track": {...}}`, Jumpseller's hooks `{"hook": {...}}`.
        keys = find_item(entry, Noun(words=singular_noun(operation), is_single=True)) if part.schema else ()
        return replace(part, schema=_view_at(entry, keys).schema, entry_keys=keys, entry_schema=part.schema)

    def item_part(self, operation: Operation, refs: Collection[str] = ()) -> AnswerPart | None:
        """Return the item in an operation's answer: by one of the schemas `refs`, else by its envelope."""
        media, view = json_media(operation), self.schema_view(operation)
        if view is None or ref_of(view.schema) in refs:
            return AnswerPart(keys=(), schema=media.schema) if media is not None else None
        properties = self.reader.properties(view.schema).items() if refs else ()
        field = next((name for name, inner in properties if ref_of(inner) in refs), None)
        keys = find_item(view, _expected_noun(operation)) if field is None else (field,)
        return AnswerPart(keys=keys, schema=_view_at(view, keys).schema)

    def search_entry_schema(self, operation: Operation, kind: tuple[str, ...]) -> object:
        """Return the entry schema of one kind in the answer of a search over several kinds; {} for none."""
        view = self.schema_view(operation)
        name = next((name for name in view.names if singular_words(name) == kind), None) if view is not None else None
        list_view = view.field(name) if view is not None and name is not None else None
        envelope = find_list(list_view) if list_view is not None else None
        return self._part(list_view, envelope).schema if list_view is not None and envelope is not None else {}

    def _part(self, view: SchemaView, envelope: ListEnvelope) -> AnswerPart:
        list_view = _view_at(view, envelope.keys)
        values = self.reader.flat(list_view.schema).get("additionalProperties", {})
        schema = values if envelope.is_map else list_view.items
        return AnswerPart(keys=envelope.keys, schema=schema, is_list=True, is_map=envelope.is_map)

    def entry_schema(self, operation: Operation) -> object:
        """Return the schema of one entry of the list, else of the one item, in an operation's answer; {} for none.

        A wrapper around the item is left out: of `{"campaign": {...}}` it is the schema of campaign.
        """
        if operation not in self._entries:
            list_part = self.list_part(operation)
            part = list_part or self.item_part(operation)
            schema = list_part.entry_schema if list_part is not None else part.schema if part is not None else {}
            inner = list(self.reader.properties(schema).values())
            # Such a wrapper has one property, which is an object (`campaigns wrapped one by one` in tests/resources).
            wraps = len(inner) == 1 and "object" in self.reader.types(inner[0])
            self._entries[operation] = inner[0] if wraps else schema
        return self._entries[operation]


def _view_at(view: SchemaView, keys: Keys) -> SchemaView:
    for key in keys:
        view = view.field(key)
    return view


def answer_schemas(spec: Spec) -> AnswerSchemas:
    """Return the AnswerSchemas of a Spec, computed once."""
    return spec.derive(AnswerSchemas)


def field_schema(operation: Operation, path: str) -> Schema | None:
    """Return the schema of a field, by its path, of the items in an operation's answer; None for no such field.

    A field without a description has the schema {}.
    """
    return answer_schemas(operation.spec).field_schema(operation, path)


def json_media(operation: Operation) -> Media | None:
    """Return the JSON media type of the answer of success, or None."""
    response = operation.response()
    return next((media for media in response.media if may_be_json(media.content_type)), None) if response else None


def answer_schema(operation: Operation) -> object:
    """Return the schema of the answer of success, of JSON where it has that; {} where none is described."""
    response, media = operation.response(), json_media(operation)
    first = media or (response.media[0] if response is not None and response.media else None)
    return first.schema if first is not None else {}


def _expected_noun(operation: Operation) -> Noun:
    """Return the noun that the answer of an operation is expected to be about."""
    return Noun(words=singular_noun(operation), is_single=is_single(operation))


def list_envelope(operation: Operation) -> ListEnvelope | None:
    """Return the envelope of the list in an operation's answer, by its schema; None where it describes none."""
    return answer_schemas(operation.spec).list_envelope(operation)


def extract_list(
    data: object, operation: Operation | None = None, headers: Mapping[str, str] | None = None
) -> ListAnswer | None:
    """Return the list in an answer: where its schema has it, else where the data has it; None for no list.

    A list that is absent or null, where the schema has one, is empty. An answer that reports an error has no list.
    """
    if is_failure(data):
        return None
    schema_envelope = list_envelope(operation) if operation is not None else None
    envelope, entries = schema_envelope, schema_envelope.entries(data) if schema_envelope is not None else None
    if entries is None and schema_envelope is not None and _is_absent(data, schema_envelope.keys):
        entries = []
    if entries is None:
        envelope = find_list(DataView(data), _expected_noun(operation) if operation is not None else ANY_NOUN)
        # An item may have an array, such as the tags of a ticket: that is not a list of the answer.
        if operation is not None and schema_envelope is None and envelope is not None and envelope.keys:
            envelope = None if _is_described(operation, envelope.keys[0]) else envelope
        entries = envelope.entries(data) if envelope is not None else None
    if envelope is None or entries is None:
        return None
    return ListAnswer(envelope=envelope, entries=tuple(entries), total=extract_total(data, envelope.keys, headers))


def extract_item(data: object, operation: Operation | None = None) -> Item | None:
    """Return the one item in an answer, without the envelope around it; None where it is not an object."""
    if not isinstance(data, Mapping):
        return None
    noun = _expected_noun(operation) if operation else ANY_NOUN
    keys: Keys = () if is_failure(data) else find_item(DataView(data), noun)
    # Elasticsearch's `_source` is beside the id and not around it, so that no keys lead to it.
    item = unwrap_entry(value_at(data, keys)) if keys or "_source" in data else data
    return item if isinstance(item, Mapping) else data


def is_failure(data: object) -> bool:
    """Return whether an answer states that the call failed: `{"ok": false}`, `{"errors": [...]}` and no data."""
    if not isinstance(data, Mapping):
        return False
    # Slack reports errors as `ok: false` with status 200, Cloudflare as `success: false`.
    if data.get("ok") is False or data.get("success") is False:
        return True
    # GraphQL answers with data beside errors (GraphQL specification §7.1); such an answer is not a failure.
    errors = data.get("errors") or data.get("error")
    has_data = any(
        isinstance(data.get(key), list | Mapping) and data[key] for key in data if key not in ("errors", "error")
    )
    return bool(errors) and not has_data


def _is_absent(data: object, keys: Keys) -> bool:
    """Return whether an answer has nothing in the place of its list: null, or a missing property on the way."""
    value = data
    for key in keys:
        if not isinstance(value, Mapping):
            return False
        if value.get(key) is None:
            return key in value or not value or len(keys) == 1
        value = value[key]
    return value is None


def _is_described(operation: Operation, name: str) -> bool:
    """Return whether a schema without a list has a property of that name, which is then a part of an item."""
    view = answer_schemas(operation.spec).schema_view(operation)
    return view is not None and view.form is ViewForm.OBJECT and name in view.names


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """The stems of the words in the description of what an operation answers, or of each entry that it lists.

    `fields` are the names of its fields and `values` the choices of these, `inner` the names of the fields of objects
    in it; `all` has every word, also of inner fields.
    """

    fields: frozenset[Stems]
    values: frozenset[Stems]
    inner: frozenset[Stems]
    all: frozenset[str]

    def names_field(self, stems: Stems) -> bool:
        """Return whether stems are the whole name of a field, or its last words: code of status_code."""
        return bool(stems) and any(field[-len(stems) :] == stems for field in self.fields)


class _AnswerWordsCache:
    """A cache of the answer words of the operations of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self._schemas = answer_schemas(spec)
        self._words: dict[Operation, AnswerWords] = {}

    def of(self, operation: Operation) -> AnswerWords:
        if operation not in self._words:
            levels = list(self._levels(self._schemas.entry_schema(operation)))
            fields, values = levels[0] if levels else ((), ())
            words = (word for level in levels for names in level for stems in names for word in stems)
            inner = levels[1][0] if len(levels) > 1 else ()
            self._words[operation] = AnswerWords(
                fields=frozenset(fields), values=frozenset(values), inner=frozenset(inner), all=frozenset(words)
            )
        return self._words[operation]

    def _levels(self, schema: object) -> Iterator[tuple[list[Stems], list[Stems]]]:
        """Yield the names of fields and the values of closed choices, one level of objects after the other."""
        level, reader, remaining = [schema], self._schemas.reader, _MAX_FIELDS
        for _ in range(_MAX_WORD_DEPTH):
            pairs = [pair for item_schema in level for pair in reader.properties(item_schema).items()][:remaining]
            flat = [reader.flat(inner) for _, inner in pairs]
            flat += [
                reader.flat(item_schema["items"])
                for item_schema in flat
                if isinstance(item_schema.get("items"), Mapping)
            ]
            values = [
                value for item_schema in flat for value in item_schema.get("enum") or () if isinstance(value, str)
            ]
            yield [_stems(name) for name, _ in pairs], list(map(_stems, values))
            level = [
                object_schema for _, inner in pairs if (object_schema := self._schemas.object_schema(inner)) is not None
            ]
            remaining -= len(pairs)


def answer_words(operation: Operation) -> AnswerWords:
    """Return the words in the description of an operation's answer."""
    return operation.spec.derive(_AnswerWordsCache).of(operation)


def _stems(text: str) -> Stems:
    return tuple(map(stem, split_words(text)))
