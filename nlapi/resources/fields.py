"""Reads the fields of an item by their path, and the short text that an object in it represents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nlapi.resources.naming import name_key

Item = Mapping[str, Any]

FIELD_OBJECTS = frozenset("metadata labels annotations attributes fields properties spec status profile snippet sys".split())
"""Objects in an item with its identifying and describing fields: Kubernetes, Alertmanager, Jira, Airtable, HubSpot."""

# Objects among FIELD_OBJECTS whose fields are of the item around them, even where one is called `name`.
_FIELD_MAPS = FIELD_OBJECTS - {"status", "profile"}

# Fields of an object that represents one text: WordPress's `title.rendered`, Jira's `status.name`, GitHub's user.
_TEXT_FIELDS = (
    *("text", "value", "rendered", "raw", "name", "displayname", "fullname", "title", "full", "label", "login"),
    *("username", "email", "key", "datetime", "date"),
)

_NAME_FIELDS = frozenset(("name", "displayname", "fullname", "title", "label", "login", "username", "email", "key"))
# Fields beside a name in an object that refers to an item and is none itself.
_REFERENCE_FIELDS = frozenset("id uid uuid gid sid accountid self url uri href htmlurl type kind iconurl active primary".split())

# Contentful has a text in each language: {"title": {"en-US": "Hello"}}.
_LOCALE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?")
# Fields of an object with no more than a text and its format: WordPress's {"rendered": ..., "protected": false}.
_MAX_TEXT_FIELDS = 4


def fields_of(item: Item, depth: int = 2) -> dict[str, Any]:
    """Return the fields of an item by their path, also those of the objects in it: `metadata.name`.

    Lists, objects that represent a text, and objects below `depth` levels stay values.
    """
    fields: dict[str, Any] = {}
    for key, value in item.items():
        if isinstance(value, Mapping) and value and depth > 1 and not text_key(value, str(key)):
            fields |= {f"{key}.{inner}": field for inner, field in fields_of(value, depth - 1).items()}
        else:
            fields[str(key)] = value
    return fields


def field_at(item: Any, path: str) -> Any:
    """Return the field of an item at a path such as `metadata.name`; None where there is none.

    A name with dots in it (`app.kubernetes.io/name`) is also found.
    """
    if not isinstance(item, Mapping):
        return None
    if path in item:
        return item[path]
    for index, char in enumerate(path):
        if char == "." and path[:index] in item:
            return field_at(item[path[:index]], path[index + 1 :])
    return None


def text_key(value: Item, name: str = "") -> str:
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
    return any(isinstance(field, list) and any(isinstance(entry, Mapping) for entry in field) for field in value.values())


def text_of(value: Any, name: str = "") -> str:
    """Return the text that a value represents; "" where it is neither a text nor an object for one."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and (key := text_key(value, name)):
        return str(value[key])
    return ""


def is_empty(value: Any) -> bool:
    """Return whether a field has no content: null, an empty text or list, an object of such fields."""
    if isinstance(value, Mapping):
        return all(map(is_empty, value.values()))
    return value is None or value == "" or value == []
