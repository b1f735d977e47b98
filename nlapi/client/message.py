"""What goes over the wire and what comes back: Request and Result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from nlapi.openapi.parts import essence, is_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Exactly what goes on the wire, before credentials. `content` is None when there is no body at all."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json_like(self) -> bool:
        return is_json(self.header("content-type") or "")


class Framing(StrEnum):
    """How the body of an answer that streams divides into items, and what an item is."""

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


class Ended(StrEnum):
    """Why an answer was read no further."""

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


@dataclass(frozen=True, kw_only=True)
class Result:
    """An answer. `elapsed` is in seconds, `url` the last one after redirects.

    Of one that streams, `items` are what came of it, in order, and `framing` says what an item is; `content` are all
    the bytes, with an incomplete item at their end where it was cut. `ended` says why no more was read: an answer that
    does not stream is always COMPLETE, and its `items` are None. `fault` tells of a BROKEN one what was wrong.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    url: str = ""
    method: str = ""
    elapsed: float = 0.0
    items: tuple[Any, ...] | None = None
    framing: Framing | None = None
    ended: Ended = Ended.COMPLETE
    fault: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_cut(self) -> bool:
        """Whether it was still going on, or may have been, when it was read no further."""
        return self.ended is not Ended.COMPLETE

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" when there is none."""
        return essence(self.header("content-type") or "")

    @cached_property
    def text(self) -> str:
        charset = (self.header("content-type") or "").partition("charset=")[2].partition(";")[0].strip(' "') or "utf-8"
        try:
            return self.content.decode(charset, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. ValueError when it is not (`data` gives None instead)."""
        return json.loads(self.content)

    @cached_property
    def data(self) -> Any:
        """The body as JSON, whatever its content type says; None when it is empty or something else.

        The items of an answer that streams, as a list.
        """
        if self.items is not None:
            return list(self.items)
        try:
            return self.json()
        except (ValueError, RecursionError):
            return None


def as_dict(request: Request) -> Mapping[str, Any]:
    """`{"method", "url", "headers", "body"}`: what `--dry-run -o json` prints. A JSON body is given parsed."""
    body: Any = None
    if request.content is not None:
        text = request.content.decode("utf-8", "replace")
        body = json.loads(text) if request.json_like else text
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body}


class File(str):
    """A file as an argument. As a string it is its name, so that its bytes never show in a plan or a transcript."""

    __slots__ = ("content_type", "data")

    data: bytes
    content_type: str

    def __new__(cls, filename: str, data: bytes, content_type: str = "") -> File:
        self = super().__new__(cls, filename)
        self.data = data
        self.content_type = content_type or "application/octet-stream"
        return self

    @property
    def filename(self) -> str:
        return str(self)
