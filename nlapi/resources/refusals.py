"""The fields that an API names when it refuses a request, in any form of error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from nlapi.english import lexicon
from nlapi.openapi.spec import as_list

# The keys of an entry that name its field: RFC 9457, JSON:API and GitHub, Google, Stripe, FastAPI and OData.
_FIELD_KEYS = tuple(lexicon.text("resources/words", "refused_fields").split())
_REASON_KEYS = tuple(lexicon.text("resources/words", "refused_reasons").split())
# The keys of lists of texts that are not names of fields.
_MESSAGE_KEYS = lexicon.words("resources/words", "refused_messages")
# Parts of a path that are not names of the request: FastAPI's `body`, JSON:API's `/data/attributes`.
_PLACES = lexicon.words("resources/words", "refused_places")
# What stands around the name of a field that is missing or wrong.
_BEFORE, _AFTER = (lexicon.text("resources/words", f"refused_{place}") for place in ("before", "after"))
# Levels and entries that are looked at: an answer may be of any size.
_MAX_DEPTH = 8
_MAX_FIELDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedField:
    """A field that an API refuses or misses: the names on its path, and the reason that the API gives."""

    path: tuple[str, ...]
    reason: str = ""


def refused_fields(data: object) -> tuple[RefusedField, ...]:
    """Return the fields that an error names, each once."""
    fields: dict[tuple[str, ...], RefusedField] = {}
    for entry in islice(_entries(data, _MAX_DEPTH), _MAX_FIELDS):
        fields.setdefault(entry.path, entry)
    return tuple(fields.values())


def is_refused(text: str, name: str, value: object) -> bool:
    """Return whether a reason speaks of a field by its name, or by the value that was sent for it."""
    if isinstance(value, str) and len(value) > 2 and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text):
        return True
    field = rf"(?<![\w.]){re.escape(name)}\b"
    forms = rf"[`'\"“]{field}[`'\"”]|{_BEFORE}{field}|{field}{_AFTER}"
    return re.search(forms, text, re.IGNORECASE) is not None


def _entries(node: object, depth: int) -> Iterator[RefusedField]:
    if depth == 0:
        return
    for item in as_list(node)[:_MAX_FIELDS]:
        yield from _entries(item, depth - 1)
    if not isinstance(node, Mapping):
        return
    reason = _reason(node)
    source = node.get("source")
    for holder in (node, source if isinstance(source, Mapping) else {}):
        # `name` alone is that of an item; beside a reason it is that of a field.
        names = (key for key in _FIELD_KEYS if key in holder and (key != "name" or reason))
        if (key := next(names, "")) and (path := _path(holder[key])):
            yield RefusedField(path=path, reason=reason)
            break
    for name, value in node.items():
        # Rails, Django, ASP.NET and Mongoose: the fields are the keys, with what is wrong with each.
        if name not in _MESSAGE_KEYS and (text := _first_text(value)):
            yield RefusedField(path=_path(str(name)), reason=text)
            continue
        inner = list(_entries(value, depth - 1))
        yield from inner
        if not inner and name not in _MESSAGE_KEYS and (text := _reason(value)):
            yield RefusedField(path=_path(str(name)), reason=text)
        texts = value.items() if name == "errors" and isinstance(value, Mapping) else ()
        yield from (RefusedField(path=_path(str(key)), reason=text) for key, text in texts if isinstance(text, str))


def _reason(value: object) -> str:
    """Return the reason in an entry; "" without one."""
    texts = (value.get(key) for key in _REASON_KEYS) if isinstance(value, Mapping) else ()
    return next((text for text in texts if isinstance(text, str)), "")


def _first_text(value: object) -> str:
    """Return the first of a list of texts; "" for any other value."""
    is_texts = isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value[:_MAX_FIELDS])
    return str(as_list(value)[0]) if is_texts else ""


def _path(value: object) -> tuple[str, ...]:
    """Return the names in a place: `["body", "name"]`, `/data/attributes/name`, `budget.amount`, `$.items[0].name`."""
    if isinstance(value, list):
        parts = [str(part) for part in value]
    elif isinstance(value, str):
        parts = value.replace("#", "").replace("[", ".").replace("]", "").replace("/", ".").split(".")
    else:
        return ()
    names = tuple(part for part in parts if part and part != "$" and not part.isdigit())
    start = next((number for number, part in enumerate(names) if part not in _PLACES), len(names))
    return names[start:]
