"""Small descriptions for tests: a Spec from its `paths`, an Operation from its node."""

from __future__ import annotations

import json
from typing import Any

from nlapi.openapi.document import read_document
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Operation, Spec


def text(paths: Any, *, openapi: str = "3.1.0", **more: Any) -> bytes:
    """A description as JSON; `more` are further keys of its top."""
    info = {"title": "Test", "version": "1"}
    return json.dumps({"openapi": openapi, "info": info, "paths": paths, **more}).encode()


def spec(paths: Any, *, source: str = "test.json", network: NetworkScope = NetworkScope.LOCAL, **more: Any) -> Spec:
    """The Spec of a description with these `paths`, on https://api.example unless `servers` says otherwise."""
    more = {"servers": [{"url": "https://api.example"}], **more}
    return parse_document(read_document(text(paths, **more), source), network=network)


def operation(node: dict[str, Any] | None = None, *, path: str = "/x", method: str = "get", **more: Any) -> Operation:
    """The one Operation of a description that has nothing else."""
    node = {"responses": {"200": {"description": "ok"}}, **(node or {})}
    return spec({path: {method: node}}, **more).operations[0]


def parameter(name: str = "p", where: str = "query", schema: Any = None, **more: Any) -> dict[str, Any]:
    """A Parameter Object."""
    shape = {} if "content" in more else {"schema": {"type": "string"} if schema is None else schema}
    return {"name": name, "in": where, **({"required": True} if where == "path" else {}), **shape, **more}


def body(schema: Any, content_type: str = "application/json", *, required: bool = True, **more: Any) -> dict[str, Any]:
    """A node with nothing but a Request Body Object; `more` goes into its Media Type Object."""
    return {"requestBody": {"required": required, "content": {content_type: {"schema": schema, **more}}}}


def messages(found: Spec | Operation) -> str:
    """Every Issue of a Spec or an Operation, a line each."""
    return "\n".join(map(str, found.issues))
