"""Ranks the fields that identify and describe an item for a person: its id, name, state, kind, owner and time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeGuard

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, same_name, singular
from nlapi.lazy_pattern import lazy_pattern

Item = Mapping[str, Any]

FIELD_OBJECTS = lexicon.words("resources/words", "field_objects")
"""Objects in an item with its identifying and describing fields: Kubernetes, Alertmanager, Jira, Airtable, HubSpot."""

# Objects among FIELD_OBJECTS whose fields are of the item around them, even where one is called `name`.
_FIELD_MAPS = FIELD_OBJECTS - {"status", "profile"}

# Fields of an object that represents one text: WordPress's `title.rendered`, Jira's `status.name`, GitHub's user.
_TEXT_FIELDS = tuple(lexicon.text("resources/words", "text_fields").split())

_NAME_FIELDS = frozenset(("name", "displayname", "fullname", "title", "label", "login", "username", "email", "key"))
# Fields beside a name in an object that refers to an item and is not one itself.
_REFERENCE_FIELDS = lexicon.words("resources/words", "reference_fields")

# Contentful has a text in each language: {"title": {"en-US": "Hello"}}.
_LOCALE = lazy_pattern(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?")
# Fields of an object with no more than a text and its format: WordPress's {"rendered": ..., "protected": false}.
_MAX_TEXT_FIELDS = 4

NAMES = tuple(lexicon.text("resources/words", "names").split())
"""Names of the field with the name of an item, without case and separators, the likeliest first."""

IDS = ("id", "uuid", "guid", "gid", "sid", "uid", "objectid", "number", "key", "slug", "fingerprint", "digest", "hash")
"""Names of the field with the id of an item, the likeliest first."""

LONGEST_NAME = 120
"""Characters from which a text is a description and no name."""

# Dots of a path at which its first field is looked for. Names have three or four (`app.kubernetes.io/name`); one of
# 10,000 dots in an answer took minutes for each list of such names.
MAX_DOTS = 20

_NAME_HOLDERS = FIELD_OBJECTS - {"annotations", "status", "spec"}
_CODES = ("slug", "key", "symbol", "code", "text", "names", "repotags")
# Fields that people write instead of an id: Jira's `key`, the `number` of a pull request.
_HANDLES = frozenset(("key", "number", "code", "sku"))

_STATES = frozenset("status state phase health lifecycle stage condition conclusion".split())
_FLAGS = frozenset("active enabled disabled archived draft".split())
_KINDS = frozenset("type kind category severity priority level role objective driver engine plan tier".split())
_OWNERS = lexicon.words("resources/words", "owners")
_UNITS = frozenset(("micros", "micro", "cents"))
_AMOUNTS = frozenset("amount total price balance budget cost currency".split())
# Words in the names of times, the first event before later changes.
_TIMES = "start started starts created date time published due scheduled end ended ends updated modified at".split()

GIVEN_NAMES, FAMILY_NAMES = (
    tuple(lexicon.text("resources/words", name).split()) for name in ("given_names", "family_names")
)
"""Names of the fields with the parts of a person's name, without case and separators."""

