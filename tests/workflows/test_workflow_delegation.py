"""A planner that calls workflows knows each run as one call; the loop and the policy know each of its requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.agent.events import CallProposed, ConsentReply, Event, TurnAnswered, WorkflowProposed
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.errors import ConsentError
from nlapi.tools.plan import Conversation, Outcome, Plan, ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call
from nlapi.workflows.bind import StepExchange
from nlapi.workflows.delegation import WorkflowDelegate
from nlapi.workflows.engine import WorkflowRun
from nlapi.workflows.outline import outline
from nlapi.workflows.planner import run_record
from nlapi.workflows.workflow_tools import WorkflowTools
from tests.servers import Echo
from tests.workflows.shop import INPUTS, SENT, lines_sent, shop_api, shop_tools


class Caller:
    """A planner that calls the workflow in each turn, and keeps the conversations that it was given."""

    name = "scripted"

    def __init__(self, tools: WorkflowTools) -> None:
        self.call = Call(tool=next(iter(tools)).tool, arguments=INPUTS, id="one")
        self.given: list[Conversation] = []

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        self.given.append(conversation)
        yield Plan(text="It is done.") if conversation.current.rounds else Plan(calls=(self.call,))


async def yes(_: WorkflowProposed) -> ConsentReply:
    return ConsentReply(is_agreed=True)


async def nobody(proposed: tuple[CallProposed, ...]) -> ConsentReply:
    raise AssertionError(f"asked about {proposed[0].call.id}")


def talk(
    folder: Path, api: Echo, questions: Sequence[str], workflow_consent: Any = yes, **policy: Any
) -> tuple[Caller, list[Event]]:
    """The planner and the events of a conversation in which it calls the workflow."""
    spec, tools = shop_tools(folder)
    base = Caller(tools)
    targets = {spec: Target(spec=spec, base_url=api.url)}
    planner = WorkflowDelegate(base=base, workflows=tools, targets=targets)

    async def run() -> list[Event]:
        events: list[Event] = []
        conversation = ask(questions[0])
        for number, _ in enumerate(questions):
            turn = converse(
                planner,
                conversation,
                targets,
                policy=Policy(**policy),
                consent=nobody,
                workflow_consent=workflow_consent,
            )
            events += [event async for event in turn]
            last = events[-1]
            assert isinstance(last, TurnAnswered)
            conversation = last.conversation
            if number + 1 < len(questions):
                conversation = conversation.with_question(questions[number + 1])
        return events

    return base, asyncio.run(run())


def test_a_run_is_one_call_to_the_planner_and_three_to_the_loop(tmp_path: Path) -> None:
    with shop_api() as api:
        base, events = talk(tmp_path, api, ["onboard Ada"])
        assert lines_sent(api) == SENT
    assert len(base.given) == 2
    (round,) = base.given[1].current.rounds
    (step,) = round.steps
    assert (step.call, step.outcome) == (base.call, Outcome.ANSWERED)
    assert step.result is not None
    assert json.loads(step.result.content)["outputs"] == {"customer": "c1", "order": "o1"}
    last = events[-1]
    assert isinstance(last, TurnAnswered)
    assert [entry.call.operation_id for entry in last.conversation.steps] == [
        "createCustomer",
        "createOrder",
        "getCustomer",
    ]


def test_what_ran_before_is_asked_about_again_and_is_still_one_call(tmp_path: Path) -> None:
    with shop_api() as api:
        base, events = talk(tmp_path, api, ["onboard Ada", "again"])
        assert lines_sent(api) == [*SENT, *SENT]
    proposed = [event for event in events if isinstance(event, WorkflowProposed)]
    assert [event.asks for event in proposed] == [True, True]
    assert "it ran before in this conversation" in proposed[1].reason
    assert [len(turn.rounds) for turn in base.given[-1].turns] == [2, 1]


def test_nothing_is_sent_where_nobody_can_be_asked(tmp_path: Path) -> None:
    with shop_api() as api:
        with pytest.raises(ConsentError, match="the workflow onboard-customer makes 2 changes"):
            talk(tmp_path, api, ["onboard Ada"], None)
        with pytest.raises(ConsentError):
            talk(tmp_path, api, ["onboard Ada"], interactive=False)
        assert api.received == []


def test_what_a_model_made_up_does_not_run_in_advance(tmp_path: Path) -> None:
    with shop_api() as api, pytest.raises(ConsentError, match="nobody said"):
        talk(tmp_path, api, ["onboard somebody"], None, yes=True)
    assert api.received == []


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> WorkflowTools:
    return shop_tools(tmp_path_factory.mktemp("shop"))[1]


@given(statuses=st.lists(st.sampled_from([200, 201, 404, 500]), min_size=3, max_size=3))
def test_each_step_is_done_or_failed_or_not_run(statuses: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    _, tools = shop_tools(tmp_path_factory.getbasetemp())
    entry = next(iter(tools))
    tree = outline(entry.linked, entry.workflow, INPUTS)
    run = WorkflowRun(linked=entry.linked, workflow=entry.workflow, inputs=INPUTS)
    answers = iter(statuses)
    while calls := run.next_calls():
        status = next(answers)
        run.finish(calls[0].call, StepExchange(method="GET", url="/", status=status, body={"id": "x"}))
    record = run_record(run, tree)
    done = [step["step"] for step in record["steps"] if "failure" not in step]
    failed = [step["step"] for step in record["steps"] if "failure" in step]
    assert [*done, *failed, *record.get("not_run", ())] == ["add-customer", "add-order", "look"]
    assert len(failed) == (run.state != "done")
