"""The texts of errors that model servers and the upstreams of LLMs answer with, in a form that may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import orjson

from nlapi.gateway.versions.model_artifact import hide_folders

MAX_ERROR_CHARS = 500
# A page is not a reason; a traceback of MLServer has 6 kB.
MAX_ERROR_BYTES = 2**16
# The keys of an error's text: MLServer, Triton, KServe and BentoML have `error`, FastAPI and Ray Serve `detail`, and
# OpenAI and Anthropic an object `error` with a `message`.
_TEXT_KEYS = ("error", "detail", "message", "error_description")
_MAX_DETAILS = 5
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\U0010ffff]+")
# MLServer answers a 500 with the traceback of the model's code; the last exception is its reason.
_EXCEPTION_LINE = re.compile(
    r"^(?:\w+\.)*\w*(?:Error|Exception|Warning|Interrupt|Exit)\b.*\Z", re.MULTILINE | re.DOTALL
)
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|(?<![\w:])\[?(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\]?(?::\d+)?(?![\w:])"
    r"|\b(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:local|internal|svc|lan|cluster))\b(?::\d+)?"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)+:\d{2,5}\b"
    # A name without dots, as mlserver:8080, and not what counts something, as row:12.
    r"|\b[a-z][a-z0-9-]*:\d{4,5}\b",
    re.IGNORECASE,
)


def error_text(content: bytes) -> str:
    """Return the reason in the body of a server's error, or "" when it is not for people, as a page of HTML."""
    if len(content) > MAX_ERROR_BYTES:
        return ""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else last_exception(text)
    return last_exception(document if isinstance(document, str) else _member_text(document))


def last_exception(text: str) -> str:
    """Return the last exception of a traceback; any other text as it is."""
    if "Traceback (most recent call last)" not in text:
        return text
    tail = text.rpartition("\n  File ")[2]
    match = _EXCEPTION_LINE.search(tail)
    return match.group() if match else ""


def clean_text(text: str, secrets: Iterable[str] = (), *, hides_addresses: bool = True) -> str:
    """Return a server's text on one line, cut, without control characters and secrets.

    With `hides_addresses` it has no addresses and no folders either.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    # Cut before the patterns run, and again after: a server chooses how long its text is.
    text = " ".join(_UNPRINTABLE.sub(" ", text[: 2 * MAX_ERROR_CHARS]).split())
    if hides_addresses:
        text = hide_folders(_ADDRESS.sub("...", text))
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[: MAX_ERROR_CHARS - 3]}..."


def _member_text(document: object) -> str:
    if isinstance(document, list):
        return "; ".join(filter(None, map(_detail_text, document[:_MAX_DETAILS])))
    if not isinstance(document, Mapping):
        return ""
    error, details = document.get("error"), document.get("detail")
    if isinstance(error, str) and isinstance(details, list):  # BentoML's: how many faults, and each of them
        return f"{error}: {_member_text(details)}"
    for key in _TEXT_KEYS:
        value = document.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, Mapping | list) and (text := _member_text(value)):
            return text
    return ""


def _detail_text(detail: object) -> str:
    """Return an item of FastAPI's list of details: its location and its message, without the value."""
    if not isinstance(detail, Mapping):
        return detail if isinstance(detail, str) else ""
    location, message = detail.get("loc"), detail.get("msg")
    if not isinstance(message, str):
        return _member_text(detail)
    path = ".".join(map(str, location)) if isinstance(location, list) else ""
    return f"{path}: {message}" if path else message
