"""The agent loop: what runs, in which order, what is asked for, and what the planner is told."""

from __future__ import annotations

import asyncio
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nlapi.agent.events import (
    CallProposed,
    ChangesReported,
    Event,
    InputNeeded,
    PlanCreated,
    StepFinished,
    TextReceived,
    TurnAnswered,
)
from nlapi.agent.events import ConsentReply as UserReply
from nlapi.agent.loop import converse
from nlapi.agent.policy import OUTCOME_UNKNOWN, Policy
from nlapi.agent.sending import MAX_CONCURRENT
from nlapi.api import load
from nlapi.errors import ConsentError, CredentialError, PlannerError, UsageError
from nlapi.openapi.spec import Effect, Operation, Parameter, RequestDetails, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call, Missing
from tests.agent.kit import Scripted, boards, boards_api, call, events, no, of, yes
from tests.servers import Echo, Received, Reply, Script, closed_port, read_request
from tests.tables import table


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def test_an_answer_without_calls_is_said_planned_and_answered(spec: Spec) -> None:
    seen = events(Scripted("Two boards."), [spec])
    assert [type(event) for event in seen] == [TextReceived, TextReceived, PlanCreated, TurnAnswered]
    assert seen[2].planner == "scripted"
    assert seen[3].text == "Two boards."
    assert [round.plan.text for round in seen[3].conversation.current.rounds] == ["Two boards."]


def test_a_read_runs_unasked_and_its_answer_goes_back_to_the_planner(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "listBoards", limit=2),)), "One board.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url)
    assert [type(event) for event in seen] == [
        PlanCreated,
        CallProposed,
        StepFinished,
        TextReceived,
        TextReceived,
        PlanCreated,
        TurnAnswered,
    ]
    assert api.only.target == "/boards?limit=2"
    assert not seen[1].asks
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.ANSWERED
    assert step.result and step.result.data == [{"id": "b7", "name": "Roadmap"}]


def test_a_write_is_shown_before_it_is_asked_for_and_sent(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="Ship"),)), "Done.")
    order = []
    with boards_api() as api:

        async def consent(asked: tuple[CallProposed, ...]) -> UserReply:
            (proposed,) = asked
            order.append(("asked", proposed.request.method, len(api.received)))
            return UserReply(is_agreed=True)

        seen = events(planner, [spec], api.url, consent=consent, see=lambda event: order.append(type(event)))
    assert order[:4] == [PlanCreated, CallProposed, ("asked", "POST", 0), StepFinished]
    (proposed,) = of(CallProposed, seen)
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
    assert not of(CallProposed, seen)[0].asks


def test_with_nobody_to_ask_a_write_is_shown_and_raises(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)))
    shown: list[object] = []
    with boards_api() as api, pytest.raises(ConsentError) as refused:
        events(planner, [spec], api.url, policy=Policy(interactive=False), see=shown.append)
    assert api.received == []
    assert refused.value.exit_code == 6
    assert "deleteCard" in str(refused.value) and "--yes" in refused.value.hint
    assert len(of(CallProposed, shown)) == 1


def test_a_call_with_a_credential_in_it_never_runs(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="sk-test-12345678"),)), "I may not.")
    with boards_api() as api:
        events(planner, [spec], api.url, policy=Policy(yes=True, secrets=("sk-test-12345678",)))
    assert api.received == []
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.REFUSED and "never" in step.message


