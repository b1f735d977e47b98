"""The costly parts of one operation: parameters, body, responses, links, security."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nlapi.openapi.document import Document
from nlapi.openapi.headers import NOT_PARAMETERS, TOKEN
from nlapi.openapi.hints import cannot_hide, extensions, hidden, hints
from nlapi.openapi.issue import Issue, Level
from nlapi.openapi.judge import judge
from nlapi.openapi.refs import ITSELF, lost
from nlapi.openapi.spec import (
    Answers,
    Body,
    Details,
    Encoding,
    Link,
    Media,
    Operation,
    Parameter,
    Requirement,
    Response,
    Schema,
    Server,
    Spec,
)
from nlapi.openapi.upgrade import upgrade_schema

PLACES = ("path", "query", "header", "cookie")
STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
}
"""The styles that each place knows, its default first; OpenAPI 3.1.1 §4.8.12.2."""

COLLECTIONS = ("spaceDelimited", "pipeDelimited", "tabDelimited")
"""The styles that Swagger 2.0's `collectionFormat` knows besides, in every place; only `swagger2` gives them."""


class _Reader:
    """Reads one operation and collects what is wrong with it."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self.document = document
        self.operation = operation
        self.issues: list[Issue] = []

    def issue(self, level: Level, where: str, message: str, hint: str = "") -> None:
        where = f"{self.operation.where}.{where}" if where else self.operation.where
        self.issues.append(Issue(level=level, where=where, message=message, hint=hint))

    def follow(self, node: Any, where: str, level: Level = Level.ERROR) -> Mapping[str, Any] | None:
        """The map that `node` is or leads to; None, with an Issue, when there is none. A lost `$ref` is of `level`."""
        seen: set[str] = set()
        while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
            ref = node["$ref"]
            if ref in seen:
                self.issue(level, where, f"$ref {ref!r} leads to itself")
                return None
            seen.add(ref)
            try:
                node = self.document.lookup(ref)
            except LookupError as error:
                self.issue(level, where, f"$ref {error.args[0]}")
                return None
        if not isinstance(node, Mapping):
            self.issue(Level.WARNING, where, "not a map; left out")
            return None
        return node

    def schema(self, node: Any) -> Schema:
        upgraded = upgrade_schema(node, self.document.minor)
        return upgraded if isinstance(upgraded, Mapping) else {} if upgraded else {"not": {}}

    def lost(self, schema: Schema, where: str) -> None:
        """Tells of the `$ref`s in a schema that lead nowhere: an ERROR when that is all there is of it."""
        for ref, reason in lost(self.operation.spec, schema).items():
            if ref == schema.get("$ref") and not reason.endswith(ITSELF):
                self.issue(Level.ERROR, where, f"$ref {reason}")
            else:
                self.issue(Level.WARNING, where, f"$ref {reason}", "any value is taken there")

    def hints(self, schema: Schema, where: str, *, required: bool = False) -> None:
        """Tells what is wrong with the `x-nlapi` in a schema; nothing is looked at where a description has none."""
        if not self.document.hinted:
            return
        where = f"{self.operation.where}.{where}"
        self.issues.extend(judge(self.operation.spec, schema, where))
        top = self.operation.spec.follow(schema)
        if required and hints(top).hide and not hidden(top, required=True):
            self.issues.append(cannot_hide(where))


def load_details(
    document: Document,
    item: Mapping[str, Any],
    node: Mapping[str, Any],
    operation: Operation,
    servers: tuple[Server, ...],
) -> Details:
    """The Details of an operation; its faults are in `issues`. Nothing here raises."""
    reader = _Reader(document, operation)
    return Details(
        parameters=_parameters(reader, item, node),
        body=_body(reader, node.get("requestBody")),
        security=_security(reader, node),
        servers=servers,
        issues=tuple(reader.issues),
    )


def load_answers(document: Document, node: Mapping[str, Any], operation: Operation) -> Answers:
    """The Answers of an operation. Nothing here raises."""
    reader = _Reader(document, operation)
    responses = tuple(_responses(reader, node.get("responses")))
    return Answers(responses=responses, issues=tuple(reader.issues))


def _parameters(reader: _Reader, item: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Those of the path item, those of the operation over them, and one for each bare `{name}` of the path."""
    found: dict[tuple[str, str], Parameter] = {}
    for owner in (item, node):
        listed = owner.get("parameters")
        values = listed if isinstance(listed, list) else list(listed.values()) if isinstance(listed, Mapping) else []
        for index, value in enumerate(values):
            parameter = _parameter(reader, value, f"parameters[{index}]")
            if parameter:
                found[parameter.where, parameter.name] = parameter
    names = _template_names(reader.operation, found)
    for name in names:
        if ("path", name) not in found:
            reader.issue(Level.WARNING, "parameters", f"{{{name}}} of the path is not described; taken as a string")
            found["path", name] = Parameter(
                name=name, where="path", required=True, schema={"type": "string"}, style="simple", explode=False
            )
    return tuple(p for p in found.values() if p.where != "path" or _in_path(reader, p, names))


