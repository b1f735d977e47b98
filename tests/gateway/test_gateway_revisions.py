"""Revisions over HTTP: who, when, why; differences; the way back; two operators at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gateway.kit import Talk, document, gateway

V8 = {"objective": "continue-watching", "model": "ranker", "version": "v8"}
LIMITS = "/v1/clients/web/limits"


def served_by(talk: Talk, objective: str = "continue-watching") -> str:
    decision = talk.ok("POST", f"/v1/objectives/{objective}/resolve", {"context": {"user": "u1"}})["decision"]
    return f"{decision['model']}@{decision['version']}"


def split(*percents: float) -> list[dict[str, object]]:
    """Shares of ranker v7, v8, ..."""
    return [{"model": "ranker", "version": f"v{7 + n}", "percent": part} for n, part in enumerate(percents)]


def default(talk: Talk, version: str) -> None:
    talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": version})


def test_a_revision_says_who_when_and_why(talk: Talk) -> None:
    talk.as_("operator").ok("POST", "/v1/canaries", V8, why="v8 is better offline")
    newest, first = talk.ok("GET", "/v1/revisions")["data"]
    assert (newest["revision"], newest["who"], newest["why"]) == (2, "operator", "v8 is better offline")
    assert (newest["summary"], newest["objectives"]) == ("canary ranker-v8 added", ["continue-watching"])
    assert (newest["current"], first["current"]) == (True, False)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(newest["at"])) < timedelta(minutes=1)
    assert talk.ok("GET", "/v1/revisions", author="OPERATOR")["data"] == [newest]
    assert talk.ok("GET", "/v1/revisions", objective="continue watching")["page"]["total"] == 2
    today = datetime.now(UTC).date()
    assert talk.ok("GET", "/v1/revisions", since=today - timedelta(days=1), until=today)["page"]["total"] == 2
    assert talk.ok("GET", "/v1/revisions", until=today - timedelta(days=2))["data"] == []
    whole = talk.ok("GET", "/v1/revisions/2")
    assert whole["configuration"]["canaries"][0]["name"] == "ranker-v8"
    assert "they go from 1 to 2" in talk.refused(404, "GET", "/v1/revisions/3")["hint"]


def test_revisions_come_a_page_at_a_time(talk: Talk) -> None:
    for rate in (1, 2, 3):
        talk.ok("PATCH", LIMITS, {"requests_per_second": rate})
    page = talk.ok("GET", "/v1/revisions", limit=3)
    assert [one["revision"] for one in page["data"]] == [4, 3, 2]
    rest = talk.ok("GET", "/v1/revisions", limit=3, cursor=page["page"]["next_cursor"])
    assert [one["revision"] for one in rest["data"]] == [1]
    assert rest["page"] == {"next_cursor": None, "total": 4}


def test_a_difference_reads_well(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", V8)
    talk.ok("POST", "/v1/canaries/ranker-v8/ramp", {"percent": 30})
    found = talk.ok("GET", "/v1/revisions/3/changes")
    (one,) = found["differences"]
    assert (found["from"], one["where"], one["change"], one["fields"]) == (
        2,
        "canaries.ranker-v8",
        "changed",
        ["percent"],
    )
    assert "percent from 10" in one["text"]
    assert (one["before"]["percent"], one["after"]["percent"]) == (10, 30)
    assert talk.ok("GET", "/v1/revisions/3/changes", **{"from": 1})["differences"][0]["change"] == "added"
    assert talk.ok("GET", "/v1/revisions/1/changes")["from"] == 0


def test_any_revision_can_be_made_current_again(talk: Talk) -> None:
    default(talk, "v8")
    default(talk, "v9")
    made = talk.ok("POST", "/v1/revisions/1/rollback", why="v9 is slow")
    assert (made["revision"], made["why"], made["current"]) == (4, "v9 is slow", True)
    assert served_by(talk) == "ranker@v7"
    assert talk.ok("GET", "/v1/configuration")["objectives"] == document()["objectives"] or served_by(talk)
    assert talk.ok("GET", "/v1/revisions/4/changes", **{"from": 1})["differences"] == []
    talk.refused(404, "POST", "/v1/revisions/9/rollback")


def test_an_objective_is_rolled_back_by_itself_step_by_step(talk: Talk) -> None:
    default(talk, "v8")
    default(talk, "v9")
    talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "home"})
    assert talk.ok("POST", "/v1/objectives/continue-watching/rollback")["why"] == "continue-watching back to revision 2"
    assert served_by(talk) == "ranker@v8"
    talk.ok("POST", "/v1/objectives/continue-watching/rollback")
    assert served_by(talk) == "ranker@v7"
    assert talk.ok("GET", "/v1/objectives/recommend")["owner"] == "home"
    assert "nothing_before" in talk.refused(409, "POST", "/v1/objectives/continue-watching/rollback")["type"]
    default(talk, "v9")
    talk.ok("POST", "/v1/objectives/continue-watching/rollback")
    assert served_by(talk) == "ranker@v7"


def test_a_rollback_takes_what_belongs_to_the_objective_with_it(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", V8 | {"percent": 100})
    assert served_by(talk) == "ranker@v8"
    talk.ok("POST", "/v1/objectives/Continue Watching/rollback")
    assert served_by(talk) == "ranker@v7"
    assert talk.ok("GET", "/v1/canaries")["data"] == []


def test_what_changes_nothing_makes_no_revision(talk: Talk) -> None:
    talk.ok("PATCH", LIMITS, {"requests_per_second": 5})
    assert talk.ok("PATCH", LIMITS, {"requests_per_second": 5})["revision"] == 2
    whole = talk.ok("GET", "/v1/configuration")
    assert talk.ok("PUT", "/v1/configuration", whole)["revision"] == 2


def test_one_of_two_operators_is_told_that_the_other_was_first(talk: Talk) -> None:
    seen = talk("GET", LIMITS.removesuffix("/limits")).headers["etag"]
    talk.ok("PATCH", LIMITS, {"requests_per_second": 5})
    problem = talk.refused(412, "PATCH", LIMITS, {"requests_per_second": 9}, headers={"If-Match": seen})
    assert "revision 1 is not current any more: 2 is" in problem["detail"]
    assert talk.ok("GET", "/v1/clients/web")["requests_per_second"] == 5
    assert talk("PATCH", LIMITS, {"requests_per_second": 9}, headers={"If-Match": '"2"'}).status == 200
    stale = document() | {"revision": 2}
    talk.refused(412, "PUT", "/v1/configuration", stale)


def test_many_operators_at_once_make_one_revision_each(talk: Talk) -> None:
    def limit(number: int) -> int:
        made: int = talk.ok("PATCH", f"/v1/clients/c{number}/limits", {"requests_per_second": 1})["revision"]
        return made

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(limit, range(24)))
    assert sorted(made) == list(range(2, 26))
    assert talk.ok("GET", "/v1/clients", limit=1)["page"]["total"] == 25


def test_a_gateway_that_starts_again_serves_what_it_served(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        talk.ok("POST", "/v1/rules", {"name": "split", "objective": "continue-watching", "shares": split(90, 10)})
        talk.ok("PATCH", "/v1/rules/split", {"shares": split(55, 45)})
        before = talk.ok("GET", "/v1/configuration")
    with gateway(tmp_path) as talk:
        assert talk.ok("GET", "/v1/configuration") == before
        assert talk.ok("GET", "/ready")["revision"] == 3


@pytest.mark.parametrize("what", ["/v1/configuration/check", "/v1/configuration"])
def test_a_whole_configuration_is_checked(talk: Talk, what: str) -> None:
    faulty = document()
    faulty["objectives"][0]["version"] = "v99"
    if what.endswith("check"):
        (issue,) = [one for one in talk.ok("POST", what, faulty)["issues"] if one["level"] == "error"]
        assert (issue["rule"], issue["where"]) == ("unknown-version", "objectives.continue-watching.version")
        assert talk.ok("POST", what, document())["issues"] == []
    else:
        assert talk.refused(422, "PUT", what, faulty)["type"].endswith("invalid_configuration")
        assert served_by(talk) == "ranker@v7"


def test_a_revision_that_cannot_be_kept_decides_no_request(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        web = talk.as_("web")
        with sqlite3.connect(tmp_path / "gateway.db") as other:  # another gateway on the same database
            copy = "INSERT INTO revisions SELECT 2, at, 'other', why, summary, objectives, restores"
            other.execute(f"{copy} FROM revisions WHERE number = 1")
        other.close()
        change = {"model": "ranker", "version": "v8"}
        seen = []
        with ThreadPoolExecutor(2) as pool:
            refusals = [pool.submit(talk, "PATCH", "/v1/objectives/continue-watching", change) for _ in range(4)]
            while not all(one.done() for one in refusals):
                answer = web.ok("POST", "/v1/objectives/continue-watching/serve", {"input": {}})
                seen.append((answer["decision"]["revision"], answer["decision"]["version"]))
        for one in refusals:
            problem = one.result()
            assert problem.status == 503
            assert "revision 2 cannot be kept" in problem.json()["detail"]
            assert "revision 1 is still served" in problem.json()["hint"]
        assert set(seen) <= {(1, "v7")}
        assert talk.ok("GET", "/v1/objectives/continue-watching")["version"] == "v7"
        assert [entry["outcome"] for entry in talk.ok("GET", "/v1/audit", limit=1)["data"]] == ["refused"]


def test_what_waits_for_the_store_holds_up_nobody_who_is_served(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        web, stranger = talk.as_("web"), talk.as_("nobody knows it")
        serve = ("POST", "/v1/objectives/continue-watching/serve", {"input": {}})
        web.ok(*serve)
        waiting = [
            (talk, "GET", "/v1/decisions", None),
            (talk, "GET", "/v1/decisions/q1", None),
            (talk, "GET", "/v1/revisions", None),
            (talk, "GET", "/v1/revisions/1", None),
            (talk, "GET", "/v1/revisions/1/changes", None),
            (talk, "GET", "/v1/audit", None),
            (talk, "GET", "/v1/tokens", None),
            (talk, "POST", "/v1/revisions/1/rollback", None),
            (talk, "POST", "/v1/objectives/recommend/rollback", None),
            (talk, "POST", "/v1/simulate", {"revision": 1}),
            (talk, "PATCH", "/v1/clients/web/limits", {"concurrency": 9}),
            (stranger, *serve),
        ]
        with ThreadPoolExecutor(len(waiting)) as pool, talk.app.store.transaction():
            asked = [pool.submit(who, method, path, body) for who, method, path, body in waiting]
            for _ in range(50):
                web.ok(*serve)
            assert not [one for one in asked if one.done()]
        assert [one.result().status for one in asked[-2:]] == [200, 401]
