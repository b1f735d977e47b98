"""Finds the operation that a built request is: `POST /{kind}` with the kind `orders` is `POST /orders`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from nlapi.client.message import Request
from nlapi.client.server import server_url
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation, Spec, as_map
from nlapi.openapi.urls import parse_url
from nlapi.resources.paths import paths_overlap, wire_segments

_Template = tuple[str, ...]


def operation_on_wire(operation: Operation, request: Request, base_url: str | None = None) -> Operation:
    """Return the operation of the description whose path a request has, the one with the fewest placeholders.

    A server that routes by paths cannot tell it from a call of that one (OpenAPI 3.1.1 §4.8.8). Where operations have
    separate servers it is the gravest by the path in the description and by that of the whole URL.
    """
    matches = [operation]
    if "{" in operation.route:
        # What is percent-encoded in a value (%2F) is a part of the path to some servers, and none to others.
        path = wire_segments(request.url.removeprefix(server_url(operation, base_url)))
        matches = [_match(operation, path, wire_segments(operation.route))]
    if base_url is None and operation.spec.derive(_has_inner_servers):
        matches.append(_match(operation, wire_segments(parse_url(request.url).path), _whole_template(operation)))
    return _gravest([each for each in matches if each is not operation] or matches)


def effect_on_wire(operation: Operation, request: Request) -> Effect:
    """Return the effect of a request that was sent, by the end of its path: to which server is not known any more."""
    template = wire_segments(operation.route)
    return (
        _match(operation, wire_segments(request.url)[-len(template) :], template).effect
        if template
        else operation.effect
    )


def _match(operation: Operation, path: _Template, template: _Template) -> Operation:
    candidates = operation.spec.derive(_routes).get((operation.method, len(path)), {})
    matches = [route for route in candidates if paths_overlap(route, path)]
    best = min(matches, key=_placeholders, default=template)
    if best != template and not (template in matches and _placeholders(best) == _placeholders(template)):
        return candidates[best][0]
    # Arguments distinguish the operations of one path, as they do for AWS; those of one URL on another server
    # are not.
    return _gravest([operation, *(each for each in candidates.get(template, ()) if each.route != operation.route)])


def _gravest(operations: list[Operation]) -> Operation:
    return max(operations, key=lambda each: list(Effect).index(each.effect))


def _placeholders(template: _Template) -> int:
    return sum("{}" in segment for segment in template)


def _whole_template(operation: Operation) -> _Template:
    """Return the path of an operation behind that of its server; () where it has none."""
    with suppress(UsageError):
        return wire_segments(parse_url(server_url(operation)).path + operation.route)
    return ()


def _has_inner_servers(spec: Spec) -> bool:
    """Return whether a path or an operation of a description may have separate servers."""
    components = as_map(as_map(spec.document.get("components")).get("pathItems"))
    items = [*map(as_map, as_map(spec.document.get("paths")).values()), *map(as_map, components.values())]
    return any("servers" in as_map(part) for item in items for part in (item, *item.values()))


def _routes(spec: Spec) -> Mapping[tuple[str, int], Mapping[_Template, list[Operation]]]:
    """Return the operations of each method and number of segments by their templates, whole ones too."""
    routes: dict[tuple[str, int], dict[_Template, list[Operation]]] = {}
    is_whole = spec.derive(_has_inner_servers)
    for operation in spec.operations:
        for template in {wire_segments(operation.route), *([_whole_template(operation)] if is_whole else ())}:
            routes.setdefault((operation.method, len(template)), {}).setdefault(template, []).append(operation)
    return routes
