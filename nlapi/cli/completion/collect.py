"""Collects what a shell completes: operations, the arguments of each, and the ids in the answers of lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlapi.cli.completion import cache as completion_cache
from nlapi.cli.completion.cache import IDS, OPERATIONS
from nlapi.client.safe_text import single_line

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Operation, Spec

# Bounds of the cache: a menu of a shell shows no more, and a file of 20 lists stays near 500 kB.
MAX_LISTS = 20
MAX_ENTRIES = 100
MAX_VALUE = 120
MAX_FIELDS = 8
MAX_SUMMARY = 80
MAX_CHOICES = 200

# Lists and fields of these names hold credentials, or may: nothing of them is stored.
_SECRET_NAME = re.compile(r"(?i)token|secret|passw|api.?key|credential|access.?key|signature|webhook.?url|session")


class StoredIds:
    """The ids of the last lists of one API."""

    def __init__(self, source: str) -> None:
        self._source = source

    def entries(self, operation_id: str, field: str) -> Sequence[tuple[str, str]]:
        """Return the ids in a field of the last answer of a list, each with the name of its item."""
        return completion_cache.id_entries(self._source, operation_id, field)


def stored_ids(spec: Spec) -> StoredIds | None:
    """Return the ids of the last lists of an API; None where the user switched storing off."""
    return StoredIds(spec.source) if completion_cache.stores_ids() else None


def store_operations(spec: Spec) -> None:
    """Store the ids and summaries of the operations of an API."""
    if spec.source != "-":
        rows = [(operation.id, single_line(operation.summary)[:MAX_SUMMARY]) for operation in spec.visible_operations]
        completion_cache.write_entry(spec.source, OPERATIONS, rows)


def store_arguments(operation: Operation) -> list[dict[str, Any]]:
    """Store and return the arguments of an operation: name, type, choices, and the list with their ids."""
    from nlapi.cli.apis.describe import operation_record

    source = operation.spec.source
    keys = ("name", "required", "type", "choices", "from", "description")
    rows = [{key: row[key] for key in keys if key in row} for row in operation_record(operation, source)["arguments"]]
    for row in rows:
        row["choices"] = row.get("choices", [])[:MAX_CHOICES]
        row["description"] = single_line(row.get("description", ""))[:MAX_SUMMARY]
    if source != "-":
        completion_cache.write_entry(source, completion_cache.arguments_name(operation.id), rows)
    return rows


def store_list(operation: Operation, result: Result) -> None:
    """Store ids and names of the entries of a list; of anything else, and where the user switched it off, nothing."""
    spec = operation.spec
    if spec.source == "-" or not result.ok or not completion_cache.stores_ids() or _SECRET_NAME.search(operation.route):
        return
    from nlapi.resources.answers import extract_list
    from nlapi.tools.answers.view import lowercase_headers

    part = extract_list(result.data, operation, lowercase_headers(result))
    items = [entry for entry in part.entries if isinstance(entry, Mapping)][:MAX_ENTRIES] if part is not None else []
    if not items:
        return
    lists = completion_cache.read_entry(spec.source, IDS)
    lists = dict(lists) if isinstance(lists, Mapping) else {}
    # The newest list is the last.
    lists.pop(operation.id, None)
    lists[operation.id] = _list_entry(operation, items)
    completion_cache.write_entry(spec.source, IDS, dict(list(lists.items())[-MAX_LISTS:]))


def _list_entry(operation: Operation, items: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    from nlapi.english.words import name_words
    from nlapi.resources.identity import field_at, fields_of, id_path, name_of
    from nlapi.resources.nouns import ID_WORDS, NAME_WORDS, singular_noun

    noun = singular_noun(operation)
    main = id_path(items[0], noun=noun)
    paths = [
        path
        for path in fields_of(items[0])
        if not _SECRET_NAME.search(path) and {*name_words(path)[-1:]} & (ID_WORDS | NAME_WORDS)
    ]
    chosen = list(dict.fromkeys([*([main] if main and not _SECRET_NAME.search(main) else []), *paths]))[:MAX_FIELDS]
    fields = {
        path: [
            (value, single_line(name_of(item, noun))[:MAX_VALUE])
            for item in items
            if (value := _plain(field_at(item, path)))
        ]
        for path in chosen
    }
    return {"id": main, "fields": {path: rows for path, rows in fields.items() if rows}}


def _plain(value: object) -> str:
    """Return an id as it is typed; "" for what is masked, long or not an id."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if text == single_line(text) and len(text) <= MAX_VALUE and "***" not in text else ""
