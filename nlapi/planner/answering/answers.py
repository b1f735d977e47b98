"""Writes the answer to a question from the answer of the API: a sentence, and the rows that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from nlapi.client.message import Framing, Result, count_items, describe_end
from nlapi.english.intents import VERBS, Intent
from nlapi.english.lexicon import table
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.list_answer import item_verdict, list_answer
from nlapi.planner.answering.list_question import ListQuestion, read_list_question
from nlapi.planner.answering.row_fields import (
    SILENT_STEMS,
    count_phrase,
    field_stems,
    field_words,
    full_item_label,
    singular_name,
)
from nlapi.reading.question_intent import IntentKind, QuestionIntent, asks_existence
from nlapi.resources.answers import ListAnswer, extract_item, extract_list, is_failure
from nlapi.resources.error_reasons import error_reason
from nlapi.resources.identity import Item, fields_of, id_of, is_link, name_of, text_of
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.answers.diagnosis import is_foreign_page
from nlapi.tools.answers.view import (
    VALUE_COLUMN,
    AnswerView,
    answer_view,
    item_view,
    lowercase_headers,
    next_arguments,
    raw_text,
)
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.quantities.value_format import format_value, is_date, moment_of
from nlapi.tools.sending.state_reads import updates_item
from nlapi.tools.tool import Call, Origin

CREATED = 201
_MOST_FIELDS = 6
_MOST_VALUES = 20
_LONGEST_RAW = 2_000  # characters of an answer that fits no rule; `nlapi call` has the whole
_LONGEST_VALUE = 80  # characters of a value in a sentence
_PRECONDITION_FAILED = 412
_REASONS = table("planner/answering/words", "reasons")


def answer_question(
    question: str, steps: Sequence[Step], *, applied: Sequence[str] = (), today: date | None = None
) -> AnswerView:
    """Return the answer of the last of `steps` to `question`; pages of one listing are read together.

    `applied` are texts of the question that look-ups and arguments took care of.
    """
    step = steps[-1]
    if step.outcome is Outcome.REFUSED:
        return AnswerView(text="Not done: you did not agree to the call. Nothing was sent.")
    if step.outcome is not Outcome.ANSWERED or step.result is None:
        return AnswerView(text=f"Not done: {step.message}" if step.message else "Not done.")
    if reason := failure_reason(step.call, step.result):
        return AnswerView(text=reason)
    if step.result.items is not None and (text := _stream_answer(step.result)):
        return AnswerView(text=text)
    if step.call.effect is Effect.READ:
        return _read_answer(question, steps, applied, today or date.today())
    return _change_answer(step.call, step.result)


def _stream_answer(result: Result) -> str:
    """Return a sentence for an answer that streams: how much came, and that there may be more.

    "" for a stream of items that came to its end, which is answered as any other list is.
    """
    end = describe_end(result)
    if (
        not end
        and result.framing in (Framing.JSON_LINES, Framing.JSON_VALUES)
        and extract_list(list(result.items or ()))
    ):
        return ""
    return f"{end[0].upper()}{end[1:]}." if end else f"{count_items(result).capitalize()} came."


def failure_reason(call: Call, result: Result) -> str:
    """Return the reason why a result has no answer (an error, or a web page in its place); "" for one that has."""
    if is_foreign_page(result, call.tool.operation) and (result.ok or result.status == 404):
        unknown = "" if call.effect is Effect.READ else "; whether it was done is not known"
        return f"A web page came in place of an answer of the API ({result.status}){unknown}."
    return "" if result.ok else error_sentence(result)


def error_sentence(result: Result) -> str:
    """Return an error as a sentence: its status, and the reason of the server, else the meaning of the status."""
    reason = error_reason(result.data if result.data is not None else result.text).rstrip(".")
    # The answer shows neither that it was read nor how to continue.
    reason = reason if result.status != _PRECONDITION_FAILED else ""
    meaning = reason or _REASONS.get(str(result.status), "the API could not do it")
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


def list_of_step(step: Step) -> ListAnswer | None:
    """Return the list in the answer of a step; None where it has none."""
    if step.result is None:
        return None
    return extract_list(step.result.data, step.call.tool.operation, lowercase_headers(step.result))


def question_about_list(
    question: str, pages: Sequence[Step], last: ListAnswer, applied: Sequence[str], today: date
) -> ListQuestion:
    """Return a question as one about the items on the pages of a list; `last` is the list on the last page."""
    lists = [listed for page in pages if (listed := list_of_step(page)) is not None]
    items = [item for listed in lists for item in listed.object_entries]
    call, result = pages[-1].call, pages[-1].result
    more = result is not None and next_arguments(call, result) is not None
    return read_list_question(question, call, items, last.total, more=more, applied=applied, today=today)


def _read_answer(question: str, steps: Sequence[Step], applied: Sequence[str], today: date) -> AnswerView:
    step = steps[-1]
    result, operation = step.result, step.call.tool.operation
    assert result is not None
    if is_failure(result.data) and error_reason(result.data):
        return replace(answer_view(result, operation), text=error_sentence(result))
    listed = list_of_step(step)
    if listed is not None and len(listed.object_entries) == len(listed.entries):
        return list_answer(question_about_list(question, pages_of(steps), listed, applied, today))
    view = answer_view(result, operation)
    if view.columns == (VALUE_COLUMN,):
        values = [str(row[VALUE_COLUMN]) for row in view.rows]
        remainder = f" and {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
        return replace(
            view, text=f"{count_phrase(len(values), operation)}: {', '.join(values[:_MOST_VALUES])}{remainder}."
        )
    if _only_number(result.data) is not None:
        about = read_list_question(question, step.call, (), None, more=False, applied=applied, today=today)
        counted = (
            _item_answer(about, view).text if view.is_single else f"{_raw_answer(result)}{'.' * bool(about.notes)}"
        )
        return replace(view, text=f"{counted}{about.notes}", is_certain=not about.notes)
    if view.is_single and (text := _only_text(view.rows[0])):
        return AnswerView(text=text, operation=operation)
    if view.is_single:
        about = read_list_question(question, step.call, view.rows, None, more=False, applied=applied, today=today)
        return _item_answer(about, view)
    return AnswerView(text=_raw_answer(result), operation=operation)


def _only_number(data: object) -> float | None:
    """Return the number that is all of an answer, by itself or as the one field of an object; None for any other."""
    value = next(iter(data.values())) if isinstance(data, Mapping) and len(data) == 1 else data
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _only_text(item: Item) -> str:
    """Return the text of an item whose one field is a text of several lines (a log, a file); "" for any other."""
    (value, *more) = item.values() or ("",)
    return value.strip() if not more and isinstance(value, str) and "\n" in value.strip() else ""


def _raw_answer(result: Result) -> str:
    """Return an answer that fits no rule, as it is."""
    text = raw_text(result)
    if not text:
        return f"The API answered {result.status} and nothing else."
    more = f"\n… (the first {_LONGEST_RAW:,} of {len(text):,} characters)" if len(text) > _LONGEST_RAW else ""
    return text[:_LONGEST_RAW] + more


def _item_answer(question: ListQuestion, view: AnswerView) -> AnswerView:
    """Return the answer about one item: the fields that the question asks for, else its most telling ones."""
    intent, operation, (item,) = question.intent, question.call.tool.operation, view.rows
    # A question for yes or no, then one for a number, before the fields: their words name fields as well.
    if intent.kind is IntentKind.CHECK:
        single = replace(question, filtered=replace(question.filtered, items=view.rows))
        if text := item_verdict(single) or _existence(single, item):
            return replace(view, text=text)
    name = full_item_label(operation, item)
    if intent.kind is IntentKind.COUNT and (listed := _counted_list(intent, operation, item)):
        path, entries = listed
        counted_view = replace(view, columns=_moved_first(view.columns, [path]))
        return replace(counted_view, text=f"{name}: {len(entries)} {field_words(path)}.")
    fields = {path: value for path, value in _plain_fields(view, item).items() if not _is_identity(path, value, item)}
    chosen = _requested_fields(intent, operation, fields)
    if not chosen:
        local = [pair for pair in fields.items() if "." not in pair[0]]
        # An answer without a name or an id (a health check) says most in its inner objects.
        unnamed = not name_of(item, singular_noun(operation)) and id_of(item) is None
        inner = [pair for pair in fields.items() if (unnamed or not local) and pair not in local]
        chosen = dict([pair for pair in (*local, *inner) if not is_link(pair[1])][:_MOST_FIELDS])
    else:
        view = replace(view, columns=_moved_first(view.columns, list(chosen)))
    values = ", ".join(
        f"{field_words(key)} {format_value(operation, key, value, item)}" for key, value in chosen.items()
    )
    return replace(view, text=f"{name}: {values}." if values else f"{name}.")


def _existence(question: ListQuestion, item: Item) -> str:
    """Return `Yes: ...` to a question whether there is an item of a name or an id; "" where it asks for more."""
    named = {str(value).lower() for value in (name_of(item, singular_noun(question.fields.operation)), id_of(item))}
    is_named = any(name and name in question.text.lower() for name in named - {"none"})
    asks_more = question.filtered.conditions or question.filtered.unapplied or question.compares
    if not asks_existence(question.text) or not is_named or asks_more:
        return ""
    name = full_item_label(question.fields.operation, item)
    return f"Yes: there is {_lower_first(name)}."


def _plain_fields(view: AnswerView, item: Item) -> dict[str, object]:
    """Return the fields of an item that fit in a sentence, the most telling first."""
    fields = fields_of(item)
    values = {path: text_of(fields[path], path) or fields[path] for path in view.columns if path in fields}
    return {path: value for path, value in values.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= _LONGEST_VALUE


def _is_identity(path: str, value: object, item: Item) -> bool:
    return value == name_of(item) or value == id_of(item) or path == "id"


def _moved_first(paths: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *paths)))


def _counted_list(intent: QuestionIntent, operation: Operation, item: Item) -> tuple[str, list[object]] | None:
    """Return the list in an item that a question counts (`how many records has the zone x`)."""
    stems = intent.words - frozenset(map(stem, noun_of(operation)))
    lists = [(path, value) for path, value in fields_of(item).items() if isinstance(value, list)]
    return next(((path, value) for path, value in lists if field_stems(path) and field_stems(path) <= stems), None)


def _requested_fields(intent: QuestionIntent, operation: Operation, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that the question names, in full, else in part; only dates for a question with `when`."""
    stems = intent.words - frozenset(map(stem, noun_of(operation)))
    full = {
        path: value for path, value in fields.items() if field_stems(path) <= stems and field_stems(path) - SILENT_STEMS
    }
    if full:
        return full
    partly = {path: value for path, value in fields.items() if field_stems(path) & stems - SILENT_STEMS}
    if "when" in stems:
        return _dates(partly) or _dates(fields)
    return partly


