"""Each workflow is one MCP tool: shown as a tree, asked about once, answered with its outcome."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.mcp.server_state import ServerState
from nlapi.mcp.settings import Consent, Settings
from nlapi.mcp.tool_listing import build_catalogue
from nlapi.tools.rules import parse_rules
from nlapi.tools.sending.run import Target
from nlapi.workflows.read import read_document
from nlapi.workflows.sources import link
from nlapi.workflows.workflow_tools import WorkflowSet, workflow_tools
from tests.cli.kit import run
from tests.mcp.kit import ERAS, User, call, started, talk, text, told
from tests.servers import Echo
from tests.workflows.shop import INPUTS, SENT, lines_sent, shop_api, shop_files, shop_tools


def served(folder: Path, url: str, *, consent: str = "elicit", without: str = "", **settings: Any) -> ServerState:
    """The shop at `url` with its workflows; `without` is an operation that is not offered."""
    spec, tools = shop_tools(folder)
    chosen = Settings(consent=Consent(consent), **settings)
    operations = [operation for operation in spec.visible_operations if operation.id != without]
    target = Target(spec=spec, base_url=url)
    catalogue = build_catalogue(spec, operations, chosen, WorkflowSet(tools=tools, targets={spec: target}))
    return ServerState(target=target, catalogue=catalogue, settings=chosen, report=told.append)


def tools_of(api: ServerState) -> dict[str, Any]:
    async def says(client: Any) -> Any:
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    found: dict[str, Any] = talk(api, says, user=User())
    return found


def test_a_workflow_is_listed_with_its_inputs_and_its_gravest_effect(tmp_path: Path) -> None:
    tools = tools_of(served(tmp_path, "http://127.0.0.1:9"))
    onboard, overview, offboard = (
        tools[name] for name in ("onboard-customer", "customer-overview", "offboard-customer")
    )
    assert (
        "A workflow of 3 calls: createCustomer, createOrder, getCustomer. It changes something" in onboard.description
    )
    assert onboard.input_schema["required"] == ["name", "email", "sku"]
    assert set(onboard.input_schema["properties"]) == set(INPUTS)
    hints = [
        (tool.annotations.read_only_hint, tool.annotations.destructive_hint) for tool in (onboard, overview, offboard)
    ]
    assert hints == [(False, False), (True, False), (False, True)]


@pytest.mark.parametrize("mode", ERAS)
def test_the_user_sees_the_tree_once_and_a_yes_runs_all_of_it(tmp_path: Path, mode: str) -> None:
    user = User()
    with shop_api() as api:
        result = call(served(tmp_path, api.url), "onboard-customer", INPUTS, mode=mode, user=user)
        assert lines_sent(api) == SENT
        assert api.received[1].json() == {"customer_id": "c1", "sku": "AB-12", "quantity": 3}
    assert not result.is_error
    assert result.structured_content["state"] == "done"
    assert result.structured_content["outputs"] == {"customer": "c1", "order": "o1"}
    (question,) = user.asked
    assert question.startswith("Shop: the workflow onboard-customer changes something: 2 changes\n")
    assert "2 add-order: POST /orders  ! changes something" in question
    assert '"ada@example.com"' in question


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("user", [User("decline"), User("accept", send=False), User("cancel"), None])
def test_nothing_is_sent_without_a_yes(tmp_path: Path, mode: str, user: User | None) -> None:
    with shop_api() as api:
        result = call(served(tmp_path, api.url), "onboard-customer", INPUTS, mode=mode, user=user)
        assert (result.is_error, api.received) == (True, [])


def test_a_yes_holds_for_the_inputs_that_were_shown(tmp_path: Path) -> None:
    import mcp_types as types

    yes: Any = {"consent": types.ElicitResult(action="accept", content={"send": True})}

    async def says(client: Any) -> list[Any]:
        async def again(arguments: dict[str, Any], state: str | None = None) -> Any:
            more = {"input_responses": yes, "request_state": state} if state else {}
            return await client.session.call_tool("onboard-customer", arguments, allow_input_required=True, **more)

        state = (await again(INPUTS)).request_state
        return [await again({**INPUTS, "quantity": 30}, state), await again(INPUTS, state)]

    with shop_api() as api:
        answers = talk(served(tmp_path, api.url), says, mode=ERAS[1], user=User())
        assert ([answer.is_error for answer in answers], api.received) == ([True, True], [])


def test_what_only_reads_is_not_asked_about(tmp_path: Path) -> None:
    user = User("decline")
    with shop_api() as api:
        result = call(served(tmp_path, api.url), "customer-overview", {"customer_id": "c1"}, user=user)
    assert (result.structured_content["outputs"], user.asked) == ({"name": "Ada Lovelace"}, [])


def test_a_failure_midway_tells_what_was_done_and_what_was_not(tmp_path: Path) -> None:
    with shop_api(orders=409) as api:
        result = call(served(tmp_path, api.url, consent="client"), "onboard-customer", INPUTS)
        assert lines_sent(api) == SENT[:2]
    assert result.is_error
    record = result.structured_content
    assert record["state"] == "failed"
    assert (
        record["failure"] == "add-order: the criterion '$statusCode == 201' does not hold; the answer was 409: sold out"
    )
    assert [(step["step"], step["status"]) for step in record["steps"]] == [("add-customer", 201), ("add-order", 409)]
    assert record["not_run"] == ["look"]
    assert "changed before: add-customer\nnot run: look" in text(result)
    with shop_api(orders=409) as api:
        assert call(served(tmp_path, api.url), "onboard-customer", INPUTS, user=User()).is_error
    (receipt,) = run("log", "consents", "-o", "json").json
    assert (receipt["answer"], receipt["calls"][0]["outcome"]) == ("agreed", "failed")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "Ada"}, "email"),
        ({**INPUTS, "quantity": 0}, "quantity"),
        ({**INPUTS, "nickname": "A"}, "nickname"),
    ],
)
def test_inputs_that_do_not_fit_send_nothing(tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    user = User()
    with shop_api() as api:
        result = call(served(tmp_path, api.url), "onboard-customer", arguments, user=user)
        assert (result.is_error, api.received, user.asked) == (True, [], [])
    assert says in text(result)


def ruled(folder: Path, url: str, operation: str, verdict: str, **more: Any) -> ServerState:
    api = served(folder, url, **more)
    rules = parse_rules({"rules": [{"operation": operation, "verdict": verdict}]}, "/home/policy.toml")
    api.target = replace(api.target, rules=rules)
    return api


def test_a_workflow_with_a_denied_step_is_not_begun(tmp_path: Path) -> None:
    user = User()
    with shop_api() as api:
        result = call(ruled(tmp_path, api.url, "createOrder", "deny"), "onboard-customer", INPUTS, user=user)
        assert (result.is_error, api.received, user.asked) == (True, [], [])
    assert "createOrder is never sent" in text(result)


@pytest.mark.parametrize("mode", ERAS)
def test_a_rule_that_asks_is_answered_with_the_tree(tmp_path: Path, mode: str) -> None:
    user = User()
    with shop_api() as api:
        asking = ruled(tmp_path, api.url, "createOrder", "ask", consent="client")
        result = call(asking, "onboard-customer", INPUTS, mode=mode, user=user)
        assert (result.is_error, lines_sent(api), len(user.asked)) == (False, SENT, 1)


def test_what_is_not_offered_is_in_no_workflow(tmp_path: Path) -> None:
    assert "offboard-customer" not in tools_of(served(tmp_path, "http://127.0.0.1:9", without="deleteCustomer"))
    reads = tools_of(served(tmp_path, "http://127.0.0.1:9", consent="never"))
    assert {"customer-overview"} == {name for name in reads if name.endswith("-customer") or "overview" in name}


def test_a_large_api_finds_its_workflows_too(tmp_path: Path) -> None:
    description, document = shop_files(tmp_path)
    tree = json.loads(Path(description).read_text())
    for number in range(50):
        answer = {"responses": {"200": {"description": "ok"}}}
        tree["paths"][f"/parts/{number}"] = {"get": {"operationId": f"getPart{number}", **answer}}
    Path(description).write_text(json.dumps(tree))
    spec = nlapi.load(description)
    tools = workflow_tools([link(read_document(document), loader=lambda _: spec)])
    settings = Settings(consent=Consent.CLIENT)
    with shop_api() as api:
        target = Target(spec=spec, base_url=api.url)
        workflows = WorkflowSet(tools=tools, targets={spec: target})
        catalogue = build_catalogue(spec, spec.visible_operations, settings, workflows)
        state = ServerState(target=target, catalogue=catalogue, settings=settings, report=told.append)
        assert "onboard-customer" in tools_of(state)
        found = text(call(state, "find", {"words": "onboard customer"})).splitlines()[1]
        assert found.startswith("onboard-customer (write, workflow): ")
        assert "sku" in text(call(state, "describe", {"operation": "onboard-customer"}))
        refused = call(state, "read", {"operation": "onboard-customer", "arguments": INPUTS})
        assert (refused.is_error, api.received) == (True, [])
        result = call(state, "change", {"operation": "onboard-customer", "arguments": INPUTS})
        assert (result.is_error, lines_sent(api)) == (False, SENT)


def test_the_command_serves_the_workflows_of_a_file(tmp_path: Path) -> None:
    async def ask(words: tuple[str, ...]) -> Any:
        async with started(*words, "--consent", "client") as client:
            return await client.call_tool("onboard-customer", INPUTS)

    with shop_api() as api:
        description, document = shop_files(tmp_path, api.url)
        result = asyncio.run(ask((description, "--workflows", document)))
        assert lines_sent(api) == SENT
    assert json.loads(text(result))["outputs"] == {"customer": "c1", "order": "o1"}


def test_a_run_of_a_step_without_an_answer_is_a_clear_error(tmp_path: Path) -> None:
    with Echo() as api:
        url = api.url
    result = call(served(tmp_path, url, consent="client"), "onboard-customer", INPUTS)
    assert result.is_error
    assert result.structured_content["failure"].startswith("add-customer: ")
    assert result.structured_content["not_run"] == ["add-order", "look"]
