"""Slugs of the words of a description: short names in lower case with dashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from nlapi.resources.naming import split_words

# Claude Code refuses plugin names with `claude-*` and `anthropic-*` (2.1.331).
RESERVED_WORDS = frozenset(("claude", "anthropic"))


def group_slug(label: str, limit: int) -> str:
    """Return the slug of a tag or a path segment, at most `limit` characters long."""
    words = (re.sub(r"[^a-z0-9]", "", word) for word in split_words(label))
    return (
        join_words([word for word in words if word and word not in RESERVED_WORDS], limit)
        # A label without Latin letters leaves no word; a hash is stable where a counter would change with the order of
        # tags.
        or f"group-{hashlib.sha256(label.encode('utf-8', 'replace')).hexdigest()[:6]}"
    )


def join_words(words: list[str], limit: int) -> str:
    """Return as many words as fit, joined by dashes; the beginning of the first word where that alone is too long."""
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:limit]
        if len(longer) > limit:
            break
        name = longer
    return name


def unique_name(name: str, used_names: Collection[str]) -> str:
    """Return `name`, with a number appended where it is taken."""
    number = 2
    while (candidate := name if number == 2 and name not in used_names else f"{name}-{number}") in used_names:
        number += 1
    return candidate
