"""Operations that share a method and a route, distinguished by a query or fragment in the path or a fixed value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_plus

from nlapi.openapi.spec import Operation
from nlapi.sandbox.parameters import Pairs, decoded, split_pairs


def chosen(operations: Sequence[Operation], query: str, headers: Mapping[str, str]) -> Operation | None:
    """Return the operation for a raw query and headers (names in lower case), or None.

    The query of its path must be in the request. Of several, the one with most such pairs comes first, then the one
    whose parameters with a single value (`X-Amz-Target: {enum: [S.List]}`) match.
    """
    # OpenAPI has no query in paths, but the converted descriptions of AWS do: `/?Action=ListUsers`,
    # `/#X-Amz-Target=S.List`.
    pairs = split_pairs(query)
    given = {(name, unquote_plus(value)) for name, value in pairs.pairs}
    fitting = [one for one in operations if given >= set(_literals(one))]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    return max(fitting, key=lambda one: (len(list(_literals(one))), _agrees(one, pairs, headers)))


def take_fixed(operation: Operation, pairs: Pairs) -> dict[str, str]:
    """Mark the pairs of the path's own query as used, and return the raw path parameters in it by name."""
    for name, _ in _literals(operation):
        pairs.take(name)
    raw = {}
    own = {parameter.name for parameter in operation.parameters if parameter.where == "query"}
    for key, name in _templates(operation):
        if key not in own and name not in own and (found := pairs.take(key)):
            raw[name] = found[-1].replace("+", "%20")
    return raw


def _literals(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield the constant pairs in the query of the path, decoded."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if "{" not in value and "{" not in name:
            yield name, unquote_plus(value)


def _templates(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield key and parameter of the pairs with a placeholder in the query of the path: `?q={query}`."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if found := re.fullmatch(r"\{([^{}]+)\}", value):
            yield name, str(found.group(1))


def _agrees(operation: Operation, pairs: Pairs, headers: Mapping[str, str]) -> bool:
    """Return whether the request has the value of each required parameter that can have only one."""
    for parameter in operation.parameters:
        choices = list(operation.spec.follow(parameter.schema).get("enum", ()) if parameter.required else ())
        if len(choices) != 1 or parameter.where not in ("query", "header"):
            continue
        in_query = [decoded(raw) for raw in pairs.take(parameter.name)]
        given = in_query if parameter.where == "query" else [headers.get(parameter.name.lower())]
        if str(choices[0]) not in given:
            return False
    return True
