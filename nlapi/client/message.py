"""Request and Result: an HTTP request before credentials, the answer to one, how both are shown, and their limits."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from unicodedata import normalize
from urllib.parse import parse_qsl, unquote, urlsplit

from nlapi.client.safe_text import reveal_control, single_line, strip_control
from nlapi.errors import UsageError
from nlapi.json_text import is_deeper, refuse_constant, single_keys
from nlapi.openapi.spec import FORM, essence, is_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one call of `send`.

    `deadline` is in seconds and covers everything: connecting, retries, waits, redirects, the last byte of the body.
    `max_bytes` limits the body, both as received and after each content coding is decoded. `retries` and
    `max_redirects` are counts. A Retry-After longer than `max_retry_wait` seconds is not waited for.
    With `patience`, of many requests in a row, what a 429 or a 503 asks to wait is waited for beside the deadline, up
    to so many seconds in all for one request. A 429 did nothing, so that a change is sent again too; after a 503 only a
    read is. `wait` are the seconds in which work that an API does after it has answered is waited for (`await_work`),
    with `wait_any` also where only the state of a job says so. `on_wait` is called with the kind of work.
    `private_redirects` lets a redirect lead to another origin in a private, loopback or link-local network.

    A streaming answer ends at the `deadline` too, and its Result is what has come by then. `items` ends it after that
    number of items, `stream_seconds` that many seconds after its first bytes; None: no such limit.
    """

    deadline: float = 30.0
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    retries: int = 2
    max_retry_wait: float = 10.0
    patience: float = 0.0
    wait: float = 0.0
    wait_any: bool = False
    on_wait: Callable[[str], None] | None = None
    private_redirects: bool = False
    items: int | None = None
    stream_seconds: float | None = None


def call_limits(timeout: float | None = None, items: int | None = None) -> Limits:
    """Return the limits of a call that ends after `timeout` seconds, 30 where it is None, or after a number of items.

    UsageError for a time that is not positive.
    """
    if timeout is None:
        return Limits(items=items)
    if not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"timeout is {timeout} seconds", hint="give a positive number of seconds, such as 10")
    return Limits(items=items, deadline=timeout)


# A model is shown 20,000 characters at once: 55 events of podman, which have 364 characters each, or some 200 lines of
# a log.
MODEL_ITEMS = 100

# In seconds, of the 60 after which MCP clients give up a call. The backlog of a log or the objects of a watch come
# within the first second; five show whether more follows.
MODEL_SECONDS = 5.0


def bound_for_model(limits: Limits | None) -> Limits:
    """Return the limits for a read by a model: `limits`, with a stream bounded where they do not bound it."""
    limits = limits or Limits()
    seconds = MODEL_SECONDS if limits.stream_seconds is None else limits.stream_seconds
    return replace(limits, items=limits.items or MODEL_ITEMS, stream_seconds=seconds)


# Codecs that decode bytes to text and are the charset of none: host names (RFC 3492), literals of source code, and
# UTF-7, which hides text in ASCII (the Encoding Standard forbids it).
_NO_CHARSETS = frozenset(("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"))


def text_charset(name: str) -> str:
    """Return `name` if Python decodes text of that charset; "utf-8" for anything else (`zlib`, `punycode`)."""
    try:
        b" ".decode(name, "replace")
        is_charset = codecs.lookup(name).name.replace("_", "-") not in _NO_CHARSETS
    # ValueError: a name with a zero in it, or a codec that replaces nothing (`idna`).
    except (LookupError, ValueError):
        return "utf-8"
    return name if is_charset else "utf-8"


