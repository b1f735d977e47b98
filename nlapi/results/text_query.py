"""Searches a text, and reads its lines and pages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlapi.client.truncate import NOTE_KEY
from nlapi.errors import UsageError
from nlapi.results.cells import size_of
from nlapi.results.contents import TextBody
from nlapi.results.query_arguments import ResultQuery

# Lines around each line that a search finds.
CONTEXT_LINES = 2
# Characters of one line, which is cut there, or at a quarter of the room: a character takes four bytes at most.
MAX_LINE = 2_000


def query_text(query: ResultQuery, body: TextBody, room: int) -> dict[str, object]:
    """Return the lines of a text that a query is for, or one of its pages. UsageError for lines that there are not."""
    lines = body.lines
    if query.search:
        numbers = _matching_lines(lines, query.search)
        near_lines = sorted({near for number in numbers for near in _around(number, len(lines))})
        return {"matching_lines": len(numbers), **_numbered_lines(lines, near_lines, room)}
    if not query.lines:
        page_lines = _text_pages(lines, room)
        if query.page > len(page_lines):
            raise UsageError(f"there is no page {query.page}", hint=f"this text has {len(page_lines)}")
        first, last = page_lines[query.page - 1]
        return {"pages": len(page_lines), **_numbered_lines(lines, range(first, last), room)}
    match = re.fullmatch(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?", query.lines)
    if match is None or int(match[1]) < 1:
        raise UsageError(f"lines {query.lines[:40]!r} is no range", hint="such as 100-150")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > len(lines):
        raise UsageError(f"there is no line {first}", hint=f"this text has {len(lines):,}")
    return _numbered_lines(lines, range(first - 1, min(last, len(lines))), room)


def _matching_lines(lines: Sequence[str], search: str) -> list[int]:
    words = search.casefold().split()
    return [number for number, line in enumerate(lines) if all(word in line.casefold() for word in words)]


def _around(number: int, count: int) -> range:
    return range(max(number - CONTEXT_LINES, 0), min(number + CONTEXT_LINES + 1, count))


def _text_pages(lines: Sequence[str], room: int) -> list[tuple[int, int]]:
    """Return the first line and the one behind the last of each page of a text."""
    pages, first, used = [], 0, 0
    max_line = min(MAX_LINE, room // 4)
    for number, line in enumerate(lines):
        size = size_of(line[:max_line]) + 12
        if used + size > room and number > first:
            pages.append((first, number))
            first, used = number, 0
        used += size
    return [*pages, (first, len(lines))]


def _numbered_lines(lines: Sequence[str], numbers: Sequence[int] | range, room: int) -> dict[str, object]:
    """Return lines with their numbers, as many as there is room for."""
    numbered: list[str] = []
    max_line = min(MAX_LINE, room // 4)
    for number in numbers:
        line = lines[number]
        text = f"{number + 1}: {line if len(line) <= max_line else f'{line[:max_line]}…'}"
        room -= size_of(text)
        if room < 0 and numbered:
            break
        numbered.append(text)
    note = {NOTE_KEY: f"{len(numbered):,} of {len(numbers):,} lines fit"} if len(numbered) < len(numbers) else {}
    return {"lines": numbered, **note}
