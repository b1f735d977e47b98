"""A real Envoy and the routing keys that it must refuse: each reaches nothing."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.scale.envoy_plane import Answer, Plane, Upstream, document, plane, post, until, upstream

Claims = dict[str, Any]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    with upstream("a") as first, upstream("b") as second:
        yield first, second


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, upstreams: tuple[Upstream, Upstream]) -> Iterator[Plane]:
    first, second = upstreams
    with plane(tmp_path_factory.mktemp("plane"), document({"a": first.url, "b": second.url})) as started:
        yield started


def sign(running: Plane, key: Any = None, algorithm: str = "ES256", kid: str = "", **changed: Any) -> str:
    """A key as the gateway signs it, with changed claims; None takes a claim away."""
    signing = running.gateway.keys.signing_key()
    now = int(time.time())
    claims: Claims = {
        "iss": "nlapi-gateway", "aud": running.gateway.key_audience, "objective": "rank", "client": "web",
        "cell": "ranker@v1", "bucket": 0, "version": "ranker@v1", "rule": "default", "revision": 1,
        "iat": now, "exp": now + 600,
    } | changed  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": kid or signing.kid, "typ": "rk+jwt"}
    return jwt.encode(claims, key or signing.private, algorithm=algorithm, headers=headers)


def _unsigned(running: Plane) -> str:
    head, claims, _ = sign(running).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    text = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode()).decode().rstrip("=")
    return f"{text}.{claims}."


def _signed_with_the_public_key(running: Plane) -> str:
    # The point itself: PyJWT refuses to take a public key in PEM or DER for a secret.
    public = running.gateway.keys.signing_key().private.public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return sign(running, key=point, algorithm="HS256")


def _changed_claims(running: Plane) -> str:
    head, claims, signature = sign(running).split(".")
    other = sign(running, cell="ranker@v2").split(".")[1]
    return f"{head}.{other}.{signature}" if other != claims else ""


BAD_KEYS: dict[str, Callable[[Plane], str]] = {
    "no JWT": lambda running: "mine",
    "forged": lambda running: sign(running, key=ec.generate_private_key(ec.SECP256R1())),
    "alg none": _unsigned,
    "HMAC with the public key": _signed_with_the_public_key,
    "other claims": _changed_claims,
    "unknown kid": lambda running: sign(running, kid="another"),
    "expired": lambda running: sign(running, iat=int(time.time()) - 700, exp=int(time.time()) - 60),
    "without an end": lambda running: sign(running, exp=None),
    "too long": lambda running: sign(running, exp=int(time.time()) + 7200),
    "other issuer": lambda running: sign(running, iss="nlapi"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_reaches_nothing(name: str, running: Plane, upstreams: tuple[Upstream, Upstream]) -> None:
    assert running.infer("rank", sign(running)).status == 200
    _clear(upstreams)
    answer = running.infer("rank", BAD_KEYS[name](running))
    assert answer.status == 401, answer.content
    _assert_problem(answer)
    assert "www-authenticate" not in answer.headers or running.envoy not in answer.headers["www-authenticate"]
    assert not upstreams[0].calls and not upstreams[1].calls


def test_no_key_two_keys_and_a_key_for_another_plane_reach_nothing(
    running: Plane, upstreams: tuple[Upstream, Upstream]
) -> None:
    _clear(upstreams)
    path, good = "/v1/objectives/rank/infer", sign(running)
    none = post(running.envoy, path, {"X-Nlapi-Cell": "ranker@v1", "X-Nlapi-Objective": "rank"})
    joined = post(running.envoy, path, {"X-Routing-Key": f"{good},{good}"})
    staging = running.infer("rank", sign(running, aud="staging"))
    assert [none.status, joined.status, staging.status] == [401, 401, 403]
    for answer in (none, joined, staging):
        _assert_problem(answer)
    other = sign(running, objective="fraud", cell="fraud@v1")
    for keys in ([good, good], [good, sign(running, client="other")], [good, other], [other, good]):
        twice: Any = {"X-Routing-Key": keys}
        for place in ("rank/infer", "fraud/infer", "rank/serve"):
            answer = post(running.envoy, f"/v1/objectives/{place}", twice)
            assert answer.status == 403
            _assert_problem(answer)
    assert not upstreams[0].calls and not upstreams[1].calls


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/objectives/fraud/infer", 404),
        ("/v1/objectives/rank/../fraud/infer", 404),
        ("/v1/objectives/rank/%2e%2e/fraud/infer", 404),
        ("/v1/objectives/rank%2f..%2ffraud/infer", 400),
        ("/v1/objectives/rank/..%5cfraud/infer", 400),
        ("/v1//objectives/fraud/infer", 404),
        ("/v1/objectives/rank/infer/../../fraud/infer", 404),
        ("/v1/tokens", 404),
        ("/", 404),
    ],
)
def test_a_key_opens_the_paths_of_its_objective_alone(
    path: str, status: int, running: Plane, upstreams: tuple[Upstream, Upstream]
) -> None:
    _clear(upstreams)
    assert post(running.envoy, path, {"X-Routing-Key": sign(running)}).status == status
    assert not upstreams[0].calls and not upstreams[1].calls


def test_a_key_with_an_unknown_objective_or_cell_or_without_one_is_outdated(running: Plane) -> None:
    for changed in ({"objective": "none"}, {"cell": "ranker@v9"}, {"cell": None}, {"objective": None}, {"cell": "b"}):
        answer = running.infer("rank", sign(running, **changed))
        assert (answer.status, answer.body["type"]) == (404, "urn:nlapi:problem:key_outdated")


def test_headers_of_a_client_choose_nothing(running: Plane) -> None:
    headers = {
        "X-Routing-Key": sign(running), "X-Nlapi-Cell": "ranker@v2", "X-Nlapi-Objective": "fraud",
        "X-Envoy-Upstream-Rq-Timeout-Ms": "1", "X-Envoy-Retry-On": "5xx", "Nlapi-Version": "v2",
    }  # fmt: skip
    answer = post(running.envoy, "/v1/objectives/rank/infer", headers)
    assert (answer.status, answer.version) == (200, "ranker@v1")


@pytest.mark.parametrize("name", [":nlapi-cell", ":nlapi-objective", ":nlapi-client"])
def test_a_client_cannot_say_the_headers_of_claims(
    name: str, running: Plane, upstreams: tuple[Upstream, Upstream]
) -> None:
    _clear(upstreams)
    host, port = running.envoy.removeprefix("http://").split(":")
    head = f"POST /v1/objectives/rank/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n"
    for key in (f"X-Routing-Key: {sign(running, client=None)}\r\n", ""):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"{head}{key}{name}: ranker@v2\r\n\r\n{{}}".encode())
            assert connection.makefile("rb").readline().split()[1] == b"400"
    assert not upstreams[0].calls and not upstreams[1].calls


def test_an_upstream_gets_the_decision_and_not_the_key(running: Plane, upstreams: tuple[Upstream, Upstream]) -> None:
    _clear(upstreams)
    assert running.infer("rank", sign(running)).status == 200
    (received,) = upstreams[0].calls + upstreams[1].calls
    names = set(received.headers)
    assert {"nlapi-model", "nlapi-version", "nlapi-objective"} <= names
    assert not [name for name in names if name.startswith(":") or "routing" in name or name == "authorization"]


def test_a_rotation_keeps_keys_and_a_leaked_one_is_refused_at_once(running: Plane) -> None:
    ring = running.gateway.keys
    before = sign(running)
    ring.rotate(3600)
    newest = ring.keys.keys[-1]
    until(
        lambda: running.infer("rank", sign(running, key=newest.private, kid=newest.kid)).status == 200,
        "the new key at Envoy",
    )
    assert running.infer("rank", before).status == 200
    ring.rotate(0)
    until(lambda: running.infer("rank", sign(running)).status == 200, "the only key at Envoy")
    assert running.infer("rank", before).status == 401
    assert running.infer("rank", running.key("rank")).status == 200


def _clear(upstreams: tuple[Upstream, Upstream]) -> None:
    for state in upstreams:
        state.received.clear()


def _assert_problem(answer: Answer) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == answer.status
    assert answer.body["type"].startswith("urn:nlapi:problem:")
