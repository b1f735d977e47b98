"""Compiles the gateway's own OpenAPI description into a router and the checks of parameters and bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any
from urllib.parse import unquote

import yaml

from nlapi import bundled
from nlapi.errors import Issue
from nlapi.gateway.http.json_schema import SchemaValidator, compile_schema
from nlapi.gateway.http.problems import GatewayProblem, nearest_or_all, unprocessable
from nlapi.gateway.http.request_guard import load_json
from nlapi.suggestions import nearest

METHODS = ("get", "post", "put", "patch", "delete")
MAX_ISSUES = 20
MAX_BODY_BYTES = 4 * 2**20
# Bytes of a whole configuration, which may have 10,000 rules and more; every other body is one object or one input.
MAX_DOCUMENT_BYTES = 32 * 2**20
_LARGE_BODIES = ("/Configuration", "/SimulateRequest", "/ChatRequest", "/MessageRequest")
"""The ends of the references to these bodies; a request to an LLM may hold images."""
# The properties whose values no message repeats: a key in place of a reference would end up in the audit log.
_SECRET_PROPERTIES = frozenset(("key", "headers"))

# Matches of paths that are remembered, and characters of such a path: anybody may send any path.
MAX_STORED_MATCHES = 4096
MAX_STORED_PATH_CHARS = 300

# A double is exact up to 15 digits; a longer number stays text, and its schema refuses it.
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)


# Validators are compiled when they are first asked: all of them take 0.15 s and 6 MiB, and few operations are called.
@dataclass(frozen=True, kw_only=True)
class GatewayParameter:
    """A parameter of an operation; `location` is its `in`: path, query or header."""

    name: str
    location: str
    required: bool
    json_type: str
    """the JSON type of its value"""
    compile_validator: Callable[[], SchemaValidator]
    default: Any = None

    @cached_property
    def validator(self) -> SchemaValidator:
        return self.compile_validator()

    def read(self, text: str) -> Any:
        """Convert a text to the parameter's type; return the text itself when that fails."""
        # The schema then refuses the text, with a message that is as good as that of any other fault.
        if self.json_type == "integer" and _INTEGER.fullmatch(text):
            return int(text)
        if self.json_type == "number" and _NUMBER.fullmatch(text):
            return float(text)
        if self.json_type == "boolean" and text in ("true", "false"):
            return text == "true"
        return text