def _dates(fields: Mapping[str, object]) -> dict[str, object]:
    return {path: value for path, value in fields.items() if is_date(value) or moment_of(path, value) is not None}


def _change_answer(call: Call, result: Result) -> AnswerView:
    """Return the answer to a change: the item as it is now."""
    operation = call.tool.operation
    if result.items is not None:
        last = str(result.items[-1])[:300]
        return AnswerView(text=f"{operation.id} was answered with {count_items(result)}, the last of them {last}.")
    if is_failure(result.data) and (reason := error_reason(result.data)):
        return AnswerView(text=f"Not done: the API answered {result.status} and reports {reason.rstrip('.')}.")
    item = extract_item(result.data, operation) or {}
    view = item_view(item, operation) if item else AnswerView(operation=operation)
    if operation.method == "DELETE":
        target = _target_name(call)
        return replace(view, text=f"Deleted the {singular_name(operation)}{f' {target}' if target else ''}.")
    name = full_item_label(operation, item)
    if updates_item(operation):
        sources = call.account.sources if call.account is not None else ()
        same = {call.tool.places.get(source.argument) for source in sources if source.origin is Origin.CURRENT}
        changed = [name for name in call.body_fields if ("body", name) not in same and _is_plain(item.get(name))]
        if changed:
            now = (f"{field_words(key)} is now {format_value(operation, key, item[key], item)}" for key in changed)
            return replace(view, text=f"{name}: {' and '.join(now)}.")
        return replace(view, text=f"Updated {_lower_first(name)}.")
    if not _creates(operation, result):
        return replace(view, text=f"Done: {operation.summary.strip().rstrip('.') or operation.id}.")
    return replace(view, text=f"Created {_lower_first(name)}.")


def _target_name(call: Call) -> str:
    """Return the name of the item by which it was looked up, else the id in the sentence; "" without an item."""
    route = call.tool.operation.route
    places = {name: call.tool.places.get(name, ("", name)) for name in call.arguments}
    in_path = {name: route.find(f"{{{wire}}}") for name, (location, wire) in places.items() if location == "path"}
    last = max(in_path, key=lambda name: in_path[name], default="")
    sources = call.account.of(last) if call.account is not None and last else ()
    names = (source.name for source in sources if source.origin is Origin.LOOKUP and source.name)
    return next(names, str(call.arguments[last]) if last else "")


def _creates(operation: Operation, result: Result) -> bool:
    """Return whether a POST creates an item: one to a verb (/campaigns/{id}/publish, /rollback) does not."""
    last = operation.path.rstrip("/").rpartition("/")[2]
    acts = VERBS.get(stem((split_words(last) or [last])[0])) not in (None, Intent.READ)
    return not last.endswith("}") and not acts and (result.status == CREATED or singular(last) != last)


def _lower_first(name: str) -> str:
    return name[0].lower() + name[1:]
