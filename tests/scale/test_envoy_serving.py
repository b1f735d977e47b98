"""A real Envoy serves as the embedded engine does: time-outs, retries, shadows, limits, logs, certificates, drain."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ports import free_port
from nlapi.cli.gateway.planes import PlaneOptions
from nlapi.gateway.envoy.options import ListenerCertificate
from nlapi.gateway.http.tls import CertificateFiles, ServerCertificate
from tests.gateway.certificates import Authority
from tests.scale.envoy_plane import Plane, Upstream, document, plane, until, upstream

# More clients than Envoy keeps buckets of its own for by default (20), beyond which limits let everything pass.
CLIENTS = 25

# Revisions come as fast as they can: while a key is on its way another one may take its route away.
ATTEMPTS = 5


@pytest.fixture(scope="module")
def upstreams() -> Iterator[list[Upstream]]:
    with ExitStack() as stack:
        yield [stack.enter_context(upstream(name)) for name in "abc"]


@pytest.fixture(scope="module")
def basic(upstreams: list[Upstream]) -> Any:
    first, second, third = upstreams
    made = document({"a": first.url, "b": second.url})
    made["objectives"][0]["timeout_ms"] = 500
    # One that answers and one where nothing listens.
    made["shards"].append({"name": "half", "protocol": "json", "endpoints": [third.url, first.url]})
    return made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, basic: Any) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("plane")
    with plane(folder, basic, PlaneOptions(access_log=str(folder / "access.jsonl"))) as started:
        yield started


@pytest.fixture(autouse=True)
def _working_upstreams(upstreams: list[Upstream]) -> None:
    for state in upstreams:
        state.received.clear()
        state.status, state.delay_s, state.dies_in_body, state.resets = 200, 0.0, False, False


def _with(basic: Any, **sections: Any) -> Any:
    return {**deepcopy(basic), **sections}


def _on_half(basic: Any, *, idempotent: bool) -> Any:
    changed = deepcopy(basic)
    changed["objectives"][0] |= {"version": "v3", "idempotent": idempotent, "timeout_ms": 5000}
    changed["versions"].append({"model": "ranker", "version": "v3", "shard": "half"})
    return changed


def test_a_slow_version_is_a_504_at_the_timeout_of_its_objective(
    running: Plane, basic: Any, upstreams: list[Upstream]
) -> None:
    running.publish(basic)
    upstreams[0].delay_s = 3.0
    answer = running.infer("rank", running.key("rank"))
    assert (answer.status, answer.body["type"]) == (504, "urn:nlapi:problem:version_too_slow")


def test_a_call_is_repeated_elsewhere_when_the_objective_is_idempotent(
    running: Plane, basic: Any, upstreams: list[Upstream]
) -> None:
    running.publish(_on_half(basic, idempotent=True))
    upstreams[2].status = 500
    key = running.key("rank")
    assert {running.infer("rank", key).status for _ in range(12)} == {200}
    assert upstreams[2].calls


def test_a_call_that_may_have_been_carried_out_is_not_repeated_otherwise(
    running: Plane, basic: Any, upstreams: list[Upstream]
) -> None:
    running.publish(_on_half(basic, idempotent=False))
    upstreams[2].resets = True
    key = running.key("rank")
    statuses = [running.infer("rank", key).status for _ in range(12)]
    failed = sum(1 for status in statuses if status != 200)
    assert 0 < failed == len(upstreams[2].calls)


def test_an_answer_that_breaks_off_is_never_a_short_one(running: Plane, basic: Any, upstreams: list[Upstream]) -> None:
    running.publish(basic)
    upstreams[0].dies_in_body = True
    with pytest.raises(http.client.IncompleteRead):
        running.infer("rank", running.key("rank"))
    assert len(upstreams[0].calls) == 1


def test_a_shadow_gets_copies_at_its_own_path_and_is_felt_by_nobody(
    running: Plane, basic: Any, upstreams: list[Upstream]
) -> None:
    shadow = {"name": "next", "objective": "rank", "model": "ranker", "version": "v2"}
    running.publish(_with(basic, shadows=[shadow]))
    key = running.key("rank")
    assert running.infer("rank", key, b'{"n": 1}').body["upstream"] == "a"
    until(lambda: upstreams[1].calls, "a copy")
    (copy,) = upstreams[1].calls
    assert (copy.path, copy.body) == ("/v2/models/ranker/versions/v2/infer", b'{"n": 1}')
    assert copy.headers["nlapi-version"] == "v2"
    assert "x-routing-key" not in copy.headers
    upstreams[1].delay_s = 0.3
    assert {running.infer("rank", key).status for _ in range(30)} == {200}
    upstreams[1].delay_s, upstreams[1].resets = 0.0, True
    assert {running.infer("rank", key).status for _ in range(30)} == {200}


def test_a_client_over_its_rate_is_refused_and_no_other(running: Plane, basic: Any) -> None:
    names = [f"client-{number}" for number in range(CLIENTS)]
    limited = [{"name": name, "requests_per_second": 0.01, "burst": 3} for name in names]
    running.publish(_with(basic, clients=[*limited, {"name": "calm", "concurrency": 5}]))
    for name in names:
        key = running.key("rank", client=name)
        answers = [running.infer("rank", key) for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429], name
    assert (answers[-1].headers["retry-after"], answers[-1].body["title"]) == ("1", "Too Many Requests")
    free = running.key("rank", client="calm")
    assert {running.infer("rank", free).status for _ in range(10)} == {200}
    assert [issue["where"] for issue in running.issues("not-carried")] == ["clients.calm"]


def test_a_line_of_the_log_has_the_decision(
    running: Plane, basic: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    running.publish(basic)
    running.infer("rank", running.key("rank", {"user": "secret-user"}, client="logged"))
    running.infer("rank", "no key?token=secret-token")
    file = Path(running.gateway.data_plane.options.access_log)  # type: ignore[union-attr]
    until(lambda: '"logged"' in file.read_text() and "Jwt_is_not" in file.read_text(), "two lines")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    (line,) = [line for line in lines if line["client"] == "logged"]
    expected = {"objective": "rank", "version": "ranker@v1", "cell": "ranker@v1", "rule": "default", "bucket": "0"}
    assert {**line, **expected, "status": 200, "attempts": 1, "cluster": "rank/a"} == line
    assert line["revision"] == str(running.gateway.publisher.revision)
    assert None in {line["client"] for line in lines if line["status"] == 401}
    assert "secret" not in file.read_text()


def test_a_replica_without_connections_is_ejected_and_half_stay(
    running: Plane, basic: Any, upstreams: list[Upstream]
) -> None:
    changed = _on_half(basic, idempotent=False)
    changed["shards"][-1]["endpoints"] = [upstreams[0].url, f"http://127.0.0.1:{free_port()}"]
    running.publish(changed)
    key = running.key("rank")
    # Nothing was sent where no connection is taken: another replica gets the call, also of what is not idempotent.
    assert {running.infer("rank", key).status for _ in range(30)} == {200}


def test_clients_and_shards_speak_tls_with_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, shard, client = (authority.issue(name) for name in ("server", "shard", "client"))
    files = CertificateFiles(certificate=shard.certificate, key=shard.key, client_ca=authority.file)
    with upstream("a", certificate=ServerCertificate(files)) as first, upstream("b") as second:
        options = PlaneOptions(
            certificate=ListenerCertificate(
                certificate=str(server.certificate), key=str(server.key), client_authorities=str(authority.file)
            ),
            shard_authorities=str(authority.file),
            shard_certificate=str(client.certificate),
            shard_key=str(client.key),
        )
        made = document({"a": f"https://127.0.0.1:{first.port}", "b": second.url})
        with plane(tmp_path, made, options) as running:
            context = ssl.create_default_context(cafile=str(authority.file))
            address = running.envoy.removeprefix("https://")
            with pytest.raises(ssl.SSLError):
                _infer_tls(address, context, running.key("rank"))
            context.load_cert_chain(client.certificate, client.key)
            assert _infer_tls(address, context, running.key("rank")) == 200
            assert first.calls


def _infer_tls(address: str, context: ssl.SSLContext, key: str) -> int:
    connection = http.client.HTTPSConnection(address, context=context, timeout=30)
    try:
        connection.request("POST", "/v1/objectives/rank/infer", b"{}", {"X-Routing-Key": key})
        return connection.getresponse().status
    finally:
        connection.close()


def test_no_request_is_lost_when_the_gateway_stops(tmp_path: Path, basic: Any) -> None:
    failures: list[str] = []
    counts = {"answers": 0}
    stopping = threading.Event()

    def ask(address: str, key: str) -> None:
        connection = http.client.HTTPConnection(address, timeout=30)
        while not stopping.is_set():
            try:
                connection.request("POST", "/v1/objectives/rank/infer", b"{}", {"X-Routing-Key": key})
                response = connection.getresponse()
                response.read()
            except ConnectionRefusedError:
                return  # the listener is closed, and another machine gets the request
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                return
            counts["answers"] += 1
            if response.status != 200:
                failures.append(str(response.status))

    with plane(tmp_path, basic) as running:
        key = running.key("rank")
        address = running.envoy.removeprefix("http://")
        threads = [threading.Thread(target=ask, args=(address, key)) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: counts["answers"] > 50 or failures, "answers")
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts["answers"] > 50


def test_publishing_under_load_fails_no_request(running: Plane, basic: Any) -> None:
    failures: list[int] = []
    versions: set[str] = set()
    stopping = threading.Event()
    changed = deepcopy(basic)
    changed["objectives"][0] |= {"timeout_ms": 5000}
    running.publish(changed)

    def ask(number: int) -> None:
        while not stopping.is_set():
            for _ in range(ATTEMPTS):
                answer = running.infer("rank", running.key("rank", {"user": f"u{number}"}))
                if answer.status != 404:
                    break
            versions.add(answer.version)
            if answer.status != 200:
                failures.append(answer.status)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        changed["objectives"][0]["version"] = "v2" if number % 2 else "v1"
        running.publish(changed)
    stopping.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert versions == {"ranker@v1", "ranker@v2"}
