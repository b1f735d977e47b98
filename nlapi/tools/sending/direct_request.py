"""Finds the operation that a method and a path mean: `GET /campaigns/c1?fields=name`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qsl, unquote, urlsplit

from nlapi.client.server import expanded_urls
from nlapi.errors import ConsentError, UsageError
from nlapi.openapi.spec import Effect, Operation, RequestDetails, ResponseDetails, Spec
from nlapi.openapi.urls import is_http_url
from nlapi.tools.arguments import find_argument
from nlapi.tools.compile import compile_tool
from nlapi.tools.rules import PolicyRule, Ruling
from nlapi.tools.sending.request_changes import refuse_override
from nlapi.tools.tool import Tool

METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())

# Operations that are read for the credentials that most of an API's operations want.
_SAMPLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRequest:
    """The operation of a path with its arguments, and the pairs of the query that it does not describe.

    `is_described` is False where no operation has that path: `tool` then takes no argument, and its effect is that of
    the method.
    """

    tool: Tool
    arguments: Mapping[str, object]
    query: tuple[tuple[str, str], ...] = ()
    is_described: bool = True


def find_direct(
    spec: Spec, method: str, location: str, *, base_url: str | None = None, rules: tuple[PolicyRule, ...] = ()
) -> DirectRequest:
    """Return the request that a method and a path, or a URL of the API, mean.

    UsageError for an invalid path or one of another server. ConsentError for a path that is not described where the
    user's policy has rules about single operations: nobody can say which of them it is.
    """
    text = _path_of(spec, location, base_url)
    path, _, query = text.partition("?")
    _check_path(path)
    pairs = tuple(parse_qsl(query, keep_blank_values=True))
    for name, _ in pairs:
        refuse_override(name)
    for candidate in _candidate_paths(spec, path, base_url):
        if (match := _best_match(spec, method, candidate)) is not None:
            return _described(*match, pairs)
    named = [rule for rule in rules if rule.verdict is not Ruling.ALLOW and rule.operation != ("*",)]
    if named:
        raise ConsentError(
            f"{method} {path} is not an operation of {spec.title}, and your policy has rules about single operations",
            hint=named[0].location,
        )
    return DirectRequest(tool=_undescribed(spec, method, path), arguments={}, query=pairs, is_described=False)


def _path_of(spec: Spec, location: str, base_url: str | None) -> str:
    """Return the path and query of a location. UsageError for a URL that is below no server of the API."""
    if not is_http_url(location):
        if not location.startswith("/"):
            raise UsageError(f"{location!r} is not a path", hint="it begins with a slash, such as GET /items?limit=5")
        return location
    for base in base_urls(spec, base_url):
        if location == base or location.startswith((f"{base}/", f"{base}?")):
            rest = location.removeprefix(base)
            return rest if rest.startswith("/") else f"/{rest}"
    raise UsageError(
        f"{location.partition('?')[0]} is not an address of {spec.title}",
        hint="--base-url says where else the API runs",
    )


def base_urls(spec: Spec, base_url: str | None) -> Iterator[str]:
    """Yield the URLs below which an API runs, without a slash at their end: the one that the user chose, or its own."""
    if base_url is not None:
        yield base_url.rstrip("/")
        return
    yield from (url.rstrip("/") for url in expanded_urls(spec.servers))


def _check_path(path: str) -> None:
    if re.search(r"[\s\x00-\x1f\x7f\\{}#]", path):
        raise UsageError(f"{path!r} has characters that a path cannot hold", hint="write them percent-encoded")
    # Proxies and servers read %2e as a dot, and `//` as one slash: such a path may be another operation's.
    segments = [unquote(segment) for segment in path.split("/")]
    if any(segment in (".", "..") for segment in segments) or "//" in path or any("/" in part for part in segments):
        raise UsageError(f"{path!r} has dot segments, an encoded slash or a double one in it", hint="write it plainly")


def _candidate_paths(spec: Spec, path: str, base_url: str | None) -> Iterator[str]:
    """Yield the path, and the path without that of a server in front of it."""
    yield path
    for base in base_urls(spec, base_url):
        prefix = urlsplit(base).path.rstrip("/")
        if prefix and path.startswith(f"{prefix}/"):
            yield path.removeprefix(prefix)


def _best_match(spec: Spec, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | None:
    """Return the operation at a path, one with the most literal segments, and the values of its placeholders."""
    matches = []
    for operation in spec.operations:
        if operation.method == method:
            values = _match_route(operation.route.rstrip("/"), path.rstrip("/"))
            if values is not None:
                matches.append((len(values), operation, values))
    if not matches:
        return None
    _, operation, values = min(matches, key=lambda match: match[0])
    return operation, values


def _match_route(route: str, path: str) -> Mapping[str, str] | None:
    parts = re.split(r"\{([^{}]+)\}", route)
    names = parts[1::2]
    pattern = "".join(re.escape(part) if index % 2 == 0 else "([^/]+)" for index, part in enumerate(parts))
    match = re.fullmatch(pattern, path) or re.fullmatch(pattern, unquote(path))
    return {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)} if match else None


def _described(operation: Operation, values: Mapping[str, str], pairs: tuple[tuple[str, str], ...]) -> DirectRequest:
    tool = compile_tool(operation)
    names = {place: name for name, place in tool.places.items()}
    arguments: dict[str, object] = {}
    rest = []
    texts = [
        *((("path", name), text) for name, text in values.items()),
        *((("query", name), text) for name, text in pairs),
    ]
    for place, text in texts:
        argument = find_argument(tool, names[place]) if place in names else None
        if argument is None:
            rest.append((place[1], text))
            continue
        value = argument.coerce(text)
        name, earlier = names[place], arguments.get(names[place], [])
        if isinstance(earlier, list) and isinstance(value, list):
            value = [*earlier, *value]
        elif name in arguments:
            raise UsageError(f"{place[1]} is given twice", hint="it takes one value")
        arguments[name] = value
    return DirectRequest(tool=tool, arguments=arguments, query=tuple(rest))


def _undescribed(spec: Spec, method: str, path: str) -> Tool:
    """Return a tool without arguments for a path of an API that is not described.

    Its effect is that of the method, and it wants the credentials that most operations of the API want.
    """
    requirements = [operation.security for operation in islice(spec.operations, _SAMPLE)]
    security = max(requirements, key=requirements.count, default=())
    details = RequestDetails(security=security, servers=spec.servers)
    operation = Operation(
        id=f"{method} {path}",
        method=method,
        path=path,
        location="",
        # A POST that nobody describes is a change, whatever its path looks like.
        stated_effect=Effect.WRITE if method == "POST" else None,
        spec=spec,
        load_details=lambda _: details,
        load_response_details=lambda _: ResponseDetails(),
    )
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return Tool(name=operation.id, description="", input_schema=schema, operation=operation, places={})
