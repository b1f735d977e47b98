"""Operations that share a method and a route, distinguished by a query or fragment in the path or a fixed value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_plus

from nlapi.openapi.spec import Operation
from nlapi.sandbox.parameters import QueryPairs, percent_decode, split_pairs


def select_operation(operations: Sequence[Operation], query: str, headers: Mapping[str, str]) -> Operation | None:
    """Return the operation for a raw query and headers (names in lower case), or None.

    The query of its path must be in the request. Of several, the one with most such pairs comes first, then the one
    whose parameters with a single value (`X-Amz-Target: {enum: [S.List]}`) match.
    """
    # OpenAPI has no query in paths, but the converted descriptions of AWS do: `/?Action=ListUsers`,
    # `/#X-Amz-Target=S.List`.
    pairs = split_pairs(query)
    sent_pairs = {(name, unquote_plus(value)) for name, value in pairs.pairs}
    matches = [operation for operation in operations if sent_pairs >= set(_constant_pairs(operation))]
    if len(matches) < 2:
        return matches[0] if matches else None
    return max(matches, key=lambda operation: (len(list(_constant_pairs(operation))), _has_constant_values(operation, pairs, headers)))


def take_path_query(operation: Operation, pairs: QueryPairs) -> dict[str, str]:
    """Mark the pairs of the path's own query as used, and return the raw path parameters in it by name."""
    for name, _ in _constant_pairs(operation):
        pairs.take(name)
    raw = {}
    query_names = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    for key, name in _placeholder_pairs(operation):
        if key not in query_names and name not in query_names and (raw_values := pairs.take(key)):
            raw[name] = raw_values[-1].replace("+", "%20")
    return raw


def _constant_pairs(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield the constant pairs in the query of the path, decoded."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if "{" not in value and "{" not in name:
            yield name, unquote_plus(value)


def _placeholder_pairs(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield key and parameter of the pairs with a placeholder in the query of the path: `?q={query}`."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if placeholder := re.fullmatch(r"\{([^{}]+)\}", value):
            yield name, str(placeholder.group(1))


def _has_constant_values(operation: Operation, pairs: QueryPairs, headers: Mapping[str, str]) -> bool:
    """Return whether the request has the value of each required parameter that can have only one."""
    for parameter in operation.parameters:
        choices = list(operation.spec.follow(parameter.schema).get("enum", ()) if parameter.required else ())
        if len(choices) != 1 or parameter.location not in ("query", "header"):
            continue
        in_query = [percent_decode(raw) for raw in pairs.take(parameter.name)]
        sent_values = in_query if parameter.location == "query" else [headers.get(parameter.name.lower())]
        if str(choices[0]) not in sent_values:
            return False
    return True
