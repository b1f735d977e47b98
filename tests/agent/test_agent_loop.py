"""The agent loop: what runs, in which order, what is asked for, and what the planner is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlapi.agent.events import Answered, Event, Needed, Planned, Proposed, Said, Stepped
from nlapi.agent.loop import converse
from nlapi.agent.policy import OUTCOME_UNKNOWN, Policy
from nlapi.errors import ConsentError, PlannerError, UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, ask
from nlapi.tools.run import Target
from nlapi.tools.tool import Missing
from tests.agent.kit import Scripted, boards, boards_api, call, events, no, of, yes
from tests.servers import Echo, Reply, Script, closed_port


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def test_an_answer_without_calls_is_said_planned_and_answered(spec: Spec) -> None:
    seen = events(Scripted("Two boards."), [spec])
    assert [type(event) for event in seen] == [Said, Said, Planned, Answered]
    assert seen[2].planner == "scripted"
    assert seen[3].text == "Two boards."
    assert [round.plan.text for round in seen[3].conversation.current.rounds] == ["Two boards."]


def test_a_read_runs_unasked_and_its_answer_goes_back_to_the_planner(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "listBoards", limit=2),)), "One board.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url)
    assert [type(event) for event in seen] == [Planned, Proposed, Stepped, Said, Said, Planned, Answered]
    assert api.only.target == "/boards?limit=2"
    assert not seen[1].asks
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.DONE
    assert step.result and step.result.data == [{"id": "b7", "name": "Roadmap"}]


def test_a_write_is_shown_before_it_is_asked_for_and_sent(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="Ship"),)), "Done.")
    order = []
    with boards_api() as api:

        async def consent(proposed: Proposed) -> bool:
            order.append(("asked", proposed.request.method, len(api.received)))
            return True

        seen = events(planner, [spec], api.url, consent=consent, see=lambda event: order.append(type(event)))
    assert order[:4] == [Planned, Proposed, ("asked", "POST", 0), Stepped]
    (proposed,) = of(Proposed, seen)
    assert proposed.asks and proposed.effect is Effect.WRITE
    assert "curl" in proposed.curl
    assert api.only.json() == {"title": "Ship"}


def test_a_refused_write_is_not_sent_and_the_planner_learns_of_it(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)), "Left as it is.")
    with boards_api() as api:
        events(planner, [spec], api.url, consent=no)
    assert api.received == []
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.REFUSED and "said no" in step.message


def test_consent_in_advance_is_not_asked_for_again(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)), "Gone.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert api.only.method == "DELETE"
    assert not of(Proposed, seen)[0].asks


def test_with_nobody_to_ask_a_write_is_shown_and_raises(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)))
    shown: list[object] = []
    with boards_api() as api, pytest.raises(ConsentError) as refused:
        events(planner, [spec], api.url, policy=Policy(interactive=False), see=shown.append)
    assert api.received == []
    assert refused.value.exit_code == 6
    assert "deleteCard" in str(refused.value) and "--yes" in refused.value.hint
    assert len(of(Proposed, shown)) == 1


def test_an_operation_on_the_list_of_the_forbidden_never_runs(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)), "I may not.")
    with boards_api() as api:
        events(planner, [spec], api.url, policy=Policy(yes=True, never=("delete*",)))
    assert api.received == []
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.REFUSED and "never" in step.message


def test_arguments_that_do_not_fit_go_back_to_the_planner_for_correction(spec: Spec) -> None:
    wrong, right = (Plan(calls=(call(spec, "listBoards", limit=limit),)) for limit in ("many", 5))
    planner = Scripted(wrong, right, "Fine.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url)
    assert api.only.target == "/boards?limit=5"
    assert len(of(Proposed, seen)) == 1
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.FAILED and "limit" in step.message


def test_reads_run_side_by_side(spec: Spec) -> None:
    """The API answers none before all have come, so one after the other would never end."""
    together = threading.Barrier(3)

    class Patient(Echo):
        def talk(self, connection: object) -> None:
            together.wait(10)
            super().talk(connection)  # type: ignore[arg-type]

    planner = Scripted(Plan(calls=tuple(call(spec, "listCards", board=f"b{n}") for n in range(3))), "Nothing.")
    with Patient(Reply(200, [])) as api:
        seen = events(planner, [spec], api.url)
    assert [type(event) for event in seen[1:7]] == [Proposed] * 3 + [Stepped] * 3
    assert [step.call.arguments["board"] for step in planner.seen[1].current.steps] == ["b0", "b1", "b2"]


def test_changes_run_in_their_order_each_asked_for(spec: Spec) -> None:
    calls = (call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c9"))
    planner = Scripted(Plan(calls=calls), "Both done.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=yes)
    assert [request.method for request in api.received] == ["POST", "DELETE"]
    assert [type(event) for event in seen[1:5]] == [Proposed, Stepped, Proposed, Stepped]


def test_what_follows_a_change_that_failed_is_not_run(spec: Spec) -> None:
    calls = (call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c9"))
    planner = Scripted(Plan(calls=calls), "It failed.")
    with Echo(Reply(422, {"title": "too short"})) as api:
        seen = events(planner, [spec], api.url, consent=yes)
    assert api.only.method == "POST"
    first, second = (event.step for event in of(Stepped, seen))
    assert first.outcome is Outcome.DONE and first.result.status == 422
    assert second.outcome is Outcome.FAILED and second.message.startswith("not run")


def test_a_dry_run_sends_nothing_and_ends_after_the_first_calls(spec: Spec) -> None:
    calls = (call(spec, "listBoards"), call(spec, "deleteCard", card="c1"))
    with boards_api() as api:
        seen = events(Scripted(Plan(calls=calls)), [spec], api.url, dry_run=True)
    assert api.received == []
    assert [event.step.outcome for event in of(Stepped, seen)] == [Outcome.SHOWN] * 2
    assert not any(event.asks for event in of(Proposed, seen))
    assert isinstance(seen[-1], Answered) and "nothing was sent" in seen[-1].text


def test_in_a_dry_run_too_wrong_arguments_are_corrected(spec: Spec) -> None:
    wrong, right = (Plan(calls=(call(spec, "listBoards", limit=limit),)) for limit in ("many", 5))
    seen = events(Scripted(wrong, right), [spec], dry_run=True)
    assert [event.step.outcome for event in of(Stepped, seen)] == [Outcome.FAILED, Outcome.SHOWN]


def test_what_is_missing_ends_the_turn(spec: Spec) -> None:
    found = call(spec, "listCards")
    missing = Missing(tool=found.tool, argument="board", description="which board")
    seen = events(Scripted(Plan(calls=(found,), missing=(missing,))), [spec])
    assert [type(event) for event in seen] == [Planned, Needed]
    assert seen[1].missing == (missing,)


def test_rounds_come_to_an_end(spec: Spec) -> None:
    again = Plan(calls=(call(spec, "listBoards"),))
    with boards_api() as api:
        seen = events(Scripted(*[again] * 5), [spec], api.url, max_rounds=3)
    assert len(api.received) == 3
    assert isinstance(seen[-1], Answered) and "3 rounds" in seen[-1].text


def test_a_refused_connection_is_told_to_the_planner(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="A"),)), "It is down.")
    with closed_port() as url:
        seen = events(planner, [spec], url, consent=yes)
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.FAILED and not step.message.startswith(OUTCOME_UNKNOWN)
    assert isinstance(seen[-1], Answered)


def test_a_write_without_an_answer_has_an_unknown_outcome_and_is_not_repeated_unasked(spec: Spec) -> None:
    same = Plan(calls=(call(spec, "createCard", board="b7", title="A"),))
    planner = Scripted(same, same)
    with Script(Script.RESET) as api, pytest.raises(ConsentError) as refused:
        events(planner, [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert len(api.received) == 1
    (step,) = planner.seen[1].current.steps
    assert step.message.startswith(OUTCOME_UNKNOWN)
    assert "may have been carried out" in str(refused.value)


def test_cancelled_during_a_write_the_step_says_so_before_the_loop_ends(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="A"),)))
    seen: list[Event] = []
    arrived = threading.Event()

    def note() -> Iterator[bytes]:
        arrived.set()
        yield b""

    async def run(url: str) -> None:
        targets = {spec: Target(spec=spec, base_url=url)}

        async def watch() -> None:
            async for event in converse(planner, ask("add A"), targets, policy=Policy(yes=True), consent=no):
                seen.append(event)  # noqa: PERF401

        task = asyncio.create_task(watch())
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Script(note(), Script.SILENCE) as api:
        asyncio.run(run(api.url))
    assert isinstance(seen[-1], Stepped)
    assert seen[-1].step.outcome is Outcome.FAILED
    assert seen[-1].step.message.startswith(OUTCOME_UNKNOWN)


def test_a_planner_that_gives_no_plan_is_an_error(spec: Spec) -> None:
    class Mute(Scripted):
        async def next(self, conversation: Conversation):  # type: ignore[no-untyped-def,override]
            yield "hm"

    with pytest.raises(PlannerError, match="without a plan"):
        events(Mute(), [spec])


def test_an_api_without_a_target_is_named(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "listBoards"),)))
    with pytest.raises(UsageError, match="Boards"):
        events(planner, [])
