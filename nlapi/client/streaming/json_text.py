"""JSON texts one after the other: one a line, each behind a record separator, or simply joined."""

from __future__ import annotations

import re
from typing import Any

from nlapi.client.streaming.parsers import StreamParser, parse_json_or_text

# Between two values: white space, and the RS of RFC 7464.
_SEPARATORS = re.compile(rb"[ \t\r\n\x1e]+")

# A value is searched from mark to mark, as a Python loop over its bytes would be slow.
_MARK_OUTSIDE_STRING = re.compile(rb'["\[\]{}\x1e]')
_MARK_IN_STRING = re.compile(rb'["\\\x1e]')
_WORD_END = re.compile(rb"[^-+.0-9A-Za-z]")
_MALFORMED_END = re.compile(rb"[\n\x1e]")

_PENDING = -1
_MALFORMED = -2


class JsonLines(StreamParser):
    """A parser of JSON texts that are a line each. A line that is not JSON is an item too, as text."""

    def __init__(self) -> None:
        self._line: list[bytes] = []

    def feed(self, data: bytes) -> list[Any]:
        first, *following = data.split(b"\n")
        self._line.append(first)
        items: list[Any] = []
        for piece in following:
            items += self.finish()
            self._line = [piece]
        return items

    def finish(self) -> list[Any]:
        line = b"".join(self._line).strip(b" \t\r\x1e")
        self._line = []
        return [parse_json_or_text(line)[0]] if line else []


class JsonValues(StreamParser):
    """A parser of JSON texts that follow each other with or without separators: RFC 7464, and Docker's answers.

    An object, array or string is complete with its last character, a number or word with what follows it. Anything else
    is an item of text up to the end of its line; `malformed` counts those. RS never stands in a JSON text (RFC 7464
    §2.1), so one that comes before a text is complete shows that the text was cut off.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0
        self._depth = 0
        self._in_string = False
        self._resync = -1
        self.malformed = 0

    def feed(self, data: bytes) -> list[Any]:
        self._buffer += data
        return self._take_all(final=False)

    def finish(self) -> list[Any]:
        return self._take_all(final=True)

    def _take_all(self, *, final: bool) -> list[Any]:
        values: list[Any] = []
        while self._take_next(values, final=final):
            pass
        return values

    def _take_next(self, values: list[Any], *, final: bool) -> bool:
        """Move one value, or one malformed text, from the buffer to `values`; False when it is not complete."""
        if self._resync >= 0:
            return self._take_malformed(values, final=final)
        if not self._position:
            self._skip_between()
            if self._take_line(values):
                return True
        if not self._buffer:
            return False
        end = self._value_end(final=final)
        if end == _PENDING and not final:
            return False
        if end > 0:
            value, is_json = parse_json_or_text(bytes(self._buffer[:end]))
            if is_json:
                values.append(value)
                self._drop(end)
                return True
        if end != _MALFORMED:
            self._resync = end if end > 0 else len(self._buffer)
        return self._take_malformed(values, final=final)

    def _skip_between(self) -> None:
        match = _SEPARATORS.match(self._buffer)
        end = match.end() if match else 0
        del match  # a match exports the bytearray, which cannot be resized meanwhile (BufferError)
        del self._buffer[:end]

    def _take_line(self, values: list[Any]) -> bool:
        """Take the whole first line as a value. False when the line is not complete or not JSON."""
        # Most servers send a value a line; `json` reads that at the speed of C.
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        value, is_json = parse_json_or_text(bytes(self._buffer[:end]))
        if is_json:
            values.append(value)
            self._drop(end + 1)
        return is_json

    def _take_malformed(self, values: list[Any], *, final: bool) -> bool:
        """Take malformed text up to the end of its line, or to RS; False when neither has come."""
        match = _MALFORMED_END.search(self._buffer, self._resync)
        if match is None and not final:
            self._resync = len(self._buffer)
            return False
        end = match.start() if match else len(self._buffer)
        del match
        if text := bytes(self._buffer[:end]).decode("utf-8", "replace").strip():
            values.append(text)
        self.malformed += 1
        self._drop(end)
        return True

    def _drop(self, end: int) -> None:
        del self._buffer[:end]
        self._position = self._depth = 0
        self._in_string, self._resync = False, -1

    def _value_end(self, *, final: bool) -> int:
        """Return where the first value of the buffer ends; _PENDING when it goes on, _MALFORMED when it cannot end.

        The next call continues where this one stopped.
        """
        if self._buffer[0] in b'{["':
            return self._bracket_end()
        match = _WORD_END.search(self._buffer, self._position)
        if match is None:
            self._position = len(self._buffer)
            return len(self._buffer) if final else _PENDING
        if match.start() == 0:
            self._resync = 0
            return _MALFORMED
        return match.start()

    def _bracket_end(self) -> int:
        while match := (_MARK_IN_STRING if self._in_string else _MARK_OUTSIDE_STRING).search(self._buffer, self._position):
            mark = match[0]
            if mark == b"\x1e":
                self._resync = match.start()
                return _MALFORMED
            if mark == b"\\":
                if match.end() == len(self._buffer):
                    self._position = match.start()
                    return _PENDING
                self._position = match.end() + 1
                continue
            self._position = match.end()
            if mark == b'"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if mark in b"{[" else -1
            if not self._in_string and self._depth <= 0:
                return self._position
        self._position = len(self._buffer)
        return _PENDING