# An id that nobody reads: a hash, a UUID.
_OPAQUE = lazy_pattern(r"(?:sha\d+:)?[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


# Types of JSON but objects: `isinstance` with Mapping took a tenth of the time of a table, most of it for these.
_PLAIN_TYPES = frozenset((str, int, float, bool, type(None), list))


def _is_object(value: object) -> TypeGuard[Item]:
    return type(value) is dict or (type(value) not in _PLAIN_TYPES and isinstance(value, Mapping))


def fields_of(item: Item, depth: int = 2) -> dict[str, object]:
    """Return the fields of an item by their path, also those of the objects in it: `metadata.name`.

    Lists, objects that represent a text, and objects below `depth` levels stay values.
    """
    fields: dict[str, Any] = {}
    for key, value in item.items():
        if _is_object(value) and value and depth > 1 and not _text_key(value, str(key)):
            fields |= {f"{key}.{inner}": field for inner, field in fields_of(value, depth - 1).items()}
        else:
            fields[str(key)] = value
    return fields


def field_at(item: object, path: str) -> object:
    """Return the field of an item at a path such as `metadata.name`, or None.

    A name with dots in it (`app.kubernetes.io/name`) is also found.
    """
    if not _is_object(item):
        return None
    if path in item:
        return item[path]
    for head, rest in path_splits(path):
        if head in item:
            return field_at(item[head], rest)
    return None


def path_splits(path: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read a path as a field, whose name may have dots, and the path inside of it."""
    index = path.find(".")
    for _ in range(MAX_DOTS):
        if index < 0:
            return
        yield path[:index], path[index + 1 :]
        index = path.find(".", index + 1)


def _text_key(value: Item, name: str = "") -> str:
    """Return the field with the text that an object represents; "" for an object that is more than a text.

    `name` is the name of the object: the fields in `metadata` or `labels` are of the item around it.
    """
    if name_key(name) in _FIELD_MAPS:
        return ""
    texts = {name_key(str(key)): str(key) for key, field in value.items() if isinstance(field, str)}
    if texts and len(texts) == len(value) and all(_LOCALE.fullmatch(str(key)) for key in value):
        return str(next(iter(value)))
    likeliest = [key for key in _TEXT_FIELDS if key in texts]
    text_field = next((key for key in likeliest if value[texts[key]]), next(iter(likeliest), ""))
    if text_field in _NAME_FIELDS:
        is_reference = any(name_key(str(key)) in _REFERENCE_FIELDS for key in value) or len(value) == 1
        return texts[text_field] if is_reference and not _has_objects(value) else ""
    return texts[text_field] if text_field and len(value) <= _MAX_TEXT_FIELDS else ""


def _has_objects(value: Item) -> bool:
    """Return whether an object has lists of objects, so that it is an item itself."""
    return any(isinstance(field, list) and any(map(_is_object, field)) for field in value.values())


def text_of(value: object, name: str = "") -> str:
    """Return the text that a value represents; "" where it is neither a text nor an object for one."""
    if isinstance(value, str):
        return value
    if _is_object(value) and (key := _text_key(value, name)):
        return str(value[key])
    return ""


def is_empty(value: object) -> bool:
    """Return whether a field has no content: null, an empty text or list, an object of such fields."""
    if _is_object(value):
        return all(map(is_empty, value.values()))
    return value is None or value == "" or value == []


class FieldRank(IntEnum):
    """The meaning of a field for a person, the most identifying first."""

    NAME = 0
    ID = 1
    STATE = 2
    KIND = 3
    OWNER = 4
    OPAQUE_ID = 5
    AMOUNT = 6
    TIME = 7
    PLAIN = 8
    CONSTANT = 9
    LINK = 10
    """an address, a hash, a long text"""
    NESTED = 11


def name_path(item: Item, noun: Sequence[str] = ()) -> str:
    """Return the path of the field with the name of an item; "" where it has none.

    `noun` is the noun of the item, in the singular: `hotel_name` names a hotel.
    """
    keys = {name_key(str(key)): str(key) for key in reversed(list(item))}
    noun_name = "".join(noun) + "name"
    candidates = (*NAMES[:3], noun_name, *NAMES[3:]) if noun else NAMES
    for name in candidates:
        if name in keys and name not in _CODES and (path := _text_path(item, keys[name])):
            return path
    # A name one level down (`metadata.name`) goes before a code, and before a field such as `sourceName`.
    if nested := next(_nested_names(item), ""):
        return nested
    ends = [path for key in item if name_words(str(key))[-1:] == ("name",) and (path := _text_path(item, str(key)))]
    codes = [path for name in _CODES if name in keys and (path := _text_path(item, keys[name]))]
    return next(iter((*ends, *codes)), "")


def _nested_names(item: Item) -> Iterator[str]:
    """Yield the paths of names one level down, in the objects that describe an item, the likeliest first."""
    objects = [(str(parent), content) for parent, content in item.items() if isinstance(content, Mapping)]
    objects = [(parent, content) for parent, content in objects if name_key(parent) in _NAME_HOLDERS]
    for name in (name for name in NAMES if name not in _CODES):
        for parent, content in objects:
            keys = {name_key(str(key)): str(key) for key in content}
            if name in keys and not _text_key(content, parent) and (path := _text_path(content, keys[name])):
                yield f"{parent}.{path}"


def _text_path(item: Item, key: str) -> str:
    """Return the path of the text in a field: the field itself, the first of its list, or the text of its object."""
    value = item.get(key)
    if isinstance(value, str) and value:
        return key if len(value) <= LONGEST_NAME else ""
    if isinstance(value, list) and value and isinstance(value[0], str) and value[0]:
        return f"{key}.0"
    if isinstance(value, Mapping) and (text := _text_key(value)):
        return f"{key}.{text}" if len(value[text]) <= LONGEST_NAME else ""
    return ""


def _text_at(item: Item, path: str) -> str:
    """Return the text at a path of `name_path`: of `Names.0` the first of the list, without the slash before it."""
    parent, _, last = path.rpartition(".")
    if last == "0" and isinstance(texts := field_at(item, parent), list):
        # Docker lists container names as ["/web"].
        return str(texts[0]).removeprefix("/") if texts else ""
    value = field_at(item, path)
    return value if isinstance(value, str) else ""


def name_of(item: Item, noun: Sequence[str] = ()) -> str:
    """Return the name of an item, of a person the first and the last one; "" where it has none."""
    path = name_path(item, noun)
    is_other = name_key(path) in (*GIVEN_NAMES, *FAMILY_NAMES) or name_key(path) not in NAMES[:3]
    return (_person_name(item) if is_other else "") or (_text_at(item, path) if path else "")


def _person_name(item: Item) -> str:
    """Return the first and the last name of a person, which are separate fields; "" where one is absent."""
    texts = {name_key(str(key)): value for key, value in item.items() if isinstance(value, str) and value}
    names = [next((texts[key] for key in keys if key in texts), "") for keys in (GIVEN_NAMES, FAMILY_NAMES)]
    return " ".join(names) if all(names) else ""


def id_path(item: Item, argument: str = "", noun: Sequence[str] = ()) -> str:
    """Return the path of the field that identifies an item among those of its kind; "" where none does.

    `argument` takes the id: for `pull_number` the field `number` goes before all others, for `name` the name, and for
    `campaign_id` the field of that name before all others but `id`.
    """
    keys = {name_key(str(key)): str(key) for key in reversed(list(item)) if is_id_value(item[key])}
    noun_key, argument_key, last = "".join(noun), name_key(argument), "".join(name_words(argument)[-1:])
    first = () if last in ("id", "ids") else (argument_key, last) if last in (*IDS, *NAMES) else (argument_key,)
    for key in (
        *first,
        "id",
        argument_key,
        argument_key.removesuffix("s"),
        f"{noun_key}id",
        f"{noun_key}uuid",
        *IDS[1:],
    ):
        if key and key in keys:
            return keys[key]
    ids = [path for key, path in keys.items() if key.endswith("id")]
    return ids[0] if len(ids) == 1 else _nested_id(item, argument)


def _nested_id(item: Item, argument: str) -> str:
    """Return the path of the id one level down: `sys.id`, and `metadata.name`, by which Kubernetes identifies."""
    for parent, content in item.items():
        if name_key(str(parent)) in FIELD_OBJECTS and isinstance(content, Mapping):
            keys = {name_key(str(key)): str(key) for key in content if is_id_value(content[key])}
            names = ("name",) if name_key(str(parent)) == "metadata" else ()
            id_key = next((keys[key] for key in (name_key(argument), "id", *names, "uid") if key in keys), None)
            if id_key is not None:
                return f"{parent}.{id_key}"
    return ""


def is_id_value(value: object) -> TypeGuard[str | int]:
    """Return whether a value can be an id: a text or a number."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def id_of(item: Item, argument: str = "", noun: Sequence[str] = ()) -> object:
    """Return the id of an item, for an argument of that name which takes the id of `noun`; None where it has none."""
    path = id_path(item, argument, noun)
    return field_at(item, path) if path else None


def columns(
    items: Sequence[Item], noun: Sequence[str] = (), *, fields: Sequence[Mapping[str, object]] = ()
) -> list[str]:
    """Return the paths of the fields that describe items in a table, the most identifying first.

    A field that is empty in all items is left out; one with the same value in all, a link or a nested object comes
    last. `fields` are those of each item, where they were read before.
    """
    rows = fields or [fields_of(item) for item in items]
    paths = dict.fromkeys(path for row in rows for path in row)
    filled = [path for path in paths if any(not is_empty(row.get(path)) for row in rows)]
    name = _most_frequent([name_path(item, noun) for item in items])
    id = _most_frequent([id_path(item, "", noun) for item in items]) or _number_path(rows, noun)
    label = name if name in paths else name.rpartition(".")[0]

    def order(path: str) -> tuple[FieldRank, int, int]:
        values = [row.get(path) for row in rows]
        if path == label:
            return FieldRank.NAME, 0, 0
        if path == id:
            return (FieldRank.OPAQUE_ID if label and _is_opaque(values) else FieldRank.ID), 0, 0
        return _rank(path, values, noun)

    return _without_repetition(sorted(filled, key=order), rows)


def _number_path(rows: Sequence[Item], noun: Sequence[str]) -> str:
    """Return the field with the numbers of items that have no other id: `revision` of revisions; "" without one."""
    name = noun[-1] if noun else ""
    numbers = [row.get(name) for row in rows]
    return name if all(type(number) is int for number in numbers) and len(set(numbers)) == len(numbers) else ""


def _without_repetition(paths: Sequence[str], rows: Sequence[Item]) -> list[str]:
    """Return the paths, with those last whose texts an earlier path also has: `id` beside the same `name`."""
    earlier_texts: set[str] = set()
    repeated: list[str] = []
    for path in paths:
        values = repr([row[path] for row in rows if isinstance(row.get(path), str)])
        if values in earlier_texts and values != "[]":
            repeated.append(path)
        earlier_texts.add(values)
    return [*(path for path in paths if path not in repeated), *repeated]


def label_rank(path: str) -> FieldRank | None:
    """Return STATE, KIND or OWNER for a field that sorts items as a label does; None for another field."""
    holder, _, name = path.rpartition(".")
    words = name_words(name)
    last = singular(words[-1]) if words else ""
    if last in _STATES:
        return FieldRank.STATE
    if last in _KINDS or last.endswith("type"):
        return FieldRank.KIND
    return FieldRank.OWNER if last in _OWNERS or name_key(holder.rpartition(".")[2]) == "labels" else None


def _most_frequent(paths: Sequence[str]) -> str:
    return max(filter(None, dict.fromkeys(paths)), key=paths.count, default="")


def _is_opaque(values: Sequence[object]) -> bool:
    return all(isinstance(value, str) and _OPAQUE.fullmatch(value) for value in values if value is not None)


def _rank(path: str, values: Sequence[object], noun: Sequence[str]) -> tuple[FieldRank, int, int]:
    """Return the rank of a field with its values, its depth and its order among fields of that rank."""
    present = [value for value in values if not is_empty(value)]
    holder, _, name = path.rpartition(".")
    depth = 0 if name_key(holder) in FIELD_OBJECTS else path.count(".")
    words = name_words(name)
    if any((isinstance(value, list) or _is_object(value)) and not _is_short(value) for value in present):
        return FieldRank.NESTED, depth, 0
    # Links and hashes fill a column without telling a person anything.
    if any(is_link(value) or (isinstance(value, str) and len(value) > LONGEST_NAME) for value in present):
        return FieldRank.LINK, depth, 0
    if present and _is_opaque(present):
        return FieldRank.LINK, depth, 0
    time = _time_order(words, present)
    if depth == 0 and (rank := _rank_by_name(words, holder, values, noun, has_time=time is not None)) is not None:
        return rank, path.count("."), 0
    if time is not None and depth == 0:
        return FieldRank.TIME, path.count("."), time
    return FieldRank.CONSTANT if _is_constant(values) else FieldRank.PLAIN, depth, 0


def _is_constant(values: Sequence[object]) -> bool:
    return len(values) > 1 and all(value == values[0] for value in values)


def _rank_by_name(
    words: Sequence[str], holder: str, values: Sequence[object], noun: Sequence[str], *, has_time: bool
) -> FieldRank | None:
    """Return the rank of a field by its name; None where the name has no meaning for it."""
    words = [word for word in words if word not in _UNITS]
    last = singular(words[-1]) if words else ""
    is_short = len(words) <= 2
    if last in _HANDLES and len(words) == 1:
        return FieldRank.ID
    if is_short and (last in _STATES or last in _FLAGS):
        return FieldRank.STATE
    if (last in _KINDS or last.endswith("type")) and is_short:
        return FieldRank.CONSTANT if _is_constant(values) else FieldRank.KIND
    if last in _OWNERS and is_short and not same_name(last, "".join(noun)):
        return FieldRank.OWNER
    if name_key(holder) == "labels":
        return FieldRank.OWNER if all(value is not None for value in values) else None
    if last in _AMOUNTS and is_short and not has_time:
        return FieldRank.AMOUNT
    return None


def _time_order(words: Sequence[str], present: Sequence[object]) -> int | None:
    """Return the position of a time among times, by its name; None for another field."""
    places = [_TIMES.index(word) for word in words if word in _TIMES]
    return min(places) if places and all(map(_may_be_time, present)) else None


def _may_be_time(value: object) -> bool:
    """Return whether a value may be a moment: a text, or the seconds since 1970 of a day after March 1973."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value > 10**8)


def is_link(value: object) -> bool:
    """Return whether a field is an address, or a path of several segments."""
    return isinstance(value, str) and value.startswith(("http://", "https://", "/")) and "/" in value[1:]


def _is_short(value: object) -> bool:
    """Return whether a list is of a few plain values, or an object represents a text."""
    if _is_object(value):
        return bool(_text_key(value))
    return isinstance(value, list) and len(value) <= 3 and all(isinstance(entry, str | int | float) for entry in value)
