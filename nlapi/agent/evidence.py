"""The evidence in an API for a change of unknown outcome: its resource, or the list of such resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from nlapi.client.clean import one_line
from nlapi.client.digest import loose
from nlapi.client.message import Result
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import list_in, thing_in
from nlapi.resources.identity import Rank, field_at, field_sort, name_of, name_path
from nlapi.resources.nouns import thing_words
from nlapi.resources.paths import Path, segments, shape
from nlapi.tools.compile import compile_tool
from nlapi.tools.pages import next_arguments
from nlapi.tools.plan import Step
from nlapi.tools.tool import Call
from nlapi.tools.view import headers_of

# Sends a READ; None where that is not permitted, or no answer comes.
Look = Callable[[Call], Awaitable[Result | None]]

# Characters of a value of an answer in a reason: one line of a prompt has to hold three of them.
SHOWN = 60

CARRIED_OUT = "it seems to have been carried out"


async def evidence_of(step: Step, look: Look) -> str:
    """Return a sentence on what the API shows of a change of unknown outcome; "" where nothing can show it."""
    call = reading_call(step.call)
    result = await look(call) if call is not None else None
    if call is None or result is None:
        return ""
    reader, lists = call.operation_id, _is_list_of(step.call.tool.operation, call.tool.operation)
    # After a DELETE, 404 and 410 (RFC 9110 §15.5.5, §15.5.11) support that it was carried out; after an update they do
    # not.
    if result.status in (404, 410) and not lists:
        deleted = step.call.tool.effect is Effect.DESTROY
        return f"{reader} answers {result.status}" + (f": {CARRIED_OUT}" if deleted else "")
    if not result.ok:
        return f"{reader}, which would show it, answers {result.status}"
    return _in_list(step, call, result) if lists else _in_thing(step, call, result)


def reading_call(change: Call) -> Call | None:
    """Return the READ that shows the resource of a change, with arguments of the change; None where there is none.

    It is the GET at the path of the change, or at the path of the resource that an action is on (`/jobs/{id}/stop`).
    """
    operation = change.tool.operation
    path = segments(operation.route)
    inside = len(path) > 1 and path[-1].parameter is None and path[-2].parameter is not None
    for wanted in (path, path[:-1]) if inside else (path,):
        for other in operation.spec.operations:
            if other.method == "GET" and other.usable and shape(segments(other.route)) == shape(wanted):
                arguments = _arguments(change, path, other)
                if arguments is not None:
                    return Call(tool=compile_tool(other), arguments=arguments)
    return None


def _arguments(change: Call, path: Path, reader: Operation) -> dict[str, Any] | None:
    """Return the arguments of a reader from those of a change; None where a required one is missing."""
    tool = compile_tool(reader)
    at = {name: number for number, segment in enumerate(segments(reader.route)) if (name := segment.parameter)}
    values = {change.tool.places.get(name, ("body", name)): value for name, value in change.arguments.items()}
    found = {}
    for name, (where, wire) in tool.places.items():
        # The same path may name its parameters differently in each operation, so they are matched by position.
        place = (where, path[at[wire]].parameter or "") if where == "path" and wire in at else (where, wire)
        if place in values and (where == "path" or name in tool.required):
            found[name] = values[place]
    return found if set(tool.required) <= found.keys() else None


def _is_list_of(change: Operation, reader: Operation) -> bool:
    """Return whether a change adds an item to the list that a reader returns."""
    path = segments(change.route)
    return change.method == "POST" and shape(path) == shape(segments(reader.route)) and path[-1].parameter is None


def _in_list(step: Step, call: Call, result: Result) -> str:
    operation = call.tool.operation
    listed = list_in(result.data, operation, headers_of(result))
    sent, noun = _body(step.call), thing_words(operation)
    if listed is None or not sent:
        return ""
    name = name_of(sent, noun)
    entries = [entry for entry in listed.entries if isinstance(entry, Mapping)]
    same = [entry for entry in entries if _is_named(entry, sent, name, noun)]
    what = f"named {_shown(name)}" if name else "with these values"
    if same:
        return f"{operation.id} lists {'one' if len(same) == 1 else len(same)} {what}: {CARRIED_OUT}"
    part = " on its first page" if next_arguments(call, result) is not None else ""
    return f"{operation.id} lists none {what}{part}"


def _is_named(entry: Mapping[str, Any], sent: Mapping[str, Any], name: str, noun: tuple[str, ...]) -> bool:
    if not name:
        return not _differences(sent, entry) and not sent.keys().isdisjoint(entry)
    values = (name_of(entry, noun), field_at(entry, name_path(sent, noun)))
    return any(isinstance(value, str) and loose(value) == loose(name) for value in values)


def _in_thing(step: Step, call: Call, result: Result) -> str:
    reader, thing = call.operation_id, thing_in(result.data, call.tool.operation)
    if step.call.tool.effect is Effect.DESTROY:
        return f"{reader} still shows it"
    if thing is None:
        return ""
    sent = _body(step.call)
    known = {name: value for name, value in sent.items() if name in thing}
    differences = _differences(known, thing)
    if known and not differences:
        return f"{reader} shows what it sets: {CARRIED_OUT}"
    fields = differences or [name for name in thing if not sent and field_sort(name) is Rank.STATE]
    shown = ", ".join(f"{one_line(name)[:SHOWN]} {_shown(thing[name])}" for name in fields[:3])
    return f"{reader} shows {shown}" if shown else ""


def _body(call: Call) -> dict[str, Any]:
    """Return the fields of the body of a call."""
    return dict(_fields(call))


def _fields(call: Call) -> Iterator[tuple[str, Any]]:
    for name, value in call.arguments.items():
        where, wire = call.tool.places.get(name, ("body", name))
        if where == "body" and wire:
            yield wire, value
        elif where == "body" and isinstance(value, Mapping):
            yield from value.items()


def _differences(sent: Mapping[str, Any], shown: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields whose plain value differs in the answer."""
    # Nested values are left out: an API may add fields to them.
    plain = {name: value for name, value in sent.items() if isinstance(value, str | int | float)}
    return [name for name, value in plain.items() if name in shown and not _agrees(value, shown[name])]


def _agrees(value: Any, shown: Any) -> bool:
    if isinstance(value, str) and isinstance(shown, str):
        return loose(value) == loose(shown)
    return bool(value == shown) or str(value) == str(shown)


def _shown(value: Any) -> str:
    text = one_line(str(value))
    return f'"{text[:SHOWN]}…"' if len(text) > SHOWN else f'"{text}"'
