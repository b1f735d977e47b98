"""Names for tools and arguments: unique, stable, readable and accepted by the model APIs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterable, Sequence

from nlapi.openapi.hints import hints
from nlapi.openapi.spec import Operation

# The Messages API takes `^[a-zA-Z0-9_-]{1,64}$` for tools and `^[a-zA-Z0-9_.-]{1,64}$` for arguments; one bad name
# rejects the whole request.
MAX_LENGTH = 64


def tool_names(
    operations: Sequence[Operation], *, longest: int = MAX_LENGTH, reserved: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return a name for each operation: `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`, all different, none of them `reserved`.

    An operationId that fits stays, unless `x-nlapi` has another name. Any other is rewritten, and gets a hash of its
    method and path where it is cut to `max_length` characters or already used.
    """
    given = {operation.id: name for operation in operations if (name := hints(operation.extensions).name)}
    ids = {operation.id for operation in operations if operation.id not in given}
    taken = set(reserved)
    kept = {id for id in ids if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", id) and len(id) <= longest} - taken
    taken |= kept
    names = []
    for operation in operations:
        name = given.get(operation.id, operation.id)
        if operation.id not in kept:
            name = re.sub(r"[^a-zA-Z0-9_-]+", "_", _plain(name)).strip("_-")
            # Gemini refuses a whole list of tools for one name that begins with a digit
            # (docs/design/017-answers-to-a-model.md).
            name = _fitted(f"_{name}" if name[:1].isdigit() else name, operation, taken, longest)
            taken.add(name)
        names.append(name)
    return tuple(names)


def _fitted(name: str, operation: Operation, taken: set[str], longest: int) -> str:
    """Return `name` where it is short enough and free, else its beginning with a hash."""
    if name and len(name) <= longest and name not in taken:
        return name
    # A hash and no counter: the name must not change when the description gains another operation.
    digest = _digest(operation.method, operation.path, operation.id)
    return f"{(name or operation.method.lower())[: longest - 9]}_{digest}"


def argument_name(name: str, place: str, taken: Container[str]) -> str:
    """Return a name for an argument: `^[a-zA-Z0-9_.-]{1,64}$` and not among `used_names`.

    `filter[name]` becomes `filter_name`, and `$top` becomes `top`. A name in use gets the location: `id_query`.
    """
    plain = name
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name):
        plain = re.sub(r"[^a-zA-Z0-9_.-]+", "_", _plain(name)).strip("_") or f"{place}_{_digest(name)}"
        if len(plain) > MAX_LENGTH:
            plain = f"{plain[: MAX_LENGTH - 9]}_{_digest(name)}"
    if plain not in taken:
        return plain
    placed = f"{plain[: MAX_LENGTH - 7]}_{place}"
    return placed if placed not in taken else f"{plain[: MAX_LENGTH - 9]}_{_digest(place, name)}"


def _plain(name: str) -> str:
    """Return the name without accents and other characters beyond ASCII."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
