"""Who may do what: audiences, roles, tokens, the audit log, and that no secret gets out."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
from pathlib import Path

import pytest

from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.http.description import load_description
from nlapi.gateway.store.store import AuditEntry, GatewayStore
from tests.gateway.kit import Talk, gateway, open_store
from tests.tables import table

RANK = {"viewer": 0, "operator": 1, "admin": 2}


def call(talk: Talk, id: str) -> int:
    """The status of an operation with made-up values for all that it needs."""
    one = load_description().operations[id]
    path = one.path
    for parameter in one.parameters:
        if parameter.location == "path":
            path = path.replace(f"{{{parameter.name}}}", "7" if parameter.json_type == "integer" else "nothing")
    return talk(one.method, path, {} if one.body is not None else None).status


@table("id", load_description().operations)
def test_an_operation_is_for_its_audience_and_role_alone(served: Talk, id: str) -> None:
    one = load_description().operations[id]
    if not one.audiences:
        assert call(served.as_(""), id) == (404 if "{" in one.path else 200)
        return
    assert call(served.as_(""), id) == 401
    assert call(served.as_("nlg_made-up"), id) == 401
    assert (call(served.as_("web"), id) == 403) is ("serve" not in one.audiences)
    for role, rank in RANK.items():
        allowed = "admin" in one.audiences and rank >= RANK[one.role]
        assert (call(served.as_(role), id) == 403) is not allowed


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield talk


def test_roles_are_what_they_are_called() -> None:
    roles = {id: one.role for id, one in load_description().operations.items()}
    assert {id for id, role in roles.items() if role == "admin"} == {"listTokens", "createToken", "revokeToken"}
    assert all(role == "viewer" for id, role in roles.items() if id.startswith(("list", "get")) and id != "listTokens")
    assert roles["rampCanary"] == roles["replaceConfiguration"] == "operator"
    assert roles["simulate"] == roles["checkConfiguration"] == "viewer"


def test_a_token_is_shown_once_and_works_until_it_is_revoked(talk: Talk) -> None:
    made = talk.ok("POST", "/v1/tokens", {"name": "Ana", "audience": "admin", "role": "operator", "days": 30})
    assert made["name"] == "ana"
    assert made["expires_at"] > made["created_at"]
    ana = talk.as_(made["token"])
    assert ana.ok("PATCH", "/v1/clients/web/limits", {"burst": 3})["revision"] == 2
    assert talk.ok("GET", "/v1/revisions")["data"][0]["who"] == "ana"
    listed = talk.ok("GET", "/v1/tokens", name="an")["data"]
    assert listed == [{key: value for key, value in made.items() if key != "token"}]
    talk.refused(409, "POST", "/v1/tokens", {"name": "ana", "audience": "admin"})
    talk.ok("DELETE", "/v1/tokens/ana")
    assert ana.refused(401, "GET", "/v1/objectives")["detail"] == "the token is not known"
    talk.refused(404, "DELETE", "/v1/tokens/ana")


def test_a_serve_token_names_its_client(talk: Talk) -> None:
    made = talk.ok("POST", "/v1/tokens", {"name": "web-2026", "audience": "serve", "client": "web"})
    body = {"input": {}}
    served = talk.as_(made["token"]).ok("POST", "/v1/objectives/continue-watching/serve", body)
    assert talk.ok("GET", f"/v1/decisions/{served['request_id']}")["client"] == "web"
    talk.refused(422, "POST", "/v1/tokens", {"name": "x", "audience": "serve", "role": "admin"})
    talk.refused(422, "POST", "/v1/tokens", {"name": "x", "audience": "admin", "client": "web"})


def test_the_last_admin_token_cannot_be_revoked(talk: Talk) -> None:
    assert talk.refused(409, "DELETE", "/v1/tokens/admin")["type"].endswith("last_admin")


def test_a_client_over_its_rate_gets_429_and_others_do_not(talk: Talk) -> None:
    other = talk.ok("POST", "/v1/tokens", {"name": "mobile", "audience": "serve"})["token"]
    talk.ok("PATCH", "/v1/clients/web/limits", {"requests_per_second": 0.01, "burst": 2})
    path, body = "/v1/objectives/continue-watching/serve", {"input": {}}
    statuses = [talk.as_("web")("POST", path, body).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert int(talk.as_("web")("POST", path, body).headers["retry-after"]) > 0
    assert talk.as_(other)("POST", path, body).status == 200


def test_the_last_minutes_of_a_log_can_be_read(talk: Talk) -> None:
    talk.ok("PATCH", "/v1/clients/web/limits", {"burst": 3})
    assert talk.app is not None
    long_ago = AuditEntry(
        at="2020-01-01T00:00:00.000000Z", who="ana", action="createRule", target="", outcome="denied", detail=""
    )
    talk.app.store.add_audit_entry(long_ago)
    assert "ana" in [row["who"] for row in talk.ok("GET", "/v1/audit")["data"]]
    assert "ana" not in [row["who"] for row in talk.ok("GET", "/v1/audit", minutes=60)["data"]]
    path = "/v1/revisions"
    rows = talk.ok("GET", path)["data"]
    assert talk.ok("GET", path, minutes=60)["data"] == rows
    assert talk.ok("GET", path, minutes=60, until="2020-01-01")["data"] == []
    talk.refused(422, "GET", path, minutes=0)
    assert talk.ok("GET", "/v1/decisions", minutes=60)["data"] == []


def test_the_audit_log_has_what_was_done_refused_and_denied(talk: Talk) -> None:
    talk.ok("PATCH", "/v1/clients/web/limits", {"burst": 3})
    talk.refused(422, "POST", "/v1/rules", {"name": "x", "objective": "recommend", "model": "no", "version": "v1"})
    talk.as_("viewer").refused(403, "PATCH", "/v1/clients/web/limits", {"burst": 4})
    talk.as_("wrong").refused(401, "GET", "/v1/objectives")
    rows = talk.ok("GET", "/v1/audit")["data"]
    told = [(row["who"], row["action"], row["outcome"]) for row in rows[:4]]
    assert told == [
        ("", "", "denied"),
        ("viewer", "limitClient", "denied"),
        ("admin", "createRule", "refused"),
        ("admin", "limitClient", "done"),
    ]
    assert rows[3]["detail"] == "revision 2"
    assert [row["who"] for row in talk.ok("GET", "/v1/audit", author="viewer", outcome="denied")["data"]] == ["viewer"]
    page = talk.ok("GET", "/v1/audit", limit=1)
    assert talk.ok("GET", "/v1/audit", limit=1, cursor=page["page"]["next_cursor"])["data"] == rows[1:2]
    talk.ok("POST", "/v1/tokens", {"name": "Box", "audience": "serve", "client": "tv", "days": 1})
    talk.ok("DELETE", "/v1/tokens/box")
    gone, made = talk.ok("GET", "/v1/audit", limit=2)["data"]
    assert (made["action"], gone["action"]) == ("createToken", "revokeToken")
    assert made["detail"] == gone["detail"]
    assert made["detail"].startswith("token box (serve, client tv) until 20")


def test_no_secret_is_kept_logged_or_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with gateway(tmp_path) as talk:
        made = talk.ok("POST", "/v1/tokens", {"name": "ana", "audience": "admin"})["token"]
        talk.as_(made).ok("GET", "/v1/objectives")
        wrong = made[:-4] + "oops"
        said = [talk.as_(wrong)("GET", "/v1/objectives").content, talk("GET", "/v1/audit").content]
        said += [talk("GET", path).content for path in ("/v1/tokens", "/metrics", "/v1/revisions")]
        secrets = [made, wrong, talk.token]
        files = [file for file in tmp_path.glob("gateway.db*") if file.is_file()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("gateway.db*") if file.is_file())
    for secret in secrets:
        assert secret.encode() not in kept + b"".join(said)
        assert secret not in caplog.text


def test_an_expired_token_is_no_good(tmp_path: Path) -> None:
    store = GatewayStore(tmp_path / "store.db")
    _, secret = Access(store).create_token("ana", Audience.ADMIN, role=Role.ADMIN, days=1)
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000000Z'")
    other.close()
    with pytest.raises(Exception, match="expired"):
        asyncio.run(Access(store).authenticate(f"Bearer {secret}"))
    store.close()


def test_a_token_that_another_process_makes_works_at_once(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        other = open_store(tmp_path)
        _, secret = Access(other).create_token("cli", Audience.ADMIN)
        other.close()
        assert talk.as_(secret).ok("GET", "/v1/objectives")["page"]["total"] == 3
