"""Workflows made of conversations: what is an expression, an input or a constant, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nlapi.client.message import Result
from nlapi.errors import Level, UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn
from nlapi.tools.tool import Call
from nlapi.workflows.from_plan import SavedConversation, workflow_of
from nlapi.workflows.model import Selector, StepBody, WorkflowStep
from nlapi.workflows.write import render
from tests.describe import parameter, spec
from tests.tables import table

TEXT = {"type": "string"}


def body(**properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"content": {"application/json": {"schema": schema}}, "required": True}


def operation(id: str, **node: Any) -> dict[str, Any]:
    return {"operationId": id, "responses": {"200": {"description": "ok"}}, **node}


def shop() -> Spec:
    """A shop with customers and their orders."""
    number = parameter("order_id", "path")
    return spec(
        {
            "/customers": {
                "get": operation("listCustomers", parameters=[parameter("name"), parameter("cursor")]),
                "post": operation("createCustomer", requestBody=body(name=TEXT, plan=TEXT, password=PASSWORD)),
            },
            "/orders": {"post": operation("createOrder", requestBody=body(customer_id=TEXT, note=TEXT))},
            "/orders/{order_id}": {
                "get": operation("getOrder", parameters=[number]),
                "delete": operation("deleteOrder", parameters=[number]),
            },
        }
    )


PASSWORD = {"type": "string", "format": "password"}
ADA = {"id": "cus_8f3k2", "name": "Ada"}
BOB = {"id": "cus_1x9z7", "name": "Bob"}


class Talk:
    """A conversation over the shop, as it was held."""

    def __init__(self) -> None:
        self.spec = shop()
        self.turns: list[Turn] = []

    def ask(self, question: str, *steps: Step) -> Talk:
        """Add a question and the calls that answered it, one in each round."""
        rounds = tuple(Round(plan=Plan(calls=(step.call,)), steps=(step,)) for step in steps)
        self.turns.append(Turn(question=question, rounds=rounds))
        return self

    def step(self, id: str, arguments: dict[str, Any], answer: Any = None, status: int = 200) -> Step:
        call = Call(tool=compile_tool(self.spec.operation(id)), arguments=arguments, id=id)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        headers = (("content-type", "application/json"),)
        return Step(call=call, outcome=Outcome.ANSWERED, result=Result(status=status, content=content, headers=headers))

    def save(self) -> SavedConversation:
        return workflow_of(Conversation(turns=tuple(self.turns)))


def steps_of(saved: SavedConversation) -> dict[str, WorkflowStep]:
    return {step.id: step for step in saved.document.workflow().steps}


def payload(step: WorkflowStep) -> Any:
    assert isinstance(step.body, StepBody)
    return step.body.payload


def test_an_id_of_an_answer_is_an_expression_and_a_said_value_an_input() -> None:
    talk = Talk()
    talk.ask(
        'create the customer "Zoe", and an order with the note "by noon"',
        talk.step("createCustomer", {"name": "Zoe", "plan": "trial"}, {"id": "cus_77aa1", "name": "Zoe"}, 201),
        talk.step("createOrder", {"customer_id": "cus_77aa1", "note": "by noon"}, {"id": "ord_5"}, 201),
    )
    saved = talk.save()
    workflow, steps = saved.document.workflow(), steps_of(saved)
    assert list(steps) == ["createCustomer", "createOrder"]
    assert payload(steps["createCustomer"]) == {"name": "$inputs.name", "plan": "trial"}
    assert payload(steps["createOrder"]) == {
        "customer_id": "$steps.createCustomer.outputs.customer_id",
        "note": "$inputs.note",
    }
    assert steps["createCustomer"].outputs == {"customer_id": "$response.body#/id"}
    assert workflow.required_inputs == ("name", "note")
    assert workflow.input_schemas["name"] == {"type": "string", "x-nlapi": {"said": "Zoe", "example": "Zoe"}}
    assert "default" not in json.dumps(workflow.inputs)
    assert not saved.issues
    assert saved.document.version == "1.0.1"


def test_an_id_that_a_change_answered_is_its_own_where_the_user_repeats_it() -> None:
    talk = Talk()
    created = talk.step("createCustomer", {"name": "Zoe"}, {"id": "cus_77aa1", "name": "Zoe"}, 201)
    talk.ask('create the customer "Zoe"', created)
    ordered = talk.step("createOrder", {"customer_id": "cus_77aa1", "note": "by noon"}, {"id": "ord_5"}, 201)
    talk.ask('create an order of cus_77aa1 with the note "by noon"', ordered)
    workflow = talk.save().document.workflow()
    assert workflow.required_inputs == ("name", "note")


def test_a_named_item_is_looked_up_by_its_name() -> None:
    talk = Talk()
    talk.ask(
        "create an order for Ada",
        talk.step("listCustomers", {"name": "Ada"}, {"data": [ADA, BOB]}),
        talk.step("createOrder", {"customer_id": ADA["id"]}, {"id": "ord_5"}, 201),
    )
    saved = talk.save()
    look_up = steps_of(saved)["listCustomers"]
    assert look_up.parameters[0].value == "$inputs.customer"
    path = "$.data[?@.name == '{$inputs.customer}']"
    assert look_up.outputs == {"customer_id": Selector(context="$response.body", selector=f"{path}.id")}
    assert [criterion.condition for criterion in look_up.criteria] == [
        "$statusCode == 200",
        f"$[?count({path}) == 1]",
    ]
    assert saved.document.version == "1.1.0"


@pytest.mark.parametrize("entries", [[ADA, {**BOB, "name": "Ada"}], [BOB, {**ADA, "name": "Eve"}]])
def test_an_item_that_its_name_does_not_tell_is_asked_for(entries: list[dict[str, str]]) -> None:
    """Two have the name, or the user never said it: no place in the list is guessed."""
    talk = Talk()
    talk.ask(
        "create an order for Ada",
        talk.step("listCustomers", {}, {"data": entries}),
        talk.step("createOrder", {"customer_id": ADA["id"]}, {"id": "ord_5"}, 201),
    )
    saved = talk.save()
    assert list(steps_of(saved)) == ["createOrder"]
    assert payload(steps_of(saved)["createOrder"]) == {"customer_id": "$inputs.customer_id"}
    (issue,) = saved.issues
    assert (issue.level, issue.where) == (Level.WARNING, "createOrder")
    assert "customer_id is an input" in issue.message


def test_an_item_of_a_further_page_is_asked_for() -> None:
    talk = Talk()
    page = {"data": [BOB], "next_cursor": "c2"}
    talk.ask(
        "create an order for Ada",
        talk.step("listCustomers", {}, page),
        talk.step("listCustomers", {"cursor": "c2"}, {"data": [ADA]}),
        talk.step("createOrder", {"customer_id": ADA["id"]}, {"id": "ord_5"}, 201),
    )
    saved = talk.save()
    assert list(steps_of(saved)) == ["createOrder"]
    assert "further page" in saved.issues[0].message


def test_failures_and_reads_for_nothing_are_left_out_and_the_answer_stays() -> None:
    talk = Talk()
    talk.ask("who are my customers?", talk.step("listCustomers", {}, {"data": [BOB]}))
    talk.ask(
        'create an order for "cus_1x9z7"',
        talk.step("createOrder", {"customer_id": "cus_1x9z"}, {"title": "no such customer"}, 422),
        talk.step("createOrder", {"customer_id": "cus_1x9z7"}, {"id": "ord_12345"}, 201),
        talk.step("getOrder", {"order_id": "ord_12345"}, {"id": "ord_12345", "state": "new"}),
    )
    saved = talk.save()
    assert list(steps_of(saved)) == ["createOrder", "getOrder"]
    assert saved.document.workflow().outputs == {
        "order_id": "$steps.createOrder.outputs.order_id",
        "answer": "$steps.getOrder.outputs.answer",
    }
    assert [(issue.level, issue.where) for issue in saved.issues] == [(Level.INFO, "createOrder")]


def test_no_secret_is_in_the_document() -> None:
    talk = Talk()
    talk.ask(
        'create the customer "Zoe" with the password "hunter2hunter2"',
        talk.step("createCustomer", {"name": "Zoe", "password": "hunter2hunter2"}, {"id": "cus_77aa1"}, 201),
    )
    saved = talk.save()
    assert "hunter2" not in render(saved.document.tree)
    schema = saved.document.workflow().input_schemas["password"]
    assert schema == {"type": "string", "format": "password"}


def test_a_value_that_may_be_in_the_lost_part_of_an_answer_is_not_guessed() -> None:
    talk = Talk()
    cut = (json.dumps({"data": [BOB] * 8_000})[:-9]).encode()
    talk.ask(
        "create an order for Ada",
        talk.step("listCustomers", {}, cut),
        talk.step("createOrder", {"customer_id": ADA["id"]}, {"id": "ord_5"}, 201),
    )
    with pytest.raises(UsageError, match=r"createOrder cannot be saved: its customer_id .* listCustomers"):
        talk.save()


def test_an_answer_that_is_a_value_itself_is_handed_on() -> None:
    talk = Talk()
    talk.ask(
        "create a customer and an order",
        talk.step("createCustomer", {"plan": "trial"}, b"cus_77aa1", 201),
        talk.step("createOrder", {"customer_id": "cus_77aa1"}, {}, 201),
    )
    steps = steps_of(talk.save())
    assert steps["createCustomer"].outputs == {"customer_id": "$response.body"}
    assert payload(steps["createOrder"]) == {"customer_id": "$steps.createCustomer.outputs.customer_id"}


def test_a_constant_that_reads_as_an_expression_is_an_input() -> None:
    talk = Talk()
    talk.ask("create an order", talk.step("createOrder", {"customer_id": "", "note": "$statusCode"}, {}, 201))
    assert payload(steps_of(talk.save())["createOrder"]) == {"customer_id": "", "note": "$inputs.note"}


def test_a_conversation_without_a_success_is_not_saved() -> None:
    talk = Talk().ask("create an order")
    with pytest.raises(UsageError, match="nothing was changed or answered"):
        talk.save()


NUMBER = {"type": "integer"}


def firms() -> Spec:
    """Companies by numbers, notes in them, and their caller."""
    at_company = parameter("company_id", "path", schema=NUMBER)
    note = body(text=TEXT, pinned={"type": "boolean"}, priority=NUMBER, owner=NUMBER, plan=TEXT)
    return spec(
        {
            "/me": {"get": operation("getMe")},
            "/companies": {"get": operation("listCompanies")},
            "/projects/{id}": {"get": operation("getProject", parameters=[parameter("id", "path", schema=NUMBER)])},
            "/companies/{company_id}/notes": {"post": operation("addNote", parameters=[at_company], requestBody=note)},
        }
    )


def noted(arguments: dict[str, Any], *reads: tuple[str, dict[str, Any], Any], words: str = "write a note") -> Any:
    """The saved conversation in which a note was written after some reads, and the values of its step."""
    talk = Talk()
    talk.spec = firms()
    talk.ask(words, *(talk.step(*read) for read in reads), talk.step("addNote", arguments, {"id": 99}))
    saved = talk.save()
    step = steps_of(saved)["addNote"]
    values = {entry.name: entry.value for entry in step.parameters}
    return saved, {**values, **(payload(step) if step.body is not None else {})}


# A small number, a large one, and the least: what a value looks like says nothing of where it came from.
@table("id", [5, 583920, 0])
@table("caller", [{"id": 1, "company": {"id": "?"}}, {"id": 1, "company": "?"}, {"companyId": "?"}])
def test_an_id_is_told_by_its_place_and_not_by_what_it_looks_like(id: int, caller: dict[str, Any]) -> None:
    answer = json.loads(json.dumps(caller).replace('"?"', str(id)))
    saved, values = noted({"company_id": id, "text": "hi"}, ("getMe", {}, answer))
    assert values["company_id"] == "$steps.getMe.outputs.company_id"
    assert not saved.issues


@table("id", [5, 583920])
@table(
    ("reads", "reason"),
    [
        ([("listCompanies", {}, [{"id": "?", "name": "A"}, {"id": 8, "name": "B"}])], "a list of 2"),
        ([("getMe", {}, {"id": 1, "retries": "?"})], "getMe at retries"),
        ([("listCompanies", {}, {"a1": {"id": "?", "name": "A"}, "b1": {"id": 8, "name": "B"}})], "from a map"),
        ([("getMe", {}, {"company_id": "?"}), ("getProject", {"id": 7}, {"company_id": "?"})], "2 places have it"),
    ],
)
def test_an_id_that_no_one_place_tells_is_asked_for(reads: list[Any], reason: str, id: int) -> None:
    seen = [(name, given, json.loads(json.dumps(answer).replace('"?"', str(id)))) for name, given, answer in reads]
    saved, values = noted({"company_id": id, "text": "hi"}, *seen)
    assert values["company_id"] == "$inputs.company_id"
    (issue,) = saved.issues
    assert (issue.level, issue.where) == (Level.WARNING, "addNote")
    assert reason in issue.message


def test_the_id_of_the_caller_is_no_constant_by_whatever_name() -> None:
    saved, values = noted({"company_id": 7, "owner": 1}, ("getMe", {}, {"id": 1, "company": 7}))
    assert values == {"company_id": "$steps.getMe.outputs.company_id", "owner": "$inputs.owner"}
    assert [issue.message.partition(",")[0] for issue in saved.issues] == ["its owner is an input"]


def test_each_constant_that_an_answer_held_is_warned_of_in_the_document_too() -> None:
    companies = [{"id": 4, "plan": "pro", "vip": True}, {"id": 8, "plan": "pro", "vip": True}]
    saved, values = noted(
        {"company_id": 3, "text": "hi", "plan": "pro", "pinned": True, "priority": 8}, ("listCompanies", {}, companies)
    )
    assert values == {"company_id": 3, "text": "hi", "plan": "pro", "pinned": True, "priority": 8}
    assert [issue.message for issue in saved.issues] == [
        "its plan is a constant, and the answer to listCompanies at [0].plan had the same value",
        "its pinned is a constant, and the answer to listCompanies at [0].vip had the same value",
        "its priority is a constant, and the answer to listCompanies at [1].id had the same value",
    ]
    warnings = saved.document.tree["workflows"][0]["x-nlapi"]["warnings"]
    assert warnings == [str(issue) for issue in saved.issues]
    assert "listCompanies at [0].plan" in render(saved.document.tree)


def test_what_the_user_said_is_an_input_though_an_answer_has_it() -> None:
    _, values = noted({"company_id": 5}, ("listCompanies", {}, [{"id": 5}, {"id": 8}]), words="a note to company 5")
    assert values["company_id"] == "$inputs.company_id"


def test_a_look_up_that_reads_one_page_of_several_says_so() -> None:
    companies = {"data": [{"id": 5, "name": "Acme"}], "has_more": True}
    saved, values = noted({"company_id": 5}, ("listCompanies", {}, companies), words="a note to Acme")
    assert values["company_id"] == "$steps.listCompanies.outputs.company_id"
    assert [issue.where for issue in saved.issues] == ["listCompanies"]
    assert "first page" in saved.issues[0].message


def test_an_id_of_another_kind_is_not_the_id_that_is_wanted() -> None:
    talk = Talk()
    talk.spec = firms()
    talk.ask("show it", talk.step("getMe", {}, {"id": 7}), talk.step("getProject", {"id": 7}, {"id": 7}))
    saved = talk.save()
    assert [entry.value for entry in steps_of(saved)["getProject"].parameters] == ["$inputs.project_id"]
    assert "getMe at id has the same value by another name" in saved.issues[0].message


def test_the_id_of_what_was_created_goes_on_where_nothing_else_gives_it() -> None:
    talk = Talk()
    talk.spec = spec(
        {
            "/uploads": {"post": operation("createUpload", requestBody=body(file_name=TEXT))},
            "/posts": {"post": operation("createPost", requestBody=body(media_id=NUMBER))},
        }
    )
    talk.ask("post it", talk.step("createUpload", {}, {"id": 3}, 201), talk.step("createPost", {"media_id": 3}, {}))
    assert payload(steps_of(talk.save())["createPost"]) == {"media_id": "$steps.createUpload.outputs.media_id"}
