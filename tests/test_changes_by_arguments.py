"""A GET that an argument makes a change is a change to every face; without the argument it is a read to every one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import ConsentError
from tests.cli.kit import run
from tests.describe import parameter
from tests.mcp.kit import User, call, served, talk, text
from tests.servers import Echo, Reply

WATCH = {
    "/watch/{uuid}": {
        "get": {
            "operationId": "getWatch",
            "summary": "Get single watch data, delete, recheck, or set muted/paused status",
            "parameters": [
                parameter("uuid", "path"),
                parameter(
                    "muted", schema={"enum": ["muted", "unmuted"]}, description="Set the mute state of the watch"
                ),
                parameter("fields", description="Comma-separated fields of the answer"),
            ],
            "responses": {"200": {"description": "the watch"}},
        }
    },
    "/watch/search": {
        "post": {
            "operationId": "searchWatches",
            "x-nlapi-effect": "read",
            "requestBody": {
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "properties": {"title": {"type": "string"}, "_method": {"type": "string"}},
                        }
                    }
                }
            },
            "responses": {"200": {"description": "watches"}},
        }
    },
}
PLAIN = ("getWatch", {"uuid": "w1", "fields": "title"})
CHANGES = [("getWatch", {"uuid": "w1", "muted": "muted"}), ("searchWatches", {"title": "x", "_method": "DELETE"})]


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo(lambda request: Reply(200, {"uuid": "w1"})) as server:
        yield server


@pytest.fixture
def watch(tmp_path: Path, api: Echo, monkeypatch: pytest.MonkeyPatch) -> str:
    for kind in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind.lower()))
    file = tmp_path / "watch.json"
    info = {"title": "Watches", "version": "1"}
    file.write_text(json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": api.url}], "paths": WATCH}))
    return str(file)


def words(arguments: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in arguments.items()]


@pytest.mark.parametrize(("operation", "arguments"), CHANGES)
def test_the_command_line_asks_and_a_plain_read_runs(
    watch: str, api: Echo, operation: str, arguments: dict[str, str]
) -> None:
    refused = run("call", watch, operation, *words(arguments))
    assert refused.code == 6
    assert "needs your consent" in refused.complaint
    assert api.received == []
    assert run("call", watch, PLAIN[0], *words(PLAIN[1])).code == 0
    assert len(api.received) == 1


@pytest.mark.parametrize("query", ["muted=muted", "Muted=muted", "muted[]=muted"])
def test_the_query_of_a_path_counts_too(watch: str, api: Echo, query: str) -> None:
    assert run("call", watch, "GET", f"/watch/w1?{query}").code == 6
    assert api.received == []
    assert run("call", watch, "GET", "/watch/w1?tag=a&tag=b").code == 0


@pytest.mark.parametrize(("operation", "arguments"), CHANGES)
def test_python_and_the_tools_of_models_ask_too(
    watch: str, api: Echo, operation: str, arguments: dict[str, str]
) -> None:
    spec = nlapi.load(watch)
    with pytest.raises(ConsentError):
        nlapi.call(spec, operation, arguments)
    assert nlapi.answer(nlapi.tools(spec), operation, arguments).startswith("not sent: ")
    toolset = nlapi.toolset(spec)
    for tool in ("read", "change"):
        assert "not sent" in toolset.answer(tool, {"operation": operation, "arguments": arguments})
    assert api.received == []
    assert "w1" in toolset.answer("read", {"operation": PLAIN[0], "arguments": PLAIN[1]})
    assert nlapi.call(spec, *PLAIN).ok
    assert len(api.received) == 2


@pytest.mark.parametrize(("operation", "arguments"), CHANGES)
def test_mcp_asks_and_says_that_the_tool_may_change_something(
    watch: str, api: Echo, operation: str, arguments: dict[str, str]
) -> None:
    spec, user = nlapi.load(watch), User("decline")
    assert call(served(spec, api.url), operation, arguments, user=user).is_error
    assert len(user.asked) == 1
    # A server that only reads sends no such call, though it offers the operation.
    refused = call(served(spec, api.url, consent="never"), operation, arguments)
    assert refused.is_error
    assert "would" in text(refused)
    assert api.received == []
    assert not call(served(spec, api.url, consent="never"), *PLAIN).is_error
    assert len(api.received) == 1

    async def says(client: Any) -> Any:
        return await client.list_tools()

    listed = talk(served(spec, api.url), says).tools
    (tool,) = (tool for tool in listed if tool.name == operation)
    assert tool.annotations is not None
    assert tool.annotations.read_only_hint is False


def test_a_batch_and_a_rule_about_changes_hold_for_it(watch: str, api: Echo, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    calls = [{"operation": "getWatch", "arguments": {"uuid": "w1", "muted": value}} for value in ("muted", "unmuted")]
    rows.write_text("".join(json.dumps(entry) + "\n" for entry in calls))
    assert run("batch", watch, str(rows)).code == 6
    policy = tmp_path / "config" / "policy.toml"
    policy.parent.mkdir(exist_ok=True)
    policy.write_text('[[rules]]\neffect = "write"\nverdict = "deny"\n')
    assert run("call", watch, "getWatch", "uuid=w1", "muted=muted", "--yes").code == 6
    assert api.received == []
    assert run("call", watch, "getWatch", "uuid=w1").code == 0


def test_a_workflow_counts_it_among_its_changes(watch: str, api: Echo, tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "arazzo": "1.0.1",
        "info": {"title": "Mute", "version": "1"},
        "sourceDescriptions": [{"name": "watches", "url": watch, "type": "openapi"}],
        "workflows": [
            {
                "workflowId": "mute",
                "steps": [
                    {
                        "stepId": "mute",
                        "operationId": "getWatch",
                        "parameters": [
                            {"name": "uuid", "in": "path", "value": "w1"},
                            {"name": "muted", "in": "query", "value": "muted"},
                        ],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "mute.arazzo.json"
    file.write_text(json.dumps(document))
    assert run("workflow", "run", str(file)).code == 6
    assert api.received == []
    document["workflows"][0]["steps"][0]["parameters"].pop()
    file.write_text(json.dumps(document))
    assert run("workflow", "run", str(file)).code == 0
    assert len(api.received) == 1
