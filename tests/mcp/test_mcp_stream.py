"""An MCP client gets what has come of an answer that does not end."""

from __future__ import annotations

import json
from typing import Any

from nlapi.client.message import Limits
from tests.describe import spec
from tests.mcp.kit import User, call, served, text
from tests.servers import Script, chunk, head

OK = {"responses": {"200": {"description": "ok"}}}
API = spec({"/events": {"get": {"operationId": "watchEvents", **OK}, "post": {"operationId": "pull", **OK}}})


def answered(script: tuple[Any, ...], name: str = "watchEvents", *, user: User | None = None, **limits: Any) -> Any:
    with Script(*script) as server:
        result = call(served(API, server.url, limits=Limits(**limits)), name, user=user)
        assert len(server.received) == 1
    assert result.structured_content is not None
    assert json.loads(text(result)) == result.structured_content
    return result.structured_content


def test_a_client_gets_items_and_that_they_went_on() -> None:
    many = chunk(b"data: 1\n\n" * 150)
    told = answered((head("text/event-stream"), many, Script.SILENCE))
    assert told["data"] == [{"data": 1}] * 100
    assert told["stream"].startswith("the answer was cut after 100 events in ")


def test_a_log_in_frames_is_no_binary_data() -> None:
    frames = b"\1\0\0\0\0\0\0\6out 1\n\2\0\0\0\0\0\0\4err\n"
    script = (head("application/vnd.docker.raw-stream"), chunk(frames), Script.SILENCE)
    told = answered(script, stream_seconds=1)
    assert told["data"] == [{"stream": "stdout", "text": "out 1"}, {"stream": "stderr", "text": "err"}]
    assert "while it was still going on" in told["stream"]


def test_all_of_a_long_one_is_a_resource() -> None:
    many = chunk(json.dumps({"text": "x" * 1_000}).encode() + b"\n") * 60
    told = answered((head("application/x-ndjson"), many, Script.SILENCE), stream_seconds=1)
    assert told["whole"].startswith("nlapi://answer/")
    assert "next" not in told


def test_a_change_that_streams_is_read_to_its_end_after_consent() -> None:
    many = chunk(b"data: 1\n\n" * 150)
    told = answered((head("text/event-stream"), many, chunk(b"")), "pull", user=User())
    assert "stream" not in told
    assert len(told["data"]) == 150
