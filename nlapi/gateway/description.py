"""specs/gateway.yaml as what requests are checked against: the one definition of every parameter and body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import yaml

from nlapi import bundled
from nlapi.gateway.json_schema import SchemaValidator, compile_schema
from nlapi.gateway.problem import Problem, unprocessable
from nlapi.gateway.strict import loads
from nlapi.issue import Issue

METHODS = ("get", "post", "put", "patch", "delete")
MOST_ISSUES = 20
LARGEST_BODY = 4 * 2**20
LARGEST_DOCUMENT = 32 * 2**20
"""Bytes of a whole configuration."""

_INTEGER = re.compile(r"-?\d{1,15}")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation. `where` is path, query or header."""

    name: str
    where: str
    required: bool
    kind: str
    """the JSON type of its value"""
    validator: SchemaValidator
    default: Any = None

    def read(self, text: str) -> Any:
        """The value that a text stands for; the text where it is no such value, so that its schema refuses it."""
        if self.kind == "integer" and _INTEGER.fullmatch(text):
            return int(text)
        if self.kind == "number" and _NUMBER.fullmatch(text):
            return float(text)
        if self.kind == "boolean" and text in ("true", "false"):
            return text == "true"
        return text


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of the gateway. `audiences` may call it (none: anybody); `changes` something or only looks."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    audiences: frozenset[str]
    role: str
    changes: bool
    body: SchemaValidator | None = None
    """the validator of its body; None when it takes none"""
    body_required: bool = False
    largest: int = LARGEST_BODY
    _by_place: dict[tuple[str, str], Parameter] = field(default_factory=dict, repr=False)

    @cached_property
    def query(self) -> dict[str, Parameter]:
        return {one.name: one for one in self.parameters if one.where == "query"}

    def check_path(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The path's values. Problem 404 when one of them cannot be the name of anything."""
        values = {}
        for one in self.parameters:
            if one.where == "path":
                values[one.name] = one.read(given[one.name])
                if not one.validator.is_valid(values[one.name]):
                    text = f"{given[one.name][:80]!r} cannot be the {one.name} of anything"
                    raise Problem(404, text, code=f"unknown_{one.name}", path=f"path.{one.name}")
        return values

    def check_query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """The values of the query, with defaults. Problem 422 for one that is unknown, repeated or wrong."""
        issues, values = [], {}
        for name, text in pairs:
            known = self.query.get(name)
            where = f"query.{name[:80]}"
            if known is None:
                hint = f"it takes {', '.join(self.query)}" if self.query else "it takes none"
                issues.append(_issue(where, f"{self.id} has no such parameter", hint))
            elif name in values:
                issues.append(_issue(where, "it is given more than once"))
            else:
                values[name] = known.read(text)
                issues += _faults(known.validator, values[name], where)
        if issues:
            raise unprocessable(issues[:MOST_ISSUES])
        return {**{one.name: one.default for one in self.query.values() if one.default is not None}, **values}

    def check_headers(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """The values of its own headers, by their names in small letters. Problem 422 for a wrong one."""
        values, issues = {}, []
        for one in self.parameters:
            text = headers.get(one.name.lower())
            if one.where == "header" and text is not None:
                values[one.name.lower()] = one.read(text)
                issues += _faults(one.validator, values[one.name.lower()], f"header.{one.name}")
        if issues:
            raise unprocessable(issues)
        return values

    def check_body(self, content: bytes, media_type: str) -> Any:
        """The value of the body; None when there is none. Problem 400, 415 or 422 when it is not as described."""
        if not content:
            if self.body_required:
                raise unprocessable([_issue("body", f"{self.id} needs a body", "send it as application/json")])
            return None
        if self.body is None:
            raise unprocessable([_issue("body", f"{self.id} takes no body", "what it needs is in the path and query")])
        if media_type.partition(";")[0].strip().lower() != "application/json":
            said = f"the body is {media_type[:80] or 'of no type'}"
            raise Problem(415, said, code="media_type", hint="send it with Content-Type: application/json")
        value = loads(content)
        if not self.body.is_valid(value):
            raise unprocessable(_faults(self.body, value, "body"))
        return value


@dataclass(frozen=True, kw_only=True)
class Description:
    """The operations of specs/gateway.yaml, and its text as it is served."""

    text: str
    tree: Mapping[str, Any]
    operations: Mapping[str, Operation]

    def check(self, name: str, value: Any) -> Any:
        """A value that fits the schema called `name`. Problem 422 when it does not."""
        validator = _validator({"$ref": f"#/components/schemas/{name}"}, self.tree)
        if issues := _faults(validator, value, name.lower()):
            raise unprocessable(issues)
        return value


@lru_cache(maxsize=1)
def description() -> Description:
    """The gateway's own description, read once."""
    text = bundled.text("specs/gateway.yaml")
    tree = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    operations = {one.id: one for one in _operations(tree)}
    return Description(text=text, tree=tree, operations=operations)


def _operations(tree: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in tree["paths"].items():
        for method in METHODS:
            if method in item:
                yield _operation(tree, path, method, item[method], item.get("parameters", ()))


def _operation(tree: Mapping[str, Any], path: str, method: str, node: Mapping[str, Any], above: Any) -> Operation:
    parameters = [_parameter(tree, _at(tree, one)) for one in (*above, *node.get("parameters", ()))]
    security = node.get("security", tree["security"])
    changes = method != "get" and node.get("x-nlapi", {}).get("effect") != "read"
    body = node.get("requestBody")
    schema = body["content"]["application/json"]["schema"] if body else None
    whole = schema is not None and schema.get("$ref", "").endswith(("/Configuration", "/SimulateRequest"))
    return Operation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        parameters=tuple(parameters),
        audiences=frozenset(scheme for requirement in security for scheme in requirement),
        role=node.get("x-role", "operator" if changes else "viewer"),
        changes=changes,
        body=_validator(schema, tree) if schema is not None else None,
        body_required=bool(body and body.get("required")),
        largest=LARGEST_DOCUMENT if whole else LARGEST_BODY,
    )


def _parameter(tree: Mapping[str, Any], node: Mapping[str, Any]) -> Parameter:
    schema = {**_at(tree, node["schema"]), **node["schema"]}
    return Parameter(
        name=node["name"],
        where=node["in"],
        required=bool(node.get("required")),
        kind=schema.get("type", ""),
        validator=_validator(node["schema"], tree),
        default=schema.get("default"),
    )


def _at(tree: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a node's `$ref` leads to, or the node."""
    found: Any = node
    if "$ref" in node:
        found = tree
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    return found  # type: ignore[no-any-return]


def _validator(schema: Mapping[str, Any], tree: Mapping[str, Any]) -> SchemaValidator:
    """A compiled schema whose `$ref`s lead into the description's components."""
    whole = {**schema, "components": {"schemas": tree["components"]["schemas"]}}
    return compile_schema(whole, formats=True)


def _faults(validator: SchemaValidator, value: Any, where: str) -> list[Issue]:
    issues = []
    for error in validator.iter_errors(value):
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        issues.append(_issue(f"{where}{steps}"[:300], error.message[:300]))
        if len(issues) == MOST_ISSUES:
            break
    return issues


def _issue(where: str, message: str, hint: str = "") -> Issue:
    return Issue.error(where, message, hint, "schema")
