"""The real SDKs of OpenAI and Anthropic against the gateway: a base URL and a token are all that they need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import KEY, document, gateway
from tests.gateway.llm_upstream import WORDS, Upstream, upstream


class Package:
    """A package that is imported when a name of it is used: it takes seconds, and every run of pytest reads this.

    Private names are those for which pytest asks everything in a module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


anthropic, openai = Package("anthropic"), Package("openai")
TEXT = "".join(WORDS)
HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture(scope="module")
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


@pytest.fixture(scope="module")
def openai_talk(llm: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    models = ("writer", "breaks", "unfinished", "status-400", "status-401", "status-429", "status-500", "no-usage")
    with gateway(tmp_path_factory.mktemp("openai"), document(llm.url, *models)) as talk:
        yield talk


@pytest.fixture(scope="module")
def anthropic_talk(llm: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    models = ("writer", "breaks", "status-400", "status-401")
    with gateway(tmp_path_factory.mktemp("anthropic"), document(llm.url, *models, protocol="anthropic")) as talk:
        yield talk


@pytest.fixture
def chat(openai_talk: Talk) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{openai_talk.port}/openai/v1"
    with openai.OpenAI(base_url=base, api_key=openai_talk.tokens["web"], max_retries=0) as client:
        yield client


@pytest.fixture
def claude(anthropic_talk: Talk) -> Iterator[anthropic.Anthropic]:
    base = f"http://127.0.0.1:{anthropic_talk.port}/anthropic"
    with anthropic.Anthropic(base_url=base, api_key=anthropic_talk.tokens["web"], max_retries=0) as client:
        yield client


def test_openai_answers_whole(chat: openai.OpenAI, llm: Upstream) -> None:
    answer = chat.chat.completions.create(model="writer", messages=HELLO, temperature=0.5)
    assert answer.choices[0].message.content == TEXT
    assert answer.usage is not None and answer.usage.prompt_tokens == 20
    sent, headers = llm.requests[-1], llm.headers[-1]
    assert sent == {"model": "writer", "messages": HELLO, "temperature": 0.5}
    assert llm.paths[-1] == "/v1/chat/completions"
    # The upstream gets its own key and not the client's token.
    assert headers["authorization"] == f"Bearer {KEY}"


def test_openai_streams_without_the_usage_that_nobody_asked_for(chat: openai.OpenAI, llm: Upstream) -> None:
    events = list(chat.chat.completions.create(model="writer", messages=HELLO, stream=True))
    assert "".join(event.choices[0].delta.content or "" for event in events) == TEXT
    assert llm.requests[-1]["stream_options"] == {"include_usage": True}


def test_openai_streams_with_the_usage_that_was_asked_for(chat: openai.OpenAI) -> None:
    options = {"include_usage": True}
    stream = chat.chat.completions.create(model="writer", messages=HELLO, stream=True, stream_options=options)
    last = list(stream)[-1]
    assert last.choices == []
    assert last.usage is not None and last.usage.completion_tokens == 3


def test_openai_calls_tools(chat: openai.OpenAI, llm: Upstream) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    answer = chat.chat.completions.create(model="writer", messages=HELLO, tools=tools)  # type: ignore[call-overload]
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city": "Recife"}'
    assert llm.requests[-1]["tools"] == tools


def test_openai_lists_objectives_as_models(chat: openai.OpenAI) -> None:
    names = [model.id for model in chat.models.list()]
    assert "writer" in names
    assert "rules" not in names  # served by code, which does not speak the protocol
    assert chat.models.retrieve("writer").id == "writer"
    with pytest.raises(openai.NotFoundError):
        chat.models.retrieve("rules")


def test_a_key_in_a_header_of_its_own_is_a_token_too(openai_talk: Talk) -> None:
    stranger = openai_talk.as_("")
    for name in ("api-key", "x-api-key"):
        headers = {name: openai_talk.tokens["web"]}
        assert stranger("GET", "/openai/v1/models", headers=headers).status == 200
    assert stranger("GET", "/openai/v1/models").status == 401
    assert stranger("GET", "/v1/objectives", headers={"x-api-key": openai_talk.token}).status == 401


def test_openai_reads_refusals(chat: openai.OpenAI, openai_talk: Talk) -> None:
    with pytest.raises(openai.NotFoundError, match="did you mean 'writer'"):
        chat.chat.completions.create(model="writr", messages=HELLO)
    base = f"http://127.0.0.1:{openai_talk.port}/openai/v1"
    with (
        openai.OpenAI(base_url=base, api_key="nothing", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="the token is not known"),
    ):
        stranger.chat.completions.create(model="writer", messages=HELLO)


def test_what_the_upstream_refuses_as_the_callers_mistake_reaches_the_caller(chat: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat.chat.completions.create(model="status-400", messages=HELLO)
    assert "no: *** " in caught.value.message
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    ("model", "status", "text"),
    [
        ("status-401", 502, r"status-401@v1 failed: the upstream refuses its key \(401\)"),
        ("status-429", 503, "the upstream has too much to do"),
        ("status-500", 502, "the upstream answered 500"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_upstream_fails_is_a_failure(
    chat: openai.OpenAI, model: str, status: int, text: str, stream: bool
) -> None:
    with pytest.raises(openai.InternalServerError, match=text) as caught:
        chat.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert caught.value.status_code == status
    assert KEY not in caught.value.message


@pytest.mark.parametrize("model", ["breaks", "unfinished"])
def test_a_stream_that_breaks_ends_with_an_error(chat: openai.OpenAI, model: str) -> None:
    texts: list[str] = []
    with pytest.raises(openai.APIError, match=f"{model}@v1 failed"):
        stream = chat.chat.completions.create(model=model, messages=HELLO, stream=True)
        texts.extend(event.choices[0].delta.content or "" for event in stream)
    assert TEXT.startswith("".join(texts)) and any(texts)


def test_a_front_routes_to_its_own_protocol_only(chat: openai.OpenAI, anthropic_talk: Talk) -> None:
    with pytest.raises(
        openai.BadRequestError, match="rules is served by rules@v1, which is not of the protocol openai"
    ):
        chat.chat.completions.create(model="rules", messages=HELLO)
    base = f"http://127.0.0.1:{anthropic_talk.port}/openai/v1"
    with (
        openai.OpenAI(base_url=base, api_key=anthropic_talk.tokens["web"]) as other,
        pytest.raises(openai.BadRequestError, match="send it to /anthropic/v1/messages"),
    ):
        other.chat.completions.create(model="writer", messages=HELLO)


def test_anthropic_answers_whole(claude: anthropic.Anthropic, llm: Upstream) -> None:
    tools = [{"name": "weather", "input_schema": WEATHER}]
    answer = claude.messages.create(model="writer", max_tokens=9, system="Be brief.", messages=HELLO, tools=tools)  # type: ignore[arg-type]
    assert answer.content[0].input == {"city": "Recife"}  # type: ignore[union-attr]
    assert llm.paths[-1] == "/v1/messages"
    assert llm.headers[-1]["x-api-key"] == KEY
    assert "authorization" not in llm.headers[-1]
    assert llm.requests[-1]["system"] == "Be brief."


def test_anthropic_streams(claude: anthropic.Anthropic, llm: Upstream) -> None:
    with claude.messages.stream(
        model="writer", max_tokens=9, messages=HELLO, extra_headers={"anthropic-beta": "x-1"}
    ) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().usage.output_tokens == 3
    assert llm.headers[-1]["anthropic-beta"] == "x-1"


def test_anthropics_beta_requests_are_taken(claude: anthropic.Anthropic) -> None:
    answer = claude.beta.messages.create(model="writer", max_tokens=9, messages=HELLO, betas=["x-1"])
    assert answer.usage.output_tokens == 3


def test_anthropic_reads_refusals_and_broken_streams(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="the upstream answered 400"):
        claude.messages.create(model="status-400", max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.InternalServerError, match="refuses its key"):
        claude.messages.create(model="status-401", max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="nobody", max_tokens=9, messages=HELLO)
    with (
        pytest.raises(anthropic.APIStatusError, match="breaks@v1 failed"),
        claude.messages.stream(model="breaks", max_tokens=9, messages=HELLO) as stream,
    ):
        list(stream)


def test_the_context_comes_in_a_header_or_as_the_user(openai_talk: Talk, chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.with_raw_response.create(
        model="writer", messages=HELLO, user="u7", extra_headers={"Nlapi-Context": '{"country": "BR"}'}
    )
    decision = openai_talk.ok("GET", f"/v1/decisions/{answer.headers['x-request-id']}")
    assert decision["context"] == {"user": "u7", "country": "BR"}
    with pytest.raises(openai.UnprocessableEntityError, match="declares no such field"):
        chat.chat.completions.create(model="writer", messages=HELLO, extra_headers={"Nlapi-Context": '{"planet": "x"}'})
    with pytest.raises(openai.UnprocessableEntityError, match=r"header\.Nlapi-Context"):
        chat.chat.completions.create(model="writer", messages=HELLO, extra_headers={"Nlapi-Context": "BR"})


def last_usage(talk: Talk) -> dict[str, float]:
    usage: dict[str, float] = talk.ok("GET", "/v1/decisions", limit=1)["data"][0]["usage"]
    return {name: usage.get(name, 0) for name in ("input_tokens", "output_tokens", "cached_tokens")}


def test_openai_responses_and_embeddings_are_passed_through(
    chat: openai.OpenAI, openai_talk: Talk, llm: Upstream
) -> None:
    counted = {"input_tokens": 20, "output_tokens": 3, "cached_tokens": 4}
    answer = chat.responses.create(model="writer", input="hello")
    assert (answer.output_text, llm.paths[-1]) == (TEXT, "/v1/responses")
    assert last_usage(openai_talk) == counted
    events = list(chat.responses.create(model="writer", input="hello", stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert llm.requests[-1] == {"model": "writer", "input": "hello", "stream": True}
    assert last_usage(openai_talk) == counted
    embeddings = chat.embeddings.create(model="writer", input=["hello"], encoding_format="float")
    assert (embeddings.data[0].embedding, llm.paths[-1]) == ([0.5, 0.25], "/v1/embeddings")
    assert last_usage(openai_talk) == {"input_tokens": 7, "output_tokens": 0, "cached_tokens": 0}


def test_anthropic_counts_tokens(claude: anthropic.Anthropic, anthropic_talk: Talk, llm: Upstream) -> None:
    counted = claude.messages.count_tokens(model="writer", messages=HELLO)
    assert (counted.input_tokens, llm.paths[-1]) == (42, "/v1/messages/count_tokens")
    assert last_usage(anthropic_talk) == {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}
