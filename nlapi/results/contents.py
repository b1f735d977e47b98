"""Reads the body of a Result as a list of rows, an item, a text, or binary data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nlapi.client.message import Result
from nlapi.client.safe_text import strip_control
from nlapi.client.truncate import PlainText, body_tree, project
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import extract_item, extract_list, is_failure
from nlapi.resources.identity import field_at
from nlapi.results.html_text import visible_text
from nlapi.tools.answer_view import VALUE_COLUMN, lowercase_headers

Row = Mapping[str, object]

_HTML_TYPES = ("text/html", "application/xhtml+xml")
# The beginning of a page that comes without a type.
_HTML_START = re.compile(r"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The rows of a list; plain values stand in rows of one column. `total` counts all pages, where it is known.

    `data` is the whole body with the envelope around the list, and `beside` what it has beside the list.
    """

    rows: Sequence[Row]
    data: object
    total: int | None = None
    beside: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBody:
    """JSON that is no list: an item, a value, or an error; also the note on binary data."""

    data: object


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBody:
    """A body that is no JSON, without control characters; of HTML, the text that a browser shows."""

    content_type: str
    text: str
    note: str = ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


Contents: TypeAlias = Listing | ItemBody | TextBody


def read_contents(result: Result, operation: Operation | None = None) -> Contents:
    """Return the contents of a Result. `operation` says by its schema where the list is."""
    tree = body_tree(result)
    if isinstance(tree, PlainText):
        return _text_body(tree)
    if result.status < 400:
        listing = extract_list(tree, operation, lowercase_headers(result))
        if listing is not None and (rows := _rows(listing.entries)) is not None:
            beside = _without(tree, listing.envelope.keys)
            return Listing(rows=rows, data=tree, total=listing.total, beside=beside)
    return ItemBody(data=tree)


def select_fields(contents: Contents, fields: Sequence[str], operation: Operation | None = None) -> Contents:
    """Return the contents with the fields at these dotted paths alone, in each row of a list or in an item.

    The item is the one inside an envelope such as `data`. Contents without any of the fields, and those that report a
    failure, are returned as they are.
    """
    if isinstance(contents, TextBody) or (isinstance(contents, ItemBody) and is_failure(contents.data)):
        return contents
    if isinstance(contents, ItemBody):
        for item in (extract_item(contents.data, operation), contents.data):
            data, missing = project(item, fields)
            if len(missing) < len(fields):
                return ItemBody(data=data)
        return contents
    data, missing = project(list(contents.rows), fields)
    if len(missing) == len(fields):
        return contents
    rows = [row for row in data if isinstance(row, Mapping)] if isinstance(data, list) else []
    beside, absent = project(contents.beside, fields)
    return replace(contents, rows=rows, data=data, beside=beside if len(absent) < len(fields) else None)


def _without(data: object, keys: Sequence[str]) -> object:
    """Return the objects around a list without the list at the end of the keys; None where nothing else is there."""
    if not keys or not isinstance(data, Mapping):
        return None
    inner = _without(data.get(keys[0]), keys[1:])
    rest = {key: value for key, value in data.items() if key != keys[0]}
    return ({**rest, keys[0]: inner} if inner else rest) or None


def nested_listing(contents: Contents, path: str) -> Listing | None:
    """Return the list at a dotted path inside of the contents; None where there is none.

    A list inside of the rows of a list is that of all rows, one after the other; else it may stand beside the list.
    """
    if isinstance(contents, Listing):
        return _listing_at(contents, path) or _listing_at(ItemBody(data=contents.beside), path)
    return _listing_at(contents, path)


def _listing_at(contents: Contents, path: str) -> Listing | None:
    sources: Sequence[object] = contents.rows if isinstance(contents, Listing) else ()
    if isinstance(contents, ItemBody):
        sources = (contents.data,)
    values = [value for source in sources if isinstance(value := field_at(source, path), list)]
    entries = [entry for value in values for entry in value]
    rows = _rows(entries) if values else None
    return Listing(rows=rows, data=entries) if rows is not None else None


def _rows(entries: Sequence[object]) -> Sequence[Row] | None:
    """Return the entries of a list as rows; None where objects stand beside other values."""
    objects = [entry for entry in entries if isinstance(entry, Mapping)]
    if len(objects) == len(entries):
        return objects
    return None if objects else [{VALUE_COLUMN: entry} for entry in entries]


def _text_body(body: PlainText) -> TextBody:
    text = strip_control(body.text)
    if body.content_type in _HTML_TYPES or (not body.content_type and _HTML_START.match(text)):
        # Character references may stand for control characters, which were removed before they were resolved.
        text = strip_control(visible_text(text))
    return TextBody(content_type=body.content_type, text=text, note=body.note)
