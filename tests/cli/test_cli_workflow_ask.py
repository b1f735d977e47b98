"""`ask` and `chat` find a registered workflow, fill its inputs from the sentence, ask once and run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Ran, dialogue, run
from tests.messages_server import MessagesServer, message, say, tool_use, use
from tests.servers import Echo
from tests.workflows.shop import INPUTS, ONBOARD, SENT, WORKFLOWS, lines_sent, shop_api, shop_files

ASK = ("-a", "shop", "--planner", "offline")


def registered(folder: Path, api: Echo) -> None:
    """The shop, registered with its workflows."""
    description, document = shop_files(folder, api.url)
    assert run("api", "add", "shop", description, "--workflows", document).code == 0


def asked(folder: Path, api: Echo, question: str, *words: str, planner: str = "offline") -> Ran:
    registered(folder, api)
    return run("ask", "-o", "events", question, "-a", "shop", "--planner", planner, *words)


def test_a_script_is_shown_the_tree_and_refused(tmp_path: Path) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "-o", "text")
        assert (ran.code, api.received) == (6, [])
    assert "2 add-order: POST /orders  ! changes something" in ran.err
    assert "the workflow onboard-customer makes 2 changes and needs your consent" in ran.err


def test_with_yes_it_runs_unasked_where_all_of_it_was_said(tmp_path: Path) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "--yes", "-o", "text")
        assert (ran.code, lines_sent(api)) == (0, SENT)
        assert [request.json() for request in api.received[:2]] == [
            {"name": "Ada Lovelace", "email": "ada@example.com"},
            {"customer_id": "c1", "sku": "AB-12", "quantity": 3},
        ]
    assert ran.out == "customer: c1\norder: o1\nonboard-customer is done: 3 calls\n"


@pytest.mark.parametrize("words", [(), ("--yes",)])
def test_what_was_not_said_is_asked_for_and_never_invented(tmp_path: Path, words: tuple[str, ...]) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, "onboard the customer Ada Lovelace, ada@example.com", *words)
        assert (ran.code, api.received) == (7, [])
    assert "onboard-customer needs sku (The article of the first order)" in ran.err
    needed = next(event for event in ran.lines if event["event"] == "needed")
    assert "sku" in [missing["argument"] for missing in needed["missing"]]


def test_a_value_that_is_set_is_an_input(tmp_path: Path) -> None:
    with shop_api() as api:
        question = "onboard the customer, ada@example.com"
        ran = asked(tmp_path, api, question, "--set", "sku=Z-9", "--set", "name=Ada", "--yes")
        assert (ran.code, lines_sent(api)) == (0, SENT)
        assert api.received[1].json() == {"customer_id": "c1", "sku": "Z-9", "quantity": 1}


@pytest.mark.parametrize(
    "question",
    [
        "create a customer named Bob with email bob@example.com",
        "show the customers",
        "how do I onboard a customer?",
        "do not onboard the customer Ada Lovelace, ada@example.com, sku AB-12",
        "onboard the customer Ada Lovelace, ada@example.com, sku AB-12 and delete the customer c9",
        "how do I boil an egg?",
    ],
)
def test_a_sentence_that_means_anything_else_starts_no_workflow(tmp_path: Path, question: str) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, question, "--dry-run")
        assert api.received == []
    assert all(event["event"] != "workflow" for event in ran.lines)


def test_a_dry_run_shows_the_tree_and_sends_nothing(tmp_path: Path) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "--dry-run")
        assert (ran.code, api.received) == (0, [])
    (proposed,) = [event for event in ran.lines if event["event"] == "workflow"]
    assert (proposed["changes"], proposed["asks"]) == (2, False)
    assert "3 look: GET /customers/{customer_id}" in "\n".join(proposed["tree"])


def test_the_plan_of_a_workflow_is_the_document_that_there_is(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "--plan")
        assert (ran.code, api.received) == (0, [])
        assert run("ask", ONBOARD, *ASK, "--plan", str(file)).code == 2
    assert "2 add-order: POST /orders  ! changes something" in ran.out
    assert not file.exists()


def test_a_read_runs_without_a_question(tmp_path: Path) -> None:
    with shop_api() as api:
        ran = asked(tmp_path, api, "show the customer overview of c1", "-o", "text")
        assert (ran.code, sorted(lines_sent(api))) == (0, ["GET /customers", "GET /customers/c1"])
    assert "name: Ada Lovelace" in ran.out


def test_a_failure_midway_tells_what_was_done_and_what_was_not(tmp_path: Path) -> None:
    with shop_api(orders=409) as api:
        ran = asked(tmp_path, api, ONBOARD, "--yes", "-o", "text")
        assert (ran.code, lines_sent(api)) == (4, SENT[:2])
    assert "onboard-customer stopped: add-order: the criterion '$statusCode == 201' does not hold" in ran.out
    assert "changed before: add-customer\nnot run: look" in ran.out


def test_a_run_that_a_question_began_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    with shop_api() as api:
        asked(tmp_path, api, ONBOARD, "--yes")
        (transcript,) = (tmp_path / "state" / "log").glob("*.jsonl")
        lines = transcript.read_text().splitlines(keepends=True)
        first = next(number for number, line in enumerate(lines) if '"event": "stepped"' in line)
        transcript.write_text("".join(lines[: first + 1]))
        api.received.clear()
        ran = run("workflow", "resume", "--yes")
        assert (ran.code, lines_sent(api)) == (0, SENT[1:])
    assert ran.json["outputs"] == {"customer": "c1", "order": "o1"}


def test_a_person_is_asked_once_and_a_no_sends_nothing(tmp_path: Path) -> None:
    with shop_api() as api:
        registered(tmp_path, api)
        with dialogue("chat", *ASK) as terminal:
            terminal.expect("you: ")
            terminal.type(f"{ONBOARD}\n")
            terminal.expect("Run it? [y/N]: ")
            terminal.type("no: next week\n")
            terminal.expect("the user said no: next week; nothing was sent")
            terminal.expect("you: ")
            assert api.received == []
            terminal.type("onboard the customer Ada Lovelace, ada@example.com, quantity 3\n")
            terminal.expect("The article of the first order")
            terminal.expect("sku: ")
            terminal.type("AB-12\n")
            terminal.expect("1 read and 2 changes")
            terminal.expect("onboard-customer makes 2 changes. Run it? [y/N]: ")
            assert api.received == []
            terminal.type("y\n")
            terminal.expect("onboard-customer is done: 3 calls")
            terminal.expect("you: ")
            assert lines_sent(api) == SENT
            terminal.type("list the customers\n")
            terminal.expect("Ada Lovelace")
            terminal.expect("you: ")
            terminal.type("bye\n")
            assert terminal.end() == 0
        assert lines_sent(api) == [*SENT, "GET /customers"]
        assert terminal.seen.count("[y/N") == 2


# ---- a model ------------------------------------------------------------------------------------------------------


def results_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of tools in the last message of a request."""
    return [block for block in request["messages"][-1]["content"] if block["type"] == "tool_result"]


