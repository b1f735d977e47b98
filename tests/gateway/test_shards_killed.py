"""A shard's replica is killed under load, and no request fails."""

from __future__ import annotations

from pathlib import Path

from nlapi.routing.model import Shard, ShardProtocol
from tests.gateway.gateway_app import Load, gateway
from tests.gateway.replica import replica
from tests.gateway.versions import configuration, ref, write_echo


def test_a_replica_that_is_killed_under_load_fails_nothing_and_comes_back(tmp_path: Path) -> None:
    with replica() as one, replica() as other:
        port = int(other.url.rpartition(":")[2])
        shard = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE, endpoints=(one.url, other.url))
        served_by = configuration("v1", remote={"v1": "far"}, shards=[shard], timeout_ms=20_000)
        with gateway(tmp_path, served_by) as served, Load(served) as load:
            load.more(100)
            other.kill()
            load.more(200)
            with replica(port) as again:
                count = len(load.answers)
                while len(load.answers) < count + 20_000 and again.process.pid not in _seen(load, count):
                    load.more(100)
                assert again.process.pid in _seen(load, count)
    assert {answer.status for answer in load.answers} == {200}
    assert {one.process.pid, other.process.pid} <= _seen(load, 0)


def test_when_every_replica_is_dead_the_fallback_version_serves(tmp_path: Path) -> None:
    write_echo(tmp_path, "v2")
    with replica() as one:
        shard = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE, endpoints=(one.url,))
        both = configuration("v1", "v2", remote={"v1": "far"}, shards=[shard], fallback=ref("v2"), timeout_ms=20_000)
        with gateway(tmp_path, both) as served, Load(served) as load:
            load.more(50)
            one.kill()
            load.more(100)
            (state,) = served.engine.runners.replica_health()["far"]
    assert {answer.status for answer in load.answers} == {200}
    assert (state["endpoint"], state["breaker"]) == (one.url, "open")
    last = load.answers[-1].body
    assert (last["fallback"], last["output"]["version"]) == (True, "v2")
    assert not load.answers[0].body["fallback"]


def _seen(load: Load, start: int) -> set[int]:
    return {answer.body["output"]["replica"] for answer in load.answers[start:]}
