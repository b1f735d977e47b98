"""What the ids of a field are: names that people choose, codes that nobody makes up, or not known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from nlapi.english.lexicon import words as word_set
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Schema, as_list
from nlapi.resources.forms import schema_type


class IdKind(StrEnum):
    """The kind of the ids that a field takes."""

    NEW = "new"  # the key of an item that the call makes
    NATURAL = "natural"  # a name that people choose: bucket_name, slug
    OPAQUE = "opaque"  # a code that the API gives out: a UUID, a number
    UNKNOWN = "unknown"  # a text, of which nothing says more


_NATURAL_NAMES = word_set("resources/words", "natural_ids")
_NAMED = lazy_pattern(r"\W*(?:the )?(?:unique |full )?(?:user)?(?:names?|slugs?|logins?)\b", re.IGNORECASE)
_GIVEN_OUT = lazy_pattern(
    r"\b(?:uuid|guid|hash|hex\w*|numeric|integer|auto-?generated|(?:generated|assigned) by|object ?id)\b", re.IGNORECASE
)
# A code has a figure or nothing but capitals; longer words of hexadecimal letters alone are rare.
_CODE = lazy_pattern(r"(?=.*\d)[\w.:-]{4,}|[A-Z]{5,}")
_WORD = lazy_pattern(r"[a-z][a-z._-]*[a-z]", re.IGNORECASE)
# Names as people give them, which a pattern of codes refuses.
_TRIED = ("blog", "teachers", "my-first-blog")


def id_kind(name: Sequence[str], schema: Schema, description: str, *, has_name: bool) -> IdKind:
    """Return the kind of the ids of a field, of which nothing is made.

    `name` are the words of its name. `has_name` says that the items that are listed have a name besides this id.
    """
    if schema_type(schema) in ("integer", "number") or schema.get("format") == "uuid" or _refuses_words(schema):
        return IdKind.OPAQUE
    examples = [text for text in (schema.get("example"), *as_list(schema.get("examples"))) if isinstance(text, str)]
    if not _NATURAL_NAMES.isdisjoint(name[-1:]) or _NAMED.match(description) or any(map(_WORD.fullmatch, examples)):
        return IdKind.NATURAL
    if has_name or _GIVEN_OUT.search(description) or any(map(_CODE.fullmatch, examples)):
        return IdKind.OPAQUE
    return IdKind.UNKNOWN


def _refuses_words(schema: Schema) -> bool:
    """Return whether the pattern or the length of a schema refuses every name that people give."""
    shortest, pattern = schema.get("minLength"), schema.get("pattern")
    if isinstance(shortest, int) and shortest > max(map(len, _TRIED)):
        return True
    if not isinstance(pattern, str):
        return False

    # The pattern comes from a description, and may take long to match: it is bounded.
    from nlapi.patterns import bounded_pattern

    return not any(map(bounded_pattern(pattern).matches, _TRIED))