@dataclass(frozen=True, kw_only=True)
class GatewayOperation:
    """An operation of the gateway: `audiences` may call it (none: anybody).

    `changes` is false for a read, and for what is not for the audit log.
    """

    id: str
    method: str
    path: str
    parameters: tuple[GatewayParameter, ...]
    audiences: frozenset[str]
    role: str
    changes: bool
    compile_body: Callable[[], SchemaValidator] | None = None
    """compiles the validator of its body; None when it has no body"""
    integer_fields: frozenset[str] = frozenset()
    """the properties of its body that are integers"""
    body_required: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    is_conditional: bool = False
    """whether its answer has a tag, and is a 304 for a reader that sends it"""

    @cached_property
    def body(self) -> SchemaValidator | None:
        """The validator of its body; None when it has no body."""
        return self.compile_body() if self.compile_body else None

    @cached_property
    def header_parameters(self) -> tuple[tuple[str, GatewayParameter], ...]:
        """The lower-case names of its header parameters with the parameters."""
        headers = (parameter for parameter in self.parameters if parameter.location == "header")
        return tuple((parameter.name.lower(), parameter) for parameter in headers)

    @cached_property
    def query_defaults(self) -> dict[str, Any]:
        """The values of query parameters that are not in a query."""
        return {name: item.default for name, item in self.query_parameters.items() if item.default is not None}

    @cached_property
    def query_parameters(self) -> dict[str, GatewayParameter]:
        return {parameter.name: parameter for parameter in self.parameters if parameter.location == "query"}

    def check_path(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of the path. GatewayProblem 404 when one of them cannot be a name."""
        values = {}
        for parameter in self.parameters:
            if parameter.location == "path":
                values[parameter.name] = parameter.read(texts[parameter.name])
                if not parameter.validator.is_valid(values[parameter.name]):
                    text = f"{texts[parameter.name][:80]!r} cannot be the {parameter.name} of anything"
                    raise GatewayProblem(404, text, code=f"unknown_{parameter.name}", path=f"path.{parameter.name}")
        return values

    def check_query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the values of the query with defaults. GatewayProblem 422 for an unknown, repeated or invalid one."""
        issues, values = [], {}
        for name, text in pairs:
            parameter = self.query_parameters.get(name)
            location = f"query.{name[:80]}"
            if parameter is None:
                hint = nearest_or_all(name, self.query_parameters)
                issues.append(_schema_issue(location, f"{self.id} has no such parameter", hint))
            elif name in values:
                issues.append(_schema_issue(location, "it is given more than once"))
            else:
                values[name] = parameter.read(text)
                issues += _schema_issues(parameter.validator, values[name], location)
        if issues:
            raise unprocessable(issues[:MAX_ISSUES])
        return self.query_defaults | values

    def check_headers(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of its header parameters by lower-case names. GatewayProblem 422 for an invalid one."""
        values, issues = {}, []
        for name, parameter in self.header_parameters:
            text = headers.get(name)
            if text is not None:
                values[name] = parameter.read(text)
                issues += _schema_issues(parameter.validator, values[name], f"header.{parameter.name}")
        if issues:
            raise unprocessable(issues)
        return values

    def check_body(self, content: bytes, media_type: str) -> Any:
        """Return the value of the body, or None without one. GatewayProblem 400, 415 or 422 when it is invalid."""
        if not content:
            if self.body_required:
                raise unprocessable([_schema_issue("body", f"{self.id} needs a body", "send it as application/json")])
            return None
        if self.body is None:
            raise unprocessable(
                [_schema_issue("body", f"{self.id} takes no body", "what it needs is in the path and query")]
            )
        if media_type != "application/json" and media_type.partition(";")[0].strip().lower() != "application/json":
            message = f"the body is {media_type[:80] or 'of no type'}"
            raise GatewayProblem(415, message, code="media_type", hint="send it with Content-Type: application/json")
        value = load_json(content)
        if not self.body.is_valid(value):
            raise unprocessable(_schema_issues(self.body, value, "body"))
        if isinstance(value, dict):
            # 3.0 is an integer in JSON Schema (Validation §6.1.1), and a float in Python, which no list is cut by.
            for name in self.integer_fields.intersection(value):
                if isinstance(value[name], float):
                    value[name] = int(value[name])
        return value


@dataclass(frozen=True, kw_only=True)
class GatewayDescription:
    """The content of specs/gateway.yaml: its text, its tree and its operations."""

    text: str
    tree: Mapping[str, Any]
    operations: Mapping[str, GatewayOperation]

    def check(self, name: str, value: Any) -> Any:
        """Return the value when it fits the schema called `name`. GatewayProblem 422 when it does not."""
        validator = _build_validator({"$ref": f"#/components/schemas/{name}"}, self.tree)
        if issues := _schema_issues(validator, value, name.lower()):
            raise unprocessable(issues)
        return value


@lru_cache(maxsize=1)
def load_description() -> GatewayDescription:
    """Return the gateway's own description, which is read once."""
    text = bundled.text("specs/gateway.yaml")
    tree = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    operations = {operation.id: operation for operation in _iter_operations(tree)}
    return GatewayDescription(text=text, tree=tree, operations=operations)


def _iter_operations(tree: Mapping[str, Any]) -> Iterator[GatewayOperation]:
    for path, item in tree["paths"].items():
        for method in METHODS:
            if method in item:
                yield _build_operation(tree, path, method, item[method], item.get("parameters", ()))


def _build_operation(
    tree: Mapping[str, Any], path: str, method: str, node: Mapping[str, Any], path_parameters: Any
) -> GatewayOperation:
    parameters = [
        _build_parameter(tree, _resolve_ref(tree, parameter_node))
        for parameter_node in (*path_parameters, *node.get("parameters", ()))
    ]
    security = node.get("security", tree["security"])
    # A POST may be a read too (simulate, explain): the description says so with an extension.
    # Heartbeats come each second, and are not for the audit log (x-audit).
    is_audited = node.get("x-audit", True)
    changes = is_audited and method != "get" and node.get("x-nlapi", {}).get("effect") != "read"
    body = node.get("requestBody")
    schema = body["content"]["application/json"]["schema"] if body else None
    is_large = schema is not None and schema.get("$ref", "").endswith(_LARGE_BODIES)
    return GatewayOperation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        parameters=tuple(parameters),
        audiences=frozenset(scheme for requirement in security for scheme in requirement),
        role=node.get("x-role", "operator" if changes else "viewer"),
        changes=changes,
        compile_body=partial(_build_validator, schema, tree) if schema is not None else None,
        integer_fields=frozenset(_integer_properties(schema or {}, tree)),
        body_required=bool(body and body.get("required")),
        max_body_bytes=MAX_DOCUMENT_BYTES if is_large else MAX_BODY_BYTES,
        is_conditional="304" in node["responses"],
    )


def _integer_properties(schema: Mapping[str, Any], tree: Mapping[str, Any]) -> Iterator[str]:
    for name, node in _resolve_ref(tree, schema).get("properties", {}).items():
        if _resolve_ref(tree, node).get("type") == "integer":
            yield name


def _build_parameter(tree: Mapping[str, Any], node: Mapping[str, Any]) -> GatewayParameter:
    schema = {**_resolve_ref(tree, node["schema"]), **node["schema"]}
    return GatewayParameter(
        name=node["name"],
        location=node["in"],
        required=bool(node.get("required")),
        json_type=schema.get("type", ""),
        compile_validator=partial(_build_validator, node["schema"], tree),
        default=schema.get("default"),
    )


def _resolve_ref(tree: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the target of a node's `$ref`, or the node itself without one."""
    target = node
    if "$ref" in node:
        target = tree
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
    return target


def _build_validator(schema: Mapping[str, Any], tree: Mapping[str, Any]) -> SchemaValidator:
    """Compile a schema whose `$ref`s point into the description's components."""
    # OpenAPI 3.1 schemas are JSON Schema 2020-12, so that the components can be part of the schema document. Only those
    # that it reaches: all of them in each of 320 validators took 220 MiB.
    document = {**schema, "components": {"schemas": _reached_components(schema, tree["components"]["schemas"])}}
    return compile_schema(document, formats=True)


def _reached_components(schema: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components that a schema refers to, by itself or by another of them."""
    reached: dict[str, Any] = {}
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in components and name not in reached:
                reached[name] = components[name]
                pending.append(components[name])
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return reached


def _schema_issues(validator: SchemaValidator, value: Any, location: str) -> list[Issue]:
    issues = []
    for error in validator.iter_errors(value):
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        is_secret = not _SECRET_PROPERTIES.isdisjoint(error.instance_path)
        message, hint = ("it does not fit its schema", "") if is_secret else (error.message[:300], error.hint)
        issues.append(_schema_issue(f"{location}{steps}"[:300], message, hint))
        if len(issues) == MAX_ISSUES:
            break
    return issues


def _schema_issue(location: str, message: str, hint: str = "") -> Issue:
    return Issue.error(location, message, hint, "schema")


class PathMatch:
    """An operation with the texts that stand for its parameters in a path."""

    def __init__(self, operation: GatewayOperation, texts: Mapping[str, str]) -> None:
        self.operation = operation
        self.texts = texts

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The checked values of the path. GatewayProblem 404 when one of them cannot be a name."""
        return self.operation.check_path(self.texts)


class PathRouter:
    """The operations of the gateway by path and method."""

    def __init__(self, operations: Iterable[GatewayOperation]) -> None:
        self._matches: dict[tuple[str, str], PathMatch] = {}
        """the last matches: the same objectives are served again and again"""
        self._fixed_paths: dict[str, dict[str, GatewayOperation]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, GatewayOperation]]] = {}
        for operation in operations:
            # A path without parameters is one look-up in a dict; only the others cost a regular expression each.
            if "{" not in operation.path:
                self._fixed_paths.setdefault(operation.path, {})[operation.method] = operation
            else:
                # RFC 3986 §3.3: a value in a path has no slash; one that is encoded as %2F is decoded after the match.
                literal = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", literal))
                self._patterns.setdefault(operation.path, (pattern, {}))[1][operation.method] = operation

    def match(self, method: str, path: str) -> PathMatch:
        """Return the operation and the texts in the path. GatewayProblem 404 or 405."""
        match = self._matches.get((method, path))
        if match is None:
            match = self._find_match(method, path)
            if len(path) <= MAX_STORED_PATH_CHARS:
                if len(self._matches) >= MAX_STORED_MATCHES:
                    self._matches.clear()
                self._matches[method, path] = match
        return match

    def _find_match(self, method: str, path: str) -> PathMatch:
        by_method, texts = self._match_path(path)
        method = "GET" if method == "HEAD" else method  # RFC 9110 §9.3.2; the server drops the body
        if by_method is None:
            hint = self._nearest_hint(method, path)
            raise GatewayProblem(404, f"there is no path {path[:80]!r}", code="unknown_path", hint=hint)
        operation = by_method.get(method)
        if operation is None:
            allowed = ", ".join(sorted({*by_method, *(("HEAD",) if "GET" in by_method else ())}))
            message = f"{path[:200]} takes {allowed}, not {method[:20]}"
            hint = self._nearest_hint(method, path)
            raise GatewayProblem(405, message, code="method", hint=hint, headers={"Allow": allowed})
        return PathMatch(operation, texts)

    def _nearest_hint(self, method: str, path: str) -> str:
        """Return a hint with the nearest path that has the method, or ""."""
        patterns = {name: by_method for name, (_, by_method) in self._patterns.items()}
        paths_by_text = {
            re.sub(r"\{\w+\}", "", name): name
            for name, by_method in {**self._fixed_paths, **patterns}.items()
            if method in by_method
        }
        matches = nearest(path, paths_by_text, least=0.0)
        return f"the nearest that takes {method} is {paths_by_text[matches[0]]}" if matches else ""

    def _match_path(self, path: str) -> tuple[dict[str, GatewayOperation] | None, dict[str, str]]:
        if path in self._fixed_paths:
            return self._fixed_paths[path], {}
        for pattern, operations in self._patterns.values():
            if path_match := pattern.fullmatch(path):
                return operations, {name: percent_decode(text) for name, text in path_match.groupdict().items()}
        return None, {}


def percent_decode(text: str) -> str:
    """Decode percent-encoded text. GatewayProblem 400 when it is not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise GatewayProblem(400, "the address is not UTF-8", code="malformed_path", path="path") from None
