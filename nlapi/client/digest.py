"""Requests in a canonical form, to tell whether two ask for the same, however they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any
from unicodedata import normalize
from urllib.parse import parse_qsl, unquote, urlsplit

from nlapi.client.message import Request
from nlapi.client.safe_text import strip_control
from nlapi.json_text import refuse_constant, single_keys
from nlapi.openapi.model import FORM, essence, is_json

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
