"""Connections to models: the same requests as the SDK's, streams that are cut or damaged anywhere, further attempts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.models.connections import Prompt, connect, ssl_context
from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.agent.models.messages import StreamedAnswer
from nlapi.agent.models.planner import ModelPlanner
from nlapi.errors import NlapiError, PlannerError, UnfinishedError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Plan, ask
from tests.agent.kit import boards, boards_api, yes
from tests.agent.kit import events as run_turn
from tests.messages_server import MessagesServer, events, message, say, text_block, thinking, tool_use
from tests.servers import END, Echo, Received, Reply, Script, chunk, head
from tests.tables import table

KEY = "sk-ant-test-0123456789"
SSE = {"content-type": "text/event-stream; charset=utf-8"}
USAGE = {"input_tokens": 100, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
DELETE = tool_use("deleteCard", {"card": "c1", "why": "because it is dönë\n"}, "toolu_1")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def streamed(*content: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of an answer with these blocks."""
    plain = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "stop_sequence": None}
    return list(events({**message(*content), **plain, "stop_details": None, "usage": USAGE}))


def sse(parts: Iterable[dict[str, Any]], end: str = "\n") -> bytes:
    texts = (f"event: {part['type']}{end}data: {json.dumps(part, ensure_ascii=False)}{end}{end}" for part in parts)
    return "".join(texts).encode()


ANSWER = streamed(thinking("The card is known."), text_block("Deleting it."), DELETE)


def endpoint(url: str, **environment: str) -> ModelEndpoint:
    return find_endpoint("claude-sonnet-5-5", {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **environment})


def prompt(*blocks: dict[str, Any]) -> Prompt:
    content = list(blocks) or [text_block("?")]
    tool = {"name": "deleteCard", "description": "Delete.", "input_schema": {"type": "object"}}
    return Prompt(
        system=[text_block("Be brief.")], messages=[{"role": "user", "content": content}], tools=[tool], max_tokens=100
    )


def answer_of(there: ModelEndpoint, *, asked: Prompt | None = None, max_retries: int = 0) -> StreamedAnswer:
    answer = StreamedAnswer()

    async def run() -> None:
        async with connect(there, max_retries=max_retries) as connection:
            async for _ in connection.stream(asked or prompt(), answer):
                pass

    asyncio.run(run())
    return answer


def reply_of(body: bytes) -> StreamedAnswer:
    with Echo(Reply(200, body, SSE)) as server:
        return answer_of(endpoint(server.url))


# ---- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_the_request_is_that_of_the_sdk(variable: str) -> None:
    from anthropic import AsyncAnthropic

    asked = prompt(text_block("Größe? 你好 \U0001f600"))
    credential = {"auth_token" if variable.endswith("TOKEN") else "api_key": KEY}

    async def by_sdk(url: str) -> None:
        async with AsyncAnthropic(base_url=url, **credential) as client:  # type: ignore[arg-type]
            body: dict[str, Any] = {"messages": asked.messages, "system": asked.system, "tools": asked.tools}
            marks = {"cache_control": {"type": "ephemeral"}, "tool_choice": {"type": "auto"}}
            await client.messages.create(model="claude-sonnet-5-5", max_tokens=100, stream=True, **marks, **body)

    with MessagesServer([say("One."), say("Two.")], key=KEY) as server:
        there = find_endpoint("claude-sonnet-5-5", {variable: KEY, "ANTHROPIC_BASE_URL": server.url})
        answer_of(there, asked=asked)
        asyncio.run(by_sdk(server.url))
    ours, theirs = server.requests
    assert ours == theirs
    for name in ("authorization", "anthropic-version", "content-type", "accept"):
        assert server.headers[0].get(name) == server.headers[1].get(name), name
    assert "x-api-key" not in server.headers[0] and "x-api-key" not in server.headers[1]


@table("odd", [2**70, "half of \ud83d", [[]], 1e300])
def test_what_a_prompt_may_hold_is_sent_as_it_is(odd: object) -> None:
    if odd == [[]]:
        for _ in range(300):
            odd = [odd]
    call = {**DELETE, "input": {"odd": odd}}
    asked = Prompt(system=[], messages=[{"role": "assistant", "content": [call]}], tools=[], max_tokens=9)
    with Echo(Reply(200, sse(ANSWER), SSE)) as server:
        answer_of(endpoint(server.url), asked=asked)
    assert server.only.json()["messages"] == asked.messages


