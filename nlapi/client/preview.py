"""A Request as text for a person to read, before credentials."""

from __future__ import annotations

import json
from typing import Any

from nlapi.client.safe_text import strip_control
from nlapi.client.message import Request

# In characters: nobody reads more in a terminal or in the dialog of an MCP client, and an upload may have megabytes.
MAX_PREVIEW_BODY = 100_000


def preview_request(request: Request) -> str:
    """Return a request as it will be sent, before credentials, as text for a person."""
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers)]
    if request.content:
        lines += ["", preview_body(request)]
    return strip_control("\n".join(lines))


def preview_body(request: Request) -> str:
    """Return the body of a request as text for a person: JSON indented, text as it is, anything else as its size."""
    content = request.content or b""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"({len(content):,} bytes)"
    if request.is_json:
        text = format_json(json.loads(text))
    return text if len(text) <= MAX_PREVIEW_BODY else f"{text[:MAX_PREVIEW_BODY]}… ({len(content):,} bytes)"


def format_json(data: Any) -> str:
    """Return indented JSON, with `str` of what JSON has no form for."""
    import orjson

    try:
        return orjson.dumps(data, default=str, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # orjson refuses integers over 64 bits and lone surrogates, which `json` writes
        return json.dumps(data, indent=2, ensure_ascii=False, default=str)
