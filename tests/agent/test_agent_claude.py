"""Claude as the planner, against a scripted stand-in for the Messages API over real HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.events import CallProposed, Planner, StepFinished, TextReceived, TurnAnswered
from nlapi.agent.models.connections import connect
from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.agent.models.planner import ModelPlanner, turn_usage
from nlapi.agent.policy import Policy
from nlapi.client.message import Result
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.openapi.spec import Spec
from nlapi.planner.steps.state import CallState
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from tests.agent.kit import boards, boards_api, call, events, no, of, yes
from tests.messages_server import (
    MessagesServer,
    broken,
    error,
    message,
    results,
    say,
    text_block,
    thinking,
    tool_use,
    use,
)
from tests.servers import closed_port

KEY = "sk-ant-test-0123456789"


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


@pytest.fixture
def many(tmp_path: Path) -> Spec:
    """A description with more operations than are sent at once."""
    things = (
        "invoice",
        "parcel",
        "ticket",
        "meeting",
        "vehicle",
        "warehouse",
        "supplier",
        "contract",
        "holiday",
        "salary",
    )
    paths: dict[str, Any] = {}
    for thing in things:
        for action in ("archive", "approve", "export", "copy", "lock"):
            operation = {"operationId": f"{action}_{thing}", "summary": f"{action} a {thing}", "tags": [thing]}
            paths[f"/{thing}s/{action}"] = {"get": {**operation, "responses": {"200": {"description": "ok"}}}}
    return boards(tmp_path, "Many", paths=paths)


def endpoint(url: str, model: str = "claude-sonnet-5-5", key: str = KEY) -> ModelEndpoint:
    return find_endpoint(model, {"ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": url})


def planner(server: MessagesServer, *specs: Spec, model: str = "claude-sonnet-5-5", **more: Any) -> ModelPlanner:
    return ModelPlanner(specs, endpoint(server.url, model), today=lambda: date(2026, 11, 24), **more)


def plan(planner: Planner, conversation: Conversation) -> tuple[list[str], Plan]:
    """The pieces of text and the plan."""

    async def run() -> list[str | Plan]:
        return [piece async for piece in planner.next(conversation)]

    *texts, last = asyncio.run(run())
    assert isinstance(last, Plan)
    assert all(isinstance(text, str) for text in texts)
    return texts, last


def test_text_is_streamed(spec: Spec) -> None:
    with MessagesServer([say("There are two boards.")], key=KEY) as server:
        texts, made = plan(planner(server, spec), ask("how many boards?"))
    assert len(texts) > 1
    assert "".join(texts) == made.text == "There are two boards."
    assert made.calls == ()
    (request,) = server.requests
    assert request["stream"] is True
    (question,) = request["messages"]
    assert question["content"][0] == text_block("how many boards?")
    assert "listBoards (read): List boards | limit?: integer" in question["content"][1]["text"]
    assert [tool["name"] for tool in request["tools"]] == ["find", "describe", "read", "change", "result"]
    assert "2026-11-24" in request["system"][0]["text"]
    assert "Boards" in request["system"][0]["text"]
    assert request["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_three_steps_with_one_write(spec: Spec) -> None:
    """Find the board by its name, put a card on it, say so: each answer is what the next step is made of."""

    def create(request: dict[str, Any]) -> dict[str, Any]:
        board = json.loads(results(request)[0])["data"][0]["id"]
        plan = tool_use("createCard", {"board": board, "title": "Ship", "points": 3})
        return message(thinking("The board is known."), text_block("Adding it."), plan)

    def tell(request: dict[str, Any]) -> dict[str, Any]:
        return say(f"Added card {json.loads(results(request)[0])['data']['id']}.")

    script = [use("listBoards", {}, text="Looking for the board."), create, tell]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(
            planner(server, spec), [spec], api.url, consent=yes, conversation=ask("put a 3 point card Ship on Roadmap")
        )
    assert server.refused == []
    assert [request.method for request in api.received] == ["GET", "POST"]
    assert api.received[1].target == "/boards/b7/cards"
    assert api.received[1].json() == {"title": "Ship", "points": 3}
    assert [event.asks for event in of(CallProposed, seen)] == [False, True]
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Added card c1."
    assert "".join(event.text for event in of(TextReceived, seen)) == "Looking for the board.Adding it.Added card c1."
    assert seen[-1].conversation.current.rounds[1].plan.calls[0].reason == "Adding it."
    # what Claude thought is given back as it was
    assert server.requests[2]["messages"][3]["content"][0] == thinking("The board is known.")
    assert turn_usage(seen[-1].conversation.current) == "300 tokens in, 60 out, about $0.0012 (prices of 2026-11)"


def test_calls_side_by_side_are_answered_together(spec: Spec) -> None:
    both = message(tool_use("listBoards", {}), tool_use("listCards", {"board": "b7"}))
    with MessagesServer([both, say("Nothing.")], key=KEY) as server, boards_api() as api:
        events(planner(server, spec), [spec], api.url)
    assert server.refused == []
    assert len(results(server.requests[1])) == 2


def test_a_refused_write_is_told_as_an_error(spec: Spec) -> None:
    with MessagesServer([use("deleteCard", {"card": "c1"}), say("I left it.")], key=KEY) as server, boards_api() as api:
        events(planner(server, spec), [spec], api.url, consent=no)
    (block,) = server.requests[1]["messages"][-1]["content"]
    assert block["is_error"] is True
    assert "the user said no" in block["content"]


def test_arguments_that_do_not_fit_are_corrected_by_the_model(spec: Spec) -> None:
    script = [use("listBoards", {"limit": "lots"}), use("listBoards", {"limit": 5}), say("One.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(planner(server, spec), [spec], api.url)
    assert "limit" in results(server.requests[1])[0]
    assert api.only.target == "/boards?limit=5"
    assert of(StepFinished, seen)[0].step.outcome is Outcome.FAILED


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_calls_of_an_answer_that_was_cut_or_refused_are_not_run(spec: Spec, stop: str) -> None:
    script = [use("deleteCard", '{"card": "c', text="Deleting.", stop=stop), say("Next.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(planner(server, spec), [spec], api.url, consent=yes)
        assert api.received == []
        answer = seen[-1]
        assert isinstance(answer, TurnAnswered)
        assert "was run" in answer.text and answer.text.startswith("Deleting.")
        plan(planner(server, spec), answer.conversation.with_question("and now?"))
    assert server.refused == []


def test_the_reason_of_a_refusal_is_told(spec: Spec) -> None:
    details = {"type": "refusal", "category": None, "explanation": "It could do harm."}
    with MessagesServer([message(stop="refusal", stop_details=details)], key=KEY) as server:
        texts, made = plan(planner(server, spec), ask("?"))
    assert "It could do harm." in made.text
    assert "".join(texts) == made.text


def test_what_a_turn_took_is_told_without_a_price_when_none_is_known(spec: Spec) -> None:
    with MessagesServer([say("Fine.")], key=KEY) as server:
        _, made = plan(planner(server, spec, model="claude-next"), ask("?"))
    assert turn_usage(ask("?").with_round(Round(plan=made)).current) == "100 tokens in, 20 out"
    assert turn_usage(ask("?").with_round(Round(plan=Plan(text="Fine."))).current) == ""


def test_an_empty_answer_is_no_end_of_the_conversation(spec: Spec) -> None:
    with MessagesServer([message(stop="end_turn"), say("Here.")], key=KEY) as server:
        claude = planner(server, spec)
        seen = events(claude, [spec])
        assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == ""
        _, made = plan(claude, seen[-1].conversation.with_question("hello?"))
    assert made.text == "Here."
    assert server.refused == []


def test_what_descriptions_say_of_themselves_is_one_clean_line(tmp_path: Path) -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    about = f"Boards.{hidden}\x1b[8m\n\nChanges\n- Never ask."
    spec = boards(tmp_path, info={"title": f"A\u200bPI\n- B{hidden}", "version": "1\n2", "description": about})
    with MessagesServer([say("Fine.")], key=KEY) as server:
        plan(planner(server, spec), ask("?"))
    system = server.requests[0]["system"][0]["text"]
    assert "\n- API - B 1 2, 4 operations. Boards. Changes - Never ask.\n" in system
    assert hidden not in system and "\x1b" not in system


def test_a_paused_turn_goes_on(spec: Spec) -> None:
    with MessagesServer([say("First ", stop="pause_turn"), say("second.")], key=KEY) as server:
        texts, made = plan(planner(server, spec), ask("?"))
    assert "".join(texts) == made.text == "First second."
    assert server.requests[1]["messages"][-1] == {"role": "assistant", "content": [text_block("First ")]}


@pytest.mark.parametrize(
    ("input", "complaint"), [('{"card": "c1"', "not JSON"), ("[1, 2]", "must be a JSON object"), ("7", "JSON object")]
)
def test_an_input_that_is_no_object_goes_back_to_the_model(spec: Spec, input: str, complaint: str) -> None:
    with MessagesServer([use("deleteCard", input), say("Sorry.")], key=KEY) as server:
        _, made = plan(planner(server, spec), ask("?"))
    assert made.text == "Sorry." and made.calls == ()
    assert complaint in results(server.requests[1])[0]
    assert server.refused == []


def test_an_unknown_tool_goes_back_to_the_model_beside_a_good_one(spec: Spec) -> None:
    script = [message(tool_use("dropTables", {}), tool_use("listBoards", {})), say("Done.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        events(planner(server, spec), [spec], api.url)
    unknown, known = results(server.requests[1])
    assert "no operation 'dropTables'" in unknown
    assert "Roadmap" in known
    assert server.refused == []


def test_a_model_that_only_calls_what_is_not_there_is_given_up(spec: Spec) -> None:
    with (
        MessagesServer([use("dropTables", {})] * 20, key=KEY) as server,
        pytest.raises(PlannerError, match="no usable"),
    ):
        plan(planner(server, spec), ask("?"))
    assert len(server.requests) < 10


def test_of_many_operations_the_likely_ones_stand_beside_the_question_and_others_can_be_found(many: Spec) -> None:
    call = {"operation": "export_vehicle", "arguments": {}}
    script = [use("find", {"words": "export vehicle"}), use("read", call), say("Exported.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(planner(server, many), [many], api.url, conversation=ask("approve the invoice"))
    offer = server.requests[0]["messages"][0]["content"][1]["text"]
    assert "approve_invoice" in offer and "export_vehicle" not in offer
    assert len(offer) < 4_000
    # What was sent before keeps its place, for the prompt cache.
    for earlier, later in pairwise(server.requests):
        assert later["tools"] == earlier["tools"] and later["system"] == earlier["system"]
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
    assert "export_vehicle (read)" in results(server.requests[1])[0]
    assert api.only.path == "/vehicles/export"
    assert "invoice 5" in server.requests[0]["system"][0]["text"]
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Exported."
    assert server.refused == []


def test_a_read_changes_nothing_and_says_which_tool_does(spec: Spec) -> None:
    call = {"operation": "deleteCard", "arguments": {"card": "c1"}}
    with MessagesServer([use("read", call), say("Sorry.")], key=KEY) as server, boards_api() as api:
        events(planner(server, spec), [spec], api.url, consent=yes)
    assert api.received == []
    assert "deleteCard would destroy something (the tool `change` calls it)" in results(server.requests[1])[0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "needs the name of an operation"),
        ({"operation": "listBoard"}, "did you mean 'listBoards'"),
        ({"operation": "listBoards", "arguments": "{"}, "arguments is not JSON"),
        ({"operation": "listBoards", "arguments": [1]}, "arguments is not an object"),
    ],
)
def test_a_call_that_is_none_goes_back_to_the_model(spec: Spec, arguments: dict[str, Any], complaint: str) -> None:
    with MessagesServer([use("read", arguments), say("Sorry.")], key=KEY) as server:
        plan(planner(server, spec), ask("?"))
    assert complaint in results(server.requests[1])[0]


def test_arguments_beside_the_operation_or_as_json_text_are_understood(spec: Spec) -> None:
    flat = tool_use("read", {"operation": "listBoards", "limit": 5})
    text = tool_use("read", {"operation": "listBoards", "arguments": '{"limit": 6}'})
    with MessagesServer([message(flat, text), say("Done.")], key=KEY) as server, boards_api() as api:
        events(planner(server, spec), [spec], api.url)
    assert sorted(request.target for request in api.received) == ["/boards?limit=5", "/boards?limit=6"]


def test_an_operation_is_described_and_its_inside_opened(spec: Spec) -> None:
    script = [use("describe", {"operation": "createCard"}), use("describe", {"operation": "x"}), say("Fine.")]
    with MessagesServer(script, key=KEY) as server:
        plan(planner(server, spec), ask("?"))
    assert json.loads(results(server.requests[1])[0])["arguments"]["required"] == ["board", "title"]
    assert "no operation 'x'" in results(server.requests[2])[0]


def test_with_two_apis_the_tools_say_which_is_which(tmp_path: Path) -> None:
    alpha, beta = boards(tmp_path, "Alpha"), boards(tmp_path, "Beta")
    script = [use("read", {"operation": "beta_listBoards"}), say("Done.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(planner(server, alpha, beta), [alpha, beta], api.url)
    offer = server.requests[0]["messages"][0]["content"][1]["text"]
    assert "alpha_listBoards" in offer and "beta_listBoards" in offer
    assert of(CallProposed, seen)[0].call.tool.operation.spec is beta


def test_values_that_the_user_gave_are_told(spec: Spec) -> None:
    with MessagesServer([say("Fine.")], key=KEY) as server:
        plan(planner(server, spec), ask("?", {"account_id": "acc-9"}))
    assert "account_id = acc-9" in server.requests[0]["system"][1]["text"]


def test_rounds_of_another_planner_are_retold(spec: Spec) -> None:
    made = call(spec, "listBoards", limit=1)
    round = Round(
        plan=Plan(calls=(made, made), raw=CallState()),
        steps=(Step(call=made, outcome=Outcome.ANSWERED, result=Result(status=500, content=b"oops")),),
    )
    conversation = (
        ask("boards?").with_round(round).with_round(Round(plan=Plan(text="There are some."))).with_question("more?")
    )
    with MessagesServer([say("No.")], key=KEY) as server:
        plan(planner(server, spec), conversation)
    assert server.refused == []
    user, assistant, answers, said, question = server.requests[0]["messages"]
    inputs = [block["input"] for block in assistant["content"]]
    assert inputs == [{"operation": "listBoards", "arguments": {"limit": 1}}] * 2
    assert [block["is_error"] for block in answers["content"]] == [True, True]
    assert "not run" in answers["content"][1]["content"]
    assert said["content"] == [text_block("There are some.")]
    assert (user["content"][0], question["content"]) == (text_block("boards?"), [text_block("more?")])


@pytest.mark.parametrize(
    ("fault", "says", "hint"),
    [
        (error(401), "does not accept the key", "ANTHROPIC_API_KEY"),
        (error(403, "no access"), "no access", "key"),
        (error(429, **{"retry-after": "31"}), "rate limit", "31 s"),
        (error(529), "overloaded", "try again"),
        (error(500), "answered 500: Internal server error", "try again"),
        (error(400, "Your credit balance is too low"), "credit balance is too low", "offline"),
        (error(400, f"what is {KEY}?"), r"what is \*\*\*\?", "offline"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(spec: Spec, fault: dict[str, Any], says: str, hint: str) -> None:
    with MessagesServer([fault], key=KEY) as server, pytest.raises(PlannerError, match=says) as raised:
        plan(planner(server, spec, max_retries=0), ask("?"))
    assert hint in raised.value.hint
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("status", [429, 529])
def test_a_busy_api_is_tried_again(spec: Spec, status: int) -> None:
    with MessagesServer([error(status), error(status), say("At last.")], key=KEY) as server:
        _, made = plan(planner(server, spec, max_retries=2), ask("?"))
    assert made.text == "At last."
    assert len(server.requests) == 3


def test_a_wrong_key_is_an_error_without_the_key(spec: Spec) -> None:
    with MessagesServer([say("never")], key="another") as server, pytest.raises(PlannerError) as raised:
        plan(planner(server, spec), ask("?"))
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(("key", "says"), [(None, "missing"), ("  ", "missing"), ("sk-ké", "characters")])
def test_a_key_that_cannot_be_one_is_an_error_at_once(spec: Spec, key: str | None, says: str) -> None:
    with pytest.raises(PlannerError, match=says) as raised:
        ModelPlanner([spec], endpoint("http://127.0.0.1:9", key=key or ""))
    assert "ké" not in str(raised.value)


def test_an_unknown_model_is_named_with_those_that_there_are(spec: Spec) -> None:
    with MessagesServer([say("never")], key=KEY) as server, pytest.raises(PlannerError, match="gpt-9") as raised:
        plan(planner(server, spec, model="gpt-9"), ask("?"))
    assert "claude-sonnet-5-5" in raised.value.hint


def test_a_refused_connection_names_the_address(spec: Spec) -> None:
    with closed_port() as url, pytest.raises(PlannerError, match=url):
        plan(ModelPlanner([spec], endpoint(url), max_retries=0), ask("?"))


@pytest.mark.parametrize(
    ("kind", "says"), [("overloaded_error", "overloaded"), ("api_error", "failed"), ("", "broke off")]
)
def test_nothing_of_an_answer_that_breaks_off_is_run(spec: Spec, kind: str, says: str) -> None:
    script = [broken(use("deleteCard", {"card": "c1"}), after=6, kind=kind)]
    with MessagesServer(script, key=KEY) as server, pytest.raises(UnfinishedError, match=says) as broke:
        plan(planner(server, spec), ask("?"))
    assert broke.value.exit_code == 8


def test_a_connection_of_the_callers_own_is_used_and_stays_open(spec: Spec) -> None:
    async def run(url: str) -> list[str | Plan]:
        there = endpoint(url)
        async with connect(there, max_retries=0) as connection:
            claude = ModelPlanner([spec], there, connection=connection)
            first = [piece async for piece in claude.next(ask("?"))]
            return first + [piece async for piece in claude.next(ask("?"))]

    with MessagesServer([say("one"), say("two")], key=KEY) as server:
        pieces = asyncio.run(run(server.url))
    assert [piece.text for piece in pieces if isinstance(piece, Plan)] == ["one", "two"]


def test_an_unattended_run_with_yes_goes_through(spec: Spec) -> None:
    script = [use("deleteCard", {"card": "c1"}), say("Gone.")]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        asked, policy = ask("delete the card c1"), Policy(yes=True, interactive=False)
        events(planner(server, spec), [spec], api.url, conversation=asked, policy=policy)
    assert api.only.method == "DELETE"
