"""Finds the operation that a built request is: `POST /{kind}` with the kind `orders` is `POST /orders`."""

from __future__ import annotations

from collections.abc import Mapping

from nlapi.client.message import Request
from nlapi.client.server import server_url
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.paths import paths_overlap, wire_segments


def operation_on_wire(operation: Operation, request: Request, base_url: str | None = None) -> Operation:
    """Return the operation of the description whose path a request has, the one with the fewest placeholders.

    A server that routes by paths cannot tell it from a call of that one (OpenAPI 3.1.1 §4.8.8).
    """
    if "{" not in operation.route:
        return operation
    # What is percent-encoded in a value (%2F) is a part of the path to some servers, and none to others.
    path = wire_segments(request.url.removeprefix(server_url(operation, base_url)))
    own = wire_segments(operation.route)
    candidates = operation.spec.derive(_routes).get((operation.method, len(path)), {})
    matches = [template for template in candidates if paths_overlap(template, path)]
    best = min(matches, key=_placeholders, default=own)
    # Operations of one template are told apart by their arguments, as those of AWS are.
    is_own = best == own or (own in matches and _placeholders(best) == _placeholders(own))
    return operation if is_own else candidates[best]


def _placeholders(template: tuple[str, ...]) -> int:
    return sum("{}" in segment for segment in template)


def _routes(spec: Spec) -> Mapping[tuple[str, int], Mapping[tuple[str, ...], Operation]]:
    """Return the operations of each method and number of segments by their templates; the first of a template."""
    routes: dict[tuple[str, int], dict[tuple[str, ...], Operation]] = {}
    for operation in spec.operations:
        template = wire_segments(operation.route)
        routes.setdefault((operation.method, len(template)), {}).setdefault(template, operation)
    return routes
