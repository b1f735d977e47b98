"""`nlapi mcp --config` over HTTP: tokens and roles, sessions of one client, metrics, what is refused at the start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from tests.cli.kit import run
from tests.describe import text as description
from tests.mcp.kit import names
from tests.mcp.test_mcp_http import serving, talk
from tests.servers import Echo, Reply

TOKENS = {"ANN_TOKEN": "tok-ann-5b7e21", "BO_TOKEN": "tok-bo-77c1d0", "SCRAPE_TOKEN": "tok-scrape-1188"}
TEAM = """
[server]
audit = "audit.jsonl"
metrics = "env:SCRAPE_TOKEN"

[apis.x]
source = "x.json"
[apis.ads]
source = "ads"
auth = {{ bearer = "env:ANN_TOKEN" }}
base_url = "{url}"

[roles.reader]
effects = ["read"]
[roles.operator]
consent = "client"

[clients.ann]
token = "env:ANN_TOKEN"
role = "operator"
[clients.bo]
token = "env:BO_TOKEN"
role = "reader"
"""
PATHS = {"/x": {"get": {"operationId": "look"}, "post": {"operationId": "change"}}}


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[Path, Echo]]:
    with Echo(Reply(200, {"ok": True})) as api:
        (tmp_path / "x.json").write_bytes(description(PATHS, servers=[{"url": api.url}]))
        (tmp_path / "team.toml").write_text(TEAM.format(url=api.url))
        yield tmp_path / "team.toml", api


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


async def listed(client: Client) -> list[str]:
    return names((await client.list_tools()).tools)


async def changed(client: Client) -> Any:
    return await client.call_tool("x_change", {})


@pytest.mark.parametrize("stateless", [False, True])
def test_a_token_is_a_client_with_a_role(team: tuple[Path, Echo], stateless: bool) -> None:
    file, api = team
    if stateless:
        file.write_text(file.read_text().replace("[server]", "[server]\nstateless = true"))
    with serving("--config", str(file), "--http", "127.0.0.1:0", **TOKENS) as url:
        for mode in ("legacy", "2026-07-28"):
            of_ann, of_bo = (talk(url, listed, mode=mode, **bearer(name)) for name in ("ANN_TOKEN", "BO_TOKEN"))
            assert {"x_look", "ads_listCampaigns", "find", "change"} <= set(of_ann)
            assert {"x_look", "ads_listCampaigns", "find", "read"} <= set(of_bo)
            assert {"x_change", "ads_createCampaign", "change"}.isdisjoint(of_bo)
            assert talk(url, changed, mode=mode, **bearer("BO_TOKEN")).is_error
        assert api.received == []
        assert not talk(url, changed, **bearer("ANN_TOKEN")).is_error
        scraped = httpx2.get(url.replace("/mcp", "/metrics"), headers=bearer("SCRAPE_TOKEN"))
        others = [
            httpx2.get(url.replace("/mcp", "/metrics"), headers=bearer(name)) for name in ("ANN_TOKEN", "BO_TOKEN")
        ]
        wrong = httpx2.post(url, headers={"Authorization": "Bearer nope"}, json={})
    assert scraped.status_code == 200
    assert 'client="ann",effect="write",outcome="answered",role="operator"} 1.0' in scraped.text
    assert [answer.status_code for answer in (*others, wrong)] == [401, 401, 401]
    lines = [json.loads(line) for line in (file.parent / "audit.jsonl").read_text().splitlines()]
    assert [(line["client"], line["role"], line["consent"]) for line in lines if line.get("status")] == [
        ("ann", "operator", "client")
    ]
    assert not [token for token in TOKENS.values() if token in (file.parent / "audit.jsonl").read_text()]


def test_a_session_is_its_clients_alone(team: tuple[Path, Echo]) -> None:
    """Its id is no credential: another client that learns it is answered as if there were none."""
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    more = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    with serving("--config", str(team[0]), "--http", "127.0.0.1:0", **TOKENS) as url:
        opened = httpx2.post(url, json=start, headers={**accept, **bearer("BO_TOKEN")})
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        own = httpx2.post(url, json=more, headers={**accept, **session, **bearer("BO_TOKEN")})
        foreign = httpx2.post(url, json=more, headers={**accept, **session, **bearer("ANN_TOKEN")})
        ended = httpx2.delete(url, headers={**session, **bearer("ANN_TOKEN")})
        again = httpx2.post(url, json=more, headers={**accept, **session, **bearer("BO_TOKEN")})
    assert [answer.status_code for answer in (own, foreign, ended, again)] == [200, 404, 404, 200]


@pytest.mark.parametrize(
    ("old", "new", "words", "says"),
    [
        ("", "", (), "over stdio there is no token"),
        ("", "", ("--http", "127.0.0.1:0", "--consent", "never"), "all about them are in the file"),
        ('role = "operator"\n[clients.bo]', 'role = "boss"\n[clients.bo]', (), "no role is called 'boss'"),
        ("[server]", '[server]\nrole = "reader"', ("--http", "0.0.0.0:0"), "can be reached from other machines"),
        ("env:BO_TOKEN", "env:ANN_TOKEN", ("--http", "127.0.0.1:0"), "has the token of ann"),
        ("env:BO_TOKEN", "env:NOT_SET", ("--http", "127.0.0.1:0"), "NOT_SET"),
        ("bearer =", "barer =", ("--http", "127.0.0.1:0"), "has no security scheme 'barer'"),
        ('"audit.jsonl"', '"none/audit.jsonl"', ("--http", "127.0.0.1:0"), "cannot be written"),
    ],
)
def test_what_cannot_work_is_told_before_it_serves(
    team: tuple[Path, Echo], monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: tuple[str, ...], says: str
) -> None:
    for name, token in TOKENS.items():
        monkeypatch.setenv(name, token)
    text = team[0].read_text()
    assert old in text
    team[0].write_text(text.replace(old, new, 1))
    ran = run("mcp", "--config", str(team[0]), *words)
    assert ran.code == 2, ran.err
    assert says in " ".join(ran.complaint.split())
    assert not [token for token in TOKENS.values() if token in ran.err]


def test_the_schema_is_printed() -> None:
    assert json.loads(run("mcp", "--config-schema").out)["title"] == "Settings of nlapi mcp --config"
    assert "which API?" in run("mcp").complaint
