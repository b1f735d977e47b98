"""Descriptions in several files: what becomes of every `$ref`, and what may not be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import DescriptionError
from nlapi.openapi.bundle import bundle
from nlapi.openapi.document import read_tree
from nlapi.openapi.fetch import DescriptionFiles, may_have_external_refs
from nlapi.openapi.spec import Spec
from tests.describe import messages
from tests.servers import Echo, Received, Reply
from tests.tables import table

SHARED = Path(__file__).parents[3] / "shared" / "data" / "specs"
PET = {"type": "object", "properties": {"name": {"type": "string"}}}


def ref(to: str) -> dict[str, Any]:
    return {"$ref": to}


def answers(schema: Any, *, method: str = "get", id: str = "op") -> dict[str, Any]:
    """A path item with one operation."""
    content = {"application/json": {"schema": schema}}
    return {method: {"operationId": id, "responses": {"200": {"description": "ok", "content": content}}}}


def takes(schema: Any, id: str = "op") -> dict[str, Any]:
    return {"post": {"operationId": id, "requestBody": {"content": {"application/json": {"schema": schema}}}}}


def root(paths: Any, **more: Any) -> dict[str, Any]:
    info = {"title": "Test", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": "https://api.example"}], "paths": paths, **more}


def write(folder: Path, files: Mapping[str, Any]) -> Path:
    """The files in a folder, and the path of the first."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / next(iter(files))


def load(folder: Path, files: Mapping[str, Any]) -> Spec:
    return nlapi.load(write(folder, files))


def tree(folder: Path, files: Mapping[str, Any], **limits: int) -> tuple[dict[str, Any], dict[str, str]]:
    path = write(folder, files)
    return bundle(read_tree(path.read_bytes(), str(path))[0], DescriptionFiles(root=str(path), **limits))[:2]


def body(spec: Spec) -> Any:
    """What the body's schema of the first operation leads to."""
    found = spec.operations[0].body
    assert found is not None, messages(spec)
    return found.schema


# What is moved


def test_a_file_is_moved_under_components_and_keeps_its_name(tmp_path: Path) -> None:
    files = {"api.json": root({"/x": takes(ref("schemas/Pet.json"))}), "schemas/Pet.json": PET}
    found, lost = tree(tmp_path, files)
    assert found["paths"]["/x"] == takes(ref("#/components/schemas/Pet"))
    assert found["components"] == {"schemas": {"Pet": PET}}
    assert lost == {}


def test_every_kind_has_its_section(tmp_path: Path) -> None:
    operation = {
        "parameters": [ref("all.json#/p")],
        "requestBody": ref("all.json#/b"),
        "responses": {"200": ref("all.json#/r")},
        "callbacks": {"c": ref("all.json#/c")},
    }
    response = {"description": "ok", "headers": {"x-h": ref("#/h")}, "links": {"l": ref("#/l")}}
    library = {
        "p": {"name": "p", "in": "query", "schema": ref("#/s")},
        "b": {"content": {"application/json": {"schema": ref("#/s"), "examples": {"e": ref("#/e")}}}},
        "r": response,
        "c": {"{$url}": ref("#/item")},
        "h": {"schema": ref("#/s")},
        "l": {"operationId": "op"},
        "s": {"type": "string"},
        "e": {"value": {"a": {"$ref": "data"}}},
        "item": {"post": {"responses": {"200": ref("#/r")}}},
    }
    schemes = {"securitySchemes": {"key": ref("all.json#/key")}}
    key = {"type": "apiKey", "in": "header", "name": "X-Key"}
    found, lost = tree(
        tmp_path,
        {"api.json": root({"/x": {"get": operation}}, components=schemes), "all.json": {**library, "key": key}},
    )
    assert {section: set(parts) for section, parts in found["components"].items()} == {
        "schemas": {"s"}, "parameters": {"p"}, "requestBodies": {"b"}, "responses": {"r"}, "headers": {"h"},
        "links": {"l"}, "callbacks": {"c"}, "securitySchemes": {"key"},
    }  # fmt: skip
    media = found["components"]["requestBodies"]["b"]["content"]["application/json"]
    assert media == {"schema": ref("#/components/schemas/s"), "examples": {"e": {"value": {"a": {"$ref": "data"}}}}}
    assert found["components"]["securitySchemes"]["key"] == key
    assert found["components"]["callbacks"]["c"] == {
        "{$url}": {"post": {"responses": {"200": ref("#/components/responses/r")}}}
    }
    assert lost == {}