def test_headers_of_the_users_own_go_to_his_gateway_alone_and_into_no_error() -> None:
    custom = "X-Team-Key: team-secret-1\nno header\nbad name : x\n X-Trace : on"
    refusal = Reply(500, {"error": {"message": "team-secret-1 is over its limit"}})
    with Echo([Reply(200, sse(ANSWER), SSE), refusal, Reply(200, sse(ANSWER), SSE)]) as server:
        there = endpoint(server.url, ANTHROPIC_CUSTOM_HEADERS=custom)
        answer_of(there)
        with pytest.raises(PlannerError, match=r"\*\*\* is over its limit"):
            answer_of(there)
        answer_of(find_endpoint("local:m", {"NLAPI_LOCAL_URL": server.url, "ANTHROPIC_CUSTOM_HEADERS": custom}))
    gateway, _, local = server.received
    assert (gateway.header("x-team-key"), gateway.header("x-trace")) == ("team-secret-1", "on")
    assert local.header("x-team-key") is None
    assert "team-secret-1" not in repr(there)


def test_the_token_in_a_header_of_the_users_own_is_in_no_error() -> None:
    refusal = Reply(401, {"error": {"message": "no gateway token team-secret-1"}})
    with Echo(refusal) as server, pytest.raises(PlannerError, match=r"no gateway token \*\*\*"):
        answer_of(endpoint(server.url, ANTHROPIC_CUSTOM_HEADERS="Proxy-Authorization: Bearer team-secret-1"))


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Echo(Reply(200, sse(ANSWER), SSE)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert answer_of(endpoint("http://models.invalid/base")).stop == "tool_use"
    assert proxy.only.target == "http://models.invalid/base/v1/messages"


@pytest.mark.parametrize("proxy", ["foo://u:secretpass@h:9", "http://u:secretpass@h:port"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(PlannerError, match="names a proxy that nlapi cannot use") as raised:
        answer_of(endpoint("http://h.invalid"))
    assert "secretpass" not in str(raised.value) and "HTTP_PROXY" in raised.value.hint


def test_certificates_that_cannot_be_read_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_certificates = tmp_path / "no.pem"
    no_certificates.write_text("nothing")
    for file in (tmp_path / "none.pem", no_certificates):
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        ssl_context.cache_clear()
        with pytest.raises(PlannerError, match="certificates of the authorities cannot be read") as raised:
            answer_of(endpoint("http://h.invalid"))
        assert "SSL_CERT_FILE" in raised.value.hint


def test_a_redirect_is_followed_to_the_same_server_only() -> None:
    def answer(request: Received) -> Reply:
        if request.path == "/old/v1/messages":
            return Reply(308, b"", {"location": "/v1/messages"})
        if request.path == "/away/v1/messages":
            return Reply(307, b"", {"location": elsewhere.url})
        return Reply(200, sse(ANSWER), SSE)

    with Echo(answer) as server, Echo(Reply(200, sse(ANSWER), SSE)) as elsewhere:
        assert answer_of(endpoint(f"{server.url}/old")).stop == "tool_use"
        with pytest.raises(PlannerError, match="answered 307"):
            answer_of(endpoint(f"{server.url}/away"))
    assert server.received[0].body == server.received[1].body
    assert server.received[1].header("authorization") == f"Bearer {KEY}"
    assert elsewhere.received == []


# ---- attempts ----------------------------------------------------------------------------------------------------


def error(status: int, **headers: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"type": "error", "error": {"type": "api_error", "message": "no"}}, given)


@table(
    "refusal",
    [
        error(408, retry_after_ms="1"),
        error(409, retry_after="0"),
        error(429, retry_after="0.001"),
        error(503, retry_after=formatdate(0, usegmt=True)),
        error(529, retry_after_ms="0", retry_after="3000"),
        error(400, x_should_retry="true", retry_after="0"),
    ],
)
def test_a_busy_server_is_asked_again(refusal: Reply) -> None:
    with Echo([refusal, refusal, Reply(200, sse(ANSWER), SSE)]) as server:
        assert answer_of(endpoint(server.url), max_retries=2).stop == "tool_use"
    assert len(server.received) == 3
    assert len({request.body for request in server.received}) == 1


@table(
    ("refusal", "hint"),
    [
        (error(400), "offline"),
        (error(503, x_should_retry="false"), "offline"),
        (error(429, retry_after="3600"), "try again in 3600 s"),
        (error(429, retry_after_ms="9e9", retry_after="61"), "try again in 61 s"),
    ],
)
def test_a_server_that_is_not_asked_again(refusal: Reply, hint: str) -> None:
    with Echo([refusal, Reply(200, sse(ANSWER), SSE)]) as server, pytest.raises(PlannerError) as raised:
        answer_of(endpoint(server.url), max_retries=2)
    assert hint in raised.value.hint
    assert len(server.received) == 1


def test_a_connection_that_is_dropped_before_the_answer_is_made_again() -> None:
    with Script(Script.RESET) as server, pytest.raises(PlannerError, match="failed or broke off"):
        answer_of(endpoint(server.url), max_retries=1)
    assert len(server.received) == 2


def test_an_error_names_the_request_for_its_server() -> None:
    refusal = error(500, request_id="req_011")
    with Echo(refusal) as server, pytest.raises(PlannerError, match="answered 500: no, request req_011"):
        answer_of(endpoint(server.url))
    with Echo(error(500, request_id=KEY)) as server, pytest.raises(PlannerError) as raised:
        answer_of(endpoint(server.url))
    assert KEY not in str(raised.value)


def test_the_body_of_an_error_is_read_no_further_than_its_reason() -> None:
    pieces = (chunk(b"x" * 10_000) for _ in range(10_000))
    with Script(head("text/plain", status="400 No"), pieces) as server, pytest.raises(PlannerError, match="400: xxx"):
        answer_of(endpoint(server.url))


def test_the_body_of_an_error_that_does_not_end_is_not_waited_for() -> None:
    script = (head("text/plain", status="400 No"), chunk(b"no room"), Script.PARTING)
    with Script(*script) as server, pytest.raises(PlannerError, match="answered 400: no room"):
        answer_of(endpoint(server.url))


@table(
    ("body", "says"),
    [
        (b"<html><title>A portal</title></html>", "answered 502: no reason given"),
        (b'{"error": "out of memory"}', "answered 502: out of memory"),
        (b'{"detail": "no such path"}', "answered 502: no such path"),
        (b'{"error": null, "message": "no room"}', "answered 502: no room"),
        (b'{"error": {"message": {"a": 1}}}', "answered 502: no reason given"),
        (b"[1]", "answered 502: no reason given"),
        (b"[" * 15_000, r"answered 502: \[\["),
        (b"\xff\xfe", "answered 502"),
        (b"", "answered 502: no reason given"),
    ],
)
def test_the_reason_of_an_error_in_any_form(body: bytes, says: str) -> None:
    with Echo(Reply(502, body)) as server, pytest.raises(PlannerError, match=says):
        answer_of(endpoint(server.url))


@table(
    "reason",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 16000 > 200000",
        "the request exceeds the available context size",
    ],
)
def test_a_prompt_that_is_too_long_says_so(reason: str) -> None:
    with (
        Echo(Reply(400, {"error": {"message": reason}})) as server,
        pytest.raises(UnfinishedError, match="too long for"),
    ):
        answer_of(endpoint(server.url))


# ---- streams -----------------------------------------------------------------------------------------------------


def comparable(answer: StreamedAnswer) -> tuple[object, ...]:
    return answer.content, answer.stop, answer.usage, answer.faults


def multi_line(parts: list[dict[str, Any]]) -> bytes:
    """The stream with each JSON on several `data` lines."""
    texts = (json.dumps(part, ensure_ascii=False, indent=1).replace("\n", "\ndata:") for part in parts)
    pairs = zip(parts, texts, strict=True)
    return "".join(f"event: {part['type']}\ndata: {text}\n\n" for part, text in pairs).encode()


FORMS: dict[str, Callable[[], bytes]] = {
    "LF": lambda: sse(ANSWER),
    "CRLF": lambda: sse(ANSWER, "\r\n"),
    "CR": lambda: sse(ANSWER, "\r"),
    "BOM": lambda: b"\xef\xbb\xbf" + sse(ANSWER),
    "comments": lambda: b": hello\n\n" + sse(ANSWER).replace(b"event:", b":ping\nretry: 5\nid: 7\nevent:"),
    "multi-line data": lambda: multi_line(ANSWER),
    "unknown events": lambda: sse([*ANSWER[:4], {"type": "of_the_future"}, *ANSWER[4:], {"type": "ping"}]),
    "no blank after the colon": lambda: sse(ANSWER).replace(b"event: ", b"event:").replace(b"data: ", b"data:"),
}


@table("form", FORMS)
def test_a_stream_reads_the_same_however_its_bytes_are_cut(form: str) -> None:
    expected = comparable(reply_of(sse(ANSWER)))
    assert expected[:2] == ([thinking("The card is known."), text_block("Deleting it."), DELETE], "tool_use")
    body = FORMS[form]()
    assert comparable(reply_of(body)) == expected
    pieces = [chunk(body[at : at + 1]) for at in range(len(body))]
    with Script(head(SSE["content-type"]), pieces, END) as server:
        assert comparable(answer_of(endpoint(server.url))) == expected


def test_a_stream_is_read_as_the_sdk_reads_it() -> None:
    from anthropic import AsyncAnthropic

    async def by_sdk(url: str) -> dict[str, Any]:
        async with AsyncAnthropic(base_url=url, api_key=KEY) as client:
            arguments: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}], "model": "m", "max_tokens": 9}
            async with client.messages.stream(**arguments) as stream:
                return (await stream.get_final_message()).to_dict()

    for form in ("LF", "CRLF", "comments", "multi-line data"):
        with Echo(Reply(200, FORMS[form](), SSE)) as server:
            theirs = asyncio.run(by_sdk(server.url))
            ours = answer_of(endpoint(server.url))
        assert (ours.content, ours.stop) == (theirs["content"], theirs["stop_reason"])
        assert {name: theirs["usage"][name] for name in ours.usage} == ours.usage


