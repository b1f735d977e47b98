"""Converts the parts of a Swagger 2.0 description to the form of OpenAPI 3; no other module knows 2.0.

Schemas are left to `schema_upgrade`, and `$ref`s stay: `#/definitions/Pet` is still valid. An operation is converted on
demand (docs/design/002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nlapi.issue import Issue, Level
from nlapi.openapi.document import Document
from nlapi.openapi.parts import FORM, MULTIPART, as_list, as_map, entries, essence

JSON = "application/json"
BYTES = "application/octet-stream"

# Fields of a Parameter Object that are not part of its schema.
ABOUT_PARAMETER = frozenset(("name", "in", "required", "collectionFormat", "allowEmptyValue", "schema", "x-example"))

# collectionFormat -> (location -> style, else `simple`), explode; Swagger 2.0, Parameter Object, "Fixed Fields".
# Lists with spaces, pipes or tabs exist in more locations than OpenAPI 3 has styles for, so the inner form is wider.
COLLECTIONS = {
    "csv": ({"query": "form", "cookie": "form", "formData": "form"}, False),
    "multi": ({"query": "form", "formData": "form"}, True),
    "ssv": (dict.fromkeys(("query", "path", "header", "formData"), "spaceDelimited"), False),
    "tsv": (dict.fromkeys(("query", "path", "header", "formData"), "tabDelimited"), False),
    "pipes": (dict.fromkeys(("query", "path", "header", "formData"), "pipeDelimited"), False),
}

# The OAuth flows that OpenAPI 3 renamed.
FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """One operation in the form of OpenAPI 3, including the parameters of its path item, and its issues."""

    node: Mapping[str, Any]
    issues: tuple[Issue, ...] = ()


def servers(tree: Mapping[str, Any], source: str, schemes: Any = None) -> list[dict[str, Any]]:
    """Return a `servers` list made of `host`, `basePath` and `schemes`; `schemes` are those of an operation.

    A scheme in the host itself is first, then https. Absent parts are taken from the description's own URL (Swagger
    2.0, "Swagger Object").
    """
    base = tree.get("basePath")
    path = f"/{base.strip().strip('/')}" if isinstance(base, str) else "/"
    origin = urlsplit(source) if source.startswith(("http://", "https://")) else None
    scheme, host = _host(tree.get("host"))
    if not host and origin is None:
        return [{"url": path}]
    named = _texts(schemes) or _texts(tree.get("schemes"))
    known = [one.lower() for one in named if one.lower() in ("http", "https")]
    if not known:
        known = [scheme or (origin.scheme if origin else "https")]
    host = host or (origin.netloc if origin else "")
    first = sorted(dict.fromkeys(known), key=lambda one: (one == scheme, one), reverse=True)
    return [{"url": f"{one}://{host}{path}"} for one in first]


def _host(value: Any) -> tuple[str, str]:
    """Return scheme and host: some descriptions have a whole URL as the host."""
    scheme, mark, host = value.strip().rpartition("://") if isinstance(value, str) else ("", "", "")
    return (scheme.lower() if mark else ""), host.strip("/")


def security_schemes(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `securityDefinitions` in the form of OpenAPI 3."""
    return {id: _security_scheme(one) for id, one in as_map(tree.get("securityDefinitions")).items()}


