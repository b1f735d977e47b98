"""Prints the answer of `nlapi call`: in the format that is asked for, with the request and headers where they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nlapi.cli import console
from nlapi.cli.answer_formats import arrangement, entries_in, write_entries
from nlapi.cli.answer_output import Filter, LivePrinter, print_filtered, print_items
from nlapi.cli.options import AnswerOptions, Output, is_terminal
from nlapi.client.masking import places_of, secret_mask
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.client.auth import AuthorizedRequest
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Operation
    from nlapi.tools.answer_view import PageSeries

_LISTS = (Output.CSV, Output.VALUE)
"""The formats that have a line for each entry, and no form for anything else."""


def resolve_shape(shape: AnswerOptions) -> AnswerOptions:
    """Return the options with the format that columns or an order need. UsageError where options exclude each other."""
    chosen = arrangement(shape.columns, shape.sort)
    if chosen and shape.jq is not None:
        raise UsageError("--jq prints what it makes of the answer, so --columns and --sort do nothing", hint="give one")
    if chosen and shape.output is Output.RAW:
        raise UsageError("-o raw is the answer as it came, without columns or order", hint="such as -o csv")
    if not shape.all and (shape.max_items or shape.max_pages):
        raise UsageError("--max-items and --max-pages are the bounds of --all", hint="give --all too")
    if shape.all and shape.output is Output.RAW:
        raise UsageError("-o raw is one answer as it came, and --all reads several", hint="such as -o ndjson")
    if chosen and shape.output is None:
        return replace(shape, output=Output.TABLE if is_terminal() else Output.JSON)
    return shape


def print_result(
    result: Result,
    shape: AnswerOptions,
    item_filter: Filter | None = None,
    operation: Operation | None = None,
    live: LivePrinter | None = None,
) -> None:
    """Print the answer on standard output, its status and the reason of a failure on standard error.

    The filter applies only to answers that are no errors. Items that `live` has already printed are not repeated.
    """
    output = shape.output
    console.note(f"{result.status} {console.status_phrase(result.status)} · {result.elapsed:.2f} s")
    if live is not None and live.has_printed:
        return
    if not result.ok:
        print_reason(result)
    if item_filter is not None and result.ok:
        _print_filtered(result, item_filter)
    elif output is Output.RAW or (result.data is None and result.content):
        _print_raw(result)
    elif result.items is not None and output is None and is_terminal():
        print_items(result.items, result.framing)
    elif result.items is not None:
        print_stream(list(result.items), shape)
    elif result.content:
        _print_data(result, shape, operation)


def print_reason(result: Result) -> None:
    """Note the reason that an answer gives for a failure."""
    from nlapi.resources.error_reasons import error_reason

    if reason := error_reason(result.data if result.data is not None else result.text):
        console.note(single_line(reason))


def _print_data(result: Result, shape: AnswerOptions, operation: Operation | None) -> None:
    """Print an answer in JSON."""
    from nlapi.cli import table
    from nlapi.tools.answer_view import answer_view, lowercase_headers

    chosen, output = arrangement(shape.columns, shape.sort), shape.output
    is_table = output is Output.TABLE or (output is None and is_terminal())
    if not result.ok and output in (*_LISTS, Output.TABLE):
        # The columns are those of the entries, which an error has none of.
        console.write(console.format_json(result.data))
        return
    if output in (*_LISTS, Output.NDJSON) or chosen:
        entries = entries_in(result.data, operation, lowercase_headers(result)) if result.ok else None
        is_item = entries is None and isinstance(result.data, dict)
        if is_item and chosen and not is_table and output not in (*_LISTS, Output.NDJSON):
            # One item stays one item: no list is made of it.
            data = {name: _column(result.data, name) for name in chosen.columns} if chosen.columns else result.data
            _print_whole(data, output)
            return
        write_entries(entries if entries is not None else [result.data], output or Output.JSON, chosen, operation)
    elif is_table:
        table.print_answer(answer_view(result, operation))
    else:
        _print_whole(result.data, output)


def _column(item: object, name: str) -> Any:
    from nlapi.resources.identity import field_at

    return field_at(item, name)


def _print_whole(data: object, output: Output | None) -> None:
    if output is Output.YAML:
        from nlapi.workflows.write import yaml_text

        console.write(yaml_text(data), end="")
    else:
        console.write(console.format_json(data))


def print_stream(items: list[Any], shape: AnswerOptions) -> None:
    """Print all items of a streamed answer."""
    write_entries(items, shape.output or Output.JSON, arrangement(shape.columns, shape.sort))


def print_pages(
    series: PageSeries, shape: AnswerOptions, item_filter: Filter | None, operation: Operation | None
) -> None:
    """Print the entries of several pages as one list; a filter sees that list."""
    if item_filter is not None:
        print_filtered(series.entries, item_filter)
        return
    output = shape.output or (Output.TABLE if is_terminal() else Output.JSON)
    write_entries(series.entries, output, arrangement(shape.columns, shape.sort), operation)


def describe_pages(series: PageSeries, *, max_items: int = 0, max_pages: int = 0) -> str:
    """Return a line on how much was read, and why no more."""
    from nlapi.tools.answer_view import MAX_BYTES, SeriesEnd

    count = len(series.entries)
    entries = f"{count:,} {'entry' if count == 1 else 'entries'}"
    total = f" of {series.total:,}" if series.total is not None and series.total > count else ""
    text = f"{entries}{total} on {console.count_noun(series.pages, 'page')}"
    reasons = {
        SeriesEnd.ITEMS: f"; there are more (--max-items {max_items} is reached)",
        SeriesEnd.PAGES: f"; there are more (--max-pages {max_pages} is reached)",
        SeriesEnd.SIZE: f"; there are more ({MAX_BYTES // 1_000_000} MB are read, the most)",
        SeriesEnd.UNDESCRIBED: "; the API says that there is more, and no argument asks for it",
        SeriesEnd.REPEATED: "; the API names a page as the next one that was read already",
        SeriesEnd.NO_LIST: "; the answer after them is no list",
        SeriesEnd.MISSING: "; the API shows no way to the others",
    }
    return text + reasons.get(series.ended, "")


class PageProgress:
    """Shows on a terminal's standard error how many pages have come; a context manager and a listener."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._width = 0

    def __call__(self, series: PageSeries) -> None:
        """Show the number of entries so far."""
        if self._is_shown and not console.is_silenced():
            total = f" of {series.total:,}" if series.total else ""
            text = f"{len(series.entries):,}{total} entries, {console.count_noun(series.pages, 'page')}"
            sys.stderr.write(f"\r{text:<{self._width}}")
            sys.stderr.flush()
            self._width = len(text)

    def __enter__(self) -> PageProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            sys.stderr.write(f"\r{'':<{self._width}}\r")
            sys.stderr.flush()


