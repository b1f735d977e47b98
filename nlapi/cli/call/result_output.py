"""Prints the answer of `nlapi call`: whole or item by item, in the format and columns that are asked for."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nlapi.cli.options import AnswerOptions, Output, is_terminal
from nlapi.cli.render import console, table
from nlapi.client.masking import places_of, secret_mask
from nlapi.client.message import Framing, Result
from nlapi.client.safe_text import single_line, strip_all, strip_control
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from rich.status import Status

    from nlapi.client.auth import AuthorizedRequest
    from nlapi.client.streaming.body import Piece
    from nlapi.openapi.spec import Operation
    from nlapi.tools.answers.view import PageSeries


VALUE = "value"
"""The column of entries that are plain values."""

# Entries whose fields are the columns of a CSV without --columns.
MAX_SURVEYED = 1_000

# A spreadsheet runs a cell that begins so as a formula; a number is not one.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The columns that are shown, all of them when empty, and the fields to sort by, each with whether it descends."""

    columns: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.order)


def arrangement(columns: Sequence[str] | None, sort: Sequence[str] | None) -> Arrangement:
    """Return the Arrangement of `--columns a,b` and `--sort a,-b`. UsageError for an empty name."""
    names = tuple(name.strip() for text in columns or () for name in text.split(","))
    keys = tuple(name.strip() for text in sort or () for name in text.split(","))
    if not all(names) or not all(key.lstrip("-") for key in keys):
        raise UsageError(
            "--columns and --sort take names of fields", hint="such as --columns id,owner.login --sort -created_at"
        )
    return Arrangement(columns=names, order=tuple((key.removeprefix("-"), key.startswith("-")) for key in keys))


def arranged(entries: Sequence[Any], chosen: Arrangement) -> list[Any]:
    """Return the entries in order, with the chosen columns. UsageError for a column that no entry has."""
    known = list(dict.fromkeys(path for entry in entries[:MAX_SURVEYED] for path in _fields(entry)))
    for name in (*chosen.columns, *(name for name, _ in chosen.order)):
        if entries and not any(_has(entry, name) for entry in entries):
            raise UsageError(f"no entry has a field {name!r}", hint=f"there are {', '.join(known[:12])}")
    result = list(entries)
    for name, descends in reversed(chosen.order):
        # Entries without the value are last in either direction.
        present = [entry for entry in result if _at(entry, name) is not None]
        absent = [entry for entry in result if _at(entry, name) is None]
        present.sort(key=lambda entry: _sort_key(_at(entry, name)), reverse=descends)
        result = [*present, *absent]
    if chosen.columns:
        return [{name: _at(entry, name) for name in chosen.columns} for entry in result]
    return result


def _sort_key(value: object) -> tuple[int, float, str]:
    """Return a key by which numbers sort by value and before texts, and texts without case."""
    if isinstance(value, bool | int | float):
        return 0, value, ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return 1, 0.0, text.casefold()


def _fields(entry: object) -> Mapping[str, object]:
    from nlapi.resources.identity import fields_of

    return fields_of(entry) if isinstance(entry, Mapping) else {VALUE: entry}


def _at(entry: object, path: str) -> Any:
    from nlapi.resources.identity import field_at

    return field_at(entry, path) if isinstance(entry, Mapping) else entry if path == VALUE else None


def _has(entry: object, path: str) -> bool:
    """Return whether an entry has a field, also where its value is null."""
    if _at(entry, path) is not None:
        return True
    head, _, rest = path.rpartition(".")
    parent = _at(entry, head) if head else entry
    return isinstance(parent, Mapping) and rest in parent


def write_entries(
    entries: Sequence[Any], output: Output, chosen: Arrangement, operation: Operation | None = None
) -> None:
    """Write entries in a format, on standard output."""
    rows = arranged(entries, chosen)
    match output:
        case Output.CSV:
            _write_csv(rows, chosen.columns)
        case Output.VALUE:
            for row in rows:
                console.write(
                    "\t".join(_cell(value) for value in (_fields(row) if not chosen.columns else row).values())
                )
        case Output.YAML:
            from nlapi.workflows.write import yaml_text

            console.write(strip_control(yaml_text(rows)), end="")
        case Output.NDJSON:
            for row in rows:
                console.write(json.dumps(row, ensure_ascii=False))
        case Output.TABLE:
            _write_table(rows, chosen, operation)
        case _:
            console.write_list(rows)


def _write_csv(rows: Sequence[Any], columns: Sequence[str]) -> None:
    names = columns or list(dict.fromkeys(path for row in rows[:MAX_SURVEYED] for path in _fields(row)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in names])
    for row in rows:
        fields = row if columns else _fields(row)
        writer.writerow([_csv_cell(fields.get(name)) for name in names])
    console.write(text.getvalue(), end="")


