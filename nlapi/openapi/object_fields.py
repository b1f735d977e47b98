"""Defines which fields of which OpenAPI object hold which other objects.

OpenAPI 3.0 to 3.2 and Swagger 2.0 share one table: a field of the same name holds the same kind of object in each.
"""

from __future__ import annotations

from collections.abc import Mapping

from nlapi.openapi.document import METHODS
from nlapi.openapi.schema_upgrade import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS

FieldKind = tuple[str, bool]
"""The kind of object that a field holds; True when it holds a list or map of them."""

COMPONENT_SECTIONS: Mapping[str, tuple[str, str]] = {
    "schema": ("definitions", "schemas"),
    "parameter": ("parameters", "parameters"),
    "response": ("responses", "responses"),
    "requestBody": ("", "requestBodies"),
    "header": ("", "headers"),
    "link": ("", "links"),
    "callback": ("", "callbacks"),
    "securityScheme": ("", "securitySchemes"),
}
"""Kind -> its section in Swagger 2.0 ("" for none) and under `components` in OpenAPI 3. Other kinds have no section."""

EXTENSIBLE_KINDS = frozenset(("pathItem", "response"))
"""Kinds in whose maps a key that begins with `x-` is an extension; in other maps it is a name."""

# A Header Object has the fields of a Parameter Object (OpenAPI 3.1.1 §4.8.21).
PARAMETER_FIELDS: Mapping[str, FieldKind] = {
    "schema": ("schema", False),
    "content": ("media", True),
    "examples": ("example", True),
}

OBJECT_FIELDS: Mapping[str, Mapping[str, FieldKind]] = {
    "root": {
        "info": ("plain", False),
        "servers": ("plain", True),
        "tags": ("plain", True),
        "security": ("plain", True),
        "paths": ("pathItem", True),
        "webhooks": ("pathItem", True),
        "components": ("components", False),
        **{old: (kind, True) for kind, (old, _) in COMPONENT_SECTIONS.items() if old},
        "securityDefinitions": ("securityScheme", True),
    },
    "components": {
        **{new: (kind, True) for kind, (_, new) in COMPONENT_SECTIONS.items()},
        "examples": ("example", True),
        "pathItems": ("pathItem", True),
        "mediaTypes": ("media", True),
    },
    "pathItem": {
        # Descriptions with methods in capitals are read too, see `parse`.
        **dict.fromkeys((*METHODS, *map(str.upper, METHODS)), ("operation", False)),
        "additionalOperations": ("operation", True),
        "parameters": ("parameter", True),
        "servers": ("plain", True),
    },
    "operation": {
        "parameters": ("parameter", True),
        "requestBody": ("requestBody", False),
        "responses": ("response", True),
        "callbacks": ("callback", True),
        "servers": ("plain", True),
        "security": ("plain", True),
        "tags": ("plain", True),
    },
    # The keys of a callback are runtime expressions, so any key may hold a path item (OpenAPI 3.1.1 §4.8.18).
    "callback": {"*": ("pathItem", False)},
    "parameter": PARAMETER_FIELDS,
    "header": PARAMETER_FIELDS,
    "requestBody": {"content": ("media", True)},
    "response": {
        "schema": ("schema", False),
        "content": ("media", True),
        "headers": ("header", True),
        "links": ("link", True),
    },
    "media": {
        "schema": ("schema", False),
        "itemSchema": ("schema", False),
        "examples": ("example", True),
        "encoding": ("encoding", True),
    },
    "encoding": {"headers": ("header", True)},
    "schema": {
        **dict.fromkeys(SCHEMA_MAP_KEYWORDS, ("schema", True)),
        **dict.fromkeys(SCHEMA_LIST_KEYWORDS, ("schema", True)),
        **dict.fromkeys(SCHEMA_KEYWORDS, ("schema", False)),
    },
    **{kind: {} for kind in ("example", "link", "securityScheme", "plain")},
}
"""Kind -> its fields that hold objects; "*" stands for every field."""

TEXT_FIELDS = frozenset(("description", "summary", "title"))
"""Fields that hold texts."""

DATA_FIELDS = frozenset(("example", "value"))
"""Fields that hold data."""
