"""Output of the command line: data on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from nlapi.cli.options import is_terminal
from nlapi.client.clean import clean
from nlapi.client.told import body as body
from nlapi.client.told import json_text as json_text
from nlapi.client.told import request as request
from nlapi.openapi.spec import Effect

EFFECTS = {Effect.READ: "only reads", Effect.WRITE: "changes something", Effect.DESTROY: "takes something away"}


class HungUp(Exception):  # noqa: N818 - it is no error
    """The reader of standard output has closed it, as `head` does; the command ends with exit code 0."""


def write(text: str, end: str = "\n") -> None:
    """Write data to standard output."""
    # An API's answer may contain control sequences; a file or a pipe gets it unchanged.
    if is_terminal():
        text = clean(text)
    try:
        sys.stdout.write(text if text.endswith("\n") else text + end)
    except BrokenPipeError:
        raise HungUp from None


def write_bytes(content: bytes) -> None:
    """Write bytes to a standard output that is no terminal."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    except BrokenPipeError:
        raise HungUp from None


def flush() -> None:
    """Flush standard output."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise HungUp from None


def note(text: str) -> None:
    """Write a line to standard error."""
    print(clean(text), file=sys.stderr)


def dim(text: str) -> None:
    """Write a dim line, of less importance, to standard error."""
    typer.secho(clean(text), dim=True, err=True, color=_colour())


def error(text: str) -> None:
    """Write an error as one line to standard error."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False, color=_colour())
    typer.echo(" ".join(clean(text).split()), err=True)


def shorten(text: str, length: int) -> str:
    """Return the beginning of a text with an ellipsis, at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _colour() -> bool | None:
    """Return False where NO_COLOR is set, else None, with which typer colours a terminal only."""
    # https://no-color.org
    return False if os.environ.get("NO_COLOR") else None


def write_list(items: Iterable[Any]) -> None:
    """Write a JSON list, an item at a time."""
    # The tools of 20,000 operations take 220 MB this way and 2.2 GB as one text.
    opened = False
    for item in items:
        inside = json_text([item])[2:-2]
        write(f",\n{inside}" if opened else f"[\n{inside}", end="")
        opened = True
    write("\n]" if opened else "[]")


@contextmanager
def working(text: str, *, told: bool = False) -> Iterator[None]:
    """Show a spinner on standard error during the block; without a terminal, print a line if `as_line`."""
    if not sys.stderr.isatty():
        if told:
            note(text)
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(clean(text)):
        yield


def reason(status: int) -> str:
    """Return the standard reason phrase of a status, or ""."""
    # A server's own reason phrase is arbitrary text, and HTTP/2 has none (RFC 9113 §8.3.2).
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
