"""Repairs of a document by its descriptions: each says what it is, and what runs afterwards is what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlapi.workflows.check import check
from nlapi.workflows.read import parse_document
from nlapi.workflows.repair import RepairKind, repair
from nlapi.workflows.sources import LinkedDocument, link
from tests.cli.kit import run
from tests.describe import body as request_body
from tests.describe import parameter, spec
from tests.servers import Reply
from tests.workflows.kit import (
    CREATE,
    ORDERED,
    Shop,
    body,
    described,
    document,
    flow,
    flow_run,
    linked,
    lost,
    step,
    value,
    write,
)

pytestmark = pytest.mark.usefixtures("home")


WHOLE_ANSWER = {**CREATE, "outputs": {"customer": "$response.body"}}
USES_WHOLE = {**ORDERED, **body({"customer_id": "$steps.create.outputs.customer", "sku": "tea"})}


@pytest.mark.parametrize(
    ("kind", "steps", "sent"),
    [
        ("take", (WHOLE_ANSWER, USES_WHOLE), {"customer_id": "c1", "sku": "tea"}),
        (
            "find",
            ({**CREATE, "outputs": {"id": "$response.body#/customer_id"}}, ORDERED),
            {"customer_id": "c1", "sku": "tea"},
        ),
        (
            "omit",
            (
                {**CREATE, "outputs": {"id": "$response.body#/id", "customer": "$response.body"}},
                {
                    **ORDERED,
                    **body(
                        {
                            "customer_id": "$steps.create.outputs.id",
                            "sku": "tea",
                            "lines": "$steps.create.outputs.customer",
                        }
                    ),
                },
            ),
            {"customer_id": "c1", "sku": "tea"},
        ),
    ],
)
def test_a_repaired_chain_passes_the_id_on(
    shop: Shop, tmp_path: Path, kind: str, steps: tuple[dict[str, Any], ...], sent: dict[str, Any]
) -> None:
    tree = document(flow(*steps))
    _, repairs = repair(linked(tmp_path, tree))
    assert kind in {entry.kind.value for entry in repairs}
    ran = flow_run(tmp_path, shop, tree, "--repair")
    assert (ran.code, shop.received[1].json()) == (0, sent)


def test_an_id_that_a_step_leaves_out_is_handed_on(shop: Shop, tmp_path: Path) -> None:
    tree = document(flow(CREATE, ORDERED, step("pay", "payOrder", **body({"method": "card"}))))
    assert [entry.kind for entry in repair(linked(tmp_path, tree))[1]] == [RepairKind.HAND_ON]
    assert flow_run(tmp_path, shop, tree, "--repair").code == 0
    assert shop.log[-1] == "POST /orders/o2/pay"


@pytest.mark.parametrize("name", ["order_id", "new_order_id", "id"])
def test_the_id_of_an_earlier_step_in_a_payload_goes_before_an_input_in_the_path(
    shop: Shop, tmp_path: Path, name: str
) -> None:
    pay = step(
        "pay",
        "payOrder",
        parameters=[value("id", "$inputs.id")],
        **body({name: "$steps.order.outputs.id", "method": "card"}),
    )
    inputs = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    tree = document({**flow(CREATE, ORDERED, pay), "inputs": inputs})
    ran = flow_run(tmp_path, shop, tree, "--repair")
    assert (ran.code, shop.log[-1]) == (0, "POST /orders/o2/pay"), ran.err
    assert shop.received[-1].json() == {"method": "card"}


def test_a_required_value_that_nothing_gives_is_asked_for(shop: Shop, tmp_path: Path) -> None:
    tree = document(flow(CREATE, {**ORDERED, **body({"customer_id": "$steps.create.outputs.id"})}))
    ran = flow_run(tmp_path, shop, tree, "--repair")
    assert (ran.code, shop.received) == (7, [])
    assert "sku" in ran.err
    assert flow_run(tmp_path, shop, tree, "--repair", "--input", "sku=tea").code == 0


def test_the_id_of_something_deeper_is_not_the_one_that_is_wanted(tmp_path: Path) -> None:
    """`/data/customer_id` is not the id of a customer who stands in an order of the answer."""
    api = described("http://127.0.0.1:9")
    inner = {"type": "object", "properties": {"customer": {"type": "object", "properties": {"id": {"type": "string"}}}}}
    answer = {"type": "object", "properties": {"id": {"type": "string"}, "orders": {"type": "array", "items": inner}}}
    schema = {"application/json": {"schema": answer}}
    api["paths"]["/customers"]["post"]["responses"]["201"]["content"] = schema
    source = linked(tmp_path, document(flow(WHOLE_ANSWER, USES_WHOLE)))
    (tmp_path / "shop.json").write_text(json.dumps(api), encoding="utf-8")
    mended, _ = repair(linked_again(tmp_path, source.document.tree))
    order = mended.document.tree["workflows"][0]["steps"][1]
    assert order["requestBody"]["payload"]["customer_id"] == "$steps.create.outputs.customer#/id"


def test_what_only_answers_have_is_not_sent_back_at_any_depth(shop: Shop, tmp_path: Path) -> None:
    api = described(shop.url)
    line = {"type": "object", "properties": {"id": {"type": "string", "readOnly": True}, "sku": {"type": "string"}}}
    schema = api["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["lines"]["items"] = line
    order = {**ORDERED, **body({"customer_id": "c1", "sku": "tea", "lines": [{"id": "l1", "sku": "tea"}]})}
    file = write(tmp_path, document(flow(order, inputs={})), shop.url)
    (tmp_path / "shop.json").write_text(json.dumps(api), encoding="utf-8")
    assert run("workflow", "run", file, "--yes").code == 0
    assert shop.received[0].json()["lines"] == [{"sku": "tea"}]


def test_a_parameter_that_takes_one_value_has_it(tmp_path: Path) -> None:
    """The `op` by which EAN-Search tells its operations apart is no input."""
    api = described("http://127.0.0.1:9")
    only = {"name": "op", "in": "query", "required": True, "schema": {"type": "string", "enum": ["lookup"]}}
    api["paths"]["/stock/{sku}"]["get"]["parameters"].append(only)
    source = linked(tmp_path, document(flow(step("stock", "getStock", parameters=[value("sku", "tea")]))))
    look = source.document.tree["workflows"][0]["steps"][0]
    look["parameters"].append({"name": "op", "in": "query", "value": "$inputs.op"})
    inputs = {"type": "object", "properties": {"op": {"type": "string"}}, "required": ["op"]}
    source.document.tree["workflows"][0]["inputs"] = inputs
    (tmp_path / "shop.json").write_text(json.dumps(api), encoding="utf-8")
    mended, _ = repair(linked_again(tmp_path, source.document.tree))
    workflow = mended.document.tree["workflows"][0]
    assert (workflow["steps"][0]["parameters"][1]["value"], workflow["inputs"]["required"]) == ("lookup", [])


def linked_again(folder: Path, tree: Any) -> Any:
    """Open a document with the description that lies beside it."""
    from nlapi.workflows.read import parse_document
    from nlapi.workflows.sources import link

    return link(parse_document(tree, str(folder / "flow.json")))


def test_a_mended_document_opens_the_source_that_was_given(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path, {**document(flow(WHOLE_ANSWER, USES_WHOLE))}, shop.url)
    (tmp_path / "shop.json").rename(tmp_path / "moved.json")
    target = tmp_path / "elsewhere" / "mended.json"
    target.parent.mkdir()
    assert run("workflow", "repair", file, "-o", str(target)).err.startswith("error: sourceDescriptions.shop")
    run("workflow", "repair", file, "--source", str(tmp_path / "moved.json"), "-o", str(target))
    assert run("workflow", "check", str(target)).code == 0


def test_a_payload_whose_field_an_answer_gives_can_be_sent(shop: Shop, tmp_path: Path) -> None:
    """A required field inside an object of the payload is known only once the step before was answered."""
    line = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}
    file = write(tmp_path, document(flow(CREATE, nested_step())), shop.url)
    api = described(shop.url)
    schema = api["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["gift"] = line
    (tmp_path / "shop.json").write_text(json.dumps(api), encoding="utf-8")
    ran = run("workflow", "run", file, "--input", "name=Ada", "--yes")
    assert (ran.code, shop.received[1].json()["gift"]) == (0, {"sku": "c1"})


def test_a_wrong_value_beside_a_pending_one_is_found_before_the_run(shop: Shop, tmp_path: Path) -> None:
    gift = {"sku": "$steps.create.outputs.id", "count": "many"}
    payload = {"customer_id": "x", "sku": "tea", "gift": gift}
    file = write(tmp_path, document(flow(CREATE, step("order", "createOrder", **body(payload)))), shop.url)
    api = described(shop.url)
    schema = api["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = {"sku": {"type": "string"}, "count": {"type": "integer"}}
    schema["properties"]["gift"] = {"type": "object", "required": ["sku"], "properties": fields}
    (tmp_path / "shop.json").write_text(json.dumps(api), encoding="utf-8")
    ran = run("workflow", "run", file, "--input", "name=Ada", "--yes")
    assert (ran.code, shop.received) == (2, [])
    assert "gift.count" in ran.err


def nested_step() -> dict[str, Any]:
    payload = {"customer_id": "x", "sku": "tea", "gift": {"sku": "$steps.create.outputs.id"}}
    return step("order", "createOrder", **body(payload))


def test_a_tree_shows_its_inputs_and_what_is_not_given_yet(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path, document(flow(CREATE)), shop.url)
    shown = run("workflow", "show", file)
    assert "name <- the input name" in shown.out
    assert "cannot be sent" not in shown.out
    assert 'with name="Ada"' in run("workflow", "show", file, "--input", "name=Ada").out


def test_a_value_for_a_step_that_there_is_not_is_refused(shop: Shop, tmp_path: Path) -> None:
    ran = flow_run(tmp_path, shop, document(flow(CREATE)), "--set", "crate.name=x")
    assert (ran.code, shop.received) == (2, [])
    assert "create.name" in ran.err


def test_a_failure_has_the_reason_of_the_api_and_one_way_on(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /orders"] = [Reply(422, {"message": "the tea is sold out"})]
    criterion = {"successCriteria": [{"condition": "$statusCode == 201"}]}
    ran = flow_run(tmp_path, shop, document(flow(CREATE, {**ORDERED, **criterion})))
    assert "the tea is sold out" in ran.err
    assert "nlapi workflow resume" in ran.err
    assert "log resume" not in ran.err


@pytest.mark.parametrize("sources", [None, ["shop"], [{"url": "shop.json", "type": "openapi"}]])
def test_a_document_without_a_named_source_is_written_as_it_is(tmp_path: Path, sources: Any) -> None:
    tree = {**document(flow(CREATE)), "sourceDescriptions": sources}
    if sources is None:
        del tree["sourceDescriptions"]
    target = tmp_path / "mended.json"
    ran = run("workflow", "repair", write(tmp_path, tree), "-o", str(target))
    assert "fault of nlapi" not in ran.err
    assert json.loads(target.read_text(encoding="utf-8")).get("sourceDescriptions") == sources


def test_a_first_change_of_unknown_outcome_can_be_gone_on_with(shop: Shop, tmp_path: Path) -> None:
    shop.replies["POST /customers"] = [lost]
    ran = flow_run(tmp_path, shop, document(flow(CREATE)))
    assert (ran.code, shop.changes) == (1, ["POST /customers"])
    assert "nlapi workflow resume" in ran.err


def test_nothing_is_done_to_a_document_that_is_right(tmp_path: Path) -> None:
    look = step("look", "getOrder", parameters=[value("id", "$inputs.name")])
    _, repairs = repair(linked(tmp_path, document(flow(look))))
    assert repairs == ()


def answering(schema: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {"200": {"description": "x", "content": {"application/json": {"schema": schema}}}}}


PAGES = spec(
    {
        "/pages": {
            "get": {
                "operationId": "listPages",
                "parameters": [parameter("ratio", schema={"type": "number"}), parameter("page_id")],
            },
            "post": {
                "operationId": "createPage",
                **request_body({"type": "object", "properties": {"name": {"type": "string"}}}),
                **answering({"type": "object", "properties": {"id": {"type": "string"}, "_": {"type": "string"}}}),
            },
        },
        "/page_order": {
            "put": {"operationId": "orderPages", **request_body({"type": "array", "items": {"type": "string"}})}
        },
        "/pages/{slug}": {
            "put": {
                "operationId": "replacePage",
                "parameters": [parameter("slug", "path")],
                **request_body(
                    {"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": False}
                ),
            }
        },
    }
)
NEW_PAGE = step(
    "create", "createPage", **body({"name": "x"}), outputs={"page": "$response.body", "page_id": "$response.body#/id"}
)


def repairs_of(*steps: dict[str, Any], **inputs: Any) -> list[str]:
    schema = {"type": "object", "properties": inputs}
    return [str(entry) for entry in repair(link_pages(document(flow(*steps, inputs=schema))))[1]]


def link_pages(tree: dict[str, Any]) -> LinkedDocument:
    return link(parse_document(tree), loader=lambda _: PAGES)


def test_a_reference_to_nearly_the_name_of_an_output_is_to_that_one() -> None:
    use = step("use", "replacePage", parameters=[value("slug", "$steps.create.outputs.pageId")], **body({"text": "x"}))
    (line,) = repairs_of(NEW_PAGE, use)
    assert "$steps.create.outputs.pageId -> $steps.create.outputs.page_id" in line


def test_a_whole_number_stays_the_input_of_a_number() -> None:
    look = step("look", "listPages", parameters=[value("ratio", "$inputs.ratio", "query")])
    assert repairs_of(look, ratio={"type": "integer"}) == []
    assert "listPages takes number" in repairs_of(look, ratio={"type": "object"})[0]


def test_an_id_in_a_payload_is_no_slug_of_the_path() -> None:
    use = step("use", "replacePage", **body({"text": "x", "page_id": "$steps.create.outputs.page_id"}))
    assert "left out: $steps.create.outputs.page_id" in repairs_of(NEW_PAGE, use)[0]


def test_a_name_without_words_is_repaired_like_any() -> None:
    use = step(
        "use", "replacePage", parameters=[value("slug", "$steps.create.outputs.page#/a/_")], **body({"text": "x"})
    )
    assert "$steps.create.outputs.page#/_" in repairs_of(NEW_PAGE, use)[0]


def test_only_a_retry_has_attempts_and_waits() -> None:
    failure = {"name": "enough", "type": "end", "retryLimit": 100_000, "retryAfter": 100_000}
    assert check(link_pages(document(flow({**NEW_PAGE, "onFailure": [failure]})))) == ()
    warnings = check(link_pages(document(flow({**NEW_PAGE, "onFailure": [{**failure, "type": "retry"}]}))))
    assert len(warnings) == 2


def test_a_parameter_that_is_left_out_is_gone_before_the_next_is_repaired() -> None:
    create = {**NEW_PAGE, "outputs": {"it": "$response.body#/nothing"}}
    lost_ratio, moved = (
        value("ratio", "$inputs.none", "query"),
        value("page_id", "$steps.create.outputs.it", "query"),
    )
    lines = repairs_of(create, step("list", "listPages", parameters=[lost_ratio, moved]))
    assert any("left out: $inputs.none" in line for line in lines)
    assert any("$response.body#/nothing -> $response.body#/id" in line for line in lines)


def test_an_empty_payload_for_a_list_is_asked_for() -> None:
    lines = repairs_of(step("reorder", "orderPages", **body({})))
    assert [line for line in lines if "orderPages requires a body" in line]


@pytest.mark.parametrize("field", ["uuid", "guid", "_id", "page_uuid"])
def test_an_item_is_handed_on_by_its_id_and_not_by_its_name(field: str) -> None:
    page = {"type": "object", "properties": {"name": {"type": "string"}, field: {"type": "string"}}}
    key = parameter("page_id", "path")
    pages = spec(
        {
            "/pages": {"get": {"operationId": "listPages", **answering({"type": "array", "items": page})}},
            "/pages/{page_id}": {"get": {"operationId": "getPage", "parameters": [key], **answering(page)}},
        }
    )
    find = step("find", "listPages", outputs={"page": "$response.body"})
    tree = document(flow(find, step("get", "getPage", parameters=[value("page_id", "$steps.find.outputs.page")])))
    (taken,) = repair(link(parse_document(tree), loader=lambda _: pages))[1]
    assert taken.after == f"$steps.find.outputs.page#/0/{field}"


def test_what_all_steps_take_is_checked_like_the_arguments_of_one() -> None:
    tree = document(flow(NEW_PAGE, parameters=[value("ratio", "$inputs.none", "query")]))
    (issue,) = check(link_pages(tree))
    assert "the workflow has no input none" in issue.message


def test_an_argument_has_no_answer_yet() -> None:
    look = step("look", "listPages", parameters=[value("ratio", "$statusCode", "query")])
    (issue,) = check(link_pages(document(flow(look))))
    assert "there is no answer yet" in issue.message
