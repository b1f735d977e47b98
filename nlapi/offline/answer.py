"""A sentence made from an answer of the API: what there is, what was changed, or what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from nlapi.client.message import Framing, Result
from nlapi.client.streaming.ending import count_items, describe_end
from nlapi.offline.checked import checked
from nlapi.offline.entities import collection_of
from nlapi.offline.fields import (
    SILENT,
    counted,
    dated,
    flat,
    label,
    noun,
    plain,
    plural,
    shown,
    spaced,
    stems_of,
)
from nlapi.offline.figures import figure, groups
from nlapi.offline.items import Item, id_of, items_in, name_of, total_in
from nlapi.offline.read import read_sentence
from nlapi.offline.sentence import Kind
from nlapi.offline.sifted import sifted
from nlapi.offline.wish import Want, Wish, wish_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import VERBS, Intent, pieces, singular, stem
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call

_DETAIL = ("detail", "message", "error_description", "title", "error", "description")
CREATED = 201
_MOST_NAMES = 6
_MOST_FIELDS = 6
_EXISTS = re.compile(r"^\W*(?:is|are|was|were) there\b|^\W*(?:does|do|did|has|have)\b|\bany\b", re.IGNORECASE)
"""Asks whether there are such things: that some are listed answers it."""
_REASONS = {
    400: "the request was not accepted",
    401: "the credential is missing or was not accepted",
    403: "this is not allowed",
    404: "there is no such thing",
    409: "it conflicts with what is there",
    422: "the values were not accepted",
    429: "too many requests; wait a little and try again",
}


def answer(question: str, steps: Sequence[Step]) -> str:
    """What the last of `steps` says to `question`, in a sentence or two; pages of one listing are taken together."""
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return "Not done: you did not agree to the call. Nothing was sent."
    if step.outcome is not Outcome.DONE or step.result is None:
        return f"Not done: {step.message}" if step.message else "Not done."
    if not step.result.ok:
        return failure(step.result)
    if step.result.items is not None and (said := _streamed(step.result)):
        return said
    if step.call.tool.effect is Effect.READ:
        return _read(question, steps)
    return _written(step.call, step.result)


def _streamed(result: Result) -> str:
    """What is said of an answer that streams: how much came, and that there may be more. "" where it came to its end
    and lists things, which is answered as any other list is."""
    end = describe_end(result)
    if not end and result.framing in (Framing.JSON_LINES, Framing.JSON_VALUES) and items_in(list(result.items or ())):
        return ""
    return f"{end[0].upper()}{end[1:]}." if end else f"{count_items(result).capitalize()} came."


def told(question: str, steps: Sequence[Step], *, several: bool) -> str:
    """The answer, and of several APIs which one gives it."""
    title = f"{steps[-1].call.tool.operation.spec.title}: " if several else ""
    return f"{title}{answer(question, steps)}"


def failure(result: Result) -> str:
    """An answer that is an error: its status, and the title and detail of its problem (RFC 9457) or their likes."""
    said: list[str] = []
    data = result.data
    if isinstance(data, Mapping):
        inner = data.get("error") if isinstance(data.get("error"), Mapping) else data
        for key in ("title", *_DETAIL):
            value = inner.get(key) if isinstance(inner, Mapping) else None
            if isinstance(value, str) and value and value not in said and len(said) < 2:
                said.append(value.rstrip("."))
    meaning = ": ".join(said) or _REASONS.get(result.status, "the API could not do it")
    return f"The API answered {result.status}: {meaning}."


def pages_of(steps: Sequence[Step]) -> list[Step]:
    """The steps at the end of `steps` that are pages of one listing, in order."""
    last = steps[-1].call
    found: list[Step] = []
    for step in reversed(steps):
        if step.call.operation_id != last.operation_id or step.call.id != last.id or step.result is None:
            break
        found.insert(0, step)
    return found


def _read(question: str, steps: Sequence[Step]) -> str:
    result, operation = steps[-1].result, steps[-1].call.tool.operation
    assert result is not None
    wish = wish_of(question)
    things = items_in(result.data)
    if things is not None:
        pages = [step.result.data for step in pages_of(steps) if step.result is not None]
        every = [thing for page in pages for thing in items_in(page) or ()]
        return _listed(question, wish, every, total_in(result.data), steps[-1].call)
    if isinstance(result.data, Mapping):
        return _one(wish, operation, _inner(result.data))
    if isinstance(result.data, list):
        said = ", ".join(map(str, result.data[:20]))
        return f"{counted(len(result.data), operation)}: {said}." if result.data else f"No {plural(operation)}."
    return result.text.strip()[:400] or "Done; the answer is empty."


def _listed(question: str, wish: Wish, things: Sequence[Item], total: int | None, call: Call) -> str:
    operation = call.tool.operation
    if not things:
        none = f"No {plural(operation)} found{_under(call)}."
        return f"No: {none[0].lower()}{none[1:]}" if wish.want is Want.CHECK else none
    head = counted(len(things), operation)
    whole = total is None or total <= len(things)
    if total is not None and not whole:
        head = f"{len(things)} of {total:,} {plural(operation)}"
    if wish.want is Want.CHECK and (said := _about_one(question, wish, things, call, head, whole=whole)):
        return said
    some = sifted(question, wish, operation, things) if wish.want in (Want.SHOW, Want.COUNT, Want.CHECK) else None
    if some is not None:
        names = _names(some.things)
        yes = ("Yes: " if some.things else "No: ") if wish.want is Want.CHECK else ""
        return f"{yes}{len(some.things)} of {head} with {some.by}{f': {names}' if names else ''}."
    if wish.want is Want.CHECK and _EXISTS.search(question):
        head = f"Yes: {head}"
    parts = [part for part in (groups(wish, things), figure(wish, operation, things)) if part]
    names = _names(things)
    if names and not wish.compares:
        parts.append(names)
    if wish.compares and (said := figure(wish, operation, things)):
        return f"{said[0].upper()}{said[1:]} (of {head})."
    return f"{head}: {'; '.join(parts)}." if parts else f"{head}."


def _names(things: Sequence[Item]) -> str:
    """The names of things that are few and all have one."""
    names = [name for name in map(name_of, things) if name]
    return ", ".join(names) if len(things) <= _MOST_NAMES and len(names) == len(things) else ""


def _about_one(question: str, wish: Wish, things: Sequence[Item], call: Call, head: str, *, whole: bool) -> str:
    """Yes or no about a thing that the question calls by its name: is it among those listed, and is it so?"""
    lower = question.lower()
    named = [thing for thing in things if (name := name_of(thing).lower()) and name in lower]
    if len(named) == 1:
        listed = f"{name_of(named[0])} is among {head}{_under(call)}"
        return checked(wish, call.tool.operation, named[0]) or f"Yes: {listed}."
    told = {str(value).lower() for value in call.arguments.values()}
    spans = read_sentence(question, date.min).spans
    asked = [one.text for one in spans if one.kind in (Kind.QUOTED, Kind.NAME) and not one.form]
    asked = [
        name for name in asked if name.lower() not in told and pieces(name) != list(pieces(noun(call.tool.operation)))
    ]
    if named or not asked or not whole or _EXISTS.search(question):
        return ""
    return f"No: {asked[0]} is not among {head}{_under(call)}."


def _under(call: Call) -> str:
    """The filters that nothing came through."""
    filters = [
        f"{name}={value if not isinstance(value, list) else ','.join(map(str, value))}"
        for name, value in call.arguments.items()
        if call.tool.places.get(name, ("",))[0] == "query" and isinstance(value, (str, list, bool))
    ]
    return f" with {', '.join(filters)}" if filters else ""


def _one(wish: Wish, operation: Operation, thing: Item) -> str:
    if wish.want is Want.CHECK and (said := checked(wish, operation, thing)):
        return said
    fields = {key: value for key, value in flat(thing).items() if plain(value) and not _is_label(key, value, thing)}
    chosen = _asked_for(wish, operation, fields)
    if not chosen:
        own = [pair for pair in fields.items() if "." not in pair[0]]
        unnamed = not name_of(thing) and id_of(thing) is None  # what it is about is said further in
        chosen = dict([*own, *(pair for pair in fields.items() if unnamed and pair not in own)][:_MOST_FIELDS])
    if not chosen:
        return f"{label(operation, thing)}."
    said = ", ".join(f"{spaced(key)} {shown(operation, key, value, thing)}" for key, value in chosen.items())
    return f"{label(operation, thing)}: {said}."


def _asked_for(wish: Wish, operation: Operation, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the question names: in full, else in part; of dates alone when it asks `when`."""
    asked = wish.words - set(collection_of(operation))
    when = "when" in asked
    full = {key: value for key, value in fields.items() if stems_of(key) <= asked and stems_of(key) - SILENT}
    if full:
        return full
    partly = {key: value for key, value in fields.items() if stems_of(key) & asked - SILENT}
    if when:
        return {key: value for key, value in partly.items() if dated(value)} or {
            key: value for key, value in fields.items() if dated(value)
        }
    return partly


