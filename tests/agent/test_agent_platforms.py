"""Claude at a platform: chosen by the variables of Claude Code, asked by Anthropic's client, explained as elsewhere.

Microsoft's needs no package beside `anthropic`; `python -m benchmarks.claude_platforms` asks those of AWS and Google.
"""

from __future__ import annotations

import json

import pytest

from nlapi.agent.models.connections import connect
from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.errors import PlannerError, UnfinishedError
from tests.agent.test_agent_connections import ANSWER, SSE, answer_of, prompt, sse
from tests.servers import Echo, Reply
from tests.tables import table

KEY = "foundry-secret-0123456789"
FOUNDRY = {"CLAUDE_CODE_USE_FOUNDRY": "1"}


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_API_KEY", KEY)


def at(url: str, monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModelEndpoint:
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_BASE_URL", url)
    return find_endpoint("sonnet", {**FOUNDRY, "ANTHROPIC_FOUNDRY_API_KEY": KEY, **environment})


def test_an_answer_is_streamed_with_its_text_its_tools_and_its_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo(Reply(200, sse(ANSWER), SSE)) as server:
        answer = answer_of(at(server.url, monkeypatch))
    assert [block["type"] for block in answer.content] == ["thinking", "text", "tool_use"]
    assert answer.content[2]["input"] == {"card": "c1", "why": "because it is dönë\n"}
    assert answer.usage["input_tokens"] == 100
    sent = server.only
    body = json.loads(sent.body)
    assert (body["model"], body["stream"], body["tools"][0]["name"]) == ("claude-sonnet-5-5", True, "deleteCard")
    assert KEY in dict(sent.headers).values()


@table(
    "reply, fault",
    [
        (Reply(401, {"error": {"type": "authentication_error", "message": f"no: {KEY}"}}), "does not accept the key"),
        (Reply(404, {"error": {"type": "not_found_error", "message": "x"}}), "has no model 'claude-sonnet-5-5'"),
        (Reply(429, {"error": {"type": "rate_limit_error", "message": "slow"}}), "the rate limit of Microsoft Foundry"),
        (Reply(400, {"error": {"message": "prompt is too long: 9 tokens"}}), "the conversation is too long"),
        (Reply(200, b"<html>", {"content-type": "text/html"}), "broke off; nothing of it was run"),
        (Reply(200, sse(ANSWER[:4]), SSE), "broke off"),
    ],
)
def test_what_goes_wrong_is_said_without_the_key(reply: Reply, fault: str) -> None:
    with pytest.MonkeyPatch.context() as patch, Echo(reply) as server:
        patch.setenv("ANTHROPIC_FOUNDRY_API_KEY", KEY)
        with pytest.raises((PlannerError, UnfinishedError)) as error:
            answer_of(at(server.url, patch))
    text = f"{error.value.message} {error.value.hint}"
    assert fault in text
    assert KEY not in text


def test_nobody_there_and_no_login_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlannerError, match="the connection to Microsoft Foundry failed"):
        answer_of(at("http://127.0.0.1:9", monkeypatch))
    there = at("http://127.0.0.1:9", monkeypatch)
    monkeypatch.delenv("ANTHROPIC_FOUNDRY_API_KEY")
    with pytest.raises(PlannerError, match="Microsoft Foundry cannot be asked") as error:
        connect(there, max_retries=0)
    assert "ANTHROPIC_FOUNDRY_API_KEY" in error.value.hint


@table(
    "environment, model",
    [
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, "anthropic.claude-sonnet-5-5"),
        ({"CLAUDE_CODE_USE_BEDROCK": "true", "ANTHROPIC_DEFAULT_SONNET_MODEL": "eu.x:0"}, "eu.x:0"),
        ({"CLAUDE_CODE_USE_VERTEX": "1", "ANTHROPIC_API_KEY": "sk-ant-x"}, "claude-sonnet-5-5"),
    ],
)
def test_the_variables_of_claude_code_choose_the_platform(environment: dict[str, str], model: str) -> None:
    chosen = find_endpoint("sonnet", environment)
    assert chosen.platform is not None
    assert (chosen.model, chosen.has_credential, chosen.secret) == (model, True, "")
    assert prompt().max_tokens
    assert find_endpoint("sonnet", {"CLAUDE_CODE_USE_BEDROCK": "0"}).platform is None
    assert find_endpoint("openai:gpt-5.2", environment).platform is None
