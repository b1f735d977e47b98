"""Path templates as lists of segments: which are placeholders, and what of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FORMATS = frozenset("json jsonl ndjson xml csv html txt text rss atom jsonp yaml yml pdf".split())
"""Segments and endings of paths that say how the answer is written: /containers/json, /tickets.json."""

EXTENSION = re.compile(rf"\.(?:{'|'.join(sorted(FORMATS))})$", re.IGNORECASE)
WHOLE = re.compile(r"\{([^{}]+)\}(\.\w+)?")
VERB = re.compile(r"\{([^{}]+)\}:(\w+)")


Place = tuple[str, str]
"""(where, name): where is path, query, header, cookie or body; ("body", "") is the whole body."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: a placeholder has its parameter's name, a literal its text."""

    text: str
    parameter: str | None = None


Path = tuple[Segment, ...]
Shape = tuple[str | None, ...]
"""A path without the names of its placeholders: two templates of one shape are one place."""


@lru_cache(maxsize=16384)
def segments(template: str) -> Path:
    """`/a/{x}.json` and `/a.json` are a, {x} and a; `/a/{x}:pause` is a, {x}, pause. `{x}-{y}` stays literal."""
    found: list[Segment] = []
    for text in EXTENSION.sub("", template.strip("/")).split("/"):
        if verb := VERB.fullmatch(text):
            found += [Segment(text, verb.group(1)), Segment(verb.group(2))]
        elif whole := WHOLE.fullmatch(text):
            found.append(Segment(text, whole.group(1)))
        elif text:
            found.append(Segment(text))
    return tuple(found)


def position(path: Path, name: str) -> int:
    """Return where in a path the placeholder of that name is; 0 where it is not."""
    return next((at for at, segment in enumerate(path) if segment.parameter == name), 0)


def shape(path: Path) -> Shape:
    return tuple(None if segment.parameter else segment.text for segment in path)


def compound(path: Path) -> str:
    """The literal segments at the end: `drafts/campaigns` of `/accounts/{id}/drafts/campaigns`."""
    literal: list[str] = []
    for segment in reversed(path):
        if segment.parameter:
            break
        literal.insert(0, segment.text)
    return "/".join(literal)


def common_prefix(paths: list[Path]) -> int:
    """How many leading literal segments (`/api/v1`) all of several paths share."""
    count = 0
    while len(paths) > 1 and all(len(path) > count + 1 and not path[count].parameter for path in paths):
        if len({path[count].text for path in paths}) > 1:
            break
        count += 1
    return count
