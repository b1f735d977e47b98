"""Runs a version on the serving hosts of a shard."""

from __future__ import annotations

from time import perf_counter
from urllib.parse import quote

import orjson

from nlapi.gateway.call_headers import (
    CLIENT_HEADER,
    DIGEST_HEADER,
    OBJECTIVE_HEADER,
    SHADOW_HEADER,
    TIMEOUT_HEADER,
    request_headers,
    version_headers,
)
from nlapi.gateway.hosts.registry import ContentDemand
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.replica_health import UsualLatency
from nlapi.gateway.shard_client import ShardCall
from nlapi.gateway.shards import Cluster


class HostRunner:
    """The runner of one version on the hosts of a shard; they have it loaded until `close`."""

    def __init__(self, demand: ContentDemand, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self.demand = demand
        self._owns_cluster = owns_cluster
        self._headers = {
            **version_headers(demand.version),
            DIGEST_HEADER: demand.content.digest,
        } | ({SHADOW_HEADER: "true"} if demand.content.shadow else {})
        self._usual = UsualLatency()

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with its stages and, as "remote", the time until the answer."""
        before = perf_counter()
        try:
            body = orjson.dumps(request.input)
        except TypeError as error:
            text = "the input has an integer of more than 64 bits, which hosts do not take"
            raise InferenceError(FailureKind.INVALID, text, executed=False) from error
        call = ShardCall(
            path="",
            headers=self._request_headers(request, timeout_s),
            body=body,
            timeout_s=timeout_s,
            repeatable=repeatable,
            objective=request.objective,
            usual=self._usual,
            content=self.demand.content,
        )
        self.cluster.bulkhead.enter(request)
        try:
            result = await self.cluster.call(call)
        finally:
            self.cluster.bulkhead.leave(request)
        try:
            output = orjson.loads(result.output)
        except ValueError as error:
            text = f"{result.endpoint} gave an answer that is not JSON"
            raise InferenceError(FailureKind.INVALID, text, executed=True, attempts=result.attempts) from error
        stages = {**result.stages, "remote": (perf_counter() - before) * 1000}
        return InferenceResult(output=output, stages=stages, attempts=result.attempts, endpoint=result.endpoint)

    async def close(self) -> None:
        """Let the hosts unload the version."""
        self.demand.withdraw()
        if self._owns_cluster:
            await self.cluster.close()

    def _request_headers(self, request: InferenceRequest, timeout_s: float) -> dict[str, str]:
        headers = {**self._headers, **request_headers(request), TIMEOUT_HEADER: f"{timeout_s * 1000:.0f}"}
        for name, value in ((OBJECTIVE_HEADER, request.objective), (CLIENT_HEADER, request.client)):
            if value:
                headers[name] = quote(value, safe="")
        return headers
