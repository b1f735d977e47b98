"""A model's call of a tool is made and answered; what talks to an API also does so inside an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

import nlapi
from nlapi.errors import ConsentError, CredentialError, UsageError
from nlapi.sandbox import running
from tests.describe import body, parameter, spec
from tests.servers import Echo, Script
from tests.tables import table

ADS = nlapi.load("ads")
TOOLS = nlapi.tools(ADS)
PAUSE = {"campaign_id": "cmp_7h2k9q4m", "status": "PAUSED"}
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def to() -> Iterator[dict[str, Any]]:
    with running(ADS) as server:
        yield {"base_url": server.url, "auth": {"bearer": "any"}}


# What the model is told


@table("arguments", [{"limit": 1}, '{"limit": 1}', {"limit": 1.0}])
def test_it_is_told_what_the_api_said(arguments: Any, to: dict[str, Any]) -> None:
    told = json.loads(nlapi.answer(TOOLS, "listCampaigns", arguments, **to))
    assert told["status"] == 200
    assert "untrusted" in told["note"]
    assert len(told["data"]["data"]) == 1


@table("arguments", [None, "", {}])
def test_a_tool_may_be_called_with_nothing(arguments: Any, to: dict[str, Any]) -> None:
    assert json.loads(nlapi.answer(TOOLS, "listAccounts", arguments, **to))["status"] == 200


def test_an_error_of_the_api_is_an_answer(to: dict[str, Any]) -> None:
    told = nlapi.answer(TOOLS, "getCampaign", {"campaign_id": "cmp_00000000"}, **to)
    assert json.loads(told)["status"] == 404


@table(
    ("name", "arguments", "said"),
    [
        ("listCampaign", {}, "there is no tool 'listCampaign' (did you mean 'listCampaigns'?)"),
        ("rm", {}, "there is no tool 'rm'"),
        ("listCampaigns", '{"limit": 1', "the arguments are not JSON"),
        ("deleteCampaign", '{"campaign_id": "a", "campaign_id": "b"}', "the key 'campaign_id' is there twice"),
        ("listCampaigns", "[" * 100_000, "the arguments are not JSON"),
        ("listCampaigns", "[1]", "the arguments are not a JSON object"),
        ("listCampaigns", {"limits": 1}, "did you mean 'limit'?"),
        ("getCampaign", {}, "argument 'campaign_id' is missing"),
    ],
)
def test_it_is_told_what_is_wrong_with_a_call(name: str, arguments: Any, said: str, to: dict[str, Any]) -> None:
    told = nlapi.answer(TOOLS, name, arguments, **to)
    assert told.startswith("not sent: ")
    assert said in told


def test_only_the_tools_that_it_was_given_can_be_called(to: dict[str, Any]) -> None:
    few = nlapi.tools(ADS, exclude=["method:DELETE"])
    told = nlapi.answer(few, "deleteCampaign", {"campaign_id": "cmp_7h2k9q4m"}, yes=True, **to)
    assert "there is no tool 'deleteCampaign'" in told


def test_it_is_told_that_no_answer_came() -> None:
    read = nlapi.answer(TOOLS, "listCampaigns", {}, base_url=CLOSED, auth={"bearer": "any"})
    assert read.startswith("failed: cannot connect to http://127.0.0.1:9")
    assert "--base-url" not in read


def test_it_is_told_that_the_user_has_given_no_credential(to: dict[str, Any]) -> None:
    told = nlapi.answer(TOOLS, "updateCampaign", PAUSE, base_url=to["base_url"], yes=True)
    assert told.startswith(
        "not sent: updateCampaign needs a credential: oauth2 (access token) or bearer (bearer token)"
    )
    assert (
        "The user has not given it" in told and "auth={'oauth2': ...}" in told and "never in this conversation" in told
    )
    assert "--auth" not in told


def test_it_is_called_without_credentials_where_the_caller_says_so() -> None:
    with Echo() as api:
        told = json.loads(nlapi.answer(TOOLS, "listCampaigns", {}, base_url=api.url, auth=False))
    assert (told["status"], api.only.header("authorization")) == (200, None)


def test_it_is_told_when_a_change_may_have_been_carried_out() -> None:
    node = {"/x": {"post": {"operationId": "make", **body({"type": "object", "properties": {"a": {}}})}}}
    with Script() as server:
        told = nlapi.answer(nlapi.tools(spec(node)), "make", {"a": 1}, base_url=server.url, yes=True)
    assert "it may or may not have been carried out" in told


# What the caller is told


def test_a_credential_that_cannot_be_used_is_the_callers_affair(to: dict[str, Any]) -> None:
    for auth, said in (({"bearrer": "any"}, "no security scheme 'bearrer'"), ({"bearer": "a\nb"}, "line break")):
        with pytest.raises(CredentialError, match=said):
            nlapi.answer(TOOLS, "listCampaigns", {}, base_url=to["base_url"], auth=auth)


def test_credentials_and_base_urls_are_for_the_tools_of_one_api(to: dict[str, Any]) -> None:
    other = spec({"/x": {"get": {"operationId": "look", "parameters": [parameter()], "responses": {}}}})
    for given in ({"base_url": CLOSED}, {"auth": {"bearer": "any"}}):
        with pytest.raises(UsageError, match="several APIs"):
            nlapi.answer((*TOOLS, *nlapi.tools(other)), "look", {}, **given)


def test_one_name_for_tools_of_two_apis_is_nobodys_guess() -> None:
    one, other = (nlapi.tools(spec({"/x": {"get": {"operationId": "look", "responses": {}}}})) for _ in range(2))
    with pytest.raises(UsageError, match="two of these tools are called look"):
        nlapi.answer((*one, *other), "look", {})
    assert "there is no tool 'loo'" in nlapi.answer((*one, *other), "loo", {})
    twice = nlapi.answer((*one, *one), "look", {"x": 1})
    assert "there is no argument 'x'" in twice


# Consent


def test_a_change_without_consent_is_not_sent(to: dict[str, Any]) -> None:
    told = nlapi.answer(TOOLS, "updateCampaign", PAUSE, **to)
    assert told.startswith("not sent: updateCampaign would write something, and the user has not agreed to that. ")
    # A model that is not told so tries again, or says that it is done.
    assert "Do not call it again by yourself" in told and "tell the user" in told


def test_a_function_is_shown_each_change_and_no_read(to: dict[str, Any]) -> None:
    shown: list[nlapi.Prepared] = []

    def consent(change: nlapi.Prepared) -> bool:
        shown.append(change)
        return len(shown) > 1

    nlapi.answer(TOOLS, "getCampaign", {"campaign_id": "cmp_7h2k9q4m"}, yes=consent, **to)
    assert "not agreed" in nlapi.answer(TOOLS, "updateCampaign", PAUSE, yes=consent, **to)
    assert '"status":"PAUSED"' in nlapi.answer(TOOLS, "updateCampaign", PAUSE, yes=consent, **to)
    assert [change.effect for change in shown] == [nlapi.Effect.WRITE, nlapi.Effect.WRITE]
    assert shown[0].request.method == "PATCH"
    assert "any" not in shown[0].curl


@table("said", ["n", "y", 1, None])
def test_nothing_but_true_is_consent(said: Any, to: dict[str, Any]) -> None:
    for yes in (said, lambda change: said):
        assert "not agreed" in nlapi.answer(TOOLS, "updateCampaign", PAUSE, yes=yes, **to)


def test_a_call_asks_the_same_function(to: dict[str, Any]) -> None:
    with pytest.raises(ConsentError):
        nlapi.call(ADS, "updateCampaign", PAUSE, yes=lambda change: False, **to)
    assert nlapi.call(ADS, "updateCampaign", PAUSE, yes=lambda change: change.request.method == "PATCH", **to).ok


# In an event loop


def test_the_synchronous_functions_work_in_an_event_loop(to: dict[str, Any]) -> None:
    async def tool() -> tuple[int, str]:
        return nlapi.call(ADS, "listCampaigns", **to).status, nlapi.answer(TOOLS, "listCampaigns", {}, **to)

    status, text = asyncio.run(tool())
    assert status == json.loads(text)["status"] == 200


def test_the_asynchronous_forms_run_beside_each_other(to: dict[str, Any]) -> None:
    async def tools() -> tuple[nlapi.Result, str]:
        return await asyncio.gather(
            nlapi.aio.call(ADS, "listCampaigns", {"limit": 1}, **to), nlapi.aio.answer(TOOLS, "listAds", "{}", **to)
        )

    result, text = asyncio.run(tools())
    assert result.status == json.loads(text)["status"] == 200


def test_consent_may_be_asked_for_asynchronously(to: dict[str, Any]) -> None:
    async def consent(change: nlapi.Prepared) -> bool:
        await asyncio.sleep(0)
        return change.effect is nlapi.Effect.WRITE

    async def change() -> nlapi.Result:
        return await nlapi.aio.call(ADS, "updateCampaign", PAUSE, yes=consent, **to)

    assert asyncio.run(change()).ok


def test_an_error_comes_out_of_an_event_loop_as_it_is(to: dict[str, Any]) -> None:
    async def tool() -> None:
        nlapi.call(ADS, "updateCampaign", PAUSE, **to)

    with pytest.raises(ConsentError):
        asyncio.run(tool())