def test_nothing_of_a_stream_that_ends_early_is_run() -> None:
    """Within every word and at both sides of the end of each line, as if the server had hung up in good order."""
    body = sse(streamed(DELETE))
    complete = body.index(b"event: message_stop")
    ends = [at for at in range(complete) if body[at] == ord("\n")]
    cut_at = sorted({*range(0, complete, 4), *ends, *(at + 1 for at in ends), *range(complete, len(body))})
    cuts = iter(cut_at)

    async def run(url: str) -> list[int]:
        read = []
        async with connect(endpoint(url), max_retries=0) as connection:
            for cut in cut_at:
                answer = StreamedAnswer()
                try:
                    assert [text async for text in connection.stream(prompt(), answer)] == []
                except UnfinishedError:
                    continue
                assert answer.content == [DELETE]
                read.append(cut)
        return read

    with Echo(lambda _: Reply(200, body[: next(cuts)], SSE)) as server:
        assert asyncio.run(run(server.url)) == list(range(complete, len(body)))


def test_a_plan_whose_stream_ends_early_calls_nothing(spec: Spec) -> None:
    for count in range(len(ANSWER) - 1):
        with Echo(Reply(200, sse(ANSWER[:count]), SSE)) as server, boards_api() as api:
            with pytest.raises(UnfinishedError):
                run_turn(ModelPlanner([spec], endpoint(server.url), max_retries=0), [spec], api.url, consent=yes)
            assert api.received == []


