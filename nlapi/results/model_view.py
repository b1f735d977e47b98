"""Shows a model an answer within a budget: all rows with the columns that matter, and how to read the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nlapi.client.message import Result
from nlapi.client.safe_text import strip_all
from nlapi.client.truncate import NOTE_KEY, answer_frame, dump_json, fit_data
from nlapi.english.words import name_words, stem
from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation
from nlapi.resources.identity import columns
from nlapi.resources.nouns import singular_noun
from nlapi.results.contents import (
    MAX_TEXT,
    Cell,
    Contents,
    Listing,
    Row,
    SampleColumns,
    TextBody,
    cell,
    select_fields,
    size_of,
    summarize_columns,
    value_at_path,
    values_at,
)
from nlapi.tools.answers.view import further_page
from nlapi.tools.tool import Call

MAX_VIEW = 16_000
"""bytes of the JSON text of one answer for a model: 4,000 tokens, at four bytes a token"""

# Bytes of the columns that nobody asked for. 100 issues of GitHub's with eight such columns take 11,000.
OPTIONAL_ROOM = 11_000
# Rows from which the columns are chosen; the others of a list have the same fields.
SAMPLE_ROWS = 200
MAX_OTHER_FIELDS = 60
# Bytes of their names; 60 names of GitHub's repositories take 1,300.
OTHER_FIELDS_ROOM = 2_000
MAX_SUMMARIES = 12
# Characters of what an answer has beside its list: totals, facets, warnings.
BESIDE_ROOM = 1_000
TEXT_ROOM = 4_000
MIN_TEXT = 60
# Characters of the name of a column. The names of an API's fields are its texts, and there may be a body of them.
MAX_NAME = 200


# Bytes: the frame of an answer, its first row and the notes on what was left out fit into them, also where names and
# texts are odd (tests/test_results.py).
MIN_VIEW = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """The form in which a model is shown answers: at most `limit` bytes, and `fields` alone where they have any.

    The fields are dotted paths in each row of a list, or in an item.
    """

    limit: int = MAX_VIEW
    fields: tuple[str, ...] = ()


PLAIN_FORM = AnswerForm()


def answer_form(answer_bytes: int, fields: Iterable[str]) -> AnswerForm:
    """Return the form of the arguments of `nlapi.answer`. UsageError for fewer bytes than an answer needs."""
    if answer_bytes < MIN_VIEW:
        raise UsageError(f"answer_bytes is {answer_bytes:,}", hint=f"give a number from {MIN_VIEW:,} on")
    return AnswerForm(limit=answer_bytes, fields=(fields,) if isinstance(fields, str) else tuple(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTable:
    """Rows as arrays of cells in the order of `columns`. `constants` are the columns with one value in all rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    constants: Mapping[str, Cell]
    other_fields: tuple[str, ...]


def model_view(
    result: Result,
    contents: Contents,
    *,
    handle: str = "",
    call: Call | None = None,
    words: Collection[str] = (),
    form: AnswerForm = PLAIN_FORM,
) -> str:
    """Return an answer as JSON text of at most `form.limit` bytes, marked as untrusted data.

    A list that is too long for that is a table of all its rows, with the columns that identify, then those that the
    stems in `words` name, then others; or of its first rows, with a summary of all. `result` is the handle by which a
    query reads the rest, `next` the arguments of the next page. The reason of a failure has all its fields.
    """
    frame, limit, size = answer_frame(result), form.limit, len(result.content)
    data = None if isinstance(contents, TextBody) else contents.data
    if call is not None and (following := further_page(call, result, data)):
        frame["next"] = following
    paths: list[str] = []
    operation = call.tool.operation if call is not None else None
    selected = select_fields(contents, form.fields, operation) if form.fields and result.status < 400 else contents
    if selected is not contents:
        contents, size = selected, 0
        if isinstance(contents, Listing):
            paths = [path for path in form.fields if any(values_at(row, path) for row in contents.rows[:SAMPLE_ROWS])]
            frame |= {"total": contents.total} if contents.total is not None else {}
        if handle:
            frame["result"] = handle
            frame["fields"] = "those that the user chose; the tool `result` reads the others"
    room = limit - len(dump_json({**frame, "data": 0}).encode())
    if not isinstance(contents, TextBody) and size <= 3 * limit and _fits(contents.data, room):
        return dump_json({**frame, "data": fit_data(contents.data, room, size)})
    if handle:
        frame["result"] = handle
    room = limit - len(dump_json(frame).encode()) - 60
    if isinstance(contents, Listing):
        view = _listing_view(contents, operation, words, room, paths)
    elif isinstance(contents, TextBody):
        view = _text_view(contents, room)
    else:
        characters = int(room * _characters_a_byte(result))
        view = {"data": fit_bytes(contents.data, room, size=len(result.content), characters=characters)}
    if handle and NOTE_KEY in view:
        view[NOTE_KEY] = f"{view[NOTE_KEY]}; the tool `result` reads the rest"
    # The names of fields are texts of the API too. They are cleaned one by one: an escape sequence in JSON would take
    # the quotation mark behind it along.
    return dump_json(strip_all({**frame, **view}))


