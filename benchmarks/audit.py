"""What a description says against what its tools show, read independently of nlapi's own parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NAME, KEY = re.compile(r"[a-zA-Z0-9_-]{1,64}"), re.compile(r"[a-zA-Z0-9_.-]{1,64}")
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
REFUSED = ("accept", "content-type", "authorization")
"""Headers that OpenAPI 3.1.1 §4.8.12.1 has ignored as parameters."""

TOGETHER = ("allOf", "anyOf", "oneOf")
WITHIN = ("items", "additionalProperties")


@dataclass(kw_only=True)
class Audit:
    """Counts over one description; `faults` and `lost` tell the first few cases in words.

    A parameter is shown when it is an argument of the tool, and visible when it is shown or named in an Issue.
    """

    operations: int = 0
    accounted: int = 0
    tools: int = 0
    faulty: int = 0
    parameters: int = 0
    parameters_shown: int = 0
    parameters_visible: int = 0
    properties: int = 0
    properties_visible: int = 0
    characters: int = 0
    faults: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def miss(self, what: str) -> None:
        if len(self.lost) < 5:
            self.lost.append(what)


def audit(tree: Mapping[str, Any], spec: Any, tools: Iterable[Any]) -> Audit:
    """The Audit of `tools`, which nlapi made of `spec`, against `tree`, the JSON that the description is."""
    result = Audit()
    by_place = {(tool.operation.path, tool.operation.method): tool for tool in tools}
    # What authenticates the user is no argument: an account gives it.
    credentials = frozenset(spec.credential_parameters.places)
    rules, wires = _Rules(), _Properties(tree, result, {name for place, name in credentials if place == "body"})
    for tool in by_place.values():
        result.tools += 1
        result.characters += rules.size(tool)
        if fault := rules.fault(tool):
            result.faulty += 1
            result.faults = [*result.faults, fault][:5]
    issues = spec.issues
    told = [issue.where for issue in issues if issue.level.value == "error"]
    said: dict[str, str] = {}
    for issue in issues:
        place = issue.where.partition(".parameters")[0]
        said[place] = f"{said.get(place, '')} {issue.message}"
    for path, item, method, node in _operations(tree):
        result.operations += 1
        made = by_place.get((path, method.upper()))
        if made is None:
            where = (f"paths.{path}", f"paths.{path}.{method}")
            named = any(one == where[0] or one == where[1] or one.startswith(f"{where[1]}.") for one in told)
            result.accounted += named
            if not named:
                result.miss(f"no tool: {method} {path}")
            continue
        result.accounted += 1
        _parameters(tree, item, node, made, result, f"paths.{path}.{method}", said, credentials)
        if tree.get("swagger") is None:
            wires.of_body(node, made)
    return result


def _follow(tree: Mapping[str, Any], node: Any) -> Any:
    """What `node` is or leads to, None when it leads nowhere."""
    for _ in range(50):
        if not (isinstance(node, Mapping) and isinstance(node.get("$ref"), str)):
            return node
        ref, node = node["$ref"], tree
        if not ref.startswith("#/"):
            return None
        for part in ref[2:].split("/"):
            part = _unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                node = node.get(part) if isinstance(node, Mapping) else None
    return None


def _unquote(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text) if "%" in text else text


def _operations(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str, Mapping[str, Any]]]:
    for path, value in (tree.get("paths") or {}).items():
        item = _follow(tree, value)
        for method in METHODS if isinstance(item, Mapping) and not path.startswith("x-") else ():
            if isinstance(item.get(method), Mapping):
                yield path, item, method, item[method]


def _parameters(
    tree: Mapping[str, Any],
    item: Mapping[str, Any],
    node: Mapping[str, Any],
    tool: Any,
    result: Audit,
    where: str,
    said: Mapping[str, str],
    credentials: frozenset[tuple[str, str]],
) -> None:
    """Counts the parameters of an operation: an argument of the tool, or named in an Issue of the operation."""
    wanted = {}
    for owner in (item, node):
        for value in owner.get("parameters") or ():
            one = _follow(tree, value)
            if isinstance(one, Mapping) and isinstance(one.get("name"), str):
                wanted[one["name"], one.get("in")] = one
    places = set(tool.places.values())
    for name, place in wanted:
        if place in ("body", "formData") or (place == "header" and name.lower() in REFUSED):
            continue
        if (place, name.lower() if place == "header" else name) in credentials:
            continue
        result.parameters += 1
        shown = (place, name) in places
        named = not shown and repr(name) in said.get(where, "")
        result.parameters_shown += shown
        result.parameters_visible += shown or named
        if not shown and not named:
            result.miss(f"parameter {name!r} in {place}: {tool.operation.method} {tool.operation.path}")


class _Properties:
    """Walks the schema of a body and that of a tool side by side; a pair that was walked is not counted twice."""

    def __init__(self, tree: Mapping[str, Any], result: Audit, credentials: set[str]) -> None:
        self.tree = tree
        self.result = result
        self.credentials = credentials
        self.walked: set[tuple[frozenset[int], frozenset[int]]] = set()

    def of_body(self, node: Mapping[str, Any], tool: Any) -> None:
        body = _follow(self.tree, node.get("requestBody"))
        content = body.get("content") if isinstance(body, Mapping) else None
        if not content:
            return
        sent = tool.operation.body.content_type if tool.operation.body else ""
        media = _follow(self.tree, content.get(sent) or next(iter(content.values())))
        schema = media.get("schema") if isinstance(media, Mapping) else None
        arguments = tool.input_schema["properties"]
        whole = [arguments[name] for name, place in tool.places.items() if place == ("body", "")]
        if whole:
            shown = whole
        else:
            by_wire = {
                wire: arguments[name]
                for name, (where, wire) in tool.places.items()
                if where == "body" and name in arguments
            }
            more = tool.input_schema.get("additionalProperties")
            shown = [{"properties": by_wire, **({"additionalProperties": more} if more else {})}]
        self.where = f"{tool.operation.method} {tool.operation.path}"
        self.definitions = tool.input_schema.get("$defs", {})
        self.walk([schema], shown)

    def walk(self, raw: list[Any], shown: list[Any]) -> None:
        todo = [(raw, shown, "")]
        while todo:
            raw, shown, path = todo.pop()
            raw = self.parts(raw, self.from_description)
            shown = self.parts(shown, self.from_tool)
            key = frozenset(map(id, raw)), frozenset(map(id, shown))
            if key in self.walked:
                continue
            self.walked.add(key)
            have = _children(shown)
            for name, children in _children(raw).items():
                if all(self.read_only(child) for child in children) or (not path and name in self.credentials):
                    continue
                self.result.properties += 1
                seen = name in have
                self.result.properties_visible += seen
                if seen:
                    todo.append((children, have[name], f"{path}.{name}"))
                else:
                    self.result.miss(f"property {path}.{name}: {self.where}")

    def parts(self, nodes: list[Any], follow: Any) -> list[Any]:
        """The schemas that hold where `nodes` hold: what their `$ref`s lead to, what they are combined of."""
        found: dict[int, Any] = {}
        todo = list(nodes)
        while todo:
            node = todo.pop()
            if not isinstance(node, Mapping) or id(node) in found:
                continue
            found[id(node)] = node
            if isinstance(node.get("$ref"), str):
                todo.append(follow(node))
            for key in TOGETHER:
                listed = node.get(key)
                todo.extend(listed if isinstance(listed, list) else ())
            todo.append(node.get("contentSchema"))
        return list(found.values())

    def from_description(self, node: Any) -> Any:
        return _follow(self.tree, node)

    def from_tool(self, node: Any) -> Any:
        return self.definitions.get(node["$ref"].removeprefix("#/$defs/"))

    def read_only(self, node: Any) -> bool:
        target = _follow(self.tree, node)
        return any(isinstance(one, Mapping) and one.get("readOnly") is True for one in (node, target))


def _children(nodes: list[Any]) -> dict[str, list[Any]]:
    """The schemas under each property of `nodes`, those of items and of further properties under a name in brackets."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        properties = node.get("properties")
        for name, child in properties.items() if isinstance(properties, Mapping) else ():
            if isinstance(child, Mapping | bool):
                found.setdefault(name, []).append(child)
        for key in WITHIN:
            if isinstance(node.get(key), Mapping):
                found.setdefault(f"[{key}]", []).append(node[key])
    return found


