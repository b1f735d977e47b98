"""One server for a team: several APIs, roles, credentials for changes, limits, hidden fields, the log, completion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client

from nlapi.errors import UsageError
from nlapi.mcp.access import CallLimiter, TeamCaller
from nlapi.mcp.audit import AuditTrail, CallMetrics
from nlapi.mcp.server import serve_offer
from nlapi.mcp.team import OpenApi, TeamOffer, parse_team
from nlapi.openapi.spec import Spec
from nlapi.tools.sending.run import Target
from tests.describe import spec as described
from tests.mcp.kit import ERAS, User, names, text
from tests.servers import Echo, Received, Reply

READ_TOKEN, WRITE_TOKEN = "tok-read-5b7e", "tok-write-9c1d"
PEOPLE = [{"id": "p1", "name": "Ann", "email": "ann@x.example"}, {"id": "p2", "name": "Bo", "email": "bo@x.example"}]
KIND = {"type": "string", "enum": ["DAY", "WEEK"]}
ID = {"name": "person_id", "in": "path", "required": True, "schema": {"type": "string"}}
LIST = {
    "type": "array",
    "items": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
}
PATHS = {
    "/people": {
        "get": {
            "operationId": "listPeople",
            "parameters": [{"name": "per", "in": "query", "schema": KIND}],
            "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": LIST}}}},
        },
        "post": {
            "operationId": "addPerson",
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "pin": {"type": "string", "format": "password"}},
                        }
                    }
                }
            },
            "responses": {"201": {"description": "made"}},
        },
    },
    "/people/{person_id}": {
        "get": {"operationId": "getPerson", "parameters": [ID], "responses": {"200": {"description": "ok"}}},
        "delete": {"operationId": "removePerson", "parameters": [ID], "responses": {"204": {"description": "gone"}}},
    },
}
SCHEMES = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}


def team_text(more: str = "") -> str:
    return f"""
