"""Reads the resource that a change is about: the fields before it, and evidence of it after an unknown outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from nlapi.agent.events import FieldChange, field_changes
from nlapi.agent.sending import READ_SECONDS
from nlapi.client.message import Limits, Result, normalize_text
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.identity import FieldRank, field_at, id_of, label_rank, name_of, name_path
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paths import segments, shape
from nlapi.tools.answers.view import lowercase_headers, next_arguments
from nlapi.tools.plan import Step
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.sending.run import Prepared, Target, perform, prepare
from nlapi.tools.sending.state_reads import matching_read, read_without_effect, state_read
from nlapi.tools.tool import Call, Origin

# Sends a READ; None where that is not permitted, or no answer comes.
SendRead = Callable[[Call], Awaitable[Result | None]]

# Characters of a value of an answer in a reason: one line of a prompt has to hold three of them.
MAX_VALUE_CHARS = 60

CARRIED_OUT = "it seems to have been carried out"


async def evidence_of(step: Step, send_read: SendRead) -> str:
    """Return a sentence on the state that the API shows after a change of unknown outcome; "" if no read shows it."""
    call = matching_read(step.call)
    result = await send_read(call) if call is not None else None
    if call is None or result is None:
        return ""
    reader, is_list = call.operation_id, _is_collection_read(step.call.tool.operation, call.tool.operation)
    # After a DELETE, 404 and 410 (RFC 9110 §15.5.5, §15.5.11) support that it was carried out; after an update they do
    # not.
    if result.status in (404, 410) and not is_list:
        deleted = step.call.effect is Effect.DESTROY
        return f"{reader} answers {result.status}" + (f": {CARRIED_OUT}" if deleted else "")
    if not result.ok:
        return f"{reader}, which would show it, answers {result.status}"
    return _list_evidence(step, call, result) if is_list else _item_evidence(step, call, result)


def _is_collection_read(change: Operation, reader: Operation) -> bool:
    """Return whether a change adds an item to the list that a reader returns."""
    path = segments(change.route)
    return change.method == "POST" and shape(path) == shape(segments(reader.route)) and path[-1].parameter is None


def _list_evidence(step: Step, call: Call, result: Result) -> str:
    operation = call.tool.operation
    items = extract_list(result.data, operation, lowercase_headers(result))
    body, noun = step.call.body_fields, singular_noun(operation)
    if items is None or not body:
        return ""
    name = name_of(body, noun)
    entries = [entry for entry in items.entries if isinstance(entry, Mapping)]
    matches = [entry for entry in entries if _is_same_item(entry, body, name, noun)]
    criterion = f"named {_quote_value(name)}" if name else "with these values"
    if matches:
        return f"{operation.id} lists {'one' if len(matches) == 1 else len(matches)} {criterion}: {CARRIED_OUT}"
    suffix = " on its first page" if next_arguments(call, result) is not None else ""
    return f"{operation.id} lists none {criterion}{suffix}"


def _is_same_item(entry: Mapping[str, object], body: Mapping[str, object], name: str, noun: tuple[str, ...]) -> bool:
    if not name:
        return not _differences(body, entry) and not body.keys().isdisjoint(entry)
    values = (name_of(entry, noun), field_at(entry, name_path(body, noun)))
    return any(isinstance(value, str) and normalize_text(value) == normalize_text(name) for value in values)


def _item_evidence(step: Step, call: Call, result: Result) -> str:
    reader, item = call.operation_id, extract_item(result.data, call.tool.operation)
    if step.call.effect is Effect.DESTROY:
        return f"{reader} still shows it"
    if item is None:
        return ""
    body = step.call.body_fields
    comparable = {name: value for name, value in body.items() if name in item}
    differences = _differences(comparable, item)
    if comparable and not differences:
        return f"{reader} shows the new values: {CARRIED_OUT}"
    fields = differences or [name for name in item if not body and label_rank(name) is FieldRank.STATE]
    values_text = ", ".join(f"{single_line(name)[:MAX_VALUE_CHARS]} {_quote_value(item[name])}" for name in fields[:3])
    return f"{reader} shows {values_text}" if values_text else ""


def _differences(body: Mapping[str, object], item: Mapping[str, object]) -> list[str]:
    """Return the names of the fields whose plain value differs in the answer."""
    # Nested values are left out: an API may add fields to them.
    plain = {name: value for name, value in body.items() if isinstance(value, str | int | float)}
    return [name for name, value in plain.items() if name in item and not _is_equal(value, item[name])]


def _is_equal(value: object, current: object) -> bool:
    if isinstance(value, str) and isinstance(current, str):
        return normalize_text(value) == normalize_text(current)
    return bool(value == current) or str(value) == str(current)


def _quote_value(value: object) -> str:
    text = single_line(str(value))
    return f'"{text[:MAX_VALUE_CHARS]}…"' if len(text) > MAX_VALUE_CHARS else f'"{text}"'


def target_read(change: Call) -> Call | None:
    """Return the READ of the item that a change is of, where a look-up has found it; None for any other change."""
    sources = change.account.sources if change.account is not None else ()
    is_found = any(source.origin is Origin.LOOKUP and source.start >= 0 for source in sources)
    read = read_without_effect(change) if is_found else None
    return read if read is not None and segments(read.tool.operation.route)[-1].parameter else None


def difference_from_lookup(change: Call, read: Call, current: Result, steps: Iterable[Step]) -> str:
    """Return how an item differs from the one in the look-ups of a turn; "" where the answers show no difference.

    An id may be given away anew, and an item renamed, while somebody is asked.
    """
    if current.status in (404, 410):
        return "it is not there any more"
    item = extract_item(current.data, read.tool.operation) if current.ok else None
    if item is None or not (name := name_of(item)):
        return ""
    ids = {str(source.value) for source in change.account.sources} if change.account is not None else set()
    for step in steps:
        result = step.result if step.effect is Effect.READ and step.result is not None and step.result.ok else None
        listed = extract_list(result.data, step.call.tool.operation, lowercase_headers(result)) if result else None
        for entry in listed.object_entries if listed is not None else ():
            if str(id_of(entry)) in ids and str(id_of(item)) == str(id_of(entry)) and name_of(entry) not in ("", name):
                return f"{_quote_value(name_of(entry))} is called {_quote_value(name)} now"
    return ""


def count_line(listing: Call, result: Result) -> str:
    """Return the sentence that counts the items in an answer to `listing`; "" where it lists nothing."""
    items = extract_list(result.data, listing.tool.operation, lowercase_headers(result)) if result.ok else None
    if items is None:
        return ""
    suffix = " on its first page" if next_arguments(listing, result) else ""
    return f"{listing.operation_id} lists {len(items.entries)}{suffix} now"


async def current_changes(update: Prepared, target: Target) -> tuple[FieldChange, ...]:
    """Return the fields that an update changes, by the state read now; () where it cannot be read, for any reason."""
    call = state_read(update.call)
    if call is None:
        return ()
    try:
        prepared = prepare(call, target)
        if prepared.requires_question:
            return ()
        # The preview is a courtesy: it may not delay the question for long, and its failure may not prevent the change.
        # A separate ledger: the model did not ask for this read, and it has to be as new as the preview.
        target = replace(target, ledger=Ledger())
        current = await perform(prepared, target, limits=Limits(deadline=READ_SECONDS, retries=0), for_model=True)
    except NlapiError:
        return ()
    return field_changes(update.call, current, call.tool.operation)
