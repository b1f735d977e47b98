"""Finds the list, the item and the total in an answer, by one rule for schemas and for data.

An envelope is an object around the content of an answer. The content is found by the usual names of APIs (`data`,
`items`), by the noun of the operation (`tickets`), and by the fields beside it: paging, totals, links. An object with
an id or a name is an item and not an envelope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, TypeAlias

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Schema, as_map
from nlapi.resources.schemas import SchemaReader

# Python refuses to read more than 4,300 digits (CVE-2020-10735), and no count or page has as many as this.
MAX_DIGITS = 100


def whole_number(text: str) -> int | None:
    """Return the number that a text of decimal digits writes; None for any other text, and for one too long."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


# The share of fields that the values of a map have in common when they are items of one kind. Consul's services, for
# one, differ by optional fields.
_MAP_LIKENESS = 0.8

# Fields of an object that are looked at for totals: one of more is a map of items. 300,000 took 12 s.
MAX_ENVELOPE_FIELDS = 1_000

Keys = tuple[str, ...]
"""The names of properties that lead, one inside the other, to a part of an answer."""

LIST_NAMES = tuple(lexicon.text("resources/words", "list_names").split())
"""Usual names of the array with the list of an answer, the likeliest first."""

WRAPPERS = tuple(lexicon.text("resources/words", "wrappers").split())
"""Usual names of the object around the list or the item of an answer."""

TOTAL_NAMES = tuple(lexicon.text("resources/words", "total_names").split())
"""Usual names of the number of all items of a list, the surest first: `count` may be that of the page."""

# Words in the names of fields about a list, as in the envelopes of tests/resources/envelopes.yaml.
_PAGING_WORDS = lexicon.words("resources/words", "paging_words")

# Names of arrays and objects beside the content, which are the content only where the noun says so.
_SECONDARY_NAMES = lexicon.words("resources/words", "secondary_names")

# Those, and names of arrays that are the list of an answer only where no other array is.
_LESS_LIKELY_NAMES = _SECONDARY_NAMES | frozenset(
    "facets aggregations included includes order sort orderby constraints meta metadata infos messages".split()
)

# Names of the field by which an object identifies itself.
_IDENTITY_NAMES = frozenset(("id", "uuid", "guid", "uid", "gid", "name", "fullname", "slug"))

# Words in the names of fields that only the envelope of a list has.
_ENVELOPE_WORDS = lexicon.words("resources/words", "envelope_words")

# Levels of objects that are searched; GraphQL's `data.repositories.edges` is the deepest common one.
_MAX_DEPTH = 4


class ViewForm(StrEnum):
    """The form of a part of an answer; an OBJECT_ARRAY has only objects, an ANY_ARRAY is empty or unknown."""

    OBJECT = "object"
    OBJECT_ARRAY = "things"
    VALUE_ARRAY = "values"
    ANY_ARRAY = "bare"
    VALUE = "value"
    NULL = "nothing"


@dataclass(frozen=True, slots=True)
class DataView:
    """A part of the data of an answer."""

    value: Any

    @property
    def form(self) -> ViewForm:
        value = self.value
        if isinstance(value, Mapping):
            return ViewForm.OBJECT
        if isinstance(value, list):
            return (
                ViewForm.ANY_ARRAY
                if not value
                else ViewForm.OBJECT_ARRAY
                if all(map(_is_object, value))
                else ViewForm.VALUE_ARRAY
            )
        return ViewForm.NULL if value is None else ViewForm.VALUE

    @property
    def names(self) -> Iterable[str]:
        return self.value if isinstance(self.value, Mapping) else ()

    @property
    def is_map(self) -> bool:
        """Whether it is an object whose property names are keys of items of one kind."""
        items = list(self.value.values()) if isinstance(self.value, Mapping) else []
        # One object in another may be anything; two of one kind show a map.
        if len(items) < 2 or not all(map(_is_object, items)):
            return False
        shared = set.intersection(*(set(item) for item in items))
        are_similar = len(shared) > 1 and all(len(shared) >= _MAP_LIKENESS * len(item) for item in items)
        return are_similar and all(_is_key(key, item) for key, item in self.value.items())

    def field(self, name: str) -> DataView:
        return DataView(self.value[name])


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A part of the schema of an answer."""

    schema: Any
    reader: SchemaReader

    @property
    def form(self) -> ViewForm:
        types = self.reader.types(self.schema)
        if "array" in types:
            inner = self.reader.types(self.items)
            return ViewForm.OBJECT_ARRAY if "object" in inner else ViewForm.VALUE_ARRAY if inner else ViewForm.ANY_ARRAY
        if "object" in types or (not types and self.reader.properties(self.schema)):
            return ViewForm.OBJECT
        return ViewForm.VALUE if types != ("null",) else ViewForm.NULL

    @property
    def items(self) -> Schema:
        """The schema of an array's entries; {} where it is absent, or allows none."""
        flat = self.reader.flat(self.schema)
        items: Any = next((part["items"] for part in (flat, *self.reader.branches(flat)) if "items" in part), {})
        return as_map(items)

    @property
    def names(self) -> Iterable[str]:
        return self.reader.properties(self.schema)

    @property
    def is_map(self) -> bool:
        flat = self.reader.flat(self.schema)
        values = flat.get("additionalProperties")
        has_objects = "object" in self.reader.types(values) if isinstance(values, Mapping) else False
        return has_objects and not flat.get("properties")

    def field(self, name: str) -> SchemaView:
        return SchemaView(self.reader.properties(self.schema)[name], self.reader)


