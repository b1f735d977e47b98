"""Converts the parts of a Swagger 2.0 description to the form of OpenAPI 3; no other module knows 2.0.

Schemas are left to `schema_upgrade`, and `$ref`s stay: `#/definitions/Pet` is still valid. An operation is converted on
demand (docs/design/002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nlapi.errors import Issue, Level
from nlapi.openapi.document import Document
from nlapi.openapi.spec import FORM, MULTIPART, as_list, as_map, entries, essence
from nlapi.openapi.urls import is_http_url

JSON = "application/json"
BYTES = "application/octet-stream"

# Fields of a Parameter Object that are not part of its schema.
NON_SCHEMA_FIELDS = frozenset(("name", "in", "required", "collectionFormat", "allowEmptyValue", "schema", "x-example"))

# collectionFormat -> (location -> style, else `simple`), explode; Swagger 2.0, Parameter Object, "Fixed Fields".
# Lists with spaces, pipes or tabs exist in more locations than OpenAPI 3 has styles for, so the inner form is wider.
COLLECTION_FORMATS = {
    "csv": ({"query": "form", "cookie": "form", "formData": "form"}, False),
    "multi": ({"query": "form", "formData": "form"}, True),
    "ssv": (dict.fromkeys(("query", "path", "header", "formData"), "spaceDelimited"), False),
    "tsv": (dict.fromkeys(("query", "path", "header", "formData"), "tabDelimited"), False),
    "pipes": (dict.fromkeys(("query", "path", "header", "formData"), "pipeDelimited"), False),
}

# The OAuth flows that OpenAPI 3 renamed.
FLOW_NAMES = {"accessCode": "authorizationCode", "application": "clientCredentials"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedOperation:
    """One operation in the form of OpenAPI 3, including the parameters of its path item, and its issues."""

    node: Mapping[str, Any]
    issues: tuple[Issue, ...] = ()


def swagger_servers(tree: Mapping[str, object], source: str, schemes: object = None) -> list[dict[str, object]]:
    """Return a `servers` list made of `host`, `basePath` and `schemes`; `schemes` are those of an operation.

    A scheme in the host itself is first, then https. Absent parts are taken from the description's own URL (Swagger
    2.0, "Swagger Object").
    """
    base = tree.get("basePath")
    path = f"/{base.strip().strip('/')}" if isinstance(base, str) else "/"
    origin = urlsplit(source) if is_http_url(source) else None
    scheme, host = _scheme_and_host(tree.get("host"))
    if not host and origin is None:
        return [{"url": path}]
    stated_schemes = _texts(schemes) or _texts(tree.get("schemes"))
    http_schemes = [name.lower() for name in stated_schemes if name.lower() in ("http", "https")]
    if not http_schemes:
        http_schemes = [scheme or (origin.scheme if origin else "https")]
    host = host or (origin.netloc if origin else "")
    ordered = sorted(dict.fromkeys(http_schemes), key=lambda name: (name == scheme, name), reverse=True)
    return [{"url": f"{name}://{host}{path}"} for name in ordered]


def _scheme_and_host(value: object) -> tuple[str, str]:
    """Return scheme and host: some descriptions have a whole URL as the host."""
    scheme, mark, host = value.strip().rpartition("://") if isinstance(value, str) else ("", "", "")
    return (scheme.lower() if mark else ""), host.strip("/")


def security_schemes(tree: Mapping[str, object]) -> dict[str, Any]:
    """Return the `securityDefinitions` in the form of OpenAPI 3."""
    return {id: _security_scheme(node) for id, node in as_map(tree.get("securityDefinitions")).items()}


def _security_scheme(node: object) -> object:
    if not isinstance(node, Mapping):
        return node
    kind = node.get("type")
    if kind == "basic":
        return {**node, "type": "http", "scheme": "basic"}
    if kind == "oauth2" and "flows" not in node:
        flow = str(node.get("flow"))
        fields = {key: node[key] for key in ("authorizationUrl", "tokenUrl", "scopes") if key in node}
        return {**node, "flows": {FLOW_NAMES.get(flow, flow): fields}}
    return node


def upgrade_operation(
    document: Document, item: Mapping[str, Any], node: Mapping[str, Any], location: str
) -> UpgradedOperation:
    """Return the operation `node` of the path item `item`. An unresolved `$ref` stays, to be reported by the parser."""
    upgrade = _OperationUpgrade(document, node, location)
    parameters = upgrade.parameters(item)
    upgraded = {key: value for key, value in node.items() if key not in ("consumes", "produces", "schemes")}
    upgraded["parameters"] = [upgrade.parameter(parameter) for parameter in parameters if not _is_in_body(parameter)]
    if body := upgrade.body([parameter for parameter in parameters if _is_in_body(parameter)]):
        upgraded["requestBody"] = body
    if "schemes" in node:
        upgraded["servers"] = swagger_servers(document.tree, document.source, node["schemes"])
    return UpgradedOperation(node=upgraded, issues=tuple(upgrade.issues))


def upgrade_responses(document: Document, node: Mapping[str, object]) -> Mapping[str, object]:
    """Return an operation `node` that has only its responses, in the form of OpenAPI 3."""
    produces = _media_types(document, node, "produces")
    responses = as_map(node.get("responses"))
    return {
        "responses": {status: _upgrade_response(document, response, produces) for status, response in responses.items()}
    }


class _OperationUpgrade:
    """The conversion of one operation. `issues` holds the faults found so far."""

    def __init__(self, document: Document, node: Mapping[str, object], location: str) -> None:
        self.document = document
        self.node = node
        self.location = location
        self.issues: list[Issue] = []

    def add_issue(self, level: Level, location: str, message: str, hint: str = "") -> None:
        self.issues.append(Issue(level=level, where=f"{self.location}.{location}", message=message, hint=hint))

    def parameters(self, item: Mapping[str, Any]) -> list[Any]:
        """Return the parameters of path item and operation, with `$ref`s followed where possible."""
        parameters: dict[Any, Any] = {}
        for owner in (item, self.node):
            for value in entries(owner.get("parameters")):
                parameter = _follow_refs(self.document, value)
                has_name = isinstance(parameter, Mapping) and isinstance(parameter.get("name"), str)
                key = (str(parameter.get("in")), parameter["name"]) if has_name else (len(parameters), id(value))
                if isinstance(parameter, Mapping) and parameter.get("in") == "body":
                    # There is one body parameter at most, whatever its name (Swagger 2.0, Parameter Object).
                    key = ("body", "")
                parameters[key] = parameter
        return list(parameters.values())

    def parameter(self, node: object) -> Any:
        """Return a path, query or header parameter in the form of OpenAPI 3."""
        if not isinstance(node, Mapping) or "$ref" in node:
            return node
        schema = _schema_of_fields(node)
        parameter_fields = {
            key: value for key, value in node.items() if key in NON_SCHEMA_FIELDS or key.startswith("x-nlapi")
        }
        upgraded = {**parameter_fields, "description": node.get("description"), "deprecated": node.get("deprecated")}
        upgraded["schema"] = {k: v for k, v in schema.items() if k != "description" and not k.startswith("x-nlapi")}
        if "x-example" in node:
            upgraded["example"] = node["x-example"]
        return {**upgraded, **self.list_style(node, schema)}

    def list_style(self, node: Mapping[str, object], schema: Mapping[str, object]) -> dict[str, object]:
        """Return `style` and `explode` of a list; empty for other types."""
        location, name = node.get("in"), node.get("name")
        if schema.get("type") != "array" and "items" not in schema:
            return {}
        # Some descriptions write the format under `items`, where it is for nested lists only.
        stated = node.get("collectionFormat", as_map(node.get("items")).get("collectionFormat", "csv"))
        collection_format = str(stated).lower()
        if collection_format not in COLLECTION_FORMATS or (
            collection_format == "multi" and location not in ("query", "formData")
        ):
            message = f"collectionFormat {stated!r} is not for {location}; csv is used"
            self.add_issue(Level.WARNING, f"parameters.{name}", message)
            collection_format = "csv"
        styles, explode = COLLECTION_FORMATS[collection_format]
        if collection_format == "tsv":
            message = "collectionFormat tsv has no style in OpenAPI 3; the values are sent with tabs between them"
            self.add_issue(Level.INFO, f"parameters.{name}", message)
        return {"style": styles.get(str(location), "simple"), "explode": explode}

    def body(self, nodes: list[Mapping[str, object]]) -> dict[str, Any] | None:
        """Return the `requestBody` for the body parameter, or else for the form parameters."""
        body_parameters = [entry for entry in nodes if entry["in"] == "body"]
        fields = [entry for entry in nodes if entry["in"] != "body"]
        if not body_parameters:
            return self.form(fields) if fields else None
        if fields:
            names = ", ".join(str(entry.get("name")) for entry in fields)
            message = f"a body and form fields cannot both be sent; left out: {names}"
            self.add_issue(Level.WARNING, "parameters", message)
        node = body_parameters[0]
        schema = node["schema"] if "schema" in node else _schema_of_fields(node)
        types = [entry for entry in _media_types(self.document, self.node, "consumes") if entry] or [JSON]
        body_fields = {key: value for key, value in node.items() if key in ("description", "required")}
        example = {"example": node["x-example"]} if "x-example" in node else {}
        return {**body_fields, "content": {entry: {"schema": schema, **example} for entry in types}}

    def form(self, fields: list[Mapping[str, object]]) -> dict[str, Any]:
        """Return a form body: multipart if it has a file or nothing else is consumed, else urlencoded."""
        fields_by_name = {name: entry for entry in fields if isinstance(name := entry.get("name"), str)}
        if any(not isinstance(entry.get("name"), str) for entry in fields):
            self.add_issue(Level.WARNING, "parameters", "a form field without a name is left out")
        styles = {name: self.list_style(entry, _schema_of_fields(entry)) for name, entry in fields_by_name.items()}
        encoding = {name: style for name, style in styles.items() if style}
        properties = {name: _schema_of_fields(entry) for name, entry in fields_by_name.items()}
        required = [name for name, entry in fields_by_name.items() if entry.get("required") is True]
        schema = {"type": "object", "properties": properties, "required": required}
        media = {"schema": schema, "encoding": encoding}
        types = [essence(entry) for entry in _media_types(self.document, self.node, "consumes")]
        # Only multipart can carry a file, even where `consumes` names urlencoded first.
        has_file = any(
            "file" in (entry.get("type"), as_map(entry.get("items")).get("type")) for entry in fields_by_name.values()
        )
        multipart = has_file or (MULTIPART in types and FORM not in types)
        return {"required": bool(required), "content": {MULTIPART if multipart else FORM: media}}


def _is_in_body(node: object) -> bool:
    return isinstance(node, Mapping) and node.get("in") in ("body", "formData", "form")


def _schema_of_fields(node: Mapping[str, object]) -> dict[str, object]:
    """Return the schema made of the fields of a parameter, of its `items` or of a header."""
    schema_fields = {key: value for key, value in node.items() if key not in NON_SCHEMA_FIELDS}
    if "x-example" in node:
        schema_fields["example"] = node["x-example"]
    return {**as_map(node.get("schema")), **schema_fields}


def _upgrade_response(document: Document, value: object, produces: list[str]) -> object:
    node = _follow_refs(document, value)
    if not isinstance(node, Mapping) or "$ref" in node or "content" in node:
        return node
    examples = {key: entry for key, entry in as_map(node.get("examples")).items() if "/" in key}
    types = list(dict.fromkeys([*produces, *examples])) if "schema" in node else list(examples)
    # Without `produces` a response has no media type in 2.0; OpenAPI 3 needs one to hold the schema.
    if not types and "schema" in node:
        types = [BYTES if as_map(node["schema"]).get("type") == "file" else JSON]
    schema = {"schema": node["schema"]} if "schema" in node else {}
    headers = {
        name: {"schema": _schema_of_fields(as_map(entry))} for name, entry in as_map(node.get("headers")).items()
    }
    return {
        **{key: entry for key, entry in node.items() if key not in ("schema", "examples")},
        "content": {
            entry: {**schema, **({"example": examples[entry]} if entry in examples else {})} for entry in types
        },
        "headers": headers,
    }


def _media_types(document: Document, node: Mapping[str, object], key: str) -> list[str]:
    """Return the operation's `consumes` or `produces`, even when empty; else the description's."""
    return _texts(node[key] if isinstance(node.get(key), list | str) else document.tree.get(key))


def _follow_refs(document: Document, node: object) -> Any:
    """Return the target of a chain of `$ref`s, or the first node when it is unresolved."""
    try:
        return document.follow(node)
    except LookupError:
        return node


def _texts(value: object) -> list[str]:
    entries = [value] if isinstance(value, str) else as_list(value)
    return [entry for entry in entries if isinstance(entry, str)]