def _written(call: Call, result: Result) -> str:
    operation = call.tool.operation
    if result.items is not None:
        return (
            f"{operation.id} was answered with {count_items(result)}, the last of them {str(result.items[-1])[:300]}."
        )
    data = _inner(result.data) if isinstance(result.data, Mapping) else {}
    if operation.method == "DELETE":
        target = _target(call)
        return f"Deleted the {noun(operation)}{f' {target}' if target else ''}."
    name = label(operation, data)
    if operation.method in ("PATCH", "PUT"):
        body = [name for name in call.arguments if call.tool.places.get(name, ("",))[0] == "body"]
        changed = [name for name in body if plain(data.get(name))]
        if changed:
            now = (f"{spaced(key)} is now {shown(operation, key, data[key], data)}" for key in changed)
            return f"{name}: {' and '.join(now)}."
        return f"Updated {_lower(name)}."
    if not _makes(operation, result):
        return f"Done: {operation.summary.strip().rstrip('.') or operation.id}."
    return f"Created {_lower(name)}."


def _target(call: Call) -> str:
    in_path = [str(value) for name, value in call.arguments.items() if call.tool.places.get(name, ("",))[0] == "path"]
    return in_path[-1] if in_path else ""


def _makes(operation: Operation, result: Result) -> bool:
    """Does a POST make a thing? One to a verb (/campaigns/{id}/publish) or to a noun for one (/rollback) does not."""
    last = operation.path.rstrip("/").rpartition("/")[2]
    words = [*map(stem, pieces(last))]
    deed = bool(words) and VERBS.get(words[0]) not in (None, Intent.READ)
    return not last.endswith("}") and not deed and (result.status == CREATED or singular(last) != last)


def _inner(data: Mapping[str, Any]) -> Item:
    if len(data) == 1:
        only = next(iter(data.values()))
        if isinstance(only, Mapping):
            return only
    inner = data.get("data")
    return inner if isinstance(inner, Mapping) else data


def _is_label(key: str, value: Any, thing: Item) -> bool:
    return value == name_of(thing) or value == id_of(thing) or key == "id"


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