def _security_scheme(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    kind = node.get("type")
    if kind == "basic":
        return {**node, "type": "http", "scheme": "basic"}
    if kind == "oauth2" and "flows" not in node:
        flow = str(node.get("flow"))
        fields = {key: node[key] for key in ("authorizationUrl", "tokenUrl", "scopes") if key in node}
        return {**node, "flows": {FLOWS.get(flow, flow): fields}}
    return node


def upgrade_operation(document: Document, item: Mapping[str, Any], node: Mapping[str, Any], where: str) -> Upgraded:
    """Return the operation `node` of the path item `item`. An unresolved `$ref` stays, to be reported by the parser."""
    upgrade = _Upgrade(document, node, where)
    parameters = upgrade.parameters(item)
    upgraded = {key: value for key, value in node.items() if key not in ("consumes", "produces", "schemes")}
    upgraded["parameters"] = [upgrade.parameter(one) for one in parameters if not _in_body(one)]
    if body := upgrade.body([one for one in parameters if _in_body(one)]):
        upgraded["requestBody"] = body
    if "schemes" in node:
        upgraded["servers"] = servers(document.tree, document.source, node["schemes"])
    return Upgraded(node=upgraded, issues=tuple(upgrade.issues))


def upgrade_answers(document: Document, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an operation `node` that has only its responses, in the form of OpenAPI 3."""
    produces = _media_types(document, node, "produces")
    responses = as_map(node.get("responses"))
    return {"responses": {status: _response(document, one, produces) for status, one in responses.items()}}


class _Upgrade:
    """The conversion of one operation. `issues` holds the faults found so far."""

    def __init__(self, document: Document, node: Mapping[str, Any], where: str) -> None:
        self.document = document
        self.node = node
        self.where = where
        self.issues: list[Issue] = []

    def issue(self, level: Level, where: str, message: str, hint: str = "") -> None:
        self.issues.append(Issue(level=level, where=f"{self.where}.{where}", message=message, hint=hint))

    def parameters(self, item: Mapping[str, Any]) -> list[Any]:
        """Return the parameters of path item and operation, with `$ref`s followed where possible."""
        found: dict[Any, Any] = {}
        for owner in (item, self.node):
            for value in entries(owner.get("parameters")):
                one = _followed(self.document, value)
                named = isinstance(one, Mapping) and isinstance(one.get("name"), str)
                key = (str(one.get("in")), one["name"]) if named else (len(found), id(value))
                if isinstance(one, Mapping) and one.get("in") == "body":
                    # There is one body parameter at most, whatever its name (Swagger 2.0, Parameter Object).
                    key = ("body", "")
                found[key] = one
        return list(found.values())

    def parameter(self, node: Any) -> Any:
        """Return a path, query or header parameter in the form of OpenAPI 3."""
        if not isinstance(node, Mapping) or "$ref" in node:
            return node
        schema = _schema(node)
        kept = {key: value for key, value in node.items() if key in ABOUT_PARAMETER or key.startswith("x-nlapi")}
        upgraded = {**kept, "description": node.get("description"), "deprecated": node.get("deprecated")}
        upgraded["schema"] = {k: v for k, v in schema.items() if k != "description" and not k.startswith("x-nlapi")}
        if "x-example" in node:
            upgraded["example"] = node["x-example"]
        return {**upgraded, **self.collection(node, schema)}

    def collection(self, node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return `style` and `explode` of a list; empty for other types."""
        place, name = node.get("in"), node.get("name")
        if schema.get("type") != "array" and "items" not in schema:
            return {}
        # Some descriptions write the format under `items`, where it is for nested lists only.
        given = node.get("collectionFormat", as_map(node.get("items")).get("collectionFormat", "csv"))
        wanted = str(given).lower()
        if wanted not in COLLECTIONS or (wanted == "multi" and place not in ("query", "formData")):
            message = f"collectionFormat {given!r} is not for {place}; csv is used"
            self.issue(Level.WARNING, f"parameters.{name}", message)
            wanted = "csv"
        styles, explode = COLLECTIONS[wanted]
        if wanted == "tsv":
            message = "collectionFormat tsv has no style in OpenAPI 3; the values are sent with tabs between them"
            self.issue(Level.INFO, f"parameters.{name}", message)
        return {"style": styles.get(str(place), "simple"), "explode": explode}

    def body(self, nodes: list[Mapping[str, Any]]) -> dict[str, Any] | None:
        """Return the `requestBody` for the body parameter, or else for the form parameters."""
        whole = [one for one in nodes if one["in"] == "body"]
        fields = [one for one in nodes if one["in"] != "body"]
        if not whole:
            return self.form(fields) if fields else None
        if fields:
            names = ", ".join(str(one.get("name")) for one in fields)
            message = f"a body and form fields cannot both be sent; left out: {names}"
            self.issue(Level.WARNING, "parameters", message)
        node = whole[0]
        schema = node["schema"] if "schema" in node else _schema(node)
        types = [one for one in _media_types(self.document, self.node, "consumes") if one] or [JSON]
        about = {key: value for key, value in node.items() if key in ("description", "required")}
        example = {"example": node["x-example"]} if "x-example" in node else {}
        return {**about, "content": {one: {"schema": schema, **example} for one in types}}

    def form(self, fields: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a form body: multipart if it has a file or nothing else is consumed, else urlencoded."""
        named = {name: one for one in fields if isinstance(name := one.get("name"), str)}
        if any(not isinstance(one.get("name"), str) for one in fields):
            self.issue(Level.WARNING, "parameters", "a form field without a name is left out")
        styles = {name: self.collection(one, _schema(one)) for name, one in named.items()}
        encoding = {name: style for name, style in styles.items() if style}
        properties = {name: _schema(one) for name, one in named.items()}
        required = [name for name, one in named.items() if one.get("required") is True]
        schema = {"type": "object", "properties": properties, "required": required}
        media = {"schema": schema, "encoding": encoding}
        types = [essence(one) for one in _media_types(self.document, self.node, "consumes")]
        # Only multipart can carry a file, even where `consumes` names urlencoded first.
        has_file = any("file" in (one.get("type"), as_map(one.get("items")).get("type")) for one in named.values())
        multipart = has_file or (MULTIPART in types and FORM not in types)
        return {"required": bool(required), "content": {MULTIPART if multipart else FORM: media}}


def _in_body(node: Any) -> bool:
    return isinstance(node, Mapping) and node.get("in") in ("body", "formData", "form")


def _schema(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema made of the fields of a parameter, of its `items` or of a header."""
    own = {key: value for key, value in node.items() if key not in ABOUT_PARAMETER}
    if "x-example" in node:
        own["example"] = node["x-example"]
    return {**as_map(node.get("schema")), **own}


def _response(document: Document, value: Any, produces: list[str]) -> Any:
    node = _followed(document, value)
    if not isinstance(node, Mapping) or "$ref" in node or "content" in node:
        return node
    examples = {key: one for key, one in as_map(node.get("examples")).items() if "/" in key}
    types = list(dict.fromkeys([*produces, *examples])) if "schema" in node else list(examples)
    # Without `produces` a response has no media type in 2.0; OpenAPI 3 needs one to hold the schema.
    if not types and "schema" in node:
        types = [BYTES if as_map(node["schema"]).get("type") == "file" else JSON]
    schema = {"schema": node["schema"]} if "schema" in node else {}
    headers = {name: {"schema": _schema(as_map(one))} for name, one in as_map(node.get("headers")).items()}
    return {
        **{key: one for key, one in node.items() if key not in ("schema", "examples")},
        "content": {one: {**schema, **({"example": examples[one]} if one in examples else {})} for one in types},
        "headers": headers,
    }


def _media_types(document: Document, node: Mapping[str, Any], key: str) -> list[str]:
    """Return the operation's `consumes` or `produces`, even when empty; else the description's."""
    return _texts(node[key] if isinstance(node.get(key), list | str) else document.tree.get(key))


def _followed(document: Document, node: Any) -> Any:
    """Return the target of a chain of `$ref`s, or the first node when it is unresolved."""
    found, seen = node, set[str]()
    while isinstance(found, Mapping) and isinstance(found.get("$ref"), str):
        if found["$ref"] in seen:
            return node
        seen.add(found["$ref"])
        try:
            found = document.lookup(found["$ref"])
        except LookupError:
            return node
    return found


def _texts(value: Any) -> list[str]:
    listed = [value] if isinstance(value, str) else as_list(value)
    return [one for one in listed if isinstance(one, str)]