def named_charset(content_type: str) -> str:
    """Return the charset that a media type names, "utf-8" where it names none that is known (RFC 8259 §8.1)."""
    return text_charset(content_type.partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8")


@lru_cache(maxsize=64)
def is_ascii_superset(charset: str) -> bool:
    """Return whether a text of ASCII has the same bytes in a charset of `text_charset`, and no others do."""
    return codecs.lookup(charset).name in ("utf-8", "ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request exactly as it is sent, before credentials. `content` is None without a body at all."""

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
    """Return the value of a JSON text, as `load_json`. ValueError if invalid or with more than MAX_DEPTH levels."""
    value = load_json(content)
    if is_deeper(value, MAX_DEPTH, content):
        raise ValueError(f"the JSON has more than {MAX_DEPTH} levels")
    return value


# Digits as zeros and signs left out, for a search at the speed of C: a tenth of the time of a pattern.
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")


def load_json(content: bytes) -> Any:
    """Return a JSON text as what can be written as JSON again (RFC 8259 §6). ValueError for any other text."""
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
    one. `note` is a text for the model beside it.
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
    note: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_cut(self) -> bool:
        """Whether reading stopped before the end of the answer, or may have."""
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
        """The media type without its parameters, in lower case, or ""."""
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


def parse_retry_after(text: str) -> float | None:
    """Return the seconds of a Retry-After, a number or a date (RFC 9110 §10.2.3); None for any other text."""
    from email.utils import parsedate_to_datetime

    if re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


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
        # Bytes that are not a text are shown as such by `replace`: a dry run must print something for any body.
        text = request.content.decode("utf-8", "replace")
        body = json.loads(text) if request.is_json else text
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body}


# A `str`, as arguments are JSON everywhere else: checks, previews and transcripts need no separate case.
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
        # Without it a copy would be made of the name alone, which is not a file.
        return File, (str(self), self.data, self.content_type)

    @property
    def filename(self) -> str:
        return str(self)


Leaf = tuple[str, Any]
"""A scalar of a request with its path: `query.limit`, `body.budget.amount`."""


def is_idempotency_header(name: str) -> bool:
    """Return whether a header carries an idempotency key."""
    # Idempotency-Key, with X- before it or underscores in it. It identifies the attempt and not the change.
    return name.lower().replace("-", "").replace("_", "").removeprefix("x") in ("idempotencykey", "idempotentkey")


def digest(request: Request) -> str:
    """Return the SHA-256 of a request in hex, equal for two requests that ask for the same.

    The order of keys, pairs and headers, blanks between JSON tokens, `2.0` for `2` and an idempotency key are left out.
    """
    parts = urlsplit(request.url)
    headers = sorted((name.lower(), value) for name, value in request.headers if not is_idempotency_header(name))
    content = [
        request.method,
        [parts.scheme, parts.netloc.lower(), parts.path],
        sorted(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
        _body(request),
    ]
    return hashlib.sha256(_canonical_json(content).encode("utf-8", "surrogatepass")).hexdigest()


def exact_digest(request: Request) -> str:
    """Return the SHA-256 of a request in hex, equal only for two that no server can tell apart by their values.

    The order of keys, and of parameters and headers of different names, blanks between JSON tokens and an idempotency
    key are left out. What `digest` leaves out besides is not: a key that is there twice, `2.0` for `2`, the order of
    values of one name.
    """
    parts = urlsplit(request.url)
    headers = [(name.lower(), value) for name, value in request.headers if not is_idempotency_header(name)]
    query = sorted(parts.query.split("&"), key=lambda pair: pair.partition("=")[0])
    address = [parts.scheme, parts.netloc.lower(), parts.path]
    content = [request.method, address, query, sorted(headers, key=lambda pair: pair[0]), _exact_body(request)]
    return hashlib.sha256(_canonical_json(content).encode("utf-8", "surrogatepass")).hexdigest()


def exact_json(text: str) -> Any:
    """Return the value of a JSON text. ValueError for a key twice, or digits that a number drops."""
    return json.loads(text, object_pairs_hook=single_keys, parse_float=_exact_float, parse_constant=refuse_constant)


def _exact_float(text: str) -> float:
    value = float(text)
    if Decimal(repr(value)) != Decimal(text):
        raise ValueError("a number has more digits than a float holds")
    return value


def _exact_body(request: Request) -> object:
    if request.content is None:
        return None
    if is_json(request.header("content-type") or ""):
        with suppress(ValueError, RecursionError):
            return [exact_json(request.content.decode())]
    return hashlib.sha256(request.content).hexdigest()


def target_path(request: Request) -> str:
    """Return the path of a request in lower case, without blanks at the ends of its segments."""
    return "/".join(normalize_text(unquote(part)) for part in urlsplit(request.url).path.split("/"))


def normalized_leaves(request: Request) -> frozenset[Leaf]:
    """Return every scalar of the query and the body with its path, texts normalised by `normalize_text`."""
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    query = ((f"query.{name}", normalize_text(value)) for name, value in pairs)
    return frozenset((*query, *_leaves("body", _body(request))))


def normalize_text(text: str) -> str:
    """Return a text in lower case (case-folded), each run of blanks one space, without what nobody sees of it.

    Of the forms that Unicode has of a character (`é` as one and as two, full width) it has one.
    """
    if not text.isascii():
        text = normalize("NFKC", strip_control(text))
    return " ".join(text.split()).casefold()


def _body(request: Request) -> object:
    """Return the body as a value: JSON parsed, a form as its pairs in order, anything else as a text."""
    if request.content is None:
        return None
    kind = request.header("content-type") or ""
    try:
        if is_json(kind):
            return _integral_numbers(json.loads(request.content))
        if essence(kind) == FORM:
            # Sorted: pairs in another order are the same change to an API that reads them by name.
            return sorted(map(list, parse_qsl(request.content.decode(), keep_blank_values=True)))
    except (ValueError, RecursionError):
        pass
    return request.content.decode("utf-8", "surrogateescape")


def _integral_numbers(value: object) -> object:
    """Return a JSON value with its whole numbers as integers."""
    if isinstance(value, Mapping):
        return {key: _integral_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral_numbers(item) for item in value]
    # JSON has one type of number, in which 2.0 and 2 are equal (RFC 8259 §6); Python writes them differently.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _canonical_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _leaves(path: str, value: object) -> Iterator[Leaf]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(f"{path}[{number}]", item)
    elif value is not None:
        yield path, normalize_text(value) if isinstance(value, str) else _canonical_json(value)


# In characters: nobody reads more in a terminal or in the dialog of an MCP client, and an upload may have megabytes.
MAX_PREVIEW_BODY = 100_000
# Characters of a line of a preview that has to be cut.
MAX_LINE = 240

# A value or an object has no better name than "item"; a log has lines to everybody who reads one.
_NOUNS = {Framing.LINES: "line", Framing.FRAMES: "line", Framing.EVENTS: "event"}


def preview_request(request: Request) -> str:
    """Return a request as it will be sent, before credentials, as text for a person."""
    head = (f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers))
    lines = list(map(reveal_control, head))
    if request.content:
        lines += ["", preview_body(request)]
    return "\n".join(lines)


def preview_body(request: Request) -> str:
    """Return the body of a request as text for a person: JSON indented, text as it is, anything else as its size."""
    content = request.content or b""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"({len(content):,} bytes)"
    if request.is_json:
        # What no value of Python holds (a key twice, a number of 20 digits behind the point) is shown as it is.
        with suppress(ValueError, RecursionError):
            text = format_json(exact_json(text))
    text = shorten_lines(text, MAX_PREVIEW_BODY)
    shown = reveal_control(text[:MAX_PREVIEW_BODY])
    return shown if len(text) <= MAX_PREVIEW_BODY else f"{shown}… ({len(content):,} bytes)"


def shorten_lines(text: str, length: int) -> str:
    """Return a text in which long lines are cut in their middle, if it has more than `length` characters.

    So a long value hides none that comes behind it.
    """
    if len(text) <= length:
        return text
    return "\n".join(map(_shorten_line, text.split("\n")))


def _shorten_line(line: str) -> str:
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE - 60]}… ({len(line):,} characters) …{line[-40:]}"


