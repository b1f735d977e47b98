"""Upstreams that lie about their answers: a clear error each, no hang, and nothing of one answer in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.gateway.kit import Reply, Talk
from tests.gateway.llm_gateway import document, gateway
from tests.servers import Script
from tests.tables import table

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHOICE = b'{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}'
EVENT = b"data: " + CHOICE + b"\n\n"
# An event of a mebibyte, so that the largest answer is reached in 64 of them.
LARGE_EVENT = b"data: " + CHOICE.replace(b"hi", b"x" * 2**20) + b"\n\n"
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}).encode()


def length(value: object) -> bytes:
    return b"Content-Length: %s\r\n\r\n" % str(value).encode()


def chunks(part: bytes) -> Iterator[bytes]:
    """A chunked body without end."""
    while True:
        yield b"%x\r\n%s\r\n" % (len(part), part)


def problem(answer: Reply) -> dict[str, Any]:
    """The problem in an answer, also in the last event of a stream."""
    if answer.headers["content-type"] == "text/event-stream":
        text = answer.content.decode().strip().rpartition("data: ")[2]
        return dict(json.loads(text))
    return dict(answer.json())


def serve(talk: Talk, *, stream: bool) -> Reply:
    body = {"messages": [{"role": "user", "content": "hello"}], **({"stream": True} if stream else {})}
    return talk.as_("web")("POST", "/v1/objectives/writer/serve", {"input": body})


@table(
    ("script", "stream", "message"),
    [
        ([JSON + length(len(WHOLE) + 50) + WHOLE], False, "its answer broke off"),
        ([JSON + length(len(WHOLE) - 9) + WHOLE], False, "an answer that is not HTTP"),
        ([JSON + length(-5) + WHOLE], False, "an answer that is not HTTP"),
        ([JSON + length("9" * 40) + WHOLE], False, "an answer that is not HTTP"),
        ([JSON + length(10**12) + WHOLE], False, "its answer is too large"),
        ([JSON + b"Content-Length: 5\r\n" + length(len(WHOLE)) + WHOLE], False, "an answer that is not HTTP"),
        ([JSON + b"Content-Encoding: gzip\r\n" + length(len(WHOLE)) + WHOLE], False, "its answer broke off"),
        ([JSON + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + WHOLE], False, "an answer that is not HTTP"),
        ([JSON + b"Transfer-Encoding: chunked\r\n\r\n", chunks(b" " * 2**20)], False, "its answer is too large"),
        ([EVENTS + length(len(EVENT) + 50) + EVENT], True, "its answer broke off"),
        ([EVENTS + length(len(EVENT) - 9) + EVENT], True, "an answer that is not HTTP"),
        ([EVENTS + length(-5) + EVENT], True, "an answer that is not HTTP"),
        ([EVENTS + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + EVENT], True, "an answer that is not HTTP"),
        ([EVENTS + b"Transfer-Encoding: chunked\r\n\r\n", chunks(LARGE_EVENT)], True, "its stream does not end"),
        ([EVENTS + b"Transfer-Encoding: chunked\r\n\r\n", chunks(b": beat\n" * 2**17)], True, "is too large"),
    ],
)
def test_an_answer_that_lies_is_an_error_with_its_reason(
    tmp_path: Path, script: list[Any], stream: bool, message: str
) -> None:
    with Script(*script) as server, gateway(tmp_path, document(server.url, "writer")) as talk:
        answer = problem(serve(talk, stream=stream))
        assert (answer["status"], message in answer["detail"]) == (502, True), answer
        assert server.url.rpartition("/")[2] not in json.dumps(answer)
        (recorded,) = talk.ok("GET", "/v1/decisions", objective="writer")["data"]
        assert message in recorded["error"]


def test_an_answer_with_another_behind_it_is_given_to_nobody(tmp_path: Path) -> None:
    second = JSON + length(len(WHOLE)) + WHOLE.replace(b"hi", b"stolen")
    script = JSON + length(len(WHOLE)) + WHOLE + second
    with Script(script) as server, gateway(tmp_path, document(server.url, "writer")) as talk:
        for _ in range(4):
            assert "an answer that is not HTTP" in problem(serve(talk, stream=False))["detail"]
