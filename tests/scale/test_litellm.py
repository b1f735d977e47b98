"""Clients of both SDKs reach a model of OpenAI's protocol, as LiteLLM's proxy is the shard (docs/gateway.md)."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anthropic
import openai
import pytest

from benchmarks.peers import MODEL, PeerServer, litellm_server
from benchmarks.ports import free_port
from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import KEY, document, gateway
from tests.gateway.llm_upstream import Upstream, upstream
from tests.scale.environments import environment_python

START_S = 180.0
"""Seconds; LiteLLM imports for ten on a quiet machine."""

HELLO: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


@pytest.fixture(scope="module")
def proxy_url(llm: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    proxy = litellm_server(environment_python("litellm", "litellm[proxy]"), folder, port, api_base=f"{llm.url}/v1")
    url = f"http://127.0.0.1:{port}"
    with started(proxy, url, folder / "litellm.log"):
        yield url


@pytest.fixture
def talk(proxy_url: str, tmp_path: Path) -> Iterator[Talk]:
    with gateway(tmp_path, document(proxy_url, MODEL, protocol="anthropic")) as running:
        yield running


@pytest.fixture
def chat(proxy_url: str, tmp_path: Path) -> Iterator[openai.OpenAI]:
    with gateway(tmp_path, document(proxy_url, MODEL)) as running:
        base = f"http://127.0.0.1:{running.port}/openai/v1"
        with openai.OpenAI(base_url=base, api_key=running.tokens["web"], max_retries=0) as client:
            yield client


@contextmanager
def started(proxy: PeerServer, url: str, log: Path) -> Iterator[None]:
    """The proxy, with the gateway's key, from when it is ready to the end of the block."""
    # Without it the model is asked by OpenAI's Responses, which few other servers have.
    by_chat = {"LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES": "true"}
    environment = {**proxy.environment, **by_chat, "LITELLM_MASTER_KEY": KEY}
    with (
        log.open("wb") as stream,
        subprocess.Popen(proxy.command, cwd=log.parent, env=environment, stdout=stream, stderr=stream) as process,
    ):
        try:
            end = time.monotonic() + START_S
            while not _is_ready(f"{url}/health/liveliness"):
                assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")[-2000:]
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def claude(talk: Talk) -> Iterator[anthropic.Anthropic]:
    base = f"http://127.0.0.1:{talk.port}/anthropic"
    with anthropic.Anthropic(base_url=base, api_key=talk.tokens["web"], max_retries=0) as client:
        yield client


def test_a_message_is_translated_and_counted(claude: anthropic.Anthropic, llm: Upstream, talk: Talk) -> None:
    answer = claude.messages.create(model=MODEL, max_tokens=9, messages=HELLO)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Good morning, Brazil"
    assert llm.paths[-1] == "/v1/chat/completions"
    (decision,) = talk.ok("GET", "/v1/decisions", objective=MODEL)["data"]
    assert decision["usage"]["input_tokens"] == 20


def test_tools_and_a_stream_are_translated(claude: anthropic.Anthropic) -> None:
    tool: anthropic.types.ToolParam = {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    answer = claude.messages.create(model=MODEL, max_tokens=9, messages=HELLO, tools=[tool])
    use = next(part for part in answer.content if part.type == "tool_use")
    assert (use.name, use.input) == ("weather", {"city": "Recife"})
    with claude.messages.stream(model=MODEL, max_tokens=9, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "Good morning, Brazil"


def test_tokens_are_counted(claude: anthropic.Anthropic) -> None:
    assert claude.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens == 42


def test_openais_client_has_chat_stream_tools_embeddings_and_responses(chat: openai.OpenAI) -> None:
    ask = chat.chat.completions.create
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
    assert ask(model=MODEL, messages=messages).choices[0].message.content == "Good morning, Brazil"
    pieces = [
        part.choices[0].delta.content for part in ask(model=MODEL, messages=messages, stream=True) if part.choices
    ]
    assert "".join(filter(None, pieces)) == "Good morning, Brazil"
    tool: openai.types.chat.ChatCompletionToolParam = {"type": "function", "function": {"name": "weather"}}
    calls = ask(model=MODEL, messages=messages, tools=[tool]).choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert chat.embeddings.create(model=MODEL, input="hello", encoding_format="float").data[0].embedding == [0.5, 0.25]
    assert chat.responses.create(model=MODEL, input="hello").output_text == "Good morning, Brazil"
