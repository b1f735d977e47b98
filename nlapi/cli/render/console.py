"""Writes the output of the command line: data on standard output, everything else on standard error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import typer

from nlapi.cli.options import is_terminal
from nlapi.client.message import format_json as format_json
from nlapi.client.message import preview_body as preview_body
from nlapi.client.message import preview_request as preview_request
from nlapi.client.safe_text import count_noun as count_noun
from nlapi.client.safe_text import shorten as shorten
from nlapi.client.safe_text import single_line, strip_control
from nlapi.errors import NlapiError
from nlapi.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from nlapi.agent.records.receipts import ConsentReceipt

_INLINE = "a|abbr|b|code|em|i|kbd|small|span|strong|sub|sup|tt|u"
_BLOCK = "blockquote|br|dd|div|dl|dt|h[1-6]|hr|img|li|ol|p|pre|section|table|tbody|td|th|thead|tr|ul"
# Only these tags of HTML are removed: `<id>` in a description is a placeholder.
_TAGS = (
    (lazy_pattern(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE), ""),
    (lazy_pattern(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>|<!--.*?-->", re.IGNORECASE | re.DOTALL), " "),
)


def plain_text(text: str) -> str:
    """Return a text without HTML tags, entities, line breaks and control characters."""
    from html import unescape

    for tags, replacement in _TAGS:
        text = tags.sub(replacement, text)
    return single_line(unescape(text))


class OutputClosed(Exception):  # noqa: N818 - it is not an error
    """The reader of standard output has closed it, as `head` does; the command ends with exit code 0."""


@contextmanager
def _written() -> Iterator[None]:
    """Raise OutputClosed where the reader of standard output has gone, NlapiError where its disk is full."""
    try:
        yield
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise NlapiError(f"the output cannot be written: {error.strerror}") from None


def write(text: str, end: str = "\n") -> None:
    """Write data to standard output; at a terminal that is too small for it, in the user's pager, as git does."""
    # An API's answer may contain control sequences; a file or a pipe gets it unchanged.
    at_terminal = is_terminal()
    text = strip_control(text) if at_terminal else text
    text = text if text.endswith("\n") else text + end
    # A terminal that does not tell its size has 0 lines.
    if at_terminal and sys.stdin.isatty() and 0 < os.get_terminal_size(sys.stdout.fileno()).lines <= text.count("\n"):
        from nlapi.cli.render.pager import show_in_pager

        flush()
        if show_in_pager(text):
            return
    with _written():
        sys.stdout.write(text)


def write_bytes(content: bytes) -> None:
    """Write bytes to a standard output that is not a terminal."""
    with _written():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def flush() -> None:
    """Flush standard output."""
    with _written():
        sys.stdout.flush()


_silenced: ContextVar[bool] = ContextVar("silenced", default=False)


@contextmanager
def silenced(is_quiet: bool = True) -> Iterator[None]:
    """Write no notes during the block where `is_quiet`; errors and questions are still written."""
    token = _silenced.set(is_quiet or _silenced.get())
    try:
        yield
    finally:
        _silenced.reset(token)


def is_silenced() -> bool:
    """Return whether notes are left out."""
    return _silenced.get()


def note(text: str, *, is_question: bool = False) -> None:
    """Write a line to standard error; one that belongs to a question is written also where notes are silenced."""
    if is_question or not _silenced.get():
        print(strip_control(text), file=sys.stderr)


def write_receipt(receipt: ConsentReceipt) -> None:
    """Write a receipt of consent to its file; a note says why it cannot be written."""
    from nlapi.agent.records import receipts

    if fault := receipts.write_receipt(receipt):
        note(f"note: {fault}")


def dim(text: str) -> None:
    """Write a dim line, of less importance, to standard error."""
    if _silenced.get():
        return
    typer.secho(strip_control(text), dim=True, err=True, color=_colour())


def error(text: str) -> None:
    """Write an error as one line to standard error."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False, color=_colour())
    typer.echo(single_line(text), err=True)


def _colour() -> bool | None:
    """Return False where NO_COLOR is set, else None, with which typer colours a terminal only."""
    # https://no-color.org
    return False if os.environ.get("NO_COLOR") else None


def write_list(items: Iterable[object]) -> None:
    """Write a JSON list, an item at a time."""
    write_parts(list_parts(items))


def list_parts(items: Iterable[object]) -> Iterator[str]:
    """Yield the text of a JSON list, an item at a time."""
    # The tools of 20,000 operations take 220 MB this way and 2.2 GB as one text.
    is_open = False
    for item in items:
        inside = format_json([item])[2:-2]
        yield f",\n{inside}" if is_open else f"[\n{inside}"
        is_open = True
    yield "\n]\n" if is_open else "[]\n"


def write_parts(parts: Iterable[str]) -> None:
    """Write a text in parts, at a terminal as one, which is shown in one pager."""
    for part in ["".join(parts)] if is_terminal() else parts:
        write(part, end="")


@contextmanager
def show_progress(text: str, *, as_line: bool = False) -> Iterator[None]:
    """Show a spinner on standard error during the block; without a terminal, print a line if `as_line`."""
    if not sys.stderr.isatty():
        if as_line:
            note(text)
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(strip_control(text)):
        yield


def status_phrase(status: int) -> str:
    """Return the standard reason phrase of a status, or ""."""
    # A server's own reason phrase is arbitrary text, and HTTP/2 has none (RFC 9113 §8.3.2).
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
