"""A sentence made from an answer of the API: what there is, what was changed, or what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nlapi.client.message import Result
from nlapi.offline.entities import collection_of
from nlapi.offline.items import Item, id_of, items_in, name_of, total_in
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from nlapi.tools.units import from_wire, unit_of
from nlapi.tools.words import Intent, pieces, singular, stem

_GROUPS = ("status", "state", "type", "kind", "category", "role", "objective")
_DETAIL = ("detail", "message", "error_description", "title", "error", "description")
_MOST_NAMES = 6
_MOST_FIELDS = 6
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
    """What the last of `steps` says to `question`, in a sentence or two."""
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return "Not done: you did not agree to the call. Nothing was sent."
    if step.outcome is not Outcome.DONE or step.result is None:
        return f"Not done: {step.message}" if step.message else "Not done."
    if not step.result.ok:
        return failure(step.result)
    if step.call.tool.effect is Effect.READ:
        return _read(question, step.call, step.result)
    return _written(step.call, step.result)


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


def _read(question: str, call: Call, result: Result) -> str:
    things = items_in(result.data)
    operation = call.tool.operation
    if things is not None:
        return _listed(question, operation, things, total_in(result.data))
    if isinstance(result.data, Mapping):
        return _one(question, operation, _inner(result.data))
    if isinstance(result.data, list):
        shown = ", ".join(map(str, result.data[:20]))
        return f"{_counted(len(result.data), operation)}: {shown}." if result.data else f"No {_plural(operation)}."
    return result.text.strip()[:400] or "Done; the answer is empty."


def _listed(question: str, operation: Operation, things: Sequence[Item], total: int | None) -> str:
    if not things:
        return f"No {_plural(operation)} found."
    head = _counted(len(things), operation)
    if total is not None and total > len(things):
        head = f"{len(things)} of {total} {_plural(operation)}"
    parts = [part for part in (_groups(things), _sums(question, operation, things)) if part]
    names = [name for name in map(name_of, things) if name]
    if len(things) <= _MOST_NAMES and len(names) == len(things):
        parts.append(", ".join(names))
    return f"{head}: {'; '.join(parts)}." if parts else f"{head}."


def _groups(things: Sequence[Item]) -> str:
    """3 active, 4 paused: by the first field that sorts them."""
    for key in _GROUPS:
        values = [thing.get(key) for thing in things]
        if all(isinstance(value, str) for value in values):
            counts = Counter(str(value).lower().replace("_", " ") for value in values)
            if len(counts) <= 5 and (len(counts) < len(things) or len(things) == 1):
                return ", ".join(f"{count} {value}" for value, count in counts.most_common())
    return ""


def _sums(question: str, operation: Operation, things: Sequence[Item]) -> str:
    """The sum of a numeric field that the question names when it asks for a total."""
    asked = {stem(word) for word in pieces(question)}
    if not asked & {"total", "sum", "altogeth", "overal", "combin"} and "how much" not in question.lower():
        return ""
    for key in things[0]:
        words = set(map(stem, pieces(key))) - {"micro", "amount", "id"}
        values = [thing.get(key) for thing in things]
        numeric = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if words & asked and len(numeric) == len(values):
            return f"{_spaced(key)} {_shown(key, sum(numeric), _unit(operation, key))} in total"
    return ""


def _one(question: str, operation: Operation, thing: Item) -> str:
    asked = {stem(word) for word in pieces(question)}
    label = _label(operation, thing)
    plain = {key: value for key, value in thing.items() if _plain(value) and not _is_label(key, value, thing)}
    named = {key: value for key, value in plain.items() if set(map(stem, pieces(key))) <= asked}
    chosen = named or dict(list(plain.items())[:_MOST_FIELDS])
    if not chosen:
        return f"{label}."
    shown = ", ".join(f"{_spaced(key)} {_shown(key, value, _unit(operation, key))}" for key, value in chosen.items())
    return f"{label}: {shown}."


def _written(call: Call, result: Result) -> str:
    operation = call.tool.operation
    data = _inner(result.data) if isinstance(result.data, Mapping) else {}
    noun = _noun(operation)
    if operation.method == "DELETE":
        target = next(
            (
                str(value)
                for name, value in reversed(list(call.arguments.items()))
                if call.tool.places.get(name, ("",))[0] == "path"
            ),
            "",
        )
        return f"Deleted the {noun}{f' {target}' if target else ''}."
    label = _label(operation, data)
    if operation.method in ("PATCH", "PUT"):
        changed = [
            name for name in call.arguments if call.tool.places.get(name, ("",))[0] == "body" and _plain(data.get(name))
        ]
        if changed:
            said = " and ".join(
                f"{_spaced(name)} is now {_shown(name, data[name], _unit(operation, name))}" for name in changed
            )
            return f"{label}: {said}."
        return f"Updated {_lower(label)}."
    if operation.path.rstrip("/").endswith("}") or collection_of(operation) == _verb_words(operation):
        return f"Done: {operation.summary.rstrip('.') or operation.id}."
    return f"Created {_lower(label)}."


def _verb_words(operation: Operation) -> tuple[str, ...]:
    """A last segment that is a verb (/campaigns/{id}/publish) says what was done, not what there is."""
    from nlapi.tools.words import VERBS

    words = collection_of(operation)
    return words if words and VERBS.get(words[0]) not in (None, Intent.READ) else ("",)


def _inner(data: Mapping[str, Any]) -> Item:
    if len(data) == 1:
        only = next(iter(data.values()))
        if isinstance(only, Mapping):
            return only
    inner = data.get("data")
    return inner if isinstance(inner, Mapping) else data


def _label(operation: Operation, thing: Item) -> str:
    """The campaign Back to School (cmp_1)."""
    name, id = name_of(thing), id_of(thing)
    parts = ["The", _noun(operation), *([name] if name else []), *([f"({id})"] if id is not None and name else [])]
    if id is not None and not name:
        parts.append(str(id))
    return " ".join(parts)


def _is_label(key: str, value: Any, thing: Item) -> bool:
    return value == name_of(thing) or value == id_of(thing) or key == "id"


def _noun(operation: Operation) -> str:
    literal = [segment for segment in operation.path.split("/") if segment and "{" not in segment]
    words = pieces(literal[-1]) if literal else ["result"]
    return " ".join((*words[:-1], singular(words[-1]))) if words else "result"


def _plural(operation: Operation) -> str:
    literal = [segment for segment in operation.path.split("/") if segment and "{" not in segment]
    return " ".join(pieces(literal[-1])) if literal else "results"


def _counted(count: int, operation: Operation) -> str:
    return f"1 {_noun(operation)}" if count == 1 else f"{count} {_plural(operation)}"


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool)) and value != "" and len(str(value)) <= 80


def _spaced(key: str) -> str:
    return " ".join(word for word in pieces(key) if word not in ("micros", "micro"))


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def _unit(operation: Operation, key: str) -> str:
    """The wire unit of a field of the answer."""
    response = operation.response()
    if response is None or not response.media:
        return ""
    schema = operation.spec.follow(response.media[0].schema)
    for _ in range(2):
        inner = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        if key in inner:
            return unit_of(operation.spec.follow(inner[key]))
        listed = next(
            (operation.spec.follow(one) for one in inner.values() if "items" in operation.spec.follow(one)), None
        )
        schema = operation.spec.follow(listed["items"]) if isinstance(listed, Mapping) else {}
    return ""


def _shown(key: str, value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        unit = unit or ("micros" if "micro" in {singular(word) for word in pieces(key)} else "")
        return f"{from_wire(value, unit):,}" if unit else str(value)
    return str(value)
