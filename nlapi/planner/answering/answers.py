"""Makes the answer to a question of what the API answered: a sentence, and the rows that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.client.message import Framing, Result
from nlapi.client.preview import count_items, describe_end
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.list_answer import boolean_answer, list_answer
from nlapi.planner.answering.list_question import ListQuestion, read_list_question
from nlapi.planner.answering.row_fields import SILENT, counted, field_stems, field_words, label, noun
from nlapi.planner.language.question_intent import Want, Wish, wish_of
from nlapi.resources.answers import ListAnswer, extract_item, extract_list, is_failure
from nlapi.resources.error_reasons import error_reason
from nlapi.resources.identity import Item, fields_of, id_of, is_link, name_of, text_of
from nlapi.resources.naming import VERBS, Intent, singular, stem
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.answer_view import (
    VALUE_COLUMN,
    AnswerView,
    answer_view,
    item_view,
    lowercase_headers,
    next_arguments,
    raw_text,
)
from nlapi.tools.diagnosis import is_foreign_page
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from nlapi.tools.value_format import format_value, is_date, moment_of

CREATED = 201
_MOST_FIELDS = 6
_MOST_VALUES = 20
_LONGEST_RAW = 2_000
"""Characters of an answer that fits no rule; `nlapi call` has the whole."""
_LONGEST_SAID = 80
"""Characters that a value in a sentence may have."""
_REASONS = {
    400: "the request was not accepted",
    401: "the credential is missing or was not accepted",
    403: "this is not allowed",
    404: "there is no such thing",
    409: "it conflicts with what is there",
    422: "the values were not accepted",
    429: "too many requests; wait a little and try again",
}


def answer(
    question: str, steps: Sequence[Step], *, applied: Sequence[str] = (), today: date | None = None
) -> AnswerView:
    """Return what the last of `steps` answers to `question`; pages of one listing are taken together.

    `applied` are texts of the question that look-ups and arguments took care of.
    """
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return AnswerView(text="Not done: you did not agree to the call. Nothing was sent.")
    if step.outcome is not Outcome.ANSWERED or step.result is None:
        return AnswerView(text=f"Not done: {step.message}" if step.message else "Not done.")
    if reason := unanswered(step.call, step.result):
        return AnswerView(text=reason)
    if step.result.items is not None and (text := _streamed(step.result)):
        return AnswerView(text=text)
    if step.call.tool.effect is Effect.READ:
        return _read(question, steps, applied, today or date.today())
    return _written(step.call, step.result)


def _streamed(result: Result) -> str:
    """What is said of an answer that streams: how much came, and that there may be more. "" where it came to its end
    and lists things, which is answered as any other list is."""
    end = describe_end(result)
    if (
        not end
        and result.framing in (Framing.JSON_LINES, Framing.JSON_VALUES)
        and extract_list(list(result.items or ()))
    ):
        return ""
    return f"{end[0].upper()}{end[1:]}." if end else f"{count_items(result).capitalize()} came."


def unanswered(call: Call, result: Result) -> str:
    """Why an answer tells nothing: it is an error, or a web page stands in its place; "" for one that does."""
    if is_foreign_page(result, call.tool.operation) and (result.ok or result.status == 404):
        unknown = "" if call.tool.effect is Effect.READ else "; whether it was done is not known"
        return f"A web page came in place of an answer of the API ({result.status}){unknown}."
    return "" if result.ok else failure(result)


def failure(result: Result) -> str:
    """Return what an error says: its status, and the server's own reason, else what the status means."""
    reason = error_reason(result.data if result.data is not None else result.text).rstrip(".")
    meaning = reason or _REASONS.get(result.status, "the API could not do it")
    return f"The API answered {result.status}{' and reports an error' if result.ok else ''}: {meaning}."


def pages_of(steps: Sequence[Step]) -> list[Step]:
    """Return the steps at the end of `steps` that are pages of one listing, in order."""
    last = steps[-1].call
    pages: list[Step] = []
    for step in reversed(steps):
        if step.call.operation_id != last.operation_id or step.call.id != last.id or step.result is None:
            break
        pages.insert(0, step)
    return pages


