"""Chooses names for tools, arguments and groups: unique, stable, readable and accepted by the model APIs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Container, Iterable, Sequence
from functools import lru_cache

from nlapi.english.words import split_words
from nlapi.openapi.spec import Operation, read_hints

# The Messages API takes `^[a-zA-Z0-9_-]{1,64}$` for tools and `^[a-zA-Z0-9_.-]{1,64}$` for arguments; one bad name
# rejects the whole request.
MAX_LENGTH = 64

# Claude Code refuses plugin names with `claude-*` and `anthropic-*` (2.1.331).
RESERVED_WORDS = frozenset(("claude", "anthropic"))


def tool_names(
    operations: Sequence[Operation], *, max_length: int = MAX_LENGTH, reserved: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return a name for each operation: `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`, all different, none of them `reserved`.

    An operationId that fits stays, unless `x-nlapi` has another name. Any other is rewritten, and gets a hash of its
    method and path where it is cut to `max_length` characters or already used.
    """
    hinted_names = {operation.id: name for operation in operations if (name := read_hints(operation.extensions).name)}
    ids = {operation.id for operation in operations if operation.id not in hinted_names}
    used_names = set(reserved)
    fitting_ids = {
        id for id in ids if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", id) and len(id) <= max_length
    } - used_names
    used_names |= fitting_ids
    names = []
    for operation in operations:
        name = hinted_names.get(operation.id, operation.id)
        if operation.id not in fitting_ids:
            name = re.sub(r"[^a-zA-Z0-9_-]+", "_", _to_ascii(name)).strip("_-")
            # Gemini refuses a whole list of tools for one name that begins with a digit
            # (docs/design/017-answers-to-a-model.md).
            name = _fit_name(f"_{name}" if name[:1].isdigit() else name, operation, used_names, max_length)
            used_names.add(name)
        names.append(name)
    return tuple(names)


def _fit_name(name: str, operation: Operation, used_names: set[str], max_length: int) -> str:
    """Return `name` where it is short enough and free, else its beginning with a hash."""
    if name and len(name) <= max_length and name not in used_names:
        return name
    # A hash and no counter: the name must not change when the description gains another operation.
    digest = _digest(operation.method, operation.path, operation.id)
    return f"{(name or operation.method.lower())[: max_length - 9]}_{digest}"


def argument_name(name: str, location: str, used_names: Container[str]) -> str:
    """Return a name for an argument: `^[a-zA-Z0-9_.-]{1,64}$` and not among `used_names`.

    `filter[name]` becomes `filter_name`, and `$top` becomes `top`. A name in use gets the location: `id_query`.
    """
    safe_name = _safe_argument_name(name, location)
    if safe_name not in used_names:
        return safe_name
    located_name = f"{safe_name[: MAX_LENGTH - 7]}_{location}"
    return (
        located_name if located_name not in used_names else f"{safe_name[: MAX_LENGTH - 9]}_{_digest(location, name)}"
    )


@lru_cache(maxsize=10_000)
def _safe_argument_name(name: str, location: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name):
        return name
    safe_name = re.sub(r"[^a-zA-Z0-9_.-]+", "_", _to_ascii(name)).strip("_") or f"{location}_{_digest(name)}"
    return _cut_name(safe_name, name)


def prefixed_name(prefix: str, name: str) -> str:
    """Return `prefix_name` in at most 64 characters, with a hash where it had to be cut."""
    full_name = f"{prefix}_{name}"
    return _cut_name(full_name, full_name)


def _cut_name(name: str, identity: str) -> str:
    # The hash distinguishes names that are equal up to the cut.
    return name if len(name) <= MAX_LENGTH else f"{name[: MAX_LENGTH - 9]}_{_digest(identity)}"


def _to_ascii(name: str) -> str:
    """Return the name without accents and other characters beyond ASCII."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def group_slug(label: str, limit: int) -> str:
    """Return the slug of a tag or a path segment, at most `limit` characters long."""
    words = (re.sub(r"[^a-z0-9]", "", word) for word in split_words(label))
    return (
        join_words([word for word in words if word and word not in RESERVED_WORDS], limit)
        # A label without Latin letters leaves no word; a hash is stable where a counter would change with the order of
        # tags.
        or f"group-{_digest(label)[:6]}"
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


def unique_name(name: str, used_names: Collection[str], separator: str = "-") -> str:
    """Return `name`, with a number appended where it is taken."""
    number = 2
    while (candidate := name if number == 2 and name not in used_names else f"{name}{separator}{number}") in used_names:
        number += 1
    return candidate


def join_names(names: list[str], limit: int) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - limit
    return f"{', '.join(names[:limit])}{f' and {more} more' if more > 0 else ''}"
