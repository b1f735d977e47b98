"""Parses streaming bodies to whole items: lines, JSON texts, server-sent events and the frames of Docker."""

from __future__ import annotations

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from nlapi.client.message import parse_json, text_charset

# In bytes: the stream, three zeros, the length of the frame in four bytes, big-endian.
FRAME_HEADER_SIZE = 8

# By the number in the header. Docker's own client reads 3 as errors of the daemon.
STREAM_NAMES = ("stdin", "stdout", "stderr", "error")

# OpenAI's API, and all that copy it, end a stream with this data; it is not an event.
END_OF_EVENTS = "[DONE]"

_BOM = b"\xef\xbb\xbf"
_EVENT_LINE_END = re.compile(rb"\r\n|\r|\n")

# Between two values: white space, and the RS of RFC 7464.
_SEPARATORS = re.compile(rb"[ \t\r\n\x1e]+")

# A value is searched from mark to mark, as a Python loop over its bytes would be slow.
_MARK_OUTSIDE_STRING = re.compile(rb'["\[\]{}\x1e]')
_MARK_IN_STRING = re.compile(rb'["\\\x1e]')
_WORD_END = re.compile(rb"[^-+.0-9A-Za-z]")
_MALFORMED_END = re.compile(rb"[\n\x1e]")

_PENDING = -1
_MALFORMED = -2


class StreamParser(ABC):
    """A parser that divides a body into its items.

    `is_over`: nothing more follows by the body's own account. `fault` says why nothing after the last item can be read.
    """

    is_over = False
    fault = ""

    @abstractmethod
    def feed(self, data: bytes) -> list[Any]:
        """Return the items that are complete with these next bytes of the body, however they are cut."""

    def finish(self) -> list[Any]:
        """Return the items that the end of the body completes."""
        return []

    def remainder(self) -> list[Any]:
        """Return the readable beginning of an item that was cut; empty where a beginning means nothing."""
        return []


def _parse_json_or_text(data: bytes) -> tuple[object, bool]:
    """Return `(value, True)` of a JSON text, or the text itself and False."""
    # One bad line must not lose the rest: servers mix a plain error message into a stream of JSON.
    with suppress(ValueError, RecursionError):
        value = parse_json(data)
        # NaN and 1e999 alone are not JSON that can be written again, and may be words of a text.
        if value is not None or data.strip() == b"null":
            return value, True
    return data.decode("utf-8", "replace").strip(), False


class TextLines(StreamParser):
    """A parser of text; an item is a line without its end.

    Lines end with LF or CRLF alone: `str.splitlines` also cuts at form feeds and at U+2028, which logs hold.
    """

    def __init__(self, charset: str = "utf-8") -> None:
        self._decoder = _create_decoder(charset)
        self._line: list[str] = []  # pieces of a line, joined once: a line may be as long as the body

    def feed(self, data: bytes) -> list[str]:
        first, *following = self._decoder.decode(data).split("\n")
        self._line.append(first)
        lines: list[str] = []
        for text in following:
            lines.append("".join(self._line).removesuffix("\r"))
            self._line = [text]
        return lines

    def finish(self) -> list[str]:
        self._line.append(self._decoder.decode(b"", final=True))
        return self.remainder()

    def remainder(self) -> list[str]:
        """Return the line that has no end yet, without a character that was cut in two."""
        line = "".join(self._line).removesuffix("\r")
        self._line = []
        return [line] if line else []


def _create_decoder(charset: str) -> codecs.IncrementalDecoder:
    """Return a decoder of `charset`, or of UTF-8 where that is the charset of no text."""
    name = codecs.lookup(text_charset(charset)).name
    return codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)("replace")


