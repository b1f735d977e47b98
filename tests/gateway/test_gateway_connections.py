"""What a connection may do: requests that never end, grow for ever, come in pieces, in a row, or are none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from nlapi.gateway.http.server import MAX_PIPELINED, ServerTimeouts
from tests.gateway.kit import Talk, gateway, write_models
from tests.gateway.versions import write
from tests.tables import table

MAX_S = 30.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield talk


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A gateway that waits a tenth of a second for a request, and whose recommendations take longer."""
    folder = tmp_path_factory.mktemp("gateway")
    write_models(folder / "models")
    slow = "from time import sleep\ndef predict(value):\n    sleep(0.4)\n    return value\n"
    write(folder / "models" / "popular-v1", slow, '[run]\nmode = "thread"\n')
    with gateway(folder, timeouts=ServerTimeouts(read_s=0.1)) as talk:
        yield talk


def request(line: str, *headers: str, body: str = "", talk: Talk | None = None) -> bytes:
    bearer = (f"Authorization: Bearer {talk.token}", "Content-Type: application/json") if talk else ()
    return "\r\n".join((f"{line}", "Host: 127.0.0.1", *bearer, *headers, "", body)).encode()


def sent(talk: Talk, *parts: bytes) -> bytes:
    """All that is answered until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", talk.port), timeout=MAX_S) as sock:
        for part in parts:
            sock.sendall(part)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def problem(answer: bytes) -> str:
    """The kind of a problem that is an answer's body."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    return str(json.loads(body)["type"]).rpartition(":")[2]


CLOSE = "Connection: close"
RESOLVE = "POST /v1/objectives/recommend/resolve HTTP/1.1"


@table(
    ("headers", "body"),
    [
        (("Transfer-Encoding: chunked",), '5\r\n{"con\r\n9;x=y\r\ntext":{}}\r\n0\r\nX-Trailer: a\r\n\r\n'),
        (("Transfer-Encoding: Chunked",), "2\r\n{}\r\n0\r\n\r\n"),
        (("Content-Length: 2",), "{}"),
        (("Content-Length: 0",), ""),
    ],
)
def test_a_body_is_read_however_it_is_framed(served: Talk, headers: tuple[str, ...], body: str) -> None:
    whole = request(RESOLVE, CLOSE, *headers, body=body, talk=served)
    assert statuses(sent(served, whole)) == [200]
    middle = len(whole) - 3
    assert statuses(sent(served, whole[:middle], whole[middle:])) == [200]


def test_a_body_is_asked_for_before_it_is_sent(served: Talk) -> None:
    head = request(RESOLVE, CLOSE, "Content-Length: 2", "Expect: 100-continue", talk=served)
    assert statuses(sent(served, head, b"{}")) == [100, 200]


def test_a_body_that_is_too_large_is_not_asked_for(served: Talk) -> None:
    head = request(RESOLVE, "Content-Length: 99999999", "Expect: 100-continue", talk=served)
    assert statuses(sent(served, head)) == [413]


def test_requests_in_a_row_are_answered_in_their_order(served: Talk) -> None:
    health, ready, unknown = (request(f"GET /{path} HTTP/1.1") for path in ("health", "ready", "nowhere"))
    last = request("GET /health HTTP/1.1", CLOSE)
    assert statuses(sent(served, health + unknown + ready + last)) == [200, 404, 200, 200]


def test_what_comes_before_a_head_is_no_part_of_it(served: Talk) -> None:
    body = json.dumps({"context": {"user": "u" * 250}, "client": "web"}) + " " * 200_000
    first = request(RESOLVE, f"Content-Length: {len(body)}", body=body, talk=served)
    last = request("GET /health HTTP/1.1", CLOSE)
    assert statuses(sent(served, first[:-1000], first[-1000:] + last[:30], last[30:])) == [200, 200]


def test_what_is_no_request_ends_a_connection_after_the_answers_that_are_due(served: Talk) -> None:
    answer = sent(served, request("GET /health HTTP/1.1") + b"\x16\x03\x01\x02\x00\r\n\r\n")
    assert statuses(answer)[0] == 200
    assert statuses(answer) in ([200], [200, 400])


@table(
    ("content", "status", "kind"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed_request"),
        (request("BREW /health HTTP/1.1"), 400, "malformed_request"),
        (request("GET /health HTTP/1.1", "Content-Length: 2", "Content-Length: 3"), 400, "malformed_request"),
        (request(RESOLVE, "Transfer-Encoding: chunked", body="zz\r\n"), 400, "malformed_request"),
        (request("GET /health HTTP/1.1", "Content-Length: -1"), 400, "malformed_request"),
        (request("GET /health HTTP/1.1", "X-A : b"), 400, "malformed_request"),
        (request("GET /health HTTP/1.1", CLOSE, "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"), 501, "framing"),
        (request("GET /health HTTP/1.1", CLOSE, *(f"X-{n}: a" for n in range(200))), 431, "many_headers"),
        (request("GET /health HTTP/1.1", CLOSE, f"X-Long: {'a' * 9000}"), 431, "long_header"),
        (request("OPTIONS /v1/objectives HTTP/1.1", CLOSE), 405, "method"),
        (request("TRACE /health HTTP/1.1", CLOSE), 405, "method"),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "malformed_host"),
        (request("GET /health HTTP/2.0"), 400, "malformed_request"),
        (request("CONNECT /health HTTP/1.1"), 400, "malformed_request"),
        (request("GET ftp://127.0.0.1/health HTTP/1.1"), 400, "malformed_request"),
        (request("GET http://elsewhere.test/health HTTP/1.1", CLOSE), 421, "wrong_host"),
        (request("GET http://127.0.0.1@elsewhere.test/health HTTP/1.1", CLOSE), 400, "malformed_host"),
    ],
)
def test_what_is_not_taken_is_a_problem(served: Talk, content: bytes, status: int, kind: str) -> None:
    answer = sent(served, content)
    assert statuses(answer) == [status]
    assert problem(answer) == kind


