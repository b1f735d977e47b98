"""Reads the body of a Result as a list of rows, an item, a text, or binary data."""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from nlapi.client.message import Result
from nlapi.client.safe_text import strip_control
from nlapi.client.truncate import PlainText, body_tree, dump_json, project
from nlapi.english import lexicon
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import extract_item, extract_list, is_failure
from nlapi.resources.identity import field_at, fields_of, name_of, path_splits, text_of
from nlapi.tools.answers.view import VALUE_COLUMN, lowercase_headers

# Titles of GitHub have at most 256 characters; longer texts are read with `select`.
MAX_TEXT = 280
# Entries of a list in a cell; the others are counted.
MAX_ENTRIES = 6

Cell = str | int | float | bool | list["str | int | float | bool | None"] | None


def values_at(item: object, path: str) -> list[object]:
    """Return the values at a dotted path, also inside of lists: `labels.name` has those of all labels."""
    if path == "":
        return [item]
    if isinstance(item, Sequence) and not isinstance(item, str | bytes):
        return [value for entry in item for value in values_at(entry, path)]
    if not isinstance(item, Mapping):
        return []
    if path in item:
        return [item[path]]
    for head, rest in path_splits(path):
        if head in item:
            return values_at(item[head], rest)
    return []


def value_at_path(item: object, path: str) -> object:
    """Return the value at a dotted path; a list of values where the path leads through lists, None for none."""
    if (value := field_at(item, path)) is not None:
        return value
    values = values_at(item, path)
    return values if len(values) > 1 else next(iter(values), None)


def cell(value: object, max_text: int = MAX_TEXT) -> Cell:
    """Return a value as it stands in a cell: an object by its name, a list by its first entries, a text cut."""
    if isinstance(value, str):
        return _cut(value, max_text)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        name = text_of(value) or name_of(value)
        return _cut(name, max_text) if name else f"{{{len(value):,} fields}}"
    if isinstance(value, Sequence):
        return _list_cell(value, max_text)
    return _cut(str(value), max_text)


