"""Model servers over gRPC: tensors, deadlines, cancellation, TLS, errors, and servers that are none."""

from __future__ import annotations

import asyncio
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from nlapi.errors import UsageError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.shards.open_inference_messages import message_class
from nlapi.gateway.shards.secret_references import AllowedReferences, ShardAccess
from nlapi.gateway.shards.shards import Cluster, RemoteRunner
from nlapi.routing.model import InputForm, Shard, ShardProtocol, Version
from tests.gateway.certificates import Authority
from tests.gateway.clock import Clock
from tests.gateway.grpc_server import grpc_server
from tests.gateway.model_server import SERVE, document, model_gateway, reason_of
from tests.servers import Echo, Reply, Script, closed_port
from tests.tables import table

Outcome = InferenceResult | InferenceError


def asked(
    url: str,
    *inputs: object,
    version: Version | None = None,
    timeout_s: float = 10.0,
    between: Callable[[], None] = lambda: None,
    clock: Clock | None = None,
    repeatable: bool = False,
    **shard: Any,
) -> list[Outcome]:
    """What becomes of calls, one after the other."""

    async def whole() -> list[Outcome]:
        far = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE, endpoints=(url,), **shard)
        access = ShardAccess(far, {"MODEL_KEY": "sk-model-secret"}, AllowedReferences(["env:MODEL_KEY", "file:/"]))
        cluster = Cluster(far, clock, access) if clock else Cluster(far, access=access)
        cluster.prepare()
        remote = RemoteRunner(version or Version(model="ranker", name="v8", shard="far"), cluster)
        outcomes: list[Outcome] = []
        for value in inputs:
            request = InferenceRequest(input=value, request_id="r1", context={"country": "BR"}, objective="o")
            try:
                outcomes.append(await remote.run(request, timeout_s, repeatable=repeatable))
            except InferenceError as failure:
                outcomes.append(failure)
            between()
        await cluster.close()
        return outcomes

    return asyncio.run(whole())


def refusing(code: grpc.StatusCode, details: str) -> Callable[[Any, Any], bytes]:
    return lambda request, context: context.abort(code, details)


def test_a_call_has_tensors_names_headers_and_a_deadline() -> None:
    value = {
        "user": "u1", "scores": [0.5, 1.5], "grid": [[1, 2], [3, 4]], "on": True, "mixed": [1, "x"], "none": None,
        "words": ["a", "é"],
    }  # fmt: skip
    version = Version(model="ranker", name="v8", upstream_model="shop", upstream_version="3", shard="far")
    with grpc_server() as server:
        (ran,) = asked(server.url, value, version=version, key="env:MODEL_KEY", headers={"X-Tenant": "acme"})
    assert isinstance(ran, InferenceResult), ran
    assert ran.output == value
    (request,) = server.requests
    assert (request.model_name, request.model_version, request.id) == ("shop", "3", "r1")
    grid = next(index for index, one in enumerate(request.inputs) if one.name == "grid")
    assert (request.inputs[grid].datatype, list(request.inputs[grid].shape)) == ("INT64", [2, 2])
    assert request.raw_input_contents[grid] == struct.pack("<4q", 1, 2, 3, 4)
    metadata = server.metadata[0]
    assert metadata["authorization"] == "Bearer sk-model-secret"
    assert (metadata["x-tenant"], metadata["nlapi-context"]) == ("acme", '{"country":"BR"}')
    assert 5 < server.deadlines[0] <= 10


def test_a_table_goes_out_as_a_data_frame_with_missing_numbers() -> None:
    rows = [{"age": 31, "spent": None, "country": "DE"}, {"age": 40, "spent": 2.5, "country": "BR"}]
    version = Version(model="shop", name="v1", form=InputForm.COLUMNS, shard="far")
    with grpc_server() as server:
        (ran,) = asked(server.url, rows, version=version, versioned_paths=False)
    assert isinstance(ran, InferenceResult), ran
    assert [row["country"] for row in ran.output] == ["DE", "BR"]
    assert ran.output[0]["spent"] != ran.output[0]["spent"]  # NaN
    request = server.requests[0]
    assert request.parameters["content_type"].string_param == "pd"
    assert request.model_version == ""


