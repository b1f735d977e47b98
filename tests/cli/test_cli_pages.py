"""Follows lists to their end over a real server: every way to say where the next page is, and what leads astray."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.cli.kit import run
from tests.servers import Echo, Received, Reply

PAGES = 4
SIZE = 2


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a server says where the next page is. `query` are the parameters that are described."""

    query: Mapping[str, str]
    envelope: Callable[[int, str], Mapping[str, Any]] = lambda page, url: {}
    headers: Callable[[int, str], Mapping[str, str]] = lambda page, url: {}
    key: str = "page"
    start: str = "1"
    extra: Mapping[str, Any] = field(default_factory=dict)


def _total(page: int, url: str) -> dict[str, str]:
    first = (page - 1) * SIZE
    return {"Content-Range": f"items {first}-{first + SIZE - 1}/{PAGES * SIZE}"}


STYLES = {
    "Link": Style(query={"page": "integer"}, headers=lambda page, url: {"Link": f'<{url}?page={page}>; rel="next"'}),
    "Link, not described": Style(query={}, headers=lambda page, url: {"Link": f'<{url}?page={page}>; rel="next"'}),
    "X-Next-Page": Style(query={"page": "integer"}, headers=lambda page, url: {"X-Next-Page": str(page)}),
    "Next-Page, an address": Style(
        query={"limit": "integer"}, headers=lambda page, url: {"Next-Page": f"{url}?page={page}"}
    ),
    "X-Pagination": Style(
        query={"page": "integer"},
        headers=lambda page, url: {"X-Pagination": json.dumps({"HasNext": True, "CurrentPage": page - 1})},
    ),
    "a continuation": Style(
        query={"continuationToken": "string"},
        headers=lambda page, url: {"x-ms-continuationtoken": str(page)},
        key="continuationToken",
    ),
    "Content-Range": Style(query={"offset": "integer"}, headers=_total, key="offset", start="0"),
    "X-Total-Pages": Style(query={"page": "integer"}, headers=lambda page, url: {"X-Total-Pages": str(PAGES)}),
    "nextLink": Style(
        query={}, envelope=lambda page, url: {"nextLink": f"{url}?%24skiptoken={page}"}, key="$skiptoken"
    ),
    "odata.nextLink": Style(
        query={"$top": "integer"},
        envelope=lambda page, url: {"@odata.nextLink": f"{url}?$top=2&$skiptoken={page}"},
        key="$skiptoken",
    ),
    "of another host": Style(
        query={}, envelope=lambda page, url: {"next": f"https://inner.example/things?at={page}"}, key="at"
    ),
    "relative": Style(query={}, envelope=lambda page, url: {"links": {"next": f"?at={page}"}}, key="at"),
}


