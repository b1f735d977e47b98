"""The planner `auto`: which of two goes on, and why; and the choice that the loop offers where a plan is a guess."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nlapi.agent.auto import AutoPlanner, PlannerRoutes, TrustLevels, default_routes
from nlapi.agent.events import CallProposed, ChoiceOffered, InputNeeded, PlanCreated, PlannerChosen, TurnAnswered
from nlapi.agent.models.messages import ModelState
from nlapi.agent.policy import Policy
from nlapi.planner.steps.state import CallState
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.tool import Missing
from tests.agent.kit import Scripted, boards, boards_api, call, events, of, yes
from tests.tables import table


def routes(read: float | None = 0.7, change: float | None = 0.9) -> PlannerRoutes:
    """The built-in routing with these levels of trust."""
    return default_routes(0.4, trust=TrustLevels(read=read, change=change))


class Named(Scripted):
    """A scripted planner with a name and the state that a planner of that name has in its plans."""

    def __init__(self, name: str, *rounds: str | Plan) -> None:
        super().__init__(*rounds)
        self.name = name

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        async for piece in super().next(conversation):
            yield piece if isinstance(piece, str) else _raw(piece, self.name)


def _raw(plan: Plan, name: str) -> Plan:
    from dataclasses import replace

    return replace(plan, raw=ModelState(model="") if name == "claude" else CallState())


def test_the_embedded_planner_goes_on_where_it_is_sure_and_claude_is_not_made(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    embedded = Named("offline", Plan(calls=(call(spec, "listBoards"),), confidence=0.9), "One board.")
    with boards_api() as api:
        seen = events(AutoPlanner(embedded, _never, routes=routes()), [spec], api.url)
    (chosen,) = of(PlannerChosen, seen)
    assert (chosen.planner, chosen.why) == ("offline", "it is sure enough and nothing is missing")
    assert {event.planner for event in of(PlanCreated, seen)} == {"offline"}
    assert seen[-1].text == "One board."


def _never(model: str) -> Scripted:
    raise AssertionError("Claude was made")


@table(
    ("plan", "why"),
    [
        (
            Plan(text="this needs a model: it is hard. More.", confidence=0.1),
            "has no plan (this needs a model: it is hard)",
        ),
        ("unsure", "is only 20% sure"),
        ("likely", "is 69% sure of a read, which is left to it from 70% on"),
        ("missing", "lacks board"),
    ],
)
def test_claude_goes_on_where_the_embedded_planner_is_not_sure(tmp_path: Path, plan: Plan | str, why: str) -> None:
    spec = boards(tmp_path)
    cards = call(spec, "listCards", board="b7")
    if plan == "unsure":
        plan = Plan(calls=(cards,), confidence=0.2)
    elif plan == "likely":
        plan = Plan(calls=(cards,), confidence=0.69)
    elif plan == "missing":
        plan = Plan(calls=(cards,), confidence=0.9, missing=(Missing(tool=cards.tool, argument="board"),))
    assert isinstance(plan, Plan)
    claude = Named("claude", Plan(calls=(call(spec, "listBoards"),)), "Claude says one.")
    with boards_api() as api:
        seen = events(AutoPlanner(Named("offline", plan), lambda _: claude, routes=routes()), [spec], api.url)
    (chosen,) = of(PlannerChosen, seen)
    assert (chosen.planner, chosen.why) == ("claude", f"the embedded planner {why}")
    assert {event.planner for event in of(PlanCreated, seen)} == {"claude"}
    assert seen[-1].text == "Claude says one."


@table(
    ("levels", "confidence", "planner", "why"),
    [
        ({}, 0.85, "claude", "the embedded planner is 85% sure of a change, which is left to it from 90% on"),
        ({}, 0.9, "offline", "it is sure enough and nothing is missing"),
        ({"change": None}, 0.99, "claude", "the embedded planner is 99% sure of a change, which is left to it never"),
    ],
)
@table("is_prepared", [False, True])
def test_a_change_is_left_to_the_embedded_planner_at_a_level_of_its_own(
    tmp_path: Path, levels: dict[str, float | None], confidence: float, planner: str, why: str, is_prepared: bool
) -> None:
    """Also where the plan begins with a read that looks up what is changed."""
    spec = boards(tmp_path)
    change = call(spec, "createCard", board="b7", title="A")
    plan = Plan(calls=(change,), confidence=confidence)
    if is_prepared:
        plan = Plan(calls=(call(spec, "listBoards"),), goal=change, confidence=confidence)
    auto = AutoPlanner(Named("offline", plan, "Done."), lambda _: Named("claude", "Claude."), routes=routes(**levels))
    with boards_api() as api:
        (chosen,) = of(PlannerChosen, events(auto, [spec], api.url, consent=yes))
    assert (chosen.planner, chosen.why) == (planner, why)


def test_what_the_embedded_planner_was_trusted_with_it_also_ends(tmp_path: Path) -> None:
    """The second plan is less sure than a first one would have to be."""
    spec = boards(tmp_path)
    first = Plan(calls=(call(spec, "listBoards"),), confidence=0.9)
    second = Plan(calls=(call(spec, "listCards", board="b7"),), confidence=0.5)
    with boards_api() as api:
        seen = events(AutoPlanner(Named("offline", first, second, "None."), _never, routes=routes()), [spec], api.url)
    assert {event.planner for event in of(PlanCreated, seen)} == {"offline"}
    assert seen[-1].text == "None."


@pytest.mark.parametrize("operation", ["listBoards", "createCard"])
def test_without_a_model_what_is_likely_is_tried(tmp_path: Path, operation: str) -> None:
    spec = boards(tmp_path)
    values = {"board": "b7", "title": "A"} if operation == "createCard" else {}
    embedded = Named("offline", Plan(calls=(call(spec, operation, **values),), confidence=0.45), "Done.")
    with boards_api() as api:
        seen = events(AutoPlanner(embedded, None, routes=routes(None, None)), [spec], api.url, consent=yes)
    (chosen,) = of(PlannerChosen, seen)
    assert chosen.why == "it is sure enough and nothing is missing"
    assert len(api.received) == 1


def test_without_a_key_the_embedded_planners_question_is_asked_and_the_stream_says_why(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    cards = call(spec, "listCards")
    plan = Plan(calls=(cards,), confidence=0.9, missing=(Missing(tool=cards.tool, argument="board"),))
    chosen, planned, needed = events(AutoPlanner(Named("offline", plan), None, routes=routes()), [spec])
    assert chosen.why == "it lacks board, and neither ANTHROPIC_API_KEY nor --model is set"
    assert planned.planner == "offline"
    assert isinstance(needed, InputNeeded)


def test_claude_takes_over_where_the_embedded_planner_is_stuck_on_the_way(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    stuck = Plan(text="There is no board called 'X'.", confidence=0.3)
    embedded = Named("offline", Plan(calls=(call(spec, "listBoards"),), confidence=0.9), stuck)
    claude = Named("claude", "It is Roadmap.")
    with boards_api() as api:
        seen = events(AutoPlanner(embedded, lambda _: claude, routes=routes()), [spec], api.url)
    assert [event.planner for event in of(PlannerChosen, seen)] == ["offline", "claude"]
    assert seen[-1].text == "It is Roadmap."


def test_a_guess_is_offered_beside_its_alternatives_and_nothing_of_it_is_proposed(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    guess = Plan(
        calls=(call(spec, "listBoards"),),
        confidence=0.1,
        alternatives=(call(spec, "listCards"), call(spec, "createCard")),
    )
    seen = events(Scripted(guess), [spec], policy=Policy(offer_below=0.2))
    assert not of(CallProposed, seen)
    assert isinstance(seen[-1], ChoiceOffered)
    assert [one.operation_id for one in seen[-1].choices] == ["listBoards", "listCards", "createCard"]
    going_on = seen[-1].conversation.with_choice(seen[-1].choices[1].tool.operation)
    planner = Scripted("Done.")
    events(planner, [spec], conversation=going_on)
    chosen = planner.seen[0].current.chosen
    assert chosen is not None
    assert chosen.id == "listCards"


def test_a_guess_without_alternatives_is_proposed(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    guess = Plan(calls=(call(spec, "listBoards"),), confidence=0.1)
    with boards_api() as api:
        seen = events(Scripted(guess, "Done."), [spec], api.url, policy=Policy(offer_below=0.2))
    assert isinstance(seen[-1], TurnAnswered)
