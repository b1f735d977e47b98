"""What the text of Arazzo says beyond operations and values: structure, nested inputs, timeouts, channels."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.arazzo import TESTS, outcome
from nlapi.errors import Level
from nlapi.workflows.check import check
from nlapi.workflows.read import parse_document
from tests.cli.kit import run
from tests.servers import Received, Reply
from tests.workflows.kit import (
    BUY,
    CREATE,
    LOOK,
    NAME,
    Shop,
    body,
    document,
    flow,
    flow_run,
    linked,
    step,
    value,
    write,
)

DATA = Path(__file__).parents[3] / "shared/data/arazzo-spec"

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.skipif(not DATA.is_dir(), reason="the specification's files are not here")
def test_the_files_of_the_specification_are_accepted_and_refused() -> None:
    for kind in ("pass", "fail"):
        files = sorted((DATA / TESTS / kind).glob("*.yaml"))
        wrong = {file.name: outcome(file) for file in files if outcome(file)[0] is not (kind == "pass")}
        assert (wrong, bool(files)) == ({}, True)


FAULTS: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("$self",), "https://x.example/a#b", "$self: a URI without a fragment"),
    (("info",), None, "info is missing"),
    (("sourceDescriptions",), [], "sourceDescriptions: it is empty"),
    (("sourceDescriptions", 0, "type"), "wsdl", "sourceDescriptions.shop.type: type: 'wsdl' is not one of"),
    (("workflows", 0, "steps", 0, "workflowId"), "buy", "steps.create: a step needs one of operationId"),
    (("workflows", 0, "steps", 0, "successCriteria"), [], "steps.create.successCriteria: it is empty"),
    (("workflows", 0, "steps", 0, "dependsOn"), ["$steps.x"], "dependsOn[0]: a stepId is wanted"),
    (("workflows", 0, "steps", 0, "dependsOn"), ["a", "a"], "dependsOn: an entry is there twice"),
    (("workflows", 0, "steps", 0, "correlationId"), "x", "steps.create: action is missing"),
    (("workflows", 0, "steps", 0, "timeout"), "5", "steps.create.timeout: timeout is a whole number"),
    (("workflows", 0, "steps", 0, "outputs", "id"), {"context": "$response.body"}, "outputs.id: type is missing"),
    (("workflows", 0, "steps", 3, "parameters", 0, "in"), None, "parameters[0]: in is missing"),
    (("workflows", 0, "steps", 3, "parameters", 0, "in"), "body", "'body' is not one of path, query"),
]


def test_what_breaks_the_structure_is_an_error_with_its_place() -> None:
    for path, fault, message in FAULTS:
        tree: Any = copy.deepcopy(document(BUY))
        holder = tree
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = fault
        if fault is None:
            del holder[path[-1]]
        found = [str(issue) for issue in parse_document(tree).issues if issue.level is Level.ERROR]
        assert any(message in text for text in found), (message, found)


def test_what_a_nested_workflow_requires_is_asked_of_the_one_that_runs_it(shop: Shop, tmp_path: Path) -> None:
    inner = flow(CREATE, id="inner")
    outer = flow(
        {"stepId": "in", "workflowId": "inner"}, {"stepId": "again", "workflowId": "middle"}, id="outer", inputs={}
    )
    middle = flow({"stepId": "deep", "workflowId": "inner"}, id="middle", inputs={})
    tree = document(outer, inner, middle)
    assert [issue for issue in check(linked(tmp_path, tree)) if issue.level is Level.ERROR] == []
    lacking = flow_run(tmp_path, shop, tree, "outer", name="")
    assert (lacking.code, shop.received) == (7, [])
    assert "outer needs name, again_name" in lacking.err
    assert flow_run(tmp_path, shop, tree, "outer", "--input", "again_name=Bea").code == 0
    assert [request.json() for request in shop.received] == [{"name": "Ada"}, {"name": "Bea"}]


def test_a_goto_gives_the_other_workflow_its_parameters(shop: Shop, tmp_path: Path) -> None:
    on = {"name": "on", "type": "goto", "workflowId": "other", "parameters": [{"name": "name", "value": "Bea"}]}
    tree = document(flow({**CREATE, "onSuccess": [on]}), flow(CREATE, id="other"))
    assert flow_run(tmp_path, shop, tree, "buy").code == 0
    assert [request.json()["name"] for request in shop.received] == ["Ada", "Bea"]


def test_a_step_has_its_timeout_and_a_read_the_actions_for_it(shop: Shop, tmp_path: Path) -> None:
    late = threading.Event()

    def wait(_: Received) -> Reply:
        # Longer than the step waits, and short enough that its second attempt, which comes after it, is in time.
        late.wait(1)
        return Reply(200, {})

    retry = {"timeout": 700, "onFailure": [{"name": "again", "type": "retry", "retryLimit": 1}]}
    look = {**LOOK, "parameters": [value("id", "o1")], **retry}
    try:
        shop.replies["GET /orders/o1"] = [wait, Reply(200, {"id": "o1"})]
        assert flow_run(tmp_path, shop, document(flow(look), version="1.1.0")).code == 0
        shop.replies["POST /customers"] = [wait]
        ran = flow_run(tmp_path, shop, document(flow({**CREATE, **retry}), version="1.1.0"))
    finally:
        late.set()
    assert ran.code == 1
    assert "timed out after 0.7 s" in ran.err
    assert shop.changes == ["POST /customers"], "a change may have been carried out"


def test_a_path_into_an_input_is_no_error_before_its_value_is_known(tmp_path: Path) -> None:
    person = {"oneOf": [{"type": "object", "properties": {"name": {"type": "string"}}}, {"type": "string"}]}
    inputs = {"type": "object", "required": ["who"], "properties": {"who": person}}
    create = step("create", "createCustomer", **body('{"name": "{$inputs.who#/name}"}'))
    found = check(linked(tmp_path, document(flow(create, inputs=inputs))))
    assert [str(issue) for issue in found if issue.level is Level.ERROR] == []


def test_steps_on_a_channel_are_refused_one_by_one(shop: Shop, tmp_path: Path) -> None:
    told = {"stepId": "told", "operationId": "$sourceDescriptions.events.told", "action": "receive"}
    named = {"stepId": "named", "operationId": "$sourceDescriptions.events.named"}
    tree = document(flow(CREATE), flow(told, named, id="heard", inputs=NAME), version="1.1.0")
    tree["sourceDescriptions"].append({"name": "events", "url": "events.json", "type": "asyncapi"})
    found = run("workflow", "check", write(tmp_path, tree, shop.url))
    assert found.out.count("is on a channel of AsyncAPI") == 2
    assert flow_run(tmp_path, shop, tree, "buy").code == 0
    assert flow_run(tmp_path, shop, tree, "heard").code == 2
