"""MCP over HTTP as an OAuth resource server: with an authorization server, and the SDK's own client that finds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from tests.authorization_server import Client as OAuthClient
from tests.authorization_server import LoopbackAuthorizationServer
from tests.cli.kit import run
from tests.describe import text as description
from tests.mcp.kit import names
from tests.mcp.test_mcp_http import LIMIT, serving, talk

AUDIENCE = "urn:shop-mcp"
STATIC = "tok-static-4410"
BOT = OAuthClient(client_id="bot", secret="cs-bot-0101")
OTHER = OAuthClient(client_id="other", secret="cs-other-0202")


class _Storage:
    """What the SDK's client stores, in memory."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client_info: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client_info

    async def set_client_info(self, client_info: Any) -> None:
        self.client_info = client_info


@pytest.fixture(scope="module")
def issuer() -> Iterator[LoopbackAuthorizationServer]:
    with LoopbackAuthorizationServer(BOT, OTHER, audience=AUDIENCE) as server:
        yield server


@pytest.fixture(scope="module")
def url(issuer: LoopbackAuthorizationServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "api.json").write_bytes(description({"/x": {"get": {"operationId": "look"}}}))
    words = ("--http", "127.0.0.1:0", "--issuer", issuer.url, "--audience", AUDIENCE, "--token", "env:STATIC")
    with serving(str(folder / "api.json"), *words, STATIC=STATIC) as url:
        yield url


async def listed(client: Client) -> list[str]:
    return [name for name in names((await client.list_tools()).tools) if name != "result"]


def signed(issuer: LoopbackAuthorizationServer, typ: str = "at+jwt", kid: str = "k1", **claims: Any) -> str:
    """A token with the key of the issuer, good but for these claims."""
    assert issuer.signing_key is not None
    now = int(time.time())
    good = {"iss": issuer.url, "aud": AUDIENCE, "exp": now + 600, "iat": now, "sub": "bot"}
    payload = {name: value for name, value in {**good, **claims}.items() if value is not None}
    key = issuer.signing_key.as_pem(private=True)
    return jwt.encode(payload, key, algorithm="RS256", headers={"typ": typ, "kid": kid})


def answer(url: str, token: str) -> httpx2.Response:
    return httpx2.post(url, headers={"Authorization": f"Bearer {token}"} if token else {}, json={}, timeout=LIMIT)


def test_a_client_finds_the_issuer_by_the_challenge_and_gets_in(issuer: LoopbackAuthorizationServer, url: str) -> None:
    provider = ClientCredentialsOAuthProvider(url, _Storage(), BOT.client_id, BOT.secret, issuer=issuer.url)

    async def talk_with_login() -> list[str]:
        async with (
            httpx2.AsyncClient(auth=provider, timeout=LIMIT) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await listed(client)

    assert asyncio.run(talk_with_login()) == ["look"]
    assert issuer.tokens[-1].client_id == "bot"


def test_the_metadata_names_the_server_and_its_issuer(issuer: LoopbackAuthorizationServer, url: str) -> None:
    challenge = answer(url, "").headers["www-authenticate"]
    origin = url.removesuffix("/mcp")
    assert challenge == f'Bearer resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"'
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        metadata = httpx2.get(f"{origin}{path}").json()
        assert (metadata["resource"], metadata["authorization_servers"]) == (url, [issuer.url])


def test_the_token_of_the_server_is_good_beside_it(url: str) -> None:
    assert talk(url, listed, Authorization=f"Bearer {STATIC}") == ["look"]


def test_only_a_token_of_the_issuer_for_this_server_is_good(issuer: LoopbackAuthorizationServer, url: str) -> None:
    assert answer(url, signed(issuer)).status_code != 401
    assert answer(url, signed(issuer, aud=["urn:else", AUDIENCE])).status_code != 401
    assert issuer.signing_key is not None
    public = issuer.signing_key.as_dict(private=False)
    with LoopbackAuthorizationServer(audience=AUDIENCE) as stranger:
        forged = signed(stranger, iss=issuer.url)
    whole = {"iss": issuer.url, "aud": AUDIENCE, "exp": int(time.time()) + 600, "sub": "bot"}
    bad = {
        "another audience": signed(issuer, aud="urn:else"),
        "no audience": signed(issuer, aud=None),
        "another issuer": signed(issuer, iss="https://login.example"),
        "ended": signed(issuer, exp=int(time.time()) - 120),
        "without an end": signed(issuer, exp=None),
        "not yet good": signed(issuer, nbf=int(time.time()) + 600),
        "of another purpose": signed(issuer, typ="dpop+jwt"),
        "another key": forged,
        "an unknown key": signed(issuer, kid="k2"),
        "no signature": jwt.encode(whole, None, algorithm="none", headers={"kid": "k1"}),
        "a shared secret": jwt.encode(whole, str(public["n"]), algorithm="HS256", headers={"kid": "k1"}),
        "cut": signed(issuer)[:-4],
        "no JWT": "a.b.c",
        "nothing of it": "{}",
    }
    for case, token in bad.items():
        refused = answer(url, token)
        assert refused.status_code == 401, case
        assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token", resource_metadata='), case
        assert token not in refused.text
    asked = [request.path for request in issuer.received].count("/jwks")
    assert asked <= 2, "invented key ids cause no flood of requests for the keys"


TEAM = """
[server]
issuer = "{issuer}"
audience = "{audience}"
[apis.x]
source = "x.json"
[roles.reader]
effects = ["read"]
[roles.operator]
[clients.bo]
subject = "bot"
role = "reader"
[clients.ann]
token = "env:STATIC"
role = "operator"
"""


def test_a_subject_is_a_client_of_the_team(issuer: LoopbackAuthorizationServer, tmp_path: Path) -> None:
    paths = {"/x": {"get": {"operationId": "look"}, "post": {"operationId": "change"}}}
    (tmp_path / "x.json").write_bytes(description(paths))
    file = tmp_path / "team.toml"
    file.write_text(TEAM.format(issuer=issuer.url, audience=AUDIENCE))
    with serving("--config", str(file), "--http", "127.0.0.1:0", STATIC=STATIC) as url:
        assert talk(url, listed, Authorization=f"Bearer {signed(issuer)}") == ["x_look"]
        assert set(talk(url, listed, Authorization=f"Bearer {STATIC}")) == {"x_look", "x_change"}
        assert answer(url, signed(issuer, sub="other")).status_code == 401
    file.write_text(file.read_text().replace("issuer =", "#"))
    assert "line 11: clients.bo.subject: a subject needs an issuer" in run("mcp", "--config", str(file)).complaint


def test_what_is_wrong_is_said_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_bytes(description({"/x": {"get": {"operationId": "look"}}}, servers=[{"url": "http://127.0.0.1:9"}]))
    http = ("--http", "127.0.0.1:0")
    assert run("mcp", str(file), *http, "--audience", "x").complaint.startswith("--audience goes with --issuer")
    assert "are for --http" in run("mcp", str(file), "--issuer", "https://login.example").complaint
    everywhere = ("--http", "0.0.0.0:0", "--issuer", "http://127.0.0.1:9")
    assert "--audience https://" in run("mcp", str(file), *everywhere).complaint
    assert "is not https" in run("mcp", str(file), *http, "--issuer", "http://login.example").complaint
    passed = ("--issuer", "https://login.example", "--pass-header", "Authorization")
    assert "not for the API" in run("mcp", str(file), *http, *passed).complaint