def _fits(data: object, room: int) -> bool:
    """Return whether data takes at most `room` bytes; no where it is nested too deep or has no form in JSON."""
    try:
        return size_of(data) <= room
    except (ValueError, RecursionError):
        return False


def fit_bytes(data: object, room: int, *, size: int = 0, characters: int = 0) -> object:
    """Return as much of data as fits into `room` bytes.

    `size` is that of its body in bytes, and `characters` the first guess of the number that fits, by default the room.
    """
    characters = characters or room
    # A character may take four bytes, and the body may have it as an escape sequence of another length.
    while size_of(view := fit_data(data, characters, size or room)) > room and characters > 100:
        characters = characters * 3 // 4
    return view


def _characters_a_byte(result: Result) -> float:
    """Return the characters that a byte of the body stands for, by its beginning: at most 1."""
    start = result.content[:10_000]
    return len(start.decode("utf-8", "replace")) / max(len(start), 1)


def _listing_view(
    listing: Listing, operation: Operation | None, words: Collection[str], room: int, paths: Sequence[str]
) -> dict[str, object]:
    rows = listing.rows
    counts: dict[str, object] = {"count": len(rows)}
    if listing.total is not None and listing.total != len(rows):
        counts["total"] = listing.total
    if listing.beside:
        counts["beside_the_list"] = fit_data(listing.beside, BESIDE_ROOM, size_of(listing.beside))
        room -= size_of(counts)
    table = build_table(rows, room - 800, operation=operation, words=words, paths=paths)
    if not table.columns and not table.constants:
        return {**counts, "data": fit_bytes(listing.data, room)}
    view = table_data(table)
    if len(table.rows) < len(rows):
        paths = [*table.columns, *table.constants, *table.other_fields][:MAX_SUMMARIES]
        view[NOTE_KEY] = f"the first {len(table.rows):,} of {len(rows):,} rows"
        summaries = summarize_columns(rows, paths)
        while summaries and size_of({**view, "summary_of_all_rows": summaries}) > room - 80:
            summaries.popitem()
        if summaries:
            view["summary_of_all_rows"] = summaries
    return {**counts, **view}


def table_data(table: ViewTable) -> dict[str, object]:
    view: dict[str, object] = {"columns": list(table.columns), "rows": [list(row) for row in table.rows]}
    if table.constants:
        view["same_in_all_rows"] = dict(table.constants)
    if table.other_fields:
        view["other_fields"] = list(table.other_fields)
    return view


