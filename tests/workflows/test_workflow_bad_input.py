"""Documents that are wrong: each is named, none runs for ever, and nothing but an NlapiError comes out."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.errors import Level, NlapiError, UsageError
from nlapi.workflows.bind import StepExchange
from nlapi.workflows.check import check
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.outline import outline
from nlapi.workflows.read import parse_document, read_document
from nlapi.workflows.repair import repair
from nlapi.workflows.sources import LinkedDocument, link
from nlapi.workflows.write import DocumentFormat, render
from tests.cli.kit import run
from tests.servers import Echo, Reply
from tests.strategies import examples
from tests.workflows.kit import (
    BUY,
    CREATE,
    LOOK,
    PAY,
    Shop,
    body,
    described,
    document,
    flow,
    flow_run,
    linked,
    step,
    value,
    write,
)

DATA = Path(__file__).parents[3] / "shared/data/workflows"


pytestmark = pytest.mark.usefixtures("home")


def errors(folder: Path, tree: dict[str, Any]) -> str:
    return "\n".join(str(issue) for issue in check(linked(folder, tree)) if issue.level is Level.ERROR)


def nested(id: str, *called: str, **more: Any) -> dict[str, Any]:
    steps = [{"stepId": f"s{index}", "workflowId": name} for index, name in enumerate(called)]
    return flow(*(steps or [step("get", "getStock", parameters=[value("sku", "tea")])]), id=id, inputs={}, **more)


CIRCLES = [
    [nested("a", "b"), nested("b", "a")],
    [nested("a", "a")],
    [nested("a", dependsOn=["b"]), nested("b", dependsOn=["a"])],
    [nested("a", dependsOn=["a"])],
    [nested("a", "b"), nested("b", dependsOn=["a"])],
]


@pytest.mark.parametrize("flows", CIRCLES)
def test_workflows_that_need_each_other_are_named_and_not_run(
    shop: Shop, tmp_path: Path, flows: list[dict[str, Any]]
) -> None:
    assert "it runs in circles: a" in errors(tmp_path, document(*flows))
    ran = flow_run(tmp_path, shop, document(*flows), "a", name="")
    assert ran.code == 2
    assert shop.received == []


def test_many_ways_to_one_workflow_are_no_circle_and_cost_nothing(tmp_path: Path) -> None:
    flows = [nested(f"w{number}", f"w{number + 1}", f"w{number + 1}") for number in range(60)]
    tree = document(*flows, nested("w60"))
    assert errors(tmp_path, tree) == ""
    with pytest.raises(UsageError, match=r"steps; no person|are nested more than"):
        outline(linked(tmp_path, tree), parse_document(tree).workflow("w0"), {})


def test_a_goto_without_end_is_named_and_ends(shop: Shop, tmp_path: Path) -> None:
    back = [{"name": "back", "type": "goto", "stepId": "get"}]
    get = step("get", "getStock", parameters=[value("sku", "tea")], onSuccess=back)
    assert "goes back to get without end" in errors(tmp_path, document(flow(get)))
    ran = flow_run(tmp_path, shop, document(flow(get)))
    assert ran.code == 1
    assert "was reached 100 times" in ran.err
    assert len(shop.received) < 150


@pytest.mark.parametrize("target", [{"stepId": "gone"}, {"workflowId": "gone"}])
def test_a_goto_into_nothing_is_named_and_ends(shop: Shop, tmp_path: Path, target: dict[str, str]) -> None:
    away = [{"name": "away", "type": "goto", **target}]
    get = step("get", "getStock", parameters=[value("sku", "tea")], onSuccess=away)
    assert "gone" in errors(tmp_path, document(flow(get)))
    ran = flow_run(tmp_path, shop, document(flow(get, CREATE)))
    assert ran.code == 1
    assert "there is not: gone" in ran.err
    assert shop.changes == []


def test_ten_thousand_steps_are_read_and_refused(shop: Shop, tmp_path: Path) -> None:
    steps = [{**CREATE, "stepId": f"s{number}"} for number in range(10_000)]
    assert "10,000 steps; 1,000 are the most that are read" in errors(tmp_path, document(flow(*steps)))
    ran = flow_run(tmp_path, shop, document(flow(*steps)))
    assert ran.code == 2
    assert "10,000 steps" in ran.err
    assert shop.received == []


def test_a_retry_for_ever_ends(tmp_path: Path) -> None:
    retry = [{"name": "again", "type": "retry", "retryLimit": 10**9, "retryAfter": 86_400}]
    opened = linked(
        tmp_path, document(flow(step("get", "getStock", parameters=[value("sku", "tea")], onFailure=retry)))
    )
    warnings = "\n".join(map(str, check(opened)))
    assert "1,000,000,000 attempts" in warnings
    assert "86400 s; 3600 s are the longest" in warnings
    workflow_run = WorkflowRun(linked=opened, workflow=opened.document.workflow(), inputs={})
    count = 0
    while calls := workflow_run.next_calls():
        count += 1
        workflow_run.finish(calls[0].call, StepExchange(method="GET", url="https://shop.example", status=404))
    assert (count, workflow_run.state) == (1_000, RunState.FAILED)
    assert "more than 1,000 calls" in workflow_run.failure


@pytest.mark.parametrize("count", [float("inf"), float("nan"), 10**400, -1, "3", True])
def test_counts_that_are_none_are_named(tmp_path: Path, count: Any) -> None:
    for name in ("retryAfter", "retryLimit"):
        tree = document(flow({**CREATE, "onFailure": [{"name": "x", "type": "retry", name: count}]}))
        assert "number from 0" in "\n".join(map(str, parse_document(tree).issues))


def test_an_answer_without_the_output_asks_or_stops(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /customers"] = [Reply(201, {"nothing": 1})]
    ran = flow_run(tmp_path, shop, document(BUY))
    assert ran.code in (1, 7)
    assert "there is no #/id" in ran.err
    assert shop.log == ["POST /customers"]


def test_a_criterion_that_never_holds_names_what_came(shop: Shop, tmp_path: Path) -> None:
    look = {**LOOK, "parameters": [value("id", "o1")], "successCriteria": [{"condition": "$statusCode == 418"}]}
    ran = flow_run(tmp_path, shop, document(flow(look, CREATE)), "--strict")
    assert ran.code == 1
    assert "look: the criterion '$statusCode == 418' does not hold; the answer was 200" in ran.err
    assert shop.changes == []


WRONG = [
    ("$steps.create.output.id", "its form is $steps.ID.outputs.NAME"),
    ("$steps.gone.outputs.id", "no step gone"),
    ("$steps.create.outputs.gone", "no output gone"),
    ("$steps.pay.outputs.id", "no output id"),
    ("$inputs.gone", "no input gone"),
    ("$response", "a name follows"),
    ("$url.x", "nothing may follow"),
]


@pytest.mark.parametrize(("expression", "message"), WRONG)
def test_an_expression_that_is_none_is_named_and_nothing_is_sent(
    shop: Shop, tmp_path: Path, expression: str, message: str
) -> None:
    tree = document(flow(CREATE, {**PAY, "parameters": [value("id", expression)]}))
    assert message in errors(tmp_path, tree)
    ran = flow_run(tmp_path, shop, tree)
    assert ran.code in (2, 7)
    assert "/pay" not in "".join(shop.log)
    assert bool(shop.received) is (ran.code == 7)


def test_what_looks_like_an_expression_and_is_none_is_named(tmp_path: Path) -> None:
    tree = document(flow({**CREATE, **body({"name": "$input.name", "tags": ["{$step.a.outputs.b}", "{$5}", "$5.00"]})}))
    issues = [str(issue) for issue in check(linked(tmp_path, tree))]
    assert sum("is not an expression, and goes out as a text" in issue for issue in issues) == 2


def test_a_source_that_is_no_description_is_not_quoted_and_a_pipe_not_read(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("CANARY-KEY\n")
    (tmp_path / "more.txt").write_text("key = [CANARY-KEY\n")
    os.mkfifo(tmp_path / "pipe.yaml")
    for url, message in (("keys.txt", "holds text"), ("more.txt", "more.txt"), ("pipe.yaml", "is not a file")):
        for kind in ("openapi", "arazzo"):
            tree = document(BUY)
            tree["sourceDescriptions"] = [{"name": "shop", "url": url, "type": kind}]
            ran = run("workflow", "check", write(tmp_path, tree))
            assert (ran.code, "CANARY" in ran.out + ran.err) == (1, False)
            assert message in ran.out or kind == "arazzo"


def test_a_remote_document_names_no_source_in_another_private_network(shop: Shop, tmp_path: Path) -> None:
    tree = document(BUY)
    # The host that a document in a private network came from may be named, and no other in one.
    hosts = {"127.0.0.1": 0, "localhost": 1, "[::1]": 1, "0.0.0.0": 1, "169.254.169.254": 1}
    with Echo(lambda request: Reply(200, tree if request.path == "/flow.json" else described(shop.url))) as server:
        for host, code in hosts.items():
            url = f"{server.url.replace('127.0.0.1', host)}/shop.json"
            tree["sourceDescriptions"] = [{"name": "shop", "url": url, "type": "openapi"}]
            server.received.clear()
            assert run("workflow", "check", f"{server.url}/flow.json").code == code, host
            assert len(server.received) == 2 - code, "nothing else was asked"
        tree["sourceDescriptions"][0]["url"] = f"{server.url.replace('127.0.0.1', 'localhost')}/shop.json"
        named = run("workflow", "check", f"{server.url}/flow.json", "--source", f"shop={server.url}/shop.json")
        assert named.code == 0, "the user named it"


def test_sources_that_cannot_be_opened_are_named(shop: Shop, tmp_path: Path) -> None:
    for url in ("gone.json", "http://127.0.0.1:9/x.json", "\x00", "a" * 5_000, "no-such-name"):
        tree = document(BUY)
        tree["sourceDescriptions"][0]["url"] = url
        path = write(tmp_path, tree)
        ran = run("workflow", "check", path)
        assert ran.code == 1
        assert "sourceDescriptions.shop" in ran.out
        assert run("workflow", "run", path, "-i", "name=x", "--yes").code in (1, 2)


def test_documents_that_refer_to_themselves_are_opened_once(tmp_path: Path) -> None:
    tree = document(BUY)
    names = [f"self{number}" for number in range(12)]
    tree["sourceDescriptions"] += [{"name": name, "url": "flow.json", "type": "arazzo"} for name in names]
    issues = link(read_document(write(tmp_path, tree))).issues
    assert len(issues) == 12
    assert all("in circles" in str(issue) for issue in issues)


def test_files_that_are_no_arazzo_are_named(tmp_path: Path) -> None:
    write(tmp_path, document(BUY))
    assert "is not an Arazzo document" in run("workflow", "check", str(tmp_path / "shop.json")).complaint
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text in ("", "[]", "arazzo: 2.0.0", "arazzo: 1.0.1", f"arazzo: 1.0.1\n{bomb}", "\x00", "{" * 100_000, "<html>"):
        (tmp_path / "bad.yaml").write_text(text)
        ran = run("workflow", "check", str(tmp_path / "bad.yaml"))
        assert ran.code == 1, text[:30]
        assert "Traceback" not in ran.err


INPUTS: list[Any] = [
    {"type": "strng", "properties": {"name": {"type": "text"}}},
    {"properties": {"name": {"$ref": "#/components/inputs/gone"}}},
    {"properties": {"name": {"$ref": "#/components/inputs/there"}}},
    {"properties": {"name": {"pattern": "("}}},
    {"properties": ["name"], "required": "name"},
    {"properties": {"name": {"enum": 5, "minLength": "x"}}},
    {"$ref": "#/components/inputs/whole"},
    {"$ref": "https://example.com/schema.json"},
]


@pytest.mark.parametrize("inputs", INPUTS)
def test_schemas_of_inputs_that_are_wrong_end_in_words(shop: Shop, tmp_path: Path, inputs: Any) -> None:
    there = {"whole": {"type": "object", "properties": {"name": {"type": "string"}}}, "there": {"type": "string"}}
    ran = flow_run(tmp_path, shop, document(flow(CREATE, inputs=inputs), components={"inputs": there}))
    assert ran.code in (0, 2)
    assert "Traceback" not in ran.err


def test_an_operation_path_of_any_length_is_decided_at_once(tmp_path: Path) -> None:
    tree = document(flow({"stepId": "a", "operationPath": "paths/" * 50_000 + "!"}))
    assert "is not an operationPath" in errors(tmp_path, tree)


JUNK: list[Any] = [
    None, True, 0, -1, 1.5, float("inf"), float("nan"), 10**400, "", "$", "$steps.", "$inputs.x", "{$inputs.x}", [], {},
    "$response.body#/a", "$steps.create.outputs.id[" + "9" * 5_000 + "]", "#/" + "9" * 5_000, [None], {"a": 1}, [[]],
    {"reference": "$components.parameters.x"}, {"reference": 5}, {"$ref": "#/components/inputs/x"}, "\x00", "a/b#2",
    {"context": "$response.body", "selector": "$[", "type": "jsonpath"}, ["a", "a"], "x" * 3_000,
]  # fmt: skip
KEYS = ["parameters", "steps", "inputs", "outputs", "requestBody", "payload", "onSuccess", "dependsOn", "value", "in"]


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from places(tree[key])


def spoil(tree: dict[str, Any], chance: random.Random) -> None:
    """Put junk into a document, leave parts out, and move parts to other places."""
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        everywhere = list(places(tree))
        holder, key = chance.choice(everywhere)
        match chance.randrange(4):
            case 0:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
            case 1:
                del holder[key]
            case 2:
                other, place = chance.choice(everywhere)
                holder[key] = copy.deepcopy(other[place])
            case _ if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))


def use(tree: dict[str, Any], source: LinkedDocument) -> None:
    """Read, check, show, repair and write a document."""
    try:
        parsed = parse_document(tree, source.document.location)
        opened = LinkedDocument(document=parsed, specs=source.specs)
        assert all(str(issue) for issue in check(opened))
        for workflow in parsed.workflows:
            outline(opened, workflow, dict.fromkeys(workflow.input_schemas, "x"))
        mended, repairs = repair(opened)
        assert all(str(entry) for entry in repairs)
        for format in DocumentFormat:
            render(mended.document.tree, format)
    except NlapiError:
        pass


WHOLE = document(
    flow(
        {**CREATE, "onFailure": [{"name": "a", "type": "retry"}], "dependsOn": []},
        {**PAY, "successCriteria": [{"condition": "$statusCode == 200"}], "onSuccess": [{"name": "e", "type": "end"}]},
        {"stepId": "in", "workflowId": "more", "parameters": [{"reference": "$components.parameters.x"}]},
        {**LOOK, "requestBody": {"payload": {"a": "$inputs.name"}, "replacements": [{"target": "/a", "value": 1}]}},
        outputs={"id": "$steps.create.outputs.id"},
    ),
    flow(CREATE, id="more", dependsOn=["last"], failureActions=[{"name": "g", "type": "goto", "workflowId": "last"}]),
    flow(LOOK, id="last", parameters=[value("id", "x")]),
    components={"parameters": {"x": {"name": "name", "value": "$inputs.name"}}, "inputs": {"x": {"type": "object"}}},
)


@settings(max_examples=examples(100), derandomize=True)
@given(st.randoms(use_true_random=False))
def test_a_document_with_anything_anywhere_ends_in_words(chance: random.Random) -> None:
    source = SOURCES.setdefault("shop", shop_source())
    tree = copy.deepcopy(WHOLE)
    spoil(tree, chance)
    use(tree, source)


SOURCES: dict[str, LinkedDocument] = {}


def shop_source() -> LinkedDocument:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return linked(Path(folder), document(BUY))


@pytest.mark.skipif(not DATA.is_dir(), reason="the real documents are not here")
@settings(max_examples=20, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_a_real_document_with_anything_anywhere_ends_in_words(chance: random.Random) -> None:
    names = ["billbee.io", "bandsintown.com", "asana.com"]
    name = chance.choice(names)
    path = DATA / name / "workflows.arazzo.json"
    source = SOURCES.setdefault(name, link(read_document(str(path))))
    whole = source.document.tree
    tree = copy.deepcopy({**whole, "workflows": [chance.choice(whole["workflows"])]})
    spoil(tree, chance)
    use(tree, source)


def test_a_repair_of_a_part_that_yaml_shares_is_one_of_each_place(tmp_path: Path) -> None:
    """`&a` and `*a` are one node in memory, and two in the document."""
    shared = {"name": "id", "in": "query", "value": "$steps.create.outputs.id"}
    tree = document(flow(CREATE, {**LOOK, "parameters": [shared]}, {**PAY, "parameters": [shared]}))
    _, repairs = repair(linked(tmp_path, tree))
    assert sum(".parameters.id" in entry.where for entry in repairs) == 2
