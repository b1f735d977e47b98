"""What is worked out of an answer: counts, sums, averages, the most, the least, yes and no, money and moments."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.planner.answering.answers import answer_question
from nlapi.reading.question_intent import IntentKind, read_intent
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.describe import parameter, spec
from tests.planner.kit import only, planner, reply, talk
from tests.tables import table

TEXT = {"type": "string"}


def shop() -> Spec:
    item = {
        "type": "object",
        "properties": {
            "id": TEXT,
            "name": TEXT,
            "status": {**TEXT, "enum": ["ACTIVE", "PAUSED"]},
            "price": {"type": "integer", "x-nlapi": {"unit": "cents"}},
            "currency": TEXT,
            "created_at": {**TEXT, "format": "date-time"},
            "in_stock": {"type": "boolean"},
            "tags": {"type": "array", "items": TEXT},
        },
    }
    page = {"type": "object", "properties": {"items": {"type": "array", "items": item}, "total": {"type": "integer"}}}

    def node(id: str, summary: str, schema: Any, *parameters: Any) -> dict[str, Any]:
        answer = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
        return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answer}

    whole = {"type": "integer"}
    return spec(
        {
            "/products": {
                "get": node(
                    "listProducts",
                    "List products",
                    page,
                    parameter("page", schema=whole),
                    parameter("limit", schema=whole),
                )
            },
            "/products/{product_id}": {
                "get": node("getProduct", "Get a product", item, parameter("product_id", "path", TEXT))
            },
        },
        info={"title": "Shop", "version": "1"},
    )


def product(n: int, name: str, price: int, **more: Any) -> dict[str, Any]:
    day = f"2026-03-0{n}T10:00:30Z"
    return {"id": f"p{n}", "name": name, "status": "ACTIVE", "price": price, "created_at": day, **more}


PRODUCTS = [product(1, "Lamp", 2550), product(2, "Desk", 19900, status="PAUSED"), product(3, "Pen", 150)]


def told(question: str, things: Any = None) -> str:
    return talk(question, lambda _: things or {"items": PRODUCTS, "total": 3}, api=shop())[-1].text


@table(
    ("question", "want", "count"),
    [
        ("how many products are there", IntentKind.COUNT, 1),
        ("what is the total price of all products", IntentKind.SUM, 1),
        ("the average price", IntentKind.AVERAGE, 1),
        ("which product is the most expensive", IntentKind.MOST, 1),
        ("top 3 products by price", IntentKind.MOST, 3),
        ("the five cheapest products", IntentKind.LEAST, 5),
        ("is the product Lamp active?", IntentKind.CHECK, 1),
        ("products with a max price of 20", IntentKind.SHOW, 1),
        ("products that cost at least 5", IntentKind.SHOW, 1),
        ("list the products", IntentKind.SHOW, 1),
    ],
)
def test_what_a_question_wants(question: str, want: IntentKind, count: int) -> None:
    wish = read_intent(question)
    assert (wish.kind, wish.count) == (want, count)


@table(
    ("question", "text"),
    [
        ("which product is the most expensive?", "Desk has the highest price: 199 (of 3 products)."),
        ("which product has the lowest price?", "Pen has the lowest price: 1.50 (of 3 products)."),
        ("which is the newest product?", "Pen has the latest created at: 2026-03-03 10:00 UTC (of 3 products)."),
        ("top 2 products by price", "The 2 with the highest price: Desk 199; Lamp 25.50 (of 3 products)."),
        ("how many products are there?", "3 products: 2 active, 1 paused; Lamp, Desk, Pen."),
        ("total price of the products", "3 products: 2 active, 1 paused; price 226 in total; Lamp, Desk, Pen."),
        ("average price of the products", "3 products: 2 active, 1 paused; price 75.33 on average; Lamp, Desk, Pen."),
        ("are there any products?", "Yes: 3 products: 2 active, 1 paused; Lamp, Desk, Pen."),
    ],
)
def test_figures_of_a_list(question: str, text: str) -> None:
    assert told(question) == text


def test_amounts_in_several_currencies_are_added_up_apart() -> None:
    things = [
        product(1, "A", 100, currency="EUR"),
        product(2, "B", 250, currency="USD"),
        product(3, "C", 50, currency="EUR"),
    ]
    assert "price 1.50 EUR and 2.50 USD in total" in told("total price of the products", things)


def test_things_that_are_the_most_together_are_named_together() -> None:
    things = [product(1, "A", 100), product(2, "B", 100), product(3, "C", 50)]
    assert told("which product is the most expensive?", things) == "A and B have the highest price: 1 (of 3 products)."


def test_all_pages_are_read_before_anything_is_compared() -> None:
    def paged(call: Call) -> Result:
        page = call.arguments.get("page", 1)
        return reply({"items": [PRODUCTS[page - 1]], "total": 3})

    plans = talk("which product is the cheapest?", paged, api=shop())
    assert [plan.calls[0].arguments for plan in plans[:-1]] == [{}, {"page": 2}, {"page": 3}]
    assert plans[-1].text == "Pen has the lowest price: 1.50 (of 3 products)."


@table(
    ("question", "text"),
    [
        ("is product p1 active?", "Yes: the product Lamp (p1) has status ACTIVE."),
        ("is product p1 paused?", "No: the product Lamp (p1) has status ACTIVE."),
        ("is there a product p1?", "Yes: there is the product Lamp (p1)."),
        ("does the product p1 exist?", "Yes: there is the product Lamp (p1)."),
        ("is product p1 in stock?", "No: the product Lamp (p1) has in stock no."),
        ("does product p1 have tags?", "No: the product Lamp (p1) has no tags."),
        ("what is the price of product p1?", "The product Lamp (p1): price 25.50 EUR."),
        ("when was product p1 created?", "The product Lamp (p1): created at 2026-03-01 10:00 UTC."),
    ],
)
def test_one_thing_is_asked_about(question: str, text: str) -> None:
    assert told(question, product(1, "Lamp", 2550, currency="EUR", in_stock=False, tags=[])) == text


def test_nothing_found_is_said_with_what_was_looked_for() -> None:
    assert told("are there any products?", {"items": [], "total": 0}) == "No: no products found."


def test_whether_something_has_things_is_told_by_the_list_of_them() -> None:
    from tests.planner.test_offline_steps import shelves

    *_, books, end = talk("does the shelf Poetry have any books?", shelves)
    assert books.calls[0].arguments == {"shelf_id": "sh_2"}
    assert end.text == "Yes: 2 books: Dune, Emma."


SOME = [product(1, "Lamp", 2550), product(2, "Desk", 9900, status="PAUSED"), product(3, "Pen", 150)]


@table(
    ("question", "text"),
    [
        ("which products are paused?", "1 of 3 products with status paused: Desk."),
        ("how many products are active?", "2 of 3 products with status active: Lamp, Pen."),
        ("products with a price over 20 dollars", "2 of 3 products with price over 20: Lamp, Desk."),
        ("products with a price under 1 dollar", "0 of 3 products with price under 1."),
        ("are any products paused?", "Yes: 1 of 3 products with status paused: Desk."),
    ],
)
def test_what_the_api_was_not_asked_to_sift_is_sifted_in_the_answer(question: str, text: str) -> None:
    assert told(question, SOME) == text


@table(
    ("question", "text"),
    [
        ("is Lamp active?", "Yes: the product Lamp (p1) has status ACTIVE."),
        ("is Desk active?", "No: the product Desk (p2) has status PAUSED."),
        ("is Sofa active?", "There is no product called 'Sofa': Lamp (p1), Desk (p2), Pen (p3)."),
    ],
)
def test_yes_and_no_are_about_the_thing_that_is_named(question: str, text: str) -> None:
    assert told(question, SOME) == text


def test_an_average_is_of_the_things_that_the_question_is_about() -> None:
    text = "2 of 3 products with status active: price 13.50 on average; Lamp, Pen."
    assert told("average price of the active products", SOME) == text


def _registry() -> OfflinePlanner:
    """Projects, searched with a text, and the repositories below each."""
    project = {"type": "object", "properties": {"name": {"type": "string"}, "repo_count": {"type": "integer"}}}
    listed = {
        "200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": project}}}}
    }
    searched = parameter("q", description="Query string to query this resource.")
    below = parameter("project_name", "path", required=True, description="The name of the project.")
    return planner(
        spec(
            {
                "/projects": {"get": {"operationId": "listProjects", "parameters": [searched], "responses": listed}},
                "/projects/{project_name}/repositories": {
                    "get": {"operationId": "listRepositories", "parameters": [below], "responses": listed}
                },
            }
        )
    )


@table("question", ["top 3 projects by repo count", "list projects sorted by repo count", "the projects by repo count"])
def test_the_field_of_an_order_is_no_value_and_says_nothing_of_the_operation(question: str) -> None:
    assert only(_registry().plan(question)) == ("listProjects", {})


def test_the_end_of_a_range_is_no_id() -> None:
    made = _registry().plan("which repositories have more than 20 tags?")
    assert all("20" not in call.arguments.values() for call in made.calls)


@table(
    ("question", "text"),
    [
        ("is product p1 not paused?", "Yes: the product Lamp (p1) has status ACTIVE."),
        ("is product p1 not active?", "No: the product Lamp (p1) has status ACTIVE."),
        ("is product p1 still active?", "Yes: the product Lamp (p1) has status ACTIVE."),
        ("is the price of product p1 over 30?", "No: the product Lamp (p1) has price 25.50 EUR."),
        ("was product p1 created in March?", "Yes: the product Lamp (p1) has created at 2026-03-01 10:00 UTC."),
        ("is product p1 archived?", "No: the product Lamp (p1) has no archived at."),
        ("does product p1 have more than 20 views?", "Yes: the product Lamp (p1) has views 30."),
    ],
)
def test_yes_and_no_are_by_all_that_is_asked(question: str, text: str) -> None:
    assert told(question, product(1, "Lamp", 2550, currency="EUR", views=30, archived_at=None)) == text


@table(
    "question",
    [
        "does product p1 get more views than yesterday?",
        "is product p1 cheaper than Desk?",
        "is product p1 active in Germany?",
        "is product p1 active since January?",
        "was product p1 active last week?",
        "has product p1 ever been paused?",
        "will product p1 be active tomorrow?",
        "is product p1 active and popular?",
    ],
)
def test_what_no_field_tells_is_not_answered_with_yes_or_no(question: str) -> None:
    text = told(question, product(1, "Lamp", 2550, views=30, in_stock=True))
    assert text.startswith("The product Lamp (p1): ")


@table(
    ("question", "text"),
    [
        ("is Lamp the cheapest product?", "No: Pen has the lowest price: 1.50 (of 3 products)."),
        ("is Pen the cheapest product?", "Yes: Pen has the lowest price: 1.50 (of 3 products)."),
        ("are there more than 2 products?", "Yes: 3 products: 2 active, 1 paused; Lamp, Desk, Pen."),
        ("are there more than 3 products?", "No: 3 products: 2 active, 1 paused; Lamp, Desk, Pen."),
        ("are there exactly 2 active products?", "Yes: 2 of 3 products with status active: Lamp, Pen."),
        ("do we have at least three active products?", "No: 2 of 3 products with status active: Lamp, Pen."),
        ("are no products paused?", "No: 1 of 3 products with status paused: Desk."),
        ("are all products active?", "No: 2 of 3 products with status active: Lamp, Pen."),
        ("are there more active than paused products?", "0 of 3 products with status active and status paused."),
    ],
)
def test_yes_and_no_are_by_how_many_there_are(question: str, text: str) -> None:
    assert told(question, SOME) == text


@table(
    ("question", "text"),
    [
        ("are Lamp and Desk active?", "No: the product Desk (p2) has status PAUSED."),
        ("are products p1 and p3 active?", "Yes: the product Lamp (p1) has status ACTIVE and the product Pen (p3) has"),
        ("is Lamp or Desk paused?", "1 of 3 products with name Lamp or Desk and status paused: Desk."),
        ("is Lamp cheaper than Desk?", "0 of 3 products with name Lamp and name Desk. Not applied: cheaper ("),
    ],
)
def test_yes_and_no_are_about_each_of_the_things_that_are_named(question: str, text: str) -> None:
    tool = next(tool for tool in nlapi.tools(shop()) if tool.name == "listProducts")
    step = Step(call=Call(tool=tool, arguments={}), outcome=Outcome.ANSWERED, result=reply({"items": SOME, "total": 3}))
    assert answer_question(question, [step]).text.startswith(text)


def test_a_number_that_is_asked_about_is_no_length_of_a_page() -> None:
    from tests.planner.test_offline_steps import shelves

    *_, books, end = talk("does the shelf Poetry have three books?", shelves)
    assert books.calls[0].arguments == {"shelf_id": "sh_2"}
    assert end.text == "No: 2 books: Dune, Emma."


def of_list(question: str, items: list[Any], **arguments: Any) -> str:
    """The answer to a question when the list was asked for with these arguments."""
    tool = next(tool for tool in nlapi.tools(stock()) if tool.name == "listProducts")
    step = Step(call=Call(tool=tool, arguments=arguments), outcome=Outcome.ANSWERED, result=reply({"items": items}))
    return answer_question(question, [step]).text


def stock() -> Spec:
    """A shop whose products can be chosen by status and shelf, and that are also reviewed."""
    item = {
        "type": "object",
        "properties": {
            "id": TEXT,
            "name": TEXT,
            "status": {**TEXT, "enum": ["ACTIVE", "PAUSED"]},
            "review": {**TEXT, "enum": ["APPROVED", "REJECTED"]},
            "headline": TEXT,
            "price": {"type": "number"},
        },
    }
    page = {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
    status = parameter("status", schema={**TEXT, "enum": ["ACTIVE", "PAUSED"]})
    parameters = [status, parameter("shelf"), parameter("limit", schema={"type": "integer", "default": 30})]
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": page}}}}
    node = {"operationId": "listProducts", "summary": "List products", "parameters": parameters, "responses": answer}
    count = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "integer"}}}}}
    counted = {"operationId": "countOrders", "summary": "Count orders", "responses": count}
    return spec({"/products": {"get": node}, "/orders/count": {"get": counted}}, info={"title": "Shop", "version": "1"})


def reviewed(name: str, status: str, review: str, **more: Any) -> dict[str, Any]:
    return {"id": name.lower(), "name": name, "status": status, "review": review, **more}


STOCK = [reviewed("Lamp", "ACTIVE", "APPROVED"), reviewed("Desk", "PAUSED", "REJECTED")]
STOCK += [reviewed("Pen", "PAUSED", "APPROVED")]


@table(
    ("question", "items", "arguments"),
    [
        ("are all products paused?", STOCK[1:], {"status": "PAUSED"}),
        ("are the products all paused?", STOCK[1:], {"status": "PAUSED"}),
        ("are all rejected products paused?", STOCK[1:2], {"status": "PAUSED"}),
        ("are all products on the shelf north paused?", STOCK[1:], {"status": "PAUSED", "shelf": "north"}),
        ("are all products with review approved active?", STOCK, {}),
        ("are all rejected products paused?", STOCK, {}),
        ("are all approved products paused?", STOCK, {}),
        ("are all paused products approved?", STOCK[1:], {"status": "PAUSED"}),
    ],
)
def test_items_that_the_question_or_the_request_chooses_tell_nothing_of_all(
    question: str, items: list[Any], arguments: dict[str, Any]
) -> None:
    text = of_list(question, items, **arguments)
    assert not text.startswith(("Yes", "No:"))
    assert "Not applied: all" in text


@table(
    "question", ["which shelves have no products?", "shelves without products", "are there shelves without products?"]
)
def test_what_has_none_of_the_listed_items_is_not_told_by_them(question: str) -> None:
    text = of_list(question, STOCK)
    assert not text.startswith(("Yes", "No:"))
    assert "no products (neither" in text or "without products (neither" in text


def test_a_count_says_what_it_does_not_count_by() -> None:
    plans = talk("how many orders are cancelled?", lambda _: 66, api=stock())
    assert plans[-1].text == "66. Not applied: cancelled (neither the request nor the answer tells it)."
    assert talk("how many orders are there?", lambda _: 66, api=stock())[-1].text == "66"


@pytest.mark.parametrize("question", ["products with a price over 30", "products that cost more than 30"])
def test_a_number_that_is_exceeded_is_no_length_of_a_page(question: str) -> None:
    items = [reviewed("Lamp", "ACTIVE", "APPROVED", price=40.0), reviewed("Pen", "ACTIVE", "APPROVED", price=2.0)]
    made = talk(question, lambda _: {"items": items}, api=stock())
    assert made[0].calls[0].arguments.get("limit") != 30
    assert "1 of 2 products with " in made[-1].text
    assert "1 of 2 products with " in of_list(question, items, limit=30)


def test_a_field_that_is_not_named_compares_nothing_where_words_are_left() -> None:
    items = [{"id": "r1", "date": "2026-03-01", "spend": 12.5}, {"id": "r2", "date": "2026-03-02", "spend": 99.0}]
    text = of_list("which campaign has the highest daily budget?", items)
    assert "spend" not in text
    assert "highest" in text.partition("Not applied: ")[2]
    assert of_list("which is the highest?", items) == "r2 has the highest spend: 99.0 (of 2 products)."


def test_of_no_items_it_is_not_told_whether_all_are_so() -> None:
    assert of_list("are all products paused?", [], status="PAUSED") == "No products found with status=PAUSED."


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("how many books were published in May?", "1 of 2 books with published on in May: Dune."),
        ("were all books published before May?", "No: 1 of 2 books with published on before May: Emma."),
    ],
)
def test_a_month_behind_in_or_before_is_no_name(question: str, text: str) -> None:
    books = [
        {"id": "b1", "title": "Dune", "published_on": "2026-05-04"},
        {"id": "b2", "title": "Emma", "published_on": "2026-04-01"},
    ]
    plans = talk(question, lambda _: {"books": books})
    assert all("May" not in call.arguments.values() for plan in plans for call in plan.calls)
    assert plans[-1].text == text


@pytest.mark.parametrize("question", ["ads created in May", "were all ads created before June?"])
def test_a_month_is_not_looked_for_in_names(question: str) -> None:
    made = planner(nlapi.load("ads")).plan(question)
    assert all("name" not in call.arguments for call in made.calls)


def test_items_of_another_kind_are_not_counted() -> None:
    item = {"type": "object", "properties": {"date": TEXT, "spend": {"type": "number"}}}
    rows = {"type": "object", "properties": {"data": {"type": "array", "items": item}}}
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": rows}}}}
    node = {"operationId": "getReport", "summary": "Report spend by campaign or ad", "responses": answer}
    (report,) = nlapi.tools(spec({"/reports": {"get": node}}))

    def text(question: str) -> str:
        result = reply({"data": [{"date": "2026-03-01", "spend": 12.5}]})
        step = Step(call=Call(tool=report, arguments={}), outcome=Outcome.ANSWERED, result=result)
        return answer_question(question, [step]).text

    assert "Not applied: how many campaigns (" in text("how many campaigns are there?")
    assert text("how many reports are there?") == "1 report."


@pytest.mark.parametrize("question", ["does every shelf have a product?", "do all shelves have a product with a name?"])
def test_whether_all_others_have_such_items_is_not_told_by_these(question: str) -> None:
    assert not of_list(question, STOCK).startswith(("Yes", "No:"))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("how many products were not created in March?", "1 of 2 products with created at not in March: Pen."),
        ("products not created before March 2026", "1 of 2 products with created at not before March 2026: Lamp."),
    ],
)
def test_a_time_that_is_denied_is_not_taken_for_said(question: str, text: str) -> None:
    items = [product(1, "Lamp", 2550), product(2, "Pen", 150, created_at="2026-01-02T10:00:00Z")]
    assert told(question, {"items": items, "total": 2}) == text
