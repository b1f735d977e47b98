"""A part of a description is one too: what its operations refer to is in it, nothing else, and it reads the same."""

from __future__ import annotations

import json
from typing import Any

import nlapi
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.selection import subset
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from tests.describe import body, parameter, spec


def part(found: Spec, *ids: str, **renamed: str) -> Spec:
    """The Spec of a subset, read from its JSON; `renamed` are ids with the new ones."""
    chosen = {id: id for id in ids} | renamed
    return parse_document(read_document(json.dumps(subset(found, chosen)).encode(), "part.json"))


def get(id: str, **more: Any) -> dict[str, Any]:
    return {"get": {"operationId": id, "responses": {}, **more}}


def ref(pointer: str) -> dict[str, Any]:
    return {"$ref": pointer}


def test_what_is_referred_to_at_any_hand_is_kept_and_the_rest_is_not() -> None:
    schemas = {"A": {"properties": {"b": ref("#/components/schemas/B")}}, "B": {}, "C": {}}
    more = {"components": {"schemas": schemas, "parameters": {"P": parameter("p")}}, "x-long": {"a": 1}}
    found = part(
        spec({"/a": {"post": {"operationId": "a", **body(ref("#/components/schemas/A"))}}, "/b": get("b")}, **more), "a"
    )
    assert [one.id for one in found.operations] == ["a"]
    assert list(found.document["components"]) == ["schemas"]
    assert list(found.document["components"]["schemas"]) == ["A", "B"]
    assert "x-long" not in found.document


def test_a_ring_of_references_ends() -> None:
    schemas = {"A": {"properties": {"b": ref("#/components/schemas/B")}}, "B": {"items": ref("#/components/schemas/A")}}
    paths = {"/a": {"post": {"operationId": "a", **body(ref("#/components/schemas/A"))}}}
    found = part(spec(paths, components={"schemas": schemas}), "a")
    assert (
        nlapi.tools(found)[0].input_schema == nlapi.tools(spec(paths, components={"schemas": schemas}))[0].input_schema
    )


def test_what_a_discriminator_names_is_kept() -> None:
    mapping = {"cat": "Cat", "dog": "#/components/schemas/Dog"}
    pet = {"discriminator": {"propertyName": "kind", "mapping": mapping}, "type": "object"}
    more = {"components": {"schemas": {"Cat": {}, "Dog": {}, "Bird": {}}}}
    found = part(spec({"/a": {"post": {"operationId": "a", **body(pet)}}}, **more), "a")
    assert list(found.document["components"]["schemas"]) == ["Cat", "Dog"]


def test_a_reference_by_an_anchor_keeps_everything() -> None:
    more = {"$defs": {"A": {"$anchor": "here", "type": "string"}}, "components": {"schemas": {"B": {}}}}
    found = part(spec({"/a": get("a", parameters=[parameter(schema=ref("#here"))])}, **more), "a")
    assert list(found.document["components"]["schemas"]) == ["B"]
    assert found.operations[0].usable


def test_a_place_outside_components_is_kept_when_something_leads_there() -> None:
    more = {"x-more": {"P": parameter("p"), "Q": {}}, "x-other": {}}
    found = part(spec({"/a": get("a", parameters=[ref("#/x-more/P")])}, **more), "a")
    assert [one.name for one in found.operations[0].parameters] == ["p"]
    assert "x-other" not in found.document


def test_an_operation_that_another_refers_into_stays_hidden() -> None:
    inside = "#/paths/~1b~1{id}/get/parameters/0"
    more = {"components": {"parameters": {"Far": ref(inside)}}}
    other = get("b", parameters=[parameter("id", "path")])
    for pointer in (inside, "#/components/parameters/Far"):
        found = part(spec({"/a/{id}": get("a", parameters=[ref(pointer)]), "/b/{id}": other}, **more), "a")
        assert [one.id for one in found.visible_operations] == ["a"]
        assert [one.name for one in found.operation("a").parameters] == ["id"]


def test_path_items_by_reference_shared_parts_and_other_methods_are_put_in_place() -> None:
    item = {
        "parameters": [parameter("id", "path")],
        "summary": "Shared",
        "GET": get("a")["get"],
        "put": get("b")["get"],
    }
    item |= {"additionalOperations": {"COPY": get("c")["get"], "LINK": get("d")["get"]}}
    whole = spec({"/a/{id}": ref("#/components/pathItems/I")}, openapi="3.2.0", components={"pathItems": {"I": item}})
    found = part(whole, "a", "c")
    assert [(one.id, one.method, one.summary) for one in found.operations] == [
        ("a", "GET", "Shared"),
        ("c", "COPY", "Shared"),
    ]
    assert all(one.parameters[0].name == "id" for one in found.operations)
    assert found.document["components"] == {}


def test_links_follow_operations_that_are_renamed() -> None:
    links = {"Next": {"operationId": "b b"}}
    answers = {"responses": {"200": {"description": "", "links": links}}}
    whole = spec({"/a": {"get": {"operationId": "a", **answers}}, "/b": get("b b")})
    found = part(whole, "a", **{"b b": "b_b"})
    assert found.operation("a").links[0].operation_id == "b_b"
    assert whole.operation("a").links[0].operation_id == "b b"


def test_an_operation_without_an_id_keeps_the_one_that_was_made_for_it() -> None:
    whole = spec(
        {"/a": {"get": {"responses": {}}}, "/{a}": {"get": {"parameters": [parameter("a", "path")], "responses": {}}}}
    )
    ids = [one.id for one in whole.operations]
    assert [one.id for one in part(whole, ids[1]).operations] == [ids[1]]


def test_the_subtypes_of_a_base_stay_where_it_is_used_and_not_where_it_is_only_inherited() -> None:
    pet = {"type": "object", "discriminator": {"propertyName": "kind"}, "properties": {"kind": {"type": "string"}}}
    kinds = {
        name: {"allOf": [ref("#/components/schemas/Pet"), {"properties": {name.lower(): {"type": "string"}}}]}
        for name in ("Cat", "Dog")
    }
    schemas = {"Pet": pet, **kinds, "Rose": {}}
    found = spec(
        {
            "/pets": {"post": {"operationId": "addPet", **body(ref("#/components/schemas/Pet"))}},
            "/cats": {"post": {"operationId": "addCat", **body(ref("#/components/schemas/Cat"))}},
        },
        components={"schemas": schemas},
    )
    all_kinds = part(found, "addPet")
    assert sorted(all_kinds.document["components"]["schemas"]) == ["Cat", "Dog", "Pet"]
    assert list(part(found, "addCat").document["components"]["schemas"]) == ["Pet", "Cat"]
    whole, cut = (compile_tool(each.operation("addPet")).input_schema for each in (found, all_kinds))
    assert whole == cut
