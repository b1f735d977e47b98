"""Request and Result: an HTTP request before credentials, and the answer to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from nlapi.openapi.model import essence, is_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request exactly as it goes on the wire, before credentials. `content` is None when there is no body at all."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def is_json(self) -> bool:
        return is_json(self.header("content-type") or "")


class Framing(StrEnum):
    """The division of a streaming answer's body into items, and the form of an item."""

    EVENTS = "events"
    """server-sent events: `{"event", "data", "id"}`"""
    JSON_LINES = "json_lines"
    """JSON, one a line: its values"""
    JSON_VALUES = "json_values"
    """JSON texts in a row: their values"""
    FRAMES = "frames"
    """Docker's frames: `{"stream": "stdout" | "stderr", "text"}`, a line each"""
    LINES = "lines"
    """text: its lines"""


class EndReason(StrEnum):
    """The reason why an answer was read no further."""

    COMPLETE = "complete"
    """it came to its end"""
    ITEMS = "items"
    """as many items as were asked for have come"""
    DEADLINE = "deadline"
    """its time was over, and it was still going on"""
    SIZE = "size"
    """as many bytes as are read at most have come, and it was still going on"""
    BROKEN = "broken"
    """the connection broke off, or what follows cannot be read"""
    INTERRUPTED = "interrupted"
    """the user stopped it"""


# Without slots: cached_property stores its value in `__dict__`.
@dataclass(frozen=True, kw_only=True)
class Result:
    """An answer. `elapsed` is in seconds, `url` the last one after redirects.

    Of a streaming answer, `items` are those received, in order, and `framing` says what an item is; `content` are all
    bytes, with an incomplete item at their end where it was cut. `ended` is the reason why reading stopped: an answer
    that does not stream is always COMPLETE, and its `items` are None. `fault` describes what was wrong with a BROKEN
    one.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    url: str = ""
    method: str = ""
    elapsed: float = 0.0
    items: tuple[Any, ...] | None = None
    framing: Framing | None = None
    ended: EndReason = EndReason.COMPLETE
    fault: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_cut(self) -> bool:
        """Whether reading stopped while the answer was still going on, or may have been."""
        return self.ended is not EndReason.COMPLETE

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" when there is none."""
        return essence(self.header("content-type") or "")

    @cached_property
    def text(self) -> str:
        # UTF-8 where no charset is named, as RFC 8259 §8.1 demands of JSON.
        charset = (self.header("content-type") or "").partition("charset=")[2].partition(";")[0].strip(' "') or "utf-8"
        try:
            return self.content.decode(charset, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON. ValueError when it is not JSON (`data` is None then)."""
        return json.loads(self.content)

    @cached_property
    def data(self) -> Any:
        """The body as JSON, whatever its content type; None when it is empty or not JSON.

        For a streaming answer, the list of its items.
        """
        if self.items is not None:
            return list(self.items)
        try:
            return self.json()
        except (ValueError, RecursionError):
            return None


def as_dict(request: Request) -> Mapping[str, Any]:
    """Return `{"method", "url", "headers", "body"}`, as `--dry-run -o json` prints it, a JSON body parsed."""
    body: Any = None
    if request.content is not None:
        # Bytes that are no text are shown as such by `replace`: a dry run must print something for any body.
        text = request.content.decode("utf-8", "replace")
        body = json.loads(text) if request.is_json else text
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body}


# A `str`, as arguments are JSON everywhere else: checks, previews and transcripts need no case of their own.
class File(str):
    """A file as an argument: as a string its name, so that its bytes never show in a plan or a transcript."""

    __slots__ = ("content_type", "data")

    data: bytes
    content_type: str

    def __new__(cls, filename: str, data: bytes, content_type: str = "") -> File:
        self = super().__new__(cls, filename)
        self.data = data
        self.content_type = content_type or "application/octet-stream"
        return self

    def __reduce__(self) -> tuple[type[File], tuple[str, bytes, str]]:
        # Without it a copy would be made of the name alone, which is no file.
        return File, (str(self), self.data, self.content_type)

    @property
    def filename(self) -> str:
        return str(self)
