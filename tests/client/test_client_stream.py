"""Answers that do not end: what has come by the limits is given, nothing is lost and nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nlapi.client.message import EndReason, Framing, Limits, Request, Result, bound_for_model
from nlapi.client.send import open_client, send
from nlapi.client.streaming.body import Piece
from nlapi.client.streaming.rule import Evidence, Expectation
from nlapi.errors import OutcomeUnknownError, SendError
from tests.client.shown import truncate
from tests.servers import END, Echo, Reply, Script, chunk, head
from tests.tables import table

SOON = Limits(deadline=1)
REQUESTED = Expectation(evidence=Evidence.REQUESTED)
DESCRIBED = Expectation(evidence=Evidence.DESCRIBED)
SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
FRAME = b"\1\0\0\0\0\0\0\6out 1\n\2\0\0\0\0\0\0\4err\n"
LOG = ({"stream": "stdout", "text": "out 1"}, {"stream": "stderr", "text": "err"})


def go(url: str, method: str = "GET", **options: Any) -> Result:
    return asyncio.run(send(Request(method=method, url=url), **options))


class Seen:
    """Watches an answer; `reached` is set once so many items have come."""

    def __init__(self, count: int = 1, reached: threading.Event | None = None) -> None:
        self.pieces: list[Piece] = []
        self.count = count
        self.reached = reached or threading.Event()

    def __call__(self, piece: Piece) -> None:
        self.pieces.append(piece)
        if len(self.items) >= self.count:
            self.reached.set()

    @property
    def items(self) -> list[Any]:
        return [item for piece in self.pieces for item in piece.items]

    @property
    def data(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces)


Case = tuple[str, Expectation, bytes]
"""The Content-Type of an answer, what is known of it before, and its body, after which it goes on."""


def at_once(cases: Iterable[Case]) -> list[Any]:
    """What is made of each answer by the same deadline: a Result or an error."""

    async def all_of(urls: list[str]) -> list[Any]:
        sends = (
            send(Request(method="GET", url=url), limits=SOON, expected=expected)
            for url, (_, expected, _) in zip(urls, cases, strict=True)
        )
        return await asyncio.gather(*sends, return_exceptions=True)

    cases = list(cases)
    with ExitStack() as stack:
        scripts = (Script(head(kind) + (chunk(body) if body else b""), Script.SILENCE) for kind, _, body in cases)
        servers = [stack.enter_context(script) for script in scripts]
        results = asyncio.run(all_of([server.url for server in servers]))
        assert [len(server.received) for server in servers] == [1] * len(cases)
    return results


# What has come by the deadline is the answer


def test_what_has_come_by_the_deadline_is_the_answer() -> None:
    ordinary = Expectation()
    cases: dict[Case, tuple[Framing, tuple[Any, ...]]] = {
        (SSE, ordinary, b"event: a\ndata: {}\n\ndata: cut"): (Framing.EVENTS, ({"event": "a", "data": {}},)),
        (NDJSON, ordinary, b'{"n": 1}\n{"n": 2}\n{"n":'): (Framing.JSON_LINES, ({"n": 1}, {"n": 2})),
        ("application/json-seq", ordinary, b'\x1e{"n": 1}\n\x1e{"n'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("application/geo+json-seq", ordinary, b'\x1e{"n": 1}\n'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("application/json;stream=watch", ordinary, b'{"n": 1}\n{"n'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("application/json", REQUESTED, b'{"n": 1}\n{"n'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("application/json", DESCRIBED, b'{"n": 1}'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("application/json", ordinary, b'{"n": 1}\r\n{"n": 2}\r\n'): (Framing.JSON_VALUES, ({"n": 1}, {"n": 2})),
        (MULTIPLEXED, ordinary, FRAME + b"\1\0\0\0\0\0\0\7ou"): (Framing.FRAMES, LOG),
        (RAW, ordinary, FRAME): (Framing.FRAMES, LOG),
        (RAW, ordinary, b"a prompt\r\n$ "): (Framing.LINES, ("a prompt",)),
        ("", REQUESTED, FRAME): (Framing.FRAMES, LOG),
        ("application/octet-stream", REQUESTED, b"tick\r\nto"): (Framing.LINES, ("tick",)),
        ("", REQUESTED, b'{"n": 1}'): (Framing.JSON_VALUES, ({"n": 1},)),
        ("", REQUESTED, b"ok\n"): (Framing.LINES, ("ok",)),
        ("text/plain; charset=latin-1", REQUESTED, b"caf\xe9\nha"): (Framing.LINES, ("café",)),
        ("text/plain", DESCRIBED, "half of a line, é".encode()[:-1]): (Framing.LINES, ("half of a line, ",)),
    }
    results = at_once(cases)
    for (_, _, body), (framing, items), result in zip(cases, cases.values(), results, strict=True):
        assert (result.items, result.framing, result.ended) == (items, framing, EndReason.DEADLINE)
        assert (result.status, result.data, result.content) == (200, list(items), body)
        assert result.is_cut


def test_a_stream_on_which_nothing_comes_is_empty() -> None:
    silent = [
        (SSE, Expectation(), b""),
        ("application/json", DESCRIBED, b""),
        ("", REQUESTED, b""),
        ("text/plain", REQUESTED, b""),
    ]
    for result in at_once([*silent, (SSE, Expectation(), b"data: cut")]):
        assert (result.items, result.ended) == ((), EndReason.DEADLINE)


def test_an_ordinary_answer_that_stops_half_way_is_an_error() -> None:
    ordinary = Expectation()
    cases: list[Case] = [
        ("application/json", ordinary, b'{"n": 1}'),
        ("application/json", ordinary, b'[{"n": 1},'),
        ("application/json", ordinary, b'{"n": 1} and {"n": 2}'),
        ("application/json", REQUESTED, b'[{"n": 1},'),
        ("application/json", DESCRIBED, b'{"n":'),
        ("application/json", ordinary, b""),
        ("text/plain", ordinary, b"a line\nand"),
        ("text/html", REQUESTED, b"<p>a line\n"),
        ("application/octet-stream", ordinary, FRAME),
        ("application/octet-stream", REQUESTED, b"\0\xff binary"),
        ("audio/mpeg", REQUESTED, b"ID3"),
    ]
    for (_, _, body), error in zip(cases, at_once(cases), strict=True):
        assert isinstance(error, SendError)
        assert "timed out after 1 s" in error.message
        assert ("--events N" in error.hint) == bool(body)


def test_a_stream_that_is_an_error_is_read_whole() -> None:
    with Echo(Reply(503, b"data: no\n\n", {"Content-Type": SSE})) as server:
        assert go(server.url).items is None
    script = (head(SSE, status="400 Bad") + chunk(b"data: no\n\n"), Script.SILENCE)
    with Script(*script) as server, pytest.raises(SendError, match="timed out"):
        go(server.url, limits=SOON)


# Items as they come


def test_items_are_shown_as_they_come() -> None:
    seen = Seen()
    script = (head(SSE), chunk(b"data: 1\n\n"), seen.reached, chunk(b"data: 2\n\nda"), chunk(b"ta: 3\n\n"), END)
    with Script(*script) as server:
        result = go(server.url, watch=seen)
    assert [piece.items for piece in seen.pieces if piece.items] == [({"data": 1},), ({"data": 2},), ({"data": 3},)]
    assert seen.data == result.content
    assert (result.ended, len(result.items or ())) == (EndReason.COMPLETE, 3)
    assert (seen.pieces[0].head.status, seen.pieces[0].framing) == (200, Framing.EVENTS)


def test_a_second_value_tells_a_stream_from_a_document() -> None:
    seen = Seen(count=2)
    script = (
        head("application/json"),
        chunk(b'{"status":"Pulling"}\r\n'),
        chunk(b'{"status":"Done"}\r\n'),
        seen.reached,
    )
    with Script(*script, chunk(b'{"n":3}'), END) as server:
        result = go(server.url, watch=seen)
    assert seen.items == list(result.items or ()) == [{"status": "Pulling"}, {"status": "Done"}, {"n": 3}]
    assert seen.data == result.content


def test_the_limits_hold_a_number_of_items_exactly() -> None:
    lines = b"".join(b'{"n": %d}\n' % number for number in range(9))
    for content_type, body in ((NDJSON, lines), (SSE, b"data: 1\n\n" * 9), (MULTIPLEXED, FRAME * 5)):
        seen = Seen()
        with Script(head(content_type) + chunk(body), Script.PARTING) as server:
            result = go(server.url, limits=Limits(items=3), watch=seen)
            assert server.parted.wait(120)
        assert len(result.items or ()) == len(seen.items) == 3
        assert result.ended is EndReason.ITEMS
        assert seen.data == result.content


def test_done_ends_a_stream_whose_connection_stays_open() -> None:
    with Script(head(SSE) + chunk(b'data: {"n": 1}\n\ndata: [DONE]\n\n'), Script.PARTING) as server:
        result = go(server.url)
        assert server.parted.wait(120)
    assert (result.items, result.ended) == (({"data": {"n": 1}},), EndReason.COMPLETE)


def test_a_model_waits_a_few_seconds_and_no_longer() -> None:
    limits = bound_for_model(Limits(stream_seconds=1))
    assert (limits.items, limits.deadline) == (100, 30)
    with Script(head(SSE) + chunk(b"data: 1\n\n"), Script.SILENCE) as server:
        result = go(server.url, limits=limits)
    assert (result.ended, result.items) == (EndReason.DEADLINE, ({"data": 1},))
    assert result.elapsed < 20


def test_time_for_a_stream_is_not_for_what_turns_out_to_be_none() -> None:
    go_on = threading.Event()
    threading.Timer(0.4, go_on.set).start()
    with Script(head("application/octet-stream") + chunk(b"\0\xff1234567"), go_on, END) as server:
        result = go(server.url, limits=Limits(stream_seconds=0.1), expected=REQUESTED)
    assert (result.items, result.content) == (None, b"\0\xff1234567")


# An answer that comes to its end


@table("expected", [Expectation(), DESCRIBED, REQUESTED])
@table("body", [b'{"n": 1}\n', b'[{"n": 1}, {"n": 2}]', b'{\n  "n": [\n1]}'])
def test_one_json_text_is_an_ordinary_answer(body: bytes, expected: Expectation) -> None:
    for answer in (
        Echo(Reply(200, body, {"Content-Type": "application/json"})),
        Script(head("application/json"), chunk(body), END),
    ):
        with answer as server:
            result = go(server.url, expected=expected)
        assert (result.items, result.ended, result.data) == (None, EndReason.COMPLETE, json.loads(body))


def test_a_list_is_not_shown_before_it_is_known_to_be_no_answer_of_its_own() -> None:
    seen = Seen()
    with Script(head("application/json"), chunk(b'[{"n": 1}]'), END) as server:
        assert go(server.url, expected=REQUESTED, watch=seen).items is None
    assert seen.pieces == []
    with Script(head("application/json"), chunk(b"[1]"), chunk(b"[2]"), END) as server:
        assert go(server.url, expected=REQUESTED, watch=seen).items == ([1], [2])
    assert seen.items == [[1], [2]]


def test_json_texts_in_a_row_that_end_are_items_whatever_their_length() -> None:
    large = json.dumps({"text": "x" * 200_000}).encode()
    with Script(head("application/json"), chunk(large), chunk(b'{"n":2}'), END) as server:
        result = go(server.url)
    assert (result.items, result.data) == (None, None)  # too long to look for a second one
    with Script(head("application/json"), chunk(large), chunk(b'{"n":2}'), END) as server:
        assert len(go(server.url, expected=DESCRIBED).items or ()) == 2


@table("content_type", ["application/json", "text/plain", ""])
def test_what_is_json_only_at_its_start_is_text(content_type: str) -> None:
    with Script(head(content_type), chunk(b'{"a": 1} and so on'), END) as server:
        result = go(server.url)
    assert (result.items, result.text) == (None, '{"a": 1} and so on')


def test_text_is_in_lines_only_for_who_asked_for_a_stream() -> None:
    for expected, items in ((REQUESTED, ("one", "two")), (DESCRIBED, None), (Expectation(), None)):
        with Script(head("text/plain"), chunk(b"one\ntwo"), END) as server:
            assert go(server.url, expected=expected).items == items


@table("content_type", ["", "application/octet-stream", RAW, MULTIPLEXED])
@table("expected", [Expectation(), REQUESTED])
def test_frames_that_end_are_lines_too(content_type: str, expected: Expectation) -> None:
    with Script(head(content_type), chunk(FRAME + FRAME[:-1].replace(b"\4", b"\3")), END) as server:
        result = go(server.url, expected=expected)
    assert result.items == (*LOG, *LOG)
    assert result.ended is EndReason.COMPLETE


def test_a_description_names_the_framing_of_an_answer_without_a_type() -> None:
    with Script(head("") + chunk(b"data: 1\n\n"), Script.SILENCE) as server:
        result = go(server.url, limits=SOON, expected=Expectation(media=(SSE,)))
    assert result.items == ({"data": 1},)


# Codings, sizes and connections


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_coding_that_is_cut_gives_what_can_be_decoded(coding: str) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    body = packer.compress(b"data: 1\n\ndata: 2\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    with Script(head(SSE, Content_Encoding=coding) + chunk(body), Script.SILENCE) as server:
        result = go(server.url, limits=SOON)
    assert (result.items, result.ended) == (({"data": 1}, {"data": 2}), EndReason.DEADLINE)
    with Script(head(SSE, Content_Encoding=coding) + chunk(body) + END) as server:
        result = go(server.url)
    assert (result.items, result.ended) == (({"data": 1}, {"data": 2}), EndReason.BROKEN)
    assert result.fault == "the compressed body is cut off"


def test_what_came_up_to_the_size_is_given() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield chunk(b'{"text": "0123456789"}\n')

    with Script(head(NDJSON), endless()) as server:
        result = go(server.url, limits=Limits(max_bytes=1_000))
    assert (result.ended, len(result.content)) == (EndReason.SIZE, 1_000)
    assert result.items == ({"text": "0123456789"},) * (1_000 // 23)
    with Script(head(NDJSON), chunk(b'"' + b"x" * 2_000)) as server, pytest.raises(SendError, match="larger than"):
        go(server.url, limits=Limits(max_bytes=1_000))


@table("ending", [Script.RESET, b"", b"zz\r\n"])
def test_what_came_before_a_connection_broke_off_is_given_and_not_asked_for_again(ending: Any) -> None:
    with Script(head(SSE) + chunk(b"data: 1\n\ndata: 2"), ending) as server:
        result = go(server.url)
    assert (result.items, result.ended) == (({"data": 1},), EndReason.BROKEN)
    assert result.fault
    assert len(server.received) == 1


def test_a_stream_that_breaks_off_before_anything_came_is_asked_for_again() -> None:
    async def at_once(_: float) -> None:
        return None

    with Script(head(SSE)) as server, pytest.raises(SendError, match="cut off"):
        go(server.url, sleep=at_once)
    assert len(server.received) == 3


def test_frames_that_go_wrong_end_the_answer() -> None:
    with Script(head(MULTIPLEXED) + chunk(FRAME + b"<html>no frame"), Script.PARTING) as server:
        result = go(server.url)
    assert (result.items, result.ended, result.fault) == (
        LOG,
        EndReason.BROKEN,
        "what follows is not in Docker's frames",
    )


def test_other_calls_go_on_beside_a_stream() -> None:
    async def both(stream: str, other: str) -> tuple[Result, Result]:
        async with open_client() as client:
            first = asyncio.create_task(send(Request(method="GET", url=stream), limits=SOON, client=client))
            return await send(Request(method="GET", url=other), client=client), await first

    with Script(head(SSE) + chunk(b"data: 1\n\n"), Script.SILENCE) as server, Echo() as echo:
        answer, stream = asyncio.run(both(server.url, echo.url))
    assert answer.ok
    assert stream.items == ({"data": 1},)


# Changes


def test_a_change_that_streams_is_sent_once_and_given_as_far_as_it_came() -> None:
    with Script(head("application/json") + chunk(b'{"status":"a"}\n{"status":"b"}\n'), Script.SILENCE) as server:
        result = go(server.url, "POST", limits=SOON)
    assert (result.items, result.ended) == (({"status": "a"}, {"status": "b"}), EndReason.DEADLINE)
    assert len(server.received) == 1


def test_a_change_whose_stream_is_silent_leaves_its_outcome_open() -> None:
    with Script(head(SSE), Script.SILENCE) as server, pytest.raises(OutcomeUnknownError, match="may or may not"):
        go(server.url, "POST", limits=SOON)
    with Script(head(SSE)) as server, pytest.raises(OutcomeUnknownError, match="may or may not"):
        go(server.url, "POST")
    assert len(server.received) == 1


# Secrets


def test_secrets_are_masked_in_items_and_in_bytes_that_are_cut_in_them() -> None:
    seen = Seen(count=9)
    parts = b'data: {"key": "tok', b"en-zebra", b'"}\n\ndata: tok', b"\n\ndata: x\n\n"
    with Script(head(SSE, X_Key="token-zebra"), [chunk(part) for part in parts], END) as server:
        result = go(f"{server.url}/token-zebra", secrets=("token-zebra",), watch=seen)
    assert result.items == ({"data": {"key": "***"}}, {"data": "tok"}, {"data": "x"})
    assert seen.items == list(result.items)
    assert seen.data == result.content == b'data: {"key": "***"}\n\ndata: tok\n\ndata: x\n\n'
    assert not any("zebra" in repr(piece) for piece in seen.pieces)


def test_masked_bytes_keep_frames_whole() -> None:
    text = b"the token is token-4711\n"
    with Script(head(MULTIPLEXED) + chunk(b"\1\0\0\0\0\0\0" + bytes((len(text),)) + text) + END) as server:
        assert go(server.url, secrets=("token-4711",)).items == ({"stream": "stdout", "text": "the token is ***"},)


# What a model is shown


def test_a_model_is_told_that_an_answer_was_cut() -> None:
    items = ({"data": 1}, {"data": 2})
    common: dict[str, Any] = {"status": 200, "items": items, "framing": Framing.EVENTS, "content": b"x" * 2_000}
    for ended, elapsed, said in (
        (EndReason.DEADLINE, 5.04, "the answer was cut after 5 s with 2 events, while it was still going on"),
        (EndReason.ITEMS, 0.31, "the answer was cut after 2 events in 0.3 s; it may be still going on"),
        (EndReason.SIZE, 9, "the answer was cut after 2,000 bytes with 2 events, while it was still going on"),
        (EndReason.INTERRUPTED, 9, "the answer was stopped after 2 events, while it was still going on"),
    ):
        told = json.loads(truncate(Result(ended=ended, elapsed=elapsed, **common)))
        assert (told["stream"], told["data"]) == (said, list(items))
    broken = json.loads(truncate(Result(ended=EndReason.BROKEN, fault="the connection broke off", **common)))
    assert broken["stream"] == "the answer broke off after 2 events: the connection broke off"
    silent = json.loads(truncate(Result(status=200, items=(), ended=EndReason.DEADLINE, elapsed=5)))
    assert silent["stream"] == "nothing had come of the answer in 5 s, and it was still going on"
    assert "stream" not in json.loads(truncate(Result(**common)))


def test_a_model_is_shown_as_many_items_as_there_is_room_for() -> None:
    lines = tuple(f"line {number} of a long log" for number in range(100_000))
    told = json.loads(truncate(Result(status=200, items=lines, framing=Framing.LINES, ended=EndReason.SIZE)))
    assert told["data"][0] == "line 0 of a long log"
    assert "of 100,000 items" in str(told["data"][-1])