[apis.crm]
source = "crm.json"
[apis.crm2]
source = "crm.json"
prefix = "second_"
{more}
"""


@pytest.fixture
def api() -> Iterator[Echo]:
    def answer(request: Received) -> Reply:
        return Reply(201, {"id": "p3"}) if request.method == "POST" else Reply(200, PEOPLE)

    with Echo(answer) as server:
        yield server


@pytest.fixture(scope="module")
def crm() -> Spec:
    return read_crm()


def read_crm() -> Spec:
    return described(PATHS, components=SCHEMES, security=[{"key": []}], info={"title": "CRM", "version": "1"})


def offer(crm: Spec, api: Echo, more: str = "", **rest: Any) -> TeamOffer:
    settings = parse_team(team_text(more), "team.toml")
    specs = [crm, *(read_crm() for _ in settings.apis[1:])]
    targets = [Target(spec=spec, base_url=api.url, credentials={"key": READ_TOKEN}) for spec in specs]
    opened = [
        OpenApi(api=entry, target=target, change_credentials={"key": WRITE_TOKEN})
        for entry, target in zip(settings.apis, targets, strict=True)
    ]
    return TeamOffer(settings, opened, report=rest.pop("report", print), **rest)


def talk(
    offered: TeamOffer, says: Callable[[Client], Awaitable[Any]], user: User | None = None, mode: str = "legacy"
) -> Any:
    async def run() -> Any:
        async with Client(serve_offer(offered, ttl_seconds=60), mode=mode, elicitation_callback=user) as client:
            return await says(client)

    return asyncio.run(run())


def call(offered: TeamOffer, name: str, arguments: Any = None, **more: Any) -> types.CallToolResult:
    async def says(client: Client) -> Any:
        return await client.call_tool(name, arguments or {})

    result: types.CallToolResult = talk(offered, says, **more)
    return result


def tools(offered: TeamOffer, mode: str = "legacy") -> list[str]:
    async def says(client: Client) -> list[str]:
        return names((await client.list_tools()).tools)

    listed: list[str] = talk(offered, says, mode=mode, user=User())
    return listed


@pytest.mark.parametrize("mode", ERAS)
def test_tools_of_several_apis_are_told_apart_by_their_prefixes(crm: Spec, api: Echo, mode: str) -> None:
    offered = offer(crm, api)
    listed = tools(offered, mode)
    assert {"crm_listPeople", "second_listPeople", "second_addPerson"} <= set(listed)
    assert listed.count("result") == 1
    assert len(listed) == len(set(listed)) == 9
    answer = call(offered, "second_getPerson", {"person_id": "p1"}, mode=mode)
    assert answer.structured_content["status"] == 200
    assert api.only.path == "/people/p1"
    assert "there is no operation" in text(call(offered, "third_listPeople", mode=mode))


def test_large_apis_are_searched_together_and_their_operations_have_prefixes(api: Echo) -> None:
    paths = {f"/r{n}": {"get": {"operationId": f"getR{n}", "responses": {}}} for n in range(50)}
    many = [described(paths, info={"title": title, "version": "1"}) for title in ("Many", "More")]
    settings = parse_team(team_text(), "team.toml")
    opened = [
        OpenApi(api=entry, target=Target(spec=spec, base_url=api.url))
        for entry, spec in zip(settings.apis, many, strict=True)
    ]
    offered = TeamOffer(settings, opened, report=print)
    listed = tools(offered)
    assert listed[:5] == ["find", "describe", "read", "change", "result"]
    found = text(call(offered, "find", {"words": "getR7"}))
    assert "crm_getR7" in found and "second_getR7" in found
    assert call(offered, "read", {"operation": "second_getR7"}).structured_content["status"] == 200
    assert api.only.path == "/r7"


def test_a_role_that_reads_is_offered_no_change_and_sends_none(crm: Spec, api: Echo) -> None:
    offered = offer(crm, api, '[roles.reader]\neffects = ["read"]\nexclude = ["id:getPerson"]\napis = ["crm"]')
    assert set(tools(offered)) == {"listPeople", "crm_listPeople", "result"} - {"listPeople"}
    for name in ("crm_addPerson", "crm_removePerson", "crm_getPerson", "second_listPeople"):
        assert "there is no operation" in text(call(offered, name, {"person_id": "p1"}, user=User()))
    assert api.received == []


def test_a_rule_of_a_role_holds_as_one_of_the_policy(crm: Spec, api: Echo) -> None:
    rules = '[roles.a]\nconsent = "client"\n[[roles.a.rules]]\noperation = "remove*"\nverdict = "deny"\n'
    rules += '[[roles.a.rules]]\napi = "crm2"\noperation = "listPeople"\nverdict = "ask"\n'
    offered = offer(crm, api, rules)
    assert "crm_removePerson" not in tools(offered)
    user = User("decline")
    assert call(offered, "second_listPeople", user=user).is_error
    assert len(user.asked) == 1
    assert not call(offered, "crm_listPeople", user=user).is_error
    assert len(api.received) == 1


def test_nothing_left_for_a_role_is_an_error_at_the_start(crm: Spec, api: Echo) -> None:
    with pytest.raises(UsageError, match="the role 'a' may call nothing"):
        offer(crm, api, '[roles.a]\ninclude = ["id:nothing"]')


def test_changes_have_credentials_of_their_own(crm: Spec, api: Echo) -> None:
    offered = offer(crm, api)
    call(offered, "crm_listPeople")
    assert call(offered, "crm_addPerson", {"name": "Cy"}, user=User()).structured_content["status"] == 201
    sent = [(one.method, one.header("authorization")) for one in api.received]
    assert sent == [("GET", f"Bearer {READ_TOKEN}"), ("POST", f"Bearer {WRITE_TOKEN}")]
    for token in (READ_TOKEN, WRITE_TOKEN):
        assert "credential" in text(call(offered, "crm_addPerson", {"name": token}, user=User()))
    assert len(api.received) == 2


def test_fields_that_a_role_may_not_see_reach_no_answer(crm: Spec, api: Echo) -> None:
    offered = offer(crm, api, '[roles.a]\n[[roles.a.fields]]\nhide = "*mail*"\n')

    async def says(client: Client) -> str:
        answer = await client.call_tool("crm_listPeople", {})
        resources = await client.list_resources()
        return f"{answer.structured_content} {text(answer)} {resources}"

    seen = talk(offered, says)
    assert "Ann" in seen
    assert "x.example" not in seen


@pytest.mark.parametrize("mode", ERAS)
def test_the_log_says_who_did_what_with_which_consent(crm: Spec, api: Echo, tmp_path: Path, mode: str) -> None:
    trail = AuditTrail(tmp_path / "audit.jsonl")
    offered = offer(crm, api, "[roles.operator]", audit=trail, metrics=(metrics := CallMetrics()))
    call(offered, "crm_listPeople", {"per": "DAY"}, mode=mode)
    call(offered, "crm_addPerson", {"name": "Cy", "pin": "pin-8842"}, user=User(), mode=mode)
    call(offered, "crm_removePerson", {"person_id": "p1"}, user=User("decline"), mode=mode)
    call(offered, "crm_getPerson", {}, mode=mode)
    lines = [json.loads(line) for line in trail.path.read_text().splitlines()]
    ended = [line for line in lines if line["event"] == "call" and line["outcome"] != "asked"]
    assert [
        (line["operation"], line["effect"], line["consent"], line["outcome"], line["status"]) for line in ended
    ] == [
        ("listPeople", "read", "not needed", "answered", 200),
        ("addPerson", "write", "user", "answered", 201),
        ("removePerson", "destroy", "none", "refused", None),
        ("getPerson", "read", "none", "refused", None),
    ]
    assert ended[0]["request"] == f"GET {api.url}/people?per=DAY"
    assert ended[1]["arguments"] == {"name": "Cy", "pin": "***"}
    assert [line["operation"] for line in lines if line["event"] == "sending"] == ["addPerson"]
    assert trail.path.stat().st_mode & 0o777 == 0o600
    told = trail.path.read_text()
    assert not [secret for secret in (READ_TOKEN, WRITE_TOKEN, "pin-8842") if secret in told]
    counted = metrics.text().decode()
    assert 'nlapi_mcp_calls_total{api="crm",client="",effect="write",outcome="answered",role="operator"} 1.0' in counted
    assert 'nlapi_mcp_answers_total{api="crm",status="2xx"} 2.0' in counted
    assert "nlapi_mcp_calls_running 0.0" in counted


def test_a_change_that_cannot_be_logged_is_not_sent(crm: Spec, api: Echo, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    trail, told = AuditTrail(tmp_path / "logs" / "audit.jsonl"), []
    trail.path.unlink()
    trail.path.parent.rmdir()
    offered = offer(crm, api, "[roles.a]", audit=trail, report=told.append)
    assert "the audit log of this server cannot be written" in text(
        call(offered, "crm_addPerson", {"name": "Cy"}, user=User())
    )
    assert api.received == []
    assert call(offered, "crm_listPeople").structured_content["status"] == 200
    assert any("the audit log cannot be written" in line for line in told)


def test_calls_above_the_limit_are_refused_with_the_time_to_wait(crm: Spec, api: Echo) -> None:
    offered = offer(crm, api, "[roles.a]\ncalls_per_minute = 2")

    async def says(client: Client) -> list[types.CallToolResult]:
        return [await client.call_tool("crm_listPeople", {}) for _ in range(3)]

    *first, last = talk(offered, says)
    assert not any(answer.is_error for answer in first)
    assert "more than 2 calls a minute; nothing was sent" in text(last)
    assert "30 s" in text(last)
    assert len(api.received) == 2


def test_each_caller_has_limits_of_its_own_that_come_back_with_time() -> None:
    now = [0.0]
    limiter, ann, bo = CallLimiter(lambda: now[0]), TeamCaller(name="ann"), TeamCaller(name="bo")

    def calls(caller: TeamCaller, count: int) -> int:
        made = 0
        for _ in range(count):
            try:
                with limiter.admit(caller, 60, 0):
                    made += 1
            except UsageError:
                break
        return made

    assert (calls(ann, 100), calls(bo, 30), calls(ann, 1)) == (60, 30, 0)
    now[0] = 5.0
    assert (calls(ann, 100), calls(bo, 100)) == (5, 35)
    with limiter.admit(ann, 0, 2), limiter.admit(ann, 0, 2):
        with pytest.raises(UsageError, match="2 calls of this client are under way"), limiter.admit(ann, 0, 2):
            pass
        with limiter.admit(bo, 0, 1):
            pass
    with limiter.admit(ann, 0, 1):
        pass


@pytest.mark.parametrize("mode", ERAS)
def test_operations_arguments_choices_and_ids_are_completed(crm: Spec, api: Echo, mode: str) -> None:
    long = [{"id": f"person-{n}", "name": "x" * 100} for n in range(300)]
    reference = types.ResourceTemplateReference(uri="nlapi://argument/{operation}/{argument}/{value}")

    async def says(client: Client) -> list[list[str]]:
        await client.call_tool("crm_listPeople", {})

        async def complete(name: str, value: str, **given: str) -> list[str]:
            found = await client.complete(reference, {"name": name, "value": value}, context_arguments=given)
            return found.completion.values

        return [
            await complete("operation", "crm_g"),
            await complete("argument", "", operation="crm_listPeople"),
            await complete("value", "w", operation="crm_listPeople", argument="per"),
            await complete("value", "person-29", operation="crm_getPerson", argument="person_id"),
            await complete("value", "", operation="nothing", argument="per"),
        ]

    with Echo(Reply(200, long)) as server:
        operations, arguments, choices, ids, none = talk(offer(crm, server), says, mode=mode)
    assert operations == ["crm_getPerson"]
    assert arguments == ["per"]
    assert choices == ["WEEK"]
    assert ids == ["person-29", *(f"person-{n}" for n in range(290, 300))]
    assert none == []


def test_lists_may_be_kept_for_a_time_by_their_caller_alone(crm: Spec, api: Echo) -> None:
    async def says(client: Client) -> tuple[int, str]:
        listed = await client.list_tools()
        return listed.ttl_ms, listed.cache_scope

    assert talk(offer(crm, api), says, mode="2026-07-28") == (60_000, "private")
