"""Finds the part of an answer that an argument wants: by the id that it identifies, or by its name."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular
from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import SchemaView, find_item, find_list
from nlapi.resources.nouns import ID_WORDS, id_field, is_id_argument, singular_noun, target_noun
from nlapi.resources.paths import Place
from nlapi.resources.schemas import ref_of
from nlapi.workflows.expressions import Accessors
from nlapi.workflows.value_schemas import ValueSchema

# Levels of objects that are searched, and properties of one answer: recursive schemas have no end.
MAX_DEPTH = 5
MAX_PROPERTIES = 2_000

# Nouns of operations and schemas that are of any kind.
_GENERAL_NOUNS = lexicon.words("workflows/words", "general_nouns")


def find_argument_value(
    value: ValueSchema, source: Operation | None, operation: Operation, place: Place, *, hint: str = ""
) -> Accessors | None:
    """Return the accessors into a value that lead to what a place of an operation wants; None where nothing fits.

    `source` is the operation that answered the value, `hint` a name that the document has for it: an output's.
    """
    if value.reader is None or not value.is_described:
        return None
    base, entry = entry_of(value)
    names = [name for name in (place[1], hint) if name]
    for name in names:
        if (nested := _nested_id(entry, name)) is not None:
            return (*base, *nested)
    schema_words = {word for part in (value, entry) for word in name_words(ref_of(part.schema).rpartition("/")[2])}
    is_other = source is not None and _is_of_another_kind(
        {*singular_noun(source), *schema_words}, operation, place, names
    )
    if not is_other and (field := _id_of_entry(entry, source, operation, place, names)) is not None:
        return (*base, *field)
    for name in names:
        # `id` of an item of another kind is not the id that is wanted, though it is called so.
        if (found := find_named(value, name, want_scalar=True)) is not None and not (
            is_other and name_words(name)[1:] == ()
        ):
            return found
    if entry.is_scalar:
        return base
    return None if is_other else _plain_field(value, base, entry, place, names)


def _plain_field(
    value: ValueSchema, base: Accessors, entry: ValueSchema, place: Place, names: list[str]
) -> Accessors | None:
    """Return the way to the field of an item that a name ends in, or to its id."""
    for name in names:
        if (suffix := suffix_field(entry, name)) is not None:
            return (*base, suffix)
    for name in names:
        last = name_words(name)[-1:]
        if last and last[0] in ID_WORDS and (found := find_named(value, last[0], want_scalar=True)) is not None:
            return found
    # A path names an item by its id, else by its name: `{version}` of Google's resource names.
    keys = ("id", "name") if place[0] == "path" else ()
    return next(((*base, key) for key in keys if entry.part((key,)).is_scalar), None)


def _nested_id(entry: ValueSchema, name: str) -> Accessors | None:
    """Return the way to the id of an object of an item: `new_project_gid` is `new_project.gid`. None for none.

    Only what the item itself has is meant: an object deeper inside belongs to something else.
    """
    words = name_words(name)
    if len(words) < 2 or words[-1] not in ID_WORDS:
        return None
    holder = next((key for key in entry.names if name_words(key) == words[:-1]), "")
    inner = entry.part((holder,)) if holder else entry
    field = next((key for key in inner.names if holder and name_words(key) == words[-1:]), "")
    return (holder, field) if field and inner.part((field,)).is_scalar else None


def _is_of_another_kind(item: set[str], operation: Operation, place: Place, names: list[str]) -> bool:
    """Return whether an item, by the words for it, is plainly not of the kind that a place identifies.

    A comment's id is no `media_id`, though both are ids.
    """
    named = [words[-2] for name in names if len(words := name_words(name)) > 1 and words[-1] in ID_WORDS]
    target = target_noun(operation, place)[-1:] if not named else ()
    kinds = {singular(word) for word in (*named, *target)}
    # A word that says nothing of the kind does not hide those that do: a `CommentEntry` is a comment.
    item, kinds = item - _GENERAL_NOUNS, kinds - _GENERAL_NOUNS
    if not item or not kinds:
        return False
    return not any(kind.endswith(word) or word.endswith(kind) for kind in kinds for word in item)


def _id_of_entry(
    entry: ValueSchema, source: Operation | None, operation: Operation, place: Place, names: list[str]
) -> Accessors | None:
    """Return the way to the field of an item by which a place of an operation identifies it; None for none."""
    if entry.reader is None:
        return None
    noun = target_noun(operation, place)
    item_noun = singular_noun(source) if source is not None else noun
    for name in names:
        words = name_words(name)
        # `time_period_gid` of a time period is its `gid`, whatever its description says of names.
        if len(words) > 1 and words[-1] in ID_WORDS and words[-2:-1] == item_noun[-1:]:
            same = next((key for key in entry.names if name_words(key) == words[-1:]), "")
            if same and entry.part((same,)).is_scalar:
                return (same,)
    parameter = operation.parameter(*place) if place[0] != "body" else None
    # `custom_field` of a custom field wants its id, though no word of it says so.
    is_item = bool(item_noun) and name_words(place[1])[-len(item_noun) :] == item_noun
    if not is_item and not is_id_argument(place, parameter):
        return None
    field = id_field(entry.reader, entry.schema, place[1], noun or item_noun, item_noun, parameter)
    accessors: Accessors = tuple(field.split(".")) if field and field != "uri" else ()
    return accessors if accessors and entry.part(accessors).is_scalar else None


def suffix_field(entry: ValueSchema, name: str) -> str | None:
    """Return the one plain field of an item that a name ends in, or that ends in it; None for none, or several.

    `main_location_id` of an item is its `id`, and `token` its `access_token`.
    """
    if entry.reader is None:
        return None
    fields = [key for key in entry.reader.properties(entry.schema) if entry.part((key,)).is_scalar]
    last = [key for key in fields if name_words(key) == name_words(name)[-1:]]
    matches = last or [key for key in fields if has_same_words(name, key)]
    return matches[0] if len(matches) == 1 else None


def entry_of(value: ValueSchema) -> tuple[Accessors, ValueSchema]:
    """Return the way to the item in a value, through its envelope and the first entry of its list, and its schema."""
    if value.reader is None:
        return (), value
    view = SchemaView(value.schema, value.reader)
    envelope = find_list(view)
    if envelope is not None and not envelope.is_map:
        keys: Accessors = (*envelope.keys, 0)
    elif "array" in value.types:
        keys = (0,)
    else:
        keys = find_item(view)
    entry = value.part(keys)
    return ((), value) if entry.fault else (keys, entry)


def find_named(value: ValueSchema, name: str, *, want_scalar: bool = False) -> Accessors | None:
    """Return the accessors to the nearest property of a name, at any level; None for none, or for several as near."""
    queue: deque[tuple[Accessors, ValueSchema]] = deque([((), value)])
    matches: list[Accessors] = []
    count = 0
    while queue and count < MAX_PROPERTIES:
        accessors, part = queue.popleft()
        if matches and len(accessors) >= len(matches[0]):
            break
        if part.reader is None or len(accessors) > 2 * MAX_DEPTH:
            continue
        if "array" in part.types:
            queue.append(((*accessors, 0), part.part((0,))))
        for key, schema in part.reader.properties(part.schema).items():
            count += 1
            inner = ValueSchema(schema=schema if isinstance(schema, Mapping) else {}, reader=part.reader)
            place = (*accessors, key)
            if name_key(key) == name_key(name) and (not want_scalar or inner.is_scalar):
                matches.append(place)
            queue.append((place, inner))
    return matches[0] if len(matches) == 1 else None


def has_same_words(first: str, second: str) -> bool:
    """Return whether two names have the same words, or one ends in those of the other."""
    words, other = name_words(first), name_words(second)
    return bool(words) and bool(other) and (words[-len(other) :] == other or other[-len(words) :] == words)
