"""Matches a method and a path to an Operation and the raw values in its path.

Operations that share both are distinguished by a query or fragment in the path, or by a fixed value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, unquote_plus, unquote_to_bytes, urlsplit

import regex

from nlapi.openapi.spec import Operation, Server, Spec
from nlapi.patterns import path_groups
from nlapi.sandbox.parameters import QueryPairs, percent_decode, split_pairs
from nlapi.sandbox.problem import RequestProblem

NO_HEADERS: Mapping[str, str] = {}
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
# Of one segment of a path: two of them are tried in as many ways as the segment has characters.
MAX_PLAIN_VALUES = 2
# Characters of all choices of a value, of which each becomes a group of a pattern, and of the pattern before them: it
# takes 0.3 s of CPU to compile for each ten thousand.
MAX_CHOICE_TEXT = 10_000
MAX_PATTERN = 200_000


def _select_operation(operations: Sequence[Operation], query: str, headers: Mapping[str, str]) -> Operation | None:
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
    return max(
        matches,
        key=lambda operation: (len(list(_constant_pairs(operation))), _has_constant_values(operation, pairs, headers)),
    )


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
    for name, value in _path_pairs(operation):
        if "{" not in value and "{" not in name:
            yield name, unquote_plus(value)


def _placeholder_pairs(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield key and parameter of the pairs with a placeholder in the query of the path: `?q={query}`."""
    for name, value in _path_pairs(operation):
        if placeholder := PLACEHOLDER.fullmatch(value):
            yield name, str(placeholder.group(1))


def _path_pairs(operation: Operation) -> Sequence[tuple[str, str]]:
    """Return the raw pairs in the query of the path."""
    return split_pairs(operation.fixed_query).pairs if operation.fixed_query else ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """An Operation and the percent-encoded values of its path parameters; `prefix` is the server's path or ""."""

    operation: Operation
    raw: Mapping[str, str]
    prefix: str = ""


class _Template:
    """A path with placeholders, and its operations by method."""

    def __init__(self, path: str, operations: Mapping[str, tuple[Operation, ...]]) -> None:
        self.path, self.operations = path, operations
        self.names = tuple(PLACEHOLDER.findall(path))
        # None for a placeholder. A percent sign stands for itself here, and in a request only in its encoded form.
        self._segments = [None if PLACEHOLDER.fullmatch(part) else part.encode() for part in path.split("/")]
        self._is_plain = self._segments.count(None) == len(self.names) and "%" not in path

    def match(self, path: str, raw: Sequence[str], decoded: Sequence[bytes]) -> tuple[str, ...] | None:
        """Return the raw values in a path with these segments, or None where the template is not its own."""
        if not self._is_plain:
            return self._match_pattern(path)
        if len(raw) != len(self._segments):
            return None
        values = []
        for literal, raw_value, value in zip(self._segments, raw, decoded, strict=True):
            if literal is None and raw_value:
                values.append(raw_value)
            elif literal != value:
                return None
        return tuple(values)

    def _match_pattern(self, path: str) -> tuple[str, ...] | None:
        if isinstance(self._pattern, regex.Pattern):
            return path_groups(self._pattern, path)
        match = self._pattern.fullmatch(path)
        return match.groups() if match else None

    @cached_property
    def _pattern(self) -> re.Pattern[str] | regex.Pattern[str]:
        pattern, end = "", 0
        for placeholder in PLACEHOLDER.finditer(self.path):
            # A later literal in the same segment ends the value early: `{name}.json`, `{from}-{to}`.
            value = "([^/]+?)"
            is_beside = self.path[placeholder.start() - 1] == "}" and len(pattern) <= MAX_PATTERN
            if is_beside and (choices := _choices(placeholder.group(1), self.operations)):
                # Buffer's `{id}{mediaTypeExtension}`: nothing but the choices of the second tells where it begins.
                value = f"({'|'.join(map(_literal, choices))})"
            pattern += _literal(self.path[end : placeholder.start()]) + value
            end = placeholder.end()
        pattern += _literal(self.path[end:])
        # Many values in one segment can be divided in very many ways.
        is_simple = all(len(PLACEHOLDER.findall(segment)) <= MAX_PLAIN_VALUES for segment in self.path.split("/"))
        return re.compile(pattern) if is_simple else regex.compile(pattern)


Candidate = tuple[str, _Template, Mapping[str, str]]


