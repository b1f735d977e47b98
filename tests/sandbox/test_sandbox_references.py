"""What an answer shows leads on: listed items open, ids have the type of the path, references exist."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.sandbox import Sandbox
from nlapi.sandbox.validation import RawRequest
from tests.describe import body, parameter, spec
from tests.sandbox.served import answer, client
from tests.tables import table

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def listing(schema: Any, *parameters: Any) -> dict[str, Any]:
    return {"parameters": list(parameters), "responses": answer(schema)}


def reading(schema: Any, *keys: Any) -> dict[str, Any]:
    return {"parameters": list(keys), "get": {"responses": answer(schema)}}


def good(response: httpx2.Response) -> Any:
    assert response.status_code in (200, 201), response.text
    return response.json()


def test_an_item_is_opened_by_the_id_in_the_wrapper_of_its_entry() -> None:
    track = ref("Track")
    paths = {
        "/tracks": {"get": listing(thing(items=array(thing(added_at=TEXT, track=track))))},
        "/tracks/{id}": reading(thing(track=track), parameter("id", "path")),
    }
    with client(paths, components={"schemas": {"Track": thing(id=TEXT, name=TEXT)}}) as http:
        for entry in good(http.get("/tracks"))["items"]:
            assert good(http.get(f"/tracks/{entry['track']['id']}"))["track"] == entry["track"]


def test_a_list_elsewhere_shows_the_same_items() -> None:
    simple = thing(id=TEXT, name=TEXT)
    full = thing(id=TEXT, name=TEXT, text=TEXT, owner=TEXT)
    paths = {
        "/me/playlists": {"get": listing(thing(items=array(ref("SimplePlaylist"))))},
        "/playlists/{playlist_id}": {
            **reading(ref("Playlist"), parameter("playlist_id", "path")),
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
    }
    with client(paths, components={"schemas": {"SimplePlaylist": simple, "Playlist": full}}) as http:
        first, *others = good(http.get("/me/playlists"))["items"]
        assert good(http.get(f"/playlists/{first['id']}"))["name"] == first["name"]
        assert http.delete(f"/playlists/{first['id']}").status_code == 204
        assert http.get(f"/playlists/{first['id']}").status_code == 404
        assert good(http.get("/me/playlists"))["items"] == others


def test_one_thing_lives_at_both_of_its_addresses() -> None:
    fields = {"task_id": TEXT, "status": TEXT, "feed": TEXT}
    key = parameter("task_id", "path")
    paths = {
        "/task": {"get": listing(thing(tasks=array(ref("Task"))))},
        "/task/{task_id}": reading(ref("Task"), key),
        "/order_task": {
            "get": listing(thing(tasks=array(ref("OrderTask")))),
            "post": {**body(thing(feed=TEXT)), "responses": answer(ref("OrderTask"), "201")},
        },
        "/order_task/{task_id}": reading(ref("OrderTask"), key),
    }
    schemas = {"Task": thing(**fields), "OrderTask": thing(**fields, filter=TEXT)}
    with client(paths, components={"schemas": schemas}) as http:
        id = good(http.post("/order_task", json={"feed": "orders"}))["task_id"]
        assert good(http.get(f"/task/{id}"))["feed"] == good(http.get(f"/order_task/{id}"))["feed"] == "orders"
        listed = good(http.get("/task"))["tasks"][0]["task_id"]
        assert good(http.get(f"/order_task/{listed}"))["task_id"] == listed


@table("entry", [{}, thing(), thing(id=TEXT, name=TEXT)])
def test_ids_have_the_type_that_the_paths_want(entry: Any) -> None:
    """Billbee has untyped orders with whole numbers in their paths; GitLab a text, but a number in the paths below."""
    key = parameter("order_id", "path", NUMBER)
    paths = {
        "/orders": {
            "get": listing(thing(data=array(entry))),
            "post": {**body(thing(note=TEXT)), "responses": answer(entry)},
        },
        "/orders/{order_id}": {"parameters": [parameter("order_id", "path", {})], "get": {"responses": answer(entry)}},
        "/orders/{order_id}/notes": {"parameters": [key], "get": listing(array(thing(text=TEXT)))},
    }
    with client(paths) as http:
        made = good(http.post("/orders", json={"note": "now"}))
        listed = [one["id"] for one in good(http.get("/orders"))["data"] if isinstance(one, dict) and "id" in one]
        for id in [made["id"], *listed]:
            good(http.get(f"/orders/{id}"))
            good(http.get(f"/orders/{id}/notes"))


def test_a_reference_in_an_answer_can_be_opened() -> None:
    compact = thing(gid=TEXT, name=TEXT)
    job = thing(status=TEXT, new_project=ref("ProjectCompact"), assignee_id=NUMBER)
    paths = {
        "/projects": {"get": listing(thing(data=array(ref("ProjectCompact"))))},
        "/projects/{project_gid}": reading(thing(data=ref("Project")), parameter("project_gid", "path")),
        "/projects/{project_gid}/duplicate": {
            "parameters": [parameter("project_gid", "path")],
            "post": {"responses": answer(thing(data=job), "201")},
        },
        "/assignees": {"get": listing(array(ref("Assignee")))},
        "/assignees/{id}": reading(ref("Assignee"), parameter("id", "path", NUMBER)),
    }
    schemas = {"ProjectCompact": compact, "Project": thing(gid=TEXT, name=TEXT, notes=TEXT)}
    with client(paths, components={"schemas": {**schemas, "Assignee": thing(id=NUMBER, name=TEXT)}}) as http:
        project = good(http.get("/projects"))["data"][0]["gid"]
        made = good(http.post(f"/projects/{project}/duplicate"))["data"]
        shown = made["new_project"]
        assert good(http.get(f"/projects/{shown['gid']}"))["data"]["name"] == shown["name"]
        assert good(http.get(f"/assignees/{made['assignee_id']}"))["id"] == made["assignee_id"]
        assert http.get("/projects/nobody_showed_this").status_code == 404


def test_an_item_has_an_address_by_another_of_its_fields() -> None:
    paths = {
        "/customers": {"get": listing(array(ref("Customer")))},
        "/customers/{id}": reading(ref("Customer"), parameter("id", "path", NUMBER)),
        "/customers/email/{email}": reading(ref("Customer"), parameter("email", "path")),
        "/customers/{customer_number}": reading(ref("Customer"), parameter("customer_number", "path")),
    }
    customer = thing(id=NUMBER, email=TEXT, customer_number=TEXT)
    with client(paths, components={"schemas": {"Customer": customer}}) as http:
        for one in good(http.get("/customers")):
            for address in (one["id"], f"email/{one['email']}", one["customer_number"]):
                assert good(http.get(f"/customers/{address}")) == one
        assert http.get("/customers/email/nobody@example.org").status_code == 404


@table(
    "responses",
    [
        {"201": {"description": "made"}},
        answer({}, "201"),
        answer({"type": "object"}),
        answer(thing(ok={"type": "boolean"})),
        answer(TEXT),
    ],
)
def test_a_thin_answer_of_a_creation_has_the_id_of_the_new_item(responses: Any) -> None:
    board = thing(id=TEXT, name=TEXT)
    key = parameter("board_id", "path")
    paths = {
        "/boards": {"get": listing(array(board)), "post": {**body(thing(name=TEXT)), "responses": responses}},
        "/boards/{board_id}": {
            **reading(board, key),
            "patch": {**body(thing(name=TEXT)), "responses": answer(board)},
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
    }
    with client(paths) as http:
        made = http.post("/boards", json={"name": "Autumn"})
        data = good(made)
        id = data["id"] if isinstance(data, dict) else data
        address = f"/boards/{id}"
        assert made.headers["location"] == address
        assert good(http.get(address)) == {"id": id, "name": "Autumn"}
        assert {"id": id, "name": "Autumn"} in good(http.get("/boards"))
        assert good(http.patch(address, json={"name": "Winter"}))["name"] == "Winter"
        assert http.delete(address).status_code == 204
        assert http.get(address).status_code == 404


def test_an_id_is_the_same_as_a_number_and_as_a_text() -> None:
    """GoToWebinar creates a webinar with a text in the answer, and takes a number in its path."""
    paths = {
        "/webinars": {
            "get": listing(array(thing(webinar_key=NUMBER, subject=TEXT))),
            "post": {**body(thing(subject=TEXT)), "responses": answer(thing(webinar_key=TEXT), "201")},
        },
        "/webinars/{webinar_key}": reading(thing(webinar_key=NUMBER), parameter("webinar_key", "path", NUMBER)),
    }
    with client(paths) as http:
        made = good(http.post("/webinars", json={"subject": "x"}))["webinar_key"]
        assert isinstance(made, str)
        assert good(http.get(f"/webinars/{made}"))["webinar_key"] == int(made)


def test_an_item_is_removed_although_its_fields_have_addresses_too() -> None:
    hook = thing(id=TEXT, url=TEXT)
    key = parameter("hook_id", "path")
    paths = {
        "/hooks": {"get": listing(array(hook))},
        "/hooks/{hook_id}": {**reading(hook, key), "delete": {"responses": {"204": {"description": "gone"}}}},
        "/hooks/{hook_id}/{field}": reading(thing(value=TEXT), key, parameter("field", "path")),
    }
    with client(paths) as http:
        first, *others = good(http.get("/hooks"))
        assert http.delete(f"/hooks/{first['id']}").status_code == 204
        assert http.get(f"/hooks/{first['id']}").status_code == 404
        assert good(http.get("/hooks")) == others


def test_a_required_filter_hides_no_samples_but_those_of_others() -> None:
    """Asana lists portfolios of a `workspace`, whatever that is; what a client made in one workspace is in no other."""
    portfolio = thing(gid=TEXT, name=TEXT, workspace=TEXT)
    paths = {
        "/portfolios": {
            "get": listing(array(portfolio), parameter("workspace", required=True), parameter("name")),
            "post": {**body(thing(name=TEXT, workspace=TEXT)), "responses": answer(portfolio, "201")},
        }
    }
    with client(paths) as http:
        assert good(http.get("/portfolios?workspace=123"))
        assert good(http.get("/portfolios?workspace=123&name=no%20such%20name")) == []
        made = good(http.post("/portfolios", json={"name": "Autumn", "workspace": "7"}))
        assert made not in good(http.get("/portfolios?workspace=123"))
        assert good(http.get("/portfolios?workspace=7")) == [made]


def test_a_list_below_a_sample_is_not_empty_and_one_below_a_new_item_is() -> None:
    tag = thing(id=TEXT, name=TEXT)
    task = thing(id=TEXT, name=TEXT)
    key = parameter("task_id", "path")
    paths = {
        "/tasks": {"get": listing(array(task)), "post": {**body(thing(name=TEXT)), "responses": answer(task, "201")}},
        "/tasks/{task_id}": reading(task, key),
        "/tags": {"get": listing(array(ref("Tag")))},
        "/tags/{tag_id}": reading(ref("Tag"), parameter("tag_id", "path")),
        "/tasks/{task_id}/tags": {"parameters": [key], "get": listing(array(ref("Tag")))},
    }
    with client(paths, components={"schemas": {"Tag": tag}}) as http:
        for one in good(http.get("/tasks")):
            for shown in good(http.get(f"/tasks/{one['id']}/tags"))[:2] or pytest.fail("empty"):
                assert good(http.get(f"/tags/{shown['id']}")) == shown
        made = good(http.post("/tasks", json={"name": "New"}))
        assert good(http.get(f"/tasks/{made['id']}/tags")) == []


def test_ids_that_are_used_up_make_room() -> None:
    """GitLab's tags took their ids from a closed choice: a new one takes the place of a sample, once."""
    role = thing(name={"enum": ["admin", "user"]}, text=TEXT)
    paths = {
        "/roles": {"get": listing(array(role)), "post": {**body(thing(text=TEXT)), "responses": answer(role, "201")}},
        "/roles/{name}": reading(role, parameter("name", "path")),
    }
    with client(paths) as http:
        assert len(good(http.get("/roles"))) == 2
        made = [good(http.post("/roles", json={"text": text}))["name"] for text in ("a", "b")]
        assert sorted(made) == ["admin", "user"]
        assert http.post("/roles", json={"text": "c"}).status_code == 409


