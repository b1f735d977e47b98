"""Random descriptions for property tests: awkward names, every style, schemas that refer to each other."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st


def examples(count: int) -> int:
    """Return `count`, or in a quick run (`make test`) the share of it that the profile has of the usual 100."""
    return count * settings.default.max_examples // 100


NAMES = st.one_of(
    st.sampled_from(["id", "ids", "limit", "filter[name]", "$top", "user-id", "größe", "名", "id_query", "body"]),
    st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=8),
    st.text(min_size=1, max_size=70).filter(lambda name: name.isprintable()),
)
HEADER_NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12).map("X-{}".format)
COMPONENTS = ("A", "B", "C", "D")
REFS = st.sampled_from([{"$ref": f"#/components/schemas/{name}"} for name in (*COMPONENTS, "Gone")])

SCALAR_SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 1, "maxLength": 5},
        {"type": "string", "enum": ["a", "b,c", "d e"]},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 0, "maximum": 100},
        {"type": "integer", "format": "int32"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": ["string", "null"]},
        {"type": "string", "nullable": True, "example": "x"},
        {},
    ]
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(NAMES, inner, max_size=4)
    required = st.lists(NAMES, max_size=2)
    whole = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": properties},
        optional={"required": required, "additionalProperties": st.booleans() | inner, "minProperties": st.just(1)},
    )
    return st.one_of(
        whole,
        st.fixed_dictionaries({"allOf": st.lists(whole | REFS, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}, optional={"nullable": st.just(True)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        inner.filter(lambda schema: isinstance(schema, dict)).map(lambda schema: {**schema, "readOnly": True}),
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(SCALAR_SCHEMAS | REFS, _objects, max_leaves=8)
"""Schemas of OpenAPI 3.0 and 3.1, some with a `$ref` to one of COMPONENTS or to nothing."""


@st.composite
def parameters(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> dict[str, Any]:
    """A Parameter Object for anything but the path."""
    where = draw(st.sampled_from(["query", "header", "cookie"]))
    node = {"name": draw(HEADER_NAMES if where == "header" else names), "in": where, "schema": draw(SCHEMAS)}
    options = {
        "required": st.booleans(),
        "explode": st.booleans(),
        "description": st.text(max_size=20),
        "style": st.sampled_from(["form", "simple", "deepObject", "pipeDelimited", "spaceDelimited", "cookie"]),
    }
    return {**node, **draw(st.fixed_dictionaries({}, optional=options))}


TYPES = ["application/json", "application/merge-patch+json", "multipart/form-data", "application/x-www-form-urlencoded"]
BODIES = st.builds(
    lambda content, required: {"content": content, "required": required},
    st.dictionaries(
        st.sampled_from([*TYPES, "text/plain", "application/xml", "application/octet-stream"]),
        st.fixed_dictionaries({"schema": SCHEMAS}),
        min_size=1,
        max_size=2,
    ),
    st.booleans(),
)
IDS = st.sampled_from(["list", "get", "list pets", "größe", "x" * 80, "a.b", "名"]) | st.text(max_size=70).filter(
    str.isprintable
)


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    node: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    optional = {
        "operationId": IDS,
        "summary": st.text(max_size=20),
        "parameters": st.lists(parameters(), max_size=4),
        "requestBody": BODIES,
    }
    return {**node, **draw(st.fixed_dictionaries({}, optional=optional))}


PATHS = st.lists(
    st.sampled_from(["pets", "{id}", "{user-id}", "a.b", "{$top}"]) | st.text(string.ascii_lowercase, min_size=1),
    max_size=4,
).map(lambda segments: "/" + "/".join(segments))
METHODS = st.sampled_from(["get", "put", "post", "delete", "patch"])


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """A whole description, as a tree."""
    items = st.dictionaries(METHODS, operations(), min_size=1, max_size=3)
    return {
        "openapi": draw(st.sampled_from(["3.0.3", "3.1.0", "3.2.0"])),
        "info": {"title": "Random", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "paths": draw(st.dictionaries(PATHS, items, min_size=1, max_size=4)),
        "components": {"schemas": {name: draw(SCHEMAS) for name in COMPONENTS}},
    }