def listed_in(step: Step) -> ListAnswer | None:
    """Return what the answer of a step lists; None where it lists nothing."""
    if step.result is None:
        return None
    return extract_list(step.result.data, step.call.tool.operation, lowercase_headers(step.result))


def list_question(
    question: str, pages: Sequence[Step], last: ListAnswer, applied: Sequence[str], today: date
) -> ListQuestion:
    """Return what a question asks of the things on the pages of a list, of which `last` is the last one read."""
    lists = [listed for page in pages if (listed := listed_in(page)) is not None]
    things = [thing for listed in lists for thing in listed.object_entries]
    call, result = pages[-1].call, pages[-1].result
    more = result is not None and next_arguments(call, result) is not None
    return read_list_question(question, call, things, last.total, more=more, applied=applied, today=today)


def _read(question: str, steps: Sequence[Step], applied: Sequence[str], today: date) -> AnswerView:
    step = steps[-1]
    result, operation = step.result, step.call.tool.operation
    assert result is not None
    if is_failure(result.data) and error_reason(result.data):
        return replace(answer_view(result, operation), text=failure(result))
    listed = listed_in(step)
    if listed is not None and len(listed.object_entries) == len(listed.entries):
        return list_answer(list_question(question, pages_of(steps), listed, applied, today))
    view = answer_view(result, operation)
    if view.columns == (VALUE_COLUMN,):
        values = [str(row[VALUE_COLUMN]) for row in view.rows]
        rest = f" and {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
        return replace(view, text=f"{counted(len(values), operation)}: {', '.join(values[:_MOST_VALUES])}{rest}.")
    if view.is_single and (text := _only_text(view.rows[0])):
        return AnswerView(text=text, operation=operation)
    if view.is_single:
        return _thing_answer(wish_of(question), operation, view)
    return AnswerView(text=_raw_answer(result), operation=operation)


def _only_text(thing: Item) -> str:
    """The text of several lines that is all that a thing has; "" for any other thing."""
    (value, *more) = thing.values() or ("",)
    return value.strip() if not more and isinstance(value, str) and "\n" in value.strip() else ""


def _raw_answer(result: Result) -> str:
    """An answer that fits no rule, as it is."""
    text = raw_text(result)
    if not text:
        return f"The API answered {result.status} and nothing else."
    more = f"\n… (the first {_LONGEST_RAW:,} of {len(text):,} characters)" if len(text) > _LONGEST_RAW else ""
    return text[:_LONGEST_RAW] + more


def _thing_answer(wish: Wish, operation: Operation, view: AnswerView) -> AnswerView:
    """What one thing is, or what of it a question asks."""
    (thing,) = view.rows
    if wish.want is Want.CHECK and (text := boolean_answer(wish, operation, thing)):
        return replace(view, text=text)
    name = label(operation, thing)
    if wish.want is Want.COUNT and (listed := _counted_list(wish, operation, thing)):
        path, entries = listed
        asked = replace(view, columns=_first(view.columns, [path]))
        return replace(asked, text=f"{name}: {len(entries)} {field_words(path)}.")
    fields = {path: value for path, value in _said_fields(view, thing).items() if not _is_label(path, value, thing)}
    chosen = _asked_for(wish, operation, fields)
    if not chosen:
        local = [pair for pair in fields.items() if "." not in pair[0]]
        unnamed = not name_of(thing, singular_noun(operation)) and id_of(thing) is None
        inner = [pair for pair in fields.items() if (unnamed or not local) and pair not in local]
        chosen = dict([pair for pair in (*local, *inner) if not is_link(pair[1])][:_MOST_FIELDS])
    else:
        view = replace(view, columns=_first(view.columns, list(chosen)))
    said = ", ".join(
        f"{field_words(key)} {format_value(operation, key, value, thing)}" for key, value in chosen.items()
    )
    return replace(view, text=f"{name}: {said}." if said else f"{name}.")


