"""The calls to versions on remote shards: to the least loaded replica, and to another one when it fails."""

from __future__ import annotations

import asyncio
import json
import time
from time import perf_counter
from urllib.parse import quote

import orjson

from nlapi.gateway import oip
from nlapi.gateway.breaker import Breaker, BreakerState
from nlapi.gateway.calls import Ask, Failed, FailureKind, Ran
from nlapi.gateway.connection import Answer, Connections, LostError, NotSentError, address
from nlapi.gateway.limits import Clock
from nlapi.routing.nouns import Protocol, Shard, Version

MOST_TRIES = 3

# The part of the timeout for opening a connection: an address that does not answer leaves time for another replica.
CONNECT = 0.25

# The part of the timeout for a replica that has failed before: another one may have to answer in the rest.
TRIAL = 0.5


class Replica:
    """One address of a shard with its connections, its calls in flight and its breaker."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.connections = Connections(address(url))
        self.breaker = Breaker(clock)
        self.in_flight = 0
        self.answered = 0
        self.failed = 0


class Cluster:
    """The replicas of a shard. UsageError when an endpoint is not a URL."""

    def __init__(self, shard: Shard, clock: Clock = time.monotonic) -> None:
        self.shard = shard
        self._clock = clock
        self._replicas = [Replica(url, clock) for url in shard.endpoints]
        self._turn = 0

    def apart(self) -> Cluster:
        """Return a Cluster of the same shard with separate connections, counts and breakers."""
        return Cluster(self.shard, self._clock)

    def health(self) -> list[dict[str, object]]:
        """Return endpoint, breaker state and the numbers of calls in flight, answered and failed of each replica."""
        return [
            {
                "endpoint": one.url,
                "breaker": one.breaker.state.value,
                "in_flight": one.in_flight,
                "answered": one.answered,
                "failed": one.failed,
            }
            for one in self._replicas
        ]

    async def close(self) -> None:
        for replica in self._replicas:
            await replica.connections.close()

    async def call(self, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool) -> Ran:
        """Call a replica and return the body of its answer as `output`. Failed when none answered in time.

        A call that was certainly not executed goes to another replica; any other only when it is `repeatable`.
        """
        tried: list[Replica] = []
        self._turn += 1
        failure = Failed(FailureKind.UNAVAILABLE, f"no replica of shard {self.shard.name} is ready", ran=False)
        try:
            async with asyncio.timeout(timeout_s):
                while len(tried) < MOST_TRIES and (replica := self._next(tried)):
                    tried.append(replica)
                    # The call that tries a replica again is somebody's request: it may only take part of the time.
                    suspect = repeatable and replica.breaker.state is not BreakerState.CLOSED
                    send = self._try if suspect and len(self._replicas) > 1 else self._send
                    try:
                        answer = await send(replica, path, headers, body, timeout_s, repeatable=repeatable)
                        return _accepted(answer, replica, len(tried))
                    except Failed as error:
                        if error.kind is FailureKind.INVALID:
                            raise
                        failure = error
                        if error.ran and not repeatable:
                            break
        except TimeoutError:
            text = f"no answer within {timeout_s * 1000:.0f} ms"
            failure = self._failed(tried[-1], FailureKind.TIMEOUT, text, ran=True)
        raise Failed(failure.kind, failure.message, ran=failure.ran, attempts=len(tried))

    def _next(self, tried: list[Replica]) -> Replica | None:
        """Return the ready replica with the fewest calls in flight, or None; equal ones take turns."""
        count = len(self._replicas)
        turned = (self._replicas[(self._turn + step) % count] for step in range(count))
        room = self.shard.concurrency
        fit = [one for one in turned if one not in tried and one.in_flight < room and one.breaker.ready(one.in_flight)]
        return min(fit, key=lambda one: one.in_flight, default=None)

    async def _try(
        self, replica: Replica, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool
    ) -> Answer:
        """Send to a replica that has failed before, with part of the timeout."""
        try:
            async with asyncio.timeout(timeout_s * TRIAL):
                return await self._send(replica, path, headers, body, timeout_s, repeatable=repeatable)
        except TimeoutError:
            text = f"no answer within {timeout_s * TRIAL * 1000:.0f} ms"
            raise self._failed(replica, FailureKind.TIMEOUT, text, ran=True) from None

    async def _send(
        self, replica: Replica, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool
    ) -> Answer:
        replica.in_flight += 1
        try:
            answer = await replica.connections.post(
                path, headers, body, connect_s=timeout_s * CONNECT, repeatable=repeatable
            )
        except NotSentError as error:
            raise self._failed(replica, FailureKind.UNAVAILABLE, str(error), ran=False) from error
        except LostError as error:
            raise self._failed(replica, FailureKind.ERROR, str(error), ran=True) from error
        finally:
            replica.in_flight -= 1
        if answer.status >= 500:
            raise self._failed(replica, FailureKind.ERROR, f"{replica.url} answered {answer.status}", ran=True)
        replica.breaker.success()
        if answer.status == 429:
            raise Failed(FailureKind.UNAVAILABLE, f"{replica.url} has too much to do", ran=False)
        replica.answered += 1
        return answer

    def _failed(self, replica: Replica, kind: FailureKind, message: str, *, ran: bool) -> Failed:
        replica.failed += 1
        replica.breaker.failure()
        # An outlier is ejected only while at least half of the replicas work: when all fail, the cause is elsewhere,
        # and ejecting them would leave none.
        working = sum(1 for one in self._replicas if one.breaker.ready(0) and not one.breaker.outlier)
        if replica.breaker.outlier and working * 2 >= len(self._replicas) and replica.breaker.ready(0):
            replica.breaker.eject()
        return Failed(kind, message, ran=ran)


def _accepted(answer: Answer, replica: Replica, attempts: int) -> Ran:
    """Return the result of an answer below 500. Failed with INVALID unless its status is 2xx."""
    # INVALID is not repeated: another replica would refuse the request as well.
    if not 200 <= answer.status < 300:
        text = f"{replica.url} answered {answer.status}"
        raise Failed(FailureKind.INVALID, text, ran=True, attempts=attempts)
    return Ran(output=answer.body, stages={}, attempts=attempts, endpoint=replica.url)


class Remote:
    """The runner of one version on a shard."""

    def __init__(self, version: Version, cluster: Cluster, *, owns: bool = False) -> None:
        self.cluster = cluster
        self._owns = owns
        self._version = version
        self._open_inference = cluster.shard.protocol is Protocol.OPEN_INFERENCE
        model, name = quote(version.model, safe=""), quote(version.name, safe="")
        self._path = f"/v2/models/{model}/versions/{name}/infer" if self._open_inference else ""
        self._headers = f"Nlapi-Model: {model}\r\nNlapi-Version: {name}\r\n"

    async def run(self, ask: Ask, timeout_s: float, *, repeatable: bool) -> Ran:
        """Return the version's output, with the single stage "remote"."""
        before = perf_counter()
        body = oip.encode(ask.input, ask.request_id) if self._open_inference else orjson.dumps(ask.input)
        ran = await self.cluster.call(self._path, self._lines(ask), body, timeout_s, repeatable=repeatable)
        try:
            output = oip.decode(ran.output, self._version.output) if self._open_inference else orjson.loads(ran.output)
        except (ValueError, TypeError) as error:
            text = f"{ran.endpoint} gave an answer that is not of its protocol"
            raise Failed(FailureKind.INVALID, text, ran=True, attempts=ran.attempts) from error
        stages = {"remote": (perf_counter() - before) * 1000}
        return Ran(output=output, stages=stages, attempts=ran.attempts, endpoint=ran.endpoint)

    async def close(self) -> None:
        if self._owns:
            await self.cluster.close()

    def _lines(self, ask: Ask) -> str:
        lines = self._headers
        if ask.context:
            # json and not orjson, which writes UTF-8: a header has to be ASCII.
            lines += f"Nlapi-Context: {json.dumps(dict(ask.context))}\r\n"
        # A client chooses its request id: a line break in it would add headers to the shard's request.
        if ask.request_id.isalnum() and ask.request_id.isascii():
            lines += f"X-Request-Id: {ask.request_id}\r\n"
        if ask.trace:
            lines += f"traceparent: {quote(ask.trace, safe='')}\r\n"
        return lines