class DockerFrames(StreamParser):
    """A parser of Docker's frames; an item is `{"stream": "stdout", "text": "..."}`, a line.

    A line may continue in the next frame of its stream, and a frame may hold many lines.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = ""
        self._bytes_remaining = 0
        self._lines = {stream: TextLines() for stream in STREAM_NAMES}

    def feed(self, data: bytes) -> list[Any]:
        items: list[Any] = []
        remaining = memoryview(data)
        while remaining and not self.is_over:
            if self._bytes_remaining:
                piece, remaining = remaining[: self._bytes_remaining], remaining[self._bytes_remaining :]
                self._bytes_remaining -= len(piece)
                items += _label_lines(self._stream, self._lines[self._stream].feed(bytes(piece)))
                continue
            missing = FRAME_HEADER_SIZE - len(self._header)
            self._header += remaining[:missing]
            remaining = remaining[missing:]
            if len(self._header) == FRAME_HEADER_SIZE:
                self._open_frame()
        return items

    def _open_frame(self) -> None:
        if not is_frame_header(bytes(self._header)):
            self.is_over, self.fault = True, "what follows is not in Docker's frames"
            return
        self._stream = STREAM_NAMES[self._header[0]]
        self._bytes_remaining = int.from_bytes(self._header[4:], "big")
        self._header.clear()

    def finish(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _label_lines(stream, lines.finish())]

    def remainder(self) -> list[Any]:
        return [item for stream, lines in self._lines.items() for item in _label_lines(stream, lines.remainder())]


def _label_lines(stream: str, lines: list[str]) -> list[object]:
    return [{"stream": stream, "text": line} for line in lines]


def is_frame_header(start: bytes) -> bool:
    """Return whether these bytes can begin a frame."""
    return len(start) >= FRAME_HEADER_SIZE and start[0] < len(STREAM_NAMES) and start[1:4] == b"\0\0\0"


def may_be_frame_header(start: bytes) -> bool:
    """Return whether these bytes, fewer than a header has, can be the beginning of one."""
    return start[:1] < bytes((len(STREAM_NAMES),)) and not start[1:4].strip(b"\0")


def is_framed(content: bytes) -> bool:
    """Return whether a whole body is frames of stdout and stderr, to its last byte."""
    # podman sends logs without a Content-Type; nothing else consists of frames to its last byte by chance.
    position = 0
    while position < len(content):
        header = content[position : position + FRAME_HEADER_SIZE]
        size = int.from_bytes(header[4:], "big")
        if not is_frame_header(header) or header[0] not in (1, 2) or not size:
            return False
        position += FRAME_HEADER_SIZE + size
    return bool(content) and position == len(content)


class ServerSentEvents(StreamParser):
    """A parser of text/event-stream; an item is `{"event", "data", "id"}`.

    `data` is always present, as JSON where it is JSON, `event` and `id` only when the event itself names them. Comments
    and unknown fields are ignored, and so is `retry`, as nothing is connected again. An event without the blank line
    behind it is dropped, at the end of the body too, as section 9.2.6 says. `errors` is for bytes that are not UTF-8:
    `replace`, or `strict` for a UnicodeDecodeError.
    """

    def __init__(self, errors: Literal["replace", "strict"] = "replace") -> None:
        self._errors = errors
        self._line: list[bytes] = []  # pieces of a line, joined once
        self._after_cr = False
        self._is_first = True
        self._data: list[str] = []
        self._event = ""
        self._id: str | None = None

    def feed(self, data: bytes) -> list[Any]:
        events: list[object] = []
        for line in self._lines(data):
            if self.is_over:
                break
            if line:
                self._take_field(line)
            else:
                events += self._dispatch()
        return events

    def _lines(self, data: bytes) -> Iterator[str]:
        """Yield each complete line. A CR ends its line at once; an LF that comes next belongs to it."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        position = 0
        for match in _EVENT_LINE_END.finditer(data):
            line = b"".join((*self._line, data[position : match.start()]))
            self._line, position = [], match.end()
            self._after_cr = match[0] == b"\r" and position == len(data)
            if self._is_first:
                line, self._is_first = line.removeprefix(_BOM), False
            yield line.decode("utf-8", self._errors)
        self._line.append(data[position:])

    def _take_field(self, line: str) -> None:
        name, _, value = line.partition(":")  # a comment is a line without a name
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> Iterator[dict[str, object]]:
        text, has_data = "\n".join(self._data), bool(self._data)
        event, id = self._event, self._id
        self._data, self._event, self._id = [], "", None
        if not has_data:
            return
        if text.strip() == END_OF_EVENTS:
            self.is_over = True
            return
        # A text stays as it was sent: `_parse_json_or_text` strips it, and blanks may matter in a model's tokens.
        value, is_json = _parse_json_or_text(text.encode("utf-8", "surrogatepass"))
        item = {"event": event} if event else {}
        yield {**item, "data": value if is_json else text, **({} if id is None else {"id": id})}


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
        return [_parse_json_or_text(line)[0]] if line else []


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

    def _take_all(self, *, final: bool) -> list[object]:
        values: list[Any] = []
        while self._take_next(values, final=final):
            pass
        return values

    def _take_next(self, values: list[object], *, final: bool) -> bool:
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
            value, is_json = _parse_json_or_text(bytes(self._buffer[:end]))
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

    def _take_line(self, values: list[object]) -> bool:
        """Take the whole first line as a value. False when the line is not complete or not JSON."""
        # Most servers send a value a line; `json` reads that at the speed of C.
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        value, is_json = _parse_json_or_text(bytes(self._buffer[:end]))
        if is_json:
            values.append(value)
            self._drop(end + 1)
        return is_json

    def _take_malformed(self, values: list[object], *, final: bool) -> bool:
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
        """Return where the first value of the buffer ends; _PENDING if it is incomplete, _MALFORMED if it cannot end.

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
        while match := (_MARK_IN_STRING if self._in_string else _MARK_OUTSIDE_STRING).search(
            self._buffer, self._position
        ):
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
