"""A club with a library as a description: members, books, loans, rooms, campaigns, projects and their issues."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from tests.describe import body, parameter, spec

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
DAY = {"type": "string", "format": "date"}


def _node(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    answers = {"200": {"description": "ok"}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answers, **more}


def _body(*required: str, **properties: Any) -> dict[str, Any]:
    return body({"type": "object", "properties": properties, "required": list(required)})


def _id(name: str, schema: Any = NUMBER) -> dict[str, Any]:
    return parameter(name, "path", schema)


def _page(*extra: Any) -> tuple[Any, ...]:
    return (parameter("page", schema=NUMBER), parameter("per_page", schema={**NUMBER, "maximum": 100}), *extra)


def club() -> Spec:
    """Ids are integers; books are listed by page, members by cursor, campaigns by offset."""
    order = {"type": "string", "enum": ["title", "-title", "year", "-year"]}
    status = {"type": "string", "enum": ["ACTIVE", "PAUSED"]}
    genre = {"type": "string", "enum": ["history", "novel"]}
    cursor, limit = parameter("cursor"), parameter("limit", schema={**NUMBER, "maximum": 50})
    change = {"name": TEXT, "status": status, "start_date": DAY, "end_date": DAY}
    return spec(
        {
            "/members": {
                "get": _node("listMembers", "List members", cursor, limit),
                "post": _node("addMember", "Add a member", **_body("name", name=TEXT)),
            },
            "/members/{member_id}": {
                "get": _node("getMember", "Get a member", _id("member_id")),
                "delete": _node("deleteMember", "Delete a member", _id("member_id")),
            },
            "/members/{member_id}/meetings": {
                "post": _node(
                    "createMeeting",
                    "Create a meeting",
                    _id("member_id"),
                    **_body(topic=TEXT, start_time={"type": "string", "format": "date-time"}),
                )
            },
            "/books": {
                "get": _node(
                    "listBooks",
                    "List books",
                    *_page(parameter("sort", schema=order), parameter("genre", schema=genre)),
                ),
                "post": _node("addBook", "Add a book", **_body("title", title=TEXT, genre=genre)),
            },
            "/books/{book_id}": {
                "get": _node("getBook", "Get a book", _id("book_id")),
                "delete": _node("deleteBook", "Delete a book", _id("book_id")),
            },
            "/loans": {
                "get": _node("listLoans", "List loans", parameter("member_id", schema=NUMBER), limit),
            },
            "/loans/{loan_id}": {"delete": _node("cancelLoan", "Cancel a loan", _id("loan_id"))},
            "/loans/{loan_id}/return": {"post": _node("returnLoan", "Return a loan", _id("loan_id"))},
            "/bookings": {
                "get": _node("listBookings", "List bookings", parameter("after", schema=DAY), limit),
                "post": _node("bookRoom", "Book a room", **_body("room", room=TEXT, day=DAY)),
            },
            "/campaigns": {
                "get": _node("listCampaigns", "List campaigns", parameter("offset", schema=NUMBER), limit),
            },
            "/campaigns/{campaign_id}": {
                "get": _node("getCampaign", "Get a campaign", _id("campaign_id")),
                "patch": _node("updateCampaign", "Update a campaign", _id("campaign_id"), **_body(**change)),
                "delete": _node("deleteCampaign", "Delete a campaign", _id("campaign_id")),
            },
            "/groups/{group_id}/projects": {
                "get": _node("listGroupProjects", "List the projects of a group", _id("group_id")),
            },
            "/projects": {"get": _node("listProjects", "List projects", limit)},
            "/projects/{project_id}/issues": {
                "get": _node(
                    "listIssues",
                    "List the issues of a project",
                    _id("project_id"),
                    parameter("state", schema={"type": "string", "enum": ["open", "closed"]}),
                ),
            },
        },
        info={"title": "Club", "version": "1"},
    )
