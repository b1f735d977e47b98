"""The order of the calls of a run: what follows a step, nested workflows, reads side by side."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import run
from tests.servers import Reply, read_request
from tests.workflows.kit import (
    CREATE,
    LOOK,
    ORDERED,
    Shop,
    body,
    document,
    flow,
    flow_run,
    step,
    value,
    write,
)

pytestmark = pytest.mark.usefixtures("home")


def get(id: str, sku: str = "", **more: Any) -> dict[str, Any]:
    return step(id, "getStock", parameters=[value("sku", sku or id)], **more)


def order_of(shop: Shop) -> list[str]:
    return [request.path.rpartition("/")[2] for request in shop.received]


def test_end_skips_what_follows(shop: Shop, tmp_path: Path) -> None:
    end = [{"name": "enough", "type": "end", "criteria": [{"condition": "$response.body#/state == 'open'"}]}]
    assert flow_run(tmp_path, shop, document(flow(get("a"), get("b", onSuccess=end), get("c")))).code == 0
    # Two reads side by side arrive in any order.
    assert sorted(order_of(shop)) == ["a", "b"]


def test_goto_leads_forward_and_the_first_action_that_applies_counts(shop: Shop, tmp_path: Path) -> None:
    actions = [
        {"name": "no", "type": "end", "criteria": [{"condition": "$statusCode == 404"}]},
        {"name": "on", "type": "goto", "stepId": "c", "criteria": [{"condition": "$statusCode == 200"}]},
        {"name": "never", "type": "end"},
    ]
    assert flow_run(tmp_path, shop, document(flow(get("a", onSuccess=actions), get("b"), get("c")))).code == 0
    assert order_of(shop) == ["a", "c"]


def test_a_failure_may_lead_elsewhere(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /stock/a"] = [Reply(404)]
    instead = [{"name": "instead", "type": "goto", "stepId": "c"}]
    assert flow_run(tmp_path, shop, document(flow(get("a", onFailure=instead), CREATE, get("c")))).code == 0
    assert shop.changes == []
    assert order_of(shop)[-1] == "c"


def test_actions_of_the_workflow_are_for_each_step(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /stock/b"] = [Reply(404)]
    tree = document(
        flow(get("a"), get("b"), CREATE, id="main", failureActions=[{"reference": "$components.failureActions.away"}]),
        flow(get("rescue"), id="other"),
        components={"failureActions": {"away": {"name": "away", "type": "goto", "workflowId": "other"}}},
    )
    assert flow_run(tmp_path, shop, tree, "main").code == 0
    assert (order_of(shop)[-1], shop.changes) == ("rescue", [])


def test_a_nested_workflow_hands_its_outputs_on(shop: Shop, tmp_path: Path) -> None:
    inner = flow(CREATE, id="inner", outputs={"made": "$steps.create.outputs.id"})
    enter = {
        "stepId": "enter",
        "workflowId": "inner",
        "parameters": [{"name": "name", "value": "$inputs.name"}],
        "successCriteria": [{"condition": "$outputs.made == 'c1'"}],
        "outputs": {"customer": "$outputs.made"},
    }
    after = step("after", "getCustomer", parameters=[value("id", "$steps.enter.outputs.customer")])
    outer = flow(enter, after, id="outer", outputs={"id": "$workflows.inner.outputs.made"})
    ran = flow_run(tmp_path, shop, document(outer, inner), "outer")
    assert (ran.code, ran.json["outputs"]) == (0, {"id": "c1"})
    assert shop.log == ["POST /customers", "GET /customers/c1"]
    assert [entry["step"] for entry in ran.json["steps"]] == ["enter/create", "enter", "after"]


def test_a_workflow_of_another_document_is_run(shop: Shop, tmp_path: Path) -> None:
    write(tmp_path, document(flow(CREATE, id="make")), shop.url, name="other.json")
    enter = {
        "stepId": "in",
        "workflowId": "$sourceDescriptions.more.make",
        "parameters": [{"name": "name", "value": "x"}],
    }
    outer = flow(get("a"), enter, id="outer", dependsOn=["$sourceDescriptions.more.make"])
    tree = document(outer)
    tree["sourceDescriptions"].append({"name": "more", "url": "other.json", "type": "arazzo"})
    ran = flow_run(tmp_path, shop, tree, "outer")
    assert ran.code == 0
    assert [request.json()["name"] for request in shop.received if request.method == "POST"] == ["Ada", "x"]


class SideBySide(Shop):
    """A shop that answers reads only when as many have come as are awaited."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(count)

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        while request := read_request(connection.rfile):
            self.received.append(request)
            if request.method == "GET":
                self.barrier.wait(120)
            connection.wfile.write(self.usual(request).raw())


