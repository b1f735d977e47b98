"""Shows a request, and the end of a streaming answer, as text for a person to read."""

from __future__ import annotations

import json
from contextlib import suppress

from nlapi.client.digest import exact_json
from nlapi.client.message import EndReason, Framing, Request, Result
from nlapi.client.safe_text import reveal_control, single_line

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
