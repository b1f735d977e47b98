"""What short names stand for (`orgid`, `a_id`), what a search is about, and which slot an address goes to."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.describe import body, parameter, spec
from tests.planner.kit import planner

TEXT: dict[str, Any] = {"type": "string"}
LINK: dict[str, Any] = {"type": "string", "description": "URL of a media file for this bundle."}
NUMBER: dict[str, Any] = {"type": "integer"}


def _node(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    answers = {"200": {"description": "ok"}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answers, **more}


def _body(*required: str, **properties: Any) -> dict[str, Any]:
    return body({"type": "object", "properties": properties, "required": list(required)})


def press() -> Spec:
    """Units of an organization, their projects, articles and clips: short names that descriptions spell out."""
    unit = parameter("orgid", "path", NUMBER, description="Id of the organization unit")
    project = parameter("projectid", "path", NUMBER, description="Id of the project")
    article = parameter("a_id", "query", TEXT, description="Article identifier.")
    podcast = parameter("p_id", "query", TEXT, description="Podcast episode identifier.")
    clip, channel = parameter("id", "path", TEXT), parameter("channelId", "path", TEXT)
    page = [parameter(name, schema=NUMBER) for name in ("limit", "start")]
    account, bundle = parameter("org_id", "path", TEXT), parameter("bundle_id", "path", TEXT)
    return spec(
        {
            "/orgunits": {"get": _node("listUnits", "Organization units")},
            "/orgunits/{orgid}/projects": {"get": _node("listProjects", "Projects of a unit", unit)},
            "/orgunits/{orgid}/projects/{projectid}": {
                "delete": _node("deleteProject", "Deletes the project", unit, project)
            },
            "/comments": {"get": _node("listComments", "Comments", article, podcast)},
            "/articles/{id}": {
                "put": _node(
                    "updateArticle", "Update an article", clip, **_body(title=TEXT, published={"type": "boolean"})
                )
            },
            "/clips": {
                "get": _node("listClips", "List clips", *page),
            },
            "/clips/search": {
                "get": _node(
                    "searchClips", "Search clips", parameter("query", schema=TEXT), parameter("fields", schema=TEXT)
                )
            },
            "/channels/{channelId}/_fix": {"post": _node("fixAll", "Mark the messages of a channel as fixed", channel)},
            "/channels/{channelId}/messages/{id}/_fix": {
                "post": _node("fixMessage", "Mark a message as fixed by its ID", channel, clip)
            },
            "/account/orgs/{org_id}": {
                "delete": _node("removeAccountOrganization", "Remove this organization", account)
            },
            "/account/orgs/{org_id}/exportToken": {
                "delete": _node(
                    "deleteAccountOrganizationExportToken",
                    "Removes the export token from the specified organization",
                    account,
                )
            },
            "/bundles/{bundle_id}/tracks": {
                "post": _node(
                    "addTrack", "Add a track for a bundle", bundle, **_body("media_url", label=TEXT, media_url=LINK)
                )
            },
            "/orders/status/canceled": {"get": _node("listCanceled", "Returns lists of canceled orders")},
            "/orders/{order_id}/shipment/cancel": {
                "post": _node("cancelShipment", "Confirm the cancellation", parameter("order_id", "path", TEXT))
            },
            "/id4ns/{id4n}/alias": {"get": _node("listAliases", "Aliases of an ID4n", parameter("id4n", "path", TEXT))},
            "/restart": {"post": _node("restart", "Restart", **_body("params", params=TEXT))},
        }
    )


@pytest.mark.parametrize(
    ("sentence", "operation", "arguments"),
    [
        ("delete project 8 of org unit 41", "deleteProject", {"orgid": 41, "projectid": 8}),
        ("delete project 8 from organization unit 41", "deleteProject", {"orgid": 41, "projectid": 8}),
        ("delete project 8 from org 41", "deleteProject", {"orgid": 41, "projectid": 8}),
        ("list the projects of org unit 41", "listProjects", {"orgid": 41}),
        ("comments on article 4021", "listComments", {"a_id": "4021"}),
        ("search for rain", "searchClips", {"query": "rain"}),
        ('search clips about "heavy rain"', "searchClips", {"query": "heavy rain"}),
        ("list 20 clips", "listClips", {"limit": 20}),
        (
            "add https://example.org/rain.mp3 as a track to bundle b81",
            "addTrack",
            {"bundle_id": "b81", "media_url": "https://example.org/rain.mp3"},
        ),
        ('change the title of article 40a1 to "Rain"', "updateArticle", {"id": "40a1", "title": "Rain"}),
        ("mark message 99AB of channel 0c3a7b as fixed", "fixMessage", {"channelId": "0c3a7b", "id": "99AB"}),
        ("canceled orders", "listCanceled", {}),
        ("all aliases of id4n 3nu8", "listAliases", {"id4n": "3nu8"}),
        ("delete the organization 5f1c-9a52", "removeAccountOrganization", {"org_id": "5f1c-9a52"}),
        (
            "remove the export token of organization 5f1c-9a52",
            "deleteAccountOrganizationExportToken",
            {"org_id": "5f1c-9a52"},
        ),
    ],
)
def test_a_sentence_is_planned(sentence: str, operation: str, arguments: dict[str, Any]) -> None:
    plan = planner(press()).plan(sentence)
    call = plan.goal or plan.calls[-1]
    assert (call.tool.operation.id, plan.calls[-1].arguments) == (operation, arguments)


@pytest.mark.parametrize(
    "sentence",
    ["delete project 8 from org unit 41", "delete the organization 5f1c-9a52"],
)
def test_a_plain_deletion_stands(sentence: str) -> None:
    plan = planner(press()).plan(sentence)
    assert plan.confidence >= 0.8


def test_a_thing_is_no_text() -> None:
    plan = planner(press()).plan("restart the speaker")
    assert plan.calls[-1].arguments == {"params": "speaker"}
    assert plan.confidence < 0.5


DAY: dict[str, Any] = {"type": "string", "format": "date"}


def office() -> Spec:
    """Groups, dashboards, baskets, logs, tracks and documents as existing APIs have them."""
    org = parameter("orgid", "path", NUMBER, description="ID of organization")
    user, dashboard = (
        parameter("username", "path", TEXT, description="a valid username string"),
        parameter("id", "path", TEXT),
    )
    log, message = parameter("logId", "path", TEXT), parameter("id", "path", TEXT)
    many = {
        "from": {"type": "string", "format": "date-time"},
        "query": TEXT,
        "to": {"type": "string", "format": "date-time"},
    }
    start = parameter("start", schema=NUMBER, description="Where the paged listing starts")
    days = [parameter(f"{end}_date", schema=DAY, example="2025-10-15T13:51:01.409Z") for end in ("start", "end")]
    secret = parameter("x-gate-authorization", "header", TEXT, description="shared secret", required=True)
    unit = parameter("ou_id", "path", TEXT, description="Id of the organization unit")
    person = {"email": TEXT, "first_name": TEXT, "last_name": TEXT}
    track = {
        "label": {**TEXT, "description": "Label for the track. Up to 128 characters."},
        "media_url": {**TEXT, "description": "URL of a media file for this bundle. Up to 2083 characters."},
        "audio_channel": {**TEXT, "enum": ["left", "right"], "description": "The audio channel to use for the track."},
        "audio_language": {**TEXT, "enum": ["en-US", "fr"], "description": "Language of the audio in the track."},
        "start_time": {"type": "number", "description": "Time offset in seconds that the media starts."},
        "parts_pending": {"type": "boolean", "description": "True if more media parts will be added to the track."},
        "track": {**NUMBER, "description": "Track number specifies the index of the new track."},
        "version": {**NUMBER, "description": "Object version."},
    }
    named = {"description": TEXT, "key": TEXT, "name": TEXT}
    return spec(
        {
            "/orgunits": {"get": _node("listUnits", "Organization Units")},
            "/orgunits/{orgid}/usergroups": {"get": _node("listGroups", "List User Groups.", org)},
            "/units/{ou_id}/seal": {"post": _node("sealUnit", "Seal", unit)},
            "/{username}/dashboards/{id}": {
                "patch": _node("updateDashboard", "Update an existing Dashboard", user, dashboard, **_body(**named))
            },
            "/baskets/{name}": {
                "post": _node(
                    "createBasket",
                    "Create new basket",
                    parameter("name", "path", TEXT, description="The name of the new basket"),
                    **body({"type": "object", "properties": {"capacity": NUMBER}}, required=False),
                ),
                "put": _node(
                    "replaceBasket",
                    "Replace a basket",
                    parameter("name", "path", TEXT, description="The name of the basket"),
                    **body({"type": "object", "properties": {"capacity": NUMBER}}, required=False),
                ),
            },
            "/logs/{logId}/_enable": {"post": _node("enableLog", "Enable a log by its ID.", log)},
            "/messages/{logId}/_fix": {
                "post": _node("fixAll", "Mark a list of messages as fixed by logid and query.", log, **_body(**many))
            },
            "/messages/{logId}/{id}/_fix": {"post": _node("fixMessage", "Fix a message by its ID.", log, message)},
            "/quotes/categories/popular": {
                "get": _node("popular", "Popular categories", start, parameter("limit", schema=NUMBER))
            },
            "/documents": {"get": _node("listDocuments", "List all documents", *days)},
            "/projects": {
                "get": _node("listProjects", "List projects", parameter("Sort", schema=TEXT, description="Sort by")),
                "post": _node(
                    "addProject", "Create a project", **_body("ProjectTitle", ProjectTitle=TEXT, CompanyName=TEXT)
                ),
            },
            "/reload": {"get": _node("reload", "Reload", secret)},
            "/users": {"put": _node("addUser", "Create a new user account", **_body("email", **person))},
            "/qshow": {
                "patch": _node(
                    "updateShow",
                    "Update a qshow",
                    parameter("id", schema=TEXT, description="Qshow id", required=True),
                    **_body(title=TEXT),
                )
            },
            "/bundles/{bundle_id}/tracks": {
                "post": _node(
                    "addTrack",
                    "Add a track for a bundle",
                    parameter("bundle_id", "path", TEXT, description="id of a bundle"),
                    **body(
                        {"type": "object", "properties": track, "required": ["media_url"]},
                        "application/x-www-form-urlencoded",
                    ),
                )
            },
        }
    )


@pytest.mark.parametrize(
    ("sentence", "operation", "arguments", "stands"),
    [
        ("list the user groups of org unit 41", "listGroups", {"orgid": 41}, False),
        ("seal organization unit u-77", "sealUnit", {"ou_id": "u-77"}, True),
        ('rename dashboard home-1 to "House"', "updateDashboard", {"id": "home-1", "name": "House"}, False),
        ("create a basket named orders", "createBasket", {"name": "orders"}, True),
        ("turn the log 0c3a7b1e back on", "enableLog", {"logId": "0c3a7b1e"}, True),
        ("mark message 99AB of log 0c3a7b1e as fixed", "fixMessage", {"logId": "0c3a7b1e", "id": "99AB"}, False),
        ("popular categories, 10 of them", "popular", {"limit": 10}, False),
        (
            "documents from 2026-11-01 to 2026-11-30",
            "listDocuments",
            {"start_date": "2026-11-01", "end_date": "2026-11-30"},
            False,
        ),
        ("reload the gateway", "reload", {}, False),
        (
            "add the user Jo Park with the email jo@example.com",
            "addUser",
            {"email": "jo@example.com", "first_name": "Jo", "last_name": "Park"},
            True,
        ),
        ('rename qshow 77ab to "Morning"', "updateShow", {"id": "77ab", "title": "Morning"}, True),
        (
            "add https://example.com/b.mp3 as a track to bundle b81",
            "addTrack",
            {"bundle_id": "b81", "media_url": "https://example.com/b.mp3"},
            True,
        ),
    ],
)
def test_forms_of_existing_apis(sentence: str, operation: str, arguments: dict[str, Any], stands: bool) -> None:
    plan = planner(office()).plan(sentence)
    assert (plan.calls[-1].tool.operation.id, plan.calls[-1].arguments) == (operation, arguments)
    assert not stands or plan.confidence >= 0.8


@pytest.mark.parametrize(
    "sentence", ["make basket 40a1", "make basket orders bigger", "replace basket 40a1", "make", "create", "add"]
)
def test_an_item_that_may_be_there_is_not_made_anew(sentence: str) -> None:
    plan = planner(office()).plan(sentence)
    assert not plan.calls or plan.confidence < 0.8


@pytest.mark.parametrize(
    ("title", "stands"), [("Office Move for Acme", False), ('"Office Move for Acme"', True), ("Office Move", True)]
)
def test_a_title_ends_before_whom_it_is_for(title: str, stands: bool) -> None:
    plan = planner(office()).plan(f"create a project called {title}")
    assert (plan.confidence >= 0.8) is stands


def test_the_name_of_an_item_is_no_order() -> None:
    plan = planner(office()).plan("list the projects of London")
    assert all("Sort" not in call.arguments for call in plan.calls)


def test_a_command_of_one_word_says_nothing_of_the_item_of_an_answer() -> None:
    tool = next(tool for tool in nlapi.tools(office()) if tool.operation.id == "createBasket")
    answer = ValueSource(argument="name", value="orders", origin=Origin.REPLY)
    call = Call(tool=tool, arguments={"name": "orders"})
    assert reasons_against(call, Account(sources=(answer,)), "make") == ("what createBasket shall set is not said",)