def _csv_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = _cell(value, line_breaks=True)
    # A list of texts is joined, and begins as its first one does.
    is_formula = isinstance(value, str | list) and _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _cell(value: object, *, line_breaks: bool = False) -> str:
    """Return a value as text: null as nothing, lists of plain values with commas, other values as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return strip_control(value) if line_breaks else single_line(value)
    if isinstance(value, list) and all(isinstance(entry, str | int | float) for entry in value):
        return ",".join(_cell(entry) for entry in value)
    # JSON escapes the control characters of ASCII alone.
    return json.dumps(strip_all(value), ensure_ascii=False, default=str)


def _write_table(rows: Sequence[Any], chosen: Arrangement, operation: Operation | None) -> None:

    from nlapi.tools.answers.view import AnswerView, entries_view

    view = entries_view(list(rows), operation)
    if view is None:
        console.write_list(rows)
        return
    if chosen.columns:
        # Columns that were asked for are all shown, however narrow the terminal is.
        view = replace(view, columns=chosen.columns, fixed=len(chosen.columns))
    table.print_answer(view if rows else AnswerView())


def entries_in(data: object, operation: Operation | None, headers: Mapping[str, str]) -> list[Any] | None:
    """Return the entries of the list in an answer; None where it has none."""
    from nlapi.resources.answers import extract_list
    from nlapi.resources.envelope import value_at

    part = extract_list(data, operation, headers)
    entries = value_at(data, part.envelope.keys) if part is not None else None
    return list(entries) if isinstance(entries, list) else None


Filter = Callable[[Any], list[Any]]

# Builtins of jq that read the environment or other input, write past standard output, or end the program.
_REFUSED = (
    *("env", "input", "inputs", "input_filename", "input_line_number", "debug", "debug(f)", "stderr"),
    *("get_search_list", "modulemeta", "halt", "halt_error", "halt_error(f)"),
)

_ENVIRONMENT = re.compile(r"\$\s*ENV\b")
# A prefix of every expression. jq drops a definition that is not used; one that is used does not compile, because its
# variable is undefined, however the use is written. `import` must come first in a program, so it fails behind this too.
_GUARD = "null as $ENV | " + " ".join(f"def {name}: $refused_{name.partition('(')[0]};" for name in _REFUSED) + "\n"

# Seconds after which a spinner is shown. Most answers come earlier, and a spinner would only flicker.
PATIENCE = 1.0


def jq_filter(expression: str) -> Filter:
    """Return the function of a jq expression. UsageError when it does not compile or reads more than the answer."""
    import jq

    if _ENVIRONMENT.search(expression):
        raise _refusal(expression, "$ENV")
    try:
        compiled = jq.compile(_GUARD + (expression if expression.strip() else "."))
    except ValueError as error:
        text = str(error)
        if used := re.search(r"\$refused_(\w+) is not defined", text):
            raise _refusal(expression, used[1]) from None
        raise UsageError(f"--jq {expression!r}: {_in_expression(text)}") from None

    def apply(data: object) -> list[object]:
        try:
            return list(compiled.input_value(data).all())
        except ValueError as error:
            problem = f"--jq {expression!r} does not fit the answer: {str(error).splitlines()[0]}"
            raise NlapiError(problem, hint=f"the answer begins {json.dumps(data)[:200]}") from None

    return apply


def _refusal(expression: str, name: str) -> UsageError:
    problem = f"--jq {expression!r} uses {name}, which is refused: a filter sees the answer and nothing else"
    return UsageError(problem, hint=f'a field of that name is .{name.lstrip("$")}, or ."{name}"')


def _in_expression(text: str) -> str:
    """Return the first line of a jq error, with its line number counted from the beginning of the expression."""
    first = text.splitlines()[0]
    return re.sub(r"\bline (\d+)", lambda match: f"line {max(int(match[1]) - 1, 1)}", first)


def _format_item(item: object, framing: Framing | None) -> str:
    """Return an item as text: a string unchanged, an event with its name before it, anything else as JSON."""
    if framing is Framing.FRAMES and isinstance(item, dict):
        stream, text = item.get("stream"), item.get("text")
        return str(text) if stream == "stdout" else f"[{stream}] {text}"
    if framing is Framing.EVENTS and isinstance(item, dict):
        name = f"{item['event']}: " if "event" in item else ""
        return f"{name}{_text(item.get('data'))}"
    return _text(item)


def print_items(items: Iterable[object], framing: Framing | None) -> None:
    """Print each item as a line, and flush."""
    for item in items:
        console.write(_format_item(item, framing))
    console.flush()


def print_filtered(data: object, item_filter: Filter) -> None:
    """Print the results of a filter, one a line: strings unchanged, everything else as JSON."""
    for value in item_filter(data):
        console.write(_text(value))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class LivePrinter:
    """A printer of each Piece of an answer, except for a list (`-o json`) or a table, which need the whole answer.

    `items` are the items so far, `has_printed` is whether they are on standard output, `misfit` is the error of the
    filter at the first item that it does not fit.
    """

    def __init__(self, output: Output | None, item_filter: Filter | None) -> None:
        self._output = output
        self._filter = item_filter
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._status: Status | None = None
        self._is_line_open = False
        self.items: list[Any] = []
        self.has_printed = False
        self.misfit: NlapiError | None = None

    def __call__(self, piece: Piece) -> None:
        self.items += piece.items
        if self._waits_for_end(piece.framing):
            if self._status is not None:
                self._status.update(self._progress())
        elif piece.data if self._is_raw(piece.framing) else piece.items:
            if is_terminal():
                self.pause()
            self.has_printed = True
            self._print(piece)
            console.flush()

    def _is_raw(self, framing: Framing) -> bool:
        """Return whether bytes are printed instead of items: of text, unless another output is chosen."""
        if self._filter is not None:
            return False
        return self._output is Output.RAW or (self._output is None and framing is Framing.LINES)

    def _waits_for_end(self, framing: Framing) -> bool:
        if self._filter is not None or self._output is Output.NDJSON or self._is_raw(framing):
            return False
        return self._output is not None or not is_terminal()

    def _print(self, piece: Piece) -> None:
        if self._filter is not None:
            for item in piece.items:
                try:
                    print_filtered(item, self._filter)
                except NlapiError as error:
                    # Reported at the end: closing the connection now may stop a change half way, as Docker's build.
                    self.misfit = self.misfit or error
        elif self._output is Output.NDJSON:
            for item in piece.items:
                console.write(json.dumps(item, ensure_ascii=False))
        elif not self._is_raw(piece.framing):
            print_items(piece.items, piece.framing)
        elif not is_terminal():
            console.write_bytes(piece.data)
        elif text := self._decoder.decode(piece.data):
            # A model's tokens come as text/plain without line ends for minutes, and are shown at once.
            self._is_line_open = not text.endswith("\n")
            console.write(text, end="")

    async def wait_for(self, answer: Coroutine[object, object, Result]) -> Result:
        """Wait for the answer and return it; after PATIENCE seconds a terminal shows the number of items so far."""
        import asyncio

        timer = asyncio.get_running_loop().call_later(PATIENCE, self._start) if sys.stderr.isatty() else None
        try:
            return await answer
        finally:
            if timer is not None:
                timer.cancel()
            self.pause()
            if self._is_line_open:
                console.write("")

    def _start(self) -> None:
        from rich.console import Console

        if not (self.has_printed and is_terminal()):
            self._status = Console(stderr=True).status(self._progress())
            self._status.start()

    def _progress(self) -> str:
        return f"{console.count_noun(len(self.items), 'item')} so far" if self.items else "waiting for the answer"

    def pause(self) -> None:
        """Remove the spinner, as a question follows, or the end."""
        if self._status is not None:
            self._status.stop()
            self._status = None


_LISTS = (Output.CSV, Output.VALUE)
"""The formats that have a line for each entry, and no form for anything else."""


def resolve_shape(shape: AnswerOptions) -> AnswerOptions:
    """Return the options with the format that columns or an order need. UsageError where options exclude each other."""
    chosen = arrangement(shape.columns, shape.sort)
    if chosen and shape.jq is not None:
        raise UsageError("--jq decides what is printed, so --columns and --sort have no effect", hint="give one")
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

    The filter applies only to answers that are not errors. Items that `live` has already printed are not repeated.
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
    from nlapi.tools.answers.view import answer_view, lowercase_headers

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
    from nlapi.client.send import retry_delay
    from nlapi.tools.answers.view import MAX_BYTES, SeriesEnd

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
        SeriesEnd.NO_LIST: "; the answer after them is not a list",
        SeriesEnd.MISSING: "; the API shows no way to the others",
    }
    if series.last is not None and (seconds := retry_delay(series.last)) is not None:
        return f"{text}; the API gives no more before {seconds:.0f} s have passed, and the rest is missing"
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

    def __exit__(self, *_: object) -> None:
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
        raise NlapiError("--jq needs a JSON answer, and this is not JSON", hint=f"it begins {result.text[:200]!r}")
    for value in [result.data] if result.items is None else result.items:
        print_filtered(value, item_filter)
