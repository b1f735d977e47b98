"""Runs that are stopped and resumed: they go on where they were, and nothing is sent twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Ran, dialogue, run
from tests.servers import Reply
from tests.workflows.kit import (
    BUY,
    CREATE,
    Shop,
    body,
    document,
    flow,
    flow_run,
    lost,
    step,
    value,
    write,
)

pytestmark = pytest.mark.usefixtures("home")


def resume(*words: str) -> Ran:
    return run("workflow", "resume", "--yes", *words)


def transcripts(home: Path) -> str:
    return "".join(path.read_text() for path in (home / "state").rglob("*.jsonl"))


ALL = ["POST /customers", "POST /orders", "POST /orders/o2/pay", "GET /orders/o2"]
OUTPUTS = {"order": "o2", "state": "open"}


def test_a_run_that_failed_at_a_read_reads_again_and_goes_on(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /orders/o2"] = [Reply(404), Reply(200, {"id": "o2", "state": "open"})]
    ran = flow_run(tmp_path, shop, document(BUY))
    assert (ran.code, shop.log) == (4, ALL)
    assert "goes on where it stopped" in ran.err
    ran = resume()
    assert (ran.code, ran.json["outputs"]) == (0, OUTPUTS)
    assert shop.log == [*ALL, ALL[-1]]
    assert "3 of 4 steps are done" in ran.err


def test_a_run_that_failed_at_a_criterion_looks_again(shop: Shop, tmp_path: Path) -> None:
    states = [Reply(200, {"id": "o1", "state": state}) for state in ("open", "open", "paid")]
    shop.replies["GET /orders/o1"] = list(states)
    paid = [{"condition": "$response.body#/state == 'paid'"}]
    look = step("look", "getOrder", parameters=[value("id", "o1")], successCriteria=paid)
    ran = flow_run(tmp_path, shop, document(flow(CREATE, look)))
    assert ran.code == 1
    assert "does not hold" in ran.err
    assert resume().code == 1
    assert resume().code == 0
    assert shop.log == ["POST /customers", *["GET /orders/o1"] * 3]


def test_a_change_that_was_refused_is_sent_again(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /orders/o2/pay"] = [Reply(422, {"error": "no card"}), Reply(200, {})]
    assert flow_run(tmp_path, shop, document(BUY)).code == 4
    assert resume().code == 0
    assert shop.log == [*ALL[:3], *ALL[2:]]


def test_a_change_whose_answer_broke_a_criterion_is_asked_about(shop: Shop, tmp_path: Path) -> None:
    ok = [{"condition": "$response.body#/state == 'done'"}]
    assert flow_run(tmp_path, shop, document(flow({**CREATE, "successCriteria": ok}))).code == 1
    ran = resume()
    assert ran.code == 6
    assert "the same change was sent before, was answered 201 and was carried out" in ran.err
    assert shop.log == ["POST /customers"]


@pytest.mark.parametrize(("reply", "code", "sent"), [("y", 0, 2), ("n", 6, 1)])
def test_a_change_of_unknown_outcome_is_asked_about(
    shop: Shop, tmp_path: Path, reply: str, code: int, sent: int
) -> None:
    shop.replies["POST /customers"] = [lost, Reply(201, {"id": "c1"})]
    assert flow_run(tmp_path, shop, document(flow(CREATE))).code == 1
    assert resume().code == 6
    assert len(shop.changes) == 1
    with dialogue("workflow", "resume", "--yes") as terminal:
        terminal.expect("may have been carried out")
        terminal.expect("Send it? [y/N")
        terminal.type(f"{reply}\n")
        assert terminal.end() == code
    assert len(shop.changes) == sent


def test_a_run_that_is_done_says_so_and_sends_nothing(shop: Shop, tmp_path: Path) -> None:
    flow_run(tmp_path, shop, document(BUY))
    for _ in range(2):
        ran = resume()
        assert (ran.code, ran.json["state"], ran.json["outputs"]) == (0, "done", OUTPUTS)
        assert "4 of 4 steps are done" in ran.err
    assert shop.log == ALL


def test_a_document_that_changed_is_not_gone_on_with(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /orders/o2"] = [Reply(404)]
    flow_run(tmp_path, shop, document(BUY))
    write(tmp_path, document({**BUY, "summary": "Another"}), shop.url)
    ran = resume()
    assert ran.code == 2
    assert "has changed since the run was stopped" in ran.err
    assert shop.log == ALL


def test_the_second_resume_goes_to_the_same_api_as_the_first(shop: Shop, tmp_path: Path) -> None:
    """The address and the credential of the first command stand in the transcript of each."""
    shop.replies["GET /orders/o2"] = [Reply(404), Reply(404), Reply(200, {"id": "o2", "state": "open"})]
    file = write(tmp_path, document(BUY), "http://127.0.0.1:9")
    assert run("workflow", "run", file, "-i", "name=Ada", "--yes", "--base-url", shop.url).code == 4
    assert resume().code == 4
    assert resume().code == 0
    assert shop.log == [*ALL, *[ALL[-1]] * 2]


def test_a_resume_goes_to_the_address_that_is_registered(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /orders/o2"] = [Reply(404), Reply(200, {"id": "o2", "state": "open"})]
    file = Path(write(tmp_path, document(BUY), "http://127.0.0.1:9"))
    (source,) = json.loads(file.read_text())["sourceDescriptions"]
    description = file.parent / source["url"]
    assert run("api", "add", "registered", str(description), "--base-url", shop.url).code == 0
    file.write_text(json.dumps({**document(BUY), "sourceDescriptions": [{**source, "url": "registered"}]}))
    assert run("workflow", "run", str(file), "-i", "name=Ada", "--yes").code == 4
    assert resume().code == 0
    assert shop.log == [*ALL, ALL[-1]]


def test_an_input_does_not_change_in_the_middle(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /orders/o2"] = [Reply(404)]
    flow_run(tmp_path, shop, document(BUY))
    ran = resume("--input", "name=Eve")
    assert ran.code == 2
    assert "the input name of a run does not change" in ran.err


PIN = {"type": "object", "properties": {"pin": {"type": "string", "format": "password"}}}
SECRET = "hunter2-canary"
LOGIN = step("login", "getToken", **body({"user": "ada", "password": "$inputs.password"}))
INNER = flow(
    step("base", "getStock", parameters=[value("sku", "tea")]),
    LOGIN,
    id="login",
    inputs={"type": "object", "properties": {"password": {}}},
)
OUTER = flow(
    CREATE | body({"name": "ada"}),
    {"stepId": "enter", "workflowId": "login", "parameters": [{"name": "password", "value": "$inputs.pin"}]},
    step("end", "getOrder", parameters=[value("id", "o1")]),
    id="outer",
    inputs=PIN,
)


@pytest.mark.parametrize("failing", ["GET /stock/tea", "GET /orders/o1"])
def test_a_secret_input_is_given_again_and_goes_out_whole(shop: Shop, home: Path, failing: str) -> None:
    """Inside a nested workflow too, whose input has another name."""
    shop.replies[failing] = [Reply(404), Reply(200, {})]
    words = ("--input", f"pin={SECRET}")
    assert flow_run(home, shop, document(OUTER, INNER), "outer", *words, name="").code == 4
    assert SECRET not in transcripts(home)
    ran = resume()
    assert ran.code == 7
    assert "the input pin is a secret or a file" in ran.err
    assert resume(*words).code == 0
    assert [request.body for request in shop.received if request.path == "/token"] == [
        f"user=ada&password={SECRET}".encode()
    ]
    assert SECRET not in transcripts(home)


def test_a_file_input_is_given_again(shop: Shop, home: Path) -> None:
    (home / "tea.bin").write_bytes(b"\x00\xfftea")
    inputs = {"type": "object", "properties": {"doc": {"type": "string", "format": "binary"}}}
    get = step("get", "getStock", parameters=[value("sku", "tea")])
    send = step("send", "upload", **body({"name": "tea.bin", "file": "$inputs.doc"}))
    shop.replies["GET /stock/tea"] = [Reply(404), Reply(200, {})]
    words = ("--input", f"doc=@{home / 'tea.bin'}")
    assert flow_run(home, shop, document(flow(get, send, inputs=inputs)), *words, name="").code == 4
    assert resume().code == 7
    assert resume(*words).code == 0
    assert b"\x00\xfftea" in shop.received[-1].body
    assert b'name="name"\r\n\r\ntea.bin' in shop.received[-1].body


@pytest.mark.parametrize("kind", ["GET", "POST"])
def test_a_large_answer_does_not_stop_a_resume(shop: Shop, tmp_path: Path, kind: str) -> None:
    """Answers of 300 KB are cut in the transcript; what was taken out of them is in the state of the run."""
    large = {"id": "c7", "name": "x" * 300_000}
    shop.replies["GET /customers"] = [Reply(200, large)]
    shop.replies["POST /customers"] = [Reply(201, large)]
    find = step("find", "findCustomer", outputs={"id": "$response.body#/id"})
    first = find if kind == "GET" else CREATE
    id = f"$steps.{first['stepId']}.outputs.id"
    end = step("end", "getCustomer", parameters=[value("id", id)])
    shop.replies["GET /customers/c7"] = [Reply(404), Reply(200, {"id": "c7"})]
    assert flow_run(tmp_path, shop, document(flow(first, end))).code == 4
    assert resume().code == 0
    assert shop.log == [f"{kind} /customers", *["GET /customers/c7"] * 2]


def test_a_nested_workflow_that_ended_is_not_entered_again(shop: Shop, tmp_path: Path) -> None:
    """`end` skips the rest of the inner workflow, also after a resume."""
    end = [{"name": "enough", "type": "end"}]
    inner = flow({**CREATE, "onSuccess": end}, step("never", "createCustomer", **body({"name": "no"})), id="inner")
    outer = flow(
        {"stepId": "in", "workflowId": "inner", "parameters": [{"name": "name", "value": "$inputs.name"}]},
        step("look", "getOrder", parameters=[value("id", "o1")]),
        id="outer",
    )
    shop.replies["GET /orders/o1"] = [Reply(404), Reply(200, {})]
    assert flow_run(tmp_path, shop, document(outer, inner), "outer").code == 4
    assert resume().code == 0
    assert shop.log == ["POST /customers", *["GET /orders/o1"] * 2]


def test_an_input_of_the_outer_workflow_does_not_get_into_an_inner_one(shop: Shop, tmp_path: Path) -> None:
    note = {"type": "object", "properties": {"name": {"type": "string"}, "note": {"type": "string"}}}
    order = step("order", "createOrder", **body({"customer_id": "c1", "sku": "tea", "note": "$inputs.note"}))
    inner = flow(step("wait", "getOrder", parameters=[value("id", "o1")]), order, id="inner", inputs=note)
    outer = flow({"stepId": "in", "workflowId": "inner"}, id="outer", inputs=note)
    shop.replies["GET /orders/o1"] = [Reply(404), Reply(200, {})]
    assert flow_run(tmp_path, shop, document(outer, inner), "outer", "--input", "note=secret plan").code == 4
    assert resume().code == 0
    assert shop.received[-1].json() == {"customer_id": "c1", "sku": "tea"}


def test_a_run_from_standard_input_is_not_resumed(shop: Shop, tmp_path: Path) -> None:
    shop.replies["GET /orders/o2"] = [Reply(404)]
    tree: dict[str, Any] = document(BUY)
    write(tmp_path, tree, shop.url)
    tree["sourceDescriptions"][0]["url"] = str(tmp_path / "shop.json")
    ran = run("workflow", "run", "-", "-i", "name=Ada", "--yes", stdin=json.dumps(tree))
    assert ran.code == 4
    ran = resume()
    assert ran.code == 2
    assert "standard input" in ran.err


def test_a_transcript_without_a_workflow_is_named(shop: Shop, tmp_path: Path) -> None:
    assert resume().code == 2