class RouteTable:
    """The path templates of a Spec, most concrete first; OpenAPI 3.1.1 §4.8.8.2.

    A path is also accepted below the path of a described server (`/v1/pets` when a server ends in `/v1`).
    """

    def __init__(self, spec: Spec) -> None:
        routes: dict[str, dict[str, tuple[Operation, ...]]] = {}
        for operation in spec.operations:
            methods = routes.setdefault(operation.route, {})
            methods[operation.method] = (*methods.get(operation.method, ()), operation)
        self._templates = [_Template(route, routes[route]) for route in sorted(routes, key=_concreteness)]
        self._spec = spec
        self._prefixes = tuple(sorted(set(_prefixes(spec.servers)), key=len, reverse=True))

    def match(self, method: str, path: str, query: str = "", headers: Mapping[str, str] = NO_HEADERS) -> RouteMatch:
        """Return the first RouteMatch of a percent-encoded path; see `matches`."""
        return self.matches(method, path, query, headers)[0]

    def matches(
        self, method: str, path: str, query: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> list[RouteMatch]:
        """Return the RouteMatches of a percent-encoded path that are equally concrete.

        There are several where templates differ only in the names of their placeholders, as Xero's
        `/Contacts/{ContactID}` and `/Contacts/{ContactNumber}`: OpenAPI forbids them (3.1.1 §4.8.8), APIs have them.

        RequestProblem 404 for an unknown path, 405 with Allow for a method.
        `query` (raw) and `headers` (names in lower case) distinguish operations on one path.
        """
        allowed: dict[str, None] = {}
        without_query: list[Operation] = []
        matches: list[RouteMatch] = []
        concreteness: object = None
        for prefix, template, raw in self._candidates(path):
            if matches and (prefix, _concreteness(template.path)) != concreteness:
                break
            operations = template.operations.get(method, ())
            if not operations and method == "HEAD":
                # HEAD is GET without its body (RFC 9110 §9.3.2), and described almost nowhere.
                operations = template.operations.get("GET", ())
            if (operation := _select_operation(operations, query, headers)) is not None:
                concreteness = prefix, _concreteness(template.path)
                matches.append(RouteMatch(operation=operation, raw=raw, prefix=prefix))
            elif not matches:
                without_query += operations
                allowed |= dict.fromkeys(template.operations)
        if matches:
            return matches
        if without_query:
            queries = " or ".join(f"?{candidate.fixed_query}" for candidate in without_query[:3])
            raise RequestProblem(404, f"{method} {unquote(path)} is only described with {queries}")
        if not allowed:
            raise RequestProblem(404, f"{unquote(path)} is not a path of this API")
        methods = [*allowed, *(["HEAD"] if "GET" in allowed and "HEAD" not in allowed else ()), "OPTIONS"]
        allow = ", ".join(dict.fromkeys(methods))
        raise RequestProblem(
            405, f"{method} is not described for {unquote(path)}; it has {allow}", headers=[("Allow", allow)]
        )

    def _candidates(self, path: str) -> Iterator[Candidate]:
        has_match = False
        for prefix in ("", *self._prefixes):
            for candidate in self._matches_under(prefix, path):
                has_match = True
                yield candidate
        if not has_match:
            for prefix in self._operation_prefixes:
                yield from self._matches_under(prefix, path)

    def _matches_under(self, prefix: str, path: str) -> Iterator[Candidate]:
        if path != prefix and not path.startswith(prefix + "/"):
            return
        below = path[len(prefix) :] or "/"
        raw = below.split("/")
        decoded = [unquote_to_bytes(segment) for segment in raw]
        for template in self._templates:
            values = template.match(below, raw, decoded)
            if values is not None:
                yield prefix, template, dict(zip(template.names, values, strict=True))

    @cached_property
    def _operation_prefixes(self) -> tuple[str, ...]:
        """The server paths of single operations."""
        # Used only when nothing else matches, as they need every operation to be parsed.
        return tuple({prefix for operation in self._spec.operations for prefix in _prefixes(operation.servers)})


def _choices(name: str, operations: Mapping[str, tuple[Operation, ...]]) -> tuple[str, ...]:
    """Return the texts that a path parameter can be, where every operation of a path has the same closed choice."""
    schemas = [
        operation.spec.follow(parameter.schema)
        for group in operations.values()
        for operation in group
        if (parameter := operation.parameter("path", name)) is not None
    ]
    choices = [tuple(map(str, schema.get("enum") or ())) for schema in schemas]
    is_closed = len(set(choices)) == 1 and sum(map(len, choices[0])) <= MAX_CHOICE_TEXT
    return choices[0] if is_closed else ()


def _literal(text: str) -> str:
    """Return a pattern for literal text, with each character plain or percent-encoded."""
    return "".join(re.escape(char) if char == "/" else f"(?:{re.escape(char)}|{_encoded(char)})" for char in text)


def _encoded(char: str) -> str:
    return "".join(f"%(?i:{byte:02x})" for byte in char.encode())


def _concreteness(path: str) -> tuple[tuple[int, int], ...]:
    """Return a key that sorts literal segments before placeholders, and these by their literal text, longest first."""
    return tuple(
        (1, -len(PLACEHOLDER.sub("", segment))) if PLACEHOLDER.search(segment) else (0, 0)
        for segment in path.split("/")
    )


def _prefixes(servers: tuple[Server, ...]) -> Iterator[str]:
    for server in servers:
        url = server.url
        for name, variable in server.variables.items():
            url = url.replace(f"{{{name}}}", variable.default)
        prefix = urlsplit(url).path.rstrip("/") if "{" not in url else ""
        if prefix:
            yield prefix
