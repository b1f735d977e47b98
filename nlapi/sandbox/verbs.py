"""Status transitions: the status of an item after an action, as PUBLISHED or ACTIVE after `publish`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.resources.naming import name_key, name_words
from nlapi.sandbox.schemas import Schemas

# Only for statuses that do not begin as their verb does; `pause` finds PAUSED by itself.
STATUS_BY_VERB = {
    "publish": ("published", "live", "active"),
    "activate": ("active", "enabled"),
    "enable": ("enabled", "active"),
    "disable": ("disabled", "inactive"),
    "deactivate": ("inactive", "disabled"),
    "resume": ("active", "running", "enabled"),
    "unpause": ("active", "running", "enabled"),
    "start": ("started", "running", "active", "inprogress"),
    "launch": ("running", "live", "active"),
    "stop": ("stopped", "inactive", "paused"),
    "finish": ("finished", "completed", "done"),
    "restore": ("active", "restored"),
    "unarchive": ("active",),
    "reopen": ("open", "opened", "active"),
    "submit": ("submitted", "pending", "inreview"),
    "pay": ("paid",),
    "send": ("sent",),
    "ship": ("shipped",),
    "refund": ("refunded",),
    "delete": ("deleted",),
}
# Statuses of a new item, the likeliest first.
NEW_STATUSES = ("draft", "pending", "created", "new", "queued", "open", "active", "enabled")


def status_properties(schema: Any, schemas: Schemas) -> Iterator[tuple[str, list[str]]]:
    """Yield the status properties of a schema, with their enum values."""
    for name, property_schema in schemas.properties(schema).items():
        if set(name_words(name)) & {"status", "state"}:
            flat = schemas.flat(property_schema)
            values = [value for value in flat.get("enum") or () if isinstance(value, str)]
            if values:
                yield name, values


def statuses_after(verb: str, schema: Any, schemas: Schemas) -> dict[str, str]:
    """Return the status properties that an action sets, by name."""
    stem = name_words(verb)[0] if name_words(verb) else ""
    new_values = {}
    for name, values in status_properties(schema, schemas):
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
    listed = [by_word[word] for word in STATUS_BY_VERB.get(verb, ()) if word in by_word]
    return next(iter((*similar, *listed)), None)


def new_status(name: str, schema: Mapping[str, Any]) -> Any:
    """Return the status of a new item: the default, the likeliest value, or the first."""
    if "default" in schema:
        return schema["default"]
    values = [value for value in schema.get("enum") or () if isinstance(value, str)]
    by_word = {name_key(value): value for value in values}
    return next((by_word[word] for word in NEW_STATUSES if word in by_word), values[0] if values else None)
