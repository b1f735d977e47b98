"""Short names in lower case with dashes, made of the words of a description."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from nlapi.resources.naming import pieces

RESERVED = frozenset(("claude", "anthropic"))
"""What no name of a plugin or skill of somebody else may hold."""


def group_slug(label: str, limit: int) -> str:
    """A part of a skill's name made of a tag or a path segment."""
    words = (re.sub(r"[^a-z0-9]", "", word) for word in pieces(label))
    return (
        joined([word for word in words if word and word not in RESERVED], limit)
        or f"group-{hashlib.sha256(label.encode('utf-8', 'replace')).hexdigest()[:6]}"
    )


def joined(words: list[str], limit: int) -> str:
    """As many words as fit, with dashes; of a first word that is too long, what fits."""
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:limit]
        if len(longer) > limit:
            break
        name = longer
    return name


def unique(name: str, taken: Collection[str]) -> str:
    """`name`, with a number behind it when it is taken."""
    number = 2
    while (given := name if number == 2 and name not in taken else f"{name}-{number}") in taken:
        number += 1
    return given