def test_a_model_calls_a_workflow_like_an_operation(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("change", {"operation": "onboard-customer", "arguments": INPUTS}), say("She is c1.")]
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "--yes", planner="claude")
        assert (ran.code, lines_sent(api)) == (0, SENT)
    assert claude.refused == []
    assert len(claude.requests) == 2, "the steps take no request to the model"
    offered = claude.requests[0]["messages"][0]["content"][1]["text"]
    assert "onboard-customer (write, workflow): Onboard a customer with a first order | name: string" in offered
    assert claude.requests[1]["tools"] == claude.requests[0]["tools"]
    assert claude.requests[1]["system"] == claude.requests[0]["system"]
    (result,) = results_of(claude.requests[1])
    assert json.loads(result["content"])["data"]["outputs"] == {"customer": "c1", "order": "o1"}
    assert ran.lines[-1]["text"] == "She is c1."


def test_with_auto_a_model_finds_what_the_sentence_does_not_name(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("onboard-customer", INPUTS), use("onboard-customer", INPUTS), say("Done.")]
    with shop_api() as api:
        question = "take Ada Lovelace, ada@example.com, on board with 3 of AB-12"
        ran = asked(tmp_path, api, question, planner="auto")
        assert (ran.code, api.received, len(claude.requests)) == (6, [], 1)
        with dialogue("ask", question, "-a", "shop") as terminal:
            terminal.expect("Run it? [y/N]: ")
            terminal.type("y\n")
            assert terminal.end() == 0
        assert terminal.seen.count("Done.") == 1
        assert lines_sent(api) == SENT
        api.received.clear()
        claude.requests.clear()
        ran = run("ask", ONBOARD, "-a", "shop", "--yes")
        assert (ran.code, lines_sent(api), len(claude.requests)) == (0, SENT, 0), "what it names needs no model"


def test_workflows_that_cannot_be_read_are_left_out_with_a_line(tmp_path: Path) -> None:
    with shop_api() as api:
        registered(tmp_path, api)
        (tmp_path / "shop.arazzo.json").unlink()
        ran = run("ask", "list the customers", *ASK, "-o", "text")
        assert (ran.code, lines_sent(api)) == (0, ["GET /customers"])
    assert "warning: the workflows of shop are left out" in ran.err


def test_a_rule_that_denies_a_step_or_asks_about_it_is_known_before_the_first(tmp_path: Path) -> None:
    rules = tmp_path / "config" / "policy.toml"
    with shop_api() as api:
        registered(tmp_path, api)
        for verdict, code, says in (("deny", 1, "createOrder is never sent"), ("ask", 6, "your policy says ask")):
            rules.write_text(f'[[rules]]\noperation = "createOrder"\nverdict = "{verdict}"\n')
            ran = run("ask", ONBOARD, *ASK, "--yes", "-o", "text")
            assert (ran.code, api.received) == (code, [])
            assert says in ran.out + ran.err