def _template_names(operation: Operation, found: Mapping[tuple[str, str], Parameter]) -> list[str]:
    """The names in braces of the path; of those in its fixed query, the ones that no query parameter sends."""
    names = re.findall(r"\{([^{}]+)\}", operation.route)
    fixed = re.findall(r"\{([^{}]+)\}", operation.fixed_query)
    return [*names, *(name for name in fixed if ("query", name) not in found)]


def _in_path(reader: _Reader, parameter: Parameter, names: list[str]) -> bool:
    if parameter.name in names:
        return True
    reader.issue(Level.WARNING, "parameters", f"path parameter {parameter.name!r} is not in the path; left out")
    return False


def _parameter(reader: _Reader, value: Any, where: str) -> Parameter | None:
    """The Parameter of a node. One that many operations refer to, and that nothing is wrong with, is parsed once."""
    ref = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(ref, str):
        return _one_parameter(reader, value, where)
    known: dict[str, Parameter] = reader.operation.spec.memo.setdefault("parameters", {})
    if ref in known:
        return known[ref]
    before = len(reader.issues)
    parameter = _one_parameter(reader, value, where)
    if parameter is not None and len(reader.issues) == before:
        known[ref] = parameter
    return parameter


def _one_parameter(reader: _Reader, value: Any, where: str) -> Parameter | None:
    node = reader.follow(value, where)
    if node is None:
        return None
    name, place = node.get("name"), node.get("in")
    if not isinstance(name, str) or not name or place not in PLACES:
        reader.issue(Level.WARNING, where, f"in: {place!r} with name: {name!r} is not a parameter; left out")
        return None
    if place == "header" and (name.lower() in NOT_PARAMETERS or not TOKEN.fullmatch(name)):
        reader.issue(Level.INFO, where, f"header {name!r} is not for callers to set; left out")
        return None
    styles = (*STYLES[place], *COLLECTIONS) if reader.document.is_swagger else STYLES[place]
    style = node.get("style") or styles[0]
    if style not in styles:
        reader.issue(Level.WARNING, where, f"style {style!r} is not for {place}; {styles[0]} is used")
        style = styles[0]
    content_type, schema = _parameter_schema(reader, node)
    reader.lost(schema, f"{where}.schema")
    if own := extensions(node):
        schema = {**schema, **own}
    required = place == "path" or node.get("required") is True
    reader.hints(schema, f"{where}.schema", required=required)
    explode = node.get("explode")
    return Parameter(
        name=name,
        where=place,
        required=required,
        schema=schema,
        description=hints(own).description or _text(node.get("description")),
        style=style,
        explode=explode if isinstance(explode, bool) else style in ("form", "cookie", "deepObject"),
        allow_reserved=node.get("allowReserved") is True,
        allow_empty=node.get("allowEmptyValue") is True,
        content_type=content_type,
        deprecated=node.get("deprecated") is True,
        extensions=own,
    )


def _parameter_schema(reader: _Reader, node: Mapping[str, Any]) -> tuple[str | None, Schema]:
    content = node.get("content")
    if isinstance(content, Mapping) and content:
        content_type, media = next(iter(content.items()))
        return content_type, reader.schema(media.get("schema") if isinstance(media, Mapping) else {})
    schema = dict(reader.schema(node.get("schema", {})))
    examples = _examples(node)
    if examples and "examples" not in schema and "$ref" not in schema:
        schema["examples"] = list(examples)
    return None, schema


def _body(reader: _Reader, value: Any) -> Body | None:
    node = reader.follow(value, "requestBody") if value is not None else None
    if node is None:
        return None
    media = tuple(_media(reader, node.get("content"), "requestBody.content", Level.ERROR))
    if not media:
        reader.issue(Level.WARNING, "requestBody", "a body without a media type cannot be sent; left out")
        return None
    first, *others = sorted(media, key=lambda one: _rank(one.content_type))
    reader.lost(first.schema, f"requestBody.content.{first.content_type}.schema")
    reader.hints(first.schema, f"requestBody.content.{first.content_type}.schema")
    top = replace(first, schema=_top(reader.operation.spec, first.schema))
    description = _text(node.get("description"))
    return Body(required=node.get("required") is True, media=(top, *others), description=description)