@table("count", range(len(ANSWER)))
def test_nothing_of_a_stream_that_breaks_off_is_run(count: int) -> None:
    body = sse(ANSWER[:count])
    for last in (b"", b"event: content_block_delta\ndata: {"):
        # Without the last chunk of the body, the connection broke off, even where the answer would be complete.
        with Script(head(SSE["content-type"]), chunk(body + last)) as server, pytest.raises(NlapiError) as raised:
            answer_of(endpoint(server.url))
        assert isinstance(raised.value, PlannerError)


@table("count", range(len(ANSWER) - 1))
@table(
    "fault",
    [
        b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n',
        b"event: error\ndata: the backend went away\n\n",
        b"event: content_block_delta\ndata: {\n\n",
        b"data: 7\n\n",
        b'data: {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "x"}}\n\n',
        b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": 7}}\n\n',
        b'data: {"type": "content_block_start", "index": null, "content_block": {"type": "text", "text": ""}}\n\n',
        b'data: {"type": "message_delta", "delta": {"stop_reason": 7}}\n\n',
        b'data: {"type": "message_delta", "delta": "tool_use"}\n\n',
        b'data: {"type": "message_start"}\n\n',
    ],
)
def test_nothing_of_a_stream_with_a_fault_in_it_is_run(count: int, fault: bytes) -> None:
    with pytest.raises(PlannerError) as raised:
        reply_of(sse(ANSWER[:count]) + fault + sse(ANSWER[count:]))
    assert isinstance(raised.value, UnfinishedError) == (count > 2)
    assert "\n" not in str(raised.value)


def test_a_call_with_bytes_that_are_no_text_is_not_run() -> None:
    whole = sse(streamed(tool_use("deleteCard", '{"card": "ö"}', "toolu_1")))
    damaged = whole.replace("ö".encode(), b"\xc3(", 1)
    assert reply_of(whole).content[0]["input"] == {"card": "ö"} and damaged != whole
    with pytest.raises(
        PlannerError, match="sent something other than an answer of the Messages API; nothing of it was run"
    ):
        reply_of(damaged)


