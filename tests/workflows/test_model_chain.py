"""Chains that a model plans at once: one request to the model, one question to the user, the rest by nlapi."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.agent.events import CallProposed, ConsentReply, Event, PlanCreated, StepFinished, TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.policy import Policy
from nlapi.client.message import Result
from nlapi.errors import ConsentError
from nlapi.openapi.spec import Spec
from nlapi.sandbox import running
from nlapi.sandbox.server import Running
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call
from nlapi.workflows.draft import StepDraft
from nlapi.workflows.from_plan import workflow_of_drafts
from nlapi.workflows.loops import write_plan
from tests.messages_server import MessagesServer, results, say, use

SPECS = Path(__file__).parents[2] / "specs"
QUESTION = 'create a campaign "Autumn" with the objective reach, with an ad set "Feed One" in the feed'

CAMPAIGN = {"id": "a", "operation": "createCampaign", "arguments": {"name": "Autumn", "objective": "REACH"}}
AD_SET = {
    "id": "b",
    "operation": "createAdSet",
    "arguments": {"campaign_id": "$steps.a.outputs.id", "name": "Feed One", "placement": "FEED"},
}

GONE = {"id": "c", "operation": "deleteCampaign", "arguments": {"campaign_id": "cmp_0a0a0a0a"}}


def plan(*steps: dict[str, Any]) -> dict[str, Any]:
    return use("plan", {"steps": list(steps)})


@pytest.fixture(scope="module")
def ads() -> Spec:
    return nlapi.load(str(SPECS / "ads.yaml"))


@pytest.fixture
def sandbox(ads: Spec) -> Iterator[Running]:
    with running(ads) as server:
        yield server


class Held:
    """One question that was asked with a scripted model: its events, the consents, and the model's requests."""

    def __init__(
        self,
        spec: Spec,
        server: Running,
        *script: Any,
        agree: Callable[[tuple[CallProposed, ...]], bool] = lambda proposed: True,
        policy: Policy | None = None,
        question: str = QUESTION,
    ) -> None:
        self.consents: list[tuple[CallProposed, ...]] = []
        self.events: list[Event] = []
        self.error: Exception | None = None
        with MessagesServer(script) as model:
            endpoint = find_endpoint(
                "claude-sonnet-5-5", {"ANTHROPIC_API_KEY": "sk-ant-x", "ANTHROPIC_BASE_URL": model.url}
            )
            planner = ModelPlanner((spec,), endpoint, chains=write_plan)
            targets = {spec: Target(spec=spec, base_url=server.url, credentials={"oauth2": "any"})}

            async def consent(proposed: tuple[CallProposed, ...]) -> ConsentReply:
                self.consents.append(proposed)
                return ConsentReply(is_agreed=agree(proposed))

            async def hold() -> None:
                held = converse(
                    planner, ask(question), targets, policy=policy or Policy(interactive=True), consent=consent
                )
                async for event in held:
                    self.events.append(event)

            try:
                asyncio.run(hold())
            except ConsentError as error:
                self.error = error
            self.requests = model.requests

    @property
    def steps(self) -> list[tuple[str, Outcome]]:
        finished = [event.step for event in self.events if isinstance(event, StepFinished)]
        return [(step.call.operation_id, step.outcome) for step in finished]

    @property
    def answered(self) -> TurnAnswered:
        (event,) = [event for event in self.events if isinstance(event, TurnAnswered)]
        return event

    @property
    def conversation(self) -> Conversation:
        return self.answered.conversation


def test_a_chain_takes_one_request_and_one_question(ads: Spec, sandbox: Running) -> None:
    held = Held(ads, sandbox, plan(CAMPAIGN, AD_SET))
    assert len(held.requests) == 1
    assert held.steps == [("createCampaign", Outcome.ANSWERED), ("createAdSet", Outcome.ANSWERED)]
    (proposed,) = held.consents
    assert [entry.call.operation_id for entry in proposed] == ["createCampaign", "createAdSet"]
    campaign, ad_set = (step.result.data for step in held.conversation.steps if step.result is not None)
    assert ad_set["campaign_id"] == campaign["id"]
    assert campaign["id"] in held.answered.text
    assert ad_set["id"] in held.answered.text
    first = next(event.plan for event in held.events if isinstance(event, PlanCreated))
    assert [(entry.call.operation_id, entry.pending) for entry in first.following] == [
        ("createAdSet", (("campaign_id", "id of a"),))
    ]


def test_nothing_is_sent_without_consent_to_the_whole(ads: Spec, sandbox: Running) -> None:
    held = Held(ads, sandbox, plan(CAMPAIGN, AD_SET), say("Not done."), agree=lambda proposed: False)
    assert held.steps == [("createCampaign", Outcome.REFUSED)]
    assert held.answered.text == "Not done."


