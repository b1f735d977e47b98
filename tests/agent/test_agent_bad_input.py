"""Bad input to a question with a model: one line that says what, where and what to do; nothing sent, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.agent.kit import boards, boards_api
from tests.cli.kit import Ran, run
from tests.messages_server import MessagesServer, results, say, use
from tests.servers import END, Echo, Reply, Script, chunk, closed_port, head

KEY = "sk-ant-test-0123456789"
SSE = {"Content-Type": "text/event-stream"}
PROTOCOLS = {"messages": "claude-sonnet-5-5", "chat": "openai:gpt"}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NLAPI_DEBUG", raising=False)
    yield


@pytest.fixture
def api() -> Iterator[Echo]:
    with boards_api() as server:
        yield server


def ask(api: Echo, folder: Path, *options: str, question: str = "delete the card c1") -> Ran:
    boards(folder)
    words = ("ask", question, "-a", str(folder / "Boards.json"), "--base-url", api.url, "--yes", "-o", "text")
    return run(*words, "--planner", "claude", *options)


def ask_at(url: str, protocol: str, api: Echo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    return ask(api, folder, "--model", PROTOCOLS[protocol])


def assert_one_line(ran: Ran, folder: Path, *texts: str) -> None:
    """One line of error with a hint in brackets, no key in it, and a transcript with the question."""
    assert ran.code in (1, 8), ran.err
    assert ran.complaint.endswith(")"), ran.complaint
    assert len(ran.complaint) < 700
    assert "fault of nlapi" not in ran.complaint
    for text in texts:
        assert text in ran.complaint
    assert KEY not in ran.out + ran.err
    (transcript,) = (folder / "state" / "log").iterdir()
    assert json.loads(transcript.read_text().splitlines()[0])["question"] == "delete the card c1"


# ---- before anything is sent --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "variable"), [("claude-sonnet-5-5", "ANTHROPIC_API_KEY"), ("openai:gpt", "OPENAI")])
def test_no_key(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, variable: str) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    ran = ask(api, tmp_path, "--model", model)
    assert (ran.code, api.received) == (1, [])
    assert "is missing" in ran.complaint and f"set {variable}" in ran.complaint


@pytest.mark.parametrize("url", ["no address", "ftp://127.0.0.1:9", "http://", "http://[::1", "http://127.0.0.1:99999"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_address_that_is_none(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, url: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    ran = ask(api, tmp_path, "--model", PROTOCOLS[protocol])
    assert (ran.code, api.received) == (1, [])
    assert f"{url} is not a URL (check " in ran.complaint


# ---- the server of the model --------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_key_and_an_unknown_model(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    refusals = {401: "does not accept the key", 404: "has no model", 403: "", 402: ""}
    for number, (status, text) in enumerate(refusals.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("NLAPI_STATE_DIR", str(folder / "state"))
        fault = {"type": "error", "error": {"type": "authentication_error", "message": f"bad {KEY}"}}
        if status == 404:
            fault["error"] = {"type": "not_found_error", "message": "model: gpt"}
        with Echo(Reply(status, fault)) as model:
            ran = ask_at(model.url, protocol, api, folder, monkeypatch)
        assert api.received == []
        assert_one_line(ran, folder, text)


PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Welcome to the network</body></html>"
REPLIES: dict[str, Reply] = {
    "a page with status 200": Reply(200, PAGE, {"Content-Type": "text/html"}),
    "a page as a stream": Reply(200, PAGE, SSE),
    "a page with status 404": Reply(404, PAGE, {"Content-Type": "text/html"}),
    "a page with status 502": Reply(502, PAGE, {"Content-Type": "text/html"}),
    "nothing": Reply(200, b""),
    "nothing as a stream": Reply(200, b"", SSE),
    "no content": Reply(204),
    "a list": Reply(200, [1, 2, 3]),
    "a number": Reply(200, 7),
    "null": Reply(200, b"null", {"Content-Type": "application/json"}),
    "JSON that is cut": Reply(200, b'{"id": "msg_1", "con', {"Content-Type": "application/json"}),
    "JSON that is deep": Reply(200, b"[" * 100_000, {"Content-Type": "application/json"}),
    "too many requests until a date": Reply(429, b"", {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}),
    "another encoding": Reply(200, b"no gzip", {"Content-Encoding": "gzip", **SSE}),
    "invalid UTF-8": Reply(200, b'event: message_start\ndata: {"type": "\xff\xfe"}\n\n', SSE),
    "events that are no objects": Reply(200, b'data: 7\n\ndata: "x"\n\ndata: [1]\n\ndata: null\n\n', SSE),
    "events without a type": Reply(200, b'data: {}\n\ndata: {"choices": null}\n\n', SSE),
    "a proxy that wants a password": Reply(407, PAGE, {"Proxy-Authenticate": "Basic"}),
    "an error that is a list": Reply(400, {"error": ["no", "such", "thing"]}),
    "an error that is null": Reply(400, {"error": None}),
    "an error of a strange type": Reply(400, {"type": "error", "error": {"type": 7, "message": {"a": 1}}}),
    "too many requests for a day": Reply(429, {"error": {"message": "slow"}}, {"Retry-After": "86400"}),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", REPLIES)
def test_a_server_that_speaks_neither_protocol(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, name: str
) -> None:
    with Echo(REPLIES[name]) as model:
        ran = ask_at(model.url, protocol, api, tmp_path, monkeypatch)
    assert api.received == []
    assert_one_line(ran, tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_key_nor_question_elsewhere(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, status: int
) -> None:
    with Echo(Reply(200, b"stolen")) as other, Echo(Reply(status, b"", {"Location": f"{other.url}/x"})) as model:
        ran = ask_at(model.url, protocol, api, tmp_path, monkeypatch)
    assert [request.method for request in other.received] == []
    assert_one_line(ran, tmp_path, str(status))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_hangs_up(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    start = b'data: {"choices": [{"index": 0, "delta": {"content": "I del"}}]}\n\n'
    scripts: list[tuple[Any, ...]] = [
        (Script.RESET,),
        (),
        (b"HTTP/1.1 200 OK\r\n",),
        (b"\x15\x03\x01\x00\x02\x02\x0a",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (head("text/event-stream"), chunk(b"event: message_start\n"), Script.RESET),
        (head("text/event-stream"), chunk(start), Script.RESET),
        (head("text/event-stream"), b"zz\r\n", END),
    ]
    for number, script in enumerate(scripts):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("NLAPI_STATE_DIR", str(folder / "state"))
        with Script(*script) as model:
            ran = ask_at(model.url, protocol, api, folder, monkeypatch)
        assert api.received == []
        assert_one_line(ran, folder)
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    with closed_port() as url:
        assert_one_line(ask_at(url, protocol, api, tmp_path, monkeypatch), tmp_path, url)


def stream(*events: dict[str, Any]) -> Reply:
    names = [f"event: {event['type']}\n" if "type" in event else "" for event in events]
    texts = (f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True))
    return Reply(200, "".join(texts).encode(), SSE)


START = {
    "type": "message_start",
    "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}},
}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "change", "input": {}}
STOP = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}


def choice(delta: Any, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}


GARBAGE: dict[str, tuple[str, Reply]] = {
    "a delta of no block": (
        "messages",
        stream(START, {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}}, STOP),
    ),
    "a delta of another kind of block": (
        "messages",
        stream(
            START,
            {"type": "content_block_start", "index": 0, "content_block": TOOL},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            STOP,
        ),
    ),
    "a delta without its text": (
        "messages",
        stream(
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
            STOP,
        ),
    ),
    "a block without a type": (
        "messages",
        stream(START, {"type": "content_block_start", "index": 0, "content_block": {"id": "x"}}, STOP),
    ),
    "a block that is null": ("messages", stream(START, {"type": "content_block_start", "index": 0}, STOP)),
    "a call without an id": (
        "messages",
        stream(
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "change"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
            STOP,
        ),
    ),
    "a message that is null": ("messages", stream({"type": "message_start"}, STOP)),
    "an end that is null": ("messages", stream(START, {"type": "message_delta"})),
    "a start alone": ("messages", stream(START)),
    "an error of no form": ("messages", stream(START, {"type": "error", "error": "x"})),
    "choices that are a text": ("chat", stream({"choices": "x"})),
    "a choice that is null": ("chat", stream({"choices": [None]})),
    "a delta that is a text": ("chat", stream(choice("x", "stop"))),
    "a content that is a number": ("chat", stream(choice({"content": 7}, "stop"))),
    "a content that is a list": ("chat", stream(choice({"content": [{"type": "text", "text": "x"}]}, "stop"))),
    "calls that are an object": ("chat", stream(choice({"tool_calls": {"function": 7}}, "tool_calls"))),
    "an index that is a word": ("chat", stream(choice({"tool_calls": [{"index": "one"}]}, "tool_calls"))),
    "a function that is a text": ("chat", stream(choice({"tool_calls": [{"function": "change"}]}, "tool_calls"))),
    "a usage that is a text": ("chat", stream({"choices": [], "usage": "much"}, choice({}, "stop"))),
    "tokens that are words": ("chat", stream({"choices": [], "usage": {"prompt_tokens": "many"}}, choice({}, "stop"))),
    "an end that is a list": ("chat", stream(choice({"content": "x"}, ["stop"]))),
    "an error that is a text": ("chat", stream({"error": "out of memory"})),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_stream_of_garbage(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    protocol, reply = GARBAGE[name]
    with Echo(reply) as model:
        ran = ask_at(model.url, protocol, api, tmp_path, monkeypatch)
    assert api.received == []
    assert "Traceback" not in ran.err
    assert_one_line(Ran(code=ran.code, out=ran.out, err=last_line(ran.err)), tmp_path)


def last_line(text: str) -> str:
    return text.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_line_of_16_mb(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    with Echo(Reply(200, b"data: " + b"x" * 2**24 + b"\n\n", SSE)) as model:
        ran = ask_at(model.url, protocol, api, tmp_path, monkeypatch)
    assert api.received == []
    assert_one_line(ran, tmp_path)


# ---- what the model asks for --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"result": "r9"}, "r9"),
        ({}, "result"),
        ({"result": 7}, "result"),
        ({"result": "r1", "where": "name is Roadmap"}, "where"),
        ({"result": "r1", "where": [["name"]]}, "where"),
        ({"result": "r1", "where": 7}, "where"),
        ({"result": "r1", "where": "[[[["}, "where"),
        ({"result": "r1", "sort": 7}, "sort"),
        ({"result": "r1", "select": "nothing"}, "nothing"),
        ({"result": "r1", "page": -1}, "page"),
        ({"result": "r1", "page": "next"}, "page"),
    ],
)
def test_a_query_that_is_none_goes_back_to_the_model_in_one_line(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], complaint: str
) -> None:
    read = use("read", {"operation": "listBoards"})
    with MessagesServer([read, use("result", arguments), say("One board.")], key=KEY) as model:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        ran = ask(api, tmp_path, question="what is on my boards?")
    assert (ran.code, ran.out.strip()) == (0, "One board."), ran.err
    (told,) = results(model.requests[-1])
    assert complaint in told and "\n" not in told and len(told) < 500, told
    assert model.requests[-1]["messages"][-1]["content"][0]["is_error"] is True
    assert len(api.received) == 1
    assert model.refused == []


def test_a_chat_goes_on_after_each_of_them(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = list(REPLIES.values())[:4]
    with ExitStack() as stack:
        model = stack.enter_context(MessagesServer([use("read", {"operation": "listBoards"}), say("Yes.")], key=KEY))
        turns = iter([*replies])

        def answer(request: Any) -> Reply:
            return next(turns, None) or Reply(503)

        broken = stack.enter_context(Echo(answer))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", broken.url)
        boards(tmp_path)
        words = ("chat", "-a", str(tmp_path / "Boards.json"), "--base-url", api.url, "--planner", "claude")
        ran = run(*words, stdin="one\ntwo\nthree\nfour\n")
        assert ran.code == 0
        assert ran.err.count("error: ") == 4, ran.err
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        resumed = run("log", "resume", "last", "is there a board?", "--planner", "claude", "--base-url", api.url)
    assert resumed.code == 0, resumed.err
    questions = [block["text"] for item in model.requests[0]["messages"] for block in item["content"]]
    assert {"one", "two", "three", "four"} <= set(questions)