def test_path_items_operations_and_whole_maps_are_put_in_place(tmp_path: Path) -> None:
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    files = {
        "api.json": root(ref("paths/all.yaml"), components=ref("components.json")),
        "paths/all.yaml": "/a/{id}:\n  $ref: './a_{id}.json'\n  summary: Beside.\n/b: {$ref: b%20b.json#/~1b}\n",
        "paths/a_{id}.json": {"parameters": [ref("../components.json#/parameters/Id")], "get": ref("ops/getA.yaml")},
        "paths/ops/getA.yaml": "operationId: getA\nresponses: {$ref: ../../components.json#/usual}\n",
        "paths/b b.json": {"/b": takes(ref("../components.json#/schemas/Pet"), "postB")},
        "components.json": {
            "parameters": {"Id": parameter},
            "schemas": {"Pet": PET},
            "usual": {"200": {"description": "ok"}},
        },
    }
    spec = load(tmp_path, files)
    assert messages(spec) == ""
    first, second = spec.operations
    assert (first.id, first.summary, first.parameters[0].schema) == ("getA", "Beside.", {"type": "integer"})
    assert first.responses[0].status == "200"
    assert second.body is not None
    assert second.body.schema == PET


def test_a_component_that_is_a_reference_to_a_file_is_its_home(tmp_path: Path) -> None:
    components = {"schemas": {"Animal": ref("pet.json"), "Also": ref("pet.json")}}
    files = {"api.json": root({"/x": takes(ref("pet.json"))}, components=components), "pet.json": PET}
    found, _ = tree(tmp_path, files)
    assert found["components"]["schemas"] == {"Animal": PET, "Also": ref("#/components/schemas/Animal")}
    assert found["paths"]["/x"] == takes(ref("#/components/schemas/Animal"))


def test_names_that_are_taken_get_their_folders_before_them(tmp_path: Path) -> None:
    union = {"oneOf": [ref("a/v1/Pet.json"), ref("a/v2/Pet.json"), ref("b/v1/Pet.json"), ref("c.json#/v1/Pet")]}
    pets = {name: {"type": "object", "title": name} for name in ("a/v1/Pet.json", "a/v2/Pet.json", "b/v1/Pet.json")}
    files = {"api.json": root({"/x": takes(union)}, components={"schemas": {"Pet": {"type": "string"}}})}
    found, _ = tree(tmp_path, {**files, **pets, "c.json": {"v1": {"Pet": {"title": "c"}}}})
    titles = {name: one.get("title") for name, one in found["components"]["schemas"].items()}
    assert titles == {
        "Pet": None, "v1_Pet": "a/v1/Pet.json", "v2_Pet": "a/v2/Pet.json", "b_v1_Pet": "b/v1/Pet.json", "c_Pet": "c",
    }  # fmt: skip
    assert tree(tmp_path / "again", {**files, **pets, "c.json": {"v1": {"Pet": {"title": "c"}}}})[0] == found


def test_references_back_into_the_root_and_between_siblings(tmp_path: Path) -> None:
    own = {"Owner": {"type": "object", "properties": {"pet": ref("schemas/Pet.json")}}}
    pet = {
        "type": "object",
        "properties": {"owner": ref("../api.json#/components/schemas/Owner"), "tag": ref("Tag.json"), "kin": ref("#")},
    }
    files = {"api.json": root({"/x": takes(ref("schemas/Pet.json"))}, components={"schemas": own})}
    found, _ = tree(tmp_path, {**files, "schemas/Pet.json": pet, "schemas/Tag.json": {"type": "string"}})
    assert found["components"]["schemas"]["Pet"]["properties"] == {
        "owner": ref("#/components/schemas/Owner"),
        "tag": ref("#/components/schemas/Tag"),
        "kin": ref("#/components/schemas/Pet"),
    }


def test_a_file_that_means_the_components_of_the_root(tmp_path: Path) -> None:
    files = {
        "api.json": root({"/x": ref("x.json")}, components={"schemas": {"Pet": PET}}),
        "x.json": takes(ref("#/components/schemas/Pet")),
    }
    assert body(load(tmp_path, files)) == PET