def test_another_protocol_is_not_taken_up_and_its_body_is_no_request(served: Talk) -> None:
    body = request("GET /health HTTP/1.1").decode()
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", f"Content-Length: {len(body)}")
    last = request("GET /health HTTP/1.1", CLOSE)
    head = request(RESOLVE, *offer, talk=served)
    # Its body is no JSON: it is read as the body, also when it comes later than the head.
    assert statuses(sent(served, head + body.encode() + last)) == [400, 200]
    assert statuses(sent(served, head, body.encode(), last)) == [400, 200]
    context = request(RESOLVE, *offer[:2], "Content-Length: 2", body="{}", talk=served)
    assert statuses(sent(served, context + last)) == [200, 200]


def test_a_trailer_is_no_header(served: Talk) -> None:
    token = f"Authorization: Bearer {served.token}"
    body = f"2\r\n{{}}\r\n0\r\n{token}\r\n\r\n"
    headers = ("Content-Type: application/json", "Transfer-Encoding: chunked", CLOSE)
    assert statuses(sent(served, request(RESOLVE, *headers, body=body))) == [401]


@pytest.mark.parametrize("endless", [b"2;a=", b"0\r\nX-Trailer: "])
def test_what_frames_a_body_does_not_grow_for_ever(served: Talk, endless: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=MAX_S) as sock:
        sock.sendall(request(RESOLVE, "Transfer-Encoding: chunked", talk=served) + endless)
        with suppress(OSError):  # it closes the connection
            for _ in range(1000):
                sock.sendall(b"a" * 4096)
        assert statuses(sock.recv(65536)) == [431]


def test_a_head_of_megabytes_is_answered_and_not_reset(served: Talk) -> None:
    assert statuses(sent(served, b"GET /health HTTP/1.1\r\nX-Long: " + b"a" * 5_000_000)) == [431]


@pytest.mark.parametrize("offer", [(), ("Connection: Upgrade", "Upgrade: h2c")])
def test_requests_are_not_queued_without_bound(served: Talk, offer: tuple[str, ...]) -> None:
    many = request("GET /health HTTP/1.1", *offer) * (2 * MAX_PIPELINED)
    answered = statuses(sent(served, many))
    assert set(answered) == {200}
    assert len(answered) <= MAX_PIPELINED + 1


def test_a_client_that_takes_no_answer_is_not_waited_for(impatient: Talk) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.settimeout(MAX_S)
        sock.connect(("127.0.0.1", impatient.port))
        sock.sendall(request("GET /openapi.yaml HTTP/1.1") * 100)
        # A connection without a request closes after as many looks: what stood before it is closed by then.
        for _ in range(3):
            assert sent(impatient) == b""
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200") < 100


def test_http_1_0_is_answered_and_closed(served: Talk) -> None:
    answer = sent(served, request("GET /health HTTP/1.0", "Connection: keep-alive"))
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


def test_a_head_that_grows_for_ever_is_cut_off(served: Talk) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=MAX_S) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        try:
            for _ in range(1000):
                sock.sendall(b"a" * 4096)
        except OSError:  # it has closed the connection
            return
        assert statuses(sock.recv(65536)) == [431]


@table("begun", [b"", b"GET /health HTTP/1.1\r\nHo", b"GET "])
def test_a_request_that_does_not_come_is_not_waited_for(impatient: Talk, begun: bytes) -> None:
    answer = sent(impatient, begun)
    assert statuses(answer) == ([408] if begun else [])
    if begun:
        assert problem(answer) == "too_slow"


def test_a_body_that_does_not_come_is_not_waited_for(impatient: Talk) -> None:
    assert statuses(sent(impatient, request(RESOLVE, "Content-Length: 50", body='{"', talk=impatient))) in ([], [400])
    refused = request("POST /v1/objectives/recommend/serve HTTP/1.1", "Content-Length: 50")
    assert statuses(sent(impatient, refused)) == [401]  # its body is not read, and not waited for either


def test_an_answer_that_takes_longer_than_a_request_may_is_waited_for(impatient: Talk) -> None:
    slow = impatient.as_("web")
    body = '{"input": 1}'
    head = ("POST /v1/objectives/recommend/serve HTTP/1.1", f"Content-Length: {len(body)}")
    first, last = (request(*head, *more, body=body, talk=slow) for more in ((), (CLOSE,)))
    assert statuses(sent(impatient, first + last[:20], last[20:])) == [200, 200]
