"""Which answers count as streams, by what the description, the call and the answer's head say."""

from __future__ import annotations

from typing import Any

from nlapi.client.message import Framing
from nlapi.client.streaming.rule import Evidence, Expectation, classify, expect_stream
from tests.describe import body, operation, parameter
from tests.tables import table

FOLLOW = {"parameters": [parameter("follow", schema={"type": "boolean"})]}
LIVE = {"parameters": [parameter("stream", schema={"type": "boolean", "default": True})]}
WATCH = {"parameters": [parameter("watch", schema={"$ref": "#/components/schemas/On"})]}
ON = {"components": {"schemas": {"On": {"type": "boolean", "default": True}}}}
CHAT = body({"type": "object", "properties": {"stream": {"type": "boolean", "default": False}, "text": {}}})


@table(
    ("node", "values", "evidence"),
    [
        (FOLLOW, {("query", "follow"): True}, Evidence.REQUESTED),
        (FOLLOW, {("query", "follow"): 1}, Evidence.REQUESTED),
        (FOLLOW, {("query", "follow"): "true"}, Evidence.REQUESTED),
        (FOLLOW, {("query", "follow"): False}, Evidence.NONE),
        (FOLLOW, {}, Evidence.NONE),
        (LIVE, {}, Evidence.REQUESTED),
        (LIVE, {("query", "stream"): False}, Evidence.NONE),
        (WATCH, {}, Evidence.REQUESTED),
        (CHAT, {("body", "stream"): True, ("body", "text"): "hi"}, Evidence.REQUESTED),
        (CHAT, {("body", ""): {"stream": True}}, Evidence.REQUESTED),
        (CHAT, {("body", ""): {"text": "hi"}}, Evidence.NONE),
        (body({"type": "object"}), {("body", ""): {"stream": True}}, Evidence.REQUESTED),
        ({"parameters": [parameter("stream", "path")]}, {("path", "stream"): "true"}, Evidence.NONE),
        ({"parameters": [parameter("stream")]}, {("query", "stream"): "news"}, Evidence.NONE),
        ({"parameters": [parameter("live", schema={"type": "boolean"})]}, {("query", "live"): True}, Evidence.NONE),
    ],
)
def test_a_switch_asks_for_a_stream_by_its_value_or_its_default(node: Any, values: Any, evidence: Evidence) -> None:
    path = "/{stream}" if any(one["in"] == "path" for one in node.get("parameters", ())) else "/x"
    method = "post" if "requestBody" in node else "get"
    assert expect_stream(operation(node, path=path, method=method, **ON), values).evidence is evidence


@table(
    "said",
    [
        "Stream real-time events from the server.",
        "Monitor things. Streams the logs of a job.",
        "Returns a stream of changes",
        "Returns a live stream of usage",
        "Logs, returned as a stream.",
        "Sends server-sent events.",
        "One newline-delimited JSON object for each",
        "A streaming response.",
        "Entries as they happen",
        "a never-ending response",
    ],
)
def test_a_description_says_so_in_words(said: str) -> None:
    for node in ({"summary": said}, {"description": said}, {"responses": {"200": {"description": said}}}):
        assert expect_stream(operation(node), {}).evidence is Evidence.DESCRIBED
    off = {**FOLLOW, "description": said}
    assert expect_stream(operation(off), {("query", "follow"): False}).evidence is Evidence.NONE


@table(
    "said",
    [
        "Start a live stream",
        "Returns the stream key and the stream url",
        "Lists the shards in a data stream",
        "Returns a byte stream",
        "Create an event stream subscription",
        "Upstream updates",
        "Streams",
        "Get the activity stream of a user",
    ],
)
def test_words_about_other_streams_say_nothing(said: str) -> None:
    assert expect_stream(operation({"summary": said, "description": said}), {}).evidence is Evidence.NONE


def test_whoever_calls_may_know_of_a_stream() -> None:
    assert expect_stream(operation(), {}, is_requested=True).evidence is Evidence.REQUESTED


@table(
    ("content_type", "framing"),
    [
        ("text/event-stream; charset=utf-8", Framing.EVENTS),
        ("Application/X-NDJSON", Framing.JSON_LINES),
        ("application/jsonl", Framing.JSON_LINES),
        ("application/json-seq", Framing.JSON_VALUES),
        ("application/geo+json-seq", Framing.JSON_VALUES),
        ("application/json;stream=watch", Framing.JSON_VALUES),
        ("application/vnd.docker.raw-stream", Framing.FRAMES),
        ("application/vnd.docker.multiplexed-stream", Framing.FRAMES),
    ],
)
def test_types_of_streams(content_type: str, framing: Framing) -> None:
    assert classify(content_type, Expectation()) == (Evidence.TYPED, framing)


def test_a_type_counts_for_more_than_what_was_asked_and_said() -> None:
    assert classify("text/html", Expectation(evidence=Evidence.REQUESTED)) == (Evidence.NONE, None)
    assert classify("application/json", Expectation(media=("text/event-stream",))) == (
        Evidence.NONE,
        Framing.JSON_VALUES,
    )
    assert classify("", Expectation(media=("text/event-stream", "application/json"))) == (Evidence.NONE, None)
    assert classify("", Expectation(media=("text/event-stream",))) == (Evidence.TYPED, Framing.EVENTS)


def test_the_description_names_the_types_of_success() -> None:
    content = {"text/event-stream": {}, "Application/JSON": {}}
    node = {"responses": {"200": {"description": "ok", "content": content}, "400": {"description": "no"}}}
    assert set(expect_stream(operation(node), {}).media) == {"text/event-stream", "application/json"}
