"""Parses the responses of one operation, with their links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from nlapi.issue import Level
from nlapi.openapi.document import Document
from nlapi.openapi.parts import ResponseDetails, Link, Response, as_map, unescape_step
from nlapi.openapi.reader import OperationParser, parse_media, text_or_empty
from nlapi.openapi.spec import Operation


def load_response_details(document: Document, node: Mapping[str, Any], operation: Operation) -> ResponseDetails:
    """Return the Answers of an operation. Faults become Issues; nothing here raises."""
    parser = OperationParser(document, operation)
    responses = tuple(_parse_responses(parser, node.get("responses")))
    return ResponseDetails(responses=responses, issues=tuple(parser.issues))


def _parse_responses(parser: OperationParser, value: Any) -> Iterator[Response]:
    for status, entry in as_map(value).items():
        if status.startswith("x-"):
            continue
        location = f"responses.{status}"
        node = parser.follow(entry, location, Level.WARNING) or {}
        yield Response(
            status=status,
            description=text_or_empty(node.get("description")),
            media=tuple(parse_media(parser, node.get("content"), f"{location}.content", Level.WARNING)),
            links=tuple(_parse_links(parser, node.get("links"), location)),
            headers=as_map(node.get("headers")),
        )


def _parse_links(parser: OperationParser, value: Any, location: str) -> Iterator[Link]:
    for name, entry in as_map(value).items():
        node = parser.follow(entry, f"{location}.links.{name}", Level.WARNING) or {}
        target = node.get("operationId") or _referenced_operation_id(parser.operation, node.get("operationRef"))
        if not isinstance(target, str) or not parser.operation.spec.has(target):
            # A link is a convenience: its loss never makes an operation unusable, so it is a warning.
            parser.add_issue(Level.WARNING, location, f"link {name!r} leads to no operation; left out")
            continue
        yield Link(
            name=name,
            operation_id=target,
            parameters=as_map(node.get("parameters")),
            body=node.get("requestBody"),
            description=text_or_empty(node.get("description")),
        )


def _referenced_operation_id(operation: Operation, ref: Any) -> str | None:
    """Return the id of the operation that an operationRef such as `#/paths/~1pets~1{id}/get` refers to."""
    # References to other files were made local by `bundle`; what is still elsewhere cannot be called.
    if not isinstance(ref, str) or not ref.startswith("#/paths/"):
        return None
    path, _, method = ref.removeprefix("#/paths/").rpartition("/")
    path = unescape_step(unquote(path))
    return next((o.id for o in operation.spec.operations if o.path == path and o.method == method.upper()), None)
