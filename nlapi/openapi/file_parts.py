"""Says what of another file may become a part of a description: objects of the kind that is used there, nothing else.

A `$ref` can name any YAML file, such as one with secrets. Its words must not reach a tool by way of an object whose
other keys nobody reads (docs/design/005-bundling.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nlapi.openapi.object_fields import OBJECT_FIELDS
from nlapi.openapi.schema_upgrade import (
    BOUND_KEYWORDS,
    COUNT_KEYWORDS,
    DROPPED_KEYWORDS,
    SCHEMA_KEYWORDS,
    SCHEMA_LIST_KEYWORDS,
    SCHEMA_MAP_KEYWORDS,
)

_DOCUMENTATION = ("summary", "description")
_SCHEMA_FIELDS = frozenset(
    (
        *SCHEMA_MAP_KEYWORDS, *SCHEMA_LIST_KEYWORDS, *SCHEMA_KEYWORDS, *COUNT_KEYWORDS, *BOUND_KEYWORDS,
        *DROPPED_KEYWORDS, "type", "enum", "const", "format", "multipleOf", "pattern", "required", "uniqueItems",
        "dependentRequired", "additionalItems", "title", "description", "default", "deprecated", "readOnly",
        "writeOnly", "examples", "contentEncoding", "contentMediaType", "$comment",
    )
)  # fmt: skip
_FIELDS: Mapping[str, frozenset[str]] = {
    kind: frozenset((*OBJECT_FIELDS[kind], *_DOCUMENTATION, *names))
    for kind, names in {
        "parameter": ("name", "in", "required", "style", "explode", "type", "items", "example", "enum", "default"),
        "header": ("required", "style", "explode", "type", "items", "example", "enum", "default"),
        "requestBody": ("required",),
        "response": ("examples",),
        "media": ("example", "prefixEncoding", "itemEncoding"),
        "encoding": ("contentType", "style", "explode", "allowReserved"),
        "link": ("operationId", "operationRef", "parameters", "requestBody", "server"),
        "securityScheme": ("type", "name", "in", "scheme", "flows", "flow", "openIdConnectUrl", "bearerFormat"),
        "example": ("value", "dataValue", "serializedValue", "externalValue"),
        "pathItem": (),
        "operation": ("operationId", "deprecated", "consumes", "produces", "schemes", "externalDocs"),
    }.items()
} | {"schema": _SCHEMA_FIELDS}
"""Kind -> the fields of its objects. A kind that is not here has any keys: a map, or an object without texts."""

# Its value is shown as it is, so that no other key may stand beside it: a variable of a deployment has `value` too.
_CLOSED_KINDS = frozenset(("example",))


def is_part(node: object, kind: str) -> bool:
    """Return whether a node of another file can be an object of a kind: it has a field of that kind, or no field."""
    if not isinstance(node, dict):
        return kind == "schema" and isinstance(node, bool)
    if not node or "$ref" in node or kind not in _FIELDS:
        return True
    known = [key in _FIELDS[kind] for key in node if not str(key).startswith("x-")]
    return all(known) if kind in _CLOSED_KINDS else any(known)


def restrict(parts: Iterable[tuple[object, str, bool]]) -> None:
    """Remove what no object of its kind has from nodes of other files, in place.

    Each part is a node, its kind, and whether it is a list or map of nodes of that kind.
    """
    todo, visited = list(parts), set[tuple[int, str, bool]]()
    while todo:
        part = node, kind, is_collection = todo.pop()
        if not isinstance(node, dict | list) or (key := (id(node), kind, is_collection)) in visited:
            continue
        visited.add(key)
        if is_collection:
            todo += [(child, kind, False) for child in _keep_parts(*part[:2])]
        elif isinstance(node, dict):
            if kind == "schema":
                for name in [name for name in node if not _is_keyword(name)]:
                    del node[name]
            fields = OBJECT_FIELDS[kind]
            todo += [(value, *field) for name, value in node.items() if (field := fields.get(name) or fields.get("*"))]


def _keep_parts(nodes: object, kind: str) -> Iterable[object]:
    """Remove what is no object of a kind from a list or map of them, and return the rest."""
    if isinstance(nodes, list):
        nodes[:] = [node for node in nodes if is_part(node, kind)]
        return nodes
    assert isinstance(nodes, dict)
    for name in [name for name, node in nodes.items() if not is_part(node, kind) and not str(name).startswith("x-")]:
        del nodes[name]
    return nodes.values()


def _is_keyword(name: object) -> bool:
    return name in _SCHEMA_FIELDS or str(name).startswith("x-")
