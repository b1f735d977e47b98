"""What the operations of small APIs do to their resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.semantics import OperationSemantics, semantics_of
from tests.describe import spec as described
from tests.resources.described import NUMBER, TEXT, api, listed, operation, thing
from tests.tables import table

SHOP = """
    GET /v1/accounts -> [Account]
    GET /v1/accounts/{account_id} -> Account
    POST /v1/accounts/{account_id}/campaigns (NewCampaign) -> Campaign
    GET /v1/campaigns/{campaign_id} -> {data: Campaign}
    PATCH /v1/campaigns/{campaign_id} (NewCampaign) -> Campaign
    PUT /v1/campaigns/{campaign_id} (NewCampaign) -> Campaign
    DELETE /v1/campaigns/{campaign_id}
    POST /v1/campaigns/{campaign_id}/pause -> Campaign
    GET /v1/campaigns status? page? -> {campaigns: [Campaign]}
    DELETE /v1/campaigns status?
    POST /v1/campaigns/search (Filter) -> {campaigns: [Campaign]}
    GET /v1/campaigns/findByStatus status* -> [Campaign]
    GET /v1/drafts -> [Draft]
    GET /v1/drafts/{draft_id} -> Draft
    POST /v1/drafts/{draft_id}/publish -> Campaign
    GET /v1/account/settings -> Settings
    PATCH /v1/account/settings (Settings) -> Settings
    GET /v1/reports/{account_id}/reach start* -> Report
    GET /v1/albums/{ids} -> [Album]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Spec:
    campaign = thing("id", "name", "status", account_id=NUMBER, previousDraftId=NUMBER, external_id=TEXT)
    schemas = {"Account": thing("id", "name"), "Campaign": campaign, "Draft": thing("id", "title", "campaign_id")}
    schemas |= {"NewCampaign": thing("name", "status"), "Settings": thing("language"), "Filter": thing("name")}
    parameters = {"ids": {"type": "array", "items": TEXT}}
    return api(tmp_path, SHOP, parameters, **schemas, Report=thing("reach"), Album=thing("id"))


def of(spec: Spec, request: str) -> OperationSemantics:
    return semantics_of(spec).classify(operation(spec, request))


CAMPAIGNS = "v1/campaigns"


@pytest.mark.parametrize(
    ("request_line", "kind", "resource"),
    [
        ("GET /v1/accounts", "list", "v1/accounts"),
        ("GET /v1/campaigns", "list", CAMPAIGNS),
        ("POST /v1/campaigns/search", "list", CAMPAIGNS),
        ("GET /v1/campaigns/findByStatus", "list", CAMPAIGNS),
        ("POST /v1/accounts/{account_id}/campaigns", "create", CAMPAIGNS),
        ("GET /v1/campaigns/{campaign_id}", "read", CAMPAIGNS),
        ("PATCH /v1/campaigns/{campaign_id}", "merge", CAMPAIGNS),
        ("PUT /v1/campaigns/{campaign_id}", "replace", CAMPAIGNS),
        ("DELETE /v1/campaigns/{campaign_id}", "delete", CAMPAIGNS),
        ("DELETE /v1/campaigns", "clear", CAMPAIGNS),
        ("POST /v1/campaigns/{campaign_id}/pause", "act", CAMPAIGNS),
        ("GET /v1/account/settings", "read", "v1/account/settings"),
        ("PATCH /v1/account/settings", "merge", "v1/account/settings"),
        ("GET /v1/reports/{account_id}/reach", "compute", None),
        ("GET /v1/albums/{ids}", "list", "v1/albums/{}"),
    ],
)
def test_an_operation_does_something_to_a_resource(
    shop: Spec, request_line: str, kind: str, resource: str | None
) -> None:
    found = of(shop, request_line)
    assert (found.kind, found.resource and found.resource.name) == (kind, resource)


def test_one_kind_of_thing_may_be_at_several_paths(shop: Spec) -> None:
    resource = of(shop, "GET /v1/campaigns").resource
    assert resource is not None
    paths = {"/".join(segment.text for segment in collection.path) for collection in resource.collections}
    assert paths == {"v1/campaigns", "v1/campaigns/findByStatus"}
    assert (resource.id_path, resource.noun, resource.is_open) == ("id", ("campaign",), False)
    assert {"name", "status", "account_id"} <= resource.properties.keys()


def test_a_singleton_is_the_one_thing_at_its_path(shop: Spec) -> None:
    settings = of(shop, "GET /v1/account/settings").resource
    assert settings is not None and settings.is_singleton and settings.label == "settings"
    assert settings not in semantics_of(shop).resources


def test_an_answer_holds_the_thing_or_the_list_somewhere(shop: Spec) -> None:
    requests = ("GET /v1/campaigns", "GET /v1/campaigns/{campaign_id}", "GET /v1/accounts")
    parts = [of(shop, request).part for request in requests]
    assert [part and (part.keys, part.is_list) for part in parts] == [
        (("campaigns",), True),
        (("data",), False),
        ((), True),
    ]