def format_json(data: object) -> str:
    """Return indented JSON, with `str` of what JSON has no form for."""
    import orjson

    try:
        return orjson.dumps(data, default=str, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # orjson refuses integers over 64 bits and lone surrogates, which `json` writes
        return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def describe_end(result: Result) -> str:
    """Return a clause on an answer that was not read to its end, with what has come of it; "" for any other."""
    items = count_items(result)
    seconds = f"{round(result.elapsed, 1 if result.elapsed >= 0.1 else 2):g} s"
    match result.ended:
        case EndReason.COMPLETE:
            return ""
        case EndReason.ITEMS:
            return f"the answer was cut after {items} in {seconds}; it may be still going on"
        case EndReason.DEADLINE if not result.items:
            return f"nothing had come of the answer in {seconds}, and it was still going on"
        case EndReason.DEADLINE:
            return f"the answer was cut after {seconds} with {items}, while it was still going on"
        case EndReason.SIZE:
            return f"the answer was cut after {len(result.content):,} bytes with {items}, while it was still going on"
        case EndReason.INTERRUPTED:
            return f"the answer was stopped after {items}, while it was still going on"
        case EndReason.BROKEN:
            return f"the answer broke off after {items}: {single_line(result.fault)[:200]}"


def count_items(result: Result) -> str:
    """Return the number of items that have come, in words: "1 event", "12 lines", "nothing"."""
    count = len(result.items or ())
    noun = _NOUNS.get(result.framing, "item") if result.framing is not None else "item"
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else "nothing"
