"""Parses the parameters, body and security of one operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nlapi.issue import Level
from nlapi.openapi.document import Document
from nlapi.openapi.headers import SAFE_OVERRIDE_METHODS, METHOD_OVERRIDE_HEADERS, header_refusal
from nlapi.openapi.hints import extension_fields, read_hints
from nlapi.openapi.mend import as_name
from nlapi.openapi.parts import FORM, Body, RequestDetails, Parameter, Requirement, Schema, Server, entries, essence, is_form
from nlapi.openapi.reader import OperationParser, example_values, parse_media, text_or_empty
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

PARAMETER_LOCATIONS = tuple(STYLES)

# Fields of a Parameter Object that do not belong to its schema when the type is written beside them (OpenAPI 3.1.1
# §4.8.12.2).
NON_SCHEMA_FIELDS = frozenset((
    "name", "in", "required", "description", "deprecated", "style", "explode", "allowReserved", "allowEmptyValue",
    "example", "examples",
))  # fmt: skip

REFUSED_RULE = "refused"
"""The `rule` of an Issue about a parameter that is left out on purpose."""

# OpenAPI 3 has no such styles in paths and headers, but Swagger 2.0's `collectionFormat` does; only `swagger2` sets
# them (docs/design/002).
COLLECTION_STYLES = ("spaceDelimited", "pipeDelimited", "tabDelimited")


def load_details(
    document: Document,
    item: Mapping[str, Any],
    node: Mapping[str, Any],
    operation: Operation,
    servers: tuple[Server, ...],
) -> RequestDetails:
    """Return the Details of an operation; its faults are in `issues`. Nothing here raises."""
    parser = OperationParser(document, operation)
    return RequestDetails(
        parameters=_parse_parameters(parser, item, node),
        body=_parse_body(parser, node.get("requestBody")),
        security=_parse_security(parser, node),
        servers=servers,
        issues=tuple(parser.issues),
    )


def _parse_parameters(parser: OperationParser, item: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the path item's parameters, overridden by the operation's, and one for each undescribed `{name}`."""
    parameters: dict[tuple[str, str], Parameter] = {}
    for owner in (item, node):
        owner_keys = set[tuple[str, str]]()
        for index, value in enumerate(entries(owner.get("parameters"))):
            parameter = _cached_parameter(parser, value, f"parameters[{index}]")
            if parameter:
                key = parameter.location, parameter.name
                if key in owner_keys:
                    message = f"{key[0]} parameter {key[1]!r} is described twice; the last one counts"
                    parser.add_issue(Level.WARNING, f"parameters[{index}]", message)
                owner_keys.add(key)
                parameters[key] = parameter
    names = _template_names(parser.operation, parameters)
    for name in names:
        # Many descriptions name a variable in the path and never describe it; without it the operation could not be
        # called.
        if ("path", name) not in parameters:
            parser.add_issue(Level.WARNING, "parameters", f"{{{name}}} of the path is not described; taken as a string")
            parameters["path", name] = Parameter(
                name=name, location="path", required=True, schema={"type": "string"}, style="simple", explode=False
            )
    return tuple(p for p in parameters.values() if p.location != "path" or _is_in_path(parser, p, names))


def _template_names(operation: Operation, parameters: Mapping[tuple[str, str], Parameter]) -> list[str]:
    """Return the names in braces in the path, and those in its fixed query that no query parameter sends."""
    names = re.findall(r"\{([^{}]+)\}", operation.route)
    fixed = re.findall(r"\{([^{}]+)\}", operation.fixed_query)
    return [*names, *(name for name in fixed if ("query", name) not in parameters)]


def _is_in_path(parser: OperationParser, parameter: Parameter, names: list[str]) -> bool:
    if parameter.name in names:
        return True
    parser.add_issue(Level.WARNING, "parameters", f"path parameter {parameter.name!r} is not in the path; left out")
    return False


def _cached_parameter(parser: OperationParser, value: Any, location: str) -> Parameter | None:
    """Return the Parameter of a node. A shared one without faults is parsed once in a Spec."""
    ref = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(ref, str):
        return _parse_parameter(parser, value, location)
    parsed = parser.operation.spec.derive(_shared_parameters)
    if ref in parsed:
        return parsed[ref]
    # A faulty one is parsed at each use, as its Issues name the operation that they belong to.
    issue_count = len(parser.issues)
    parameter = _parse_parameter(parser, value, location)
    if parameter is not None and len(parser.issues) == issue_count:
        parsed[ref] = parameter
    return parameter


def _shared_parameters(spec: Spec) -> dict[str, Parameter]:
    """Return the parsed parameters of a Spec by their `$ref`."""
    return {}