def test_reads_without_dependence_run_side_by_side_and_changes_in_order(tmp_path: Path) -> None:
    with SideBySide(3) as shop:
        ran = flow_run(tmp_path, shop, document(flow(CREATE, get("a"), get("b"), get("c"), ORDERED)))
        assert ran.code == 0
        methods = [request.method for request in shop.received]
        assert methods == ["POST", "GET", "GET", "GET", "POST"]


def test_a_read_waits_for_what_it_uses_and_for_what_it_depends_on(tmp_path: Path) -> None:
    with SideBySide(1) as shop:
        first = get("a", outputs={"id": "$response.body#/id"})
        uses = step("b", "getOrder", parameters=[value("id", "$steps.a.outputs.id")])
        waits = get("c", dependsOn=["b"])
        assert flow_run(tmp_path, shop, document(flow(first, uses, waits), version="1.1.0")).code == 0
        assert order_of(shop) == ["a", "a", "c"]


def test_values_of_each_kind_go_where_the_document_says(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "doc.txt").write_text("tea")
    inputs = {
        "type": "object",
        "properties": {"doc": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
    }
    payload = {"customer_id": "x", "sku": "tea", "lines": [{"n": 1}, {"n": 2}]}
    changed = [{"target": "/customer_id", "value": "$inputs.name"}, {"target": "/lines/1/n", "value": 7}]
    steps = [
        step("form", "getToken", **body({"user": "$inputs.name", "password": "a b&c"})),
        step("file", "upload", **body({"name": "n", "file": "$inputs.doc"})),
        step("text", "addNote", **body("Hello {$inputs.name}, it costs {$5}")),
        step("replaced", "createOrder", **body(payload, replacements=changed)),
    ]
    ran = flow_run(tmp_path, shop, document(flow(*steps, inputs=inputs)), "-i", f"doc=@{tmp_path / 'doc.txt'}")
    assert ran.code == 0
    form, upload, text, replaced = shop.received
    assert form.body == b"user=Ada&password=a+b%26c" or form.body == b"user=Ada&password=a%20b%26c"
    assert b'filename="doc.txt"' in upload.body
    assert b"\r\n\r\ntea\r\n" in upload.body
    assert (text.header("content-type"), text.body) == ("text/plain", b"Hello Ada, it costs {$5}")
    assert replaced.json() == {"customer_id": "Ada", "sku": "tea", "lines": [{"n": 1}, {"n": 7}]}


def test_a_replacement_that_leads_nowhere_stops_the_run(shop: Shop, tmp_path: Path) -> None:
    for target in ("/gone/deep", "$.lines[?@.n == 9].n"):
        order = body({"customer_id": "x", "sku": "tea"}, replacements=[{"target": target, "value": 1}])
        ran = flow_run(tmp_path, shop, document(flow(step("a", "createOrder", **order))))
        assert ran.code == 2
        assert "the payload has no such place" in ran.err
    assert shop.received == []


CRITERIA: list[tuple[dict[str, Any], bool]] = [
    ({"type": "regex", "context": "$response.body#/state", "condition": "^op"}, True),
    ({"type": "regex", "context": "$response.body#/state", "condition": "^pen"}, False),
    ({"type": "regex", "context": "$statusCode", "condition": "^2..$"}, True),
    ({"type": "regex", "context": "$response.body#/state", "condition": "("}, False),
    ({"type": "regex", "context": "$response.body#/state", "condition": "(?:(?:o{9999}){9999}){9999}|o"}, False),
    ({"type": "regex", "context": "$inputs.gone", "condition": "."}, False),
    ({"type": "jsonpath", "context": "$response.body", "condition": "$[?@ == 'open']"}, True),
    ({"type": "jsonpath", "context": "$response.body", "condition": "$[?@ == 'paid']"}, False),
    ({"type": "jsonpath", "context": "$response.body", "condition": "$[?@ == '{$inputs.name}']"}, False),
    ({"type": {"type": "jsonpath", "version": "rfc9535"}, "context": "$response.body", "condition": "$.state"}, True),
    ({"type": "jsonpath", "context": "$response.body", "condition": "$["}, False),
    ({"condition": "$statusCode == 200 && ($response.body#/state == 'OPEN' || false)"}, True),
    ({"condition": "$response.body#/gone"}, False),
    ({"condition": "$response.body#/gone == null && $response.header.content-type == 'application/json'"}, True),
    ({"condition": "__import__('os').system('true')"}, False),
    ({"condition": "$response.headers.nothing"}, False),
]


@pytest.mark.parametrize(("criterion", "holds"), CRITERIA)
def test_a_criterion_decides_whether_a_run_goes_on(
    shop: Shop, tmp_path: Path, criterion: dict[str, Any], holds: bool
) -> None:
    look = {**LOOK, "parameters": [value("id", "o1")], "successCriteria": [criterion]}
    inputs = {"type": "object", "properties": {"name": {"type": "string"}, "gone": {"type": "string"}}}
    ran = flow_run(tmp_path, shop, document(flow(look, CREATE, inputs=inputs)))
    # 2 where the criterion is none: nothing is sent then.
    assert (ran.code == 0) is holds, ran.err
    assert ran.code in (0, 1, 2)
    assert len(shop.changes) == holds


def test_a_selector_takes_a_part_of_an_answer(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /stock/a"] = [Reply(200, {"items": [{"id": "x", "n": 1}, {"id": "y/z", "n": 2}]})]
    chosen = {"context": "$response.body", "selector": "$.items[?@.n == 2].id", "type": "jsonpath"}
    first = {"context": "$response.body", "selector": "/items/0/id", "type": "jsonpointer"}
    look = step("look", "getOrder", parameters=[value("id", "$steps.a.outputs.second")])
    tree = document(flow(get("a", outputs={"second": chosen, "first": first}), look), version="1.1.0")
    tree["workflows"][0]["outputs"] = {"first": "$steps.a.outputs.first"}
    ran = flow_run(tmp_path, shop, tree)
    assert (ran.code, ran.json["outputs"]) == (0, {"first": "x"})
    assert shop.log[-1] == "GET /orders/y%2Fz"


BENDS: list[dict[str, Any]] = [
    {"outputs": {"id": "$response.body.id"}},
    {"outputs": {"id": "$response.body#/id"}, "use": "$steps.a.outputs.id.deep"},
    {"outputs": {"id": "$response.headers.content-type"}},
    {"parameters": [value("sku", "a", "query")]},
]


@pytest.mark.parametrize("bend", BENDS)
def test_strict_refuses_what_bends_the_standard(shop: Shop, tmp_path: Path, bend: dict[str, Any]) -> None:
    shop.replies["GET /stock/a"] = [Reply(200, {"id": {"deep": "x"}})]
    use = bend.pop("use", "$steps.a.outputs.id") if "outputs" in bend else "o1"
    tree = document(flow({**get("a"), **bend}, step("b", "getOrder", parameters=[value("id", use)])))
    ran = flow_run(tmp_path, shop, tree, "--strict")
    assert ran.code != 0
    assert "GET /orders/x" not in shop.log


@pytest.mark.parametrize(
    ("money", "schema", "sent"),
    [
        ("50000000", {"type": "integer"}, 50_000_000),
        ("50000000", {"type": "string"}, 50_000_000),
        ("$50", {"type": "string"}, 50_000_000),
        ("$50", {}, 50_000_000),
    ],
)
def test_money_of_a_document_is_in_units_of_the_wire(
    shop: Shop, home: Path, money: str, schema: dict[str, Any], sent: int
) -> None:
    """A number is what the API wants, as in any Arazzo document; an amount with its currency is converted."""
    payload = {"name": "n", "objective": "REACH", "daily_budget_micros": "$inputs.money"}
    inputs = {"type": "object", "properties": {"money": schema}}
    tree = document(flow(step("a", "createCampaign", **body(payload)), inputs=inputs))
    tree["sourceDescriptions"][0]["url"] = "ads"
    (home / "flow.json").write_text(json.dumps(tree))
    target = ("--base-url", shop.url, "--no-auth", "--yes")
    ran = run("workflow", "run", str(home / "flow.json"), *target, "-i", f"money={money}")
    assert (ran.code, shop.only.json()["daily_budget_micros"]) == (0, sent)
