"""The console of this machine: who may see it, and that a change is sent once, as it was shown."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from nlapi.local_sockets import bind, open_connection
from nlapi.mcp.terminal_questions import SUFFIX, questions_folder
from nlapi.registry import log_folder
from tests.cli.kit import command, dialogue, run
from tests.console.kit import Browser, console
from tests.servers import Echo, Received, Reply

SECRET = "shop-secret-7f3a91"
MARKUP = '<script>alert("x")</script>\u202eevil'


class Shop(Echo):
    """An API with one item, whose name is `name`."""

    def __init__(self) -> None:
        super().__init__(self._answer_request)
        self.name = "Blue Vase"
        self.down = False

    def _answer_request(self, request: Received) -> Reply:
        if request.method != "GET":
            if self.down:
                return Reply(422, {"error": "the shop is closed"})
            if request.method == "DELETE":
                return Reply(204)
            self.name = request.json()["name"]
        item = {"id": "item_7h2k9q4m", "name": self.name}
        return Reply(200, {"items": [item]} if request.path == "/items" else item)


ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
ONE = {"name": "item_id", "in": "path", "required": True, "schema": {"type": "string"}}


def _answer(schema: object) -> dict[str, object]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "security": [{"token": []}],
    "paths": {
        "/items": {
            "get": {
                "operationId": "listItems",
                "summary": "List the items",
                "responses": _answer({"type": "object", "properties": {"items": {"type": "array", "items": ITEM}}}),
            }
        },
        "/items/{item_id}": {
            "get": {
                "operationId": "getItem",
                "summary": "Get an item",
                "parameters": [ONE],
                "responses": _answer(ITEM),
            },
            "patch": {
                "operationId": "updateItem",
                "summary": "Update an item",
                "parameters": [ONE],
                "requestBody": {"content": {"application/json": {"schema": ITEM}}},
                "responses": _answer(ITEM),
            },
            "delete": {
                "operationId": "deleteItem",
                "summary": "Delete an item",
                "parameters": [ONE],
                "responses": {"204": {"description": "gone"}},
            },
        },
    },
}
RENAME = "rename item item_7h2k9q4m to Red Vase"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The shop, registered with a credential."""
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    (tmp_path / "shop.json").write_text(json.dumps(DESCRIPTION))
    with Shop() as api:
        source = str(tmp_path / "shop.json")
        added = run("api", "add", "shop", source, "--base-url", api.url, "--auth", "token=env:SHOP_TOKEN")
        assert added.code == 0, added.err
        api.received.clear()
        yield api


def plan(browser: Browser, sentence: str) -> str:
    key = browser.get("/").partition('name="key" value="')[2].partition('"')[0]
    return browser.post("/plan", {"key": key, "api": "shop", "q": sentence})


def test_only_the_browser_with_the_code_sees_anything() -> None:
    with console() as served:
        stranger = served.browser()
        assert "Pair this browser" in stranger.get("/")
        assert [(stranger.get(path), stranger.status)[1] for path in ("/log", "/waiting")] == [200, 200]
        assert "Log" not in stranger.text
        stranger.post("/ask", {"q": "list"})
        assert stranger.status == 401
        for _ in range(2):
            assert "not the code" in stranger.post("/sign-in", {"code": "x"})
        paired = served.paired()
        assert "What do you want?" in paired.text
        # The code is used up, and its cookie is one that no script and no other site gets.
        assert "pairs no further" in stranger.post("/sign-in", {"code": served.code})
        foreign = {"/": {"host": "127.0.0.1"}, "/log": {"host": f"evil.example:{served.port}"}}
        for path, headers in foreign.items():
            paired.get(path, **headers)
            assert paired.status == 421
        paired.post("/ask", {"q": "x"}, origin="http://evil.example")
        assert paired.status == 403
        paired.post("/ask", {"q": "x", "key": "wrong"})
        assert paired.status == 403
        paired.get("/")
        assert "default-src 'none'; script-src 'self'" in paired.policy


def test_a_server_that_is_stopped_holds_up_no_page() -> None:
    questions_folder().mkdir(parents=True)
    stopped = bind(questions_folder(), f"1-0badcafe{SUFFIX}")
    with stopped, console() as served, ExitStack() as stack:
        with suppress(OSError):  # until its queue is full, and a further caller would wait
            for _ in range(200):
                stack.enter_context(open_connection(questions_folder(), f"1-0badcafe{SUFFIX}", 0.01))
        browser = served.paired()
        assert "What do you want?" in browser.text
        assert "Nothing waits" in browser.get("/waiting")


def test_five_wrong_codes_end_pairing() -> None:
    with console() as served:
        browser = served.browser()
        for _ in range(5):
            browser.post("/sign-in", {"code": "wrong"})
        assert "pairs no further" in browser.post("/sign-in", {"code": served.code})
        assert browser.cookies == {}


def test_a_read_is_planned_without_a_request_and_sent_by_a_button(shop: Shop) -> None:
    with console() as served:
        shop.name = MARKUP
        browser = served.paired()
        assert "listItems" in plan(browser, "list the items")
        assert shop.received == []
        browser.press("Send")
        assert [request.path for request in shop.received] == ["/items"]
        assert "<script>alert" not in browser.text
        assert html.escape("<script>") in browser.text
        assert SECRET not in browser.text
        browser.again()
        assert len(shop.received) == 1