@table(
    "reply",
    [
        Reply(200, b"<html>a portal</html>", {"content-type": "text/html"}),
        Reply(200, message(text_block("not streamed"), type="message", role="assistant")),
        Reply(200, [1]),
        Reply(200, b"", {"content-type": "application/json"}),
    ],
)
def test_an_answer_that_is_no_stream_is_named(reply: Reply) -> None:
    with Echo(reply) as server, pytest.raises(PlannerError, match="other than an answer of the Messages API"):
        answer_of(endpoint(server.url))


PING = b'data: {"type": "ping", "pad": "%b"}\n\n' % (b"x" * 1_000_000)


@table(
    ("kind", "piece", "megabytes"),
    [
        ("text/event-stream", b"data: " + b"x" * 1_000_000, 8),
        ("text/event-stream", (b"data: " + b"x" * 93 + b"\n") * 10_000, 8),
        ("text/event-stream", (b": " + b"w" * 96 + b"\n\n") * 10_000, 8),
        ("text/event-stream", PING, 8),
        ("application/json", b" " * 1_000_000, 8),
    ],
)
def test_an_answer_without_an_end_is_read_up_to_a_bound(kind: str, piece: bytes, megabytes: int) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += len(piece)
            yield chunk(piece)

    with Script(head(kind), pieces()) as server, pytest.raises(PlannerError) as raised:
        answer_of(endpoint(server.url))
    assert f"sent more than {megabytes} MB as one answer; nothing of it was run" in raised.value.message
    assert sent < (megabytes + 20) * 1_000_000


@pytest.mark.parametrize("tokens", ["abc", [1], True, -(10**9), pytest.param(10**400, id="huge")])
def test_a_usage_that_is_none_is_no_answer(tokens: object) -> None:
    start, *rest = json.loads(json.dumps(ANSWER))
    start["message"]["usage"]["input_tokens"] = tokens
    with pytest.raises(PlannerError, match="other than an answer of the Messages API"):
        reply_of(sse([start, *rest]))


def test_a_number_of_a_block_that_is_none_is_no_answer() -> None:
    body = sse(ANSWER).replace(b'"index": 0', b'"index": 1e999')
    with pytest.raises(PlannerError, match="other than an answer of the Messages API"):
        reply_of(body)


# ---- the connection of a planner ---------------------------------------------------------------------------------


class Counting(Echo):
    """Counts the connections beside the requests."""

    connections = 0

    def talk(self, connection: Any) -> None:
        self.connections += 1
        super().talk(connection)


async def plan(planner: ModelPlanner) -> Plan:
    pieces = [piece async for piece in planner.next(ask("?"))]
    assert isinstance(pieces[-1], Plan)
    return pieces[-1]


def test_the_plans_of_an_event_loop_share_a_connection(spec: Spec) -> None:
    async def plans(planner: ModelPlanner) -> None:
        for _ in range(3):
            await plan(planner)

    with Counting(Reply(200, sse(streamed(text_block("Hello."))), SSE)) as server:
        planner = ModelPlanner([spec], endpoint(server.url), max_retries=0)
        asyncio.run(plans(planner))
        assert (server.connections, len(server.received)) == (1, 3)
        asyncio.run(plans(planner))
        assert (server.connections, len(server.received)) == (2, 6)


def test_a_server_that_hangs_up_between_two_plans_is_connected_again(spec: Spec) -> None:
    body = sse(streamed(text_block("Hello.")))

    async def plans(planner: ModelPlanner) -> list[str]:
        return [(await plan(planner)).text for _ in range(3)]

    with Script(head(SSE["content-type"]), chunk(body), END) as server:
        assert asyncio.run(plans(ModelPlanner([spec], endpoint(server.url)))) == ["Hello."] * 3


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_answer_that_is_left_in_the_middle_leaves_nothing_open(spec: Spec, is_cancelled: bool) -> None:
    start = sse(ANSWER)
    start = start[: start.index(b"Deleti") + 60]

    async def leave(planner: ModelPlanner) -> str:
        async with aclosing(planner.next(ask("?"))) as pieces:
            text = str(await anext(pieces))
            if is_cancelled:
                rest = asyncio.create_task(anext(pieces))
                await asyncio.sleep(0)
                rest.cancel()
                await asyncio.wait([rest])
            return text

    with Script(head(SSE["content-type"]), chunk(start), Script.PARTING) as server:
        assert asyncio.run(leave(ModelPlanner([spec], endpoint(server.url)))) == "Deletin"
        assert server.parted.wait(120)