def _list_cell(values: Sequence[object], max_text: int) -> Cell:
    # Not by `cell` of the inner list: lists may be nested as deep as the parser goes.
    if any(isinstance(value, list) for value in values[:MAX_ENTRIES]):
        return f"[{len(values):,} items]"
    entries = [cell(value, max_text // 2) for value in values[:MAX_ENTRIES]]
    plain: list[str | int | float | bool | None] = [entry for entry in entries if not isinstance(entry, list)]
    if len(plain) < len(entries) or any(isinstance(entry, str) and entry.endswith(" fields}") for entry in plain):
        return f"[{len(values):,} items]"
    return [*plain, f"and {len(values) - MAX_ENTRIES:,} more"] if len(values) > MAX_ENTRIES else plain


def _cut(text: str, max_text: int) -> str:
    if len(text) <= max_text and text.isascii() and text.isprintable():
        return text
    # Cut before it is cleaned: a text can be as long as the body.
    cleaned = strip_control(text[: max_text + max_text // 2])
    return cleaned if len(text) <= max_text else f"{cleaned[:max_text]}…"


def size_of(value: object) -> int:
    """Return the bytes that a value takes in JSON, with the comma behind it."""
    # Most cells are plain texts and numbers; encoding each of them took an eighth of the time of a view.
    if type(value) is str and value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return len(value) + 3
    if type(value) is int:
        return len(str(value)) + 1
    return len(dump_json(value).encode("utf-8", "replace")) + 1


class SampleColumns:
    """The values and cells of the first rows of a list by column; each is read once, at its first use."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        self.rows = rows
        self._values: dict[str, list[object]] = {}
        self._cells: dict[str, list[Cell]] = {}

    @cached_property
    def fields(self) -> list[dict[str, object]]:
        """The fields of each row by their path."""
        return list(map(fields_of, self.rows))

    def values(self, path: str) -> list[object]:
        if path not in self._values:
            self._values[path] = [value_at_path(row, path) for row in self.rows]
        return self._values[path]

    def cells(self, path: str) -> list[Cell]:
        if path not in self._cells:
            self._cells[path] = list(map(cell, self.values(path)))
        return self._cells[path]

    def size(self, path: str) -> int:
        """Return the bytes that a column takes with its name."""
        return size_of(path) + sum(map(size_of, self.cells(path)))


# Distinct values that are counted one by one; a state, a type or a country of one page has seldom more.
MAX_VALUES = 8
MAX_VALUE_TEXT = 60
# A longer text is neither counted nor compared: it is a description and no value that sorts rows.
MAX_COMPARED_TEXT = 120


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sum_numbers(numbers: Sequence[int | float]) -> int | float | None:
    """Return a sum, of integers exactly and with floats to 15 digits; None where it is too large for a float."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    try:
        # Digits and not decimal places: prices of tokens are under a millionth.
        total = float(f"{math.fsum(numbers):.15g}")
    except (OverflowError, ValueError):
        return None
    return total if math.isfinite(total) else None


def summarize_columns(rows: Sequence[Mapping[str, object]], paths: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return the summary of each column that has one, by its path."""
    summaries = {path: summarize([value_at_path(row, path) for row in rows]) for path in paths}
    return {path: summary for path, summary in summaries.items() if summary}


def summarize(values: Sequence[object]) -> dict[str, object]:
    """Return `{"values": {text: count}}`, `{"min", "max", "sum"}` of numbers, or `{"min", "max"}` of texts.

    {} where the values are long texts, or not comparable; `empty` counts those that are null or absent.
    """
    present = [value for value in values if value is not None]
    empty: dict[str, object] = {"empty": len(values) - len(present)} if len(present) < len(values) else {}
    if not present or any(isinstance(value, Mapping | list) for value in present):
        return {}
    counts = Counter(str(cell(value, MAX_VALUE_TEXT)) for value in present)
    if len(counts) <= MAX_VALUES:
        return {"values": dict(counts.most_common()), **empty}
    numbers = [value for value in present if isinstance(value, int | float) and is_number(value)]
    if len(numbers) == len(present):
        total = sum_numbers(numbers)
        sums = {"sum": total} if total is not None else {}
        return {"min": cell(min(numbers)), "max": cell(max(numbers)), **sums, **empty}
    texts = [value for value in present if isinstance(value, str) and len(value) <= MAX_COMPARED_TEXT]
    if len(texts) < len(present):
        return {}
    return {"min": cell(min(texts), MAX_VALUE_TEXT), "max": cell(max(texts), MAX_VALUE_TEXT), **empty}


# Elements whose text is for a browser, and those of them whose text ends only at their own end tag.
_HIDDEN_ELEMENTS = frozenset(("script", "style", "template", "noscript", "svg"))
_RAW_ELEMENTS = frozenset(("script", "style"))
_BLOCK_ELEMENTS = lexicon.words("results/words", "block_elements")
_CELL_ELEMENTS = frozenset(("td", "th"))

_MARKUP = re.compile(r"<(?=[a-zA-Z/!?])")
# Quotes count behind `=` only, as in HTML. Possessive: a failed match is not tried in other ways.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+>""")
_LONG_NUMBER = re.compile(r"&#((?:[xX][0-9a-fA-F]|[0-9])[0-9a-fA-F]{30})")
_RAW_ENDS = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in _RAW_ELEMENTS}


def visible_text(document: str) -> str:
    """Return the text of a document, one block a line; its title where it has no other."""
    # Not `html.parser`: it takes minutes for 200 kB of tags or comments that do not end (Python 3.11).
    parts: list[str] = []
    title: list[str] = []
    hidden_depth, in_title, position = 0, False, 0
    while (markup := _MARKUP.search(document, position)) is not None:
        target = title if in_title else parts
        if in_title or not hidden_depth:
            target.append(_unescape(document[position : markup.start()]))
        tag = _TAG.match(document, markup.start())
        if tag is None:
            position = _end_of_other_markup(document, markup.start())
            continue
        position = tag.end()
        is_end, name = bool(tag[1]), tag[2].lower()
        if name == "title" and not hidden_depth:
            in_title = not is_end
        elif name == "body":
            hidden_depth = 0
        elif name in _HIDDEN_ELEMENTS and not tag[0].endswith("/>"):
            hidden_depth = max(hidden_depth + (-1 if is_end else 1), 0)
        if name in _RAW_ELEMENTS and not is_end:
            end = _RAW_ENDS[name].search(document, position)
            position = end.start() if end else len(document)
            hidden_depth += tag[0].endswith("/>")  # such a tag opens the element, too
        if name in _BLOCK_ELEMENTS:
            parts.append("\n")
        elif name in _CELL_ELEMENTS and not is_end:
            parts.append(" | ")
    if not hidden_depth:
        (title if in_title else parts).append(_unescape(document[position:]))
    return _lines(parts) or _lines(title)


def _unescape(text: str) -> str:
    """Return a text with its character references resolved; a number of more digits than any character stays."""
    # Python reads no number of more than 4,300 digits.
    return html.unescape(_LONG_NUMBER.sub(r"&amp;#\1", text))


def _end_of_other_markup(document: str, start: int) -> int:
    """Return where a comment, a declaration or a stray end tag ends; one without an end hides all that follows."""
    closing = "-->" if document.startswith("<!--", start) else ">"
    end = document.find(closing, start)
    return end + len(closing) if end >= 0 else len(document)


def _lines(parts: list[str]) -> str:
    lines = (" ".join(line.split()).strip("| ") for line in "".join(parts).splitlines())
    return "\n".join(line for line in lines if line)


Row = Mapping[str, object]

_HTML_TYPES = ("text/html", "application/xhtml+xml")
# The beginning of a page that comes without a type.
_HTML_START = re.compile(r"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The rows of a list; plain values stand in rows of one column. `total` counts all pages, where it is known.

    `data` is the whole body with the envelope around the list, and `beside` the body without the list.
    """

    rows: Sequence[Row]
    data: object
    total: int | None = None
    beside: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBody:
    """JSON that is not a list: an item, a value, or an error; also the note on binary data."""

    data: object


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBody:
    """A body that is not JSON, without control characters; of HTML, the text that a browser shows."""

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
    """Return the list at a dotted path inside of the contents, or None.

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
