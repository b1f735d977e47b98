"""The pages of a gateway on a real server: sign-in, reviewed changes, what was decided then, and markup in names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nlapi.console.gateway.api import GatewayRefusal
from nlapi.console.gateway.changes import current_share
from nlapi.console.web import PageAnswer, PageApp, PageRequest
from nlapi.gateway.store.spending import SpendingKey, SpendingSum
from nlapi.serving import Message
from tests.console.browser import Browser, Page
from tests.gateway.kit import Talk, gateway

V8 = {"objective": "continue-watching", "model": "ranker", "version": "v8"}
MARKUP = '<img src=x onerror=alert(1)>"\u202e'


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with gateway(tmp_path, has_pages=True) as running:
        yield running


def signed_in(talk: Talk, name: str = "operator") -> tuple[Browser, Page]:
    browser = Browser(talk.port)
    return browser, browser.open("/console/sign-in", {"token": talk.tokens[name]})


def test_a_token_signs_in_and_stands_in_no_page(talk: Talk) -> None:
    browser = Browser(talk.port)
    page = browser.open("/console")
    assert (page.path, page.status) == ("/console/sign-in", 200)
    assert "script" in page.headers["content-security-policy"]
    wrong = browser.open("/console/sign-in", {"token": "nlg_" + "x" * 40})
    assert wrong.status == 401
    assert "the token is not known" in wrong.text
    assert not browser.cookie
    client = browser.open("/console/sign-in", {"token": talk.tokens["web"]})
    assert client.status == 403
    assert "needs a token of the admin audience" in client.text
    answer = browser.open("/console/sign-in", {"token": talk.tokens["operator"]}, follow=False)
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith("; Path=/console; HttpOnly; SameSite=Strict")
    page = browser.open("/console/")
    assert "operator (operator)" in page.text
    assert talk.tokens["operator"] not in page.content
    assert browser.press(page, "Sign out").path == "/console/sign-in"
    assert browser.open("/console/").path == "/console/sign-in"
    assert (
        Browser(talk.port, cookie.partition(";")[0].replace("nlg_", "nlg-")).open("/console/").path.endswith("sign-in")
    )
    assert talk.ok("GET", "/v1/objectives")["page"]["total"] == 3, "the API is where it was"
    assert {row["outcome"] for row in talk.ok("GET", "/v1/audit", outcome="denied")["data"]} == {"denied"}


def test_forms_of_others_are_refused(talk: Talk) -> None:
    browser, _ = signed_in(talk)
    talk.ok("POST", "/v1/canaries", V8)
    review = browser.open("/console/change/rollback?canary=ranker-v8")
    form = review.form("Send it")
    sent = {**form.values, "answer": "yes"}
    refusals = [
        browser.open(form.action, {**sent, "key": "0" * 64}, follow=False),
        browser.open(form.action, sent, {"Origin": "http://evil.example"}, follow=False),
        browser.open(form.action, sent, {"Host": "evil.example", "Origin": "http://evil.example"}, follow=False),
        Browser(talk.port).open(form.action, sent, follow=False),
        browser.open("/console/sign-out", {}, follow=False),
    ]
    assert [page.status for page in refusals] == [403, 403, 421, 401, 403]
    assert browser.open("/console/sign-in", {f"f{n}": "" for n in range(1500)}).status == 413
    others = 'x=a b; prefs={"a":1}; k="abc; a'
    assert browser.open("/console/", None, {"Cookie": f"{others}; {browser.cookie}; {others}"}).status == 200
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["state"] == "running"


def test_a_bad_canary_is_rolled_back_and_the_rollback_undone(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", {**V8, "percent": 20}, why="v8 is better offline")
    browser, page = signed_in(talk)
    assert "v8 is better offline" in page.text
    review = browser.press(page, "Roll back…")
    assert 'POST /v1/canaries/ranker-v8/rollback if-match: "2"' in review.text
    assert "share of ranker@v8 20 % 0 %" in review.text
    review = browser.press(review, "Send it", why="p99 is up")
    assert "Nothing was sent yet: your reason is now a part of the request" in review.text
    assert "rollback?why=p99+is+up" in review.text
    assert "Nothing was sent" in browser.press(review, "Do not send").text
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["state"] == "running"
    done = browser.press(review, "Send it")
    assert "Done: Roll canary ranker-v8 back revision 3" in done.text
    newest = talk.ok("GET", "/v1/revisions")["data"][0]
    assert (newest["who"], newest["why"]) == ("operator", "p99 is up")
    again = browser.press(review, "Send it")
    assert again.text == done.text, "a second click sends nothing"
    undo = browser.press(done, "Undo: go back to 2…")
    assert "canaries.ranker-v8.state rolled_back running" in undo.text
    assert "Done: Go back to revision 2 revision 4" in browser.press(undo, "Send it").text
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["state"] == "running"
    assert talk.ok("GET", "/v1/revisions")["data"][0]["restores"] == 2


def test_every_change_is_what_its_page_says(talk: Talk) -> None:
    browser, _ = signed_in(talk)
    page = browser.open("/console/objectives/continue-watching")
    start = {"version": "v8", "percent": "20", "steps": "20 50", "hold": "1", "error_percent": "2", "p99_ratio": "1.5"}
    wanted = [
        ("start", {"objective": "continue-watching", **start}, "percent", 20),
        ("ramp", {"canary": "ranker-v8", "percent": "50"}, "percent", 50),
        ("pause", {"canary": "ranker-v8"}, "state", "paused"),
        ("resume", {"canary": "ranker-v8"}, "state", "running"),
    ]
    for action, values, field, value in wanted:
        query = "&".join(f"{name}={text.replace(' ', '+')}" for name, text in values.items())
        done = browser.press(browser.open(f"/console/change/{action}?{query}"), "Send it")
        assert done.text.startswith("Done"), done.text
        assert talk.ok("GET", "/v1/canaries/ranker-v8")[field] == value, action
    by_steps, by_guards, by_hand = "It moves by its steps", "It rolls itself back", "It stays at its share until"
    courses = {"steps=20": [by_steps], "error_percent=2": [by_guards], "steps=20&p99_ratio=2": [by_steps, by_guards]}
    for more, course in {**courses, "": [by_hand]}.items():
        path = f"/console/change/start?objective=continue-watching&version=v8&percent=20&{more}"
        text = browser.open(path).text
        assert [words for words in (by_steps, by_guards, by_hand) if words in text] == course, more
    canary = talk.ok("GET", "/v1/canaries/ranker-v8")
    assert canary["steps"] == [{"percent": 20, "bake_seconds": 60}, {"percent": 50, "bake_seconds": 60}]
    assert [guard["metric"] for guard in canary["guards"]] == ["error_rate", "p99_ms"]
    assert [current_share(canary | {"state": state}) for state in ("done", "rolled_back")] == [50, 0]
    done = browser.press(browser.open("/console/change/promote?canary=ranker-v8"), "Send it")
    assert talk.ok("GET", "/v1/objectives/continue-watching")["version"] == "v8", done.text
    talk.ok("PATCH", "/v1/clients/web/limits", {"requests_per_second": 5})
    page = browser.open("/console/objectives/continue-watching")
    undo = browser.press(page, "Undo its last change…")
    assert "objectives.continue-watching.version v8 v7" in undo.text
    assert "Done" in browser.press(undo, "Send it").text
    assert talk.ok("GET", "/v1/objectives/continue-watching")["version"] == "v7"
    assert talk.ok("GET", "/v1/clients/web")["requests_per_second"] == 5
    preset = browser.open("/console/change/ramp?canary=ranker-v8&percent=5&digest=d&review=r&key=k&shown_why=w")
    assert {"d", "r", "k", "w"}.isdisjoint(preset.form("Send it").values.values()), "a link answers nothing before"
    assert "percent is not a number" in browser.open("/console/change/ramp?canary=ranker-v8&percent=x").text
    assert browser.open("/console/change/nothing").status == 404


def test_nothing_is_sent_when_it_has_changed_since_and_nothing_twice(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", {**V8, "percent": 20})
    browser, page = signed_in(talk)
    review = browser.press(page, "Ramp…", percent="60")
    talk.ok("POST", "/v1/canaries/ranker-v8/ramp", {"percent": 30})
    stale = browser.press(review, "Send it")
    assert stale.status == 409
    assert "has changed since you looked" in stale.text
    assert "share of ranker@v8 30 % 60 %" in stale.text
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["percent"] == 30
    with ThreadPoolExecutor(4) as pool:
        clicks = list(pool.map(lambda _: browser.press(stale, "Send it").text, range(4)))
    assert len(set(clicks)) == 1
    assert "Done" in clicks[0]
    assert talk.ok("GET", "/v1/revisions")["data"][0]["revision"] == 4


def test_a_viewer_looks_and_changes_nothing(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", {**V8, "base_model": "ranker", "base_version": "v9"})
    browser, page = signed_in(talk, "viewer")
    assert "viewer (viewer)" in page.text
    assert [button for form in page.forms for button in form.buttons] == ["Sign out"]
    review = browser.open("/console/change/rollback?canary=ranker-v8")
    assert "may look, and change nothing" in review.text
    promote = browser.open("/console/change/promote?canary=ranker-v8").text
    assert "ranker@v9 in rules ranker@v9 ranker@v8" in promote, "the default is another version, and stays"
    other = signed_in(talk)[0].open("/console/change/rollback?canary=ranker-v8").form("Send it").values
    form = {**other, "key": page.form("Sign out").values["key"], "answer": "yes"}
    refused = browser.open("/console/change/rollback", form)
    assert "Not done" in refused.text
    assert "needs the role operator" in refused.text
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["state"] == "running"


def test_a_decision_has_the_reasons_of_then(talk: Talk) -> None:
    ask = {"input": {"titles": []}, "context": {"user": "u1", "country": "BR"}}
    talk.ok("POST", "/v1/rules", {"name": "brazil", **V8, "when": {"country": ["BR"]}})
    served = talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", ask)
    talk.ok("DELETE", "/v1/rules/brazil")
    browser, _ = signed_in(talk)
    listed = browser.open("/console/decisions?user=u1&objective=continue-watching")
    assert "ranker@v8 u1, BR" in listed.text
    assert "No decision fits" in browser.open("/console/decisions?user=u2").text
    page = browser.open(f"/console/decisions?request_id={served['request_id']}")
    assert "Why ranker@v8 ?" in page.text
    assert "decided" in page.text
    assert "rule brazil" in page.text
    assert "Revision 2 decided; 1 came since" in page.text
    assert "Now it would be ranker@v7" in page.text
    assert browser.open("/console/decisions/none").status == 404


def test_no_page_has_markup_of_a_value_or_fails(talk: Talk) -> None:
    talk.ok(
        "PATCH", "/v1/objectives/payment-fraud", {"title": MARKUP, "description": MARKUP, "owner": MARKUP}, why=MARKUP
    )
    talk.ok("POST", "/v1/canaries", V8, why=MARKUP)
    ask = {"input": {}, "context": {"user": MARKUP}}
    served = talk.as_("web").ok("POST", "/v1/objectives/payment-fraud/serve", ask)
    browser, _ = signed_in(talk)
    paths = (
        "/", "/?minutes=60&name=fraud", "/objectives/payment-fraud", "/decisions", f"/decisions/{served['request_id']}",
        "/revisions", "/revisions/1", "/revisions/2", "/revisions/3?from=1", "/spend", "/shards", "/audit",
        "/spend?by=user", "/change/restore?revision=1&why=%3Cb%3E", "/change/undo?objective=payment-fraud",
        "/change/start?objective=payment-fraud&version=v2&percent=10",
    )  # fmt: skip
    for path in paths:
        page = browser.open(f"/console{path}")
        assert page.status == 200, (path, page.text)
        assert "<img" not in page.content, path
        assert "<b>" not in page.content, path
    assert "<bdi>&lt;img" in browser.open("/console/").content
    assert browser.open("/console/objectives/none").status == 404
    assert browser.open("/console/nowhere").status == 404


def test_what_a_week_cost_stands_on_a_page(talk: Talk) -> None:
    assert talk.app is not None
    day = datetime.now(UTC).date()
    took = SpendingSum(answers=1200, input_tokens=40_000, output_tokens=900, dollars=1.25)
    keys = [SpendingKey(str(day - timedelta(days=ago)), "chat", "writer", "v1", client)
            for ago in (0, 6, 7) for client in ("web", "")]  # fmt: skip
    talk.app.store.spending.add_days(dict.fromkeys(keys, took))
    browser, _ = signed_in(talk)
    page = browser.open("/console/spend")
    assert "$5.0000" in page.text
    assert "4,800 answers" in page.text
    assert [f"{day - timedelta(days=ago)}" in page.text for ago in (0, 7)] == [True, False]
    assert "writer@v1" in browser.open(f"/console/spend?by=version&since={day - timedelta(days=7)}").text
    assert "—" in browser.open("/console/spend?by=client").text
    assert browser.open("/console/spend?since=banana").status == 422


class FailingSignIn:
    """Tells who asks whether the request came over TLS, and fails at every other page."""

    cookie = "c"

    async def session(self, request: PageRequest) -> object:
        if request.path != "/sign-in":
            raise GatewayRefusal(503, "the store is busy")
        return None

    async def answer(self, request: PageRequest) -> PageAnswer:
        return PageAnswer(content=b"tls" if request.is_secure else b"plain")


@pytest.mark.parametrize(
    ("method", "path", "origin", "status", "text"),
    [
        ("POST", "/sign-in", "https://gw.example", 200, "tls"),
        ("POST", "/sign-in", "http://gw.example", 200, "plain"),
        ("GET", "/", "http://gw.example", 503, "the store is busy"),
    ],
)
def test_a_proxy_may_end_tls_and_a_failing_session_is_no_crash(
    method: str, path: str, origin: str, status: int, text: str
) -> None:
    headers = [(b"host", b"gw.example"), (b"origin", origin.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(PageApp({}, FailingSignIn(), hosts=["gw.example"])(scope, receive, send))
    assert sent[0]["status"] == status
    assert text in sent[1]["body"].decode()