def build_table(
    rows: Sequence[Row],
    room: int,
    *,
    operation: Operation | None = None,
    words: Collection[str] = (),
    paths: Sequence[str] = (),
) -> ViewTable:
    """Return the table of rows within `room` bytes: all of `paths`, or as many columns as fit, the best first.

    Where the columns that identify do not fit for all rows, the table has the first rows.
    """
    sample = SampleColumns(rows[:SAMPLE_ROWS])
    noun = singular_noun(operation) if operation is not None else ()
    ranked = list(paths) or [path for path in columns(sample.rows, noun, fields=sample.fields) if len(path) <= MAX_NAME]
    constants = {} if paths else _constants(rows, sample, ranked)
    candidates = [path for path in ranked if path not in constants]
    chosen = list(paths) or _choose_columns(rows, sample, candidates, words, room)
    # What was asked for by name is shown longer, as far as there is room.
    max_text = max(MAX_TEXT, room // max(len(rows) * len(paths), 1)) if paths else MAX_TEXT
    sampled = (path for fields in sample.fields[:20] for path in fields)
    others = [path for path in dict.fromkeys((*candidates, *sampled)) if path not in chosen]
    others = [] if paths else [path for path in others if path not in constants]
    other_fields = _shown_fields(others)
    room -= size_of(constants) + size_of(other_fields) + size_of(chosen)
    cells = _cells(rows, sample, chosen, room, max_text)
    return ViewTable(columns=tuple(chosen), rows=cells, constants=constants, other_fields=other_fields)


def _shown_fields(paths: Sequence[str]) -> tuple[str, ...]:
    """Return as many paths as there is room for."""
    view: list[str] = []
    room = OTHER_FIELDS_ROOM
    for path in paths[:MAX_OTHER_FIELDS]:
        room -= size_of(path)
        if room < 0:
            break
        view.append(path)
    return tuple(view)


def _constants(rows: Sequence[Row], sample: SampleColumns, paths: Sequence[str]) -> dict[str, Cell]:
    """Return the short values that all rows share, by their path."""
    if len(rows) < 2:
        return {}
    others = rows[len(sample.rows) :]
    shared: dict[str, Cell] = {}
    for path in paths[1:]:
        values = sample.values(path)
        first, kind = values[0], type(values[0])
        # Of one type too: 1 is equal to True.
        if (
            all(value == first and type(value) is kind for value in values)
            and all(value == first and type(value) is kind for value in (value_at_path(row, path) for row in others))
            and size_of(value := cell(first)) + size_of(path) <= 160
        ):
            shared[path] = value
    return dict(list(shared.items())[:MAX_SUMMARIES])


def _is_named(path: str, words: Collection[str]) -> bool:
    """Return whether the question names a field: its words, without those of the object around it."""
    return any(stem(word) in words for word in name_words(path))


def _choose_columns(
    rows: Sequence[Row], sample: SampleColumns, candidates: Sequence[str], words: Collection[str], room: int
) -> list[str]:
    """Return the columns that identify and those that the question names, then others as long as there is room."""
    scale = len(rows) / max(len(sample.rows), 1)
    sizes = {path: sample.size(path) * scale for path in candidates}
    required = [*candidates[:2], *(path for path in candidates[2:] if _is_named(path, words))]
    chosen: list[str] = []
    used = 2.0 * len(rows)
    for path in required:
        if not chosen or used + sizes[path] <= room:
            chosen.append(path)
            used += sizes[path]
    optional_room = min(room, max(OPTIONAL_ROOM, used))
    for path in candidates:
        if path not in chosen and used + sizes[path] <= optional_room:
            chosen.append(path)
            used += sizes[path]
    return [path for path in candidates if path in chosen]


def _cells(
    rows: Sequence[Row], sample: SampleColumns, paths: Sequence[str], room: int, max_text: int
) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows as long as they fit; the first is there in any case, with short cells where it has to be."""
    is_read = max_text == MAX_TEXT
    cells: list[tuple[Cell, ...]] = []
    for index, row in enumerate(rows):
        if is_read and index < len(sample.rows):
            line = tuple(sample.cells(path)[index] for path in paths)
        else:
            line = tuple(cell(value_at_path(row, path), max_text) for path in paths)
        room -= size_of(line)
        if room < 0 and not cells:
            cells.append(tuple(cell(value_at_path(row, path), MIN_TEXT) for path in paths))
        if room < 0:
            break
        cells.append(line)
    return tuple(cells)


def _text_view(body: TextBody, room: int) -> dict[str, object]:
    start = body.text[: min((room - 200) // 4, TEXT_ROOM)]
    view: dict[str, object] = {"content_type": body.content_type, "text": start}
    if len(start) < len(body.text):
        view[NOTE_KEY] = f"the first {len(start):,} of {len(body.text):,} characters, {len(body.lines):,} lines"
    if body.note:
        view["fault"] = body.note
    return view
