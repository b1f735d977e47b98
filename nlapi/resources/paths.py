"""Splits path templates into segments, literal ones and placeholders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FORMATS = frozenset("json jsonl ndjson xml csv html txt text rss atom jsonp yaml yml pdf".split())
"""Segments and endings of paths for the format of the answer: /containers/json, /tickets.json."""

EXTENSION = re.compile(rf"\.(?:{'|'.join(sorted(FORMATS))})$", re.IGNORECASE)
WHOLE_PLACEHOLDER = re.compile(r"\{([^{}]+)\}(\.\w+)?")
# A custom method (Google AIP-136): /operations/{name}:cancel.
CUSTOM_VERB = re.compile(r"\{([^{}]+)\}:(\w+)")


Place = tuple[str, str]
"""(location, name): the location is path, query, header, cookie or body; ("body", "") is the whole body."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: of a placeholder the name of its parameter, of a literal its text."""

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
