"""Parses the parameters, body and security of one operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nlapi.issue import Level
from nlapi.openapi.document import Document
from nlapi.openapi.headers import HARMLESS, METHOD_OVERRIDES, refusal
from nlapi.openapi.hints import extensions, hints
from nlapi.openapi.mend import as_name
from nlapi.openapi.parts import FORM, Body, Details, Parameter, Requirement, Schema, Server, entries, essence, is_form
from nlapi.openapi.reader import Reader, examples_of, media_of, text
from nlapi.openapi.spec import Operation, Spec

STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
    "querystring": ("querystring",),
}
"""The styles of each parameter location, its default first; OpenAPI 3.1.1 §4.8.12.2, the last one 3.2.0 §4.12.2.

A parameter `in: querystring` is the whole query: here its location is the query, and `querystring` its style.
"""

PLACES = tuple(STYLES)

# Fields of a Parameter Object that do not belong to its schema when the type is written beside them (OpenAPI 3.1.1
# §4.8.12.2).
ABOUT_PARAMETER = frozenset((
    "name", "in", "required", "description", "deprecated", "style", "explode", "allowReserved", "allowEmptyValue",
    "example", "examples",
))  # fmt: skip

REFUSED = "refused"
"""The `rule` of an Issue about a parameter that is left out on purpose."""

# OpenAPI 3 has no such styles in paths and headers, but Swagger 2.0's `collectionFormat` does; only `swagger2` sets
# them (docs/design/002).
COLLECTIONS = ("spaceDelimited", "pipeDelimited", "tabDelimited")


def load_details(
    document: Document,
    item: Mapping[str, Any],
    node: Mapping[str, Any],
    operation: Operation,
    servers: tuple[Server, ...],
) -> Details:
    """Return the Details of an operation; its faults are in `issues`. Nothing here raises."""
    reader = Reader(document, operation)
    return Details(
        parameters=_parameters(reader, item, node),
        body=_body(reader, node.get("requestBody")),
        security=_security(reader, node),
        servers=servers,
        issues=tuple(reader.issues),
    )


def _parameters(reader: Reader, item: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the path item's parameters, overridden by the operation's, and one for each undescribed `{name}`."""
    found: dict[tuple[str, str], Parameter] = {}
    for owner in (item, node):
        own = set[tuple[str, str]]()
        for index, value in enumerate(entries(owner.get("parameters"))):
            parameter = _parameter(reader, value, f"parameters[{index}]")
            if parameter:
                place = parameter.where, parameter.name
                if place in own:
                    message = f"{place[0]} parameter {place[1]!r} is described twice; the last one counts"
                    reader.issue(Level.WARNING, f"parameters[{index}]", message)
                own.add(place)
                found[place] = parameter
    names = _template_names(reader.operation, found)
    for name in names:
        # Many descriptions name a variable in the path and never describe it; without it the operation could not be
        # called.
        if ("path", name) not in found:
            reader.issue(Level.WARNING, "parameters", f"{{{name}}} of the path is not described; taken as a string")
            found["path", name] = Parameter(
                name=name, where="path", required=True, schema={"type": "string"}, style="simple", explode=False
            )
    return tuple(p for p in found.values() if p.where != "path" or _in_path(reader, p, names))


def _template_names(operation: Operation, found: Mapping[tuple[str, str], Parameter]) -> list[str]:
    """Return the names in braces in the path, and those in its fixed query that no query parameter sends."""
    names = re.findall(r"\{([^{}]+)\}", operation.route)
    fixed = re.findall(r"\{([^{}]+)\}", operation.fixed_query)
    return [*names, *(name for name in fixed if ("query", name) not in found)]


def _in_path(reader: Reader, parameter: Parameter, names: list[str]) -> bool:
    if parameter.name in names:
        return True
    reader.issue(Level.WARNING, "parameters", f"path parameter {parameter.name!r} is not in the path; left out")
    return False


def _parameter(reader: Reader, value: Any, where: str) -> Parameter | None:
    """Return the Parameter of a node. A shared one without faults is parsed once in a Spec."""
    ref = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(ref, str):
        return _one_parameter(reader, value, where)
    known = reader.operation.spec.derive(_shared_parameters)
    if ref in known:
        return known[ref]
    # A faulty one is parsed at each use, as its Issues name the operation that they belong to.
    before = len(reader.issues)
    parameter = _one_parameter(reader, value, where)
    if parameter is not None and len(reader.issues) == before:
        known[ref] = parameter
    return parameter


def _shared_parameters(spec: Spec) -> dict[str, Parameter]:
    """Return the parsed parameters of a Spec by their `$ref`."""
    return {}


