"""What is created is kept: POST, GET, PATCH, PUT, DELETE, lists and actions agree with each other."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from nlapi.sandbox import running
from tests.describe import body, parameter, spec
from tests.sandbox.served import answer, client
from tests.tables import table

UUID = {"type": "string", "format": "uuid"}
SHOP = {
    "schemas": {
        "Shop": {
            "type": "object",
            "required": ["id", "name"],
            "properties": {"id": UUID, "name": {"type": "string"}, "city": {"type": "string"}},
        },
        "Order": {
            "type": "object",
            "required": ["id", "shop_id", "status", "total"],
            "properties": {
                "id": {"type": "integer"},
                "shop_id": UUID,
                "status": {"type": "string", "enum": ["OPEN", "PAID", "CANCELLED"]},
                "total": {"type": "number", "minimum": 0},
                "note": {"type": ["string", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "created_at": {"type": "string", "format": "date-time", "readOnly": True},
                "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string"}}},
            },
        },
        "Receipt": {
            "type": "object",
            "required": ["number", "order_id"],
            "properties": {"number": {"type": "string", "pattern": "^R-[0-9]{6}$"}, "order_id": {"type": "integer"}},
        },
        "Orders": {
            "type": "object",
            "required": ["orders", "total", "offset"],
            "properties": {
                "orders": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
                "total": {"type": "integer"},
                "offset": {"type": "integer"},
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        },
        "NewOrder": {
            "type": "object",
            "required": ["total"],
            "properties": {
                "total": {"type": "number"},
                "note": {"type": ["string", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "address": {"type": "object"},
            },
        },
    }
}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


SHOP_ID, ORDER_ID = parameter("shop_id", "path", UUID), parameter("order_id", "path", {"type": "integer"})
WINDOW = [
    parameter("limit", schema={"type": "integer", "default": 20}),
    parameter("offset", schema={"type": "integer"}),
]
FILTERS = [
    parameter("status", schema={"type": "array", "items": {"enum": ["OPEN", "PAID", "CANCELLED"]}}),
    parameter("tag", schema={"type": "string"}),
    parameter("min_total", schema={"type": "number"}),
    parameter("order_ids", schema={"type": "array", "items": {"type": "integer"}}, explode=False),
    parameter("created_before", schema={"type": "string", "format": "date-time"}),
    parameter("sort", schema={"type": "string"}),
    parameter("q", schema={"type": "string"}),
]
PATHS: dict[str, Any] = {
    "/shops": {
        "get": {"responses": answer({"type": "array", "items": ref("Shop")})},
        "post": {"responses": answer(ref("Shop"), "201"), **body(ref("Shop"))},
    },
    "/shops/{shop_id}": {"parameters": [SHOP_ID], "get": {"responses": answer(ref("Shop"))}},
    "/shops/{shop_id}/orders": {
        "parameters": [SHOP_ID],
        "get": {"parameters": [*WINDOW, *FILTERS], "responses": answer(ref("Orders"))},
        "post": {"responses": answer(ref("Order"), "201"), **body(ref("NewOrder"))},
    },
    "/orders/{order_id}": {
        "parameters": [ORDER_ID],
        "get": {"responses": answer(ref("Order"))},
        "patch": {"responses": answer(ref("Order")), **body(ref("NewOrder") | {"description": "x"})},
        "put": {"responses": answer(ref("Order")), **body(ref("NewOrder"))},
        "delete": {"responses": {"204": {"description": "gone"}}},
    },
    "/orders/{order_id}/cancel": {"parameters": [ORDER_ID], "post": {"responses": answer(ref("Order"))}},
    "/orders/{order_id}/receipts": {"parameters": [ORDER_ID], "post": {"responses": answer(ref("Receipt"), "201")}},
    "/receipts/{number}": {"parameters": [parameter("number", "path")], "get": {"responses": answer(ref("Receipt"))}},
}


@pytest.fixture
def http() -> Any:
    with client(PATHS, components=SHOP) as found:
        yield found


def new_shop(http: httpx2.Client) -> str:
    return str(http.post("/shops", json={"id": "0b1c2d3e-0000-4000-8000-000000000001", "name": "Corner"}).json()["id"])


def orders(http: httpx2.Client, shop: str, query: str = "") -> list[Any]:
    response = http.get(f"/shops/{shop}/orders{query}")
    assert response.status_code == 200, response.text
    return list(response.json()["orders"])


def test_what_is_created_can_be_read_listed_changed_and_deleted(http: httpx2.Client) -> None:
    shop = new_shop(http)
    assert orders(http, shop) == []
    made = http.post(
        f"/shops/{shop}/orders", json={"total": 12.5, "note": "now", "address": {"street": "A", "zip": "1"}}
    )
    order = made.json()
    assert made.status_code == 201
    assert order["total"] == 12.5 and order["shop_id"] == shop and order["status"] == "OPEN"
    assert "tags" not in order
    assert made.headers["location"] == f"/orders/{order['id']}"
    assert http.get(made.headers["location"]).json() == order
    assert orders(http, shop) == [order]
    changed = http.patch(f"/orders/{order['id']}", json={"total": 9, "note": None, "address": {"zip": "2"}}).json()
    assert (changed["total"], changed["note"], changed["address"]) == (9, None, {"street": "A", "zip": "2"})
    assert changed["created_at"] == order["created_at"]
    assert orders(http, shop) == [changed]
    replaced = http.put(f"/orders/{order['id']}", json={"total": 3}).json()
    assert replaced["total"] == 3 and "note" not in replaced and replaced["id"] == order["id"]
    assert http.delete(f"/orders/{order['id']}").status_code == 204
    assert http.get(f"/orders/{order['id']}").status_code == 404
    assert http.delete(f"/orders/{order['id']}").status_code == 404
    assert orders(http, shop) == []


def test_an_id_is_never_given_twice(http: httpx2.Client) -> None:
    shop = new_shop(http)
    ids = []
    for _ in range(3):
        ids.append(http.post(f"/shops/{shop}/orders", json={"total": 1}).json()["id"])
        http.delete(f"/orders/{ids[-1]}")
    assert len(set(ids)) == 3
    assert http.post("/shops", json={"id": shop, "name": "Again"}).status_code == 409


def test_samples_are_below_their_parents_and_agree_with_them(http: httpx2.Client) -> None:
    shops = http.get("/shops").json()
    assert 5 <= len(shops) <= 8
    assert len({shop["name"] for shop in shops}) == len(shops)
    first = orders(http, shops[0]["id"])
    assert 5 <= len(first) <= 8
    for shop in shops:
        for order in orders(http, shop["id"]):
            assert order["shop_id"] == shop["id"]
            assert http.get(f"/orders/{order['id']}").json() == order
    assert http.get("/shops/0b1c2d3e-0000-4000-8000-00000000000f/orders").status_code == 404


def test_a_list_is_filtered_sorted_and_cut_into_pages(http: httpx2.Client) -> None:
    shop = new_shop(http)
    for total in (5, 1, 4, 2, 3):
        http.post(
            f"/shops/{shop}/orders",
            json={"total": total, "tags": ["odd" if total % 2 else "even"], "note": f"No {total}"},
        )
    every = orders(http, shop)
    assert [order["total"] for order in every] == [5, 1, 4, 2, 3]
    http.post(f"/orders/{every[0]['id']}/cancel")

    def totals(query: str) -> list[float]:
        return [order["total"] for order in orders(http, shop, query)]

    assert totals("?status=CANCELLED") == [5]
    assert totals("?status=OPEN&status=PAID&sort=total") == [1, 2, 3, 4]
    assert totals("?tag=even&sort=-total") == [4, 2]
    assert totals("?min_total=3&sort=total:desc") == [5, 4, 3]
    assert totals(f"?order_ids={every[1]['id']},{every[2]['id']}") == [1, 4]
    assert totals("?q=no%202") == [2]
    assert totals("?created_before=2020-01-01T00:00:00Z") == []
    first = http.get(f"/shops/{shop}/orders?limit=2&sort=total").json()
    assert (first["total"], first["offset"], len(first["orders"])) == (5, 0, 2)
    seen = first["orders"]
    while first["next"]:
        first = http.get(first["next"]).json()
        seen += first["orders"]
    assert [order["total"] for order in seen] == [1, 2, 3, 4, 5]


def test_an_action_changes_the_status_that_its_verb_names(http: httpx2.Client) -> None:
    shop = new_shop(http)
    order = http.post(f"/shops/{shop}/orders", json={"total": 1}).json()
    assert http.post(f"/orders/{order['id']}/cancel").json() == {**order, "status": "CANCELLED"}
    assert http.get(f"/orders/{order['id']}").json()["status"] == "CANCELLED"
    assert http.post("/orders/999999/cancel").status_code == 404


def test_an_action_that_answers_with_another_kind_of_thing_makes_one(http: httpx2.Client) -> None:
    shop = new_shop(http)
    order = http.post(f"/shops/{shop}/orders", json={"total": 1}).json()
    receipt = http.post(f"/orders/{order['id']}/receipts")
    assert receipt.status_code == 201 and receipt.json()["order_id"] == order["id"]
    assert http.get(f"/receipts/{receipt.json()['number']}").json() == receipt.json()


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    found = []
    for seed in (0, 0, 1):
        with running(spec(PATHS, components=SHOP), seed=seed) as server:
            found.append(httpx2.get(f"{server.url}/shops").json())
    assert found[0] == found[1] != found[2]


def test_a_database_file_keeps_things(tmp_path: Any) -> None:
    lists = []
    for _ in range(2):
        with running(spec(PATHS, components=SHOP), database=str(tmp_path / "db")) as server:
            if not lists:
                httpx2.post(f"{server.url}/shops", json={"id": "0b1c2d3e-0000-4000-8000-000000000001", "name": "Kept"})
            lists.append(httpx2.get(f"{server.url}/shops").json())
    assert lists[0] == lists[1]
    assert "Kept" in [shop["name"] for shop in lists[0]]


INTEGER = {"type": "integer"}


def paged(parameters: list[Any], more: dict[str, Any]) -> dict[str, Any]:
    """A list of things with these parameters, and these properties beside its `data`."""
    item = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    listed = {"type": "object", "properties": {"data": {"type": "array", "items": item}, **more}}
    return {"/things": {"get": {"parameters": parameters, "responses": answer(listed)}}}


def test_pages_are_numbered_from_one() -> None:
    numbered = [parameter("page", schema=INTEGER), parameter("per_page", schema=INTEGER)]
    with client(paged(numbered, {"page": INTEGER, "total_pages": INTEGER})) as http:
        every = http.get("/things").json()["data"]
        second = http.get("/things?page=2&per_page=4").json()
        assert second == {"data": every[4:8], "page": 2, "total_pages": 2}


def test_cursors_lead_from_page_to_page() -> None:
    cursor = {"type": ["string", "null"]}
    with client(paged([parameter("cursor"), parameter("limit", schema=INTEGER)], {"next_cursor": cursor})) as http:
        every = http.get("/things").json()
        first = http.get("/things?limit=4").json()
        last = http.get(f"/things?limit=4&cursor={first['next_cursor']}").json()
        assert first["data"] + last["data"] == every["data"]
        assert last["next_cursor"] is every["next_cursor"] is None
        assert http.get("/things?cursor=nonsense").status_code == 422


def test_a_page_token_may_be_inside_an_object() -> None:
    meta = {"type": "object", "properties": {"next_page_token": {"type": "string"}}}
    with client(paged([parameter("page_token"), parameter("page_size", schema=INTEGER)], {"meta": meta})) as http:
        first = http.get("/things?page_size=4").json()
        last = http.get(f"/things?page_size=4&page_token={first['meta']['next_page_token']}").json()
        assert first["data"] + last["data"] == http.get("/things").json()["data"]
        assert "next_page_token" not in last.get("meta", {})


def test_a_single_thing_at_a_path_of_its_own_can_be_read_and_changed() -> None:
    settings = {
        "type": "object",
        "required": ["theme"],
        "properties": {"theme": {"enum": ["dark", "light"]}, "size": {"type": "integer"}},
    }
    node = {
        "get": {"responses": answer(settings)},
        "patch": {"responses": answer(settings), **body(settings | {"required": []})},
    }
    with client({"/settings": node}) as http:
        before = http.get("/settings").json()
        assert http.patch("/settings", json={"size": 77}).json() == {**before, "size": 77}
        assert http.get("/settings").json()["size"] == 77


def test_a_thing_that_cannot_be_listed_is_there_under_any_id_until_it_is_deleted() -> None:
    user = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    }
    one = {
        "parameters": [parameter("id", "path", {"type": "integer"})],
        "get": {"responses": answer(user)},
        "delete": {"responses": {"204": {"description": "gone"}}},
    }
    with client({"/users/{id}": one}) as http:
        assert http.get("/users/5").json() == http.get("/users/5").json()
        assert http.get("/users/5").json()["id"] == 5
        assert http.delete("/users/5").status_code == 204
        assert http.get("/users/5").status_code == 404


def test_put_makes_what_no_post_makes() -> None:
    value = {"type": "object", "properties": {"value": {"type": "integer"}}}
    listed = {
        "type": "array",
        "items": {"type": "object", "properties": {"key": {"type": "string"}, "value": {"type": "integer"}}},
    }
    one = {
        "parameters": [parameter("key", "path")],
        "get": {"responses": answer(value)},
        "put": {"responses": {**answer(value, "200"), **answer(value, "201")}, **body(value)},
    }
    with client({"/flags": {"get": {"responses": answer(listed)}}, "/flags/{key}": one}) as http:
        assert http.get("/flags/new").status_code == 404
        assert http.put("/flags/new", json={"value": 1}).status_code == 201
        assert http.put("/flags/new", json={"value": 2}).status_code == 200
        assert http.get("/flags/new").json()["value"] == 2
        assert {"key": "new", "value": 2} in http.get("/flags").json()


def test_an_idempotency_key_makes_a_second_request_the_first_one_again() -> None:
    thing = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
    make = {"parameters": [parameter("Idempotency-Key", "header")], "responses": answer(thing, "201"), **body(thing)}
    with client({"/things": {"post": make, "get": {"responses": answer({"type": "array", "items": thing})}}}) as http:
        before = len(http.get("/things").json())
        send = {"Idempotency-Key": "k1"}
        first = http.post("/things", json={"name": "a"}, headers=send).json()
        assert http.post("/things", json={"name": "a"}, headers=send).json() == first
        assert len(http.get("/things").json()) == before + 1


def test_wrapped_things_are_unwrapped_and_wrapped_again() -> None:
    pet = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    }
    wrapped = {"type": "object", "required": ["data"], "properties": {"data": ref("Pet")}}
    listed = {"type": "object", "properties": {"data": {"type": "array", "items": ref("Pet")}}}
    sent = {"type": "object", "properties": {"data": {"type": "object", "properties": {"name": {"type": "string"}}}}}
    paths = {
        "/pets": {"get": {"responses": answer(listed)}, "post": {"responses": answer(wrapped, "201"), **body(sent)}},
        "/pets/{pet_id}": {
            "parameters": [parameter("pet_id", "path", {"type": "integer"})],
            "get": {"responses": answer(wrapped)},
        },
    }
    with client(paths, components={"schemas": {"Pet": pet}}) as http:
        made = http.post("/pets", json={"data": {"name": "Rex"}}).json()["data"]
        assert made["name"] == "Rex"
        assert http.get(f"/pets/{made['id']}").json() == {"data": made}
        assert made in http.get("/pets").json()["data"]


def test_a_search_at_a_path_of_its_own_finds_the_same_things() -> None:
    pet = {
        "type": "object",
        "required": ["id", "status"],
        "properties": {"id": {"type": "integer"}, "status": {"enum": ["new", "sold"]}},
    }
    listed = answer({"type": "array", "items": ref("Pet")})
    by = parameter("status", schema={"type": "array", "items": {"type": "string"}})
    paths = {
        "/pet": {"post": {"responses": answer(ref("Pet")), **body(ref("Pet"))}},
        "/pet/findByStatus": {"get": {"parameters": [by], "responses": listed}},
        "/pet/{petId}": {
            "parameters": [parameter("petId", "path", {"type": "integer"})],
            "get": {"responses": answer(ref("Pet"))},
        },
    }
    with client(paths, components={"schemas": {"Pet": pet}}) as http:
        http.post("/pet", json={"id": 4711, "status": "sold"})
        found = http.get("/pet/findByStatus?status=sold").json()
        assert {"id": 4711, "status": "sold"} in found
        assert {one["status"] for one in found} == {"sold"}


LOAN = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "id": {"type": "integer"},
        "status": {"enum": ["out", "returned"]},
        "returned_on": {"type": "string", "format": "date"},
    },
}


@table(
    ("schema", "keys"),
    [
        (LOAN, ()),
        (ref("Loan"), ()),
        ({}, ()),
        ({"type": "object"}, ()),
        ({"allOf": [ref("Loan"), {"type": "object", "properties": {"fee": {"type": "number"}}}]}, ()),
        ({"type": "object", "properties": {"loan": LOAN}}, ("loan",)),
        ({"type": "object", "properties": {"data": ref("Loan")}}, ("data",)),
    ],
)
def test_an_action_answers_with_the_thing_it_changes(schema: Any, keys: tuple[str, ...]) -> None:
    sent = {"type": "object", "properties": {"returned_on": {"type": "string", "format": "date"}}}
    one = {"parameters": [parameter("loan_id", "path", INTEGER)]}
    paths = {
        "/loans": {"get": {"responses": answer({"type": "array", "items": ref("Loan")})}},
        "/loans/{loan_id}": {**one, "get": {"responses": answer(ref("Loan"))}},
        "/loans/{loan_id}/return": {**one, "post": {"responses": answer(schema), **body(sent)}},
    }
    with client(paths, components={"schemas": {"Loan": LOAN}}) as http:
        loan = http.get("/loans").json()[3]
        found = http.post(f"/loans/{loan['id']}/return", json={"returned_on": "2026-03-01"}).json()
        for key in keys:
            found = found[key]
        assert found == {**loan, "status": "returned", "returned_on": "2026-03-01"}
        assert http.get(f"/loans/{loan['id']}").json() == found


@pytest.mark.parametrize("where", ["/members/{member_id}/loans", "/other"])
def test_an_action_never_makes_up_the_id_of_what_it_is_done_to(where: str) -> None:
    member = [parameter("member_id", "path", INTEGER)] if "{" in where else []
    acted = {"parameters": [parameter("loan_id", "path", INTEGER)], "post": {"responses": answer(LOAN)}}
    listed = {"get": {"parameters": member, "responses": answer({"type": "array", "items": LOAN})}}
    with client({"/loans/{loan_id}/return": acted, where: listed}) as http:
        assert http.post("/loans/5/return").json()["id"] == 5


def test_what_can_only_be_made_inside_a_thing_goes_with_it() -> None:
    thing = {"type": "object", "required": ["id"], "properties": {"id": INTEGER}}
    board, card, user = (parameter(name, "path", INTEGER) for name in ("board_id", "card_id", "user_id"))
    kept = {"get": {"responses": answer({"type": "array", "items": thing})}}
    made = {"post": {"responses": answer(thing, "201"), **body({"type": "object"})}}
    one = {"get": {"responses": answer(thing)}, "delete": {"responses": {"204": {"description": "gone"}}}}
    paths = {
        "/boards": kept | made,
        "/boards/{board_id}": {"parameters": [board], **one},
        "/boards/{board_id}/cards": {"parameters": [board], **kept, **made},
        "/boards/{board_id}/users": {"parameters": [board], **kept},
        "/cards/{card_id}": {"parameters": [card], **one},
        "/users": kept | made,
        "/users/{user_id}": {"parameters": [user], **one},
    }
    with client(paths) as http:
        first, other = (http.post("/boards", json={}).json()["id"] for _ in range(2))
        gone, stays = (http.post(f"/boards/{id}/cards", json={}).json()["id"] for id in (first, other))
        user_id = http.get("/users").json()[0]["id"]
        assert http.delete(f"/boards/{first}").status_code == 204
        assert http.get(f"/cards/{gone}").status_code == http.get(f"/boards/{first}/cards").status_code == 404
        assert http.get(f"/cards/{stays}").status_code == http.get(f"/users/{user_id}").status_code == 200


ONE = {"type": "object", "required": ["id", "name"], "properties": {"id": INTEGER, "name": {"type": "string"}}}


def test_a_thing_may_have_its_id_inside() -> None:
    meta = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    pod = {"type": "object", "required": ["metadata"], "properties": {"metadata": meta, "image": {"type": "string"}}}
    name = {"parameters": [parameter("name", "path")]}
    paths = {
        "/pods": {"get": {"responses": answer(items_of(pod))}, "post": {"responses": answer(pod, "201"), **body(pod)}},
        "/pods/{name}": {**name, "get": {"responses": answer(pod)}, "delete": {"responses": {"204": {}}}},
    }
    with client(paths) as http:
        sample = http.get("/pods").json()["items"][0]
        assert http.get(f"/pods/{sample['metadata']['name']}").json() == sample
        sent = {"metadata": {"name": "web"}, "image": "nginx"}
        assert http.post("/pods", json=sent).json() == http.get("/pods/web").json() == sent
        assert http.post("/pods", json=sent).status_code == 409
        assert http.delete("/pods/web").status_code == 204
        assert http.get("/pods/web").status_code == 404


def items_of(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"items": {"type": "array", "items": schema}}}


def test_a_membership_goes_by_whose_it_is() -> None:
    member = {"type": "object", "required": ["user"], "properties": {"user": ONE, "role": {"type": "string"}}}
    one = {"parameters": [parameter("user_id", "path", INTEGER)], "get": {"responses": answer(member)}}
    listed = {"get": {"responses": answer({"type": "array", "items": member})}}
    with client({"/members": listed, "/members/{user_id}": one}) as http:
        first = http.get("/members").json()[0]
        assert http.get(f"/members/{first['user']['id']}").json() == first


def test_a_list_that_is_posted_to_is_paged_by_its_body() -> None:
    wanted = {"type": "object", "properties": {"limit": INTEGER, "offset": INTEGER, "name": {"type": "string"}}}
    envelope = {"type": "object", "properties": {"items": {"type": "array", "items": ref("One")}, "total": INTEGER}}
    paths = {
        "/ones/filter": {"post": {"responses": answer(envelope), **body(wanted)}},
        "/ones/{id}": {"parameters": [parameter("id", "path", INTEGER)], "get": {"responses": answer(ref("One"))}},
        "/ones": {"post": {"responses": answer(ref("One"), "201"), **body(ONE)}},
    }
    with client(paths, components={"schemas": {"One": ONE}}) as http:
        whole = http.post("/ones/filter", json={}).json()
        page = http.post("/ones/filter", json={"limit": 2, "offset": 1}).json()
        assert page["items"] == whole["items"][1:3] and page["total"] == whole["total"] == len(whole["items"])


def test_a_thing_is_made_below_another_and_with_what_was_sent() -> None:
    owner = {"parameters": [parameter("account_id", "path", INTEGER)]}
    made = {"type": "object", "required": ["id"], "properties": {**ONE["properties"], "account_id": INTEGER}}
    paths = {
        "/accounts": {"get": {"responses": answer({"type": "array", "items": ONE})}},
        "/accounts/{account_id}": {**owner, "get": {"responses": answer(ONE)}},
        "/accounts/{account_id}/ads": {**owner, "post": {"responses": answer(ref("Ad"), "201"), **body(ONE)}},
        "/ads/{id}": {"parameters": [parameter("id", "path", INTEGER)], "get": {"responses": answer(ref("Ad"))}},
    }
    with client(paths, components={"schemas": {"Ad": made}}) as http:
        account = http.get("/accounts").json()[1]
        ad = http.post(f"/accounts/{account['id']}/ads", json={"id": 7, "name": "Shoes"}).json()
        assert (ad["name"], ad["account_id"]) == ("Shoes", account["id"])
        assert http.get(f"/ads/{ad['id']}").json() == ad
        assert http.post("/accounts/999999/ads", json={"id": 8, "name": "x"}).status_code == 404


@pytest.mark.parametrize("wrapped", [True, False])
def test_several_things_may_be_made_and_listed_at_once(wrapped: bool) -> None:
    several: Any = {"type": "array", "items": ref("Tag")}
    shown = {"type": "object", "properties": {"tags": several}} if wrapped else several
    both = {"get": {"responses": answer(shown)}, "post": {"responses": answer(shown, "201"), **body(several)}}
    with client({"/tags": both}, components={"schemas": {"Tag": ONE}}) as http:
        made = http.post("/tags", json=[{"id": 901, "name": "a"}, {"id": 902, "name": "b"}]).json()
        assert (made["tags"] if wrapped else made) == [{"id": 901, "name": "a"}, {"id": 902, "name": "b"}]


def test_things_may_be_listed_by_their_ids() -> None:
    by_id = {"type": "object", "additionalProperties": ref("One")}
    one = {"parameters": [parameter("id", "path", INTEGER)], "get": {"responses": answer(ref("One"))}}
    paths = {"/ones": {"get": {"responses": answer(by_id)}}, "/ones/{id}": one}
    with client(paths, components={"schemas": {"One": ONE}}) as http:
        for id, thing in http.get("/ones").json().items():
            assert http.get(f"/ones/{id}").json() == thing and str(thing["id"]) == id


def test_an_envelope_says_what_it_has_in_the_words_that_apis_have() -> None:
    more = {"hasMore": {"type": "boolean"}, "count": INTEGER, "totalCount": INTEGER, "nextCursor": {"type": "string"}}
    envelope = {"type": "object", "properties": {"data": {"type": "array", "items": ONE}, **more}}
    query = [parameter("per_page", schema=INTEGER), parameter("cursor")]
    with client({"/ones": {"get": {"parameters": query, "responses": answer(envelope)}}}) as http:
        first = http.get("/ones?per_page=4").json()
        rest = http.get("/ones", params={"per_page": 4, "cursor": first["nextCursor"]}).json()
        counts = [(page["count"], page["totalCount"], page["hasMore"]) for page in (first, rest)]
        assert counts == [(4, 6, True), (2, 6, False)]
        assert "nextCursor" not in rest
