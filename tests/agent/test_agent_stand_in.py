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
from tests.messages_rules import Refused, check
from tests.messages_server import MessagesServer, say, use
from tests.prompt_cache import COMMON_MINIMUM, PromptCache
from tests.tables import table

TOOL = {"name": "look", "description": "", "input_schema": {"type": "object", "properties": {}}}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}
HELLO = {"role": "user", "content": "hello"}
MARK = {"type": "ephemeral"}
LATER = {**TOOL, "name": "later", "defer_loading": True}
REFERENCE = {"type": "tool_reference", "tool_name": "later"}


def request(**more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 10, "messages": [HELLO], "tools": [TOOL], **more}


def result(*ids: str, first: bool = True) -> dict[str, Any]:
    blocks = [{"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in ids]
    text = [{"type": "text", "text": "and?"}]
    return {"role": "user", "content": [*blocks, *text] if first else [*text, *blocks]}


def with_schema(**schema: Any) -> dict[str, Any]:
    return request(tools=[{**TOOL, "input_schema": {"type": "object", **schema}}])


def with_references(*names: str) -> dict[str, Any]:
    """A request in which a search of the client's own found deferred tools."""
    references = [{**REFERENCE, "tool_name": name} for name in names]
    found = {"type": "tool_result", "tool_use_id": "toolu_1", "content": references}
    return request(tools=[TOOL, LATER], messages=[HELLO, USE, {"role": "user", "content": [found]}])


def marked(text: str, **more: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text, "cache_control": {**MARK, **more}}]}


@table(
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
        (request(tools=[{**TOOL, "defer_loading": True}]), "At least one tool must be non-deferred"),
        (request(tools=[TOOL, {**LATER, "cache_control": MARK}]), "both defer_loading=true and cache_control"),
        (request(tools=[TOOL, {**TOOL, "name": "late", "defer_loading": 1}]), "valid boolean"),
        (request(tools=[{**TOOL, "type": "bash_99"}]), "does not match any of the expected tags"),
        (request(tools=[{"type": "tool_search_tool_bm25", "name": "search"}]), "should have the name"),
        (with_references("nowhere"), "Tool reference 'nowhere' not found in available tools"),
        (request(messages=[{"role": "user", "content": [REFERENCE]}]), "tool_reference"),
        (request(context_management={"edits": []}), "context_management: Extra inputs"),
        (request(messages=[marked("a")] * 5), "A maximum of 4 blocks"),
        (request(messages=[marked("a")] * 4, cache_control=MARK), "Found 5"),
        (request(messages=[marked("a"), marked("b", ttl="1h")]), "must not come after"),
        (request(messages=[marked("a", ttl="2h")]), "'5m' or '1h'"),
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


def test_it_takes_references_to_deferred_tools_and_the_servers_own_search() -> None:
    check(with_references("later"))
    check(request(tools=[{"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}, LATER]))


def test_a_context_edit_needs_its_beta_and_its_fields() -> None:
    def refusal(edit: dict[str, Any], betas: str) -> str:
        with pytest.raises(Refused) as refused:
            check(request(context_management={"edits": [edit]}), betas=betas)
        return str(refused.value)

    beta = "context-management-2025-06-27"
    check(request(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}), betas=beta)
    assert "expected tags" in refusal({"type": "compact_20260112"}, beta)
    assert "expected tags" in refusal({"type": "clear_all"}, beta)
    assert "often: Extra inputs" in refusal({"type": "clear_tool_uses_20250919", "often": True}, beta)
    keep = {"type": "tool_uses", "value": "two"}
    assert "valid integer" in refusal({"type": "clear_tool_uses_20250919", "keep": keep}, beta)


def test_old_results_are_cleared_where_the_request_asks_for_it() -> None:
    messages = [HELLO]
    for number in range(4):
        id = f"toolu_{number}"
        messages.append({"role": "assistant", "content": [{**USE["content"][0], "id": id}]})
        answer = {"type": "tool_result", "tool_use_id": id, "content": "x" * 8_000}
        messages.append({"role": "user", "content": [answer]})
    edit = {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "tool_uses", "value": 3},
        "keep": {"type": "tool_uses", "value": 1},
    }
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21", "anthropic-beta": "context-management-2025-06-27"}
    with MessagesServer([say("Fine.")], cache=PromptCache()) as server, httpx2.Client(headers=headers) as client:
        body = request(messages=messages, context_management={"edits": [edit]})
        answer = client.post(f"{server.url}/v1/messages", json=body).json()
    (applied,) = answer["context_management"]["applied_edits"]
    assert applied["cleared_tool_uses"] == 3 and applied["cleared_input_tokens"] > 5_000
    assert answer["usage"]["input_tokens"] < 3_000


def test_a_prefix_is_written_to_the_cache_once_and_read_from_then_on() -> None:
    cache = PromptCache()
    long = "word " * 2 * COMMON_MINIMUM
    first = request(system=[{"type": "text", "text": long, "cache_control": MARK}])
    written = cache.usage(first)
    assert written["cache_read_input_tokens"] == 0 and written["cache_creation_input_tokens"] > COMMON_MINIMUM
    again = cache.usage({**first, "messages": [HELLO, {"role": "assistant", "content": "hi"}, HELLO]})
    assert again["cache_read_input_tokens"] == written["cache_creation_input_tokens"]
    assert again["cache_creation_input_tokens"] == 0
    for changed in (
        {**first, "tools": [{**TOOL, "description": "another"}]},
        {**first, "model": "claude-opus-5-5"},
        request(system=[{"type": "text", "text": f"{long}!", "cache_control": MARK}]),
        request(system=[{"type": "text", "text": long}]),
    ):
        assert cache.usage(changed)["cache_read_input_tokens"] == 0


def test_a_short_prefix_and_one_that_is_too_far_back_are_not_read() -> None:
    cache = PromptCache()
    short = request(system=[{"type": "text", "text": "word " * 100, "cache_control": MARK}])
    for _ in range(2):
        usage = cache.usage(short)
        assert usage["cache_read_input_tokens"] == usage["cache_creation_input_tokens"] == 0
    block = {"type": "text", "text": "word " * 2 * COMMON_MINIMUM}
    for further, is_read in ((20, True), (21, False)):
        cache = PromptCache()
        cache.usage(request(messages=[{"role": "user", "content": [block]}], cache_control=MARK))
        content = [block, *[{"type": "text", "text": "and"}] * further]
        usage = cache.usage(request(messages=[{"role": "user", "content": content}], cache_control=MARK))
        assert (usage["cache_read_input_tokens"] > 0) is is_read


def test_a_deferred_tool_is_no_part_of_the_prefix_until_a_reference_names_it() -> None:
    description = "word " * 4_000
    late = {**LATER, "description": description}
    without = PromptCache().usage(request(tools=[TOOL]))
    deferred = PromptCache().usage(request(tools=[TOOL, late]))
    assert deferred == without
    referenced = PromptCache().usage({**with_references("later"), "tools": [TOOL, late]})
    assert referenced["input_tokens"] > len(description) / 4


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
