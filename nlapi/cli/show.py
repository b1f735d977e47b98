"""Printing: data on standard output, everything else on standard error."""

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


class HungUp(Exception):  # noqa: N818 - it is no error
    """Whoever read standard output has had enough, as `head` does. No error: there is nothing left to do."""


def write(text: str, end: str = "\n") -> None:
    """Data, to standard output: as it is, but for a terminal without anything that the terminal would obey."""
    if is_terminal():
        text = clean(text)
    try:
        sys.stdout.write(text if text.endswith("\n") else text + end)
    except BrokenPipeError:
        raise HungUp from None


def write_bytes(content: bytes) -> None:
    """Bytes as they are, to a standard output that is no terminal."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    except BrokenPipeError:
        raise HungUp from None


def flush() -> None:
    """What was written so far reaches its reader now."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise HungUp from None


def note(text: str) -> None:
    """Anything but data, to standard error."""
    print(clean(text), file=sys.stderr)


def dim(text: str) -> None:
    """What is good to know and easy to overlook, to standard error."""
    typer.secho(clean(text), dim=True, err=True, color=_colour())


def error(text: str) -> None:
    """One line: what went wrong, and what to do next."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False, color=_colour())
    typer.echo(" ".join(clean(text).split()), err=True)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _colour() -> bool | None:
    """False where NO_COLOR is set (no-color.org), else None: only for a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def write_list(items: Iterable[Any]) -> None:
    """A JSON list, an item at a time: all of it at once may be larger than the memory."""
    opened = False
    for item in items:
        inside = json_text([item])[2:-2]
        write(f",\n{inside}" if opened else f"[\n{inside}", end="")
        opened = True
    write("\n]" if opened else "[]")


@contextmanager
def working(text: str, *, told: bool = False) -> Iterator[None]:
    """A spinner on standard error while something takes its time; when nobody watches nothing, or a line if `told`."""
    if not sys.stderr.isatty():
        if told:
            note(text)
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(clean(text)):
        yield


def reason(status: int) -> str:
    """The usual words for a status; the server's own words are not shown."""
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
