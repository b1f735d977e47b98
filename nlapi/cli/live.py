"""An answer that streams, printed while it comes."""

from __future__ import annotations

import asyncio
import codecs
import json
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from nlapi.cli import show
from nlapi.cli.options import Output, is_terminal
from nlapi.client.message import Framing, Result
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from rich.status import Status

    from nlapi.client.streaming.body import Piece

Filter = Callable[[Any], list[Any]]

PATIENCE = 1.0
"""Seconds after which a person is shown that an answer is waited for."""


def format_item(item: Any, framing: Framing | None) -> str:
    """Return an item for a person to read: a text as it is, an event behind its name, anything else as JSON."""
    if framing is Framing.FRAMES and isinstance(item, dict):
        stream, text = item.get("stream"), item.get("text")
        return str(text) if stream == "stdout" else f"[{stream}] {text}"
    if framing is Framing.EVENTS and isinstance(item, dict):
        name = f"{item['event']}: " if "event" in item else ""
        return f"{name}{_text(item.get('data'))}"
    return _text(item)


def print_items(items: Iterable[Any], framing: Framing | None) -> None:
    """Print each item as a line, at once."""
    for item in items:
        show.write(format_item(item, framing))
    show.flush()


def print_filtered(data: Any, chosen: Filter) -> None:
    """Print what a filter makes of a value: texts as they are, everything else as JSON, one a line."""
    for value in chosen(data):
        show.write(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class LivePrinter:
    """Prints each Piece of an answer at once, unless a list (`-o json`) or a table is wanted, which need all of it.

    `items` are all that have come, `has_printed` says whether they are on standard output. `misfit` is what the filter
    said of the first item that it does not fit: that is no reason to hang up, which may stop a change half way.
    """

    def __init__(self, output: Output | None, chosen: Filter | None) -> None:
        self._output = output
        self._chosen = chosen
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
                self._stop()
            self.has_printed = True
            self._print(piece)
            show.flush()

    def _is_raw(self, framing: Framing) -> bool:
        """Whether bytes are printed and not items: text is, unless something else is wanted."""
        if self._chosen is not None:
            return False
        return self._output is Output.RAW or (self._output is None and framing is Framing.LINES)

    def _waits_for_end(self, framing: Framing) -> bool:
        if self._chosen is not None or self._output is Output.NDJSON or self._is_raw(framing):
            return False
        return self._output is not None or not is_terminal()

    def _print(self, piece: Piece) -> None:
        if self._chosen is not None:
            for item in piece.items:
                try:
                    print_filtered(item, self._chosen)
                except NlapiError as error:
                    self.misfit = self.misfit or error
        elif self._output is Output.NDJSON:
            for item in piece.items:
                show.write(json.dumps(item, ensure_ascii=False))
        elif not self._is_raw(piece.framing):
            print_items(piece.items, piece.framing)
        elif not is_terminal():
            show.write_bytes(piece.data)
        elif text := self._decoder.decode(piece.data):
            self._is_line_open = not text.endswith("\n")
            show.write(text, end="")

    async def wait_for(self, answer: Coroutine[Any, Any, Result]) -> Result:
        """Return the answer. A person who waits for more than a moment is shown how much has come."""
        timer = asyncio.get_running_loop().call_later(PATIENCE, self._start) if sys.stderr.isatty() else None
        try:
            return await answer
        finally:
            if timer is not None:
                timer.cancel()
            self._stop()
            if self._is_line_open:
                show.write("")

    def _start(self) -> None:
        from rich.console import Console

        if not (self.has_printed and is_terminal()):
            self._status = Console(stderr=True).status(self._progress())
            self._status.start()

    def _progress(self) -> str:
        return f"{show.counted(len(self.items), 'item')} so far" if self.items else "waiting for the answer"

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
