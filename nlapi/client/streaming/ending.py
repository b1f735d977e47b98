"""The end of a streaming answer, in words for a person or a model."""

from __future__ import annotations

from nlapi.client.safe_text import single_line
from nlapi.client.message import EndReason, Framing, Result

# A value or an object has no better name than "item"; a log has lines to everybody who reads one.
_NOUNS = {Framing.LINES: "line", Framing.FRAMES: "line", Framing.EVENTS: "event"}


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