def _said_fields(view: AnswerView, thing: Item) -> dict[str, Any]:
    """The fields of a thing that a sentence can say, the most telling first."""
    fields = fields_of(thing)
    said = {path: text_of(fields[path], path) or fields[path] for path in view.columns if path in fields}
    return {path: value for path, value in said.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= _LONGEST_SAID


def _is_label(path: str, value: Any, thing: Item) -> bool:
    return value == name_of(thing) or value == id_of(thing) or path == "id"


def _first(paths: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *paths)))


def _counted_list(wish: Wish, operation: Operation, thing: Item) -> tuple[str, list[Any]] | None:
    """The list in a thing that a question counts: how many records has the zone x?"""
    asked = wish.words - frozenset(map(stem, noun_of(operation)))
    lists = [(path, value) for path, value in fields_of(thing).items() if isinstance(value, list)]
    return next(((path, value) for path, value in lists if field_stems(path) and field_stems(path) <= asked), None)


def _asked_for(wish: Wish, operation: Operation, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the question names: in full, else in part; of dates alone when it asks `when`."""
    asked = wish.words - frozenset(map(stem, noun_of(operation)))
    full = {path: value for path, value in fields.items() if field_stems(path) <= asked and field_stems(path) - SILENT}
    if full:
        return full
    partly = {path: value for path, value in fields.items() if field_stems(path) & asked - SILENT}
    if "when" in asked:
        return _dates(partly) or _dates(fields)
    return partly


def _dates(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in fields.items() if is_date(value) or moment_of(path, value) is not None}


def _written(call: Call, result: Result) -> AnswerView:
    """What a change has made of a thing."""
    operation = call.tool.operation
    if result.items is not None:
        last = str(result.items[-1])[:300]
        return AnswerView(text=f"{operation.id} was answered with {count_items(result)}, the last of them {last}.")
    if is_failure(result.data) and (reason := error_reason(result.data)):
        return AnswerView(text=f"Not done: the API answered {result.status} and reports {reason.rstrip('.')}.")
    thing = extract_item(result.data, operation) or {}
    view = item_view(thing, operation) if thing else AnswerView(operation=operation)
    if operation.method == "DELETE":
        target = _target(call)
        return replace(view, text=f"Deleted the {noun(operation)}{f' {target}' if target else ''}.")
    name = label(operation, thing)
    if operation.method in ("PATCH", "PUT"):
        body = [name for name in call.arguments if call.tool.places.get(name, ("",))[0] == "body"]
        changed = [name for name in body if _is_plain(thing.get(name))]
        if changed:
            now = (f"{field_words(key)} is now {format_value(operation, key, thing[key], thing)}" for key in changed)
            return replace(view, text=f"{name}: {' and '.join(now)}.")
        return replace(view, text=f"Updated {_lower(name)}.")
    if not _makes(operation, result):
        return replace(view, text=f"Done: {operation.summary.strip().rstrip('.') or operation.id}.")
    return replace(view, text=f"Created {_lower(name)}.")


def _target(call: Call) -> str:
    places = {name: call.tool.places.get(name, ("", name)) for name in call.arguments}
    in_path = {wire: str(call.arguments[name]) for name, (where, wire) in places.items() if where == "path"}
    ordered = re.findall(r"\{([^{}]+)\}", call.tool.operation.route)
    return next((in_path[wire] for wire in reversed(ordered) if wire in in_path), "")


def _makes(operation: Operation, result: Result) -> bool:
    """Whether a POST makes a thing: one to a verb (/campaigns/{id}/publish), or to /rollback, does not."""
    last = operation.path.rstrip("/").rpartition("/")[2]
    acts = VERBS.get(stem(re.split(r"[_\-.:]|(?<=[a-z])(?=[A-Z])", last)[0].lower())) not in (None, Intent.READ)
    return not last.endswith("}") and not acts and (result.status == CREATED or singular(last) != last)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
