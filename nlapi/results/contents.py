"""Reads the body of a Result as a list of rows, an item, a text, or binary data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import TypeAlias

from nlapi.client.message import Result
from nlapi.client.safe_text import strip_control
from nlapi.client.truncate import PlainText, body_tree, project
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import extract_item, extract_list, is_failure
from nlapi.resources.identity import field_at
from nlapi.tools.answer_view import VALUE_COLUMN, lowercase_headers

Row = Mapping[str, object]

_HTML_TYPES = ("text/html", "application/xhtml+xml")
# Elements whose text is for a browser.
_HIDDEN_ELEMENTS = frozenset(("head", "script", "style", "template", "noscript", "svg"))
_BLOCK_ELEMENTS = frozenset(
    "p div br tr li ul ol table section article header footer h1 h2 h3 h4 h5 h6 pre blockquote dt dd hr".split()
)


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
    view = _html_text(text) if body.content_type in _HTML_TYPES else text
    return TextBody(content_type=body.content_type, text=view, note=body.note)


class _VisibleText(HTMLParser):
    """Collects the text of an HTML document that a browser shows, one block a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _HIDDEN_ELEMENTS:
            self._hidden += 1
        elif tag in _BLOCK_ELEMENTS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN_ELEMENTS:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _BLOCK_ELEMENTS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _html_text(html: str) -> str:
    parser = _VisibleText()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).splitlines())
    # Character references may stand for control characters, which were removed before they were resolved.
    return strip_control("\n".join(line for line in lines if line))
