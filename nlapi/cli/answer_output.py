"""Prints the answer of `nlapi call` item by item as it comes, whole or through the jq filter of `--jq`."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from nlapi.cli import console
from nlapi.cli.options import Output, is_terminal
from nlapi.client.message import Framing, Result
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from rich.status import Status

    from nlapi.client.streaming.body import Piece

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
                self._stop()
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
            self._stop()
            if self._is_line_open:
                console.write("")

    def pause(self) -> None:
        """Remove the spinner, as a question follows."""
        self._stop()

    def _start(self) -> None:
        from rich.console import Console

        if not (self.has_printed and is_terminal()):
            self._status = Console(stderr=True).status(self._progress())
            self._status.start()

    def _progress(self) -> str:
        return f"{console.count_noun(len(self.items), 'item')} so far" if self.items else "waiting for the answer"

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