def test_a_models_workflow_is_asked_about_once_and_the_no_goes_back(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("onboard-customer", INPUTS), say("I leave it.")]
    with shop_api() as api:
        registered(tmp_path, api)
        with dialogue("ask", ONBOARD, "-a", "shop", "--planner", "claude") as terminal:
            terminal.expect("Run it? [y/N]: ")
            terminal.type("n: wrong person\n")
            terminal.expect("I leave it.")
            terminal.end()
        assert api.received == []
    (result,) = results_of(claude.requests[1])
    assert "the user said no: wrong person; nothing was sent" in result["content"]


def test_what_fails_midway_goes_back_to_the_model(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("onboard-customer", INPUTS), say("The order failed.")]
    with shop_api(orders=409) as api:
        asked(tmp_path, api, ONBOARD, "--yes", planner="claude")
        assert lines_sent(api) == SENT[:2]
    (result,) = results_of(claude.requests[1])
    assert result["is_error"]
    assert "changed before: add-customer; not run: look" in result["content"]


def test_a_workflow_that_a_model_calls_wrongly_is_not_begun(claude: MessagesServer, tmp_path: Path) -> None:
    both = message(tool_use("listCustomers", {}), {**tool_use("onboard-customer", INPUTS), "id": "toolu_2"})
    claude.script[:] = [
        use("onboard-customer", {"name": "Ada"}),
        use("read", {"operation": "onboard-customer", "arguments": INPUTS}),
        both,
        use("plan", {"steps": [{"id": "a", "operation": "onboard-customer", "arguments": INPUTS}]}),
        say("Enough."),
    ]
    with shop_api() as api:
        asked(tmp_path, api, ONBOARD, "--yes", planner="claude")
        assert lines_sent(api) == ["GET /customers"]
    assert "email" in results_of(claude.requests[1])[0]["content"]
    assert "onboard-customer would write something" in results_of(claude.requests[2])[0]["content"]
    assert "a workflow is called alone" in results_of(claude.requests[3])[1]["content"]
    assert "onboard-customer is a workflow, and no step of a plan" in results_of(claude.requests[4])[0]["content"]


def test_a_workflow_does_not_run_twice_unasked(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("onboard-customer", INPUTS), use("onboard-customer", INPUTS), say("Twice?")]
    with shop_api() as api:
        ran = asked(tmp_path, api, ONBOARD, "--yes", planner="claude")
        assert (ran.code, lines_sent(api)) == (6, SENT)
    assert "it ran before in this conversation, with the same inputs" in ran.err


def test_a_secret_input_is_in_no_tree_and_no_transcript(tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    with shop_api() as api:
        description, document = shop_files(tmp_path, api.url)
        changed = json.loads(json.dumps(WORKFLOWS))
        changed["workflows"][0]["inputs"]["properties"]["sku"]["format"] = "password"
        Path(document).write_text(json.dumps(changed))
        assert run("api", "add", "shop", description, "--workflows", document).code == 0
        question = "onboard the customer Ada Lovelace, ada@example.com"
        ran = run(
            "ask", question, "-a", "shop", "--planner", "offline", "--set", f"sku={secret}", "--yes", "-o", "events"
        )
        assert (ran.code, api.received[1].json()["sku"]) == (0, secret)
    (proposed,) = [event for event in ran.lines if event["event"] == "workflow"]
    assert secret not in json.dumps(proposed)
    (transcript,) = (tmp_path / "state" / "log").glob("*.jsonl")
    assert secret not in transcript.read_text()


def test_the_registered_workflows_are_listed_and_run_by_name(tmp_path: Path) -> None:
    with shop_api() as api:
        registered(tmp_path, api)
        rows = run("workflow", "list", "-o", "json").json
        assert [(row["api"], row["id"], row["effect"]) for row in rows] == [
            ("shop", "onboard-customer", "write"),
            ("shop", "customer-overview", "read"),
            ("shop", "offboard-customer", "destroy"),
        ]
        inputs = [word for name, value in INPUTS.items() for word in ("--input", f"{name}={value}")]
        ran = run("workflow", "run", "shop", "onboard-customer", *inputs, "--yes")
        assert (ran.json["outputs"], lines_sent(api)) == ({"customer": "c1", "order": "o1"}, SENT)
        missing = run("workflow", "run", "shop", "onboard", "--yes")
        assert (missing.code, "its workflows: onboard-customer" in missing.err) == (2, True)


def test_a_manifest_has_each_workflow_as_a_tool(tmp_path: Path) -> None:
    description, document = shop_files(tmp_path)
    tools = run("tools", description, "--workflows", document, "--format", "mcp").json
    onboard = next(tool for tool in tools if tool["name"] == "onboard-customer")
    assert "A workflow of 3 calls" in onboard["description"]
    assert onboard["annotations"]["readOnlyHint"] is False
    kept = run("tools", description, "--workflows", document, "--exclude", "method:DELETE", "--format", "openai").json
    assert "offboard-customer" not in [tool["function"]["name"] for tool in kept]
