"""Which tools an API has over MCP, what they are called, and what they say when a call is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from nlapi.mcp.server import server_instructions
from nlapi.openapi.spec import Spec
from tests.agent.kit import boards
from tests.describe import spec
from tests.mcp.kit import ERAS, SECRET, User, call, names, served, talk, text
from tests.servers import Echo, Reply


async def listed(client: Client) -> list[Any]:
    return (await client.list_tools()).tools


def many(count: int = 60) -> Spec:
    """A large API: a list and a change for each of many things, one of them called as a tool of ours."""
    paths: dict[str, Any] = {}
    for number in range(count // 2):
        about = {"tags": [f"t{number % 7}"]}
        paths[f"/things{number}"] = {
            "get": {"operationId": f"listThings{number}", "summary": f"List things {number}", **about},
            "post": {"operationId": f"addThing{number}", "summary": f"Add a thing {number}", **about},
        }
    paths["/changes"] = {"get": {"operationId": "change", "tags": ["t0"], "summary": "List the changes of shift"}}
    return spec(paths)


def test_each_operation_of_a_small_api_is_a_tool_with_its_title_and_effect(tmp_path: Path) -> None:
    tools = {tool.name: tool for tool in talk(served(boards(tmp_path), "http://127.0.0.1:9"), listed, user=User())}
    assert {name: tool.title for name, tool in tools.items()} == {
        "result": "Read an earlier answer",
        "plan": "Plan",
        "listBoards": "List boards",
        "listCards": "List the cards of a board",
        "createCard": "Put a card on a board",
        "deleteCard": "Delete a card",
    }
    assert [name for name, tool in tools.items() if tool.annotations.read_only_hint] == [
        "result",
        "listBoards",
        "listCards",
    ]


def test_every_operation_is_a_tool_with_its_effect_on_demand(ads: Spec) -> None:
    tools = {tool.name: tool for tool in talk(served(ads, "http://127.0.0.1:9", all_tools=True), listed, user=User())}
    assert tools.pop("result").annotations.read_only_hint
    assert len(tools) == len(ads.operations)
    read, write, destroy = (tools[name].annotations for name in ("listCampaigns", "createCampaign", "deleteCampaign"))
    assert (read.read_only_hint, write.read_only_hint, destroy.read_only_hint) == (True, False, False)
    assert (write.destructive_hint, destroy.destructive_hint) == (False, True)
    assert tools["listCampaigns"].input_schema["properties"]["limit"]["type"] == "integer"


def test_a_large_api_is_searched_and_all_tools_are_there_on_demand() -> None:
    few = talk(served(many(), "http://127.0.0.1:9"), listed, user=User())
    assert names(few)[:6] == ["find", "describe", "read", "change", "result", "plan"]
    assert [bool(tool.annotations.read_only_hint) for tool in few[:5]] == [True, True, True, False, True]
    every = talk(served(many(), "http://127.0.0.1:9", all_tools=True), listed, user=User())
    assert len(every) == 62
    assert "change" not in names(every)


def test_what_is_always_there_takes_1300_tokens_with_the_reads_and_changes_that_are_most_used(ads: Spec) -> None:
    library = spec(library_paths())
    for api, used in ((ads, "listCampaigns"), (many(), "listThings0"), (library, "createBooks")):
        state = served(api, "http://127.0.0.1:9")
        without_forms, few = talk(state, listed), talk(state, listed, user=User())
        assert names(without_forms)[-1] == "outcome"
        text_size = len(server_instructions(state.catalogue).encode())
        for tools in (without_forms, few):
            sizes = [len(tool.model_dump_json(by_alias=True, exclude_none=True).encode()) for tool in tools]
            assert used in names(tools) and (sum(sizes) + text_size) / 4 <= 1_300, names(tools)
    assert names(few)[6:10] == ["listBooks", "createBooks", "getBooks", "updateBooks"]


def library_paths() -> dict[str, Any]:
    """Books with much beneath them, and twenty resources that are of less use, some of them before the books."""
    paths: dict[str, Any] = {f"/health{n}": {"get": {"operationId": f"getHealth{n}"}} for n in range(20)}
    id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    paths["/books"] = {"get": {"operationId": "listBooks"}, "post": {"operationId": "createBooks"}}
    methods = {"get": "getBooks", "patch": "updateBooks", "delete": "deleteBooks"}
    paths["/books/{id}"] = {method: {"operationId": name, "parameters": [id]} for method, name in methods.items()}
    for part in ("pages", "loans", "notes"):
        paths[f"/books/{{id}}/{part}"] = {"get": {"operationId": f"list{part}", "parameters": [id]}}
    return paths


def test_operations_are_found_described_and_called_by_name() -> None:
    with Echo(Reply(200, {"ok": True})) as api:
        large = served(many(), api.url)
        assert text(call(large, "find", {"words": "add thing 7"})).splitlines()[1].startswith("addThing7 (write)")
        assert json.loads(text(call(large, "describe", {"operation": "addThing7"})))["effect"] == "write"
        assert call(large, "read", {"operation": "listThings3"}).structured_content["data"] == {"ok": True}
        assert "shift" in text(call(large, "describe", {"operation": "change"}))
        user = User()
        assert not call(large, "change", {"operation": "addThing7", "arguments": {}}, user=user).is_error
        assert len(user.asked) == 1
        refused = call(large, "read", {"operation": "addThing7"}, user=user)
        assert refused.is_error
        assert "the tool `change` calls it" in text(refused)
        assert [one.path for one in api.received] == ["/things3", "/things7"]


def test_where_nothing_may_change_no_change_is_there() -> None:
    api = served(many(120), "http://127.0.0.1:9", consent="never")
    assert "change" not in names(talk(api, listed, user=User()))
    assert "addThing7" not in text(call(api, "find", {"words": "add thing 7"}))
    named = {"operation": "addThing7"}
    assert all(call(api, *one).is_error for one in (("addThing7",), ("read", named), ("change", named)))


def test_names_keep_to_the_length_that_was_asked_for_and_stay_apart() -> None:
    paths = {
        f"/p{number}": {"get": {"operationId": f"a_very_long_name_of_an_operation_that_is_called_{number}"}}
        for number in range(9)
    }
    described = spec({**paths, "/short": {"get": {"operationId": "short"}}})
    settings: Any = {"name_length": 24, "all_tools": True}
    found = names(talk(served(described, "http://127.0.0.1:9", **settings), listed, user=User()))
    assert len(set(found)) == 11
    assert max(map(len, found)) == 24
    assert "short" in found
    one = next(name for name in found if name not in ("short", "result"))
    assert names(talk(served(described, "http://127.0.0.1:9", **settings), listed, user=User())) == found
    with Echo() as api:
        assert call(served(described, api.url, name_length=24), one).structured_content["status"] == 200


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("getCampaign", {}, "argument 'campaign_id' is missing"),
        ("getCampaign", {"campain_id": "c"}, "did you mean 'campaign_id'?"),
        ("listCampaigns", {"limit": "many"}, "limit"),
        ("getCampaing", {"campaign_id": "c"}, "did you mean 'getCampaign'"),
        ("getCampaign", {"campaign_id": SECRET}, "carry a credential"),
        ("createCampaign", {"name": "x", "objective": "FAME"}, "objective"),
    ],
)
def test_a_wrong_call_is_an_answer_that_says_what_would_be_right(
    ads: Spec, mode: str, name: str, arguments: dict[str, Any], says: str
) -> None:
    with Echo() as api:
        result = call(served(ads, api.url), name, arguments, mode=mode, user=User())
        assert api.received == []
    assert result.is_error
    assert says in text(result)
    assert SECRET not in result.model_dump_json()


def test_an_api_that_is_not_there_and_an_error_of_it_are_told(ads: Spec) -> None:
    gone = call(served(ads, "http://127.0.0.1:9"), "listCampaigns")
    assert gone.is_error
    assert "cannot connect to http://127.0.0.1:9" in text(gone)
    with Echo(Reply(403, {"detail": f"no, {SECRET}"})) as api:
        refused = call(served(ads, api.url), "listCampaigns")
        assert api.only.header("authorization") == f"Bearer {SECRET}"
    assert (refused.is_error, refused.structured_content["status"]) == (True, 403)
    assert SECRET not in refused.model_dump_json()


def test_a_credential_that_is_missing_is_named(ads: Spec) -> None:
    api = served(ads, "http://127.0.0.1:9")
    api.target = replace(api.target, credentials={})
    assert "listCampaigns needs a credential: oauth2 (access token) or bearer (bearer token)" in text(
        call(api, "listCampaigns")
    )


def test_values_that_the_user_registered_need_not_be_given(ads: Spec) -> None:
    with Echo(Reply(200, {})) as server:
        api = served(ads, server.url, registered={"campaign_id": "cmp_7h2k9q4m"}, all_tools=True)
        tools = {tool.name: tool for tool in talk(api, listed, user=User())}
        assert "campaign_id" not in tools["getCampaign"].input_schema["required"]
        call(api, "getCampaign")
        call(api, "getCampaign", {"campaign_id": "cmp_p3x8v5t1"})
        assert [one.path for one in server.received] == ["/campaigns/cmp_7h2k9q4m", "/campaigns/cmp_p3x8v5t1"]
