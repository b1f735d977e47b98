"""What short names stand for (`orgid`, `a_id`), what a search is about, and which slot an address goes to."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Spec
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
            "/knobs/volume": {"post": _node("setVolume", "Volume of the knobs", **_body("volume", volume=NUMBER))},
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
        ("set the volume of the knobs to 40", "setVolume", {"volume": 40}),
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
    ["delete project 8 from org unit 41", "delete the organization 5f1c-9a52", "set the volume of the knobs to 40"],
)
def test_a_plain_deletion_stands(sentence: str) -> None:
    plan = planner(press()).plan(sentence)
    assert plan.confidence >= 0.8


def test_a_thing_is_no_text() -> None:
    plan = planner(press()).plan("restart the speaker")
    assert plan.calls[-1].arguments == {"params": "speaker"}
    assert plan.confidence < 0.5
