"""Reads the fields of a thing by their path, and the short text that an object in it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nlapi.resources.naming import name_key

Thing = Mapping[str, Any]

HOLDERS = frozenset("metadata labels annotations attributes fields properties spec status profile snippet sys".split())
"""Objects in a thing that hold what identifies and describes it: Kubernetes, Alertmanager, Jira, Airtable, HubSpot."""

_MAPS = HOLDERS - {"status", "profile"}
"""Those of them whose fields are of the thing around them, even where one is called `name`."""

_TEXTS = (
    *("text", "value", "rendered", "raw", "name", "displayname", "fullname", "title", "full", "label", "login"),
    *("username", "email", "key", "datetime", "date"),
)
"""Fields of an object that stands for one text: WordPress's `title.rendered`, Jira's `status.name`, GitHub's user."""

_NAMED = frozenset(("name", "displayname", "fullname", "title", "label", "login", "username", "email", "key"))
_REFERS = frozenset("id uid uuid gid sid accountid self url uri href htmlurl type kind iconurl active primary".split())
"""Fields beside a name by which an object refers to a thing rather than being one."""

_LOCALE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?")
_SMALL = 4
"""Fields of an object that is no more than a text with its format."""


def fields_of(thing: Thing, depth: int = 2) -> dict[str, Any]:
    """Return the fields of a thing by their path: those of the objects in it too, as `metadata.name`.

    Lists, objects that stand for a text, and those deeper than `depth` levels stay as they are.
    """
    fields: dict[str, Any] = {}
    for key, value in thing.items():
        if isinstance(value, Mapping) and value and depth > 1 and not text_key(value, str(key)):
            fields |= {f"{key}.{inner}": field for inner, field in fields_of(value, depth - 1).items()}
        else:
            fields[str(key)] = value
    return fields


def field_at(thing: Any, path: str) -> Any:
    """Return the field of a thing at a path such as `metadata.name`; None where there is none.

    A name with dots in it (`app.kubernetes.io/name`) is found too.
    """
    if not isinstance(thing, Mapping):
        return None
    if path in thing:
        return thing[path]
    for place, char in enumerate(path):
        if char == "." and path[:place] in thing:
            return field_at(thing[path[:place]], path[place + 1 :])
    return None


def text_key(value: Thing, name: str = "") -> str:
    """Return the field with the text that an object stands for; "" for an object that is more than a text.

    `name` is what the object is called: what is in `metadata` or `labels` is of the thing around it.
    """
    if name_key(name) in _MAPS:
        return ""
    texts = {name_key(str(key)): str(key) for key, field in value.items() if isinstance(field, str)}
    if texts and len(texts) == len(value) and all(_LOCALE.fullmatch(str(key)) for key in value):
        return str(next(iter(value)))
    likeliest = [key for key in _TEXTS if key in texts]
    found = next((key for key in likeliest if value[texts[key]]), next(iter(likeliest), ""))
    if found in _NAMED:
        refers = any(name_key(str(key)) in _REFERS for key in value) or len(value) == 1
        return texts[found] if refers and not _holds_much(value) else ""
    return texts[found] if found and len(value) <= _SMALL else ""


def _holds_much(value: Thing) -> bool:
    """Whether an object has lists of objects, or objects of its own that are more than texts: it is a thing itself."""
    return any(isinstance(field, list) and any(isinstance(one, Mapping) for one in field) for field in value.values())


def text_of(value: Any, name: str = "") -> str:
    """Return the text that a value stands for; "" where it is neither a text nor an object that stands for one."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and (key := text_key(value, name)):
        return str(value[key])
    return ""


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: null, an empty text or list, an object of such fields."""
    if isinstance(value, Mapping):
        return all(map(is_empty, value.values()))
    return value is None or value == "" or value == []
