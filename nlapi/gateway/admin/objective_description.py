"""The OpenAPI description of one objective: the serving operation with the objective's input, output and context."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, etag_header
from nlapi.gateway.control.codec import Json
from nlapi.gateway.http.description import load_description
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.routing.model import Field, Objective

SERVE_PATH = "/v1/objectives/{objective}/serve"
# The root of the gateway as seen from the description's own address: right behind every proxy, whatever its scheme,
# host and prefix are (OpenAPI 3.1 §4.6: a relative server is resolved against the location of the document).
_SERVER = "../../../"
_DATA_KEYWORDS = frozenset(("const", "enum", "default", "examples", "example"))
_NAMED_SCHEMAS = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))


async def describe_objective(call: ApiCall) -> ApiResponse:
    current, name = call.gateway.publisher.current, call.stored_name("objective")
    objective = current.configuration.objectives.get(name)
    if objective is None:
        # Without the nearest name: anybody may ask.
        raise GatewayProblem(404, f"there is no objective {name[:80]!r}", code="unknown_objective")
    document = await asyncio.to_thread(objective_description, objective, current.table.revision)
    return ApiResponse(body=document, headers=etag_header(current.table.revision))


def objective_description(objective: Objective, revision: int) -> Json:
    """Return the OpenAPI 3.1 document of an objective; its version is the revision's number."""
    tree = load_description().tree
    title = objective.title or objective.name
    operation = {
        **{key: value for key, value in tree["paths"][SERVE_PATH]["post"].items() if key not in ("tags", "x-nlapi")},
        # The operation's own verb comes first in each text: nlapi does not believe that "Continue watching" reads.
        "summary": f'Serve "{title}"',
        "description": f"Serves the objective {objective.name}. {objective.description}".strip(),
        "responses": {
            status: {key: value for key, value in response.items() if key != "links"}
            for status, response in tree["paths"][SERVE_PATH]["post"]["responses"].items()
        },
        # A repeated call of an objective that is not idempotent does something twice: nlapi asks before it calls.
        "x-nlapi": {"effect": "read" if objective.idempotent else "write"},
    }
    general = tree["components"]["schemas"]
    context = _context_schema(objective.context, general["Context"])
    components = _referenced_components([operation, context], tree)
    schemas = components["schemas"]
    schemas["Input"] = _rebase(objective.input, "#/components/schemas/Input")
    schemas["Output"] = _rebase(objective.output, "#/components/schemas/Output")
    schemas["Context"] = context
    schemas["ServeRequest"] = _with_property(general["ServeRequest"], "input", "Input")
    schemas["Served"] = _with_property(general["Served"], "output", "Output")
    scheme_names = {name for requirement in operation["security"] for name in requirement}
    components["securitySchemes"] = {
        name: scheme for name, scheme in tree["components"]["securitySchemes"].items() if name in scheme_names
    }
    return {
        "openapi": tree["openapi"],
        "info": {"title": title, "version": str(revision), **_described(objective.description)},
        "servers": [{"url": _SERVER}],
        "paths": {SERVE_PATH.replace("{objective}", objective.name): {"post": operation}},
        "components": components,
    }


def _with_property(schema: Mapping[str, Any], name: str, component: str) -> Json:
    """Return an object's schema in which one property has the schema of a component."""
    typed = {"$ref": f"#/components/schemas/{component}"}
    return {**schema, "properties": {**schema["properties"], name: typed}}


def _context_schema(fields: tuple[Field, ...], general: Mapping[str, Any]) -> Json:
    """Return the schema of a context that holds declared fields only; `general` is that of any objective."""
    properties = {
        field.name: {
            # Requests are checked against the general schema as well.
            **general["properties"].get(field.name, {}),
            "type": str(field.type),
            **({"enum": list(field.values)} if field.values else {}),
            **_described(field.description),
        }
        for field in fields
    }
    description = "What the request says about itself; the routing decides by it."
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": False}


def _described(text: str) -> Json:
    return {"description": text} if text else {}


def _referenced_components(node: Any, tree: Mapping[str, Any]) -> dict[str, Json]:
    """Return the components that a node refers to, directly or through others, by their section and name."""
    components: dict[str, Json] = {"schemas": {}}
    pending = [node]
    while pending:
        for reference in _references(pending.pop()):
            _, _, section, name = reference.split("/")
            if name not in components.setdefault(section, {}):
                components[section][name] = tree["components"][section][name]
                # The objective's own schema takes the place of the one in the general context.
                if (section, name) != ("schemas", "Context"):
                    pending.append(components[section][name])
    return components


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _rebase(schema: Any, root: str) -> Any:
    """Return a JSON Schema whose references to its own root point to its place in another document."""
    if isinstance(schema, list | tuple):
        return [_rebase(item, root) for item in schema]
    # A schema with an `$id` is a separate resource, whose references stay inside (JSON Schema 2020-12 Core §8.2.1).
    if not isinstance(schema, Mapping) or "$id" in schema:
        return schema
    rebased: Json = {}
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
            rebased[keyword] = root + value[1:]
        elif keyword in _DATA_KEYWORDS:
            rebased[keyword] = value
        elif keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            rebased[keyword] = {name: _rebase(item, root) for name, item in value.items()}
        else:
            rebased[keyword] = _rebase(value, root)
    return rebased
