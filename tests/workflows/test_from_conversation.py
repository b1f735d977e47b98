"""Workflows made of conversations: what is an expression, an input or a constant, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nlapi.client.message import Result
from nlapi.errors import UsageError
from nlapi.issue import Level
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn
from nlapi.tools.tool import Call
from nlapi.workflows.from_conversation import SavedConversation, workflow_of
from nlapi.workflows.model import Selector, StepBody, WorkflowStep
from nlapi.workflows.write import render
from tests.describe import parameter, spec

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
    assert "hunter2" not in render(saved.document)
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