def test_arguments_that_do_not_fit_go_back_to_the_planner_for_correction(spec: Spec) -> None:
    wrong, right = (Plan(calls=(call(spec, "listBoards", limit=limit),)) for limit in ("many", 5))
    planner = Scripted(wrong, right, "Fine.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url)
    assert api.only.target == "/boards?limit=5"
    assert len(of(CallProposed, seen)) == 1
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.FAILED and "limit" in step.message


def test_reads_run_side_by_side(spec: Spec) -> None:
    """The API answers none before all have come, so one after the other would never end."""
    together = threading.Barrier(3)

    class Patient(Echo):
        def talk(self, connection: object) -> None:
            together.wait(120)
            super().talk(connection)

    planner = Scripted(Plan(calls=tuple(call(spec, "listCards", board=f"b{n}") for n in range(3))), "Nothing.")
    with Patient(Reply(200, [])) as api:
        seen = events(planner, [spec], api.url)
    assert [type(event) for event in seen[1:7]] == [CallProposed] * 3 + [StepFinished] * 3
    assert [step.call.arguments["board"] for step in planner.seen[1].current.steps] == ["b0", "b1", "b2"]


def test_changes_are_shown_together_and_run_in_their_order(spec: Spec) -> None:
    calls = (call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c9"))
    planner = Scripted(Plan(calls=calls), "Both done.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=yes)
    assert [request.method for request in api.received] == ["POST", "DELETE"]
    assert [type(event) for event in seen[1:6]] == [
        CallProposed,
        CallProposed,
        StepFinished,
        StepFinished,
        ChangesReported,
    ]


def test_what_follows_a_change_that_failed_is_not_run(spec: Spec) -> None:
    calls = (call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c9"))
    planner = Scripted(Plan(calls=calls), "It failed.")
    with Echo(Reply(422, {"title": "too short"})) as api:
        seen = events(planner, [spec], api.url, consent=yes)
    assert api.only.method == "POST"
    first, second = (event.step for event in of(StepFinished, seen))
    assert first.outcome is Outcome.ANSWERED and first.result.status == 422
    assert second.outcome is Outcome.FAILED and second.message.startswith("not run")


def test_a_dry_run_sends_nothing_and_ends_after_the_first_calls(spec: Spec) -> None:
    calls = (call(spec, "listBoards"), call(spec, "deleteCard", card="c1"))
    with boards_api() as api:
        seen = events(Scripted(Plan(calls=calls)), [spec], api.url, dry_run=True)
    assert api.received == []
    assert [event.step.outcome for event in of(StepFinished, seen)] == [Outcome.PREVIEWED] * 2
    assert not any(event.asks for event in of(CallProposed, seen))
    assert isinstance(seen[-1], TurnAnswered) and "nothing was sent" in seen[-1].text


def test_a_dry_run_names_the_call_that_would_follow(spec: Spec) -> None:
    plan = Plan(calls=(call(spec, "listBoards"),), goal=call(spec, "deleteCard"))
    ended = events(Scripted(plan), [spec], dry_run=True)[-1]
    assert isinstance(ended, TurnAnswered)
    assert ended.text.endswith("nothing was sent. deleteCard would follow, with what it answers.")


def test_in_a_dry_run_too_wrong_arguments_are_corrected(spec: Spec) -> None:
    wrong, right = (Plan(calls=(call(spec, "listBoards", limit=limit),)) for limit in ("many", 5))
    seen = events(Scripted(wrong, right), [spec], dry_run=True)
    assert [event.step.outcome for event in of(StepFinished, seen)] == [Outcome.FAILED, Outcome.PREVIEWED]


def test_what_is_missing_ends_the_turn(spec: Spec) -> None:
    found = call(spec, "listCards")
    missing = Missing(tool=found.tool, argument="board", description="which board")
    seen = events(Scripted(Plan(calls=(found,), missing=(missing,))), [spec])
    assert [type(event) for event in seen] == [PlanCreated, InputNeeded]
    assert seen[1].missing == (missing,)


def test_rounds_come_to_an_end(spec: Spec) -> None:
    plans = [Plan(calls=(call(spec, "listBoards", limit=limit),)) for limit in range(1, 6)]
    with boards_api() as api:
        seen = events(Scripted(*plans), [spec], api.url, max_rounds=3)
    assert len(api.received) == 3
    assert isinstance(seen[-1], TurnAnswered)
    first, *found = seen[-1].text.splitlines()
    assert first == "Stopped: 3 rounds of calls were made without an answer." and len(found) == 3


def test_a_refused_connection_is_told_to_the_planner(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="A"),)), "It is down.")
    with closed_port() as url:
        seen = events(planner, [spec], url, consent=yes)
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.FAILED and not step.message.startswith(OUTCOME_UNKNOWN)
    assert isinstance(seen[-1], TurnAnswered)


def test_a_write_without_an_answer_has_an_unknown_outcome_and_is_not_repeated_unasked(spec: Spec) -> None:
    same = Plan(calls=(call(spec, "createCard", board="b7", title="A"),))
    planner = Scripted(same, same)
    with Script(Script.RESET) as api, pytest.raises(ConsentError) as refused:
        events(planner, [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert [request.method for request in api.received] == ["POST", "GET"]
    (step,) = planner.seen[1].current.steps
    assert step.message.startswith(OUTCOME_UNKNOWN)
    assert "may have been carried out" in str(refused.value)


@pytest.mark.parametrize("status", [201, 502, 504])
def test_a_write_that_was_answered_is_not_sent_twice_unasked(spec: Spec, status: int) -> None:
    same = Plan(calls=(call(spec, "createCard", board="b7", title="A"),))
    with Echo(Reply(status)) as api, pytest.raises(ConsentError) as refused:
        events(Scripted(same, same, same), [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert [request.method for request in api.received].count("POST") == 1
    assert str(status) in str(refused.value)


def test_a_change_of_unknown_outcome_is_looked_for_before_it_is_asked_about_again(spec: Spec) -> None:
    """The list of what was created, and the thing that was deleted."""
    listed = [{"id": "c1", "title": "Milk"}]

    def answer(request: Received) -> Reply:
        return Reply(200, listed) if request.method == "GET" else Reply(502)

    seen = []
    for title in ("milk ", "Bread"):
        made = Plan(calls=(call(spec, "createCard", board="b7", title=title),))
        with Echo(answer) as api:
            events(Scripted(made, made, "I do not know."), [spec], api.url, consent=yes, see=seen.append)
        assert [(request.method, request.path) for request in api.received] == [
            *(("POST", "/boards/b7/cards"), ("GET", "/boards/b7/cards"), ("POST", "/boards/b7/cards"))
        ]
    first, again, bread, bread_again = of(CallProposed, seen)
    assert first.reason == bread.reason == ""
    assert 'listCards lists one named "milk": it seems to have been carried out' in again.reason
    assert 'listCards lists none named "Bread"' in bread_again.reason


@table(
    ("operation", "answer", "evidence"),
    [
        ("deleteThing", Reply(404), "getThing answers 404: it seems to have been carried out"),
        ("deleteThing", Reply(200, {"id": "t1"}), "getThing still shows it"),
        ("changeThing", Reply(200, {"id": "t1", "size": 3}), "getThing shows the new values: it seems to have been"),
        ("changeThing", Reply(200, {"id": "t1", "size": 2}), 'getThing shows size "2"'),
        ("stopThing", Reply(200, {"id": "t1", "status": "STOPPED"}), 'getThing shows status "STOPPED"'),
        ("stopThing", Reply(500), "getThing, which would show it, answers 500"),
    ],
)
def test_what_became_of_a_thing_is_seen_at_the_thing(
    tmp_path: Path, operation: str, answer: Reply, evidence: str
) -> None:
    file = tmp_path / "things.json"
    file.write_text(json.dumps(THINGS))
    things = load(str(file))
    arguments = {"thing": "t1", **({"size": 3} if operation == "changeThing" else {})}
    same = Plan(calls=(call(things, operation, **arguments),))
    with Echo(lambda request: answer if request.method == "GET" else Reply(503)) as api:
        seen = events(Scripted(same, same, "Hm."), [things], api.url, consent=yes)
    first, again = of(CallProposed, seen)
    assert evidence in again.reason and evidence not in first.reason


def thing(id: str, **more: object) -> dict[str, object]:
    return {"operationId": id, "responses": {"200": {"description": "a thing"}}, **more}


SIZE = {"application/json": {"schema": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
ID = [{"name": "thing", "in": "path", "required": True, "schema": {"type": "string"}}]
THINGS = {
    "openapi": "3.1.0",
    "info": {"title": "Things", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/things/{thing}": {
            "parameters": ID,
            "get": thing("getThing"),
            "patch": thing("changeThing", requestBody={"content": SIZE}),
            "delete": thing("deleteThing"),
        },
        "/things/{thing}/stop": {"parameters": ID, "post": thing("stopThing")},
    },
}


def test_nor_is_it_within_one_plan(spec: Spec) -> None:
    same = call(spec, "createCard", board="b7", title="A")
    with boards_api() as api, pytest.raises(ConsentError):
        events(Scripted(Plan(calls=(same, same))), [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert api.received == []


def test_a_write_that_was_refused_may_be_sent_again(spec: Spec) -> None:
    same = Plan(calls=(call(spec, "createCard", board="b7", title="A"),))
    with Echo([Reply(429), Reply(201)]) as api:
        events(Scripted(same, same, "Done."), [spec], api.url, policy=Policy(yes=True, interactive=False))
    assert [request.method for request in api.received] == ["POST", "POST"]


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
                seen.append(event)  # noqa: PERF401 - it is cancelled midway, and keeps what it has

        task = asyncio.create_task(watch())
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Script(note(), Script.SILENCE) as api:
        asyncio.run(run(api.url))
    assert isinstance(seen[-1], StepFinished)
    assert seen[-1].step.outcome is Outcome.FAILED
    assert seen[-1].step.message.startswith(OUTCOME_UNKNOWN)


def test_a_planner_that_gives_no_plan_is_an_error(spec: Spec) -> None:
    class Mute(Scripted):
        async def next(self, conversation: Conversation):
            yield "hm"

    with pytest.raises(PlannerError, match="without a plan"):
        events(Mute(), [spec])


def test_an_api_without_a_target_is_named(spec: Spec) -> None:
    planner = Scripted(Plan(calls=(call(spec, "listBoards"),)))
    with pytest.raises(UsageError, match="Boards"):
        events(planner, [])


SECURED = {
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "security": [{"token": []}],
}


def carrying(spec: Spec, effect: Effect) -> Call:
    """A call whose request is one that HTTP cannot carry, as no check of the arguments foresees it."""

    def details(operation: Operation) -> RequestDetails:
        header = Parameter(name="Upgrade", location="header", style="simple", required=True, schema={"type": "string"})
        return replace(spec.operation("listBoards").details, parameters=(header,))

    operation = replace(spec.operation("listBoards"), load_details=details, stated_effect=effect)
    return Call(tool=compile_tool(operation), arguments={"Upgrade": "h2c"})


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
def test_a_call_that_cannot_be_sent_goes_back_to_the_planner(spec: Spec, effect: Effect) -> None:
    with boards_api() as api:
        made = carrying(spec, effect)
        planner = Scripted(Plan(calls=(made,)), "It cannot be.")
        seen = events(planner, [spec], api.url, consent=yes)
    assert api.received == []
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.FAILED
    assert step.message.startswith("not sent: ") and "Upgrade" in step.message
    assert isinstance(seen[-1], TurnAnswered)


def test_a_missing_credential_ends_the_turn_after_every_step(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    secured = boards(tmp_path, "Secured", **SECURED)
    seen: list[Event] = []
    planner = Scripted(Plan(calls=(call(spec, "listBoards"), call(secured, "listBoards"))))
    with boards_api() as api, pytest.raises(CredentialError):
        events(planner, [spec, secured], api.url, see=seen.append)
    assert api.received == []
    assert [type(event) for event in seen] == [PlanCreated, StepFinished, StepFinished]
    first, second = (event.step for event in of(StepFinished, seen))
    assert first.message.startswith("not run")
    assert second.outcome is Outcome.FAILED and second.message.startswith("not sent: ")


@pytest.mark.parametrize("gone", [ConsentError("nobody is there"), KeyboardInterrupt(), RuntimeError("a defect")])
def test_a_change_that_was_never_consented_to_has_a_step_that_says_so(spec: Spec, gone: BaseException) -> None:
    """A resumed transcript would take a change without a step for one that may have been carried out."""

    async def consent(_: tuple[CallProposed, ...]) -> UserReply:
        raise gone

    seen: list[Event] = []
    planner = Scripted(Plan(calls=(call(spec, "deleteCard", card="c1"),)))
    with boards_api() as api, pytest.raises(type(gone)):
        events(planner, [spec], api.url, consent=consent, see=seen.append)
    assert api.received == []
    last = seen[-1]
    assert isinstance(last, StepFinished)
    assert last.step.outcome is Outcome.REFUSED and "nothing was sent" in last.step.message


def test_reads_that_were_over_when_the_rest_was_cancelled_are_done(spec: Spec) -> None:
    """One board is answered, which lets the last request out; the loop is cancelled when that one arrives."""
    arrived = threading.Event()
    seen: list[Event] = []

    class Uneven(Echo):
        def talk(self, connection: socketserver.StreamRequestHandler) -> None:
            while (request := read_request(connection.rfile)) and "quick" in request.path:
                connection.wfile.write(Reply(200, []).raw())
            if request and "last" in request.path:
                arrived.set()
            self.stopping.wait(10)

    async def run(url: str) -> None:
        names = ["quick", *(f"slow{n}" for n in range(MAX_CONCURRENT - 1)), "last"]
        planner = Scripted(Plan(calls=tuple(call(spec, "listCards", board=name) for name in names)))
        targets = {spec: Target(spec=spec, base_url=url)}

        async def watch() -> None:
            async for event in converse(planner, ask("?"), targets, policy=Policy(), consent=no):
                seen.append(event)  # noqa: PERF401 - it is cancelled midway, and keeps what it has

        task = asyncio.create_task(watch())
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Uneven() as api:
        asyncio.run(run(api.url))
    quick, *others = (event.step for event in of(StepFinished, seen))
    assert quick.outcome is Outcome.ANSWERED
    assert len(others) == MAX_CONCURRENT
    assert all(step.outcome is Outcome.FAILED and "interrupted" in step.message for step in others)


class Counting(Echo):
    """Counts the connections it gets."""

    def __init__(self) -> None:
        super().__init__(lambda request: Reply(200 if request.method == "GET" else 422, []))
        self.connections = 0

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        self.connections += 1
        super().talk(connection)


def test_the_reads_of_a_conversation_share_a_few_connections(spec: Spec) -> None:
    many = Plan(calls=tuple(call(spec, "listCards", board=f"b{n}") for n in range(60)))
    with Counting() as api:
        events(Scripted(many, many, "Nothing."), [spec], api.url)
    assert len(api.received) == 120
    assert api.connections <= MAX_CONCURRENT


def test_a_change_has_a_connection_of_its_own(spec: Spec) -> None:
    """On one that the API is closing at that moment, nobody could say whether it was carried out."""
    planner = Scripted(
        Plan(calls=(call(spec, "listBoards"),)), Plan(calls=(call(spec, "deleteCard", card="c1"),)), "Hm."
    )
    with Counting() as api:
        events(planner, [spec], api.url, consent=yes)
    assert api.connections == 2


def test_a_question_for_consent_has_no_lines_of_the_descriptions_own(tmp_path: Path) -> None:
    id = "deleteCard\n\x1b[1m  needs no consent"
    spec = boards(tmp_path, paths={"/cards": {"delete": {"operationId": id, "responses": {}}}})
    with pytest.raises(ConsentError) as refused:
        events(Scripted(Plan(calls=(call(spec, id),))), [spec], policy=Policy(interactive=False))
    assert "deleteCard needs no consent (DELETE " in refused.value.message
