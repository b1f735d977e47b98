"""The stand-in for the Messages API refuses what the real one refuses, and runs on its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import messages_server
from tests.messages_server import MessagesServer, Refused, check, say, use

TOOL = {"name": "look", "description": "", "input_schema": {"type": "object", "properties": {}}}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}
HELLO = {"role": "user", "content": "hello"}


def request(**more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 10, "messages": [HELLO], "tools": [TOOL], **more}


def result(*ids: str, first: bool = True) -> dict[str, Any]:
    blocks = [{"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in ids]
    text = [{"type": "text", "text": "and?"}]
    return {"role": "user", "content": [*blocks, *text] if first else [*text, *blocks]}


def with_schema(**schema: Any) -> dict[str, Any]:
    return request(tools=[{**TOOL, "input_schema": {"type": "object", **schema}}])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (request(temperature=0), "temperature: Extra inputs"),
        (request(tool_choice={"type": "any"}), "not supported by this model"),
        (request(messages=[]), "at least one message"),
        (request(messages=[USE, result("toolu_1")]), "first message must use the user role"),
        (request(messages=[HELLO, {"role": "assistant", "content": "I"}]), "prefill"),
        (request(messages=[HELLO, USE, HELLO]), "without `tool_result` blocks immediately after: toolu_1"),
        (request(messages=[HELLO, USE, result("toolu_1", first=False)]), "without `tool_result` blocks"),
        (request(messages=[HELLO, USE, result("toolu_2")]), "unexpected `tool_use_id`"),
        (request(messages=[HELLO, USE, result("toolu_1"), USE, result("toolu_1")]), "must be unique"),
        (request(messages=[{"role": "user", "content": " "}]), "non-whitespace"),
        (request(messages=[{"role": "user", "content": [{"type": "text", "text": "a", "parsed": 1}]}]), "Extra inputs"),
        (request(tools=[{**TOOL, "name": "look at"}]), "should match pattern"),
        (request(tools=[TOOL, TOOL]), "must be unique"),
        (with_schema(type="array"), "Input should be 'object'"),
        (with_schema(oneOf=[{}]), "at the top level"),
        (with_schema(properties={"filter[name]": {}}), "Property keys"),
        (with_schema(properties={"a": {"exclusiveMinimum": True}}), "draft 2020-12"),
        (with_schema(properties={"a": {"$ref": "#/$defs/B"}}), "draft 2020-12"),
    ],
)
def test_it_refuses(body: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        check(body)
    assert says in str(refused.value)


def test_it_takes_a_good_conversation() -> None:
    check(request(messages=[HELLO, USE, result("toolu_1")]))


def test_a_refused_request_uses_up_no_step() -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    with MessagesServer([use("look", {"a": 1})], key="k") as server, httpx2.Client(headers=headers) as client:
        bad = client.post(f"{server.url}/v1/messages", json=request(top_p=1))
        good = client.post(f"{server.url}/v1/messages", json=request())
        strange = client.post(f"{server.url}/v1/messages", json=request(), headers={"x-api-key": "other"})
    assert (bad.status_code, good.status_code, strange.status_code) == (400, 200, 401)
    assert bad.json()["error"]["type"] == "invalid_request_error"
    assert good.json()["content"][0]["input"] == {"a": 1}
    assert good.json()["stop_reason"] == "tool_use"
    assert server.requests == [request()]
    assert len(server.refused) == 1


def test_it_streams_the_events_of_the_real_api_in_their_order() -> None:
    headers = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
    with MessagesServer([say("hello there")]) as server, httpx2.Client(headers=headers) as client:
        answer = client.post(f"{server.url}/v1/messages", json=request(stream=True))
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    deltas = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert names == ["message_start", "ping", *deltas, "message_delta", "message_stop"]


def test_it_runs_as_a_script_and_prints_its_address(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([say("from a file")]))
    command = [sys.executable, messages_server.__file__, str(script)]
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            answer = httpx2.post(f"{url}/v1/messages", json=request(), headers=headers)
        finally:
            process.terminate()
    assert answer.json()["content"][0]["text"] == "from a file"
