"""A small lending library as a description, and conversations with scripted answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec

TODAY = date(2026, 5, 13)
"""A Wednesday."""

Replies = Callable[[Call], Any]

_STATUS = {"type": "string", "enum": ["ACTIVE", "PAUSED", "ARCHIVED"]}
_SHELF_ID = parameter("shelf_id", "path", {"type": "string"}, description="Id of the shelf.")
_BOOK_ID = parameter("book_id", "path", {"type": "string"}, description="Id of the book.")
_LIMIT = parameter("limit", schema={"type": "integer", "default": 20, "maximum": 100}, description="How many to give.")


def _operation(id: str, summary: str, *parameters: Any, tag: str = "books", **more: Any) -> dict[str, Any]:
    found = {"operationId": id, "summary": summary, "tags": [tag], "responses": {"200": {"description": "ok"}}}
    return {**found, "parameters": list(parameters), **more}


def _thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def library() -> Spec:
    """Shelves of books; a book has a status, a price in micros, and loans."""
    book = {
        "title": {"type": "string", "description": "What the book is called."},
        "shelf_id": {"type": "string", "description": "Id of the shelf it stands on."},
        "price_micros": {"type": "integer", "x-nlapi": {"unit": "micros"}, "description": "Its price."},
        "published_on": {"type": "string", "format": "date"},
        "status": _STATUS,
    }
    change = _thing(name={"type": "string"}, status=_STATUS)
    statuses = {"type": "array", "items": _STATUS}
    window = ("start_date", "end_date")
    days = [parameter(name, schema={"type": "string", "format": "date"}, required=True) for name in window]
    return spec(
        {
            "/shelves": {
                "get": _operation(
                    "listShelves",
                    "List shelves",
                    parameter("shelf_statuses", schema=statuses, description="Only shelves with these statuses."),
                    parameter(
                        "book_statuses", schema=statuses, description="Only shelves with books of these statuses."
                    ),
                    parameter("name", description="Only shelves whose name contains this."),
                    _LIMIT,
                    tag="shelves",
                ),
                "post": _operation(
                    "createShelf",
                    "Create a shelf",
                    tag="shelves",
                    **body({**_thing(name={"type": "string"}, status=_STATUS), "required": ["name"]}),
                ),
            },
            "/shelves/{shelf_id}": {
                "get": _operation("getShelf", "Get a shelf", _SHELF_ID, tag="shelves"),
                "patch": _operation("updateShelf", "Update a shelf", _SHELF_ID, tag="shelves", **body(change)),
                "delete": _operation("deleteShelf", "Delete a shelf", _SHELF_ID, tag="shelves"),
            },
            "/books": {
                "get": _operation(
                    "listBooks",
                    "List books",
                    parameter("shelf_id", description="Only books on this shelf."),
                    parameter("max_price", schema={"type": "number"}, description="The highest price."),
                    _LIMIT,
                ),
                "post": _operation("createBook", "Add a book", **body({**_thing(**book), "required": ["title"]})),
            },
            "/books/{book_id}": {
                "get": _operation("getBook", "Get a book", _BOOK_ID),
                "patch": _operation("updateBook", "Update a book", _BOOK_ID, **body(_thing(**book))),
            },
            "/books/{book_id}/loans": {
                "get": _operation("listLoans", "List the loans of a book", _BOOK_ID, tag="loans"),
                "post": _operation(
                    "lendBook",
                    "Lend a book to a reader",
                    _BOOK_ID,
                    tag="loans",
                    **body(
                        {**_thing(reader_email={"type": "string", "format": "email"}), "required": ["reader_email"]}
                    ),
                ),
            },
            "/reports/loans": {"get": _operation("getLoanReport", "Report on loans", *days, tag="reports")},
        },
        info={"title": "Library", "version": "1"},
    )


def planner(api: Spec | None = None) -> OfflinePlanner:
    return OfflinePlanner((api or library(),), today=TODAY)


def planned(question: str, **known: Any) -> Plan:
    """The first plan for a question to the library."""
    return planner().plan(question, known=known)


def only(plan: Plan) -> tuple[str, Mapping[str, Any]]:
    """The one call of a plan: its operation and arguments."""
    (call,) = plan.calls
    return call.operation_id, call.arguments


def reply(data: Any, status: int = 200) -> Result:
    content = b"" if data is None else json.dumps(data).encode()
    return Result(status=status, headers=(("content-type", "application/json"),), content=content)


def talk(
    question: str, replies: Replies, known: Mapping[str, Any] | None = None, *, api: Spec | None = None
) -> list[Plan]:
    """Every plan until the turn ends or something is missing; `replies` gives the data or the Result of a call."""
    conversation, plans = ask(question, known), []
    for _ in range(12):
        plan = next_plan(conversation, api=api)
        plans.append(plan)
        if plan.missing or not plan.calls:
            return plans
        conversation = conversation.with_round(
            Round(plan=plan, steps=tuple(_step(call, replies) for call in plan.calls))
        )
    raise AssertionError("no end to it")


def next_plan(conversation: Conversation, *, api: Spec | None = None) -> Plan:
    """The next plan of a conversation."""
    return asyncio.run(_next(planner(api), conversation))


def answered(conversation: Conversation, answer: Any, *, api: Spec | None = None) -> Conversation:
    """The conversation with the calls of its next plan, each with this answer."""
    plan = next_plan(conversation, api=api)
    return conversation.with_round(Round(plan=plan, steps=tuple(_step(call, lambda _: answer) for call in plan.calls)))


async def _next(planner: OfflinePlanner, conversation: Conversation) -> Plan:
    pieces = [piece async for piece in planner.next(conversation)]
    assert all(isinstance(piece, str) for piece in pieces[:-1])
    assert isinstance(pieces[-1], Plan)
    return pieces[-1]


def _step(call: Call, replies: Replies) -> Step:
    answer = replies(call)
    if isinstance(answer, Step):
        return answer
    result = answer if isinstance(answer, Result) else reply(answer)
    return Step(call=call, outcome=Outcome.ANSWERED, result=result)
