"""Reads requests and refuses those that are unsafe to parse: host, origin, size, headers, malformed JSON."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.turn_queue import Turns
from nlapi.json_text import is_deeper
from nlapi.serving import LOOPBACK_HOSTS, Receive, has_two_lengths, host_of, is_same_origin

# 8 KiB for one header and 100 headers, as Apache httpd by default (LimitRequestFieldSize, LimitRequestFields).
MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 100
REPEATABLE_HEADERS = frozenset(
    ("accept", "accept-encoding", "accept-language", "cache-control", "cookie", "forwarded", "via", "warning",
     "x-forwarded-for", "connection", "te", "trailer", "baggage", "tracestate", "pragma", "if-none-match")
)  # fmt: skip
"""Headers that may be repeated because their value is a list (RFC 9110 §5.3)."""

# Levels of objects and lists. The parser is recursive, and a deeper value could fail later, where it is encoded again.
MAX_DEPTH = 64


class RequestGuard:
    """The header checks of every request.

    `hosts` are the accepted host names besides those of loopback; "*" accepts all, which is safe only behind a proxy
    that checks the host.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = LOOPBACK_HOSTS | {host.lower().strip("[]") for host in hosts}

    def check(self, headers: Sequence[tuple[bytes, bytes]], scheme: str) -> dict[str, str]:
        """Return the headers by lower-case name, of a request over http or https as `scheme` says.

        GatewayProblem 400, 403, 421, 431 or 501 when one is refused.
        """
        if len(headers) > MAX_HEADERS:
            raise GatewayProblem(431, f"there are more than {MAX_HEADERS} headers", code="many_headers")
        by_name: dict[str, str] = {}
        for raw_name, value in headers:
            name = raw_name.decode("latin-1")
            # A proxy may use the first of two equal headers and a server the last (request smuggling).
            if name in by_name and name not in REPEATABLE_HEADERS:
                raise _header_problem(400, name, "is there twice", "doubled_header")
            if len(name) + len(value) > MAX_HEADER_BYTES:
                raise _header_problem(431, name, "is too long", "long_header")
            by_name[name] = value.decode("latin-1")
        if "transfer-encoding" in by_name and has_two_lengths(name for name, _ in headers):
            raise GatewayProblem(400, "the body has two lengths", code="framing", path="header.transfer-encoding")
        if by_name.get("transfer-encoding", "chunked").lower() != "chunked":
            message = "the body comes in a transfer coding that is not taken"
            raise GatewayProblem(501, message, code="framing", path="header.transfer-encoding")
        self._check_host(by_name.get("host", ""))
        # A browser sends the origin of the page; a request from another site's page is cross-site request forgery.
        origin = by_name.get("origin")
        if origin is not None and not is_same_origin(origin, scheme, by_name.get("host", "")):
            raise GatewayProblem(
                403, f"requests from {origin[:80]!r} are not taken", code="foreign_origin", path="header.origin"
            )
        return by_name

    def _check_host(self, host: str) -> None:
        # DNS rebinding: a page whose name was pointed at this address still sends that name as its host.
        name = host_of(host)
        if not name:  # RFC 9112 §3.2
            message = f"the Host {host[:80]!r} is malformed" if host else "the request has no Host"
            raise GatewayProblem(400, message, code="malformed_host", path="header.host")
        if name not in self._hosts and "*" not in self._hosts:
            hint = "call it by the address it listens on, or start it with --allow-host"
            raise GatewayProblem(
                421, f"this gateway is not {host[:80]!r}", code="wrong_host", hint=hint, path="header.host"
            )


def _header_problem(status: int, name: str, fault: str, code: str) -> GatewayProblem:
    short_name = name[:80]
    return GatewayProblem(status, f"the header {short_name} {fault}", code=code, path=f"header.{short_name}")


def load_json(content: bytes) -> Any:
    """Return the value of a body. GatewayProblem 400 when it is not I-JSON (RFC 8259 §2; RFC 7493 §2.1, §2.3)."""
    try:
        value = _DECODER.decode(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed_json("it is not UTF-8") from None
    except RecursionError:
        raise _malformed_json(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except json.JSONDecodeError as error:
        raise _malformed_json(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # Python refuses to convert an integer of more than 4,300 digits
        raise _malformed_json(str(error).partition(";")[0]) from None
    if is_deeper(value, MAX_DEPTH, content):
        raise _malformed_json(f"it is nested more than {MAX_DEPTH} levels deep")
    if b"\\u" in content:
        _check_surrogates(value)
    return value


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise _malformed_json(f"the key {repeated[:80]!r} is there twice in one object")
    return members


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _malformed_json(f"the number {text[:40]} is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise _malformed_json(f"{text} is not a number")


_DECODER = json.JSONDecoder(object_pairs_hook=_parse_object, parse_float=_parse_float, parse_constant=_refuse_constant)


def _check_surrogates(value: Any) -> None:
    # An escape such as \ud800 is half a surrogate pair (RFC 7493 §2.1): SQLite and UTF-8 can store neither half.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed_json("a text holds half a surrogate pair") from None


def _malformed_json(reason: str) -> GatewayProblem:
    return GatewayProblem(
        400, f"the body is not JSON that can be trusted: {reason}", code="malformed_json", path="body"
    )


T = TypeVar("T")

# Bytes: a body of this size or more is parsed and validated in a thread, so that other requests are served meanwhile.
# One of 4 KiB takes 1.7 ms at most, and a thread 0.1.
THREADED_BODY_BYTES = 4096

# A body that is too large is read up to this multiple of the limit before the connection closes; see `read_body`.
DISCARD_FACTOR = 4


class BodyChecks:
    """Checks bodies: short ones at once, and others in a thread, where the callers take turns."""

    # One at a time, as they compete for the interpreter. 300 bodies of 4 MB of one client held everybody up for a
    # minute, and 300 of 100 KB for 13 s when they were checked in the event loop.
    def __init__(self) -> None:
        self._turns = Turns()

    async def run(self, check: Callable[[bytes, str], T], content: bytes, media_type: str, caller: str) -> T:
        """Return what `check` makes of a body."""
        if len(content) < THREADED_BODY_BYTES:
            return check(content, media_type)
        async with self._turns.take(caller):
            return await asyncio.to_thread(check, content, media_type)


async def read_body(receive: Receive, headers: Mapping[str, str], largest: int) -> bytes:
    """Return the whole body. GatewayProblem 413 when it is larger than `largest` bytes, 415 for a content encoding."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise GatewayProblem(415, "packed bodies are not taken", code="media_type", path="header.content-encoding")
    content_length = headers.get("content-length", "0")
    chunks: list[bytes] = []
    size, is_oversized = 0, content_length.isdigit() and int(content_length) > largest
    if (
        is_oversized and "expect" in headers
    ):  # RFC 9110 §10.1.1: the client waits for an answer before it sends the body
        raise _too_large_problem(largest)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayProblem(400, "the client went away before the body was complete", code="incomplete")
        size += len(message.get("body", b""))
        is_oversized = is_oversized or size > largest
        if not is_oversized:
            chunks.append(message.get("body", b""))
        # Closing at once would reset the connection, and a client that still sends would never see the 413.
        if not message.get("more_body", False) or size > DISCARD_FACTOR * largest:
            break
    if is_oversized:
        raise _too_large_problem(largest)
    return b"".join(chunks)


def _too_large_problem(largest: int) -> GatewayProblem:
    return GatewayProblem(413, f"the body is larger than {largest:,} bytes", code="too_large", path="body")