class Pages(Echo):
    """A list of PAGES pages, as a style has them."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style

    def reply(self, request: Received) -> Reply:
        style, url = self.style, f"{self.url}/things"
        value = int(parse_qs(request.target.partition("?")[2]).get(style.key, [style.start])[0])
        page = value // SIZE + 1 if style.start == "0" else value
        rows = [{"id": f"t{page}.{number}", "name": "T"} for number in range(SIZE)] if page <= PAGES else []
        is_last = page >= PAGES
        always = style.headers(page, url) if style.start == "0" else {}
        headers = always or ({} if is_last else style.headers(page + 1, url))
        body = {"value": rows, **({} if is_last else style.envelope(page + 1, url))}
        return Reply(200, body, headers)


def things(folder: Path, url: str, query: Mapping[str, str], **more: Any) -> str:
    """A description of a list with these parameters."""
    parameters = [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query.items()]
    listing = {
        "operationId": "listThings",
        "parameters": parameters,
        "responses": {"200": {"description": "ok"}},
        **more,
    }
    change = {
        "operationId": "addThing",
        "requestBody": {
            "content": {"application/json": {"schema": {"type": "object", "properties": {"name": {"type": "string"}}}}}
        },
        "responses": {"201": {"description": "ok"}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": url}],
        "paths": {"/things": {"get": listing, "post": change}},
    }
    file = folder / "things.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_every_style_is_followed_to_the_end(tmp_path: Path) -> None:
    for name, style in STYLES.items():
        with Pages(style) as api:
            ran = run("call", things(tmp_path, api.url, style.query), "listThings", "--all", "-o", "json")
            wanted = [f"t{page}.{number}" for page in range(1, PAGES + 1) for number in range(SIZE)]
            assert (ran.code, [row["id"] for row in ran.json]) == (0, wanted), (name, ran.err)
            assert f"on {PAGES} pages" in ran.err, name


def test_a_next_page_leads_nowhere_else(tmp_path: Path) -> None:
    """No answer leads to another path or host, or in a circle; what is missing is said, with exit code 1."""
    astray = {
        "another path": lambda url: {"next": f"{url}/admin/reset?confirm=1"},
        "another origin": lambda url: {"next": "https://elsewhere.example/admin?page=2"},
        "itself": lambda url: {"next": f"{url}/things"},
        "a change": lambda url: {"next": f"{url}/things?_method=DELETE"},
    }
    for name, envelope in astray.items():
        with Echo(lambda request, envelope=envelope: Reply(200, {"value": [{"id": 1}], **envelope(api.url)})) as api:
            ran = run("call", things(tmp_path, api.url, {}), "listThings", "--all", "-o", "json", "--yes")
            assert {request.path for request in api.received} == {"/things"}, name
            assert all(request.method == "GET" and "_method" not in request.target for request in api.received), name
            assert (ran.code, len(ran.json)) == (1, 1), (name, ran.err)


def test_a_total_that_lies_ends_it_plainly(tmp_path: Path) -> None:
    """Too many are promised, or fewer than a next page has: all that there is comes, and what is missing is said."""
    for total, code in ((99, 1), (1, 0)):

        def reply(request: Received, total: int = total) -> Reply:
            page = int(dict(request.query).get("page", 1))
            rows = [{"id": f"t{page}.{number}"} for number in range(SIZE)] if page <= PAGES else []
            more = {"next": f"/things?page={page + 1}"} if page < PAGES else {}
            return Reply(200, {"value": rows, "total": total, **more})

        with Echo(reply) as api:
            ran = run("call", things(tmp_path, api.url, {"page": "integer"}), "listThings", "--all", "-o", "json")
            assert (ran.code, len(ran.json)) == (code, PAGES * SIZE), (total, ran.err)
            assert ("99" in ran.err) == (total == 99), ran.err


@pytest.mark.parametrize("wait", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_an_api_that_asks_to_wait_is_waited_for(tmp_path: Path, wait: str) -> None:
    refusals = iter([True, True, True, True, False] * PAGES)

    class Busy(Pages):
        def reply(self, request: Received) -> Reply:
            if next(refusals, False):
                return Reply(429, {"error": "slow down"}, {"Retry-After": wait})
            return Reply(201, {}) if request.method == "POST" else super().reply(request)

    with Busy(STYLES["nextLink"]) as api:
        source = things(tmp_path, api.url, {})
        ran = run("call", source, "listThings", "--all", "-o", "json")
        assert (ran.code, len(ran.json)) == (0, PAGES * SIZE), ran.err
        assert "the API asks to wait 0 s (429); it goes on then" in ran.err
        refusals = iter([True, True, True, True, False])
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"operation": "addThing", "arguments": {"name": "a"}}')
        before = len(api.received)
        assert run("batch", source, str(rows), "--yes").code == 0
        assert len(api.received) - before == 5, "refused four times, and then done once"


def test_a_wait_that_is_too_long_is_said(tmp_path: Path) -> None:
    with Echo(Reply(429, {"error": "slow down"}, {"Retry-After": "86400"})) as api:
        ran = run("call", things(tmp_path, api.url, {}), "listThings", "--all")
        assert (ran.code, len(api.received)) == (4, 1)
        assert "86400" in ran.err or "24 hours" in ran.err
