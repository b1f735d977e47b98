"""Server-sent events (WHATWG HTML, section 9.2: Server-sent events)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nlapi.client.streaming.parsers import StreamParser, parse_json_or_text

# OpenAI's API, and all that copy it, end a stream with this data; it is no event of its own.
END_OF_EVENTS = "[DONE]"

_BOM = b"\xef\xbb\xbf"
_EVENT_LINE_END = re.compile(rb"\r\n|\r|\n")


class ServerSentEvents(StreamParser):
    """A parser of text/event-stream; an item is `{"event", "data", "id"}`.

    `data` is always present, as JSON where it is JSON, `event` and `id` only when the event itself names them. Comments
    and unknown fields are ignored, and so is `retry`, as nothing is connected again. An event without the blank line
    behind it is dropped, at the end of the body too, as section 9.2.6 says.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line, joined once
        self._after_cr = False
        self._is_first = True
        self._data: list[str] = []
        self._event = ""
        self._id: str | None = None

    def feed(self, data: bytes) -> list[Any]:
        events: list[Any] = []
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
            yield line.decode("utf-8", "replace")
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

    def _dispatch(self) -> Iterator[dict[str, Any]]:
        text, has_data = "\n".join(self._data), bool(self._data)
        event, id = self._event, self._id
        self._data, self._event, self._id = [], "", None
        if not has_data:
            return
        if text.strip() == END_OF_EVENTS:
            self.is_over = True
            return
        # A text stays as it was sent: `parse_json_or_text` strips it, and blanks may matter in a model's tokens.
        value, is_json = parse_json_or_text(text.encode("utf-8", "surrogatepass"))
        item = {"event": event} if event else {}
        yield {**item, "data": value if is_json else text, **({} if id is None else {"id": id})}