def test_each_plan_is_agreed_to_by_itself(ads: Spec, sandbox: Running) -> None:
    """The ids of the steps are the model's choice: a second plan with the same ones is another question."""
    winter = {**CAMPAIGN, "arguments": {"name": "Winter", "objective": "REACH"}}
    held = Held(ads, sandbox, plan(CAMPAIGN, GONE), plan(winter))
    assert [name for name, outcome in held.steps] == ["createCampaign", "deleteCampaign", "createCampaign"]
    assert [len(proposed) for proposed in held.consents] == [2, 1]


def test_a_plan_at_fault_goes_back_to_the_model(ads: Spec, sandbox: Running) -> None:
    wrong = {**AD_SET, "arguments": {**AD_SET["arguments"], "campaign_id": "$steps.a.outputs.number"}}
    held = Held(ads, sandbox, plan(CAMPAIGN, wrong), plan(CAMPAIGN, AD_SET))
    assert len(held.requests) == 2
    (text,) = results(held.requests[1])
    assert "nothing was sent" in text
    assert "number" in text
    assert held.steps == [("createCampaign", Outcome.ANSWERED), ("createAdSet", Outcome.ANSWERED)]


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([], "needs steps"),
        ([{**AD_SET, "id": "a b"}], "its own id"),
        ([AD_SET, CAMPAIGN], "is not before it"),
        ([CAMPAIGN, CAMPAIGN], "its own id"),
        ([{**CAMPAIGN, "operation": "createCampagn"}], "did you mean 'createCampaign'"),
        ([{**CAMPAIGN, "arguments": {"name": "$inputs.name", "objective": "REACH"}}], "not a value of an answer"),
        ([{**CAMPAIGN, "arguments": {"name": "Autumn"}}], "objective"),
        ([{**CAMPAIGN, "arguments": [1]}], "not an object"),
        ([CAMPAIGN] * 31, "the most"),
    ],
)
def test_faults_are_named(ads: Spec, sandbox: Running, steps: list[Any], fault: str) -> None:
    held = Held(ads, sandbox, plan(*steps), say("Sorry."))
    (text,) = results(held.requests[1])
    assert fault in text
    assert held.steps == []


def test_a_failure_is_told_to_the_model_with_what_was_done(ads: Spec, sandbox: Running) -> None:
    held = Held(ads, sandbox, plan(CAMPAIGN, GONE, AD_SET), say("There is none."))
    assert [name for name, _ in held.steps] == ["createCampaign", "deleteCampaign"]
    assert len(held.requests) == 2
    blocks = [block for message in held.requests[1]["messages"] for block in message["content"]]
    texts = [block["content"] for block in blocks if block["type"] == "tool_result"]
    assert texts[0] == "the calls that follow are those that were made of it"
    assert "Autumn" in texts[1]
    assert "404" in texts[2]
    assert held.answered.text == "There is none."


def test_advance_consent_does_not_leave_a_plan_half_done(ads: Spec, sandbox: Running) -> None:
    """The ad set's name was never said: with --yes and nobody there, the campaign is not made either."""
    unsaid = {**AD_SET, "arguments": {**AD_SET["arguments"], "name": "Something Else"}}
    held = Held(ads, sandbox, plan(CAMPAIGN, unsaid), policy=Policy(yes=True, interactive=False))
    assert isinstance(held.error, ConsentError)
    assert all(outcome is not Outcome.ANSWERED for _, outcome in held.steps)


def test_advance_consent_covers_a_plan_that_was_said(ads: Spec, sandbox: Running) -> None:
    held = Held(ads, sandbox, plan(CAMPAIGN, AD_SET), policy=Policy(yes=True, interactive=False))
    assert held.error is None
    assert held.steps == [("createCampaign", Outcome.ANSWERED), ("createAdSet", Outcome.ANSWERED)]
    assert held.consents == []


def test_an_id_of_an_answer_before_the_plan_is_an_input_of_its_document(ads: Spec) -> None:
    """The reads before a plan are no steps of it, and its next user has another campaign."""
    tools = {id: compile_tool(ads.operation(id)) for id in ("getCampaign", "updateCampaign")}
    for id in ("5", "cmp_0a0a0a0a"):
        seen = Call(tool=tools["getCampaign"], arguments={"campaign_id": "x"})
        headers = (("content-type", "application/json"),)
        result = Result(status=200, content=json.dumps({"id": id, "status": "PAUSED"}).encode(), headers=headers)
        step = Step(call=seen, outcome=Outcome.ANSWERED, result=result)
        conversation = ask("stop it").with_round(Round(plan=Plan(calls=(seen,)), steps=(step,)))
        draft = StepDraft(tool=tools["updateCampaign"], arguments={"campaign_id": id, "status": "PAUSED"})
        built = workflow_of_drafts(conversation, [draft])
        (change,) = built.linked.document.workflow().steps
        assert [entry.value for entry in change.parameters] == ["$inputs.campaign_id"]
        assert [issue.message.partition(",")[0] for issue in built.issues] == [
            "its campaign_id is an input",
            "its status is a constant",
        ]
