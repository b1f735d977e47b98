"""Values refused in a path because they would lead a server to another path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from nlapi.client.style import is_list, item_texts, pair_texts, scalar_text
from nlapi.errors import ArgumentError

# More than any chain of proxies and servers decodes; a value that is still encoded after so many is meant to deceive.
MAX_DECODINGS = 8


def check_segment(value: Any, *, has_label: bool = False) -> None:
    """Raise ArgumentError, with the reason, unless `value` and every item of a list or object may stand in a path.

    `has_label`: the parameter's name precedes it (style matrix), so that an empty text leaves no empty segment.
    """
    texts = _scalar_texts(value)
    if not texts:
        raise ArgumentError("a path parameter may not be empty")
    for text in texts:
        if not (has_label and text == ""):
            _check_segment_text(text)


def _scalar_texts(value: Any) -> list[str]:
    """Return the texts that a value is written with: of a scalar, of each item, of each name and value of an object."""
    if isinstance(value, Mapping):
        return [text for pair in pair_texts(value) for text in pair]
    return item_texts(value) if is_list(value) else [scalar_text(value)]


def _check_segment_text(text: str) -> None:
    """Check a text as the most lenient server would read it: fully decoded, look-alike characters normalised.

    The text is sent as it is: RFC 6570 §3.2.2 writes a slash as %2F, and many servers read that as a slash.
    """
    # NFKC, as Java servers once took full-width dots for dots; a backslash is a slash to the
    # WHATWG URL parser (docs/design/009).
    plain = unicodedata.normalize("NFKC", _decode_fully(text))
    if not plain.strip():
        raise ArgumentError("a path parameter may not be empty")
    if re.search(r"[\x00-\x1f\x7f]", plain):
        raise ArgumentError("a path parameter may not hold line breaks or control characters")
    segments = [segment.strip() for segment in re.split(r"[/\\]", plain)]
    if "" in segments:
        raise ArgumentError(
            f"{text[:100]!r} has an empty segment: a slash at its start or end, or two in a row",
            hint="give the bare name or id, without slashes around it",
        )
    if "." in segments or ".." in segments:
        raise ArgumentError(f"{text[:100]!r} has a dot segment, which leads to another place")


def _decode_fully(text: str) -> str:
    """Return the text percent-decoded until it no longer changes."""
    for _ in range(MAX_DECODINGS):
        plain = unquote(text)
        if plain == text:
            return plain
        text = plain
    raise ArgumentError(f"the value is percent-encoded more than {MAX_DECODINGS} times")