def _top(spec: Spec, schema: Schema) -> Schema:
    followed = spec.follow(schema)
    return followed if isinstance(followed, Mapping) else {}


def _rank(content_type: str) -> int:
    """JSON is sent before its variants, forms, text and binary; XML, which nlapi cannot write from data, comes last."""
    essence = content_type.partition(";")[0].strip().lower()
    if essence in ("application/json", "*/*", "application/*"):
        return 0
    if essence.endswith("+json") or essence == "text/json":
        return 1
    known = ("multipart/form-data", "application/x-www-form-urlencoded")
    if essence in known:
        return 2 + known.index(essence)
    return 6 if essence.endswith(("/xml", "+xml")) else 5 if essence == "application/octet-stream" else 4


def _media(reader: _Reader, content: Any, where: str, level: Level) -> Iterator[Media]:
    for content_type, value in content.items() if isinstance(content, Mapping) else ():
        node = reader.follow(value, f"{where}.{content_type}", level) or {}
        encoding = node.get("encoding")
        yield Media(
            content_type=content_type,
            schema=reader.schema(node.get("schema", {})),
            encoding={
                name: _encoding(one)
                for name, one in (encoding.items() if isinstance(encoding, Mapping) else ())
                if isinstance(one, Mapping)
            },
            examples=_examples(node),
        )


def _encoding(node: Mapping[str, Any]) -> Encoding:
    return Encoding(
        content_type=node.get("contentType") if isinstance(node.get("contentType"), str) else None,
        headers=node["headers"] if isinstance(node.get("headers"), Mapping) else {},
        style=node.get("style") if isinstance(node.get("style"), str) else None,
        explode=node.get("explode") if isinstance(node.get("explode"), bool) else None,
        allow_reserved=node.get("allowReserved") is True,
    )


def _examples(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of `example` and `examples` of a parameter or media type."""
    values = [node["example"]] if "example" in node else []
    given = node.get("examples")
    named = given.values() if isinstance(given, Mapping) else ()
    return (*values, *(one["value"] for one in named if isinstance(one, Mapping) and "value" in one))


def _responses(reader: _Reader, value: Any) -> Iterator[Response]:
    for status, one in value.items() if isinstance(value, Mapping) else ():
        if status.startswith("x-"):
            continue
        where = f"responses.{status}"
        node = reader.follow(one, where, Level.WARNING) or {}
        yield Response(
            status=status,
            description=_text(node.get("description")),
            media=tuple(_media(reader, node.get("content"), f"{where}.content", Level.WARNING)),
            links=tuple(_links(reader, node.get("links"), where)),
            headers=node["headers"] if isinstance(node.get("headers"), Mapping) else {},
        )


def _links(reader: _Reader, value: Any, where: str) -> Iterator[Link]:
    for name, one in value.items() if isinstance(value, Mapping) else ():
        node = reader.follow(one, f"{where}.links.{name}", Level.WARNING) or {}
        target = node.get("operationId") or _target(reader.operation, node.get("operationRef"))
        if not isinstance(target, str) or not reader.operation.spec.has(target):
            reader.issue(Level.WARNING, where, f"link {name!r} leads to no operation; left out")
            continue
        parameters = node.get("parameters")
        yield Link(
            name=name,
            operation_id=target,
            parameters=parameters if isinstance(parameters, Mapping) else {},
            body=node.get("requestBody"),
            description=_text(node.get("description")),
        )


def _target(operation: Operation, ref: Any) -> str | None:
    """The id of the operation that an operationRef such as `#/paths/~1pets~1{id}/get` leads to."""
    if not isinstance(ref, str) or not ref.startswith("#/paths/"):
        return None
    path, _, method = ref.removeprefix("#/paths/").rpartition("/")
    path = path.replace("~1", "/").replace("~0", "~")
    return next((o.id for o in operation.spec.operations if o.path == path and o.method == method.upper()), None)


def _security(reader: _Reader, node: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """The operation's own requirements, else those of the description; OpenAPI 3.1.1 §4.8.10 and §4.8.30."""
    listed = node.get("security", reader.document.tree.get("security"))
    known = reader.operation.spec.security_schemes
    result = []
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, Mapping):
            continue
        unknown = [id for id in one if id not in known]
        if unknown:
            reader.issue(Level.WARNING, "security", f"security scheme {unknown[0]!r} is not described; left out")
            continue
        result.append({id: tuple(map(str, scopes)) if isinstance(scopes, list) else () for id, scopes in one.items()})
    return tuple(result) if any(result) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
