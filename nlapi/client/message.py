"""Request and Result: an HTTP request before credentials, and the answer to one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from nlapi.client.charsets import named_charset
from nlapi.json_depth import is_deeper
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


class MovedBody(Protocol):
    """A body of `size` bytes that was moved out of memory, and is read anew each time."""

    @property
    def size(self) -> int: ...

    def read(self) -> bytes: ...


class _Content:
    """The field `content` of a Result: its bytes, or the MovedBody that reads them."""

    def __get__(self, result: Result | None, owner: type[Result]) -> bytes:
        if result is None:  # a dataclass asks for the default of its field like that
            return b""
        stored: bytes | MovedBody = vars(result)["content"]
        return stored if isinstance(stored, bytes) else stored.read()

    def __set__(self, result: Result, content: bytes) -> None:
        vars(result)["content"] = content


# Levels of an answer's JSON. Whoever writes or compares it later is recursive: YAML fails from 300 levels on.
MAX_DEPTH = 100


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON text, as `load_json`. ValueError when it is none or has more than MAX_DEPTH levels."""
    value = load_json(content)
    if is_deeper(value, MAX_DEPTH, content):
        raise ValueError(f"the JSON has more than {MAX_DEPTH} levels")
    return value


# Digits as zeros and signs left out, for a search at the speed of C: a tenth of the time of a pattern.
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")


def load_json(content: bytes) -> Any:
    """Return a JSON text as what can be written as JSON again (RFC 8259 §6). ValueError when it is none."""
    if _may_have_infinity(content):
        return json.loads(content, parse_constant=lambda _: None, parse_float=finite_float)
    return json.loads(content, parse_constant=lambda _: None)


def _may_have_infinity(content: bytes) -> bool:
    """Return whether a JSON text may have a number that a float does not hold, which `json` reads as infinite."""
    if b"\0" in content:  # UTF-16 or UTF-32
        return True
    plain = content.translate(_DIGITS_AS_ZEROS, b"+")
    return b"e000" in plain or b"0" * 309 in plain


def finite_float(digits: str) -> float | None:
    """Return a number; None for one such as 1e999, which is infinite as a float."""
    number = float(digits)
    return number if math.isfinite(number) else None


_T = TypeVar("_T")


# Without slots: what is derived from the body is stored in `__dict__`. With a short representation: `asyncio.run` makes
# one of the conversation with all its answers, for an error that it then ignores (Python 3.11).
@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """An answer. `elapsed` is in seconds, `url` the last one after redirects.

    Of a streaming answer, `items` are those received, in order, and `framing` says what an item is; `content` are all
    bytes, with an incomplete item at their end where it was cut. `ended` is the reason why reading stopped: an answer
    that does not stream is always COMPLETE, and its `items` are None. `fault` describes what was wrong with a BROKEN
    one.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: _Content = _Content()
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

    def __repr__(self) -> str:
        fields = f"status={self.status}, method={self.method!r}, url={self.url!r}, elapsed={self.elapsed}"
        return f"Result({fields}, <{body_size(self):,} bytes of {self.content_type or 'no type'}>)"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def list_header(self, name: str) -> str:
        """Return the elements of a header that may be on several lines, with commas (RFC 9110 §5.3)."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" when there is none."""
        return essence(self.header("content-type") or "")

    @property
    def text(self) -> str:
        return self._derive("text", self._decode)

    def _decode(self) -> str:
        return self.content.decode(named_charset(self.header("content-type") or ""), "replace")

    def json(self) -> Any:
        """Return the body as JSON, with null for a NaN, and for a number that no float holds, such as 1e999.

        ValueError when it is not JSON (`data` is None then).
        """
        return load_json(self.content)

    @property
    def data(self) -> Any:
        """The body as JSON, whatever its content type; None when it is empty, not JSON or deeper than MAX_DEPTH.

        For a streaming answer, the list of its items.
        """
        return self._derive("data", self._parse)

    def _parse(self) -> Any:
        if self.items is not None:
            return list(self.items)
        try:
            return parse_json(self.content)
        except (ValueError, RecursionError):
            return None

    def _derive(self, name: str, derive: Callable[[], _T]) -> _T:
        """Return what is derived from the body, once while the body is in memory."""
        fields = vars(self)
        if name in fields:
            cached: _T = fields[name]
            return cached
        value = derive()
        if isinstance(fields["content"], bytes):
            fields[name] = value
        return value


def body_size(result: Result) -> int:
    """Return the bytes of a body, without reading one that was moved."""
    stored: bytes | MovedBody = vars(result)["content"]
    return len(stored) if isinstance(stored, bytes) else stored.size


def is_resident(result: Result) -> bool:
    """Return whether the body is in memory."""
    return isinstance(vars(result)["content"], bytes)


def move_body(result: Result, body: MovedBody) -> None:
    """Take the body of a Result out of memory, with what was derived from it. Its value stays the same."""
    vars(result)["content"] = body
    forget_derived(result)


def forget_derived(result: Result) -> None:
    """Take what was derived from a body out of memory: its text, and its JSON of some six times its size."""
    for name in ("text", "data"):
        vars(result).pop(name, None)


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