def test_a_reference_through_a_reference(tmp_path: Path) -> None:
    files = {
        "api.json": root({"/x": takes(ref("a.json#/schemas/Pet"))}),
        "a.json": {"schemas": ref("b/all.json#/defs")},
        "b/all.json": {"defs": {"Pet": {"properties": {"x": ref("Name.json")}}}},
        "b/Name.json": {"type": "string"},
    }
    spec = load(tmp_path, files)
    assert messages(spec) == ""
    assert spec.follow(body(spec)["properties"]["x"]) == {"type": "string"}


def test_cycles_between_files(tmp_path: Path) -> None:
    files = {
        "api.json": root({"/x": takes(ref("a.json"))}),
        "a.json": {"type": "object", "properties": {"b": ref("b.json")}},
        "b.json": {"type": "object", "properties": {"a": ref("a.json"), "b": ref("#")}},
    }
    schema = nlapi.tools(load(tmp_path, files))[0].input_schema
    assert schema["properties"]["b"] == ref("#/$defs/b")
    assert schema["$defs"]["b"]["properties"] == {"a": ref("#/$defs/a"), "b": ref("#/$defs/b")}


@table(
    "files",
    [
        {"api.json": root({"/x": ref("x.json")}), "x.json": ref("x.json")},
        {"api.json": root({"/x": ref("x.json")}), "x.json": ref("y.json"), "y.json": ref("x.json")},
        {"api.json": root({"/x": ref("x.json")}), "x.json": {"get": ref("x.json")}},
        {"api.json": root({"/x": ref("x.json")}), "x.json": {"get": {"callbacks": {"c": {"u": ref("x.json")}}}}},
        {"api.json": root(ref("x.json")), "x.json": {"/x": ref("x.json")}},
        {"api.json": root({"/x": takes(ref("x.json"))}), "x.json": ref("x.json")},
        {"api.json": root({"/x": takes(ref("x.json#/a/b"))}), "x.json": {"a": ref("#/a/b")}},
        {
            "api.json": root({"/x": takes(ref("x.json#/a/b"))}),
            "x.json": {"a": ref("y.json#/a")},
            "y.json": {"a": ref("x.json#/a")},
        },
        {
            "api.json": root({"/x": takes(ref("x.json"))}, components={"schemas": {"A": ref("x.json")}}),
            "x.json": ref("api.json#/components/schemas/A"),
        },
    ],
)
def test_what_leads_to_itself_ends(tmp_path: Path, files: Mapping[str, Any]) -> None:
    spec = load(tmp_path, files)
    messages(spec)
    json.dumps([tool.as_dict("mcp") for tool in nlapi.tools(spec)])


def test_anchors(tmp_path: Path) -> None:
    files = {"api.json": root({"/x": takes(ref("a.json#pet"))}), "a.json": {"$defs": {"P": {"$anchor": "pet", **PET}}}}
    assert body(load(tmp_path, files)) == PET


def test_swagger_has_sections_of_its_own(tmp_path: Path) -> None:
    node = {
        "parameters": [ref("p.json"), {"name": "b", "in": "body", "schema": ref("Pet.json")}],
        "responses": {"200": ref("r.json")},
    }
    files = {
        "api.json": {"swagger": "2.0", "info": {}, "host": "api.example", "paths": {"/x": {"post": node}}},
        "p.json": {"name": "q", "in": "query", "type": "string"},
        "r.json": {"description": "ok", "schema": ref("Pet.json")},
        "Pet.json": PET,
    }
    found, _ = tree(tmp_path, files)
    assert {key: set(found[key]) for key in ("definitions", "parameters", "responses")} == {
        "definitions": {"Pet"}, "parameters": {"p"}, "responses": {"r"},
    }  # fmt: skip
    assert "components" not in found
    spec = nlapi.load(tmp_path / "api.json")
    assert nlapi.tools(spec)[0].places == {"q": ("query", "q"), "name": ("body", "name")}


def test_an_overlay_is_laid_over_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, {"api.json": root({"/x": ref("x.json")}), "x.json": answers(PET)})
    actions = [{"target": "$.paths['/x'].get", "update": {"summary": "Laid over."}}]
    write(tmp_path, {"over.json": {"overlay": "1.0.0", "info": {}, "actions": actions}})
    assert nlapi.load(path, overlays=[tmp_path / "over.json"]).operations[0].summary == "Laid over."


# What cannot be had


