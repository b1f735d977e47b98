"""Parses the responses of one operation, with their links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from nlapi.issue import Level
from nlapi.openapi.document import Document
from nlapi.openapi.parts import Answers, Link, Response, as_map, unescape_step
from nlapi.openapi.reader import Reader, media_of, text
from nlapi.openapi.spec import Operation


def load_answers(document: Document, node: Mapping[str, Any], operation: Operation) -> Answers:
    """Return the Answers of an operation. Faults become Issues; nothing here raises."""
    reader = Reader(document, operation)
    responses = tuple(_responses(reader, node.get("responses")))
    return Answers(responses=responses, issues=tuple(reader.issues))


def _responses(reader: Reader, value: Any) -> Iterator[Response]:
    for status, one in as_map(value).items():
        if status.startswith("x-"):
            continue
        where = f"responses.{status}"
        node = reader.follow(one, where, Level.WARNING) or {}
        yield Response(
            status=status,
            description=text(node.get("description")),
            media=tuple(media_of(reader, node.get("content"), f"{where}.content", Level.WARNING)),
            links=tuple(_links(reader, node.get("links"), where)),
            headers=as_map(node.get("headers")),
        )


def _links(reader: Reader, value: Any, where: str) -> Iterator[Link]:
    for name, one in as_map(value).items():
        node = reader.follow(one, f"{where}.links.{name}", Level.WARNING) or {}
        target = node.get("operationId") or _target(reader.operation, node.get("operationRef"))
        if not isinstance(target, str) or not reader.operation.spec.has(target):
            # A link is a convenience: its loss never makes an operation unusable, so it is a warning.
            reader.issue(Level.WARNING, where, f"link {name!r} leads to no operation; left out")
            continue
        yield Link(
            name=name,
            operation_id=target,
            parameters=as_map(node.get("parameters")),
            body=node.get("requestBody"),
            description=text(node.get("description")),
        )


def _target(operation: Operation, ref: Any) -> str | None:
    """Return the id of the operation that an operationRef such as `#/paths/~1pets~1{id}/get` refers to."""
    # References to other files were made local by `bundle`; what is still elsewhere cannot be called.
    if not isinstance(ref, str) or not ref.startswith("#/paths/"):
        return None
    path, _, method = ref.removeprefix("#/paths/").rpartition("/")
    path = unescape_step(unquote(path))
    return next((o.id for o in operation.spec.operations if o.path == path and o.method == method.upper()), None)