View: TypeAlias = DataView | SchemaView
"""A part of an answer, with the same properties for a schema and for data."""


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_key(key: str, item: Mapping[str, object]) -> bool:
    """Return whether the name of a property is the key of the item in it: a field has it too, or it has a digit."""
    return key in item.values() or any(map(str.isdigit, key))


_ARRAY_FORMS = (ViewForm.OBJECT_ARRAY, ViewForm.VALUE_ARRAY, ViewForm.ANY_ARRAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """The noun of an operation: `words` in the singular, and whether it is about a single item by its id."""

    words: tuple[str, ...] = ()
    is_single: bool = False


ANY_NOUN = Noun()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEnvelope:
    """The position of a list in an answer: `keys` lead to the array, or to a map of items by key (`is_map`)."""

    keys: Keys = ()
    is_map: bool = False

    def entries(self, data: object) -> list[Any] | None:
        """Return the list in `data`, each entry without the wrapper around it; None where `data` has no list there."""
        content = value_at(data, self.keys)
        if self.is_map and isinstance(content, Mapping):
            return [_with_key(key, entry) for key, entry in content.items()]
        return [unwrap_entry(entry) for entry in content] if isinstance(content, list) else None


def find_list(view: View, noun: Noun = ANY_NOUN) -> ListEnvelope | None:
    """Return the position of the list; None where the answer is an item or a value, or several lists fit.

    An array named like the noun goes before one with a usual name of lists.
    """
    keys = _list_keys(view, noun, _MAX_DEPTH)
    if keys is not None:
        return ListEnvelope(keys=keys)
    # Consul lists services as a map by name. Arrays go first, as two objects in an item may look like a map.
    for keys in ((), *((name,) for name in view.names if name_key(name) in WRAPPERS and view.form is ViewForm.OBJECT)):
        content = view.field(keys[0]) if keys else view
        if not noun.is_single and content.form is ViewForm.OBJECT and content.is_map and not _has_identity(content):
            return ListEnvelope(keys=keys, is_map=True)
    return None


def _list_keys(view: View, noun: Noun, depth: int) -> Keys | None:
    if view.form in _ARRAY_FORMS:
        return ()
    if view.form is not ViewForm.OBJECT or depth == 0:
        return None
    fields = {name: view.field(name) for name in view.names}
    arrays = {name: field for name, field in fields.items() if field.form in _ARRAY_FORMS}
    if (noun_array := _array_with_noun(arrays, noun)) is not None:
        return (noun_array,)
    if _has_identity(view):
        return None
    candidates = [name for name in arrays if not _is_secondary(name, _LESS_LIKELY_NAMES)]
    # Facets or messages may be all that an answer lists.
    candidates = candidates or [name for name in arrays if not _is_secondary(name, _SECONDARY_NAMES)]
    content_name = _content_array(fields, candidates, noun)
    if content_name is not None:
        return (content_name,)
    return _inner_keys(fields, noun, depth) if not candidates else None


def _content_array(fields: Mapping[str, View], candidates: Sequence[str], noun: Noun) -> str | None:
    """Return the array that is the content of an object; None where the object is more than an envelope."""
    object_arrays = [name for name in candidates if fields[name].form is not ViewForm.VALUE_ARRAY]
    usual_names = [name for usual_name in LIST_NAMES for name in object_arrays if name_key(name) == usual_name]
    # Other arrays may be side-loaded beside the list; `data`, `items` and `results` name it even then.
    if usual_names and not noun.is_single and (len(object_arrays) == 1 or name_key(usual_names[0]) in LIST_NAMES[:3]):
        return usual_names[0]
    arrays = object_arrays or candidates
    if len(arrays) != 1:
        return None
    content_names = [name for name, field in fields.items() if name not in arrays and _is_content(name, field)]
    envelope_fields = sum(not _ENVELOPE_WORDS.isdisjoint(name_words(name)) for name in fields if name not in arrays)
    is_certain = fields[arrays[0]].form is ViewForm.OBJECT_ARRAY and not noun.is_single
    return arrays[0] if not content_names or (is_certain and envelope_fields and len(content_names) <= 2) else None


def _inner_keys(fields: Mapping[str, View], noun: Noun, depth: int) -> Keys | None:
    """Return the keys into the one object of an envelope that has a list; None where several or none have."""
    objects = {name: field for name, field in fields.items() if field.form is ViewForm.OBJECT}
    with_noun = [name for name in objects if has_noun(name, noun.words)]
    contents = [name for name in objects if not _is_secondary(name, _LESS_LIKELY_NAMES)]
    wrappers = [name for name in objects if name_key(name) in WRAPPERS]
    has_values = any(field.form is ViewForm.VALUE and _is_content(name, field) for name, field in fields.items())
    for names in (with_noun, wrappers, contents if len(contents) == 1 and not has_values else []):
        paths = [(name, *keys) for name in names if (keys := _list_keys(objects[name], noun, depth - 1)) is not None]
        if len(paths) == 1:
            return paths[0]
    return None


def _array_with_noun(arrays: Mapping[str, View], noun: Noun) -> str | None:
    """Return the array named like the noun: `campaign_drafts` for drafts, `drafts` for campaign drafts."""
    if not noun.words or noun.is_single:
        return None
    exact = [name for name in arrays if singular_words(name) == noun.words]
    similar = exact or [
        name for name in arrays if has_noun(name, noun.words) and arrays[name].form is not ViewForm.VALUE_ARRAY
    ]
    return similar[0] if len(similar) == 1 or exact else None


def has_noun(name: str, noun: Sequence[str]) -> bool:
    """Return whether the shorter of a name and a noun ends the longer: `campaign_drafts` and draft."""
    words = singular_words(name)
    size = min(len(words), len(noun))
    return size > 0 and tuple(words[-size:]) == tuple(noun[-size:])


def _has_identity(view: View) -> bool:
    """Return whether an object has a field that identifies it; JSON-LD's `@id` is that of the answer."""
    return any(
        name_key(name) in _IDENTITY_NAMES
        and not name.startswith("@")
        and view.field(name).form in (ViewForm.VALUE, ViewForm.NULL)
        for name in view.names
    )


def _is_secondary(name: str, names: frozenset[str]) -> bool:
    return name_key(name) in names or name.startswith(("_links", "@"))


def _is_content(name: str, field: View) -> bool:
    """Return whether a field is content: neither about the list nor empty."""
    if field.form is ViewForm.NULL or _is_secondary(name, _LESS_LIKELY_NAMES):
        return False
    if field.form is ViewForm.OBJECT and name_key(name) in WRAPPERS:
        return True
    return _PAGING_WORDS.isdisjoint(name_words(name)) and not name.startswith(("@", "_"))


def find_item(view: View, noun: Noun = ANY_NOUN) -> Keys:
    """Return the keys that lead to the item in an answer about one item: () where the answer is the item itself."""
    keys: Keys = ()
    for _ in range(_MAX_DEPTH):
        if view.form is not ViewForm.OBJECT or _has_identity(view):
            break
        name = _item_name(view, noun)
        if name is None:
            break
        keys, view = (*keys, name), view.field(name)
    return keys


def _item_name(view: View, noun: Noun) -> str | None:
    fields = {name: view.field(name) for name in view.names}
    objects = [
        name
        for name, field in fields.items()
        if field.form is ViewForm.OBJECT
        # An `order` beside a list is how it is sorted; in the answer of /orders it is the item.
        and (not _is_secondary(name, _LESS_LIKELY_NAMES) or singular_words(name) == noun.words)
    ]
    content_names = [name for name, field in fields.items() if name not in objects and _is_content(name, field)]
    with_noun = [name for name in objects if noun.words and singular_words(name) == noun.words]
    wrappers = [name for name in objects if name_key(name) in WRAPPERS]
    # An object named like the noun may have two other fields of content beside it, another object none: but Apideck's
    # `data` of an item stands beside `status`, `service`, `resource` and `operation`.
    is_envelope = _reports_outcome(fields) and any(_has_identity(fields[name]) for name in wrappers)
    for names, limit in ((with_noun, 2), (wrappers, len(fields) if is_envelope else 0), (objects, 0)):
        if (
            len(names) == 1
            and len(content_names) <= limit
            and (names is not objects or len(fields) == 1 or _reports_outcome(fields))
        ):
            return names[0]
    return None


def _reports_outcome(fields: Mapping[str, View]) -> bool:
    """Return whether fields beside the item report the outcome (`ok`, `success`, `status`), as only an envelope has."""
    return any(name_key(name) in ("ok", "success", "status", "code", "requestid", "meta") for name in fields)


def value_at(data: object, keys: Sequence[str | int]) -> object:
    """Return the value in data that the keys lead to; None where they lead nowhere."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def wrap(value: object, keys: Keys) -> Any:
    """Return the value under the keys: ("data", "items") gives {"data": {"items": value}}."""
    for key in reversed(keys):
        value = {key: value}
    return value


def _with_key(key: str, entry: object) -> object:
    """Return an entry of a map of items with its key as `key`, unless one of its fields has the key."""
    return entry if not isinstance(entry, Mapping) or key in entry.values() else {"key": key, **entry}


def unwrap_entry(entry: object) -> object:
    """Return the item in an entry of a list: of `{"campaign": {...}}`, Relay's `node`, Elasticsearch's `_source`.

    The fields in JSON:API's `attributes` are put beside the id.
    """
    if not isinstance(entry, Mapping):
        return entry
    if len(entry) == 1 or (len(entry) == 2 and "cursor" in entry):
        item = next((value for key, value in entry.items() if key != "cursor"), None)
        return item if isinstance(item, Mapping) else entry
    for wrapper in ("attributes", "_source"):
        fields = entry.get(wrapper)
        if isinstance(fields, Mapping) and not {"type", "id", "_id"}.isdisjoint(entry):
            return {**{key: value for key, value in entry.items() if key != wrapper}, **fields}
    return entry


def extract_total(data: object, keys: Keys = (), headers: Mapping[str, str] | None = None) -> int | None:
    """Return the number of items over all pages, where the envelope or a header (X-Total-Count) has it; else None.

    Also of `Content-Range: items 0-9/45` (RFC 9110 §14.4).
    """
    header_values = {name.lower(): value for name, value in (headers or {}).items()}
    for name in ("x-total-count", "x-total", "x-wp-total", "total-count", "content-range"):
        text = header_values.get(name, "")
        text = text.rpartition("/")[2] if name == "content-range" else text
        if (total := whole_number(text)) is not None:
            return total
    objects = list(_envelope_objects(data, keys))
    # Some APIs name the total after the list: `totalTickets` beside `tickets`.
    for total_name in (f"total{''.join(keys[-1:]).lower()}", *TOTAL_NAMES):
        for container in objects:
            for name, value in islice(container.items(), MAX_ENVELOPE_FIELDS):
                if name_key(name) == total_name and (number := _count(value)) is not None:
                    return number
    return None


def _envelope_objects(data: object, keys: Keys) -> Iterator[Mapping[str, object]]:
    """Yield the objects on the way to a list, the nearest first, each with the objects in it about the list."""
    objects = [value_at(data, keys[:size]) for size in range(len(keys), -1, -1)]
    for container in objects:
        if isinstance(container, Mapping):
            yield container
            for name, value in islice(container.items(), MAX_ENVELOPE_FIELDS):
                is_about_list = name.startswith("@") or not _PAGING_WORDS.isdisjoint(name_words(name))
                if isinstance(value, Mapping) and name not in keys and is_about_list:
                    yield value


def _count(value: object) -> int | None:
    if isinstance(value, Mapping):
        # Elasticsearch has {"total": {"value": 3, "relation": "eq"}}.
        value = value.get("value")
    if isinstance(value, str):
        return whole_number(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
