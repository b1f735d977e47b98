"""Logs in by every flow against authlib's authorization server, and calls with what came of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.accounts.kit import CONFIDENTIAL, browser, description, flows, register, register_oauth
from tests.authorization_server import Client, LoopbackAuthorizationServer
from tests.cli.kit import run
from tests.servers import Echo, Reply


def log_in(*more: str) -> None:
    ran = run("auth", "login", "shop", *more)
    assert ran.code == 0, ran.err


def expire(config: Path) -> None:
    """Let the stored token have ended a while ago, as the server sees it too."""
    (file,) = (config / "logins").rglob("*.json")
    content = json.loads(file.read_text())
    content["login"]["expires_at"] = int(time.time()) - 60
    file.write_text(json.dumps(content))


def test_a_login_in_the_browser_is_used_by_later_calls(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    log_in("--client-id", "cli")
    ran = run("call", "shop", "listOrders")
    assert (ran.code, ran.json["path"]) == (0, "/orders")
    (token,) = server.tokens
    assert token.scope == "read", "the one scope that is described is asked for"
    assert token.access_token not in ran.out + ran.err, "the API echoed it"
    assert ran.json["echo"] == "Bearer ***"


def test_a_login_on_another_device(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    server.pending_polls = 1
    ran = run("auth", "login", "shop", "--client-id", "cli", "--flow", "device", "--no-browser")
    assert ran.code == 0, ran.err
    (device,) = server.devices.values()
    assert f"Open {server.url}/device on any device, and type the code {device.user_code}" in ran.err
    assert run("call", "shop", "listOrders").code == 0


# What a description writes into the URL of an endpoint so that a server reads it in place of what nlapi says.
STATED = [
    "redirect_uri=https://evil.example&state=s&code_challenge=c&code_challenge_method=plain",
    "redirect%5Furi=https://evil.example&State=s&code_challenge[]=c&scope[0]=admin",
    "redirect.uri=https://evil.example&+state=s&code-challenge=c",
    "request_uri=https://evil.example/r&request=eyJhbGciOiJub25lIn0.e30.&response_mode=form_post",
    "a=1;redirect_uri=https://evil.example;state=s#redirect_uri=https://evil.example",
    "client_id=evil&client_secret=x&grant_type=password&code=stolen&code_verifier=v&device_code=d",
]


@pytest.mark.parametrize("flow", ["code", "device"])
@pytest.mark.parametrize("query", STATED)
def test_an_endpoint_states_no_parameter_of_nlapi(
    tmp_path: Path, server: LoopbackAuthorizationServer, query: str, flow: str
) -> None:
    stated = {
        name: {key: f"{value}?tenant=a&{query}" if key.endswith("Url") else value for key, value in flow.items()}
        for name, flow in flows(server.url).items()
    }
    register(tmp_path, description(server.url, {"oauth": {"type": "oauth2", "flows": stated}}))
    log_in("--client-id", "cli", "--flow", flow)
    requests = [one for one in server.received if one.path == "/authorize" or one.method == "POST"]
    assert len(requests) >= 2
    for request in requests:
        pairs = [*request.query, *parse_qsl(request.body.decode())]
        names = [re.sub(r"\W", "", name.partition("[")[0]).replace("_", "").lower() for name, _ in pairs]
        assert len(set(names)) == len(names), "each is there once, however it is spelt"
        assert not {"request", "requesturi", "responsemode", "clientsecret"} & set(names)
        values = dict(pairs)
        assert (values.pop("tenant"), values["client_id"]) == ("a", "cli"), "what nlapi does not state itself stays"
        values.pop("a", None)
        assert not re.search("evil|stolen|admin|^s$|^c$|plain|password", "\n".join(values.values()), re.MULTILINE)


def test_a_login_of_the_client_itself_is_had_again_when_it_ends(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_oauth(tmp_path, server)
    monkeypatch.setenv("CI_SECRET", CONFIDENTIAL.secret)
    log_in("--client-id", "ci", "--flow", "client", "--client-secret", "env:CI_SECRET")
    monkeypatch.delenv("CI_SECRET")
    expire(config)
    server.revoke_all()
    assert run("call", "shop", "listOrders").code == 0
    assert len(server.tokens) == 2


def test_the_server_is_found_by_its_issuer(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    scheme = {"type": "openIdConnect", "openIdConnectUrl": f"{server.url}/.well-known/openid-configuration"}
    register(tmp_path, description(server.url, {"login": scheme}))
    log_in("--client-id", "cli")
    register(tmp_path, description(server.url, {"login": {"type": "http", "scheme": "bearer"}}), name="other")
    ran = run("auth", "login", "other", "--issuer", server.url, "--client-id", "cli")
    assert ran.code == 0, ran.err
    rows = run("auth", "status", "-o", "json").json
    assert [(row["api"], row["issuer"], row["kind"]) for row in rows] == [
        ("other", server.url, "code"),
        ("shop", server.url, "code"),
    ]


def test_a_token_that_has_ended_is_renewed_before_a_call(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer
) -> None:
    register_oauth(tmp_path, server)
    log_in("--client-id", "cli")
    for _ in range(2):  # the refresh token rotates: the second renewal needs the one of the first
        expire(config)
        assert run("call", "shop", "deleteOrder", "id=1", "--yes").code == 0
    assert (server.refreshed, server.reused) == (2, 0)
    assert all(server.is_good(request.header("authorization").split()[1]) for request in server.api_calls)  # type: ignore[union-attr]


def test_a_read_is_repeated_with_a_new_token_and_a_change_is_not(
    tmp_path: Path, server: LoopbackAuthorizationServer
) -> None:
    register_oauth(tmp_path, server)
    log_in("--client-id", "cli")
    server.tokens[-1].lifetime = 0  # the server's clock is ahead of ours
    assert run("call", "shop", "listOrders").code == 0
    assert [request.method for request in server.api_calls] == ["GET", "GET"]
    server.api_calls.clear()
    server.tokens[-1].lifetime = 0
    ran = run("call", "shop", "deleteOrder", "id=1", "--yes")
    assert (ran.code, len(server.api_calls)) == (4, 1), ran.err
    # The login is renewed all the same, so that the next command goes.
    assert run("call", "shop", "deleteOrder", "id=1", "--yes").code == 0
    assert (server.refreshed, server.reused) == (2, 0)


def test_a_login_that_was_revoked_says_how_to_go_on(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer
) -> None:
    register_oauth(tmp_path, server)
    log_in("--client-id", "cli")
    server.revoke_all()
    ran = run("call", "shop", "listOrders")
    assert ran.code == 4
    assert "`nlapi auth login shop` stores it anew" in ran.err
    expire(config)
    ran = run("call", "shop", "listOrders")
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint == (
        "the login shop oauth has ended: the server says invalid_grant; nothing was sent"
        " (`nlapi auth login shop oauth`)"
    )
    assert run("auth", "status", "-o", "json").json[0]["state"] == "ended"
    log_in()  # the client and the scopes are known from the first time
    assert run("call", "shop", "listOrders").code == 0


def test_logging_out_revokes_and_forgets(tmp_path: Path, config: Path, server: LoopbackAuthorizationServer) -> None:
    register(tmp_path, description(server.url, {"login": {"type": "http", "scheme": "bearer"}}))
    log_in("--issuer", server.url, "--client-id", "cli")
    token = run("auth", "token", "shop").out.strip()
    assert server.is_good(token)
    ran = run("auth", "logout", "shop")
    assert (ran.code, ran.err) == (0, "shop login: forgotten\n")
    assert not server.is_good(token)
    assert not list((config / "logins").rglob("*.json"))
    assert run("call", "shop", "listOrders").code == 2


def test_a_token_goes_to_the_servers_that_it_is_for(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    log_in("--client-id", "cli")
    with Echo() as elsewhere:
        ran = run("call", "shop", "listOrders", "--base-url", elsewhere.url)
        assert (ran.code, elsewhere.received) == (2, [])
        assert f"is for {server.url}, and this call goes to {elsewhere.url}; nothing was sent" in ran.complaint


def test_a_confidential_client_that_takes_only_a_form(tmp_path: Path) -> None:
    client = Client(client_id="web", secret="cs-only-in-a-form", auth_methods=("client_secret_post",))
    with LoopbackAuthorizationServer(client) as server:
        register_oauth(tmp_path, server)
        ran = run("auth", "login", "shop", "--client-id", "web", "--client-secret", "-", stdin=f"{client.secret}\n")
        assert ran.code == 0, ran.err
        assert run("call", "shop", "listOrders").code == 0


HOSTILE = {
    "another type": (Reply(200, {"access_token": "at-1", "token_type": "mac"}), "a token of the type 'mac'"),
    "a missing type": (Reply(200, {"access_token": "at-1"}), "a token without a type"),
    "a type that is null": (Reply(200, {"access_token": "at-1", "token_type": None}), "a token without a type"),
    "no token": (Reply(200, {"token_type": "bearer"}), "without a usable access token"),
    "a token of two lines": (Reply(200, {"access_token": "a\r\nX: y", "token_type": "bearer"}), "without a usable"),
    "a page": (Reply(200, b"<html>", {"Content-Type": "text/html"}), "answered 200 with text/html, not a JSON object"),
    "nothing": (Reply(500), "answered 500"),
    "a huge one": (Reply(200, {"access_token": "a" * 300_000, "token_type": "bearer"}), "256"),
    "elsewhere": (Reply(307, b"", {"Location": "http://127.0.0.1:9/token"}), "redirects to another place"),
    "an error": (
        Reply(400, {"error": "invalid_grant", "error_description": "no\x1b[2J\nerror: all is well"}),
        "refused: invalid_grant: no error: all is well",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_token_endpoint_that_lies(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer, case: str
) -> None:
    answer, message = HOSTILE[case]
    register_oauth(tmp_path, server)
    server.lie = lambda _: answer
    ran = run("auth", "login", "shop", "--client-id", "cli")
    assert (ran.code, ran.out) in ((1, ""), (2, ""))
    assert message in ran.err
    assert "\x1b" not in ran.err
    assert not list((config / "logins").rglob("*.json"))


def test_a_lifetime_that_makes_no_sense_is_no_lifetime(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    for lifetime in (-1, "soon", 1e400, True, None, [3600]):
        answer = {"access_token": "at-odd", "token_type": "BEARER", "expires_in": lifetime}
        server.lie = lambda _, answer=answer: Reply(200, json.dumps(answer).encode())  # type: ignore[misc]
        log_in("--client-id", "cli")
        assert run("auth", "status", "-o", "json").json[0]["ends"] == ""


def test_endpoints_in_the_clear_get_nothing(tmp_path: Path) -> None:
    register_oauth(tmp_path, type("Far", (), {"url": "http://login.shop.example"})())
    ran = run("auth", "login", "shop", "--client-id", "cli")
    assert ran.code == 2
    assert ran.complaint.startswith("the authorization endpoint http://login.shop.example is not https")
    ran = run("auth", "login", "shop", "--client-id", "cli", "--issuer", "http://login.shop.example")
    assert ran.complaint.startswith("the issuer http://login.shop.example is not https")


def test_metadata_of_another_issuer_is_refused(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    server.metadata = {"issuer": "https://evil.example"}
    ran = run("auth", "login", "shop", "--client-id", "cli", "--issuer", server.url)
    assert "publishes the metadata of another issuer, 'https://evil.example'" in ran.complaint


# The answer that a page of the Web sends, with a state of its own, and then the right one.
ATTACK = """
import sys, urllib.parse, urllib.request, urllib.error
query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(sys.argv[1]).query))
for more in ("?code=stolen&state=x", "?code=stolen", "/other?code=stolen&state=" + query["state"]):
    try:
        urllib.request.urlopen(query["redirect_uri"] + more)
    except urllib.error.HTTPError:
        pass
