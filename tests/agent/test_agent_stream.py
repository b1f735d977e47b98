"""Answers that stream, in the agent's loop: told as they come, kept with their step, bounded for a model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.events import Event, ItemsReceived, StepFinished
from nlapi.agent.loop import converse
from nlapi.agent.models.messages import ModelState
from nlapi.agent.policy import Policy
from nlapi.agent.records.log import Log
from nlapi.agent.records.transcripts import read_records, resume
from nlapi.client.message import EndReason, Framing, Limits
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Outcome, Plan, ask
from nlapi.tools.sending.run import Target
from tests.agent.kit import Scripted, boards, call, events, nobody, of, yes
from tests.servers import END, Script, chunk, head

SSE = "text/event-stream"
TWO = chunk(b"data: 1\n\n") + chunk(b"data: 2\n\nda")
ITEMS = ({"data": 1}, {"data": 2})


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def test_items_are_told_before_the_step_that_has_them_all(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "listBoards"),)), "two came")
    with Script(head(SSE), TWO, END) as server:
        seen = events(planner, [spec], server.url)
    told = [event for event in seen if isinstance(event, ItemsReceived | StepFinished)]
    assert [item for event in told[:-1] for item in event.items] == list(ITEMS)
    assert told[0].framing is Framing.EVENTS
    result = told[-1].step.result
    assert (result.items, result.ended) == (ITEMS, EndReason.COMPLETE)


def test_interrupted_the_step_has_what_came(spec: Spec) -> None:
    plan = Plan(calls=(call(spec, "listBoards"), call(spec, "listCards", board="b7")))
    seen: list[Event] = []

    async def turn(url: str) -> None:
        targets = {spec: Target(spec=spec, base_url=url)}
        task = asyncio.current_task()
        assert task is not None
        async for event in converse(Scripted(plan), ask("?"), targets, policy=Policy(), consent=nobody):
            seen.append(event)
            if sum(len(one.items) for one in of(ItemsReceived, seen)) == 4 and not of(StepFinished, seen):
                task.cancel()

    with Script(head(SSE), TWO, Script.SILENCE) as server, pytest.raises(asyncio.CancelledError):
        asyncio.run(turn(server.url))
    steps = [event.step for event in of(StepFinished, seen)]
    assert [(step.outcome, step.result.items, step.result.ended) for step in steps] == [
        (Outcome.ANSWERED, ITEMS, EndReason.INTERRUPTED)
    ] * 2


def test_what_follows_a_change_that_did_not_end_is_not_run(spec: Spec) -> None:
    plan = Plan(calls=(call(spec, "createCard", board="b7", title="x"), call(spec, "deleteCard", card="c1")))
    with Script(head(SSE), TWO, Script.SILENCE) as server:
        limits = Limits(deadline=1)
        seen = events(Scripted(plan, "so"), [spec], server.url, consent=yes, limits=limits)
    done, left = (event.step for event in of(StepFinished, seen))
    assert (done.outcome, done.result.ended) == (Outcome.ANSWERED, EndReason.DEADLINE)
    assert (left.outcome, left.result) == (Outcome.FAILED, None)
    assert "failed or did not end" in left.message
    assert len(server.received) == 1


def test_a_plan_of_a_model_reads_a_bounded_number_of_items(spec: Spec) -> None:
    raw = ModelState(model="m")
    many = chunk(b"data: 1\n\n" * 150)
    for plan_raw, count in ((raw, 100), (None, 150)):
        plan = Plan(calls=(call(spec, "listBoards"),), raw=plan_raw)
        with Script(head(SSE), many, END) as server:
            (event,) = of(StepFinished, events(Scripted(plan, "so"), [spec], server.url))
        assert len(event.step.result.items) == count
    with Script(head(SSE), many, END) as server:
        seen = events(Scripted(Plan(calls=plan.calls, raw=raw), "so"), [spec], server.url, limits=Limits(items=120))
    assert len(of(StepFinished, seen)[0].step.result.items) == 120


def test_a_change_of_a_models_plan_is_read_to_its_end(spec: Spec) -> None:
    raw = ModelState(model="m")
    plan = Plan(calls=(call(spec, "createCard", board="b7", title="x"),), raw=raw)
    with Script(head(SSE), chunk(b"data: 1\n\n" * 150), END) as server:
        (event,) = of(StepFinished, events(Scripted(plan, "so"), [spec], server.url, consent=yes))
    assert (len(event.step.result.items), event.step.result.ended) == (150, EndReason.COMPLETE)


def test_a_transcript_keeps_the_items_and_gives_them_back(spec: Spec, tmp_path: Path) -> None:
    body = json.dumps({"text": "x" * 60_000}).encode()
    planner = Scripted(Plan(calls=(call(spec, "listBoards"),)), "some came")
    with (
        Script(head("application/x-ndjson"), chunk((body + b"\n") * 5), Script.SILENCE) as server,
        Log.create(tmp_path / "log") as log,
    ):
        log.write_question("what is there?")
        events(planner, [spec], server.url, see=log.write, limits=Limits(deadline=1))
    records = read_records(log.path)
    assert not [record for record in records if record["event"] == "items"]
    (step,) = [record["result"] for record in records if record["event"] == "stepped"]
    assert (len(step["items"]), step["left_out"], step["ended"]) == (3, 2, "deadline")
    conversation = resume(records, lambda _, operation: compile_tool(spec.operation(operation)))
    result: Any = conversation.current.steps[0].result
    assert (len(result.items), result.framing, result.ended) == (3, Framing.JSON_LINES, EndReason.DEADLINE)
    assert result.data == list(result.items)
