"""Status transitions: the status of an item after an action, as PUBLISHED or ACTIVE after `publish`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.resources.naming import name_key, name_words
from nlapi.sandbox.schemas import Schemas

# Only for statuses that do not begin as their verb does; `pause` finds PAUSED by itself.
OUTCOMES = {
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
FRESH = ("draft", "pending", "created", "new", "queued", "open", "active", "enabled")


def statuses(schema: Any, schemas: Schemas) -> Iterator[tuple[str, list[str]]]:
    """Yield the status properties of a schema, with their enum values."""
    for name, one in schemas.properties(schema).items():
        if set(name_words(name)) & {"status", "state"}:
            flat = schemas.flat(one)
            values = [value for value in flat.get("enum") or () if isinstance(value, str)]
            if values:
                yield name, values


def after(verb: str, schema: Any, schemas: Schemas) -> dict[str, str]:
    """Return the status properties that an action sets, by name."""
    stem = name_words(verb)[0] if name_words(verb) else ""
    found = {}
    for name, values in statuses(schema, schemas):
        value = _outcome(stem, values)
        if value is not None:
            found[name] = value
    return found


def _outcome(verb: str, values: list[str]) -> str | None:
    if len(verb) < 3:
        return None
    stem = verb[:-1] if verb.endswith(("e", "y")) else verb
    by_word = {name_key(value): value for value in values}
    same = [value for word, value in by_word.items() if word.startswith(stem) and len(word) <= len(verb) + 4]
    named = [by_word[word] for word in OUTCOMES.get(verb, ()) if word in by_word]
    return next(iter((*same, *named)), None)


def fresh(name: str, schema: Mapping[str, Any]) -> Any:
    """Return the status of a new item: the default, the likeliest value, or the first."""
    if "default" in schema:
        return schema["default"]
    values = [value for value in schema.get("enum") or () if isinstance(value, str)]
    by_word = {name_key(value): value for value in values}
    return next((by_word[word] for word in FRESH if word in by_word), values[0] if values else None)