@table(
    ("to", "reason"),
    [
        ("none.json", "no such file"),
        ("sub", "no such file"),
        ("x" * 300, "no such file"),
        ("../secret.json", "is outside the folder of"),
        ("sub/../../secret.json", "is outside the folder of"),
        ("%2e%2e/secret.json", "is outside the folder of"),
        ("..\\secret.json", "is outside the folder of"),
        ("{folder}/secret.json", "is outside the folder of"),
        ("link.json", "is outside the folder of"),
        ("a\0b.json", "is outside the folder of"),
        ("file:///etc/passwd", "is elsewhere"),
        ("file:/etc/passwd", "is elsewhere"),
        ("https://127.0.0.1:1/secret.json", "is elsewhere"),
        ("bad.json", "bad.json"),
        ("Pet.json#/none", "has no such part"),
        ("Pet.json#none", "has no anchor none"),
        ("ads", "no such file"),
    ],
)
def test_what_a_file_may_not_name(tmp_path: Path, to: str, reason: str) -> None:
    write(tmp_path, {"secret.json": PET})
    folder = tmp_path / "api"
    write(folder, {"sub/x": "x", "Pet.json": PET, "bad.json": "{"})
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    paths = {"/x": takes(ref(to.replace("{folder}", str(tmp_path)))), "/y": answers(PET, id="other")}
    spec = load(folder, {"api.json": root(paths)})
    lost, other = spec.operations
    assert not lost.usable
    assert reason in messages(lost)
    assert other.usable
    assert "paths./x.post.requestBody" in messages(lost)


def test_a_path_item_that_is_not_there_is_told_and_the_others_work(tmp_path: Path) -> None:
    spec = load(tmp_path, {"api.json": root({"/x": ref("none.json"), "/y": answers(PET)})})
    assert [one.path for one in spec.operations] == ["/y"]
    assert "paths./x: the path item cannot be read" in messages(spec)
    assert "no such file" in messages(spec)


def test_two_files_with_the_same_wrong_reference_are_told_apart(tmp_path: Path) -> None:
    files = {
        "api.json": root({"/x": ref("a/x.json"), "/y": ref("b/y.json")}),
        "a/x.json": takes(ref("No.json")),
        "b/y.json": takes(ref("No.json"), "y"),
    }
    said = [messages(one) for one in load(tmp_path, files).operations]
    assert "a/No.json" in said[0]
    assert "b/No.json" in said[1]


def test_a_reference_that_a_file_makes_to_nothing_does_not_lead_to_what_was_moved(tmp_path: Path) -> None:
    files = {
        "api.json": root({"/x": ref("x.json"), "/y": answers(ref("Pet.json"))}),
        "Pet.json": PET,
        "x.json": takes(ref("#/components/schemas/Pet")),
    }
    spec = load(tmp_path, files)
    assert [one.usable for one in spec.operations] == [False, True]


def test_limits_of_all_files_together(tmp_path: Path) -> None:
    files = {"api.json": root({f"/{n}": takes(ref(f"{n}.json")) for n in "abc"}), **{f"{n}.json": PET for n in "abc"}}
    assert "more than 2 files" in "".join(tree(tmp_path, files, max_files=2)[1].values())
    assert "larger than" in "".join(tree(tmp_path, files, max_bytes=100)[1].values())


def test_too_deep_is_refused(tmp_path: Path) -> None:
    files = {f"{n}.json": {"get": {"callbacks": {"c": {"u": ref(f"{n + 1}.json")}}}} for n in range(300)}
    with pytest.raises(DescriptionError, match="nested more than"):
        load(tmp_path, {"api.json": root({"/x": ref("0.json")}), **files})


def test_standard_input_has_no_folder() -> None:
    found = root({"/x": takes(ref("Pet.json"))})
    assert "is in no folder" in bundle(found, DescriptionFiles(root="standard input"))[1]["Pet.json"]


# What is no part of a description


SECRETS = "token: s3cr3t\ntype: Opaque\ndb: {password: hunter2, name: db}\nlist: [{name: N, value: s3cr3t}]\n"
SECRET_PARTS = ["", "#/db", "#/token", "#/list", "#/list/0"]


