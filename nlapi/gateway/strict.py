"""Strict parsing of JSON bodies: no repeated keys, no NaN or infinity, bounded nesting."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from nlapi.gateway.problem import GatewayProblem

# Levels of objects and lists. The parser is recursive, and a deeper value could fail later, where it is encoded again.
MAX_DEPTH = 64


def load_json(content: bytes) -> Any:
    """Return the value of a body. Problem 400 when it is not I-JSON (RFC 8259 §2; RFC 7493 §2.1, §2.3)."""
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
    # Counting brackets is cheap and settles nearly every body; only suspects are walked.
    if content.count(b"{") + content.count(b"[") > MAX_DEPTH and _is_too_deep(value):
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


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _check_surrogates(value: Any) -> None:
    # An escape such as \ud800 is half a surrogate pair (RFC 7493 §2.1): SQLite and UTF-8 can store neither half.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed_json("a text holds half a surrogate pair") from None


def _malformed_json(reason: str) -> GatewayProblem:
    return GatewayProblem(400, f"the body is not JSON that can be trusted: {reason}", code="malformed_json", path="body")