class _Rules:
    """The rules of the Claude API; what many tools share is checked once."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.fine: dict[int, frozenset[str]] = {}
        self.texts: dict[str, frozenset[str]] = {}
        self.sizes: dict[int, int] = {}

    def size(self, tool: Any) -> int:
        """Characters of the tool as JSON."""
        shown = tool.as_dict("anthropic")
        schema = shown["input_schema"]
        own = {**shown, "input_schema": {key: value for key, value in schema.items() if key != "$defs"}}
        total = len(json.dumps(own))
        for name, one in schema.get("$defs", {}).items():
            if id(one) not in self.sizes:
                self.sizes[id(one)] = len(json.dumps(one))
            total += self.sizes[id(one)] + len(name) + 6
        return total

    def fault(self, tool: Any) -> str:
        """The rule that a tool breaks, or ""."""
        shown = tool.as_dict("anthropic")
        name, schema = shown["name"], shown["input_schema"]
        twice = name in self.names
        self.names.add(name)
        if twice or not NAME.fullmatch(name):
            return f"{name}: the name is {'taken' if twice else 'not allowed'}"
        if schema.get("type") != "object" or set(TOGETHER) & set(schema):
            return f"{name}: not a plain object"
        bad = [key for key in schema.get("properties", {}) if not KEY.fullmatch(key)]
        if bad:
            return f"{name}: property {bad[0]!r}"
        return self._schema_fault(name, schema)

    def _schema_fault(self, name: str, schema: Mapping[str, Any]) -> str:
        definitions = schema.get("$defs", {})
        own = {key: value for key, value in schema.items() if key not in ("$defs", "properties")}
        known = {f"#/$defs/{one}" for one in definitions}
        try:
            needed = set(self._checked(own))
            for one in schema.get("properties", {}).values():
                needed |= self._checked(one)
            for one in definitions.values():
                if id(one) not in self.fine:
                    self.fine[id(one)] = self._checked(one)
                needed |= self.fine[id(one)]
        except Exception as error:
            return f"{name}: {str(error).splitlines()[0][:160]}"
        lost = sorted(needed - known)
        return f"{name}: $ref {lost[0]!r} leads nowhere" if lost else ""

    def _checked(self, schema: Any) -> frozenset[str]:
        """The `$ref`s in a schema that is valid JSON Schema 2020-12, which asks the same of a schema wherever it is."""
        text = json.dumps(schema)
        if text not in self.texts:
            self.texts[text] = _checked(schema)
        return self.texts[text]


def _checked(schema: Any) -> frozenset[str]:
    """The `$ref`s in a schema that is valid JSON Schema 2020-12."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema)
    found: set[str] = set()
    todo = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                found.add(node["$ref"])
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return frozenset(found)