IDS = st.sampled_from(
    [NUMBER, TEXT, {}, {"type": "string", "format": "uuid"}, {"type": "string", "pattern": "^[a-z]{3}-[0-9]{4}$"}]
)
NAMES = st.sampled_from(["id", "widget_id", "widgetId", "uuid", "key"])


@given(IDS, IDS, NAMES, st.sampled_from(["id", "widget_id"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_listed_item_opens(shown: Any, taken: Any, field: str, key: str, wrapped: bool) -> None:
    if shown != taken and {} not in (shown, taken) and TEXT not in (shown, taken):
        return  # no id is both a number and a UUID
    item = {**thing(**{field: shown, "name": TEXT}), "required": [field]}
    entries = thing(widgets=array(thing(widget=item) if wrapped else item))
    paths = {
        "/widgets": {"get": listing(entries)},
        f"/widgets/{{{key}}}": reading(item, parameter(key, "path", taken)),
    }
    with Sandbox(spec(paths)) as sandbox:
        listed = read(sandbox, "/widgets")["widgets"]
        assert listed
        for entry in listed:
            one = entry["widget"] if wrapped else entry
            assert read(sandbox, f"/widgets/{one[field]}") == one


def read(sandbox: Sandbox, path: str) -> Any:
    request = RawRequest(method="GET", path=path, query="", headers={}, content=b"")
    return json.loads(sandbox.respond(request).content)


MADE = {"description": "made"}


@table(
    ("responses", "status"),
    [
        ({"202": MADE}, 202),
        # Generators write 201 beside each 200.
        ({**answer(thing(id=TEXT, name=TEXT)), "201": MADE}, 200),
        ({"200": MADE, "201": MADE}, 201),
    ],
)
def test_a_creation_answers_with_the_status_that_is_described(responses: Any, status: int) -> None:
    board = thing(id=TEXT, name=TEXT)
    paths = {
        "/boards": {"get": listing(array(board)), "post": {**body(thing(name=TEXT)), "responses": responses}},
        "/boards/{board_id}": reading(board, parameter("board_id", "path")),
    }
    with client(paths) as http:
        assert http.post("/boards", json={"name": "Autumn"}).status_code == status


def test_samples_are_the_same_whether_they_are_listed_or_something_is_created_first() -> None:
    board = thing(id=TEXT, name=TEXT)
    paths = {
        "/teams/{team}/boards": {
            "parameters": [parameter("team", "path")],
            "get": listing(array(board)),
            "post": {**body(thing(name=TEXT)), "responses": answer(board, "201")},
        },
    }
    with client(paths) as http:
        samples = good(http.get("/teams/1/boards"))
    with client(paths) as http:
        made = good(http.post("/teams/1/boards", json={"name": "Autumn"}))
        assert good(http.get("/teams/1/boards")) == [*samples, made]


@pytest.mark.parametrize("named", ["createQuotes", "addOrReplaceQuotes"])
def test_a_put_to_a_list_that_creates_leaves_the_others_as_they_are(named: str) -> None:
    quotes = thing(Quotes=array(ref("Quote")))
    put = {"operationId": named, **body(ref("Quotes")), "responses": answer(ref("Quotes"))}
    paths = {
        "/quotes": {"get": listing(ref("Quotes")), "put": put},
        "/quotes/{QuoteID}": reading(ref("Quotes"), parameter("QuoteID", "path")),
    }
    schemas = {"Quote": thing(QuoteID={"type": "string", "format": "uuid"}, Title=TEXT), "Quotes": quotes}
    with client(paths, components={"schemas": schemas}) as http:
        if named == "createQuotes":
            made = good(http.put("/quotes", json={"Quotes": [{"Title": "New"}]}))["Quotes"][0]
            assert good(http.get(f"/quotes/{made['QuoteID']}"))["Quotes"][0]["Title"] == "New"
        else:
            http.put("/quotes", json={"Quotes": [{"Title": "New"}]})
        for quote in good(http.get("/quotes"))["Quotes"]:
            assert http.get(f"/quotes/{quote['QuoteID']}").status_code == 200