def show_request(authorized: AuthorizedRequest) -> None:
    """Show a request as it is sent on standard error, with its credentials masked."""
    request = authorized.request
    # Short secrets are masked where they are sent: elsewhere they may be words.
    mask = secret_mask(authorized.secrets, places_of(request.url, request.headers, authorized.secrets))
    headers = tuple((name, _mask_value(value, authorized.secrets)) for name, value in request.headers)
    for line in mask.text(console.preview_request(replace(request, headers=headers))).splitlines():
        console.note(f"> {line}")


def _mask_value(value: str, secrets: tuple[str, ...]) -> str:
    """Return the value of a header with the parts that are secrets masked, however short these are."""
    return " ".join("***" if part in secrets else part for part in value.split(" "))


def show_headers(result: Result, show: Callable[[str], None]) -> None:
    """Show the status and the headers of an answer."""
    is_output = show is console.write
    mark = "" if is_output else "< "
    show(f"{mark}{result.status} {console.status_phrase(result.status)}".rstrip())
    for name, value in result.headers:
        # The value of a cookie is a credential that the server has just made.
        text = re.sub(r"=[^;]*", "=***", value, count=1) if name.lower() == "set-cookie" else value
        show(f"{mark}{single_line(name)}: {single_line(text)}")
    if is_output:
        console.write("\n", end="")


def _print_raw(result: Result) -> None:
    if not is_terminal():
        console.write_bytes(result.content)
        return
    # Binary bytes may contain control sequences of the terminal; text goes through `show.write`, which removes them.
    try:
        result.content.decode()
    except UnicodeDecodeError:
        size = f"{len(result.content):,} bytes of {result.content_type or 'an unnamed type'}"
        console.note(f"{size}, which a terminal cannot show; -o raw > FILE keeps them")
    else:
        console.write(result.text)


def _print_filtered(result: Result, item_filter: Filter) -> None:
    if result.data is None and result.content.strip() not in (b"", b"null"):
        raise NlapiError("--jq needs a JSON answer, and this is none", hint=f"it begins {result.text[:200]!r}")
    for value in [result.data] if result.items is None else result.items:
        print_filtered(value, item_filter)
