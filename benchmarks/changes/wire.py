"""Requests as they go on the wire, in a form in which two that mean the same are equal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from benchmarks.changes.cases import Gold
from nlapi.client.message import Request
from nlapi.openapi.spec import Operation, Spec
from nlapi.sandbox.routes import RouteTable
from nlapi.tools.arguments import coerce
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A request. `path` are its segments, decoded; `query` the pairs in any order; `body` canonical JSON or ""."""

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.method} {'/'.join(self.path)}{'?' if query else ''}{query} {self.body}".rstrip()


def read(method: str, target: str, content_type: str, content: bytes) -> Wire:
    """The Wire of a request's parts; `target` is its path with the query."""
    parts = urlsplit(target)
    return Wire(
        method=method,
        path=tuple(map(unquote, parts.path.split("/"))),
        query=tuple(sorted(parse_qsl(parts.query, keep_blank_values=True))),
        body=_body(content_type, content),
    )


def of_request(request: Request) -> Wire:
    """The Wire of a Request of nlapi."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return read(request.method, target, request.header("content-type") or "", request.content or b"")


def _body(content_type: str, content: bytes) -> str:
    if not content:
        return ""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return json.dumps(sorted(parse_qsl(content.decode(), keep_blank_values=True)), ensure_ascii=False)
    try:
        value = json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
    return "" if value == {} else canonical(value)


def canonical(value: Any) -> str:
    """JSON in which equal values are written in the same way: 1.0 as 1, members by name."""
    return json.dumps(_whole(value), sort_keys=True, ensure_ascii=False)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Requests:
    """Builds the right requests of one API as `nlapi call` does, which checks them by the description."""

    def __init__(self, spec: Spec) -> None:
        import nlapi

        self.spec = spec
        self.routes = RouteTable(spec)
        self._tools: dict[Operation, Tool] = {tool.operation: tool for tool in nlapi.tools(spec)}

    def wire(self, gold: Gold, known: Mapping[str, str]) -> Wire:
        """The Wire of a right request, with the required arguments that are known (`--set`).

        Raises what `nlapi call` raises, RequestProblem for no operation, ValueError where the request that is built has
        not the body that was written.
        """
        target = Target(spec=self.spec, base_url="http://127.0.0.1")
        built = of_request(prepare(self.call(gold, known), target).request)
        if gold.body not in (None, {}) and not built.body.startswith("[[") and built.body != canonical(gold.body):
            raise ValueError(f"{gold.request}: built with the body {built.body}, not {canonical(gold.body)}")
        return built

    def call(self, gold: Gold, known: Mapping[str, str]) -> Call:
        """The Call of a right request."""
        parts = urlsplit(gold.target)
        match = self.routes.match(gold.method, parts.path, parts.query)
        tool = self._tools[match.operation]
        names = {place: name for name, place in tool.places.items()}
        arguments: dict[str, Any] = {}
        for name, raw in match.raw.items():
            arguments[names["path", name]] = _value(tool, names["path", name], [unquote(raw)])
        pairs: dict[str, list[str]] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            pairs.setdefault(name, []).append(value)
        for name, values in pairs.items():
            if ("query", name) in names:
                arguments[names["query", name]] = _value(tool, names["query", name], values)
            elif name not in match.operation.route.partition("?")[2] and name not in str(match.operation.fixed_query):
                raise ValueError(f"{gold.request}: there is no query parameter {name}")
        for name, value in gold.headers.items():
            arguments[names["header", name]] = value
        if gold.body is not None and ("body", "") in names:
            arguments[names["body", ""]] = gold.body
        elif gold.body is not None:
            arguments |= {names.get(("body", name), name): value for name, value in gold.body.items()}
        for name in tool.required:
            if name in known and name not in arguments:
                arguments[name] = _value(tool, name, [known[name]])
        return Call(tool=tool, arguments=arguments)


def _value(tool: Tool, name: str, texts: list[str]) -> Any:
    """The value of an argument that is written as one text, or as several."""
    schema = tool.input_schema["properties"][name]
    definitions = tool.input_schema.get("$defs", {})
    return coerce(texts[0] if len(texts) == 1 else json.dumps(texts), schema, definitions)
