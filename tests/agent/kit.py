"""What the agent's tests share: a small description, its API on loopback, scripted planners, a way to run the loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nlapi.agent.events import CallProposed, ConsentReply, Event, Planner
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy, PolicyDecision
from nlapi.api import load
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Plan, ask
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.sending.run import Prepared, Target, prepare
from nlapi.tools.tool import Account, Call
from tests.servers import Echo, Received
from tests.servers import Reply as Response

BOARDS = {
    "openapi": "3.1.0",
    "info": {"title": "Boards", "version": "1", "description": "Boards and the cards on them."},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/boards": {
            "get": {
                "operationId": "listBoards",
                "summary": "List boards",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}],
                "responses": {"200": {"description": "boards"}},
            }
        },
        "/boards/{board}/cards": {
            "parameters": [{"name": "board", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "listCards",
                "summary": "List the cards of a board",
                "responses": {"200": {"description": "cards"}},
            },
            "post": {
                "operationId": "createCard",
                "summary": "Put a card on a board",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["title"],
                                "properties": {"title": {"type": "string"}, "points": {"type": "integer"}},
                            }
                        }
                    },
                },
                "responses": {"201": {"description": "the card"}},
            },
        },
        "/cards/{card}": {
            "delete": {
                "operationId": "deleteCard",
                "summary": "Delete a card",
                "parameters": [{"name": "card", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"204": {"description": "gone"}},
            }
        },
    },
}


def boards(folder: Path, title: str = "Boards", **more: Any) -> Spec:
    """The small description, as a Spec; `more` is added to its top."""
    file = folder / f"{title}.json"
    file.write_text(json.dumps({**BOARDS, "info": {**BOARDS["info"], "title": title}, **more}))
    return load(str(file))


def boards_api() -> Echo:
    """An API for it that has one board with nothing on it."""

    def answer(request: Received) -> Response:
        if request.method == "GET":
            return Response(200, [{"id": "b7", "name": "Roadmap"}] if request.path == "/boards" else [])
        return Response(201, {"id": "c1", **json.loads(request.body)}) if request.method == "POST" else Response(204)

    return Echo(answer)


SENTENCES = {"createCard": "add a card", "deleteCard": "delete a card", "createCampaign": "create a campaign"}
"""What the changes of the descriptions here are for."""


def call(spec: Spec, operation: str, id: str = "", **arguments: Any) -> Call:
    """A call as a model writes it, whose values are all the user's."""
    account = Account(traced=True, sentence=SENTENCES.get(operation, ""))
    return Call(tool=compile_tool(spec.operation(operation)), arguments=arguments, id=id, account=account)


NEEDED = {"createCard": {"board": "b7", "title": "A"}, "deleteCard": {"card": "c1"}, "listCards": {"board": "b7"}}
"""What the operations of the small description cannot be called without."""


def prepared(made: Call, base_url: str | None = "http://127.0.0.1:9", ledger: Ledger | None = None) -> Prepared:
    """A call ready to be sent, with a value for each argument that is required and not in it."""
    complete = replace(made, arguments={**NEEDED.get(made.operation_id, {}), **made.arguments})
    return prepare(complete, Target(spec=made.tool.operation.spec, base_url=base_url, ledger=ledger or Ledger()))


def judge(
    policy: Policy, made: Call, conversation: Conversation, *, base_url: str = "http://127.0.0.1:9", **more: Any
) -> PolicyDecision:
    """What the policy says of a call, by the request that it becomes and the ledger of the conversation."""
    ledger = Ledger()
    ledger.take_up((*conversation.steps, *more.get("during", ())))
    return policy.decide(prepared(made, base_url, ledger), conversation, **more)


class Scripted:
    """A planner that plans what it was told: texts, Plans, or functions of the conversation that make one."""

    name = "scripted"

    def __init__(self, *rounds: str | Plan | Callable[[Conversation], Plan]) -> None:
        self.rounds = list(rounds)
        self.seen: list[Conversation] = []

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        self.seen.append(conversation)
        step = self.rounds.pop(0)
        if isinstance(step, str):
            for word in step.split():
                yield word
            yield Plan(text=step)
        else:
            yield step if isinstance(step, Plan) else step(conversation)


async def yes(_: tuple[CallProposed, ...]) -> ConsentReply:
    return ConsentReply(is_agreed=True)


async def no(_: tuple[CallProposed, ...]) -> ConsentReply:
    return ConsentReply(is_agreed=False)


async def nobody(_: tuple[CallProposed, ...]) -> ConsentReply:
    raise AssertionError("consent was sought")


def events(
    planner: Planner,
    specs: Iterable[Spec],
    base_url: str = "http://127.0.0.1:9",
    *,
    conversation: Conversation | None = None,
    consent: Callable[[tuple[CallProposed, ...]], Any] = nobody,
    policy: Policy | None = None,
    see: Callable[[Event], None] = lambda event: None,
    no_auth: bool = False,
    **more: Any,
) -> list[Event]:
    """All events of one turn; `see` gets each as it comes."""
    targets = {spec: Target(spec=spec, base_url=base_url, no_auth=no_auth) for spec in specs}

    async def run() -> list[Event]:
        seen = []
        started = conversation or ask("what is on my boards?")
        async for event in converse(planner, started, targets, policy=policy or Policy(), consent=consent, **more):
            see(event)
            seen.append(event)
        return seen

    return asyncio.run(run())


def of(kind: type[Any], events: Iterable[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]
