"""A Request as text for a person to read, before credentials."""

from __future__ import annotations

import json
from typing import Any

from nlapi.client.clean import clean
from nlapi.client.message import Request

MAX_BODY = 100_000
"""Characters of a body that are shown."""


def request(request: Request) -> str:
    """A request as it will be sent, before credentials, for a person to read."""
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers)]
    if request.content:
        lines += ["", body(request)]
    return clean("\n".join(lines))


def body(request: Request) -> str:
    """The body of a request for a person to read: JSON indented, text as it is, anything else by its size."""
    content = request.content or b""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"({len(content):,} bytes)"
    if request.json_like:
        text = json_text(json.loads(text))
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}… ({len(content):,} bytes)"


def json_text(data: Any) -> str:
    import orjson

    try:
        return orjson.dumps(data, default=str, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # what JSON cannot hold, or orjson will not: integers over 64 bits, halves of characters
        return json.dumps(data, indent=2, ensure_ascii=False, default=str)