def places(to: Any) -> dict[str, Any]:
    """A description with the same value in many places, each of which is shown to a model."""
    schema = {"type": "object", "properties": {"p": to, "q": {"type": "string", "example": to, "description": to}}}
    media = {"application/json": {"schema": schema, "example": to, "examples": {"e": to, "f": {"value": to}}}}
    parameters = [
        {"name": "a", "in": "query", "description": to, "schema": to, "example": to},
        {"name": "b", "in": "query", "schema": {"type": "string", "enum": to, "default": to, "examples": to}},
        {"name": "c", "in": "query", "schema": {"type": "string"}, "examples": {"e": to, "f": {"value": to}}},
        {"name": "d", "in": "query", "schema": {"type": "string"}, "examples": to},
        to,
    ]
    responses = {"200": {"description": to, "content": media, "headers": {"h": to}, "links": {"l": to}}, "400": to}
    body = {"description": to, "content": media}
    one = {"operationId": "one", "summary": to, "description": to, "parameters": parameters[:-1], "requestBody": body}
    paths = {
        "/one": {"post": {**one, "responses": responses}},
        "/two": {"put": {"operationId": "two", "parameters": to, "requestBody": to, "responses": to}},
        "/three": {"put": {"operationId": "three", "requestBody": {"content": {"application/json": {"schema": to}}}}},
        "/four": to,
        "/five": {"put": {"operationId": "five", "requestBody": {"content": {"application/json": to}}}},
        "/six": {"put": {"operationId": "six", "requestBody": {"content": to}}},
        "/seven": {"summary": to, "description": to, "get": to},
        "/eight": {"get": {"operationId": "eight", "parameters": [to]}},
    }
    info = {"title": to, "version": to, "description": to}
    parts = {"schemas": {"S": to}, "parameters": {"P": to}, "examples": {"E": to}, "securitySchemes": {"k": to}}
    return {**root(paths, tags=[{"name": "t", "description": to}], components=parts), "info": info}


def shown(spec: Spec) -> str:
    """Everything of a Spec that a model or a person is shown, but for what is wrong with it."""
    tools = [tool.as_dict("mcp") for tool in nlapi.tools(spec)]
    texts = [spec.title, spec.description, [(one.summary, one.description, one.responses) for one in spec.operations]]
    return json.dumps([tools, spec.document], default=str) + str(texts)


@table("part", SECRET_PARTS)
@table("where", ["config/secrets.yaml", "../config/secrets.yaml"])
def test_no_file_that_is_no_part_of_a_description_is_shown(tmp_path: Path, part: str, where: str) -> None:
    (tmp_path / ".git").mkdir()
    files = {"api/api.json": places(ref(f"{where}{part}")), "api/config/secrets.yaml": SECRETS}
    spec = load(tmp_path, {**files, "config/secrets.yaml": SECRETS})
    assert "s3cr3t" not in shown(spec) + messages(spec)
    assert "hunter2" not in shown(spec) + messages(spec)
    assert {"one", "three"} <= {operation.id for operation in spec.operations}


def test_a_secret_behind_a_part_that_is_one_stays_where_it_is(tmp_path: Path) -> None:
    # The file is a schema for the first reference; its other keys are no keywords, and no way in for the second.
    secrets = (
        "type: object\nproperties: {a: {type: string, vault: s3cr3t}, b: s3cr3t}\ntoken: s3cr3t\nx: {a: [s3cr3t]}\n"
    )
    paths = {"/x": takes(ref("all.yaml")), "/y": takes(ref("all.yaml#/x"), id="y")}
    spec = load(tmp_path, {"api.json": {**root(paths), "info": ref("all.yaml")}, "all.yaml": secrets})
    assert body(spec) == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert "s3cr3t" not in json.dumps([tool.as_dict("mcp") for tool in nlapi.tools(spec)]) + spec.title
    assert "is not a valid schema" in messages(spec.operations[1])


def test_a_text_or_an_example_in_a_file_is_named_and_left_out(tmp_path: Path) -> None:
    item = answers(PET)
    item["get"] |= {"description": ref("about.md"), "summary": ref("about.yaml#/text")}
    item["get"]["responses"]["200"]["content"]["application/json"]["example"] = ref("rex.json")
    files = {"api.json": root({"/x": item}), "about.md": "# s3cr3t", "about.yaml": "text: s3cr3t", "rex.json": {"a": 1}}
    spec = load(tmp_path, files)
    assert spec.operations[0].usable
    assert (spec.operations[0].description, spec.operations[0].responses[0].media[0].examples) == ("", ())
    assert "s3cr3t" not in shown(spec)
    assert messages(spec).count("is not read: only objects of a description may be in other files") == 3


