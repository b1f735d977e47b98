"""The resources of a revision: the whole of a small one, and that each is of Envoy's form.

`python -m tests.gateway.envoy.test_envoy_resources` writes the golden file again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.envoy.ads_server import AdsServer
from nlapi.gateway.envoy.carriage import Plane, carriage, client_issues
from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
from nlapi.gateway.envoy.envoy_process import ControlPlaneAddress, bootstrap
from nlapi.gateway.envoy.messages import InvalidResourceError, encode_resource
from nlapi.gateway.envoy.options import DataPlaneOptions, ListenerCertificate, ShardCertificates
from nlapi.gateway.envoy.rate_limits import token_bucket
from nlapi.gateway.envoy.resources import (
    CLUSTER,
    ENDPOINTS,
    ROUTES,
    KeySettings,
    Resources,
    extension_resources,
    fixed_resources,
    merge_encoded,
    objective_resources,
)
from nlapi.gateway.ray.messages import HostedContent, HostHeartbeat
from nlapi.gateway.ray.registry import HostRegistry
from nlapi.gateway.routing_keys.cells import list_cells
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.routing.model import Client, Configuration, VersionRef
from tests.gateway.clock import Clock
from tests.tables import table

GOLDEN = Path(__file__).parent / "resources.yaml"

OPTIONS = DataPlaneOptions(
    certificate=ListenerCertificate(
        certificate="/tls/tls.crt", key="/tls/tls.key", client_authorities="/tls/clients.crt"
    ),
    shard_certificates=ShardCertificates(
        authorities="/tls/shards.crt", certificate="/tls/client.crt", key="/tls/client.key"
    ),
    access_log="/var/log/envoy.jsonl",
)
KEYS = KeySettings(public_keys={"keys": [{"kid": "k1", "kty": "EC"}]}, issuer="nlapi-gateway", max_lifetime_s=3600)


def configuration(**more: Any) -> Configuration:
    """Two objectives: one that Envoy carries, with a canary and a shadow, and one of an LLM."""
    document: dict[str, Any] = {
        "objectives": [
            {"name": "rank", "model": "ranker", "version": "v1", "timeout_ms": 400},
            {"name": "chat", "model": "chat", "version": "small"},
        ],
        "models": [{"name": "ranker"}, {"name": "chat"}],
        "versions": [
            {"model": "ranker", "version": "v1", "shard": "json"},
            {"model": "ranker", "version": "v2", "shard": "tensors"},
            {"model": "chat", "version": "small", "shard": "llm"},
        ],
        "shards": [
            {"name": "json", "protocol": "json", "endpoints": ["http://10.0.0.1:80/score", "http://10.0.0.2/score/"]},
            {"name": "tensors", "protocol": "oip-v2", "endpoints": ["https://models.internal"], "concurrency": 10},
            {"name": "llm", "protocol": "openai", "endpoints": ["https://llm.internal/v1"]},
        ],
        "canaries": [{"name": "v2", "objective": "rank", "model": "ranker", "version": "v2", "percent": 5}],
        "shadows": [{"name": "next", "objective": "rank", "model": "ranker", "version": "v2", "percent": 12.5}],
        "clients": [{"name": "web", "requests_per_second": 200, "burst": 50}, {"name": "free", "concurrency": 3}],
    }
    return decode_configuration(document | more)


def all_resources() -> dict[str, Any]:
    """All resources of the configuration, by the short name of their type."""
    current = configuration()
    cells = list_cells(current)
    parts = [
        fixed_resources(OPTIONS),
        extension_resources(KEYS, current.clients.values(), OPTIONS),
        *(
            objective_resources(carriage(current, objective, cells[name]), OPTIONS)
            for name, objective in current.objectives.items()
        ),
    ]
    merged: Resources = {}
    for part in parts:
        for type_url, resources in part.items():
            merged.setdefault(type_url, {}).update(resources)
    return merged


def test_the_resources_of_a_revision_are_those_of_the_golden_file() -> None:
    expected = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
    made = {type_url.rpartition(".")[2]: resources for type_url, resources in all_resources().items()}
    assert made == expected


def test_every_resource_is_of_envoys_form_and_the_same_each_time() -> None:
    for type_url, resources in all_resources().items():
        for name, document in resources.items():
            first, second = (encode_resource(type_url, name, document) for _ in range(2))
            assert first == second
            assert first.content


def test_a_document_that_envoy_would_not_read_is_named() -> None:
    with pytest.raises(InvalidResourceError, match=r"Cluster 'a': .*no field named"):
        encode_resource(CLUSTER, "a", {"name": "a", "type": "STATIC", "no_such_field": 1})


def test_two_different_clusters_of_one_name_are_refused() -> None:
    parts = [{CLUSTER: {"a": encode_resource(CLUSTER, "a", {"name": "a", "type": kind})}} for kind in ("EDS", "STATIC")]
    assert merge_encoded([parts[0], parts[0]])[CLUSTER].keys() == {"a"}
    with pytest.raises(ValueError, match="two different Cluster have the name 'a'"):
        merge_encoded(parts)


def test_what_envoy_does_not_do_of_a_configuration_is_an_issue() -> None:
    guarded = {"name": "v2", "objective": "rank", "model": "ranker", "version": "v2", "percent": 5,
               "guards": [{"metric": "error_rate", "limit": 0.1}]}  # fmt: skip
    current = configuration(
        canaries=[guarded],
        shadows=[{"name": "talk", "objective": "rank", "model": "chat", "version": "small"}],
    )
    cells = list_cells(current)
    planes = {name: carriage(current, objective, cells[name]) for name, objective in current.objectives.items()}
    assert {name: entry.plane for name, entry in planes.items()} == {"rank": Plane.ENVOY, "chat": Plane.GATEWAY}
    rules = {(issue.where, issue.rule) for entry in planes.values() for issue in entry.issues}
    assert rules == {
        ("canaries.v2", "not-measured"),
        ("shadows.talk", "not-carried"),
        ("objectives.chat", "not-carried"),
    }
    assert [issue.where for issue in client_issues(current)] == ["clients.free"]


def test_replicas_on_ray_are_the_endpoints_of_their_version() -> None:
    versions = [
        {"model": "ranker", "version": name, "shard": "json", "digest": f"sha256:{digit * 64}"}
        for name, digit in (("v1", "1"), ("v2", "2"))
    ]
    current = configuration(
        shards=[{"name": "json", "protocol": "ray"}, {"name": "llm", "protocol": "openai", "endpoints": ["https://l"]}],
        versions=[*versions, {"model": "chat", "version": "small", "shard": "llm"}],
    )
    path = "/nlapi-json-" + "1" * 24
    hosts = HostRegistry(Clock())
    heard = carriage(current, current.objectives["rank"], list_cells(current)["rank"], hosts.reported_endpoints)
    resources = objective_resources(heard, OPTIONS)
    assert heard.plane is Plane.ENVOY
    assert {"rank/json/ranker/v1", "rank/json/ranker/v2"} <= resources[CLUSTER].keys()
    unheard = resources
    assert not resources[ENDPOINTS], "an Envoy would lose the replicas that it has"
    content = HostedContent(digest="sha256:" + "1" * 64)
    hosts.record("ray", HostHeartbeat(shard="json", ready={content: (f"http://10.0.0.7:30000{path}",)}))
    heard = carriage(current, current.objectives["rank"], list_cells(current)["rank"], hosts.reported_endpoints)
    resources = objective_resources(heard, OPTIONS)
    assert resources[CLUSTER]["rank/json/ranker/v1"]["ignore_health_on_host_removal"] is True
    assert resources[CLUSTER] == unheard[CLUSTER], "a changed cluster begins without endpoints"
    assert '"retriable_status_codes": [404, 429]' in json.dumps(resources[ROUTES])
    text = json.dumps(resources[ENDPOINTS]["rank/json/ranker/v1"])
    assert '"address": "10.0.0.7", "port_value": 30000' in text
    assert "10.0.0.7" not in json.dumps(resources[ENDPOINTS]["rank/json/ranker/v2"])
    assert f'"prefix_rewrite": "{path}"' in json.dumps(resources[ROUTES])


def test_a_version_that_moves_to_a_shard_is_carried_from_then_on() -> None:
    after = configuration(canaries=[], shadows=[])
    version = after.versions[VersionRef.parse("ranker@v1")]
    before = replace(after, versions={**after.versions, version.ref: replace(version, shard="local")})
    plane = EnvoyDataPlane(DataPlaneOptions(), AdsServer("127.0.0.1", 0), KeyRing(""))
    plane.publish(before, 1)
    assert {"name": "rank", "plane": "gateway"} in plane.status()["objectives"]  # type: ignore[operator]
    plane.publish(after, 2)
    assert {"name": "rank", "plane": "envoy"} in plane.status()["objectives"]  # type: ignore[operator]


def test_endpoints_that_differ_in_their_path_are_left_to_the_gateway() -> None:
    shards = [
        {"name": "json", "protocol": "json", "endpoints": ["http://10.0.0.1/a", "http://10.0.0.2/b"]},
        {"name": "tensors", "protocol": "oip-v2", "endpoints": ["http://10.0.0.3"]},
        {"name": "llm", "protocol": "openai", "endpoints": ["https://llm.internal/v1"]},
    ]
    current = configuration(shards=shards)
    entry = carriage(current, current.objectives["rank"], list_cells(current)["rank"])
    assert entry.plane is Plane.MIXED
    assert "differ in their scheme or path" in entry.issues[0].message


@table(
    ("shard", "reason"),
    [
        ({"key": "env:MODELS_KEY"}, "needs a key or headers"),
        ({"headers": {"X-Team": "ranking"}}, "needs a key or headers"),
    ],
)
def test_what_a_shard_needs_of_the_gateway_is_left_to_it(shard: dict[str, Any], reason: str) -> None:
    tensors = {"name": "tensors", "protocol": "oip-v2", "endpoints": ["http://10.0.0.3"], **shard}
    llm = {"name": "llm", "protocol": "openai", "endpoints": ["https://llm.internal/v1"]}
    json_shard = {"name": "json", "protocol": "json", "endpoints": ["http://10.0.0.1"]}
    current = configuration(shards=[tensors, llm, json_shard])
    entry = carriage(current, current.objectives["rank"], list_cells(current)["rank"])
    assert entry.plane is Plane.MIXED
    assert reason in entry.issues[0].message


@table(
    ("rate", "burst", "expected"),
    [
        (0.01, 3, {"max_tokens": 3, "tokens_per_fill": 1, "fill_interval": "100s"}),
        (2.5, 0, {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "0.4s"}),
        (200, 50, {"max_tokens": 50, "tokens_per_fill": 20, "fill_interval": "0.1s"}),
    ],
)
def test_the_bucket_of_a_client_has_its_rate(rate: float, burst: int, expected: object) -> None:
    assert token_bucket(Client(name="web", rate=rate, burst=burst)) == expected


def test_the_bootstrap_names_the_control_plane_and_holds_no_key() -> None:
    address = ControlPlaneAddress(
        host="control.internal", port=8720, authorities="/c/ca.crt", certificate="/c/tls.crt", key="/c/tls.key"
    )
    text = str(bootstrap("envoy-1", address, admin_socket="/run/admin.sock"))
    for part in ("control.internal", "DELTA_GRPC", "/c/ca.crt", "/run/admin.sock", "envoy-1"):
        assert part in text
    assert "inline" not in text


if __name__ == "__main__":
    short = {type_url.rpartition(".")[2]: resources for type_url, resources in all_resources().items()}
    GOLDEN.write_text(yaml.safe_dump(short, sort_keys=True, width=120), encoding="utf-8")
