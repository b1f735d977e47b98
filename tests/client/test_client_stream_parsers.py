"""Bodies that stream are divided into the same items however their bytes are cut."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.client.message import Framing
from nlapi.client.streaming.body import ItemReader
from nlapi.client.streaming.parsers import (
    DockerFrames,
    JsonLines,
    JsonValues,
    ServerSentEvents,
    StreamParser,
    TextLines,
    is_framed,
)
from nlapi.client.streaming.rule import Evidence, Expectation
from tests.strategies import examples
from tests.tables import table


def parsed(parser: StreamParser, pieces: Iterable[bytes]) -> list[Any]:
    items = [item for piece in pieces for item in parser.feed(piece)]
    return [*items, *parser.finish()]


def frame(stream: int, text: str | bytes) -> bytes:
    payload = text.encode() if isinstance(text, str) else text
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


SAMPLES: list[tuple[Callable[[], StreamParser], bytes, list[Any]]] = [
    (
        ServerSentEvents,
        b"\xef\xbb\xbf: hello\nevent: add\ndata: 1\nid: 7\n\r\ndata: caf\xc3\xa9\rdata: two\r\r"
        b'data:{"a":\ndata: "b\xf0\x9f\x98\x80"}\r\n\r\nevent: gone\n\n',
        [{"event": "add", "data": 1, "id": "7"}, {"data": "café\ntwo"}, {"data": {"a": "b😀"}}],
    ),
    (JsonLines, '{"a":"é"}\r\n\n[1, 2]\nnot JSON é\n"x"'.encode(), [{"a": "é"}, [1, 2], "not JSON é", "x"]),
    (
        JsonValues,
        '{"a":"}\\"{é"}{"b":[1,{}]}\n\n[ ]\r\n "x" 12 true\noops 1\n{"c":\n  3}\n-1.5e3'.encode(),
        [{"a": '}"{é'}, {"b": [1, {}]}, [], "x", 12, True, "oops 1", {"c": 3}, -1500.0],
    ),
    (JsonValues, b'\x1e{"a":1}\n\x1e12\n\x1e{"cut":\x1e["b"]\n', [{"a": 1}, 12, '{"cut":', ["b"]]),
    (
        DockerFrames,
        frame(1, "one\nt") + frame(2, "oops\r\n") + frame(1, "wo\n\n") + frame(1, "") + frame(1, b"caf\xc3")
        + frame(1, b"\xa9"),
        [
            {"stream": "stdout", "text": "one"},
            {"stream": "stderr", "text": "oops"},
            {"stream": "stdout", "text": "two"},
            {"stream": "stdout", "text": ""},
            {"stream": "stdout", "text": "café"},
        ],
    ),
    (TextLines, "one\r\ntwo\x0b\u2028still\n\ncafé😀".encode(), ["one", "two\x0b\u2028still", "", "café😀"]),
    (lambda: TextLines("utf-16-le"), "añ\nb".encode("utf-16-le"), ["añ", "b"]),
    (lambda: TextLines("zlib"), b"no such text\n", ["no such text"]),
]  # fmt: skip
IDS = ["events", "lines", "values", "sequence", "frames", "text", "text in UTF-16", "unknown charset"]


@table(("make", "body", "items"), SAMPLES, ids=IDS)
def test_a_cut_at_any_byte_changes_no_item(make: Callable[[], StreamParser], body: bytes, items: list[Any]) -> None:
    assert parsed(make(), [body]) == items
    assert parsed(make(), (body[place : place + 1] for place in range(len(body)))) == items
    for place in range(len(body) + 1):
        assert parsed(make(), (body[:place], b"", body[place:])) == items, place


@table(("make", "body", "items"), SAMPLES, ids=IDS)
def test_what_has_come_by_any_byte_is_the_beginning_of_the_items(
    make: Callable[[], StreamParser], body: bytes, items: list[Any]
) -> None:
    for place in range(len(body) + 1):
        come = make().feed(body[:place])
        assert come == items[: len(come)], place


HEADS = {
    "text/event-stream": 0,
    "application/jsonl": 1,
    "application/json": 2,
    "application/json-seq": 3,
    "application/vnd.docker.multiplexed-stream": 4,
    "application/octet-stream": 4,
    "text/plain": 5,
    "text/plain; charset=utf-16-le": 6,
}


@table("content_type", HEADS)
def test_nor_does_it_change_how_an_answer_is_taken(content_type: str) -> None:
    _, body, items = SAMPLES[HEADS[content_type]]
    for place in range(len(body) + 1):
        reader = ItemReader(content_type, Expectation(evidence=Evidence.REQUESTED), has_length=False)
        come = [*reader.feed(body[:place]), *reader.feed(body[place:])]
        assert [*come, *(reader.finish(body) or ())] == items, place


@table("content_type", HEADS)
def test_what_is_cut_at_any_byte_is_the_beginning_of_the_items(content_type: str) -> None:
    _, body, items = SAMPLES[HEADS[content_type]]
    for place in range(len(body) + 1):
        reader = ItemReader(content_type, Expectation(evidence=Evidence.REQUESTED), has_length=False)
        come = [*reader.feed(body[:place]), *reader.cut()]
        if come != items[: len(come)]:  # the beginning of a line, where nothing else has come
            (one,) = come
            assert reader.framing in (Framing.LINES, Framing.FRAMES), place
            assert any(line(whole).startswith(line(one)) for whole in items), place


def line(item: Any) -> str:
    return str(item["text"] if isinstance(item, dict) else item)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [body[start:end] for start, end in itertools.pairwise(places)]


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(JSON, max_size=6), CUTS, st.sampled_from(["", " ", "\n", "\r\n"]), st.booleans())
def test_any_json_texts_in_a_row_are_their_values(values: list[Any], cuts: list[int], between: str, wide: bool) -> None:
    texts = [json.dumps(value, indent=2 if wide else None, ensure_ascii=wide) for value in values]
    marked = [text if text[0] in '{["' else f" {text} " for text in texts]
    body = between.join(marked).encode("utf-8", "surrogatepass")
    assert parsed(JsonValues(), pieces(body, cuts)) == values


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(JSON, max_size=6), CUTS)
def test_any_json_lines_and_sequences_are_their_values(values: list[Any], cuts: list[int]) -> None:
    texts = [json.dumps(value).encode() for value in values]
    assert parsed(JsonLines(), pieces(b"".join(text + b"\n" for text in texts), cuts)) == values
    sequence = b"".join(b"\x1e" + text + b"\n" for text in texts)
    assert parsed(JsonValues(), pieces(sequence, cuts)) == values


WORD = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


@table("word", ["NaN", "-Infinity", "1e999", "null", "1e9"])
def test_a_word_that_is_no_number_of_json_stays_a_word(word: str) -> None:
    (event,) = parsed(ServerSentEvents(), [f"data: {word}\n\n".encode()])
    assert event["data"] == {"null": None, "1e9": 1e9}.get(word, word)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(WORD, st.lists(WORD, min_size=1, max_size=3))), CUTS, st.sampled_from(["\n", "\r", "\r\n"]))
def test_any_events_are_read_back(events: list[tuple[str, list[str]]], cuts: list[int], end: str) -> None:
    lines = [line for name, data in events for line in (f"event: {name}", *(f"data: {text}" for text in data), "")]
    body = "".join(line + end for line in lines).encode()
    read = parsed(ServerSentEvents(), pieces(body, cuts))
    names = [(name, "\n".join(data)) for name, data in events if "\n".join(data).strip() != "[DONE]"]
    assert [one.get("event", "") for one in read] == [name for name, _ in names]
    for one, (_, text) in zip(read, names, strict=True):
        assert one["data"] == text or json.dumps(one["data"]) == json.dumps(json.loads(text))


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2]), LINE)), CUTS, CUTS)
def test_any_lines_come_out_of_frames(lines: list[tuple[int, str]], framing: list[int], cuts: list[int]) -> None:
    body = b"".join(
        frame(stream, payload) for stream, text in lines for payload in pieces(f"{text}\n".encode(), framing)
    )
    read = parsed(DockerFrames(), pieces(body, cuts))
    assert [(one["stream"], one["text"]) for one in read] == [(("stdout", "stderr")[n - 1], text) for n, text in lines]
    assert is_framed(body) == bool(lines)
    assert not any(is_framed(body[:place]) for place in range(1, min(len(body), 9)))


# Server-sent events, as the standard has them


@table(
    ("body", "items"),
    [
        (": this is a test stream\n\ndata: some text\n\ndata: another\ndata: message \n\n",
         [{"data": "some text"}, {"data": "another\nmessage "}]),
        ("data: YHOO\ndata: +2\ndata: 10\n\n", [{"data": "YHOO\n+2\n10"}]),
        (": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
         [{"data": "first", "id": "1"}, {"data": "second", "id": ""}, {"data": " third"}]),
        ("data\n\ndata\ndata\n\ndata:", [{"data": ""}, {"data": "\n"}]),
        ("data:test\n\ndata: test\n\n", [{"data": "test"}, {"data": "test"}]),
        ("event: a\n\ndata: b\n\n", [{"data": "b"}]),
        ("retry: 500\nfoo: bar\nid: a\0b\ndata: 1.0\n\n", [{"data": 1.0}]),
        ("data: NaN0\n\ndata: {broken\n\n", [{"data": "NaN0"}, {"data": "{broken"}]),
    ],
)  # fmt: skip
def test_events_are_read_as_the_standard_says(body: str, items: list[Any]) -> None:
    assert parsed(ServerSentEvents(), [body.encode()]) == items


def test_done_ends_a_stream_and_is_no_event() -> None:
    parser = ServerSentEvents()
    assert parser.feed(b'data: {"n":1}\n\ndata: [DONE]\n\ndata: late\n\n') == [{"data": {"n": 1}}]
    assert parser.is_over


# What is not as it should be


def test_what_is_not_in_frames_ends_them() -> None:
    parser = DockerFrames()
    assert parser.feed(frame(1, "one\n") + b"<html>oops") == [{"stream": "stdout", "text": "one"}]
    assert (parser.is_over, parser.fault) == (True, "what follows is not in Docker's frames")


@table(
    "body",
    [b"", b"\1\0\0\0\0\0\0\2a", b"\1\0\0\0\0\0\0\1ab", b"\0\0\0\0\0\0\0\1a", b"\1\0\0\0\0\0\0\0", b"plain text\n"],
)
def test_a_body_that_is_not_frames_to_its_last_byte_is_none(body: bytes) -> None:
    assert not is_framed(body)


def test_a_text_that_is_cut_gives_its_readable_beginning() -> None:
    lines = TextLines()
    assert lines.feed(b"Enter a name \xf0\x9f\x98") == []
    assert lines.remainder() == ["Enter a name "]
    frames = DockerFrames()
    assert frames.feed(frame(1, "half")) == []
    assert frames.remainder() == [{"stream": "stdout", "text": "half"}]


def test_values_after_what_is_no_json_are_read() -> None:
    body = b'}\n{"a": nope}\n{"b":1}\n<b>\n[2]{"c"'
    parser = JsonValues()
    assert parser.feed(body) == ["}", '{"a": nope}', {"b": 1}, "<b>", [2]]
    assert parser.malformed == 3
    assert parser.finish() == ['{"c"']
