"""Operations of one method on one route, which a query or a fragment in their path, or a fixed value, tells apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_plus

from nlapi.openapi.spec import Operation
from nlapi.sandbox.parameters import Pairs, decoded, split_pairs


def chosen(operations: Sequence[Operation], query: str, headers: Mapping[str, str]) -> Operation | None:
    """The one that a request with this raw query and these headers (names in lower case) is for; None if it is none's.

    What stands behind the `?` of a path has to be there. Of several that fit, the one with most of it, and then the one
    whose parameters of a single value (`X-Amz-Target: {enum: [S.List]}`) have that value.
    """
    pairs = split_pairs(query)
    given = {(name, unquote_plus(value)) for name, value in pairs.pairs}
    fitting = [one for one in operations if given >= set(_literals(one))]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    return max(fitting, key=lambda one: (len(list(_literals(one))), _agrees(one, pairs, headers)))


def take_fixed(operation: Operation, pairs: Pairs) -> dict[str, str]:
    """Marks what the operation's path has in its query as used; name -> raw value of the path parameters in there."""
    for name, _ in _literals(operation):
        pairs.take(name)
    raw = {}
    own = {parameter.name for parameter in operation.parameters if parameter.where == "query"}
    for key, name in _templates(operation):
        if key not in own and name not in own and (found := pairs.take(key)):
            raw[name] = found[-1].replace("+", "%20")
    return raw


def _literals(operation: Operation) -> Iterator[tuple[str, str]]:
    """The pairs in the query of the path that are always sent, decoded."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if "{" not in value and "{" not in name:
            yield name, unquote_plus(value)


def _templates(operation: Operation) -> Iterator[tuple[str, str]]:
    """Key and parameter of the pairs in the query of the path that have a value put in: `?q={query}`."""
    for name, value in split_pairs(operation.fixed_query).pairs if operation.fixed_query else ():
        if found := re.fullmatch(r"\{([^{}]+)\}", value):
            yield name, str(found.group(1))


def _agrees(operation: Operation, pairs: Pairs, headers: Mapping[str, str]) -> bool:
    """Has the request the value of every required parameter that can have only one?"""
    for parameter in operation.parameters:
        choices = list(operation.spec.follow(parameter.schema).get("enum", ()) if parameter.required else ())
        if len(choices) != 1 or parameter.where not in ("query", "header"):
            continue
        in_query = [decoded(raw) for raw in pairs.take(parameter.name)]
        given = in_query if parameter.where == "query" else [headers.get(parameter.name.lower())]
        if str(choices[0]) not in given:
            return False
    return True
