"""The string and number formats that the sandbox checks."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

if TYPE_CHECKING:
    from jsonschema import FormatChecker

# jsonschema's own checkers need a package each for date-time, duration, uri and hostname. Date, time and date-time are
# those of RFC 3339 §5.6, duration that of its appendix A.
DATE = re.compile(r"\d{4}-\d\d-\d\d")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
DURATION = re.compile(r"P(?!$)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")


def _date(text: str) -> bool:
    return bool(DATE.fullmatch(text) and date.fromisoformat(text))


def _date_time(text: str) -> bool:
    return bool(DATE_TIME.fullmatch(text) and datetime.fromisoformat(text.upper().replace(":60", ":59")))


def _time(text: str) -> bool:
    return TIME.fullmatch(text) is not None and time.fromisoformat(text.upper()) is not None


def _uuid(text: str) -> bool:
    return bool(UUID_TEXT.fullmatch(text) and UUID(text))


def _uri(text: str) -> bool:
    return not re.search(r"[\s<>\"{}|\\^`]", text) and bool(urlsplit(text).scheme)


def _uri_reference(text: str) -> bool:
    return not re.search(r"[\s<>\"{}|\\^`]", text) and urlsplit(text) is not None


def _byte(text: str) -> bool:
    return base64.b64decode(text, validate=True) is not None


STRINGS: dict[str, Callable[[str], object]] = {
    "date": _date,
    "date-time": _date_time,
    "time": _time,
    "duration": DURATION.fullmatch,
    "email": EMAIL.fullmatch,
    "uuid": _uuid,
    "uri": _uri,
    "url": _uri,
    "uri-reference": _uri_reference,
    "hostname": HOSTNAME.fullmatch,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "byte": _byte,
}
INTEGERS = {"int32": 2**31, "int64": 2**63}


def build_format_checker() -> FormatChecker:
    """Return a jsonschema FormatChecker of these formats; any other format passes."""
    from jsonschema import FormatChecker

    formats = FormatChecker(formats=())
    for name, check in STRINGS.items():
        formats.checks(name, raises=ValueError)(_of_strings(check))
    for name, limit in INTEGERS.items():
        formats.checks(name)(_within(limit))
    return formats


def _of_strings(check: Callable[[str], object]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, str) or bool(check(value))


def _within(limit: int) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, int) or -limit <= value < limit
