"""What a value in a path may never be: something that leads a server to another place than the path says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from nlapi.client.style import is_list, scalar
from nlapi.errors import ArgumentError

MAX_DECODINGS = 8
"""Times that a text is percent-decoded: more than any chain of proxies and servers does."""


def check_segment(value: Any, *, named: bool = False) -> None:
    """ArgumentError, with the reason, unless `value`, and every item of a list or object, may stand in a path.

    `named`: the parameter's name stands before it (style matrix), so that an empty text leaves no empty segment.
    """
    texts = list(_texts(value))
    if not texts:
        raise ArgumentError("a path parameter may not be empty")
    for text in texts:
        if not (named and text == ""):
            _check_text(text)


def _texts(value: Any) -> Iterator[str]:
    """The texts that a value is written with: that of a scalar, of each item, of each name and value of an object."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if item is not None:
                yield name
                yield scalar(item)
    elif is_list(value):
        yield from (scalar(item) for item in value if item is not None)
    else:
        yield scalar(value)


def _check_text(text: str) -> None:
    """Looks at a text as the most obliging server would: decoded to the end, look-alikes taken for what they look like.

    What is sent is the text as it is: RFC 6570 §3.2.2 writes a slash as %2F, and many servers read that as a slash.
    """
    plain = unicodedata.normalize("NFKC", _decoded(text))
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


def _decoded(text: str) -> str:
    """The text percent-decoded until it stays as it is."""
    for _ in range(MAX_DECODINGS):
        plain = unquote(text)
        if plain == text:
            return plain
        text = plain
    raise ArgumentError(f"the value is percent-encoded more than {MAX_DECODINGS} times")
