"""Finds the call that undoes a change: it deletes what was created, sets fields back, or is the opposite action."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from nlapi.agent.events import ChangeOutcome, FieldState, change_outcome, field_changes
from nlapi.changes.tracing import answer_items
from nlapi.english import lexicon
from nlapi.english.command_verbs import are_plain_opposites
from nlapi.english.words import name_key, split_words, stem
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import extract_item
from nlapi.resources.collection_index import collection_index
from nlapi.resources.identity import id_of
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paths import segments, shape
from nlapi.tools.plan import Conversation, Plan, Step
from nlapi.tools.sending.state_reads import call_beside, updates_item
from nlapi.tools.tool import Call

NAME = "undo"

_CREATED = 201
_UPSERTS = lexicon.text("resources/words", "upserts").split()


@dataclass(slots=True, kw_only=True)
class UndoPlanner:
    """The planner of one inverse call."""

    call: Call
    name: str = NAME

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        """Yield the plan, or the one that ends the turn once it was run."""
        if not conversation.current.rounds:
            yield Plan(calls=(self.call,), understood=f"undo: {self.call.operation_id}")
            return
        step = conversation.current.steps[-1]
        done = change_outcome(step) is ChangeOutcome.SUCCEEDED
        text = "Undone." if done else f"Not undone: {step.message or 'the API refused it'}."
        yield Plan(text=text, failure="" if done else text)


def inverse_of(step: Step, changes: Sequence[Mapping[str, Any]] = ()) -> Call:
    """Return the call that undoes a change. UsageError with the reason where none exists.

    `changes` are the fields of an update before and after, as its proposal has them.
    """
    name = step.call.operation_id
    reason = f"the API has no call that undoes {name}, or its state before is not known"
    if step.is_uncertain:
        reason = f"nobody knows whether {name} was carried out: check the item first"
    elif change_outcome(step) is not ChangeOutcome.SUCCEEDED:
        reason = f"{name} was not carried out"
    elif (call := _opposite(step) or _deletion(step) or _fields_back(step, changes)) is not None:
        return call
    elif step.effect is Effect.DESTROY:
        reason = f"{name} took something away, and the API has nothing that brings it back"
    raise UsageError(f"there is nothing to undo: {reason}", hint="`nlapi log show last` has the change")


def _opposite(step: Step) -> Call | None:
    """Return the opposite of an action on an item: resume for pause, DELETE of a lock for its PUT."""
    operation = step.call.tool.operation
    path = segments(operation.route)
    if len(path) < 2 or path[-1].parameter is not None or path[-2].parameter is None:
        return None
    verb = stem(path[-1].text.lower())
    for other in operation.spec.operations:
        route = segments(other.route)
        if not other.usable or other.effect is Effect.READ or shape(route[:-1]) != shape(path[:-1]):
            continue
        is_toggle = route == path and _is_toggle(step, other)
        is_opposite = route[-1].parameter is None and any(
            are_plain_opposites(verb, stem(word)) for word in split_words(route[-1].text)
        )
        if (is_toggle or is_opposite) and (call := call_beside(other, step.call)) is not None:
            return call
    return None


def _is_toggle(step: Step, other: Operation) -> bool:
    """Return whether a PUT and a DELETE of one path set and remove a mark: a lock, a star, a block.

    A PUT with a body replaces what may have been there, and a DELETE of what has a body is not made good by an empty
    one.
    """
    operation = step.call.tool.operation
    if {operation.method, other.method} != {"PUT", "DELETE"}:
        return False
    if other.method == "PUT":
        return other.body is None
    is_new = step.result is not None and step.result.status == _CREATED
    return is_new or not step.call.body_fields


def _is_new(step: Step) -> bool:
    """Return whether a POST has created its item, as far as its answer and its description tell.

    An API that creates with 201 and answers 200 has found one that was there, and `create or update` may have.
    """
    operation, result = step.call.tool.operation, step.result
    if result is None or result.status == _CREATED:
        return result is not None
    is_described = any(response.status == str(_CREATED) for response in operation.responses)
    names = [name_key(text) for text in (operation.id, operation.summary)]
    return not is_described and not any(word in name for word in _UPSERTS for name in names)


def _deletion(step: Step) -> Call | None:
    """Return the deletion of the item that a POST to its collection has created."""
    operation, result = step.call.tool.operation, step.result
    path = segments(operation.route)
    collection = collection_index(operation.spec).collection(path)
    item = extract_item(result.data, operation) if result is not None else None
    delete = collection.item_operations.get("DELETE") if collection is not None else None
    if operation.method != "POST" or delete is None or item is None or not _is_new(step):
        return None
    last = segments(delete.route)[-1].parameter or ""
    id = id_of(item, last, singular_noun(delete))
    return call_beside(delete, step.call, {("path", last): id}) if id is not None else None


def changes_seen(step: Step, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the fields of an update before and after, by the last answer before it that has its item; [] without one.

    Under `--yes` nothing is read beforehand, and a look-up has often listed the item.
    """
    path = segments(step.call.tool.operation.route)
    id = step.call.values.get(("path", path[-1].parameter or "")) if path else None
    earlier = steps[: steps.index(step)] if step in steps else steps
    for read in reversed([entry for entry in earlier if entry.effect is Effect.READ]) if id is not None else ():
        noun = singular_noun(step.call.tool.operation)
        items = (item for item in answer_items(read) if str(id_of(item, path[-1].parameter or "", noun)) == str(id))
        if read.result is not None and (item := next(items, None)) is not None:
            seen = replace(read.result, content=json.dumps(item).encode())
            return [asdict(change) for change in field_changes(step.call, seen, read.call.tool.operation)]
    return []


def _fields_back(step: Step, changes: Sequence[Mapping[str, Any]]) -> Call | None:
    """Return the same update with the values of before, where all of them are known."""
    call = step.call
    changed = [entry for entry in changes if entry.get("state") != FieldState.SAME]
    if not updates_item(call.tool.operation) or not changed:
        return None
    if any(entry.get("state") != FieldState.CHANGES or "before" not in entry for entry in changed):
        return None
    arguments = dict(call.arguments)
    for entry in changed:
        first, *rest = str(entry["field"]).split(".")
        if first not in arguments or call.tool.places.get(first, ("", ""))[0] != "body":
            return None
        arguments[first] = _with_value(arguments[first], rest, entry["before"])
    return Call(tool=call.tool, arguments=arguments, id=NAME)


def _with_value(whole: Any, path: Sequence[str], value: Any) -> Any:
    if not path or not isinstance(whole, Mapping):
        return value
    return {**whole, path[0]: _with_value(whole.get(path[0]), path[1:], value)}
