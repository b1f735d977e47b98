"""Strict parsing of JSON bodies: no repeated keys, no NaN or infinity, bounded nesting."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from nlapi.gateway.problem import Problem

# Levels of objects and lists. The parser is recursive, and a deeper value could fail later, where it is encoded again.
DEEPEST = 64


def loads(content: bytes) -> Any:
    """Return the value of a body. Problem 400 when it is not I-JSON (RFC 8259 §2; RFC 7493 §2.1, §2.3)."""
    try:
        value = _DECODER.decode(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _refused("it is not UTF-8") from None
    except RecursionError:
        raise _refused(f"it is nested more than {DEEPEST} levels deep") from None
    except json.JSONDecodeError as error:
        raise _refused(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # Python refuses to convert an integer of more than 4,300 digits
        raise _refused(str(error).partition(";")[0]) from None
    # Counting brackets is cheap and settles nearly every body; only suspects are walked.
    if content.count(b"{") + content.count(b"[") > DEEPEST and _deep(value):
        raise _refused(f"it is nested more than {DEEPEST} levels deep")
    if b"\\u" in content:
        _sound(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused(f"the key {twice[:80]!r} is there twice in one object")
    return found


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _refused(f"the number {text[:40]} is too large")
    return number


def _constant(text: str) -> NoReturn:
    raise _refused(f"{text} is not a number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            below
            for one in level
            if isinstance(one, dict | list)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _sound(value: Any) -> None:
    # An escape such as \ud800 is half a surrogate pair (RFC 7493 §2.1): SQLite and UTF-8 can store neither half.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _refused("a text holds half a surrogate pair") from None


def _refused(why: str) -> Problem:
    return Problem(400, f"the body is not JSON that can be trusted: {why}", code="malformed_json", path="body")