def _one_parameter(reader: Reader, value: Any, where: str) -> Parameter | None:
    node = reader.follow(value, where)
    if node is None:
        return None
    name, place = as_name(node.get("name")), node.get("in")
    if not name or place not in PLACES:
        given = f"in: {place!r} with name: {node.get('name')!r}"
        reader.issue(Level.WARNING, where, f"{given} is not a parameter; left out")
        return None
    pinned = _pinned(reader, node) if name.lower() in METHOD_OVERRIDES else ""
    if place == "header" and not pinned and (reason := refusal(name)):
        _refuse(reader, node, where, reason)
        return None
    styles = (*STYLES[place], *COLLECTIONS) if reader.document.is_swagger else STYLES[place]
    style = node.get("style") or styles[0]
    if style not in styles:
        reader.issue(Level.WARNING, where, f"style {style!r} is not for {place}; {styles[0]} is used")
        style = styles[0]
    content_type, schema = _parameter_schema(reader, node)
    reader.lost(schema, f"{where}.schema")
    if pinned:
        schema = {**schema, "const": pinned}
    if own := extensions(node):
        schema = {**schema, **own}
    required = place == "path" or node.get("required") is True
    reader.hints(schema, f"{where}.schema", required=required)
    explode = node.get("explode")
    return Parameter(
        name=name,
        where="query" if place == "querystring" else place,
        required=required,
        schema=schema,
        description=hints(own).description or text(node.get("description")),
        style=style,
        explode=explode if isinstance(explode, bool) else style in ("form", "cookie", "deepObject"),
        allow_reserved=node.get("allowReserved") is True,
        allow_empty=node.get("allowEmptyValue") is True,
        content_type=content_type,
        deprecated=node.get("deprecated") is True,
        extensions=own,
    )


def _pinned(reader: Reader, node: Mapping[str, Any]) -> str:
    """Return the only method that a method-override header may send, if such a call is safe; else ""."""
    schema = _parameter_schema(reader, node)[1]
    choices = schema.get("enum", ())
    value = schema.get("const", choices[0] if len(choices) == 1 else schema.get("default"))
    return value if value in HARMLESS and not set(choices) - {value} else ""


def _refuse(reader: Reader, node: Mapping[str, Any], where: str, reason: str) -> None:
    """Report a header that is left out. Without a required method override the operation itself is lost."""
    message = f"header {node['name']!r} is not for callers to set, {reason}; left out"
    if node["name"].lower() not in METHOD_OVERRIDES:
        reader.issue(Level.INFO, where, message)
        return
    level = Level.ERROR if node.get("required") is True else Level.WARNING
    reader.issue(level, where, message, "call the operation that has the method which is meant", REFUSED)


def _parameter_schema(reader: Reader, node: Mapping[str, Any]) -> tuple[str | None, Schema]:
    content = node.get("content")
    if isinstance(content, Mapping) and content:
        content_type, media = next(iter(content.items()))
        return content_type, reader.schema(media.get("schema") if isinstance(media, Mapping) else {})
    given = node.get("schema", {})
    if "schema" not in node and "type" in node:  # Swagger 2.0's form, which OpenAPI 3 descriptions use too
        given = {key: value for key, value in node.items() if key not in ABOUT_PARAMETER}
    schema = dict(reader.schema(given))
    examples = examples_of(node)
    if examples and "examples" not in schema and "$ref" not in schema:
        schema["examples"] = list(examples)
    return None, schema


def _body(reader: Reader, value: Any) -> Body | None:
    node = reader.follow(value, "requestBody") if value is not None else None
    if node is None:
        return None
    media = tuple(media_of(reader, node.get("content"), "requestBody.content", Level.ERROR))
    if not media:
        reader.issue(Level.WARNING, "requestBody", "a body without a media type cannot be sent; left out")
        return None
    first, *others = sorted(media, key=lambda one: _rank(one.content_type))
    reader.lost(first.schema, f"requestBody.content.{first.content_type}.schema")
    reader.hints(first.schema, f"requestBody.content.{first.content_type}.schema")
    top = replace(first, schema=reader.operation.spec.schema(first.schema))
    description = text(node.get("description"))
    return Body(required=node.get("required") is True, media=(top, *others), description=description)


def _rank(content_type: str) -> int:
    """Return the order of preference: JSON, its variants, forms, text, binary; XML last, as nlapi cannot write it."""
    kind = essence(content_type)
    if kind in ("application/json", "*/*", "application/*"):
        return 0
    if kind.endswith("+json") or kind == "text/json":
        return 1
    if is_form(kind):
        return 2 + (kind == FORM)
    return 6 if kind.endswith(("/xml", "+xml")) else 5 if kind == "application/octet-stream" else 4


def _security(reader: Reader, node: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Return the operation's own requirements, else those of the description; OpenAPI 3.1.1 §4.8.10 and §4.8.30."""
    own = node.get("security")
    listed = reader.document.tree.get("security") if own is None else own
    known = reader.operation.spec.security_schemes
    result = []
    for one in listed if isinstance(listed, list) else [listed]:
        if not isinstance(one, Mapping):
            continue
        unknown = [id for id in one if id not in known]
        if unknown:
            reader.issue(Level.WARNING, "security", f"security scheme {unknown[0]!r} is not described; left out")
            continue
        result.append({id: tuple(map(str, scopes)) if isinstance(scopes, list) else () for id, scopes in one.items()})
    # An empty requirement among others makes the credentials optional, but with no other there is nothing to send.
    return tuple(result) if any(result) else ()
