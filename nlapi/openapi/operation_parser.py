"""Parses the details of one operation, collecting Issues on the way: parameters, body, security and responses."""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from nlapi.errors import Issue, Level
from nlapi.openapi.credential_parameters import place, with_parameters
from nlapi.openapi.document import Document
from nlapi.openapi.schema_upgrade import UNCHECKED_REASONS, as_name, subschemas, unresolved_refs
from nlapi.openapi.spec import (
    FORM,
    METHOD_OVERRIDE_HEADERS,
    SAFE_OVERRIDE_METHODS,
    Body,
    Encoding,
    Link,
    Media,
    Operation,
    Parameter,
    RequestDetails,
    Requirement,
    Response,
    ResponseDetails,
    Schema,
    Server,
    Spec,
    as_list,
    as_map,
    as_text,
    entries,
    essence,
    extension_fields,
    header_refusal,
    hint_issues,
    is_form,
    is_hidden,
    may_be_json,
    read_hints,
    unescape_step,
    unhideable_issue,
)

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


class OperationParser:
    """The parser of one operation. `issues` holds the faults found so far."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self.document = document
        self.operation = operation
        self.issues: list[Issue] = []
        self.credentials: dict[str, bool] = {}
        """ids of schemes for parameters that are credentials -> whether they are required"""
        self.body_credentials: set[str] = set()

    def takes_credential(self, location: str, name: str, *, is_required: bool) -> bool:
        """Return whether a parameter is a credential of the user, and remember it: it is not an argument then."""
        id = self.operation.spec.credential_parameters.places.get(place(location, name))
        if id is not None:
            self.credentials[id] = is_required or self.credentials.get(id, False)
            if location == "body":
                self.body_credentials.add(id)
        return id is not None

    def add_issue(self, level: Level, location: str, message: str, hint: str = "", rule: str = "") -> None:
        """Add an Issue at `location`, relative to the operation."""
        location = f"{self.operation.location}.{location}" if location else self.operation.location
        self.issues.append(Issue(level=level, where=location, message=message, hint=hint, rule=rule))

    def follow(self, node: object, location: str, level: Level = Level.ERROR) -> Mapping[str, Any] | None:
        """Return the map that `node` is or refers to; None, with an Issue, if none exists. `level` is for a bad
        `$ref`.
        """
        try:
            node = self.document.follow(node)
        except LookupError as error:
            self.add_issue(level, location, f"$ref {error.args[0]}")
            return None
        if not isinstance(node, Mapping):
            self.add_issue(Level.WARNING, location, "not a map; left out")
            return None
        return node

    def upgrade_schema(self, node: object) -> Schema:
        """Return a schema in the 3.1 dialect; the schema `false` as `{"not": {}}`, so that it is always a map."""
        upgraded = self.document.schema(node)
        return upgraded if isinstance(upgraded, Mapping) else {} if upgraded else {"not": {}}

    def check_refs(self, schema: Schema, location: str) -> None:
        """Report the unresolved `$ref`s in a schema: an ERROR when the whole schema is one."""
        for ref, reason in unresolved_refs(self.operation.spec, schema).items():
            # A ring of `$ref`s constrains nothing, and too many are not checked: any value may still be sent.
            if ref == schema.get("$ref") and not reason.endswith(UNCHECKED_REASONS):
                self.add_issue(Level.ERROR, location, f"$ref {reason}")
            else:
                self.add_issue(Level.WARNING, location, f"$ref {reason}", "any value is taken there")

    def check_hints(self, schema: Schema, location: str, *, required: bool = False) -> None:
        """Report faults of the `x-nlapi` in a schema; skipped for a description that has none."""
        # Nearly no description has hints, and the search would visit every schema.
        if not self.document.may_have_hints:
            return
        location = f"{self.operation.location}.{location}"
        self.issues.extend(_hint_issues(self.operation.spec, schema, location))
        top = self.operation.spec.follow(schema)
        if required and read_hints(top).hide and not is_hidden(top, required=True):
            self.issues.append(unhideable_issue(location))


def _parse_media(parser: OperationParser, content: object, location: str, level: Level) -> Iterator[Media]:
    """Yield the Media of a `content` map."""
    for content_type, value in as_map(content).items():
        node = parser.follow(value, f"{location}.{content_type}", level) or {}
        yield Media(
            content_type=content_type,
            schema=parser.upgrade_schema(node.get("schema", {})),
            encoding={
                name: _parse_encoding(entry)
                for name, entry in as_map(node.get("encoding")).items()
                if isinstance(entry, Mapping)
            },
            examples=_example_values(node),
        )


def _parse_encoding(node: Mapping[str, Any]) -> Encoding:
    return Encoding(
        content_type=node.get("contentType") if isinstance(node.get("contentType"), str) else None,
        headers=as_map(node.get("headers")),
        style=node.get("style") if isinstance(node.get("style"), str) else None,
        explode=node.get("explode") if isinstance(node.get("explode"), bool) else None,
        allow_reserved=node.get("allowReserved") is True,
    )


def _example_values(node: Mapping[str, object]) -> tuple[object, ...]:
    """Return the values of `example` and `examples` of a parameter or media type."""
    values = [node["example"]] if "example" in node else []
    examples = as_map(node.get("examples")).values()
    return (*values, *(example["value"] for example in examples if isinstance(example, Mapping) and "value" in example))


def _hint_issues(spec: Spec, schema: Schema, location: str) -> Iterator[Issue]:
    """Yield the faults of the hints in a schema, and in each referenced schema once in a Spec."""
    visited = spec.derive(_visited_refs)
    todo = [(location, schema)]
    while todo:
        location, node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        yield from hint_issues(node, location)
        ref = node.get("$ref")
        if isinstance(ref, str) and ref not in visited:
            visited.add(ref)
            # Kept in a set of the Spec: a schema that 500 operations share is reported once.
            todo.append((ref, spec.follow({"$ref": ref})))
        required = node.get("required", ())
        todo.extend((f"{location}.{place}", child) for place, child in subschemas(node))
        for name, child in node.get("properties", {}).items():
            child = spec.follow(child)
            if read_hints(child).hide and name in required and "default" not in child:
                yield unhideable_issue(f"{location}.properties.{name}")


def _visited_refs(spec: Spec) -> set[str]:
    """Return the set of `$ref`s of a Spec whose schemas were visited."""
    return set()


def load_details(
    document: Document,
    item: Mapping[str, object],
    node: Mapping[str, object],
    operation: Operation,
    servers: tuple[Server, ...],
) -> RequestDetails:
    """Return the RequestDetails of an operation; its faults are in `issues`. Nothing here raises."""
    parser = OperationParser(document, operation)
    parameters = _parse_parameters(parser, item, node)
    body = _parse_body(parser, node.get("requestBody"))
    security, optional = with_parameters(_parse_security(parser, node), parser.credentials)
    return RequestDetails(
        parameters=parameters,
        body=body,
        security=security,
        servers=servers,
        issues=tuple(parser.issues),
        optional_credentials=optional,
    )


def _parse_parameters(
    parser: OperationParser, item: Mapping[str, object], node: Mapping[str, object]
) -> tuple[Parameter, ...]:
    """Return the path item's parameters, overridden by the operation's, and one for each undescribed `{name}`."""
    parameters: dict[tuple[str, str], Parameter] = {}
    for owner in (item, node):
        owner_keys = set[tuple[str, str]]()
        for index, value in enumerate(entries(owner.get("parameters"))):
            parameter = _cached_parameter(parser, value, f"parameters[{index}]")
            if parameter:
                # Names of headers have no case (RFC 9110 §5.1).
                is_header = parameter.location == "header"
                key = parameter.location, parameter.name.lower() if is_header else parameter.name
                if key in owner_keys:
                    message = f"{key[0]} parameter {parameter.name!r} is described twice; the last one counts"
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
    return tuple(
        p
        for p in parameters.values()
        if not parser.takes_credential(p.location, p.name, is_required=p.required)
        and (p.location != "path" or _is_in_path(parser, p, names))
    )


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
    """Return the Parameter of a node; one without faults that is written or referred to again is parsed once."""
    # Microsoft Graph writes 1,412 parameters 38,473 times.
    try:
        # Written as bytes to be compared, and never read; without references between equal parts (version 2).
        key = marshal.dumps(value, 2)
    except ValueError:
        return _parse_parameter(parser, value, location)
    parsed = parser.operation.spec.derive(_shared_parameters)
    if key in parsed:
        return parsed[key]
    # A faulty one is parsed at each use, as its Issues name the operation that they belong to.
    issue_count = len(parser.issues)
    parameter = _parse_parameter(parser, value, location)
    if parameter is not None and len(parser.issues) == issue_count:
        parsed[key] = parameter
    return parameter


def _shared_parameters(spec: Spec) -> dict[bytes, Parameter]:
    """Return the parsed parameters of a Spec by what is written."""
    return {}


def _parse_parameter(parser: OperationParser, value: object, node_path: str) -> Parameter | None:
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
        description=read_hints(nlapi_fields).description or as_text(node.get("description")),
        style=style,
        explode=explode if isinstance(explode, bool) else style in ("form", "cookie", "deepObject"),
        allow_reserved=node.get("allowReserved") is True,
        allow_empty=node.get("allowEmptyValue") is True,
        content_type=content_type,
        deprecated=node.get("deprecated") is True,
        extensions=nlapi_fields,
    )


def _fixed_method(parser: OperationParser, node: Mapping[str, object]) -> str:
    """Return the only method that a method-override header may send, if such a call is safe; else ""."""
    schema = _parameter_schema(parser, node)[1]
    choices = schema.get("enum", ())
    value = schema.get("const", choices[0] if len(choices) == 1 else schema.get("default"))
    return value if value in SAFE_OVERRIDE_METHODS and not set(choices) - {value} else ""


def _report_refused_header(parser: OperationParser, node: Mapping[str, Any], location: str, reason: str) -> None:
    """Report a header that is left out. Without a required method override the operation itself is lost."""
    if parser.takes_credential("header", node["name"], is_required=node.get("required") is True):
        return
    message = f"header {node['name']!r} is not for callers to set, {reason}; left out"
    if node["name"].lower() not in METHOD_OVERRIDE_HEADERS:
        parser.add_issue(Level.INFO, location, message)
        return
    level = Level.ERROR if node.get("required") is True else Level.WARNING
    parser.add_issue(level, location, message, "call the operation with the method that you mean", REFUSED_RULE)


def _parameter_schema(parser: OperationParser, node: Mapping[str, object]) -> tuple[str | None, Schema]:
    content = node.get("content")
    if isinstance(content, Mapping) and content:
        content_type, media = next(iter(content.items()))
        return content_type, parser.upgrade_schema(media.get("schema") if isinstance(media, Mapping) else {})
    schema_node = node.get("schema", {})
    if "schema" not in node and "type" in node:  # Swagger 2.0's form, which OpenAPI 3 descriptions use too
        schema_node = {key: value for key, value in node.items() if key not in NON_SCHEMA_FIELDS}
    schema = dict(parser.upgrade_schema(schema_node))
    examples = _example_values(node)
    if examples and "examples" not in schema and "$ref" not in schema:
        schema["examples"] = list(examples)
    return None, schema


def _parse_body(parser: OperationParser, value: object) -> Body | None:
    node = parser.follow(value, "requestBody") if value is not None else None
    if node is None:
        return None
    media = tuple(_parse_media(parser, node.get("content"), "requestBody.content", Level.ERROR))
    if not media:
        parser.add_issue(Level.WARNING, "requestBody", "a body without a media type cannot be sent; left out")
        return None
    first, *alternatives = sorted(media, key=lambda entry: _media_rank(entry.content_type))
    parser.check_refs(first.schema, f"requestBody.content.{first.content_type}.schema")
    parser.check_hints(first.schema, f"requestBody.content.{first.content_type}.schema")
    top = replace(first, schema=_without_credentials(parser, first, is_required=node.get("required") is True))
    description = as_text(node.get("description"))
    return Body(
        required=node.get("required") is True,
        media=(top, *alternatives),
        description=description,
        has_credentials_only=bool(parser.body_credentials) and not top.schema.get("properties"),
    )


def _without_credentials(parser: OperationParser, media: Media, *, is_required: bool) -> Schema:
    """Return the schema of a body, its `$ref` followed, without the properties that are credentials of the user."""
    spec = parser.operation.spec
    schema = spec.schema(media.schema)
    names = spec.credential_parameters.body_names
    if not names or not (may_be_json(media.content_type) or essence(media.content_type) == FORM):
        return schema
    properties, required = as_map(schema.get("properties")), as_list(schema.get("required"))
    taken = {
        name
        for name in properties
        if name in names and parser.takes_credential("body", name, is_required=is_required and name in required)
    }
    if not taken:
        return schema
    rest = {name: value for name, value in properties.items() if name not in taken}
    return {**schema, "properties": rest, "required": [name for name in required if name not in taken]}


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


def _parse_security(parser: OperationParser, node: Mapping[str, object]) -> tuple[Requirement, ...]:
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
        result.append(
            {id: tuple(map(str, scopes)) if isinstance(scopes, list) else () for id, scopes in requirement.items()}
        )
    # An empty requirement among others makes the credentials optional, but with no other there is nothing to send.
    return tuple(result) if any(result) else ()


def load_response_details(document: Document, node: Mapping[str, object], operation: Operation) -> ResponseDetails:
    """Return the ResponseDetails of an operation. Faults become Issues; nothing here raises."""
    parser = OperationParser(document, operation)
    responses = tuple(_parse_responses(parser, node.get("responses")))
    return ResponseDetails(responses=responses, issues=tuple(parser.issues))


def _parse_responses(parser: OperationParser, value: object) -> Iterator[Response]:
    for status, entry in as_map(value).items():
        if status.startswith("x-"):
            continue
        location = f"responses.{status}"
        node = parser.follow(entry, location, Level.WARNING) or {}
        yield Response(
            status=status,
            description=as_text(node.get("description")),
            media=tuple(_parse_media(parser, node.get("content"), f"{location}.content", Level.WARNING)),
            links=tuple(_parse_links(parser, node.get("links"), location)),
            headers=as_map(node.get("headers")),
        )


def _parse_links(parser: OperationParser, value: object, location: str) -> Iterator[Link]:
    for name, entry in as_map(value).items():
        node = parser.follow(entry, f"{location}.links.{name}", Level.WARNING) or {}
        target = node.get("operationId") or _referenced_operation_id(parser.operation, node.get("operationRef"))
        if not isinstance(target, str) or not parser.operation.spec.has(target):
            # A link is a convenience: its loss never makes an operation unusable, so it is a warning.
            parser.add_issue(Level.WARNING, location, f"link {name!r} leads to no operation; left out")
            continue
        yield Link(
            name=name,
            operation_id=target,
            parameters=as_map(node.get("parameters")),
            body=node.get("requestBody"),
            description=as_text(node.get("description")),
        )


def _referenced_operation_id(operation: Operation, ref: object) -> str | None:
    """Return the id of the operation that an operationRef such as `#/paths/~1pets~1{id}/get` refers to."""
    # References to other files were made local by `bundle`; what is still elsewhere cannot be called.
    if not isinstance(ref, str) or not ref.startswith("#/paths/"):
        return None
    path, _, method = ref.removeprefix("#/paths/").rpartition("/")
    path = unescape_step(unquote(path))
    return next((o.id for o in operation.spec.operations if o.path == path and o.method == method.upper()), None)
