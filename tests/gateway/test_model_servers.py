"""Model servers over REST: keys, certificates, paths, tables, and what is shown of their errors."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest
from nlapi.gateway.shards.shards import Cluster, RemoteRunner
from nlapi.routing.model import Shard, ShardProtocol, Version
from tests.gateway.certificates import Authority
from tests.gateway.clock import Clock
from tests.gateway.model_server import SERVE, document, model_gateway, reason_of, secured
from tests.servers import Echo, Received, Reply, Script
from tests.tables import table

TRACEBACK = """Traceback (most recent call last):
  File "/srv/models/sklearn.py", line 99, in predict
    y = predict_fn(decoded)
  File "/srv/lib/_column_transformer.py", line 1066, in transform
    raise ValueError(f"columns are missing: {diff}")
ValueError: columns are missing: {'spent'}
"""
HTML = b"<html><body>Internal Server Error</body></html>"


def scored(request: Received) -> Reply:
    """An inference response with a score, or the word that the model is ready."""
    output = {"name": "score", "shape": [1], "datatype": "FP64", "data": [0.5]}
    return Reply(200, {"model_name": "ranker", "outputs": [output]})


def test_a_server_gets_its_key_and_headers_by_reference(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first-key-in-a-file\n")
    headers = {"X-Tenant": "acme", "X-Tenant-Token": "env:TENANT_TOKEN"}
    with Echo(scored) as server:
        whole = document(server.url, shard={"key": f"file:{file}", "headers": headers})
        with model_gateway(tmp_path, whole, keys=[f"file:{file}"]) as talk:
            assert talk.as_("web").ok("POST", SERVE, {"input": {"x": 1}})["output"] == {"score": 0.5}
            file.write_text("another-key-in-the-file\n")
            os.utime(file, ns=(1, 1))
            talk.as_("web").ok("POST", SERVE, {"input": {"x": 1}})
            shown = [talk("GET", "/v1/shards/far").content, talk("GET", "/v1/configuration").content]
    assert [one.header("authorization") for one in server.received] == [
        "Bearer first-key-in-a-file",
        "Bearer another-key-in-the-file",
    ]
    assert server.received[0].header("x-tenant-token") == "tenant-secret-token"
    assert server.received[0].header("x-tenant") == "acme"
    assert not any(b"first-key" in content or b"tenant-secret" in content for content in shown)


@table(
    ("shard", "reason"),
    [
        ({"key": "sk-secret"}, "it is not a reference"),
        ({"headers": {"X-Api-Key": "sk-secret"}}, "it holds a credential"),
        ({"headers": {"Nlapi-Context": "{}"}}, "sets this header itself"),
        ({"key": "env:NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"key": "file:/etc/hostname"}, "is not allowed"),
        ({"ca": "/etc/ssl/ca.pem"}, "ca"),
        ({"ca": "file:/etc/hostname"}, "is not allowed"),
        ({"endpoints": ["grpc://127.0.0.1:9"]}, "endpoints"),
        ({"protocol": "json", "versioned_paths": False}, "has no paths with a version"),
        ({"protocol": "ray", "endpoints": [], "key": "env:SERVER_KEY"}, "a shard of Ray takes no key"),
        ({"protocol": "ray", "endpoints": [], "headers": {"X-Tenant": "acme"}}, "takes no headers"),
    ],
)
def test_a_shard_that_cannot_be_spoken_to_is_refused(tmp_path: Path, shard: dict[str, Any], reason: str) -> None:
    with model_gateway(tmp_path, document("http://127.0.0.1:9")) as talk:
        new = {"name": "new", "protocol": "oip-v2", "endpoints": ["http://127.0.0.1:9"], **shard}
        refused = talk("POST", "/v1/shards", new)
        if refused.status == 201:  # a key is read when a version needs it
            refused = talk("POST", "/v1/models/ranker/versions", {"version": "v9", "shard": "new"})
        assert refused.status == 422
        assert reason in refused.json()["detail"]
        assert b"sk-secret" not in refused.content


@table(
    ("shard", "version", "target"),
    [
        ({}, {}, "/v2/models/ranker/versions/v8/infer"),
        ({"versioned_paths": False}, {}, "/v2/models/ranker/infer"),
        ({"versioned_paths": False}, {"upstream_model": "rank/er"}, "/v2/models/rank%2Fer/infer"),
        ({}, {"upstream_model": "shop", "upstream_version": "3"}, "/v2/models/shop/versions/3/infer"),
    ],
)
def test_a_server_has_names_of_its_own(tmp_path: Path, shard: Any, version: Any, target: str) -> None:
    with Echo(scored) as server, model_gateway(tmp_path, document(server.url, shard=shard, version=version)) as talk:
        talk.as_("web").ok("POST", SERVE, {"input": {"x": 1}})
    assert server.only.target == target


def test_a_private_authority_and_a_client_certificate_are_files_of_the_shard(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    ours = authority.issue("gateway")
    both = tmp_path / "gateway-both.pem"
    both.write_bytes(ours.certificate.read_bytes() + ours.key.read_bytes())
    (tmp_path / "none.pem").write_text("not a certificate\n")
    server = Echo(scored)
    url = secured(server, authority.issue("shard"), client_ca=authority.file)
    good = {"ca": f"file:{authority.file}", "certificate": f"file:{both}"}
    with server, model_gateway(tmp_path, document(url, shard=good), keys=[f"file:{tmp_path}/"]) as talk:
        serve = ("POST", SERVE, {"input": {"x": 1}})
        assert talk.as_("web").ok(*serve)["output"] == {"score": 0.5}
        for file, reason in (("none.pem", "holds no certificate"), ("missing.pem", "cannot be read")):
            for name in ("ca", "certificate"):
                problem = talk.refused(422, "PATCH", "/v1/shards/far", {name: f"file:{tmp_path / file}"})
                assert reason in problem["detail"]
        assert talk.as_("web").ok(*serve)["output"] == {"score": 0.5}
        talk.ok("PATCH", "/v1/shards/far", {"certificate": ""})
        assert talk.as_("web")(*serve).status in (502, 503)
        talk.ok("PATCH", "/v1/shards/far", {**good, "ca": f"file:{other.file}"})
        answer = talk.as_("web")(*serve)
        assert answer.status == 503
        assert "certificate" in reason_of(talk, answer.headers)


@table(
    ("reply", "reason"),
    [
        (Reply(400, {"error": "The 'np' codec only supports a single input tensor"}), "(400): The 'np' codec only"),
        (
            Reply(422, {"detail": [{"loc": ["body", "inputs"], "msg": "Input should be a list", "input": "SECRET"}]}),
            "(422): body.inputs: Input should be a list",
        ),
        (Reply(400, {"error": {"message": "no\x1b[31m such\ncolumn"}}), "(400): no [31m such column"),
        (Reply(400, b"unexpected shape for input"), "(400): unexpected shape for input"),
        (Reply(400, HTML), "refused the input (400)"),
        (Reply(400, {"error": "key sk-model-secret of 10.0.0.7:8080 at http://db.svc:1/x and /srv/models/a.pkl"}),
         "(400): key *** of ... at ... and a.pkl"),
        (Reply(413, {"error": "x" * 5000}), "x" * 400),
    ],
    ids=["MLServer", "FastAPI", "control characters", "text", "a page", "secrets and addresses", "long"],
)  # fmt: skip
def test_the_reason_of_a_refused_input_reaches_the_caller(tmp_path: Path, reply: Reply, reason: str) -> None:
    with Echo(reply) as server:
        whole = document(server.url, shard={"key": "env:MODEL_KEY"})
        with model_gateway(tmp_path, whole) as talk:
            problem = talk.as_("web").refused(422, "POST", SERVE, {"input": {"x": 1}})
    assert reason in problem["detail"]
    assert problem["type"] == "urn:nlapi:problem:refused_by_model"
    assert "SECRET" not in problem["detail"] and len(problem["detail"]) < 700
    assert server.url.removeprefix("http://") not in str(problem)


@table(
    ("reply", "reason"),
    [
        (Reply(500, TRACEBACK.encode()), "answered 500: ValueError: columns are missing: {'spent'}"),
        (Reply(503, {"error": "model is loading"}), "answered 503: model is loading"),
        (Reply(404, {"error": "Model ranker not found"}), "Model ranker not found; check the endpoints of shard far"),
        (Reply(401, {"error": "no"}), "check the key and the headers of shard far"),
        (Reply(200, {"outputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1]}]}),
         "not of its protocol: output 'x' has 1 elements for shape [2, 2]"),
        (Reply(200, b"{}", {"Content-Length": "200"}), "the connection closed before its end"),
    ],
)  # fmt: skip
def test_other_errors_of_a_server_are_for_operators(tmp_path: Path, reply: Reply, reason: str) -> None:
    with Script(reply.raw()) as server, model_gateway(tmp_path, document(server.url)) as talk:
        answer = talk.as_("web")("POST", SERVE, {"input": {"x": 1}})
        assert answer.status == 502
        assert b"columns" not in answer.content and b"loading" not in answer.content
        assert b"127.0.0.1" not in answer.content
        assert "GET /v1/decisions/" in answer.json()["hint"]
        assert reason in reason_of(talk, answer.headers)


def test_the_fallback_answers_what_a_server_refuses(tmp_path: Path) -> None:
    fallback = {"fallback_model": "rules", "fallback_version": "v1"}
    with Echo(Reply(400, {"error": "no"})) as server, model_gateway(tmp_path, document(server.url, **fallback)) as talk:
        assert talk.as_("web").ok("POST", SERVE, {"input": {"x": 1}})["output"] == {"rules": True}


def test_rows_of_a_table_are_served_and_what_is_no_table_is_the_callers_mistake(tmp_path: Path) -> None:
    def echoed(request: Received) -> Reply:
        return Reply(200, {"outputs": request.json()["inputs"]})

    with Echo(echoed) as server, model_gateway(tmp_path, document(server.url, version={"form": "columns"})) as talk:
        rows = [{"age": 31, "country": "DE"}, {"age": 40, "country": "BR"}]
        assert talk.as_("web").ok("POST", SERVE, {"input": rows})["output"] == rows
        problem = talk.as_("web").refused(422, "POST", SERVE, {"input": [{"age": 1}, {"country": "DE"}]})
    assert "row 1 has other columns than row 0" in problem["detail"]
    assert len(server.received) == 1


def test_a_replica_that_failed_is_asked_whether_it_is_ready_before_it_gets_a_call() -> None:
    statuses = {"infer": 500, "ready": 400}
    clock = Clock()

    def answer(request: Received) -> Reply:
        status = statuses[request.path.rpartition("/")[2]]
        return scored(request) if status == 200 else Reply(status, {"error": "no"})

    async def whole() -> list[object]:
        shard = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE, endpoints=(server.url,))
        cluster = Cluster(shard, clock)
        remote = RemoteRunner(Version(model="ranker", name="v8", shard="far"), cluster)
        outcomes: list[object] = []

        async def call() -> None:
            try:
                outcomes.append(
                    (await remote.run(InferenceRequest(input={}, objective="o"), 10, repeatable=False)).output
                )
            except InferenceError as failure:
                outcomes.append((failure.kind, failure.executed))

        for _ in range(5):
            await call()
        clock.now += 1.1
        await call()
        statuses.update(infer=200, ready=200)
        clock.now += 2.1
        await call()
        await cluster.close()
        return outcomes

    with Echo(answer) as server:
        outcomes = asyncio.run(whole())
    assert outcomes[:5] == [(FailureKind.ERROR, True)] * 5
    assert outcomes[5:] == [(FailureKind.UNAVAILABLE, False), {"score": 0.5}]
    paths = [(request.method, request.path.rpartition("/")[2]) for request in server.received[5:]]
    assert paths == [("GET", "ready"), ("GET", "ready"), ("POST", "infer")]