def test_an_action_may_bring_forth_another_thing(shop: Spec) -> None:
    published = of(shop, "POST /v1/drafts/{draft_id}/publish")
    assert published.resource is not None and published.resource.name == "v1/drafts"
    assert published.created_resource is not None and published.created_resource.name == CAMPAIGNS
    assert (published.verb, published.key) == ("publish", "draft_id")


def test_placeholders_name_things_above(shop: Spec) -> None:
    (parent,) = of(shop, "POST /v1/accounts/{account_id}/campaigns").parents
    assert (parent.parameter, parent.resource and parent.resource.name) == ("account_id", "v1/accounts")
    (parent,) = of(shop, "GET /v1/reports/{account_id}/reach").parents
    assert parent.resource is not None and parent.resource.name == "v1/accounts"


def names(references: tuple[tuple[str, Any], ...]) -> dict[str, str]:
    return {name: resource.name for name, resource in references}


def test_properties_refer_to_things_by_their_names(shop: Spec) -> None:
    semantics, campaign = semantics_of(shop), of(shop, "GET /v1/campaigns").resource
    assert campaign is not None
    assert names(semantics.references(campaign)) == {"account_id": "v1/accounts", "previousDraftId": "v1/drafts"}


def test_properties_refer_to_things_by_links() -> None:
    pet = thing("id", "name", keeper=NUMBER)
    link = {"operationId": "person", "parameters": {"person_id": "$response.body#/keeper"}}
    one = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": NUMBER}]}
    person = {"parameters": [{"name": "person_id", "in": "path", "required": True, "schema": NUMBER}]}
    content = {"application/json": {"schema": pet}}
    shown = {"200": {"description": "", "content": content, "links": {"keeper": link}}}
    kept = {"200": {"description": "", "content": {"application/json": {"schema": thing("id")}}}}
    paths = {
        "/pets/{id}": {**one, "get": {"responses": shown}},
        "/people/{person_id}": {**person, "get": {"operationId": "person", "responses": kept}},
    }
    spec = described(paths)
    resource = semantics_of(spec).classify(spec.operations[0]).resource
    assert resource is not None and names(semantics_of(spec).references(resource)) == {"keeper": "people"}


@table(
    ("path", "key", "properties", "id_path"),
    [
        ("/pods", "name", {"metadata": thing("name", "uid"), "spec": thing("image")}, "metadata.name"),
        ("/members", "user_id", {"user": thing("id", "name"), "role": TEXT}, "user.id"),
        ("/servers", "serverName", {"id": NUMBER, "name": TEXT}, "name"),
        ("/orders", "orderId", {"id": TEXT, "number": TEXT}, "id"),
        ("/books", "isbn", {"isbn": TEXT, "title": TEXT}, "isbn"),
        ("/countries", "x", {"code": TEXT, "name": TEXT}, "code"),
    ],
)
def test_a_thing_goes_by_the_field_that_its_path_takes(
    tmp_path: Path, path: str, key: str, properties: dict[str, Any], id_path: str
) -> None:
    spec = api(tmp_path, f"GET {path} -> [One]\nGET {path}/{{{key}}} -> One", One=thing(**properties))
    resource = of(spec, f"GET {path}").resource
    assert resource is not None and resource.id_path == id_path


def test_what_a_post_at_a_collection_does_is_told_by_what_it_answers(tmp_path: Path) -> None:
    one = {"One": thing("id", "name"), "Filter": thing("name")}
    spec = api(
        tmp_path, "POST /runs/filter (Filter) -> [One]\nGET /runs/{run_id} -> One\nPOST /runs (Filter) -> One", **one
    )
    assert of(spec, "POST /runs/filter").kind == "list"
    assert of(spec, "POST /runs").kind == "create"
    made = api(tmp_path, "GET /tags -> {tags: [One]}\nPOST /tags (Filter) -> {tags: [One]}", **one)
    found = of(made, "POST /tags")
    assert found.kind == "create" and found.part is not None
    assert (found.part.keys, found.part.is_list) == (("tags",), True)


def test_a_map_of_things_by_their_ids_is_a_list(tmp_path: Path) -> None:
    by_id = {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/One"}}
    spec = api(tmp_path, "GET /things -> Things\nGET /things/{id} -> One", Things=by_id, One=thing("id", "name"))
    part = of(spec, "GET /things").part
    assert part is not None and part.is_list and part.is_map


def test_no_answer_is_parsed_before_it_is_asked_for(shop: Spec) -> None:
    semantics_of(shop)
    assert not any("answers" in vars(one) for one in shop.operations)


def test_operations_that_no_resource_has_are_computed() -> None:
    node = {"responses": {"200": {"description": "", "content": {"application/json": {"schema": listed("X")}}}}}
    spec = described({"/quote": {"get": node}, "/": {"get": node}}, components={"schemas": {"X": thing("text")}})
    found: list[Operation] = list(spec.operations)
    assert {semantics_of(spec).classify(one).kind for one in found} == {"compute"}
