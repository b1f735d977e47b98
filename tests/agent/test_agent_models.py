"""Models that are not Claude: their names, their settings, and both protocols against stand-ins over real HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.events import TurnAnswered
from nlapi.agent.models.connections import chat_messages
from nlapi.agent.models.endpoints import ModelEndpoint, ModelProtocol, find_endpoint, read_model_settings
from nlapi.agent.models.planner import ModelPlanner, turn_usage
from nlapi.errors import PlannerError, UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Plan, ask
from tests.agent.kit import boards, boards_api, events, yes
from tests.messages_server import MessagesServer, say, text_block, tool_use
from tests.servers import Echo, Received, closed_port
from tests.servers import Reply as Response
from tests.tables import table

KEY = "sk-test-0123456789"


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def stream(*events: dict[str, Any] | str, done: bool = True) -> Response:
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in events]
    body = "".join(f"data: {text}\n\n" for text in [*texts, *(["[DONE]"] if done else [])])
    return Response(200, body.encode(), {"content-type": "text/event-stream"})


def tell(text: str) -> Response:
    usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 5}}
    return stream(*(chunk({"content": part}) for part in text.split(" ")), chunk({}, "stop"), usage)


def call(name: str, arguments: str, id: str = "call_1", reason: str = "tool_calls") -> Response:
    parts = [arguments[at : at + 9] for at in range(0, len(arguments), 9)]
    first = chunk({"tool_calls": [{"index": 0, "id": id, "function": {"name": name, "arguments": ""}}]})
    rest = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts]
    return stream(first, *rest, chunk({}, reason))


def planner(api: Echo, *specs: Spec, **more: Any) -> ModelPlanner:
    endpoint = find_endpoint("openai:gpt", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{api.url}/v1"})
    return ModelPlanner(specs, endpoint, **more)


def bodies(api: Echo) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in api.received]


def plan(planner: ModelPlanner) -> Plan:
    async def run() -> list[str | Plan]:
        return [piece async for piece in planner.next(ask("what is on my boards?"))]

    *texts, last = asyncio.run(run())
    assert isinstance(last, Plan)
    assert all(isinstance(text, str) for text in texts)
    return last


def test_a_turn_by_chat_completions(spec: Spec) -> None:
    read = call("read", '{"operation": "listBoards", "arguments": {"limit": 3}}')
    add = call("change", '{"operation": "createCard", "arguments": {"board": "b7", "title": "Ship"}}', id="call_2")
    with Echo([read, add, tell("Added it.")]) as model, boards_api() as api:
        seen = events(planner(model, spec), [spec], api.url, consent=yes, conversation=ask("put Ship on Roadmap"))
    assert [request.method for request in api.received] == ["GET", "POST"]
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Addedit."
    first, _, last = bodies(model)
    assert model.received[0].path == "/v1/chat/completions"
    assert dict(model.received[0].headers)["authorization"] == f"Bearer {KEY}"
    assert [tool["function"]["name"] for tool in first["tools"]] == ["find", "describe", "read", "change", "result"]
    roles = [message["role"] for message in last["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert last["messages"][2]["tool_calls"][0]["id"] == last["messages"][3]["tool_call_id"] == "call_1"
    assert "Roadmap" in last["messages"][3]["content"]
    assert turn_usage(seen[-1].conversation.current) == "100 tokens in, 5 out"


def test_calls_without_usable_ids_get_their_own(spec: Spec) -> None:
    entry = {"function": {"name": "read", "arguments": {"operation": "listBoards"}}}
    whole = {"choices": [{"message": {"content": None, "tool_calls": [entry, entry]}, "finish_reason": "stop"}]}
    with Echo([Response(200, whole), tell("Done.")]) as model, boards_api() as api:
        events(planner(model, spec), [spec], api.url)
    assert len(api.received) == 2
    ids = [message["tool_call_id"] for message in bodies(model)[1]["messages"] if message["role"] == "tool"]
    assert len(set(ids)) == 2


def test_an_id_that_a_server_repeats_is_replaced(spec: Spec) -> None:
    lists = [call("read", '{"operation": "listBoards"}', id="call_1")] * 3
    with Echo([*lists, tell("Done.")]) as model, boards_api() as api:
        events(planner(model, spec), [spec], api.url)
    messages = bodies(model)[-1]["messages"]
    ids = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert len(set(ids)) == 3
    assert ids == [entry["id"] for message in messages for entry in message.get("tool_calls", ())]


def test_arguments_that_are_nested_too_deep_are_no_json(spec: Spec) -> None:
    deep = "[" * 100_000
    inner = json.dumps({"operation": "listBoards", "arguments": deep})
    where = json.dumps({"result": "r1", "where": deep})
    with Echo([call("read", deep), call("read", inner), call("result", where), tell("Done.")]) as model:
        seen = events(planner(model, spec), [spec], "http://127.0.0.1:9")
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Done."


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Response(401, {"error": {"message": f"bad key {KEY}"}}), r"does not accept the key: bad key \*\*\*"),
        (Response(404, {"error": {"message": "no such model"}}), "has no model 'gpt': no such model"),
        (Response(404, b"<html>not here</html>"), "has no model 'gpt'"),
        (Response(500, b"oops"), "answered 500: oops"),
        (Response(400, {"error": {"message": "This model's maximum context length is 8192"}}), "too long for gpt"),
        (stream('{"choices": [], "usage": {"prompt_tokens": "many"}}'), "other than an answer of Chat Completions"),
        (stream("{not json"), "sent something other than an answer of Chat Completions"),
        (stream({"error": {"message": "out of memory"}}), "failed: out of memory"),
        (stream({"error": {"message": f"bad key {KEY}"}}), r"failed: bad key \*\*\*"),
        (Response(500, f"{'x' * 290} {KEY}".encode()), "answered 500"),
        (
            Response(200, b"<html>a portal</html>", {"content-type": "text/html"}),
            "other than an answer of Chat Completions",
        ),
        (stream(chunk({"content": "half"}), done=False), "broke off"),
        (call("change", '{"operation": "deleteCard", "argu', reason="length"), None),
    ],
)
def test_an_answer_that_is_none_is_one_line_and_runs_nothing(spec: Spec, reply: Response, says: str | None) -> None:
    with Echo([reply] * 8) as model:
        if says is None:
            assert "limit of tokens" in plan(planner(model, spec, max_retries=0)).text
            return
        with pytest.raises(PlannerError, match=says) as raised:
            plan(planner(model, spec, max_retries=0))
    assert KEY[:9] not in str(raised.value) and "\n" not in str(raised.value)


def test_a_busy_server_is_asked_again(spec: Spec) -> None:
    busy = Response(429, {"error": {"message": "slow down"}}, {"retry-after": "0"})
    with Echo([busy, busy, tell("At last.")]) as model:
        assert plan(planner(model, spec)).text == "Atlast."
    assert len(model.received) == 3


def test_a_server_that_is_not_there_is_named(spec: Spec) -> None:
    with closed_port() as url, pytest.raises(PlannerError, match=f"the connection to {url} failed"):
        endpoint = find_endpoint("openai:x", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url})
        plan(ModelPlanner([spec], endpoint, max_retries=0))


@pytest.mark.parametrize(("name", "variable"), [("openai:gpt", "OPENAI_BASE_URL"), ("local:qwen", "NLAPI_LOCAL_URL")])
def test_a_password_in_an_address_is_not_in_an_error(spec: Spec, name: str, variable: str) -> None:
    with closed_port() as closed:
        for url in (closed, "http://127.0.0.1:no-port"):
            address = url.replace("//", "//user:a-password@")
            endpoint = find_endpoint(name, {variable: address, "OPENAI_API_KEY": KEY})
            with pytest.raises(PlannerError, match=url) as raised:
                plan(ModelPlanner([spec], endpoint, max_retries=0))
            assert "a-password" not in f"{raised.value} {endpoint!r}"


def test_a_small_window_is_cleared_by_chat_completions_too(spec: Spec) -> None:
    rows = [{"id": f"b{number}", "name": f"Board {number}", "about": "x" * 400} for number in range(200)]

    def answer(request: Received) -> Response:
        if len(request.body) > 60_000:
            return Response(400, {"error": {"message": "the request exceeds the available context size"}})
        count = request.body.count(b'"role": "tool"') + request.body.count(b'"role":"tool"')
        read = {"operation": "listBoards", "arguments": {"limit": count}}
        return tell("Fits.") if count >= 12 else call("read", json.dumps(read), id=f"call_{count}")

    with Echo(answer) as model, Echo(lambda _: Response(200, rows)) as api:
        seen = events(planner(model, spec), [spec], api.url, max_rounds=40)
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Fits."


def test_messages_for_chat_completions() -> None:
    answer = {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}
    messages = [
        {"role": "user", "content": [text_block("a"), text_block("b")]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "?"}, tool_use("read", {"x": 1}, "t1")]},
        {"role": "user", "content": [answer, text_block("c")]},
    ]
    function = {"name": "read", "arguments": '{"x": 1}'}
    assert chat_messages([text_block("s")], messages) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "t1", "content": "error: no"},
        {"role": "user", "content": "c"},
    ]


def test_a_local_server_of_the_messages_api_needs_no_key(spec: Spec) -> None:
    with MessagesServer([say("Hello.")], models=("qwen",)) as server:
        endpoint = find_endpoint("local:qwen3:8b", {"NLAPI_LOCAL_URL": server.url})
        made = plan(ModelPlanner([spec], endpoint))
    assert made.text == "Hello."
    assert server.requests[0]["model"] == "qwen3:8b"
    assert server.headers[0]["authorization"] == "Bearer local" and "x-api-key" not in server.headers[0]


def test_a_server_that_does_not_speak_the_messages_api_is_named(spec: Spec) -> None:
    with Echo(Response(404, b"not found")) as server:
        endpoint = find_endpoint("local:qwen", {"NLAPI_LOCAL_URL": server.url})
        with pytest.raises(PlannerError, match="has no model 'qwen'") as raised:
            plan(ModelPlanner([spec], endpoint, max_retries=0))
    assert "does the server speak the Messages API" in raised.value.hint


def test_garbage_in_place_of_the_messages_api_runs_nothing(spec: Spec) -> None:
    garbage = b"event: message_start\ndata: {]\n\nevent: x\ndata: 7\n\n"
    with Echo(Response(200, garbage, {"content-type": "text/event-stream"})) as server:
        endpoint = find_endpoint("local:qwen", {"NLAPI_LOCAL_URL": server.url})
        with pytest.raises(PlannerError):
            plan(ModelPlanner([spec], endpoint, max_retries=0))


def whole_calls(*blocks: dict[str, Any], reason: str = "tool_use") -> Response:
    """An answer of the Messages API whose calls have their input at the start, as some servers send them."""
    starts = [{"type": "content_block_start", "index": index, "content_block": it} for index, it in enumerate(blocks)]
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return stream(*starts, end, done=False)


@pytest.mark.parametrize("odd", [{}, {"input": None}, {"input": "listBoards"}, {"input": [1]}])
def test_an_input_that_is_no_object_is_said_to_the_model(spec: Spec, odd: dict[str, Any]) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "read", **odd}
    done = {"type": "content_block_start", "index": 0, "content_block": text_block("Done.")}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    with Echo([whole_calls(block), stream(done, end, done=False)]) as server:
        endpoint = find_endpoint("local:qwen", {"NLAPI_LOCAL_URL": server.url})
        assert plan(ModelPlanner([spec], endpoint)).text == "Done."
    call, result = bodies(server)[1]["messages"][1:]
    assert call["content"][0]["input"] == {}
    assert result["content"][0]["is_error"]


def test_a_call_is_made_where_the_server_ends_as_if_there_were_none(spec: Spec) -> None:
    block = {"type": "tool_use", "id": "call_x", "name": "read", "input": {"operation": "listBoards"}}
    with Echo(whole_calls(block, reason="end_turn")) as server:
        made = plan(ModelPlanner([spec], find_endpoint("local:qwen", {"NLAPI_LOCAL_URL": server.url})))
    assert [call.operation_id for call in made.calls] == ["listBoards"]


def test_two_calls_of_one_id_have_an_answer_each(spec: Spec) -> None:
    inputs = [{"operation": "listBoards"}, {"operation": "listCards", "arguments": {"board": "b7"}}]
    calls = [{"type": "tool_use", "id": "call_x", "name": "read", "input": entry} for entry in inputs]
    with Echo([whole_calls(*calls)] * 2) as server, boards_api() as api:
        endpoint = find_endpoint("local:qwen", {"NLAPI_LOCAL_URL": server.url})
        events(ModelPlanner([spec], endpoint), [spec], api.url, max_rounds=2)
    _, call, result = bodies(server)[1]["messages"]
    ids = [block["id"] for block in call["content"]]
    assert ids[0] == "call_x" and len(set(ids)) == 2
    assert [block["tool_use_id"] for block in result["content"]] == ids
    assert "Roadmap" in result["content"][0]["content"] and "Roadmap" not in result["content"][1]["content"]


def test_the_token_of_an_anthropic_gateway_is_sent_as_a_bearer_token(spec: Spec) -> None:
    with MessagesServer([say("Hello.")], key=KEY) as server:
        environment = {"ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_BASE_URL": server.url}
        plan(ModelPlanner([spec], find_endpoint("claude-haiku-5-5", environment)))
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["local:", "openai: "])
def test_a_name_without_a_model_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        find_endpoint(name, {})


def settings(folder: Path, text: str, **environment: str) -> Any:
    file = folder / "models.toml"
    file.write_text(text)
    return read_model_settings(file, environment)


def test_models_of_the_users_own(tmp_path: Path) -> None:
    text = """
        default = "small"
        [small]
        model = "qwen3:8b"
        base_url = "http://127.0.0.1:11434"
        [big]
        model = "m-70b"
        base_url = "http://127.0.0.1:8000/v1"
        protocol = "chat"
        key = "env:BIG_KEY"
        input = 0.2
        output = 0.6
    """
    read = settings(tmp_path, text, BIG_KEY=KEY)
    assert read.default == "small"
    big: ModelEndpoint = find_endpoint("big", {}, read.endpoints)
    assert (big.protocol, big.key, big.model) == (ModelProtocol.CHAT, KEY, "m-70b")
    assert KEY not in repr(big)
    assert big.prices is not None and big.prices.output == 0.6
    assert read.endpoints["small"].secret


@table(
    ("text", "says"),
    [
        ("[a", "cannot be read"),
        ("a = 1", "a is not a table"),
        ('[a]\nmodel = "x"', "a.base_url is missing"),
        ('[a]\nmodel = "x"\nbase_url = "http://h"\nurl = "y"', "a.url is unknown"),
        ('[a]\nmodel = 7\nbase_url = "http://h"', "a.model has to be a text"),
        ('[a]\nmodel = "x"\nbase_url = "http://h"\nprotocol = "grpc"', "a.protocol is 'grpc'"),
        (f'[a]\nmodel = "x"\nbase_url = "http://h"\nkey = "{KEY}"', "a.key is not a reference"),
        ('default = "b"\n[a]\nmodel = "x"\nbase_url = "http://h"', "default names no model"),
    ],
)
def test_a_damaged_file_of_models_names_the_place_and_no_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as raised:
        settings(tmp_path, text)
    assert KEY not in str(raised.value)


@table(
    ("text", "says"),
    [
        ("limits = 3", "limits is not a table"),
        ("[limits]\nmax_eur = 3", "limits.max_eur is unknown"),
        ("[limits]\nmax_usd = '3'", "limits.max_usd is not a number of 0 or more"),
        ("[limits]\nmax_usd = -1", "limits.max_usd is not a number of 0 or more"),
        ("[limits]\nmax_usd = nan", "limits.max_usd is not a number of 0 or more"),
        ("[limits]\nmax_steps = 1.5", "limits.max_steps is not a whole number of 0 or more"),
        ('[m]\nmodel = "m"\nbase_url = "http://h"\ninput = -1', "m.input is not a price"),
        ('[m]\nmodel = "m"\nbase_url = "http://h"\noutput = nan', "m.output is not a price"),
        ("[limits]\nmax_seconds = true", "limits.max_seconds is not a number of 0 or more"),
    ],
)
def test_a_limit_or_price_that_is_none_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        settings(tmp_path, text)


def test_short_names_are_claude_models_unless_the_user_has_one(tmp_path: Path) -> None:
    assert find_endpoint("haiku", {}).model == "claude-haiku-5-5"
    own = settings(tmp_path, 'default = "opus"\n[haiku]\nmodel = "m"\nbase_url = "http://h"')
    assert find_endpoint("haiku", {}, own.endpoints).model == "m"
    assert find_endpoint(own.default, {}, own.endpoints).model == "claude-opus-5-5"


@table("name", ["local", "opus", "claude-haiku-5-5", "local:qwen3:8b", "openai:gpt"])
def test_any_model_may_be_the_default(tmp_path: Path, name: str) -> None:
    assert settings(tmp_path, f'default = "{name}"').default == name


def test_local_alone_is_the_model_of_the_environment() -> None:
    assert find_endpoint("local", {"NLAPI_LOCAL_MODEL": "qwen3:8b"}) == find_endpoint("local:qwen3:8b", {})
    with pytest.raises(UsageError, match="local names no model") as raised:
        find_endpoint("local", {})
    assert "NLAPI_LOCAL_MODEL" in str(raised.value.hint)


def test_a_model_without_a_key_is_an_error_before_anything_is_sent(spec: Spec) -> None:
    with pytest.raises(PlannerError, match="the key for gpt is missing") as raised:
        ModelPlanner([spec], find_endpoint("openai:gpt", {}))
    assert raised.value.hint == "set OPENAI_API_KEY"
