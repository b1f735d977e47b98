"""Workflows that a description alone supports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import nlapi
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.sandbox import running
from nlapi.workflows.bind import Scope, StepExchange
from nlapi.workflows.check import check
from nlapi.workflows.model import ArazzoWorkflow, Criterion, CriterionKind
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import LinkedDocument, link
from nlapi.workflows.suggest import MAX_WORKFLOWS, suggest
from tests.cli.kit import run
from tests.describe import body, parameter, spec, text
from tests.tables import table

SHARED = Path(__file__).parents[3] / "shared" / "data"
ID = {"type": "string"}
KEY = parameter("id", "path")


def answer(schema: Any, status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"description": "x", "content": {"application/json": {"schema": schema}}}}}


def thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"id": ID, "name": {"type": "string"}, **properties}}


def creation(*required: str, status: str = "201", result: Any = None, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": {"name": {"type": "string"}, **properties}}
    return {**body(schema), **answer(result or thing(), status)}


@cache
def ads() -> Mapping[str, Any]:
    return suggest(nlapi.load("ads"))


def linked(description: Spec, tree: Mapping[str, Any]) -> LinkedDocument:
    return link(parse_document(tree), loader=lambda _: description)


def workflow(tree: Mapping[str, Any], *operations: str) -> dict[str, Any]:
    """Return the workflow that calls these operations in this order."""
    for entry in tree["workflows"]:
        if [step.get("operationId") for step in entry["steps"]] == list(operations):
            return dict(entry)
    raise AssertionError([[step.get("operationId") for step in entry["steps"]] for entry in tree["workflows"]])


def summaries(tree: Mapping[str, Any]) -> list[str]:
    return [entry["summary"] for entry in tree["workflows"]]


def test_what_is_created_is_used_by_its_id() -> None:
    entry = workflow(ads(), "createCampaign", "createAdSet", "uploadAsset", "createAd")
    assert entry["summary"] == "Create a campaign, an ad set and an asset and then an ad with them"
    campaign, ad_set, _, ad = entry["steps"]
    assert campaign["outputs"]["id"] == "$response.body#/id"
    assert ad_set["requestBody"]["payload"]["campaign_id"] == "$steps.create-campaign.outputs.id"
    assert ad["requestBody"]["payload"]["ad_set_id"] == "$steps.create-ad-set.outputs.id"
    assert campaign["successCriteria"] == [{"condition": "$statusCode == 201"}]
    inputs = entry["inputs"]
    assert inputs["properties"]["objective"]["enum"][0] == "REACH"
    assert {"campaign_name", "ad_set_name", "ad_name"} <= set(inputs["required"])
    assert not {"campaign_id", "ad_set_id"} & set(inputs["properties"])


def test_a_draft_is_validated_before_it_is_published() -> None:
    entry = workflow(ads(), "createDraft", "validateDraft", "publishDraft")
    assert entry["summary"] == "Create a draft, validate it and publish it"
    _, validation, publication = entry["steps"]
    assert {"condition": "$response.body#/valid == true"} in validation["successCriteria"]
    assert publication["parameters"][0]["value"] == "$steps.create-draft.outputs.id"
    # The answer of the last step is the campaign that came of the draft.
    assert entry["outputs"]["campaign_id"] == "$steps.publish-draft.outputs.id"
    assert entry["outputs"]["draft_id"] == "$steps.create-draft.outputs.id"


def test_an_upload_is_used_once_it_is_ready() -> None:
    entry = workflow(ads(), "uploadAsset", "getAsset", "createAd")
    assert entry["summary"] == "Upload an asset, wait until it is ready and use it in a new ad"
    polling = entry["steps"][1]
    assert {"condition": "$response.body#/status == 'READY'"} in polling["successCriteria"]
    (retry,) = polling["onFailure"]
    assert retry["type"] == "retry"
    assert retry["retryLimit"] > 0
    assert {"condition": "$response.body#/status != 'REJECTED'"} in retry["criteria"]
    assert entry["steps"][2]["requestBody"]["payload"]["asset_id"] == "$steps.upload-asset.outputs.id"


@table(("count", "holds"), [(0, False), (1, True), (2, False)])
def test_only_a_single_match_is_changed(count: int, holds: bool) -> None:
    entry = next(entry for entry in ads()["workflows"] if entry["summary"].endswith("and change it"))
    find, change = entry["steps"]
    (criterion,) = [criterion for criterion in find["successCriteria"] if criterion.get("type") == "jsonpath"]
    scope = Scope(
        workflow=ArazzoWorkflow(id="w", steps=()),
        document=parse_document(ads()),
        inputs={"name": "x"},
        exchange=StepExchange(
            method="GET",
            url="https://x",
            status=200,
            body={"data": [{"id": str(n), "name": "x"} for n in range(count)] + [{"id": "9", "name": "xy"}]},
        ),
    )
    condition = Criterion(condition=criterion["condition"], kind=CriterionKind.JSONPATH, context=criterion["context"])
    assert scope.holds(condition) is holds
    assert change["requestBody"]["payload"] == "$inputs.changes"
    assert entry["inputs"]["properties"]["changes"]["minProperties"] == 1


def test_a_document_is_small_checked_and_removes_nothing() -> None:
    description = nlapi.load("ads")
    document = linked(description, ads())
    assert check(document) == ()
    assert 3 <= len(document.document.workflows) <= MAX_WORKFLOWS
    assert len(suggest(description, limit=2)["workflows"]) == 2
    steps = [step for entry in document.document.workflows for step in entry.steps]
    effects = {target.operation.effect for target in map(document.target, steps) if target.operation is not None}
    assert Effect.DESTROY not in effects


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize("name", ["harbor-swagger2.yaml", "museum-3.1.yaml", "servers/pdns.yaml"])
def test_a_document_of_a_real_description_is_whole(name: str) -> None:
    description = nlapi.load(str(SHARED / "specs" / name))
    tree = suggest(description)
    schema = json.loads((SHARED / "schemas" / "arazzo" / "schema-1.0.json").read_bytes())
    if tree["arazzo"] == "1.0.1":  # the published schema is that of 1.0
        assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(tree)] == []
    assert check(linked(description, tree)) == ()


def test_operations_without_an_id_are_named_by_their_path() -> None:
    description = spec(
        {"/books": {"post": creation("name")}, "/books/{id}": {"get": {"parameters": [KEY], **answer(thing())}}}
    )
    tree = suggest(description)
    (entry,) = tree["workflows"]
    path = "{$sourceDescriptions.test.url}#/paths/~1books/post"
    assert entry["steps"][0]["operationPath"] == path
    assert check(linked(description, tree)) == ()


def test_ids_are_passed_out_of_an_envelope() -> None:
    envelope = {"type": "object", "properties": {"book": thing(), "request_id": {"type": "string"}}}
    description = spec(
        {
            "/books": {"post": creation("name", result=envelope)},
            "/books/{id}": {"get": {"parameters": [KEY], **answer(envelope)}},
        }
    )
    (entry,) = suggest(description)["workflows"]
    assert entry["steps"][0]["outputs"]["id"] == "$response.body#/book/id"


def test_nothing_is_proposed_where_no_answer_has_the_id() -> None:
    silent = {**body({"type": "object", "properties": {"name": {"type": "string"}}}), "responses": {}}
    description = spec({"/books": {"post": silent}, "/books/{id}": {"get": {"parameters": [KEY], "responses": {}}}})
    with pytest.raises(NlapiError, match="shows no operations that belong together"):
        suggest(description)


@table("noun", ["tokens", "sessions", "api_keys"])
def test_access_is_not_created(noun: str) -> None:
    description = spec(
        {
            f"/{noun}": {"post": creation("name")},
            f"/{noun}/{{id}}": {"get": {"parameters": [KEY], **answer(thing())}},
        }
    )
    with pytest.raises(NlapiError):
        suggest(description)


def test_a_user_is_asked_for_and_not_created() -> None:
    description = spec(
        {
            "/users": {"post": creation("name")},
            "/users/{id}": {"get": {"parameters": [KEY], **answer(thing())}},
            "/notes": {"post": creation("name", "user_id", user_id=ID)},
            "/notes/{id}": {"get": {"parameters": [KEY], **answer(thing(user_id=ID))}},
        }
    )
    (entry,) = suggest(description)["workflows"]
    assert entry["summary"] == "Create a note and show it as it is stored"
    assert "user_id" in entry["inputs"]["required"]


def test_what_is_below_a_new_thing_is_not_asked_for() -> None:
    description = spec(
        {
            "/projects": {"post": creation("name")},
            "/projects/{project_id}": {"get": {"parameters": [parameter("project_id", "path")], **answer(thing())}},
            "/projects/{project_id}/issues/{issue_id}/notes": {
                "post": {
                    "parameters": [parameter("project_id", "path"), parameter("issue_id", "path")],
                    **creation("name"),
                },
                "get": {
                    "parameters": [parameter("project_id", "path"), parameter("issue_id", "path")],
                    **answer({"type": "array", "items": thing()}),
                },
            },
        }
    )
    assert summaries(suggest(description)) == ["Create a project and show it as it is stored"]


@table("states", [["open", "closed"], ["draft", "pending", "paid"], ["new", "old"]])
def test_nobody_waits_for_what_people_do(states: list[str]) -> None:
    state = {"type": "string", "enum": states}
    description = spec(
        {
            "/cases": {"post": creation("name", result=thing(status=state))},
            "/cases/{id}": {"get": {"parameters": [KEY], **answer(thing(status=state))}},
        }
    )
    assert not any("wait" in text for text in summaries(suggest(description)))


def test_a_key_that_no_scheme_provides_is_a_secret_input() -> None:
    key = parameter("api_key", "header", required=True)
    description = spec(
        {
            "/books": {"post": {"parameters": [key], **creation("name")}},
            "/books/{id}": {"get": {"parameters": [KEY, key], **answer(thing())}},
        }
    )
    (entry,) = suggest(description)["workflows"]
    secrets = [name for name, schema in entry["inputs"]["properties"].items() if schema.get("format") == "password"]
    assert secrets
    assert "name" in entry["inputs"]["required"]


def test_a_unit_is_told_with_its_input() -> None:
    budget = {"type": "integer", "description": "What to spend.", "x-nlapi": {"unit": "micros"}}
    description = spec(
        {
            "/books": {"post": creation("name", "budget", budget=budget)},
            "/books/{id}": {"get": {"parameters": [KEY], **answer(thing())}},
        }
    )
    schema = suggest(description)["workflows"][0]["inputs"]["properties"]["budget"]
    assert schema["type"] == "integer"
    assert schema["description"] == "What to spend. In micros."
    assert schema["x-nlapi"] == {"unit": "micros"}


def test_a_proposal_in_another_folder_finds_its_description(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "out").mkdir()
    (home / "shop.json").write_bytes(
        text({"/books": {"post": creation("name")}, "/books/{id}": {"get": {"parameters": [KEY], **answer(thing())}}})
    )
    monkeypatch.chdir(home)
    assert run("workflow", "suggest", "shop.json", "-o", "out/shop.arazzo.yaml").code == 0
    again = run("workflow", "suggest", "shop.json", "-o", "out/shop.arazzo.yaml")
    assert (again.code, "is there already" in again.err) == (2, True)
    monkeypatch.chdir(home.parent)
    assert run("workflow", "check", str(home / "out" / "shop.arazzo.yaml")).code == 0


def test_a_proposal_runs_as_it_is(home: Path) -> None:
    file = home / "ads.arazzo.json"
    file.write_text(json.dumps(ads()), encoding="utf-8")
    with running(nlapi.load("ads")) as server:
        ran = run(
            *("workflow", "run", str(file), "create-validate-and-publish-draft", "--input", "name=Summer"),
            *("--base-url", server.url, "--auth", "oauth2=any", "--yes", "-o", "json"),
        )
    assert ran.code == 0, ran.err
    assert {"draft_id", "campaign_id"} <= set(ran.json["outputs"])


def found_by(filter_name: str, type_: str, **properties: Any) -> list[str]:
    """Return the summaries of an API whose list of books has this filter, and whose books have these fields."""
    filters = {"parameters": [parameter(filter_name, schema={"type": type_})]}
    change = {"type": "object", "properties": {"pages": {"type": "integer"}}}
    book = {"type": "object", "properties": {"id": ID, **properties}}
    books = {"get": {"operationId": "listBooks", **filters, **answer({"type": "array", "items": book})}}
    item = {
        "get": {"operationId": "getBook", "parameters": [KEY], **answer(book)},
        "patch": {"operationId": "updateBook", "parameters": [KEY], **body(change), **answer(book)},
    }
    return summaries(suggest(spec({"/books": books, "/books/{id}": item})))


def test_an_item_is_chosen_by_the_field_that_its_list_filters_by() -> None:
    names = {"name": {"type": "string"}, "title": {"type": "string"}}
    assert found_by("title", "string", **names) == ["Find a book by its title and change it"]
    assert found_by("q", "string", **names) == ["Find a book by its name and change it"]
    # The text of a book is no name of it, and a list of names is no name.
    for filter_name, type_ in (("text", "string"), ("title", "array")):
        with pytest.raises(NlapiError):
            found_by(filter_name, type_, text={"type": "string"}, **names)