def test_a_change_is_reviewed_with_what_it_changes_and_sent_once(shop: Shop) -> None:
    with console() as served:
        browser = served.paired()
        plan(browser, RENAME)
        assert '<span class="a">item_7h2k9q4m</span>' in browser.text
        review = browser.press("Review and send…")
        assert shop.changes == []
        assert "Blue Vase" in review
        assert "(1) Review 1 change" in review
        assert SECRET not in review
        assert RENAME in browser.get("/waiting")
        browser.text = review
        browser.press("Send it")
        browser.again()
        assert [request.json() for request in shop.changes] == [{"name": "Red Vase"}]
        assert "updateItem" in browser.text
        receipt = json.loads(run("log", "consents", "-o", "json").out)[0]
        assert (receipt["face"], receipt["rung"], receipt["answer"]) == ("console", "page", "agreed")
        assert receipt["calls"][0]["digest"] in review


def test_a_change_of_every_item_is_one_review(shop: Shop) -> None:
    with console() as served:
        browser = served.paired()
        assert "then Delete an item for all items" in plan(browser, "delete all items")
        review = browser.press("Review and send…")
        assert (shop.changes, "DELETE" in review, "“Blue Vase”" in review) == ([], True, True)
        browser.press("Send it")
        assert [(request.method, request.path) for request in shop.changes] == [("DELETE", "/items/item_7h2k9q4m")]


def test_what_became_another_one_while_it_was_reviewed_is_not_deleted(shop: Shop) -> None:
    with console() as served:
        browser = served.paired()
        plan(browser, "delete item item_7h2k9q4m")
        assert "Blue Vase" in browser.press("Review and send…")
        shop.name = "Green Vase"
        assert "changed since you were shown it" in browser.press("Send it")
        assert "Green Vase" in browser.text
        assert shop.changes == []
        browser.press("Send it")
        assert [request.method for request in shop.changes] == ["DELETE"]


def test_a_change_whose_answer_is_not_recorded_stands_in_the_log_as_such(shop: Shop) -> None:
    with console() as served:
        browser = served.paired()
        plan(browser, RENAME)
        browser.press("Review and send…")
        browser.press("Send it")
        (transcript,) = log_folder().glob("*.jsonl")
        assert "is recorded: it may" not in run("log", "show", "last", "-o", "text").out
        lines = transcript.read_text().splitlines(keepends=True)
        events = [json.loads(line)["event"] for line in lines]
        agreed = events.index("consent")
        transcript.write_text("".join(lines[: agreed + 1]))  # as a kill between yes and answer leaves it
        shown = run("log", "show", "last", "-o", "text").out
        assert f"no answer to PATCH {shop.url}/items/item_7h2k9q4m is recorded: it may have been carried out" in shown
        assert "is recorded: it may have been carried out" in browser.get(f"/log/{transcript.stem}")
        # In another conversation it is still the same change.
        plan(browser, RENAME)
        assert "UTC, and no answer to it is recorded" in browser.press("Review and send…")
        refused = run("ask", RENAME, "-a", "shop", "--yes")
        assert (refused.code, len(shop.changes)) == (6, 1)
        assert "no answer to it is recorded" in refused.err
        browser.press("Send it")
        assert len(shop.changes) == 2
        assert run("ask", RENAME, "-a", "shop", "--yes").code == 0, "its answer is recorded now"
        transcript.write_text("".join(lines[:agreed]))  # nobody had said yes
        assert "is recorded: it may" not in run("log", "show", "last", "-o", "text").out


def test_without_a_yes_or_after_a_change_in_between_nothing_is_sent(shop: Shop) -> None:
    with console() as served:
        browser = served.paired()
        plan(browser, RENAME)
        browser.press("Review and send…")
        browser.press("Do not send", why="not today")
        assert "not today" in browser.text
        assert '<span class="state rolled_back">not done</span>' in browser.text
        plan(browser, RENAME)
        browser.press("Review and send…")
        shop.name = "Green Vase"
        shown = browser.press("Send it")
        assert shop.changes == []
        assert "changed since you were shown it" in shown
        assert "Green Vase" in shown
        browser.press("Send it")
        assert len(shop.changes) == 1


def test_the_log_finds_failures_and_sends_the_rows_of_a_batch_again(shop: Shop, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("item_id,name\nitem_1,One\nitem_2,Two\n")
    shop.down = True
    assert run("batch", "shop", str(rows), "updateItem", "--yes").code == 1
    shop.down = False
    shop.received.clear()
    with console() as served:
        browser = served.paired()
        page = browser.get("/log?order=failed&q=rows.csv")
        link = page.partition('href="/log/')[2].partition('"')[0]
        assert "the shop is closed" in browser.get(f"/log/{link}")
        browser.press("Send these 2 rows again…")
        assert shop.changes == []
        browser.press("Send all 2")
        browser.again()
        assert [request.json()["name"] for request in shop.changes] == ["One", "Two"]
        assert "2 rows done" in browser.get(f"/log/{link}")
        assert "No model was asked" in browser.get("/costs?since=7d")
    # The command goes on after what the page has sent.
    assert "2 done before" in run("batch", "shop", str(rows), "updateItem", "--yes").err


def test_only_a_person_in_a_terminal_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("console", "--no-browser").code == 6
    monkeypatch.setenv("CLAUDECODE", "1")
    with dialogue("console", "--no-browser") as talk:
        talk.expect("a client with a model started this terminal")
        assert talk.end() == 6
