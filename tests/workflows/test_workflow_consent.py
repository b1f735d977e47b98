"""Consent to a workflow: one question for the whole of it, and nothing is changed that was not agreed to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import dialogue, run
from tests.servers import Reply
from tests.workflows.kit import (
    BUY,
    CREATE,
    LOOK,
    ORDERED,
    PAY,
    Shop,
    body,
    described,
    document,
    flow,
    flow_run,
    lost,
    step,
    value,
    write,
)

pytestmark = pytest.mark.usefixtures("home")


def test_without_a_terminal_nothing_is_sent_not_even_reads(shop: Shop, tmp_path: Path) -> None:
    first = step("find", "findCustomer", parameters=[value("email", "a@b.example", "query")])
    ran = flow_run(tmp_path, shop, document(flow(first, CREATE)), "--no")
    assert ran.code == 6
    assert "1 change; nothing was sent" in ran.err
    assert shop.received == []


def test_a_workflow_of_reads_asks_nothing(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(flow(step("get", "getStock", parameters=[value("sku", "tea")]))), "--no")
    assert (ran.code, shop.log) == (0, ["GET /stock/tea"])


def test_one_question_is_asked_for_all_changes(shop: Shop, tmp_path: Path) -> None:
    with dialogue("workflow", "run", write(tmp_path, document(BUY), shop.url), "--input", "name=Ada") as terminal:
        terminal.expect("3 changes. Run it? [y/N]: ")
        assert shop.received == []
        terminal.type("y\n")
        assert terminal.end() == 0
    assert terminal.seen.count("[y/") == 1
    assert shop.log == ["POST /customers", "POST /orders", "POST /orders/o2/pay", "GET /orders/o2"]


def test_a_yes_is_not_enough_to_delete_several_things(shop: Shop, tmp_path: Path) -> None:
    removed = [step(name, "deleteOrder", parameters=[value("id", name)]) for name in ("o1", "o2")]
    file = write(tmp_path, document(flow(*removed)), shop.url)
    for typed, sent in (("y", []), ("orders", ["DELETE /orders/o1", "DELETE /orders/o2"])):
        with dialogue("workflow", "run", file, "--input", "name=Ada") as terminal:
            terminal.expect("This deletes 2 orders. Type orders to run it: ")
            terminal.type(f"{typed}\n")
            terminal.end()
        assert shop.log == sent


def test_no_is_no(shop: Shop, tmp_path: Path) -> None:
    with dialogue("workflow", "run", write(tmp_path, document(BUY), shop.url), "--input", "name=Ada") as terminal:
        terminal.type("y\n")  # before the question, to which it is no answer
        terminal.expect("[y/N]: ")
        terminal.type("n\n")
        assert terminal.end() == 6
    assert shop.received == []


def test_yes_runs_it_and_outputs_are_json(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(BUY))
    assert ran.code == 0
    assert ran.json["outputs"] == {"order": "o2", "state": "open"}
    assert [entry["status"] for entry in ran.json["steps"]] == [201, 201, 201, 200]


def test_a_dry_run_sends_nothing_and_shows_what_is_known(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(BUY), "--no", "--dry-run")
    assert (ran.code, shop.received) == (0, [])
    assert ran.json["steps"][0]["request"]["body"] == {"name": "Ada"}
    assert ran.json["steps"][1]["pending"] == {"customer_id": "$steps.create.outputs.id"}


def rules(home: Path, *entries: str) -> None:
    (home / "config").mkdir(exist_ok=True)
    (home / "config/policy.toml").write_text("".join(f"[[rules]]\n{entry}\n" for entry in entries))


def test_what_the_users_policy_denies_is_not_sent(shop: Shop, home: Path) -> None:
    rules(home, 'operation = "payOrder"\nverdict = "deny"')
    ran = flow_run(home, shop, document(BUY))
    assert ran.code == 6
    assert "the user's policy says deny" in ran.err
    assert shop.log == [], "what comes before it would be changed for nothing"


def test_what_the_users_policy_asks_about_asks_under_yes(shop: Shop, home: Path) -> None:
    rules(home, 'operation = "createOrder"\nverdict = "ask"')
    ran = flow_run(home, shop, document(BUY))
    assert ran.code == 6
    assert "your policy says ask operation createOrder" in ran.err
    assert shop.log == []


AGAIN = {
    "name": "again",
    "type": "goto",
    "stepId": "add",
    "criteria": [{"condition": "$response.body#/state == 'new'"}],
}


@pytest.mark.parametrize("sku", ["tea", "$steps.add.outputs.id"])
def test_a_loop_that_repeats_a_change_asks(shop: Shop, tmp_path: Path, sku: str) -> None:
    """Whether it makes the same change again, or another one each time: one was agreed to."""
    add = step("add", "createOrder", **body({"customer_id": "c1", "sku": "tea"}), outputs={"id": "$response.body#/id"})
    more = step(
        "more", "createOrder", **body({"customer_id": "c1", "sku": sku}), onSuccess=[{**AGAIN, "stepId": "more"}]
    )
    ran = flow_run(tmp_path, shop, document(flow(add, more)))
    assert ran.code == 6
    assert shop.log == ["POST /orders", "POST /orders"]


def test_a_loop_of_reads_runs(shop: Shop, tmp_path: Path) -> None:
    states = [Reply(200, {"id": "o1", "state": state}) for state in ("open", "open", "paid")]
    shop.replies["GET /orders/o1"] = list(states)
    wait = {
        "name": "wait",
        "type": "goto",
        "stepId": "look",
        "criteria": [{"condition": "$response.body#/state != paid"}],
    }
    look = step("look", "getOrder", parameters=[value("id", "o1")], onSuccess=[wait])
    assert flow_run(tmp_path, shop, document(flow(look))).code == 0
    assert len(shop.received) == 3


RETRY = [{"name": "again", "type": "retry", "retryAfter": 0, "retryLimit": 3}]


def test_a_change_is_not_tried_again_after_a_fault_of_the_api(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /customers"] = [Reply(503)]
    ran = flow_run(tmp_path, shop, document(flow({**CREATE, "onFailure": RETRY})))
    assert ran.code == 5
    assert "not tried again, as the change may have been carried out" in ran.err
    assert shop.log == ["POST /customers"]


def test_a_change_is_not_tried_again_after_a_lost_connection(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /customers"] = [lost]
    ran = flow_run(tmp_path, shop, document(flow({**CREATE, "onFailure": RETRY})))
    assert ran.code == 1
    assert "outcome unknown" in ran.err
    assert shop.log == ["POST /customers"]


def test_a_change_is_tried_again_after_429(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /customers"] = [Reply(429), Reply(429), Reply(201, {"id": "c1"})]
    ran = flow_run(tmp_path, shop, document(flow({**CREATE, "onFailure": RETRY})))
    assert (ran.code, len(shop.received)) == (0, 3)


def test_a_read_is_tried_again_as_often_as_the_document_says(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /stock/tea"] = [Reply(500)]
    get = step("get", "getStock", parameters=[value("sku", "tea")], onFailure=RETRY)
    ran = flow_run(tmp_path, shop, document(flow(get)), "--timeout", "5")
    assert ran.code == 5
    assert "get" in ran.err


def test_two_steps_with_the_same_request_are_sent_once_each(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(flow(CREATE, {**CREATE, "stepId": "second"})))
    assert (ran.code, shop.log) == (0, ["POST /customers"] * 2)


def test_what_two_workflows_depend_on_runs_once(shop: Shop, tmp_path: Path) -> None:
    get = step("get", "getStock", parameters=[value("sku", "tea")])
    flows = [
        flow(get, id="all", dependsOn=["left", "right"]),
        flow(get, id="left", dependsOn=["base"]),
        flow(get, id="right", dependsOn=["base"]),
        flow(CREATE, id="base"),
    ]
    ran = flow_run(tmp_path, shop, document(*flows), "all")
    assert ran.code == 0
    assert shop.changes == ["POST /customers"]
    assert shop.log[0] == "POST /customers"
    assert ran.err.count("changes something") == 1


def test_the_tree_shows_what_goes_from_one_api_to_another(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(described(shop.url, "Other")))
    tree = document(flow(CREATE, {**ORDERED, "operationId": "$sourceDescriptions.other.createOrder"}))
    tree["workflows"][0]["steps"][0] = {**CREATE, "operationId": "$sourceDescriptions.shop.createCustomer"}
    tree["sourceDescriptions"].append({"name": "other", "url": "other.json", "type": "openapi"})
    ran = flow_run(tmp_path, shop, tree)
    assert ran.code == 0
    assert "customer_id <- id of create" in ran.err
    assert "from Shop to Other" in ran.err


def test_until_stops_after_a_step_and_counts_only_its_changes(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(BUY), "--until", "create", "--no")
    assert "1 change; nothing was sent" in ran.err
    ran = flow_run(tmp_path, shop, document(BUY), "--until", "order")
    assert (ran.code, shop.log) == (0, ["POST /customers", "POST /orders"])


def test_a_step_that_cannot_be_sent_stops_the_run_before_it_begins(shop: Shop, tmp_path: Path) -> None:
    """A value that an answer will give does not excuse one that nothing gives."""
    optional = {"type": "object", "properties": {"name": {}, "sku": {"type": "string"}}}
    order = {**ORDERED, **body({"customer_id": "$steps.create.outputs.id", "sku": "$inputs.sku"})}
    ran = flow_run(tmp_path, shop, document(flow(CREATE, order, inputs=optional)))
    assert ran.code == 2
    assert "order cannot be sent" in ran.err
    assert "sku" in ran.err
    assert shop.received == []


UNREADABLE: list[dict[str, Any]] = [
    {"successCriteria": ["$statusCode == 200"]},
    {"onFailure": [{"name": "x", "type": "retry", "stepId": "order"}]},
    {"onSuccess": [{"name": "x", "type": "goto"}]},
    {"workflowId": "buy"},
    {"parameters": [{"name": "id"}]},
]


@pytest.mark.parametrize("part", UNREADABLE)
def test_a_run_does_not_go_on_without_what_cannot_be_read(shop: Shop, tmp_path: Path, part: dict[str, Any]) -> None:
    ran = flow_run(tmp_path, shop, document(flow(CREATE, {**LOOK, "parameters": [value("id", "o1")], **part})))
    assert ran.code == 2
    assert "cannot be read, and nothing was sent" in ran.err
    assert shop.received == []


def test_a_run_does_not_begin_with_what_it_cannot_decide(shop: Shop, tmp_path: Path) -> None:
    xpath = {"successCriteria": [{"condition": "//a", "type": "xpath", "context": "$response.body"}]}
    for part, message in ((xpath, "XPath is not run"), ({"action": "send"}, "is on a channel of AsyncAPI")):
        ran = flow_run(tmp_path, shop, document(flow(CREATE, {**LOOK, "parameters": [value("id", "o1")], **part})))
        assert (ran.code, shop.received) == (2, [])
        assert message in ran.err


@pytest.mark.parametrize(
    "parameters",
    [
        [value("id", "o1"), value("id", "o2")],
        [value("id", "o1"), {**value("id", "o2"), "in": "query"}],
        [value("id", "o1"), {"reference": "$components.parameters.other"}],
    ],
)
def test_a_parameter_that_stands_twice_is_not_sent(shop: Shop, tmp_path: Path, parameters: list[Any]) -> None:
    tree = document(flow({**LOOK, "parameters": parameters}))
    tree["components"] = {"parameters": {"other": value("id", "o2")}}
    ran = flow_run(tmp_path, shop, tree)
    assert (ran.code != 0, shop.received) == (True, [])
    assert "is given" in ran.err


def test_a_document_with_a_key_twice_is_not_read(tmp_path: Path, shop: Shop) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("arazzo: 1.0.1\ninfo: {title: x, version: '1'}\nworkflows: []\nworkflows: []\n")
    ran = run("workflow", "check", str(file))
    assert ran.code != 0
    assert "line 4: the key 'workflows' is there twice" in ran.complaint


def test_an_input_that_is_given_twice_is_not_taken(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(flow(CREATE)), "buy", "--input", "name=A", "--input", "name=B")
    assert (ran.code, shop.received) == (2, [])
    assert "--input name is given twice" in ran.err


def test_steps_that_stand_twice_are_not_run(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(flow(CREATE, CREATE)))
    assert (ran.code, shop.received) == (2, [])
    assert "stands 2 times" in ran.err
    ran = flow_run(tmp_path, shop, document(flow(CREATE), flow(CREATE, PAY)), "buy")
    assert (ran.code, shop.received) == (2, [])
