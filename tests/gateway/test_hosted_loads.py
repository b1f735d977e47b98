"""Versions on hosts are loaded side by side, and never more than a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.gateway.control.access import Audience
from nlapi.gateway.ray.gateways import HostedVersions
from nlapi.gateway.ray.messages import MAX_LOADS, HostDemand, HostedContent
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.routing.model import VersionRef
from tests.gateway.kit import Talk, gateway
from tests.gateway.versions import write

COUNT = MAX_LOADS + 2


def test_a_change_asks_hosts_for_several_versions_at_once(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk, ThreadPoolExecutor(1) as pool:
        assert talk.app is not None
        for number in range(COUNT):
            write(tmp_path / f"models/echo-{number}", f"def predict(value):\n    return {number}")
        host = Talk(talk.port, talk.app.access.create_token("host", Audience.HOST)[1])
        versions = [
            {"model": "echo", "version": f"v{number}", "source": f"echo-{number}", "shard": "ranking"}
            for number in range(COUNT)
        ]
        document = talk.ok("GET", "/v1/configuration")
        document["shards"].append({"name": "ranking", "protocol": "host"})
        document["models"].append({"name": "echo"})
        document["versions"] += versions
        beat(host, ready=())
        change = pool.submit(talk.ok, "PUT", "/v1/configuration", document)
        asked = beat(host, ready=())
        while len(asked["versions"]) < MAX_LOADS and not change.done():
            asked = beat(host, ready=(), demand=asked["demand"])
        assert len(asked["versions"]) == MAX_LOADS
        loaded: set[str] = set()
        while not change.done():
            loaded |= {item["digest"] for item in asked["versions"]}
            asked = beat(host, ready=sorted(loaded))
            waiting = {item["digest"] for item in asked["versions"]} - loaded
            assert len(waiting) <= MAX_LOADS
        change.result()
        assert len(loaded) == COUNT


def beat(host: Talk, *, ready: Sequence[str], demand: str = "") -> Any:
    """A heartbeat of a host that has loaded `ready`; the gateway holds it until there is more than in `demand`."""
    body = {"shard": "ranking", "url": "http://127.0.0.1:1", "ready": [{"digest": digest} for digest in ready]}
    return host.ok("POST", "/v1/hosts/h1/heartbeat", {**body, "demand": demand})


def test_a_host_loads_several_versions_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        full, running, most = asyncio.Event(), 0, 0

        async def fetch(digest: str) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == MAX_LOADS:
                full.set()
            await full.wait()  # one by one, it would wait for ever
            running -= 1
            raise DescriptionError(f"{digest} is nowhere")

        changed = asyncio.Event()
        versions = HostedVersions(ArtifactStore(tmp_path), changed.set)
        contents = [HostedContent(digest=f"sha256:{number:064x}") for number in range(COUNT)]
        refs = {content: frozenset({VersionRef(model="echo", version=content.digest[-1])}) for content in contents}
        versions.demand("gateway", HostDemand(tag="1", versions=refs), fetch)
        task = asyncio.create_task(versions.run())
        async with asyncio.timeout(30):
            while len(versions.failed) < COUNT:
                changed.clear()
                await changed.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert most == MAX_LOADS
        assert versions.is_complete

    asyncio.run(run())
