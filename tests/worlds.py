"""Four small descriptions such as companies write them: every style, every kind of body, 2.0 and 3.x."""

from __future__ import annotations

from typing import Any

from tests.describe import parameter

OK = {"200": {"description": "ok"}}
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 500}, {"type": "boolean"}
LIST = {"type": "array", "items": TEXT}
PAIR = {"type": "object", "properties": {"from": TEXT, "to": NUMBER, "both": FLAG}, "additionalProperties": False}
MONEY = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": NUMBER, "currency": {"enum": ["EUR", "USD"]}},
}


def top(**more: Any) -> dict[str, Any]:
    return {"info": {"title": "World", "version": "1"}, "servers": [{"url": "https://api.example/v2"}], **more}


def sends(schema: Any, content_type: str, **more: Any) -> dict[str, Any]:
    return {"responses": OK, "requestBody": {"content": {content_type: {"schema": schema, **more}}, "required": True}}


STYLES = [(where, style, explode) for where, style in (
    ("path", "simple"), ("path", "label"), ("path", "matrix"), ("query", "form"), ("query", "spaceDelimited"),
    ("query", "pipeDelimited"), ("query", "deepObject"), ("header", "simple"), ("cookie", "form"),
) for explode in (False, True) if (style, explode) != ("deepObject", False)]  # fmt: skip


def _styled() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for where, style, explode in STYLES:
        for name, schema in {"text": TEXT, "count": NUMBER, "list": LIST, "pair": PAIR, "any": {}}.items():
            if style == "deepObject" and name != "pair":
                continue
            path = f"/{where}-{style}-{explode}-{name}".lower()
            one = parameter("p", where, schema, style=style, explode=explode)
            paths[f"{path}/{{p}}/end" if where == "path" else path] = {"get": {"parameters": [one], "responses": OK}}
    content = {"application/json": {"schema": PAIR}}
    paths["/content/{p}"] = {
        "parameters": [parameter("p", "path", content=content)],
        "get": {"parameters": [parameter("q", content=content), parameter("X-Q", "header", NUMBER)], "responses": OK},
    }
    return top(openapi="3.0.3", paths=paths)


STYLED = _styled()
"""One operation for every place, style, explode and type."""

SHOP = top(
    openapi="3.1.0",
    paths={
        "/orders": {
            "post": sends({"$ref": "#/components/schemas/Order"}, "application/json"),
            "get": {
                "parameters": [
                    parameter("filter[state]", schema={"enum": ["open", "paid"]}),
                    parameter("$top", schema=NUMBER),
                    parameter("ids", schema=LIST, explode=False),
                    parameter("X-Trace", "header"),
                    parameter("session", "cookie"),
                ],
                "responses": OK,
            },
        },
        "/orders/{order-id}/lines/{n}:move": {
            "parameters": [parameter("order-id", "path"), parameter("n", "path", NUMBER)],
            "put": sends({"$ref": "#/components/schemas/Tree"}, "application/merge-patch+json"),
        },
        "/notes/{id}.{format}": {
            "parameters": [parameter("id", "path", NUMBER), parameter("format", "path", {"enum": ["txt", "md"]})],
            "put": sends(TEXT, "text/plain"),
        },
        "/mixed": {
            "post": sends({"oneOf": [{"$ref": "#/components/schemas/Order"}, LIST, NUMBER]}, "application/json")
        },
    },
    components={
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["price", "id"],
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "price": {"$ref": "#/components/schemas/Money"},
                    "note": {"type": ["string", "null"]},
                    "tags": {**LIST, "uniqueItems": True, "maxItems": 3},
                    "tree": {"$ref": "#/components/schemas/Tree"},
                    "$meta": {"additionalProperties": TEXT},
                },
            },
            "Money": MONEY,
            "Tree": {
                "type": "object",
                "properties": {
                    "name": TEXT,
                    "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                },
            },
        }
    },
)
"""JSON bodies, recursion, awkward names, a path with two parameters in a segment."""

FORM = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "amount": NUMBER,
        "on": FLAG,
        "tags": LIST,
        "address": PAIR,
        "items": {"type": "array", "items": MONEY},
    },
    "required": ["name"],
}
DEEP = {"style": "deepObject", "explode": True}
PARTS = {**FORM, "properties": {**FORM["properties"], "file": {"type": "string", "format": "binary"}}}
URLENCODED = "application/x-www-form-urlencoded"
FORMS = top(
    openapi="3.0.2",
    paths={
        "/charges": {"post": sends(FORM, URLENCODED, encoding={"address": DEEP, "items": DEEP, "tags": DEEP})},
        "/plain": {"post": sends(FORM, URLENCODED)},
        "/joined": {"post": sends(FORM, URLENCODED, encoding={"tags": {"explode": False}})},
        "/parts": {"post": sends(PARTS, "multipart/form-data")},
    },
)
"""Forms as payment APIs have them."""


def _old(name: str, where: str, type: str = "string", **more: Any) -> dict[str, Any]:
    """A parameter of Swagger 2.0."""
    return {"name": name, "in": where, "type": type, **({"required": True} if where == "path" else {}), **more}


def _lists() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for where in ("path", "query", "header"):
        for format in ("csv", "ssv", "tsv", "pipes", *(["multi"] if where == "query" else [])):
            path = f"/{where}/{format}" + ("/{p}" if where == "path" else "")
            one = _old("p", where, "array", items=TEXT, collectionFormat=format)
            paths[path] = {"get": {"parameters": [one], "responses": OK}}
    return paths


FIELDS = [
    _old("a", "formData", required=True),
    _old("n", "formData", "integer"),
    _old("l", "formData", "array", items=TEXT, collectionFormat="multi"),
    _old("c", "formData", "array", items=TEXT, collectionFormat="csv"),
]
OLD: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "api.example",
    "basePath": "/v1",
    "schemes": ["https"],
    "paths": {
        **_lists(),
        "/body": {
            "post": {
                "parameters": [{"name": "order", "in": "body", "schema": {"$ref": "#/definitions/Money"}}],
                "responses": OK,
            }
        },
        "/form": {"post": {"consumes": [URLENCODED], "parameters": FIELDS, "responses": OK}},
    },
    "definitions": {"Money": MONEY},
}
"""Swagger 2.0 with every collectionFormat."""

WORLDS: dict[str, dict[str, Any]] = {"styled": STYLED, "shop": SHOP, "forms": FORMS, "old": OLD}