def _parse_parameter(parser: OperationParser, value: Any, node_path: str) -> Parameter | None:
    node = parser.follow(value, node_path)
    if node is None:
        return None
    name, location = as_name(node.get("name")), node.get("in")
    if not name or location not in PARAMETER_LOCATIONS:
        summary = f"in: {location!r} with name: {node.get('name')!r}"
        parser.add_issue(Level.WARNING, node_path, f"{summary} is not a parameter; left out")
        return None
    fixed_method = _fixed_method(parser, node) if name.lower() in METHOD_OVERRIDE_HEADERS else ""
    if location == "header" and not fixed_method and (reason := header_refusal(name)):
        _report_refused_header(parser, node, node_path, reason)
        return None
    styles = (*STYLES[location], *COLLECTION_STYLES) if parser.document.is_swagger else STYLES[location]
    style = node.get("style") or styles[0]
    if style not in styles:
        parser.add_issue(Level.WARNING, node_path, f"style {style!r} is not for {location}; {styles[0]} is used")
        style = styles[0]
    content_type, schema = _parameter_schema(parser, node)
    parser.check_refs(schema, f"{node_path}.schema")
    if fixed_method:
        schema = {**schema, "const": fixed_method}
    if nlapi_fields := extension_fields(node):
        schema = {**schema, **nlapi_fields}
    required = location == "path" or node.get("required") is True
    parser.check_hints(schema, f"{node_path}.schema", required=required)
    explode = node.get("explode")
    return Parameter(
        name=name,
        location="query" if location == "querystring" else location,
        required=required,
        schema=schema,
        description=read_hints(nlapi_fields).description or text_or_empty(node.get("description")),
        style=style,
        explode=explode if isinstance(explode, bool) else style in ("form", "cookie", "deepObject"),
        allow_reserved=node.get("allowReserved") is True,
        allow_empty=node.get("allowEmptyValue") is True,
        content_type=content_type,
        deprecated=node.get("deprecated") is True,
        extensions=nlapi_fields,
    )


def _fixed_method(parser: OperationParser, node: Mapping[str, Any]) -> str:
    """Return the only method that a method-override header may send, if such a call is safe; else ""."""
    schema = _parameter_schema(parser, node)[1]
    choices = schema.get("enum", ())
    value = schema.get("const", choices[0] if len(choices) == 1 else schema.get("default"))
    return value if value in SAFE_OVERRIDE_METHODS and not set(choices) - {value} else ""


def _report_refused_header(parser: OperationParser, node: Mapping[str, Any], location: str, reason: str) -> None:
    """Report a header that is left out. Without a required method override the operation itself is lost."""
    message = f"header {node['name']!r} is not for callers to set, {reason}; left out"
    if node["name"].lower() not in METHOD_OVERRIDE_HEADERS:
        parser.add_issue(Level.INFO, location, message)
        return
    level = Level.ERROR if node.get("required") is True else Level.WARNING
    parser.add_issue(level, location, message, "call the operation that has the method which is meant", REFUSED_RULE)


def _parameter_schema(parser: OperationParser, node: Mapping[str, Any]) -> tuple[str | None, Schema]:
    content = node.get("content")
    if isinstance(content, Mapping) and content:
        content_type, media = next(iter(content.items()))
        return content_type, parser.upgrade_schema(media.get("schema") if isinstance(media, Mapping) else {})
    schema_node = node.get("schema", {})
    if "schema" not in node and "type" in node:  # Swagger 2.0's form, which OpenAPI 3 descriptions use too
        schema_node = {key: value for key, value in node.items() if key not in NON_SCHEMA_FIELDS}
    schema = dict(parser.upgrade_schema(schema_node))
    examples = example_values(node)
    if examples and "examples" not in schema and "$ref" not in schema:
        schema["examples"] = list(examples)
    return None, schema


def _parse_body(parser: OperationParser, value: Any) -> Body | None:
    node = parser.follow(value, "requestBody") if value is not None else None
    if node is None:
        return None
    media = tuple(parse_media(parser, node.get("content"), "requestBody.content", Level.ERROR))
    if not media:
        parser.add_issue(Level.WARNING, "requestBody", "a body without a media type cannot be sent; left out")
        return None
    first, *alternatives = sorted(media, key=lambda entry: _media_rank(entry.content_type))
    parser.check_refs(first.schema, f"requestBody.content.{first.content_type}.schema")
    parser.check_hints(first.schema, f"requestBody.content.{first.content_type}.schema")
    top = replace(first, schema=parser.operation.spec.schema(first.schema))
    description = text_or_empty(node.get("description"))
    return Body(required=node.get("required") is True, media=(top, *alternatives), description=description)


def _media_rank(content_type: str) -> int:
    """Return the order of preference: JSON, its variants, forms, text, binary; XML last, as nlapi cannot write it."""
    kind = essence(content_type)
    if kind in ("application/json", "*/*", "application/*"):
        return 0
    if kind.endswith("+json") or kind == "text/json":
        return 1
    if is_form(kind):
        return 2 + (kind == FORM)
    return 6 if kind.endswith(("/xml", "+xml")) else 5 if kind == "application/octet-stream" else 4


def _parse_security(parser: OperationParser, node: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Return the operation's own requirements, else those of the description; OpenAPI 3.1.1 §4.8.10 and §4.8.30."""
    local_security = node.get("security")
    requirements = parser.document.tree.get("security") if local_security is None else local_security
    schemes = parser.operation.spec.security_schemes
    result = []
    for requirement in requirements if isinstance(requirements, list) else [requirements]:
        if not isinstance(requirement, Mapping):
            continue
        unknown = [id for id in requirement if id not in schemes]
        if unknown:
            parser.add_issue(Level.WARNING, "security", f"security scheme {unknown[0]!r} is not described; left out")
            continue
        result.append({id: tuple(map(str, scopes)) if isinstance(scopes, list) else () for id, scopes in requirement.items()})
    # An empty requirement among others makes the credentials optional, but with no other there is nothing to send.
    return tuple(result) if any(result) else ()