def typed(request: Any, context: Any) -> bytes:
    """Outputs whose contents are typed, as servers answer that send nothing raw."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [0.5, 1.5]}}
    text = {"name": "y", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"yes"]}}
    return bytes(message_class("ModelInferResponse")(outputs=[tensor, text]).SerializeToString())


def raw(datatype: str, shape: list[int], *contents: bytes) -> Callable[[Any, Any], bytes]:
    response = message_class("ModelInferResponse")(
        outputs=[{"name": "x", "datatype": datatype, "shape": shape}], raw_output_contents=contents
    )
    return lambda request, context: bytes(response.SerializeToString())


def test_typed_contents_are_read_too() -> None:
    with grpc_server(typed) as server:
        (ran,) = asked(server.url, {"a": 1})
    assert isinstance(ran, InferenceResult), ran
    assert ran.output == {"x": [0.5, 1.5], "y": "yes"}


@table(
    ("answer", "reason"),
    [
        (raw("FP32", [2], b"\0" * 7), "has 7 bytes, which are no elements of FP32"),
        (raw("FP32", [3], b"\0" * 8), "has 2 elements for shape"),
        (raw("BYTES", [1], b"\x05\0\0\0abc"), "ends within an element"),
        (raw("BYTES", [1], b"\x01\0\0\0\xff"), "bytes that are no text"),
        (raw("FP33", [1], b"\0"), "has no form in JSON"),
        (raw("FP32", [1], b"\0" * 4, b"\0" * 4), "1 outputs and 2 raw contents"),
        (lambda request, context: b"\xff\xff\xff", "is no ModelInferResponse"),
    ],
)
def test_an_answer_whose_data_does_not_fit_is_a_failure_that_says_why(answer: Any, reason: str) -> None:
    with grpc_server(answer) as server:
        (failure,) = asked(server.url, {"a": 1})
    assert isinstance(failure, InferenceError)
    assert failure.kind is FailureKind.INVALID
    assert reason in failure.operator_text


def test_a_deadline_is_the_servers_too_and_a_call_that_is_given_up_is_canceled_there() -> None:
    release = threading.Event()

    def hang(request: Any, context: Any) -> bytes:
        context.add_callback(release.set)
        release.wait(30)
        return b""

    with grpc_server(hang) as server:
        (failure,) = asked(server.url, {"a": 1}, timeout_s=0.3)
        assert release.wait(10)
    assert isinstance(failure, InferenceError)
    assert (failure.kind, failure.executed) == (FailureKind.TIMEOUT, True)
    assert server.deadlines[0] <= 0.3


@table(
    ("code", "status", "is_shown"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 422, True),
        (grpc.StatusCode.NOT_FOUND, 502, False),
        (grpc.StatusCode.UNAUTHENTICATED, 502, False),
        (grpc.StatusCode.INTERNAL, 502, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 503, False),
        (grpc.StatusCode.UNAVAILABLE, 502, False),
    ],
)
def test_a_status_is_that_of_http(tmp_path: Path, code: grpc.StatusCode, status: int, is_shown: bool) -> None:
    with (
        grpc_server(refusing(code, "shape of x at 10.0.0.7:99")) as server,
        model_gateway(tmp_path, document(server.url)) as talk,
    ):
        answer = talk.as_("web")("POST", SERVE, {"input": {"x": 1}})
    assert answer.status == status
    assert (b"shape of x at ..." in answer.content) is is_shown
    assert b"10.0.0.7" not in answer.content


def test_an_answer_that_is_too_large_is_not_taken() -> None:
    with grpc_server(raw("FP64", [2**18], b"\0" * 2**21)) as server:
        (failure,) = asked(server.url, {"a": 1}, max_answer_mb=1)
    assert isinstance(failure, InferenceError)
    assert "larger than 1,048,576 bytes" in failure.message


@table(
    "other",
    [lambda: Echo(Reply(200, {})), lambda: Script(b"no protocol at all\r\n", reads=False), closed_port],
    ids=["HTTP", "bytes", "nobody"],
)
def test_a_server_that_is_none_gets_no_call(other: Any) -> None:
    with other() as server:
        url = (server if isinstance(server, str) else server.url).replace("http:", "grpc:")
        (failure,) = asked(url, {"a": 1}, timeout_s=4.0)
    assert isinstance(failure, InferenceError)
    assert (failure.kind, failure.executed) == (FailureKind.UNAVAILABLE, False)
    assert "no gRPC connection" in failure.message


def test_a_method_that_a_server_lacks_is_named(tmp_path: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with model_gateway(tmp_path, document(f"grpc://127.0.0.1:{port}")) as talk:
        answer = talk.as_("web")("POST", SERVE, {"input": {"x": 1}})
        assert answer.status == 502
        assert "check the endpoints of shard far" in reason_of(talk, answer.headers)
    server.stop(None).wait()


def test_a_server_that_comes_back_is_called_again() -> None:
    with grpc_server() as first:
        pass
    context: list[Any] = []

    def start() -> None:
        if not context:
            context.append(grpc_server(port=first.port))
            context[0].__enter__()

    dead, alive = asked(first.url, {"a": 1}, {"a": 1}, between=start)
    context[0].__exit__(None, None, None)
    assert isinstance(dead, InferenceError) and not dead.executed
    assert isinstance(alive, InferenceResult)


def test_a_replica_that_failed_is_asked_whether_it_is_ready() -> None:
    clock = Clock()

    def answer(request: Any, context: Any) -> bytes:
        if len(server.requests) <= 5:
            context.abort(grpc.StatusCode.INTERNAL, "no")
        return typed(request, context)

    def between() -> None:
        if len(outcome_times) == 5:
            server.ready = True
        outcome_times.append(clock.now)
        clock.now += 2.1 if len(outcome_times) >= 5 else 0

    outcome_times: list[float] = []
    with grpc_server(answer) as server:
        server.ready = False
        outcomes = asked(server.url, *[{"a": 1}] * 7, between=between, clock=clock)
    failures = [(one.kind, one.executed) for one in outcomes if isinstance(one, InferenceError)]
    assert failures == [(FailureKind.ERROR, True)] * 5 + [(FailureKind.UNAVAILABLE, False)]
    assert isinstance(outcomes[-1], InferenceResult)
    assert len(server.requests) == 6


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc.aio", None)
    far = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE, endpoints=("grpc://127.0.0.1:9",))
    with pytest.raises(UsageError, match="need grpcio and protobuf") as caught:
        Cluster(far).prepare()
    assert caught.value.hint == 'pip install "nlapi[grpc]"'


def test_a_private_authority_and_a_client_certificate_are_used(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("gateway")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    ca = authority.file.read_bytes()
    with grpc_server(pair=authority.issue("shard"), client_ca=ca) as server:
        url = server.url.replace("grpc:", "grpcs:")
        (ran,) = asked(url, {"a": 1}, ca=f"file:{authority.file}", certificate=f"file:{both}")
        (refused,) = asked(url, {"a": 1}, timeout_s=4.0)
        (tmp_path / "none.pem").write_text("none")
        with pytest.raises(UsageError, match="holds no certificate"):
            asked(url, {"a": 1}, ca=f"file:{tmp_path / 'none.pem'}")
    assert isinstance(ran, InferenceResult), ran
    assert isinstance(refused, InferenceError) and not refused.executed
