"""Shows a request, and the end of a streaming answer, as text for a person to read."""

from __future__ import annotations

import json

from nlapi.client.message import EndReason, Framing, Request, Result
from nlapi.client.safe_text import reveal_control, single_line

# In characters: nobody reads more in a terminal or in the dialog of an MCP client, and an upload may have megabytes.
MAX_PREVIEW_BODY = 100_000

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
        text = format_json(json.loads(text))
    shown = reveal_control(text[:MAX_PREVIEW_BODY])
    return shown if len(text) <= MAX_PREVIEW_BODY else f"{shown}… ({len(content):,} bytes)"


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