def test_an_example_object_may_be_in_a_file(tmp_path: Path) -> None:
    item = answers(PET)
    item["get"]["responses"]["200"]["content"]["application/json"]["examples"] = {"rex": ref("rex.yaml")}
    spec = load(tmp_path, {"api.json": root({"/x": item}), "rex.yaml": "value: {name: {$ref: not/a/reference}}"})
    assert spec.operations[0].responses[0].media[0].examples == ({"name": {"$ref": "not/a/reference"}},)


def test_a_part_of_a_file_whose_name_is_no_keyword_is_found(tmp_path: Path) -> None:
    pet = {"type": "object", "properties": {"home": ref("#/Address")}, "Address": {"type": "string", "note": "x"}}
    found, lost = tree(tmp_path, {"api.json": root({"/x": takes(ref("Pet.json"))}), "Pet.json": pet})
    assert found["components"]["schemas"] == {
        "Pet": {"type": "object", "properties": {"home": ref("#/components/schemas/Address")}},
        "Address": {"type": "string"},
    }
    assert lost == {}


# Above the folder of the root


LAYOUT = {
    "apis/v1/api.json": root({"/x": takes(ref("../common/Pet.json")), "/y": ref("../common/paths.json#/y")}),
    "apis/common/Pet.json": PET,
    "apis/common/paths.json": {"y": answers(ref("Pet.json"), id="y")},
}


@table("mark", [".git", ".hg", "pyproject.toml"])
def test_the_repository_around_a_description_is_not_its_folder(tmp_path: Path, mark: str) -> None:
    (tmp_path / "apis" / mark).mkdir(parents=True)
    assert "with --root" in messages(load(tmp_path, LAYOUT))


def test_a_folder_may_be_named_that_the_files_are_in(tmp_path: Path) -> None:
    path = write(tmp_path, LAYOUT)
    assert "with --root" in messages(nlapi.load(path))
    spec = nlapi.load(path, root=tmp_path)
    assert messages(spec) == ""
    assert [one.id for one in spec.operations] == ["op", "y"]
    assert body(spec) == PET
    assert set(spec.document["components"]["schemas"]) == {"Pet"}
    assert messages(nlapi.load(path, root=tmp_path / "apis" / "common")) == ""
    assert "is outside the folder of" in messages(nlapi.load(path, root=tmp_path / "apis" / "v1"))


def test_what_is_hidden_or_above_the_named_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    write(tmp_path, {"secret.json": PET, "repo/.secret.json": PET, "repo/.git/config.json": PET, "repo/open.json": PET})
    (tmp_path / "repo" / "plain.json").symlink_to(tmp_path / "repo" / ".secret.json")
    (tmp_path / "repo" / "away.json").symlink_to(tmp_path / "secret.json")
    reasons = {
        "../../secret.json": "is outside", "../away.json": "is outside", "../.secret.json": "is hidden",
        "../.git/config.json": "is hidden", "../plain.json": "is hidden", ".own.json": "is hidden",
    }  # fmt: skip
    paths = {f"/{n}": takes(ref(to), f"op{n}") for n, to in enumerate(reasons)}
    files = {"api.json": root({**paths, "/open": takes(ref("../open.json"))}), ".own.json": PET}
    *lost, found = nlapi.load(write(tmp_path / "repo" / "v1", files), root=tmp_path / "repo").operations
    assert found.usable
    for operation, reason in zip(lost, reasons.values(), strict=True):
        assert reason in messages(operation)


def test_a_root_in_a_hidden_folder_may_use_what_is_beside_it(tmp_path: Path) -> None:
    spec = load(tmp_path / ".api", {"api.json": root({"/x": takes(ref("s/Pet.json"))}), "s/Pet.json": PET})
    assert messages(spec) == ""


# What refers without a `$ref`


