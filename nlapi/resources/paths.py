"""Splits path templates into segments, literal ones and placeholders."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from nlapi.lazy_pattern import lazy_pattern

FORMATS = frozenset("json jsonl ndjson xml csv html txt text rss atom jsonp yaml yml pdf".split())
"""Segments and endings of paths for the format of the answer: /containers/json, /tickets.json."""

EXTENSION = lazy_pattern(rf"\.(?:{'|'.join(sorted(FORMATS))})$", re.IGNORECASE)
WHOLE_PLACEHOLDER = lazy_pattern(r"\{([^{}]+)\}(\.\w+)?")
# A custom method (Google AIP-136): /operations/{name}:cancel.
CUSTOM_VERB = lazy_pattern(r"\{([^{}]+)\}:(\w+)")


Place = tuple[str, str]
"""(location, name): the location is path, query, header, cookie or body; ("body", "") is the whole body."""


class Segment(NamedTuple):
    """One segment, hashed often: of a placeholder the name of its parameter, of a literal its text."""

    text: str
    parameter: str | None = None


Path = tuple[Segment, ...]
Shape = tuple[str | None, ...]
"""A path without the names of its placeholders: two templates of one shape are the same path (OpenAPI 3.1.1 §4.8.8)."""


@lru_cache(maxsize=16384)
def segments(template: str) -> Path:
    """Return the segments of a template: `/a/{x}.json` -> a, {x}; `/a/{x}:pause` -> a, {x}, pause."""
    result: list[Segment] = []
    # `{x}-{y}` has two values in one segment, neither of which identifies an item by itself.
    for text in EXTENSION.sub("", template.strip("/")).split("/"):
        if verb := CUSTOM_VERB.fullmatch(text):
            result += [Segment(text, verb.group(1)), Segment(verb.group(2))]
        elif placeholder := WHOLE_PLACEHOLDER.fullmatch(text):
            result.append(Segment(text, placeholder.group(1)))
        elif text:
            result.append(Segment(text))
    return tuple(result)


@lru_cache(maxsize=16384)
def wire_segments(path: str) -> tuple[str, ...]:
    """Return the segments of a path or a template as the most lenient server reads them; a placeholder is `{}`.

    Without a query, a fragment and matrix parameters, without dot segments and empty ones, decoded and in small letters
    (RFC 3986 §6.2.2): two paths that differ may be one to a server, and paths of one form always are.
    """
    plain = re.sub(r"\{[^{}]*\}", "{}", path.partition("#")[0].partition("?")[0])
    result: list[str] = []
    for segment in re.split(r"[/\\]", unquote(plain)):
        text = segment.partition(";")[0].casefold()
        if text == "..":
            del result[-1:]
        elif text not in ("", "."):
            result.append(text)
    return tuple(result)


def paths_overlap(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Return whether a path may be of both templates, given as `wire_segments`: /{kind} and /orders."""
    return len(first) == len(second) and all(map(_segments_overlap, first, second))


def _segments_overlap(first: str, second: str) -> bool:
    if first == second or "{}" in (first, second):
        return True
    if "{}" in first and "{}" in second:
        return True  # {id}.json and v-{id}: some text may be of both
    template, text = (first, second) if "{}" in first else (second, first)
    return "{}" in template and re.fullmatch(re.escape(template).replace(r"\{\}", ".+"), text) is not None


def position(path: Path, name: str) -> int:
    """Return the index of the placeholder of that name in a path; 0 where it has none."""
    return next((index for index, segment in enumerate(path) if segment.parameter == name), 0)


@lru_cache(maxsize=16384)
def shape(path: Path) -> Shape:
    return tuple(None if segment.parameter else segment.text for segment in path)


@lru_cache(maxsize=16384)
def literal_suffix(path: Path) -> str:
    """Return the literal segments at the end: `drafts/campaigns` of `/accounts/{id}/drafts/campaigns`."""
    literal: list[str] = []
    for segment in reversed(path):
        if segment.parameter:
            break
        literal.insert(0, segment.text)
    return "/".join(literal)


def common_prefix(paths: list[Path]) -> int:
    """Return the number of leading literal segments (`/api/v1`) that all of several paths have."""
    length = 0
    # One more segment is left to each path, so that `/api` alone still names a collection.
    while len(paths) > 1 and all(len(path) > length + 1 and not path[length].parameter for path in paths):
        if len({path[length].text for path in paths}) > 1:
            break
        length += 1
    return length


@lru_cache(maxsize=16384)
def last_segment(path: str) -> str:
    """Return the last literal segment of a path; of `/orders:search` and `/#X-Amz-Target=Shop.ListOrders` the verb."""
    path, _, fragment = path.partition("#")
    # AWS descriptions have one URL path and tell operations apart in the fragment.
    if fragment:
        return re.split(r"[=./]", fragment)[-1]
    literal = [part for part in re.split(r"[/:]", path.partition("?")[0]) if part and "{" not in part]
    return re.sub(r"\.(json|xml)$", "", literal[-1]) if literal else ""