urllib.request.urlopen(sys.argv[1]).read()
"""


def test_an_answer_with_another_state_is_refused_and_waited_past(
    tmp_path: Path, server: LoopbackAuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_oauth(tmp_path, server)
    monkeypatch.setenv("BROWSER", browser(ATTACK))
    log_in("--client-id", "cli")
    assert [request.path for request in server.received if request.path == "/token"] == ["/token"]


# The browser comes back with more in the address than the server has sent it back with.
ADDING = """
import sys, urllib.request, urllib.error
class Keep(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
try:
    urllib.request.build_opener(Keep).open(sys.argv[1])
except urllib.error.HTTPError as error:
    urllib.request.urlopen(error.headers["Location"] + {more!r}).read()
"""


@pytest.mark.parametrize(
    ("more", "is_metadata_read", "is_taken"),
    [
        ("&iss=https%3A%2F%2Fevil.example", False, False),
        ("&iss=http%3A%2F%2F127.0.0.1%3A1", False, False),
        ("&iss=https%3A%2F%2F127.0.0.1%3A{port}", False, False),
        ("&iss=http%3A%2F%2F127.0.0.1%3A{port}&iss=https%3A%2F%2Fevil.example", False, False),
        ("&iss=", False, False),
        ("&iss=http%3A%2F%2F127.0.0.1%3A{port}", False, True),
        ("&iss=http%3A%2F%2F127.0.0.1%3A{port}%2Ftenant", False, True),
        ("", False, True),
        ("&iss=http%3A%2F%2F127.0.0.1%3A{port}%2Ftenant", True, False),
        ("&iss=https%3A%2F%2Fevil.example", True, False),
    ],
)
def test_an_answer_of_another_issuer_gives_no_code_away(
    tmp_path: Path, server: LoopbackAuthorizationServer, monkeypatch: pytest.MonkeyPatch,
    more: str, is_metadata_read: bool, is_taken: bool,
) -> None:  # fmt: skip
    register_oauth(tmp_path, server)
    monkeypatch.setenv("BROWSER", browser(ADDING.replace("{more!r}", repr(more.format(port=server.port)))))
    ran = run("auth", "login", "shop", "--client-id", "cli", *(("--issuer", server.url) if is_metadata_read else ()))
    assert (ran.code == 0) is is_taken, ran.err
    assert [request.path for request in server.received if request.path == "/token"] == ["/token"] * is_taken
    assert is_taken or "does not come from" in ran.err


def test_a_person_who_says_no(tmp_path: Path, config: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    server.approves = False
    ran = run("auth", "login", "shop", "--client-id", "cli")
    assert ran.code == 2
    assert "refused the login: access_denied" in ran.err
    assert not (config / "logins" / "shop").exists()


def test_a_port_that_is_taken(tmp_path: Path, server: LoopbackAuthorizationServer) -> None:
    register_oauth(tmp_path, server)
    ran = run("auth", "login", "shop", "--client-id", "cli", "--redirect-uri", f"{server.url}/callback")
    assert ran.complaint.startswith(
        f"port {server.port} of this machine, to which the browser would come back, is taken"
    )
    ran = run("auth", "login", "shop", "--client-id", "cli", "--redirect-uri", "https://shop.example/callback")
    assert ran.complaint.startswith("the redirect URI has to be http on this machine")


def test_without_a_browser_the_address_is_shown_and_waited_for(
    tmp_path: Path, server: LoopbackAuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_oauth(tmp_path, server)
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    ran = run("auth", "login", "shop", "--client-id", "cli", "--wait", "1")
    assert ran.code == 2
    assert f"Open this in a browser, and log in there:\n{server.url}/authorize?response_type=code" in ran.err
    assert "the browser did not come back within 1 s" in ran.err