def test_the_mapping_of_a_discriminator_leads_where_the_files_went(tmp_path: Path) -> None:
    mapping = {"dog": "Dog.json", "cat": "../pets.json#/Cat", "own": "#/Own", "name": "Fish", "none": "No.json"}
    choice = {"oneOf": [ref("Dog.json")], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    found, _ = tree(
        tmp_path,
        {
            "api.json": root({"/x": takes(ref("s/Pet.json"))}),
            "s/Pet.json": {**choice, "Own": PET},
            "s/Dog.json": PET,
            "pets.json": {"Cat": PET},
        },
    )
    assert found["components"]["schemas"]["Pet"]["discriminator"]["mapping"] == {
        "dog": "#/components/schemas/Dog", "cat": "#/components/schemas/Cat", "own": "#/components/schemas/Own",
        "name": "Fish", "none": "No.json",
    }  # fmt: skip


@table(
    ("place", "to"),
    [("api.json", "a.json#/get"), ("a.json", "#/get"), ("b.json", "a.json#/get"), ("b.json", "op.json"),
     ("b.json", "api.json#/paths/~1a~1%7Bid%7D/get")],
)  # fmt: skip
def test_an_operation_reference_into_another_file_leads_to_its_operation(tmp_path: Path, place: str, to: str) -> None:
    linked = {"200": {"description": "ok", "links": {"next": {"operationRef": to}}}}
    items: dict[str, Any] = {name: answers(PET, id=name) for name in ("api.json", "a.json", "b.json")}
    items[place]["get"]["responses"] = linked
    files = {
        "api.json": root({"/x": items["api.json"], "/a/{id}": ref("a.json"), "/b": ref("b.json")}),
        "b.json": items["b.json"],
        "a.json": items["a.json"] if to != "op.json" else {"get": ref("op.json")},
        "op.json": items["a.json"]["get"],
    }
    spec = load(tmp_path, files)
    links = {one.id: [link.operation_id for link in one.links] for one in spec.operations}
    assert links[place] == ["a.json"]


# From a server


def serving(files: Mapping[str, Any]) -> Echo:
    def answer(request: Received) -> Reply:
        found = files.get(request.target)
        if isinstance(found, Reply):
            return found
        return Reply(body=found) if found else Reply(status=404)

    return Echo(answer)


def test_files_beside_a_url() -> None:
    files = {
        "/v1/api.json": root({"/x": ref("paths/x.json?v=1")}),
        "/v1/paths/x.json?v=1": takes(ref("/shared/Pet.json")),
        "/shared/Pet.json": {
            "type": "object",
            "properties": {"root": ref("/v1/api.json#/info"), "none": ref("none.json")},
        },
    }
    with serving(files) as server:
        spec = nlapi.load(f"{server.url}/v1/api.json")
    assert "root" in body(spec)["properties"]
    assert "/shared/none.json answered 404" in messages(spec)


@table("to", ["{other}/Pet.json", "file:///etc/passwd", "/etc/../away.json", "ftp://x/y", "//[/x"])
def test_another_server_is_never_asked(to: str) -> None:
    with serving({"/Pet.json": PET}) as other:
        files: dict[str, Any] = {"/away.json": Reply(status=302, headers={"Location": f"{other.url}/Pet.json"})}
        files["/api.json"] = root({"/x": takes(ref(to.replace("{other}", other.url)))})
        with serving(files) as server:
            spec = nlapi.load(f"{server.url}/api.json")
        assert not spec.operations[0].usable
        assert "server" in messages(spec) or "is not a URL" in messages(spec)
        assert other.received == []


# The whole


def test_a_single_file_is_known_at_a_glance() -> None:
    for one in ('{"$ref":"#/a"}', '{"$ref" : "#/a"}', "$ref: '#/a'", '$ref: "#/a"', "a: b", "$ref:\n  '#/a'"):
        assert not may_have_external_refs(one.encode()), one
    # A path and a property of that name, as OData has them.
    for one in ('{"/owners/$ref":{"get":{}}}', '{"properties":{"$ref": {"type":"string"}}}', '{"$ref" : []}'):
        assert not may_have_external_refs(one.encode()), one
    for one in ('{"$ref":"a.json"}', "$ref: a.yaml", "{$ref: 'a.yaml#/x'}", '$ref: "./a"', "$ref:\n  a.yaml"):
        assert may_have_external_refs(one.encode()), one


def test_museum() -> None:
    path = SHARED / "museum-multifile" / "openapi" / "openapi.yaml"
    if not path.exists():
        pytest.skip("../shared/data/specs is not here")
    spec = nlapi.load(path)
    assert messages(spec) == ""
    assert len(nlapi.tools(spec)) == 12
